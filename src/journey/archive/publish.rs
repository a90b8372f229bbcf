//! Publishing: what chunks and deltas have left in the archive, named by a generation.
//!
//! The files of a table whose chunks were loaded since the generation before are its base; the base of any other table
//! stays what it is there. Which files wait for that is in the ledger, until the generation is there.

use super::pending::Pending;
use super::{Archive, fork};
use crate::error::{Class, Error, Place as _, Result};
use crate::journey::Setting;
use crate::model::OriginalFile;
use crate::pipeline::Progress;
use crate::pipeline::failpoint::{Step, reach};
use crate::plan::{Plan, PlannedTable};
use crate::store::parquet::Key;
use crate::store::parquet::generation::{self, Opened};
use crate::store::parquet::manifest::{ArchiveFile, ArchiveSchema, Contents, FileKind, Manifest};
use crate::store::parquet::place::Access;
use crate::store::postgres::ledger::{self, ArchivedChunk, Lease, LoadedChunk};
use crate::store::postgres::link::Link;
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// A state of the source, all of which is in the archive.
#[derive(Debug)]
pub(in crate::journey) struct State<'a> {
    pub(in crate::journey) plan: &'a Plan,
    /// What names the source.
    pub(in crate::journey) source: &'a str,
    /// The highest touch; none of a source at rest.
    pub(in crate::journey) position: Option<i64>,
    /// What the changelog says of itself.
    pub(in crate::journey) nonce: Option<String>,
    /// The file but for its rows.
    pub(in crate::journey) file: OriginalFile,
    /// The files of the tables that are kept whole.
    pub(in crate::journey) whole: Vec<ArchiveFile>,
}

/// What a generation to come begins from.
#[derive(Debug, Default)]
pub(in crate::journey) struct Before {
    /// The files that have what is loaded and what was published.
    pub(in crate::journey) files: Vec<ArchiveFile>,
    /// The highest touch of the newest generation.
    pub(in crate::journey) position: Option<i64>,
}

impl Archive {
    /// Fails where the place cannot take what a migration of this name is going to publish: it has the archive of another
    /// one, or has another key. Who finds that out when all is loaded has waited in vain.
    pub(in crate::journey) fn check_before(
        &self,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<()> {
        let newest = self.newest_of_all(Access::Write, progress)?;
        check_source(&format!("{name}{SEPARATOR}"), newest.as_ref())
            .at(|| format!("archive {}", self.url))
    }

    /// What the next generation begins from.
    pub(in crate::journey) fn before(
        &self,
        plan: &Plan,
        source: &str,
        lease: Lease,
        link: &mut Link<'_>,
        setting: Setting<'_>,
    ) -> Result<Before> {
        let sources = Sources::find(self, lease, link, setting)?;
        let files = sources.files(plan, source).at(|| format!("archive {}", self.url))?;
        let of_source = sources.parent.filter(|parent| parent.manifest.source == source);
        Ok(Before { files, position: of_source.and_then(|parent| parent.manifest.position) })
    }

    /// Publishes what the ledger says is in the archive, and what is pending, and gives the generation; the newest one
    /// where nothing is new. However that ends, the place is left: who would prune it need not wait for this process, and
    /// files that still wait to be named are safe from it for a day.
    pub(in crate::journey) fn publish(
        &self,
        state: State<'_>,
        pending: Option<&mut Pending>,
        lease: Lease,
        link: &mut Link<'_>,
        setting: Setting<'_>,
    ) -> Result<Opened> {
        let published = self.publish_within(state, pending, lease, link, setting);
        self.place.leave();
        published
    }

    fn publish_within(
        &self,
        state: State<'_>,
        mut pending: Option<&mut Pending>,
        lease: Lease,
        link: &mut Link<'_>,
        setting: Setting<'_>,
    ) -> Result<Opened> {
        let sources = Sources::find(self, lease, link, setting)?;
        let of_archive = || format!("archive {}", self.url);
        let mut files = sources.files(state.plan, state.source).at(of_archive)?;
        if let Some(pending) = &pending
            && let Some(parent) = &sources.parent
            && pending.is_empty()
            && sources.waiting.is_empty()
            && parent.manifest.source == state.source
            && parent.manifest.position == state.position
            && parent.manifest.schema.plan == state.plan.to_json()?
            && parent.manifest.schema.file == state.file
            && has_the_same_whole(parent, &state.whole)
        {
            return Ok(parent.clone());
        }
        if let Some(pending) = &mut pending {
            files = pending.files(self.files(), &files)?;
        }
        let contents = contents(state, files)?;
        let Sources { parent, waiting, .. } = sources;
        let opened = match parent {
            Some(parent) if holds_the_same(&parent, &contents, self.key.as_ref())? => parent,
            parent => {
                let (place, key) = (self.place.as_ref(), self.key.as_ref());
                reach(Step::FilesReady);
                let published = generation::publish(place, key, parent.as_ref(), contents);
                published.map_err(|error| self.advise(error, &waiting)).at(of_archive)?
            }
        };
        if let Some(pending) = pending {
            pending.published();
        }
        reach(Step::GenerationPublished);
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                // Who comes later knows from that whether the archive was set back.
                ledger::forget_steps(session, lease, &[PUBLISHED.into()])?;
                let number = opened.manifest.generation.to_string();
                ledger::complete_step(session, lease, PUBLISHED, Some(&number))?;
                ledger::forget_archived(session, lease)
            })
        })?;
        reach(Step::GenerationNoted);
        Ok(opened)
    }
}

