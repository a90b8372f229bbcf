//! The source seen through: its schema, whether its file is whole, and the census of every value.

use super::part::{Part, probes};
use super::reject::check_remedies;
use super::{Setting, collide, live};
use crate::config::{Census, Pipeline};
use crate::error::{Class, Error, Place, Result};
use crate::model::{
    Motion, RowRange, SourceSchema, SourceTable, TableEvidence, TargetTable, UnreadableTable,
};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, Stop, workers};
use crate::plan::unique::{self, Apart};
use crate::plan::{self, Facts, Plan};
use crate::store::sqlite::census;
use crate::store::sqlite::check::{self, Findings, Secret, Seen};
use crate::store::sqlite::connection::{FileStamp, Source};
use crate::store::sqlite::introspect;
use crate::store::sqlite::read::{Reader, has_write_ahead_log};
use crate::store::sqlite::salvage::{self, Unreadable};
use std::collections::BTreeSet;

/// Parts of one table that the census may be divided into.
const PARTS_MAX: u64 = 64;

/// Chunks that a piece has: one that has grown a little is not cut.
const PIECE_CHUNKS: u64 = 2;

/// Bytes of a chunk that is read at once, and then waits in memory.
const BRIEF_CHUNK_BYTES: u64 = 2 * 1024 * 1024;

/// Pieces of a chunk's size that the census cuts: neighbours are joined to chunks across the parts of a table.
const STRETCHES_PER_CHUNK: u64 = 4;

/// An open source with its schema.
#[derive(Debug)]
pub struct Inspected {
    /// The file.
    pub source: Source,
    /// What `stat` said before anything was read.
    pub stamp: FileStamp,
    /// Its schema.
    pub schema: SourceSchema,
    /// blake3 of its schema.
    pub schema_hash: String,
    /// Whether it is written to meanwhile.
    pub motion: Motion,
    /// Whether who reads keeps out who writes: it has a rollback journal.
    pub excludes_writers: bool,
}

