//! A session that comes back: lost connections are opened again, and what was under way is done again.

use super::conninfo::Conninfo;
use super::failure::Moment;
use super::ledger::{self, Lease};
use super::retry::persist;
use super::session::Session;
use crate::error::{Class, Result};
use crate::pipeline::{Progress, Stop};

/// One worker's way to the server.
#[derive(Debug)]
pub struct Link<'a> {
    conninfo: &'a Conninfo,
    stop: Stop,
    progress: &'a dyn Progress,
    session: Option<Session>,
    /// Held by each session, once the run has it.
    lease: Option<Lease>,
    /// Whether what fails is tried again by itself, and not only as a part of something larger.
    retries: bool,
}

impl<'a> Link<'a> {
    /// Connects for the first time: where that fails, it is the user's to mend.
    ///
    /// # Errors
    ///
    /// No server, no access, or a server that is too old or not UTF-8.
    pub fn open(
        conninfo: &'a Conninfo,
        stop: &'a Stop,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        let session = Session::open(conninfo, Moment::FirstConnect, stop)?;
        let stop = stop.clone();
        Ok(Self { conninfo, stop, progress, session: Some(session), lease: None, retries: true })
    }

    /// Another way to the same server under the same lease, connected when it is first used.
    pub fn another(&self) -> Self {
        Self { lease: self.lease, ..self.apart(&self.stop) }
    }

    /// Another way to the same server that holds no lease and is stopped by another stop, connected when it is first used.
    pub fn apart(&self, stop: &Stop) -> Self {
        let (conninfo, progress) = (self.conninfo, self.progress);
        let stop = stop.clone();
        Self { conninfo, stop, progress, session: None, lease: None, retries: true }
    }

    /// Takes a migration and holds it for as long as this link, or another that is made from it, is connected.
    ///
    /// # Errors
    ///
    /// [`crate::Class::Held`] while another run has it.
    pub fn take(&mut self, migration: i32) -> Result<Lease> {
        let lease = self.with(|session| ledger::take(session, migration))?;
        self.lease = Some(lease);
        Ok(lease)
    }

    /// Runs `work`; after a passing failure once more, on a new connection, so `work` must find out what it has done
    /// already.
    ///
    /// # Errors
    ///
    /// What `work` says, or a failure that does not pass.
    pub fn with<T>(&mut self, mut work: impl FnMut(&Session) -> Result<T>) -> Result<T> {
        if !self.retries {
            return self.once(&mut work);
        }
        let (stop, progress) = (self.stop.clone(), self.progress);
        persist(&stop, progress, || self.once(&mut work))
    }

    fn once<T>(&mut self, work: &mut impl FnMut(&Session) -> Result<T>) -> Result<T> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.reconnect()?,
        };
        // A session on which something failed may be in the middle of anything: only a good one is kept.
        let done = work(&session)?;
        self.session = Some(session);
        Ok(done)
    }

    /// Runs `work`, which holds what others wait for, and is connected when it begins: nothing in it is tried again by
    /// itself, but after a passing failure all of it once more, so that nothing is held while the server is waited for.
    ///
    /// # Errors
    ///
    /// As [`Self::with`].
    pub fn as_a_whole<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T>) -> Result<T> {
        let (stop, progress) = (self.stop.clone(), self.progress);
        persist(&stop, progress, || {
            self.retries = false;
            let done = self.with(|_connected| Ok(())).and_then(|()| work(self));
            self.retries = true;
            done
        })
    }

    /// Goes on with a new session, which shares the lease before the old one ends: with that end its temp tables, and
    /// whatever else a session keeps. A server that takes no other now leaves the old one.
    ///
    /// # Errors
    ///
    /// [`Class::Held`] where another run took the migration meanwhile; a failure that does not pass.
    pub fn renew(&mut self) -> Result<()> {
        match self.reconnect() {
            Ok(session) => self.session = Some(session),
            Err(error) if error.class() == Class::Temporary => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A session of its own, for work that cannot be taken up again on another one.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn connect(&self) -> Result<Session> {
        Session::open(self.conninfo, Moment::Reconnect, &self.stop)
    }

    fn reconnect(&self) -> Result<Session> {
        let session = self.connect()?;
        if let Some(lease) = self.lease {
            ledger::share(&session, lease)?;
        }
        Ok(session)
    }
}