impl Archive {
    /// Says what to do where files are gone that wait in the ledger to be named: what else is missing is read from the
    /// source's changelog by the next run, these are not.
    fn advise(&self, error: Error, waiting: &[ArchivedChunk]) -> Error {
        if error.class() != Class::Damaged {
            return error;
        }
        let files = waiting.iter().filter_map(|chunk| fork::of_text(&chunk.files).ok()).flatten();
        let gone = files.filter(|file| generation::check(self.place.as_ref(), file).is_err());
        let anew: BTreeSet<_> = gone.map(|file| format!(" --anew {}", file.table)).collect();
        if anew.is_empty() {
            return error.todo("run this again: what is missing is read from the changelog");
        }
        let anew: String = anew.into_iter().collect();
        error.todo(format!(
            "somebody took it away before a generation named it: take what it was of anew with `liteferry run{anew}`"
        ))
    }
}

/// The step of the ledger that says which generation was published last.
const PUBLISHED: &str = "generation published";

impl Archive {
    /// Fails where the generation that was published last is gone: what is published on an older one would lack what was
    /// in between.
    fn check_not_set_back(
        &self,
        newest: Option<&Opened>,
        lease: Lease,
        link: &mut Link<'_>,
    ) -> Result<()> {
        let noted = link.with(|session| ledger::note_of(session, lease.migration, PUBLISHED))?;
        let Some(published) = noted.and_then(|noted| noted.parse::<u64>().ok()) else {
            return Ok(());
        };
        let newest = newest.map_or(0, |newest| newest.manifest.generation);
        if newest >= published {
            return Ok(());
        }
        let what = format!(
            "generation {published} was published, and the newest one that is there is {newest}"
        );
        Err(Error::new(Class::Damaged, what)
            .todo("put the archive back as it was; or take all tables anew with `liteferry run --anew TABLE`")
            .at(format!("archive {}", self.url)))
    }
}

fn contents(state: State<'_>, mut files: Vec<ArchiveFile>) -> Result<Contents> {
    let State { plan, source, position, nonce, file, whole } = state;
    files.extend(whole);
    let written = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let tables = there(plan).map(|table| table.schema.clone()).collect();
    let schema = ArchiveSchema { tables, plan: plan.to_json()?, file };
    Ok(Contents { source: source.into(), position, nonce, written, schema, files })
}

/// The tables that the source has.
fn there(plan: &Plan) -> impl Iterator<Item = &PlannedTable> {
    plan.tables.iter().filter(|table| !table.is_gone)
}

/// Where the files of a generation are from.
struct Sources {
    parent: Option<Opened>,
    waiting: Vec<ArchivedChunk>,
    loaded: Vec<LoadedChunk>,
}

impl Sources {
    fn find(
        archive: &Archive,
        lease: Lease,
        link: &mut Link<'_>,
        setting: Setting<'_>,
    ) -> Result<Self> {
        let parent = archive.newest_of_all(Access::Write, setting.progress)?;
        archive.check_not_set_back(parent.as_ref(), lease, link)?;
        link.with(|session| {
            let waiting = ledger::archived_chunks(session, lease.migration)?;
            Ok((waiting, ledger::loaded_chunks(session, lease.migration)?))
        })
        .map(|(waiting, loaded)| Self { parent, waiting, loaded })
    }

    /// The files that have the rows of all tables.
    fn files(&self, plan: &Plan, source: &str) -> Result<Vec<ArchiveFile>> {
        check_source(source, self.parent.as_ref())?;
        let mut files = Vec::new();
        for table in there(plan) {
            let of_table = self.of(table, (source, plan.is_followed));
            files.extend(of_table.at(|| format!("table {}", table.schema.source))?);
        }
        Ok(files)
    }