impl Inspected {
    /// Opens the source, which is at rest or moves, and reads its schema.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_as(motion: Motion, pipeline: &Pipeline, stop: &Stop) -> Result<Self> {
        match motion {
            Motion::AtRest => Self::open(pipeline, stop),
            Motion::Moving => Self::open_moving(pipeline, stop),
        }
    }

    /// Opens the source and reads its schema.
    ///
    /// # Errors
    ///
    /// A file that is not there, or no readable database.
    pub fn open(pipeline: &Pipeline, stop: &Stop) -> Result<Self> {
        Self::of(Source::open(&pipeline.source.path, pipeline.source.accept_corrupt, stop)?, stop)
    }

    /// Opens a source that the application goes on writing to.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_moving(pipeline: &Pipeline, stop: &Stop) -> Result<Self> {
        let (path, accept_corrupt) = (&pipeline.source.path, pipeline.source.accept_corrupt);
        let source = Source::open_moving(path, accept_corrupt, stop)?;
        Ok(Self { motion: Motion::Moving, ..Self::of(source, stop)? })
    }

    fn of(source: Source, stop: &Stop) -> Result<Self> {
        let stamp = source.first_stamp()?;
        let connection = source.connect()?;
        let excludes_writers = !has_write_ahead_log(&connection)
            .map_err(|error| stop.named(error))
            .at(|| format!("source {}", source.path().display()))?;
        let (schema, schema_hash) = introspect::with_fingerprint(&connection)
            .map_err(|error| stop.named(error))
            .at(|| format!("source {}", source.path().display()))?;
        let motion = Motion::AtRest;
        Ok(Self { source, stamp, schema, schema_hash, motion, excludes_writers })
    }

    /// Opens `count` readers that all see one state of the source; where it moves, each holds one, and they are the same
    /// unless somebody commits just then.
    ///
    /// # Errors
    ///
    /// [`Class::SourceChanged`] where somebody wrote to a source at rest while they were opened.
    pub fn readers(&self, count: usize) -> Result<Vec<Reader>> {
        if self.motion == Motion::Moving {
            let mut readers = self.moving_readers(count)?;
            readers.iter_mut().try_for_each(Reader::hold)?;
            return Ok(readers);
        }
        let open = || Reader::new(self.source.connect()?);
        let readers = (0..count.max(1)).map(|_| open()).collect::<Result<Vec<_>>>()?;
        // The first one would notice a commit that the others have seen and it has not.
        readers.first().map_or(Ok(()), Reader::check_unchanged)?;
        Ok(readers)
    }

    /// Opens `count` readers of a source that moves; they hold no state yet.
    ///
    /// # Errors
    ///
    /// A source that cannot be opened.
    pub fn moving_readers(&self, count: usize) -> Result<Vec<Reader>> {
        (0..count.max(1)).map(|_| Ok(Reader::of_moving(self.source.connect()?))).collect()
    }

    /// Looks at every value and decides everything; `target` has the tables that exist.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`] where the user must decide first, [`Class::Data`] where the source is damaged and that was
    /// not accepted.
    pub fn plan(
        &self,
        pipeline: &Pipeline,
        target: &[TargetTable],
        setting: Setting<'_>,
    ) -> Result<Plan> {
        self.plan_wholly(pipeline, target, &BTreeSet::new(), setting)
    }

    /// The same, with every value of the tables of these names looked at, even where the census is a sample.
    ///
    /// # Errors
    ///
    /// As [`Self::plan`].
    pub(super) fn plan_wholly(
        &self,
        pipeline: &Pipeline,
        target: &[TargetTable],
        whole: &BTreeSet<String>,
        setting: Setting<'_>,
    ) -> Result<Plan> {
        let plan = self.plan_untried(pipeline, target, whole, setting)?;
        live::check_followable(self, &plan, setting)?;
        Ok(plan)
    }

    /// The same, whether or not all of its tables can be followed.
    ///
    /// # Errors
    ///
    /// As [`Self::plan`].
    pub(super) fn plan_untried(
        &self,
        pipeline: &Pipeline,
        target: &[TargetTable],
        whole: &BTreeSet<String>,
        setting: Setting<'_>,
    ) -> Result<Plan> {
        let (found, damage) = self.checked(setting)?;
        for line in found.strays {
            let stray = format!("the source breaks a constraint of its own: {line}");
            setting.progress.tell(Event::Warning(stray));
        }
        for line in found.unchecked {
            setting.progress.tell(Event::Warning(format!("the source cannot be checked: {line}")));
        }
        let (schema, evidence) =
            self.census((pipeline, whole), target, !damage.is_empty(), setting)?;
        if schema.tables.is_empty() && !(damage.is_empty() && schema.unreadable.is_empty()) {
            return Err(self.nothing_left(&damage, &schema));
        }
        if self.motion == Motion::AtRest && self.source.stamp()? != self.stamp {
            return Err(Error::new(
                Class::SourceChanged,
                "the source was written to during the census",
            )
            .todo("stop what writes to it and run the same command again"));
        }
        let mut plan = self.decide(pipeline, target, (&schema, &evidence), setting)?;
        plan.damage.found = found.damage;
        Ok(plan)
    }

    /// Decides everything, and once more where keys would not stay apart.
    fn decide(
        &self,
        pipeline: &Pipeline,
        target: &[TargetTable],
        (schema, evidence): (&SourceSchema, &[TableEvidence]),
        setting: Setting<'_>,
    ) -> Result<Plan> {
        let mut apart = Apart::new();
        loop {
            let schema_hash = &self.schema_hash;
            let (motion, chunk_bytes) = (self.motion, self.chunk_bytes(pipeline));
            let facts = Facts {
                schema,
                schema_hash,
                evidence,
                pipeline,
                target,
                apart: &apart,
                motion,
                chunk_bytes,
            };
            let plan = plan::build(&facts)?;
            plan.tables.iter().try_for_each(check_remedies)?;
            let merged = collide::find(self, &plan, &schema.tables, evidence, setting)?;
            let more = unique::keep_apart(&merged, &plan, &schema.tables, pipeline, &apart)?;
            if more.is_empty() {
                return Ok(plan);
            }
            apart.extend(more);
        }
    }

    /// Refuses a source that is damaged, unless that was accepted.
    ///
    /// # Errors
    ///
    /// [`Class::Data`] with what was found.
    pub fn refuse_damage(&self, setting: Setting<'_>) -> Result<()> {
        self.checked(setting).map(drop)
    }

    /// What the check found, and all damage that is known of.
    fn checked(&self, setting: Setting<'_>) -> Result<(Findings, Vec<String>)> {
        let found = self.check(setting)?;
        let damage = self.damage(&found);
        if damage.is_empty() || self.source.accepts_corrupt() {
            return Ok((found, damage));
        }
        Err(check::refusal(&self.source, &damage)?)
    }

    /// Whether reading for long would keep the application from writing.
    pub(super) fn must_read_briefly(&self) -> bool {
        self.motion == Motion::Moving && self.excludes_writers
    }

    /// Bytes of a chunk: where reading keeps the application from writing, as many as can wait for a slow server while
    /// nothing is read any more.
    pub(super) fn chunk_bytes(&self, pipeline: &Pipeline) -> u64 {
        let asked = pipeline.snapshot.chunk_bytes;
        if self.must_read_briefly() { asked.min(BRIEF_CHUNK_BYTES) } else { asked }
    }

    /// Bytes that are read in one state of a source that moves, where what is read can go on in another one.
    pub(super) fn piece_bytes(&self, pipeline: &Pipeline) -> u64 {
        self.chunk_bytes(pipeline).saturating_mul(PIECE_CHUNKS)
    }

    /// Has SQLite check the file, and each table that has indexes.
    fn check(&self, setting: Setting<'_>) -> Result<Findings> {
        if self.must_read_briefly() {
            let why = "the file as a whole: with a rollback journal a check would keep the application from writing";
            return Ok(Findings { unchecked: vec![why.into()], ..Findings::default() });
        }
        setting.progress.tell(Event::Phase(Phase::Check));
        let indexed = self.schema.tables.iter().filter(|table| !table.indexes.is_empty());
        // By an order that only the application knows, every index of it would look damaged.
        let (known, strange): (Vec<_>, Vec<_>) =
            indexed.partition(|table| unknown_collation(table).is_none());
        let words = format!("SQLite's own, of the file and of {} tables with indexes", known.len());
        setting.progress.tell(Event::Step(words));
        let mut found = Findings::default();
        found.damage.extend(self.source.broken().map(|reason| format!("the whole file: {reason}")));
        self.verdicts(&known, setting)?.into_iter().for_each(|verdict| found.merge(verdict));
        found.unchecked.extend(strange.into_iter().filter_map(|table| {
            let collation = unknown_collation(table)?;
            Some(format!("table {}: no such collation sequence: {collation}", table.name))
        }));
        Ok(found)
    }

    /// What SQLite says of the file, and of each table that does not plainly agree with its indexes. Where the source moves,
    /// no state is held for longer than the file takes, or one table.
    fn verdicts(&self, indexed: &[&SourceTable], setting: Setting<'_>) -> Result<Vec<Findings>> {
        let secret = Secret::default();
        let (mut readers, at_once) = match self.motion {
            Motion::AtRest => (self.readers(setting.workers)?, indexed.len()),
            Motion::Moving => (self.moving_readers(setting.workers)?, 1),
        };
        let mut look = |tables: &[&SourceTable], first: Option<check::Part<'_>>| {
            let reader = readers.first();
            let reader = reader.ok_or_else(|| Error::internal("a check without a reader"))?;
            let parts: Vec<_> = first.into_iter().chain(check::parts(reader, tables)?).collect();
            let mut seen = self.seen(&parts, &mut readers, &secret, setting)?;
            let doubted = check::doubted(&parts, &seen);
            seen.extend(self.seen(&doubted, &mut readers, &secret, setting)?);
            Ok::<_, Error>(seen)
        };
        let mut seen = Vec::new();
        let mut file = Some(check::Part::File);
        if self.motion == Motion::Moving || indexed.is_empty() {
            seen.extend(look(&[], file.take())?);
        }
        for tables in indexed.chunks(at_once.max(1)) {
            seen.extend(look(tables, file.take())?);
        }
        let verdict = |seen| if let Seen::Findings(found) = seen { Some(found) } else { None };
        Ok(seen.into_iter().filter_map(verdict).collect())
    }

    /// What comes of parts of the check, of a state that the readers let go again.
    fn seen(
        &self,
        parts: &[check::Part<'_>],
        readers: &mut [Reader],
        secret: &Secret,
        setting: Setting<'_>,
    ) -> Result<Vec<Seen>> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        if self.motion == Motion::Moving {
            readers.iter_mut().try_for_each(Reader::hold)?;
        }
        let hands = readers.iter_mut().collect();
        let seen =
            workers::over(parts, hands, setting.stop, |reader, part| part.check(reader, secret))?;
        readers.iter().try_for_each(Reader::let_go)?;
        Ok(seen)
    }

    /// That no table at all can be read.
    fn nothing_left(&self, damage: &[String], schema: &SourceSchema) -> Error {
        let of_table = |table: &UnreadableTable| format!("table {}: {}", table.name, table.reason);
        let of_tables = schema.unreadable.iter().map(of_table);
        let why = damage.iter().cloned().chain(of_tables).next().unwrap_or_default();
        let todo = if damage.is_empty() {
            "repair in the source what this names"
        } else {
            "restore it from a backup"
        };
        Error::new(Class::Data, format!("no table of it can be read: {why}"))
            .todo(todo)
            .at(format!("source {}", self.source.path().display()))
    }

    /// Everything that must not be in a file that is whole.
    fn damage(&self, found: &Findings) -> Vec<String> {
        let damaged = self.schema.unreadable.iter().filter(|table| table.damaged);
        let tables = damaged.map(|table| format!("table {}: {}", table.name, table.reason));
        found.damage.iter().cloned().chain(tables).collect()
    }

    /// The census of every table that can be read, beside the schema with just these.
    fn census(
        &self,
        (pipeline, whole): (&Pipeline, &BTreeSet<String>),
        target: &[TargetTable],
        damaged: bool,
        setting: Setting<'_>,
    ) -> Result<(SourceSchema, Vec<TableEvidence>)> {
        setting.progress.tell(Event::Phase(Phase::Census));
        let readers = match self.motion {
            Motion::AtRest => self.readers(setting.workers)?,
            // No state is held for as long as a census takes: what types must carry is not of one moment.
            Motion::Moving => self.moving_readers(setting.workers)?,
        };
        let tables = &self.schema.tables;
        // As many columns as SQLite's tables may have leave no place in a result for the rowid.
        tables.iter().try_for_each(plan::check_columns)?;
        let probes = tables
            .iter()
            .map(|table| probes(table, pipeline, target))
            .collect::<Result<Vec<_>>>()?;
        let stretch_bytes = self.chunk_bytes(pipeline) / STRETCHES_PER_CHUNK;
        let piece_bytes = match self.motion {
            Motion::AtRest => u64::MAX,
            Motion::Moving => self.piece_bytes(pipeline),
        };
        // What of a damaged table can be read is found by reading all of it.
        let sampled = pipeline.source.census == Census::Sample && !damaged;
        let jobs = self.census_jobs(&readers, sampled)?;
        let seen = workers::over(&jobs, readers, setting.stop, |reader, &(number, range)| {
            let (Some(table), Some(probes)) = (tables.get(number), probes.get(number)) else {
                return Err(Error::internal("a census of no table"));
            };
            let sampled = sampled && table.rowid_name.is_some() && !whole.contains(&table.name);
            let part = Part { reader, table, probes, stretch_bytes, piece_bytes, sampled, setting };
            match self.take(part, range, damaged) {
                Err(error) => part.without_sense(error).map(Err),
                seen => seen.map(Ok),
            }
        })?;
        let mut all: Vec<Result<TableEvidence, UnreadableTable>> =
            tables.iter().map(|table| Ok(TableEvidence::empty(table))).collect();
        for (&(number, _), part) in jobs.iter().zip(seen) {
            match (all.get_mut(number), part) {
                (Some(Ok(evidence)), Ok(part)) => evidence.append(part),
                (Some(table @ Ok(_)), Err(unreadable)) => *table = Err(unreadable),
                _ => {}
            }
        }
        Ok(self.readable(all))
    }

    /// The census of a part of a table; where the source is damaged, of what can be read of it.
    fn take(&self, part: Part<'_>, range: RowRange, damaged: bool) -> Result<TableEvidence> {
        if !damaged {
            match part.take(range) {
                Err(error)
                    if self.source.accepts_corrupt()
                        && matches!(Unreadable::of(&error), Some(Unreadable::Damaged(_))) => {}
                seen => return seen,
            }
        }
        let found =
            salvage::search(part.reader, part.table, range, &mut || part.setting.stop.check())?;
        let mut evidence = TableEvidence::empty(part.table);
        for range in found.readable {
            evidence.append(Part { sampled: false, ..part }.take(range)?);
        }
        evidence.unreadable = found.unreadable;
        Ok(evidence)
    }

    /// Parts tables that can be read from those that cannot.
    fn readable(
        &self,
        all: Vec<Result<TableEvidence, UnreadableTable>>,
    ) -> (SourceSchema, Vec<TableEvidence>) {
        let mut schema = SourceSchema { tables: Vec::new(), ..self.schema.clone() };
        let mut seen = Vec::new();
        for (table, evidence) in self.schema.tables.iter().zip(all) {
            match evidence {
                Ok(evidence) if evidence.rows == 0 && !evidence.unreadable.is_empty() => {
                    let (name, reason) = (table.name.clone(), "its pages are damaged".into());
                    schema.unreadable.push(UnreadableTable { name, reason, damaged: true });
                }
                Ok(evidence) => {
                    schema.tables.push(table.clone());
                    seen.push(evidence);
                }
                Err(unreadable) => schema.unreadable.push(unreadable),
            }
        }
        schema.unreadable.sort_unstable();
        (schema, seen)
    }

    fn census_jobs(&self, readers: &[Reader], sampled: bool) -> Result<Vec<(usize, RowRange)>> {
        let reader = readers.first().ok_or_else(|| Error::internal("a census without a reader"))?;
        let mut jobs = Vec::new();
        let parts_max = match () {
            () if sampled => 1,
            // Rowids may lie far apart: no more parts than there is to be read.
            () if self.must_read_briefly() => PARTS_MAX.max(self.stamp.bytes() / BRIEF_CHUNK_BYTES),
            () => PARTS_MAX,
        };
        for (number, table) in self.schema.tables.iter().enumerate() {
            let parts = match census::divide(reader, table, parts_max) {
                // Reading it will tell whether rows of it can be had, or why not.
                Err(error) if Unreadable::of(&error).is_some() => vec![census::whole(table)],
                parts => parts?,
            };
            jobs.extend(parts.into_iter().map(|range| (number, range)));
        }
        Ok(jobs)
    }
}

/// A collation of the application by which an index of the table is ordered.
fn unknown_collation(table: &SourceTable) -> Option<&str> {
    let columns = table.indexes.iter().flat_map(|index| &index.columns);
    let mut unknown = columns.filter(|column| !column.is_comparable());
    unknown.next().map(|column| column.collation.as_str())
}
