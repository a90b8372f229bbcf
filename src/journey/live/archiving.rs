//! The archive of a followed source: what passes apply goes into it too, and is published from time to time.
//!
//! The log is sealed, and what was read is taken out of it, only behind a generation that has it all. So whatever a
//! process had not published when it died is still in the log, and tables that only grow have it behind their sealed
//! marks: the first pass of the next process applies it once more, and the archive gets it then.

use super::pass::Keys;
use super::{IDENTITY, Live};
use crate::error::{Class, Error, Result};
use crate::journey::archive::pending::{PENDING_BYTES, Pending, Staged};
use crate::journey::archive::publish::{State, source_of};
use crate::journey::archive::{Archive, STEP};
use crate::journey::snapshot::Forked;
use crate::model::{TableSchema, Touches};
use crate::pipeline::Event;
use crate::plan::Plan;
use crate::status::ArchiveReport;
use crate::store::parquet::generation::Opened;
use crate::store::parquet::manifest::FileKind;
use crate::store::postgres::ledger::{self, LoadedChunk, Position};
use crate::store::postgres::link::Link;
use crate::store::sqlite::original::original;
use crate::store::sqlite::read::Reader;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How often old generations are looked for.
const PRUNED_EVERY: Duration = Duration::from_hours(1);

/// The archive that a followed source goes into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Archiving<'a> {
    archive: &'a Archive,
    outbox: &'a Outbox,
}

/// What is on its way into the archive.
#[derive(Debug)]
pub(super) struct Outbox {
    source: String,
    pending: RefCell<Pending>,
    /// The touch up to which all is in the archive or pending; none before the first pass.
    read_to: Cell<Option<i64>>,
    /// How many passes there were with the last one that is kept; none before it.
    passes: Cell<Option<u64>>,
    /// The touch up to which generations have all.
    published: Cell<Option<i64>>,
    /// When it was pruned last by this process.
    pruned: Cell<Option<Instant>>,
    /// Whether it could not be put where it belongs when that was tried last.
    is_away: Cell<bool>,
    /// Whether others could prune since it was put there.
    has_left: Cell<bool>,
    /// Tables that have rows set aside in the archive, or had.
    aside: RefCell<BTreeSet<String>>,
}

impl Live<'_> {
    /// The archive, if there is one; the changelog must be there.
    pub(super) fn archiving(&self, link: &mut Link<'_>) -> Result<Option<Archiving<'_>>> {
        let Some(archive) = self.archive else { return Ok(None) };
        if let Some(outbox) = self.outbox.get() {
            return Ok(Some(Archiving { archive, outbox }));
        }
        let migration = self.lease.migration;
        let (identity, position) = link.with(|session| {
            let identity = ledger::note_of(session, migration, IDENTITY)?;
            Ok((identity, ledger::position(session, migration)?))
        })?;
        let identity = identity.ok_or_else(|| Error::internal("nobody knows the changelog"))?;
        let source = source_of(self.plan, Some(&identity));
        // From now on nobody applies anything without the archive.
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, self.lease)?;
                ledger::complete_step(session, self.lease, STEP, Some(archive.url())).map(drop)
            })
        })?;
        let before = archive.before(self.plan, &source, self.lease, link, self.setting)?;
        if let Some((published, position)) = before.position.zip(position) {
            check_behind(published, &position)?;
        }
        let with_aside = before.files.iter().filter(|file| file.kind == FileKind::Rejected);
        let aside = with_aside.map(|file| file.table.clone()).collect();
        let outbox = Outbox {
            pending: RefCell::new(Pending::new(&source, PENDING_BYTES, &before.files)),
            source,
            read_to: Cell::new(None),
            passes: Cell::new(None),
            pruned: Cell::new(None),
            is_away: Cell::new(false),
            has_left: Cell::new(false),
            published: Cell::new(before.position),
            aside: RefCell::new(aside),
        };
        let outbox = self.outbox.get_or_init(|| outbox);
        Ok(Some(Archiving { archive, outbox }))
    }

    /// Publishes what was applied since the newest generation, where the target is one state of the source; gives the
    /// newest generation then. However that ends, the archive is left, so that somebody else can prune it.
    ///
    /// # Errors
    ///
    /// An archive that cannot be written to, or is another one's.
    pub(in crate::journey) fn publish(&self, link: &mut Link<'_>) -> Result<Option<ArchiveReport>> {
        let Some(archiving) = self.archiving(link)? else { return Ok(None) };
        let published = self.publish_state(archiving, link);
        archiving.archive.leave();
        // Files that wait to be named are safe only while nobody can prune.
        archiving.outbox.has_left.set(!matches!(published, Ok(Some(_))));
        let Some(published) = published? else { return Ok(None) };
        let is_time = |last: Instant| last.elapsed() >= PRUNED_EVERY;
        if archiving.outbox.pruned.get().is_none_or(is_time) {
            archiving.outbox.pruned.set(Some(Instant::now()));
            archiving.archive.prune_as_said()?;
        }
        Ok(Some(archiving.archive.report(&published)))
    }

    fn publish_state(
        &self,
        archiving: Archiving<'_>,
        link: &mut Link<'_>,
    ) -> Result<Option<Opened>> {
        self.check_waiting(archiving)?;
        // What is kept whole is of the very state that the target is brought to.
        let mut reader = Reader::of_moving(self.inspected.source.connect()?);
        reader.hold()?;
        self.drain(&reader, &Keys::Made, link)?;
        archiving.make_room()?;
        let file = original(reader.connection())?;
        let whole = archiving.archive.put_whole(&file, &reader)?;
        reader.let_go()?;
        let position = link.with(|session| ledger::position(session, self.lease.migration))?;
        let Some(position) = position.filter(|position| position.consistent) else {
            return Ok(None);
        };
        // What was applied by another process is not pending here yet.
        if archiving.read_to(&position) < position.seq {
            return Ok(None);
        }
        let state = State {
            plan: self.plan,
            source: &archiving.outbox.source,
            position: Some(position.seq),
            nonce: position.nonces.first().cloned(),
            file,
            whole,
        };
        let mut pending = archiving.outbox.pending.borrow_mut();
        let published =
            archiving.archive.publish(state, Some(&mut pending), self.lease, link, self.setting)?;
        archiving.outbox.published.set(published.manifest.position);
        Ok(Some(published))
    }

    /// Makes sure that files are there that waited to be named while somebody could prune; where one is not, all of them
    /// are given up, and what they had is read from the changelog again.
    fn check_waiting(&self, archiving: Archiving<'_>) -> Result<()> {
        let Archiving { archive, outbox } = archiving;
        if !outbox.has_left.get() {
            return Ok(());
        }
        archive.files().place.enter()?;
        let checked = outbox.pending.borrow().check_steps(archive.files());
        if let Err(error) = checked {
            if error.class() != Class::Damaged {
                return Err(error);
            }
            let told = format!("{error}: what it had is read from the changelog again");
            self.setting.progress.tell(Event::Warning(told));
            outbox.pending.borrow_mut().forget();
            outbox.read_to.set(None);
            self.grown_again.set(true);
        }
        outbox.has_left.set(false);
        Ok(())
    }

    /// Whether a failure is that of an archive that could not take what a pass had for it, and may take it later.
    pub(in crate::journey) fn waits_for_archive(&self, error: &Error) -> bool {
        error.class() == Class::Temporary
            && self.outbox.get().is_some_and(|outbox| outbox.is_away.get())
    }

    /// Whether all that was applied is in a generation, where there is an archive.
    pub(super) fn has_published(&self, position: &Position) -> bool {
        match (self.archive, self.outbox.get()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(outbox)) => {
                let published = outbox.published.get();
                outbox.pending.borrow().is_empty()
                    && published.is_some_and(|published| published >= position.seq)
            }
        }
    }
}