    /// The files that have the rows of a table.
    fn of(
        &self,
        table: &PlannedTable,
        (source, is_followed): (&str, bool),
    ) -> Result<Vec<ArchiveFile>> {
        let target = &table.schema.target;
        let waiting = self.waiting.iter().filter(|chunk| chunk.table == *target);
        let waiting: Vec<_> = waiting.collect();
        let loaded = self.loaded.iter().filter(|chunk| chunk.table == *target);
        if waiting.is_empty() {
            let parent = self.parent.as_ref();
            let parent = parent.filter(|parent| parent.manifest.source == source);
            let manifest = parent.map(|parent| &parent.manifest);
            // A table that is empty need not have a file: that it is in the schema says that it is archived.
            let mut tables = manifest.into_iter().flat_map(|manifest| &manifest.schema.tables);
            let is_archived = tables.any(|it| it.source == table.schema.source);
            if is_archived || loaded.clone().next().is_none() {
                let files = manifest.into_iter().flat_map(|manifest| &manifest.files);
                let of_table = files.filter(|it| it.table == table.schema.source);
                return self.checked(of_table.cloned().collect(), table, is_followed);
            }
        }
        if let Some(missing) =
            loaded.clone().find(|chunk| !waiting.iter().any(|it| it.chunk == chunk.chunk))
        {
            let what = format!("chunk {} was loaded when there was no archive", missing.chunk);
            return Err(Error::new(Class::Undecided, what).todo(format!(
                "take the table anew with `liteferry run --anew {}`, or go on without an archive",
                table.schema.source
            )));
        }
        let files = waiting.iter().map(|chunk| fork::of_text(&chunk.files));
        let files = files.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        self.checked(files, table, is_followed)
    }
}

impl Sources {
    /// Of a source at rest: each chunk as it is loaded must be in a file of its rows, and nothing else.
    fn checked(
        &self,
        files: Vec<ArchiveFile>,
        table: &PlannedTable,
        is_followed: bool,
    ) -> Result<Vec<ArchiveFile>> {
        let mut loaded = self.loaded.iter().filter(|chunk| chunk.table == table.schema.target);
        let has = |chunk: &LoadedChunk| {
            let mut rows = files.iter().filter(|file| file.kind == FileKind::Rows);
            let number = u64::try_from(chunk.chunk).unwrap_or(u64::MAX);
            rows.any(|file| file.chunk == number && file.digest() == Some(chunk.sum))
        };
        match loaded.find(|chunk| !is_followed && !has(chunk)) {
            None => Ok(files),
            Some(chunk) => {
                let what = format!("the archive has chunk {} with other rows", chunk.chunk);
                let name = &table.schema.source;
                Err(Error::new(Class::Undecided, what)
                    .todo(format!("take the table anew with `liteferry run --anew {name}`")))
            }
        }
    }
}

/// Fails where the archive is another source's.
pub(super) fn check_source(source: &str, parent: Option<&Opened>) -> Result<()> {
    let name = |source: &str| source.split_once(SEPARATOR).map(|(name, _)| name.to_owned());
    match parent {
        Some(Opened { manifest, .. }) if name(&manifest.source) != name(source) => {
            let what = format!("the archive is that of another source, {:?}", manifest.source);
            Err(Error::new(Class::Undecided, what)
                .todo("name another place for this one's archive"))
        }
        _ => Ok(()),
    }
}

/// What stands between the name of a migration and what tells its source from others.
const SEPARATOR: char = '\n';

/// What tells the source of a generation from others of its name: of a followed one, whose changelog it has.
pub(in crate::journey) fn identity_of(source: &str) -> Option<&str> {
    source.split_once(SEPARATOR).map(|(_name, identity)| identity)
}

/// What names the source of a plan: `identity` tells it from others of the name.
pub(in crate::journey) fn source_of(plan: &Plan, identity: Option<&str>) -> String {
    format!("{}{SEPARATOR}{}", plan.name, identity.unwrap_or(&plan.source_schema))
}

/// Whether virtual tables hold what they held: no touch tells of that.
fn has_the_same_whole(parent: &Opened, whole: &[ArchiveFile]) -> bool {
    let before = parent.manifest.files.iter().filter(|file| file.kind == FileKind::Whole);
    let names: BTreeSet<_> = before.map(ArchiveFile::name).collect();
    names == whole.iter().map(ArchiveFile::name).collect()
}

fn holds_the_same(parent: &Opened, contents: &Contents, key: Option<&Key>) -> Result<bool> {
    let again = Manifest::new(1, None, contents.clone(), key)?;
    Ok(again.root == parent.manifest.root)
}
