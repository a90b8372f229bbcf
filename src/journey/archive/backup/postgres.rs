//! Databases of PostgreSQL into an archive and out of it. What was packed is restored into a private server, and compared
//! with the state that was dumped, before anything names it.

use super::{goes_on, wrong_kind};
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::archive::{Archive, Files};
use crate::pipeline::Stop;
use crate::pipeline::failpoint::{Step, reach};
use crate::store::parquet::backup::{self, BackupKind, Named, Packed};
use crate::store::postgres::conninfo::{Conninfo, Origin};
use crate::store::postgres::dump::{Content, Dump, Load, Loading, hold, occupant};
use crate::store::postgres::failure::Moment;
use crate::store::postgres::server::{Programs, Server, ServerOptions};
use crate::store::postgres::session::Session;
use std::path::Path;

/// A database, and how its programs are found.
#[derive(Debug, Clone, Copy)]
pub struct Database<'a> {
    /// Where it is.
    pub conninfo: &'a Conninfo,
    /// The folder of PostgreSQL's programs; otherwise it is searched for.
    pub bin_dir: Option<&'a Path>,
}

impl Database<'_> {
    fn open(&self, stop: &Stop) -> Result<Session> {
        Session::open(self.conninfo, Moment::FirstConnect, stop)
    }

    fn programs(&self, session: &Session, say: &dyn Fn(&str)) -> Result<Programs> {
        Programs::find(session.server_version() / 10_000, self.bin_dir, say)
    }
}

impl Archive {
    /// Backs a database up, whoever writes to it meanwhile. Slow steps are told to `say`.
    ///
    /// # Errors
    ///
    /// A server that cannot be reached or has no programs here, tables that may not be read, a dump that does not come
    /// back, and a place that cannot be written to.
    pub fn back_up_postgres(
        &self,
        database: Database<'_>,
        say: &dyn Fn(&str),
        stop: &Stop,
    ) -> Result<Named> {
        let session = database.open(stop)?;
        let programs = database.programs(&session, say)?;
        say("dumping the database");
        let (packed, content) = session.transaction(|session| {
            let state = hold(session)?;
            let packed = self.dump(database, &programs, &state, stop)?;
            Ok((packed, Content::read(session)?))
        })?;
        drop(session);
        self.prove(&packed, &content, &programs, say, stop)?;
        self.keep(packed)
    }

    fn dump(
        &self,
        database: Database<'_>,
        programs: &Programs,
        state: &str,
        stop: &Stop,
    ) -> Result<Packed> {
        let of = database.conninfo.display();
        let mut dump = Dump::start(programs, database.conninfo, state, stop)?;
        let Files { place, key } = self.files();
        let packed =
            backup::pack(place, key, (BackupKind::Postgres, &of), &mut dump, &|| goes_on(stop))
                .at(|| format!("archive {}", self.url))?;
        dump.end().at(|| of)?;
        Ok(packed)
    }

    /// Restores what was packed into a server that is gone afterwards, and compares.
    fn prove(
        &self,
        packed: &Packed,
        content: &Content,
        programs: &Programs,
        say: &dyn Fn(&str),
        stop: &Stop,
    ) -> Result<()> {
        say("restoring the dump into a private server, to compare");
        let bin_dir = Some(programs.dir().to_owned());
        let server = Server::scoped(&ServerOptions { bin_dir, ..ServerOptions::scratch() }, say)?;
        let conninfo = Conninfo::decide(&server.url(), &|_| None, Origin::Argument)?;
        let mut load = Load::start(programs, &conninfo, Loading::Stepwise, stop)?;
        let fed = packed.unpack(self.files().key, &mut load, &|| goes_on(stop));
        load.end(fed).map_err(|error| {
            error.todo(
                "nothing was put into the archive; an extension may be missing on this machine",
            )
        })?;
        let session = Session::open(&conninfo, Moment::FirstConnect, stop)?;
        let back = session.transaction(Content::read)?;
        drop(session);
        reach(Step::BackupProved);
        content.check_same(&back)
    }

    /// Restores a backup of a database into one that is empty, all of it or nothing.
    ///
    /// # Errors
    ///
    /// A backup that is not there, is damaged or is none of PostgreSQL, a server that cannot be reached or has no programs
    /// here, and a database that is not empty.
    pub fn restore_postgres(
        &self,
        called: &str,
        database: Database<'_>,
        say: &dyn Fn(&str),
        stop: &Stop,
    ) -> Result<()> {
        let Files { place, key } = self.files();
        let Named { backup: found, .. } = backup::open(place, key, called)?;
        if found.kind != BackupKind::Postgres {
            return Err(wrong_kind(called, BackupKind::Postgres));
        }
        let at = || database.conninfo.display();
        let session = database.open(stop)?;
        if let Some(occupant) = occupant(&session).at(at)? {
            let what = format!("the database is not empty: {occupant} is in it");
            return Err(Error::new(Class::Usage, what)
                .todo("make an empty one with `createdb`, and restore into that"))
            .at(at);
        }
        let programs = database.programs(&session, say)?;
        drop(session);
        let mut load = Load::start(&programs, database.conninfo, Loading::Whole, stop)?;
        let fed = backup::unpack(place, key, &found, &mut load, &|| goes_on(stop));
        load.end(fed.at(|| format!("archive {}", self.url))).map_err(|error| {
            match error.class() {
                Class::Server => error.at(at()).todo(
                    "nothing was restored; a dump of a newer PostgreSQL needs a server that is as new",
                ),
                _ => error,
            }
        })?;
        reach(Step::BackupRestored);
        Ok(())
    }
}