/// Fails where the log was purged of touches that are not in the archive.
fn check_behind(published: i64, position: &Position) -> Result<()> {
    if position.sealed <= published {
        return Ok(());
    }
    let what = format!(
        "the archive has what changed up to touch {published}, and the log was purged up to {}: somebody followed the source \
         without its archive",
        position.sealed
    );
    Err(Error::new(Class::Undecided, what)
        .todo("take all tables anew with `liteferry run --anew TABLE`, or name another place for the archive and do so"))
}

impl<'a> Archiving<'a> {
    /// The touch behind which passes read, so that the archive misses none.
    pub(super) fn read_to(self, position: &Position) -> i64 {
        self.outbox.read_to.get().unwrap_or(position.sealed).min(position.seq)
    }

    /// Where what is copied goes.
    pub(super) fn forked(self) -> Forked<'a> {
        Forked { archive: self.archive, source: &self.outbox.source }
    }

    /// Begins what a pass has to say of a table.
    pub(super) fn stage(self, table: &'a TableSchema) -> Staged<'a> {
        self.outbox.pending.borrow().stage(self.archive.files(), table)
    }

    /// Whether it must be told the names of rows that were touched.
    pub(super) fn wants_names(self, table: &TableSchema) -> bool {
        self.outbox.aside.borrow().contains(&table.source)
    }

    /// Remembers that rows of a table are set aside.
    pub(super) fn note_aside(self, table: &TableSchema) {
        self.outbox.aside.borrow_mut().insert(table.source.clone());
    }

    /// The same of all tables of which chunks were loaded without some rows.
    pub(super) fn note_all_aside(self, plan: &Plan, loaded: &[LoadedChunk]) {
        let is_aside = |table: &str| loaded.iter().any(|it| it.table == table && it.rejected > 0);
        let tables = plan.tables.iter().map(|table| &table.schema);
        tables.filter(|table| is_aside(&table.target)).for_each(|table| self.note_aside(table));
    }

    /// Whether a pass was committed that nobody has kept, because the answer was lost.
    pub(super) fn has_missed(self, begins: &Position) -> bool {
        self.outbox.passes.get().is_some_and(|passes| passes != begins.passes)
    }

    /// Keeps what a pass has said that is committed; false where the next pass must say it again, because the archive took
    /// nothing just now.
    pub(super) fn keep(
        self,
        staged: Vec<Staged<'_>>,
        touches: Touches,
        begins: &Position,
    ) -> Result<bool> {
        let mut pending = self.outbox.pending.borrow_mut();
        let kept = pending.keep(self.archive.files(), staged, touches);
        let has_all = pending.has_all();
        if has_all {
            self.outbox.read_to.set(Some(touches.last));
            self.outbox.passes.set(Some(begins.passes.saturating_add(1)));
        }
        match kept {
            Err(error) if error.class() != Class::Temporary => Err(error),
            kept => {
                self.outbox.is_away.set(kept.is_err());
                Ok(has_all)
            }
        }
    }

    /// The same error; remembers that the archive took nothing, where that is what it says.
    pub(super) fn noted(self, error: Error) -> Error {
        if error.class() == Class::Temporary {
            self.outbox.is_away.set(true);
        }
        error
    }

    /// Puts into the archive what there is no room for in memory; fails where it could take nothing before, and still
    /// cannot. Nothing more may be applied then: it would have to be kept somewhere.
    pub(super) fn make_room(self) -> Result<()> {
        if self.outbox.is_away.get() {
            let files = self.archive.files();
            drop(files.place.draft()?);
            self.outbox.pending.borrow_mut().fit(files)?;
            self.outbox.is_away.set(false);
        }
        Ok(())
    }
}
