//! Restoring: a generation of an archive becomes a database again, in PostgreSQL or as a SQLite file.
//!
//! Every file that is needed is looked at first, all its bytes hashed: where one is not what the manifest says, nothing is
//! begun. The rows are proved twice: each file's by its digest, and what the destination holds by reading it back. A target
//! that holds an earlier generation is brought forward, by the files of the steps that came since (`forward`).

mod file;
mod fill;
mod forward;
mod target;

pub use file::to_file;
pub use target::to_target;

use super::archive::{Archive, Which};
use super::{Setting, verify};
use crate::config::ArchiveSection;
use crate::error::{Class, Error, Place as _, Result};
use crate::pipeline::workers;
use crate::plan::Plan;
use crate::status::Report;
use crate::store::parquet::generation::Opened;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::parquet::place::Access;
use std::collections::BTreeSet;

/// What is to be restored.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The archive.
    pub archive: ArchiveSection,
    /// Which generation; the newest unless given.
    pub generation: Option<u64>,
    /// Which root the generation must have, or what that begins with, where its reader knows it: hexadecimal digits.
    pub root: Option<String>,
    /// Which tables, by their names in the source; all unless some are named.
    pub tables: BTreeSet<String>,
    /// Whether the target is going to follow the source on.
    pub to_follow: bool,
}

/// A generation that is to be restored.
#[derive(Debug)]
struct Chosen {
    archive: Archive,
    opened: Opened,
    plan: Plan,
}

impl Chosen {
    /// Opens a generation; nothing is known of its files yet.
    fn open(wanted: &Wanted, setting: Setting<'_>) -> Result<Self> {
        let archive = Archive::open(&wanted.archive, Access::Read)?;
        let which = Which { generation: wanted.generation, root: wanted.root.as_deref() };
        let opened = archive.chosen(which, setting.progress)?;
        let plan = Plan::from_json(&opened.manifest.schema.plan)
            .at(|| format!("archive {}", archive.url()))?;
        let chosen = Self { archive, opened, plan };
        chosen.check_tables(&wanted.tables)?;
        if wanted.to_follow {
            chosen.check_followed(&wanted.tables)?;
        }
        let plan = chosen.plan.clone().restored(&wanted.tables, wanted.to_follow);
        Ok(Self { plan, ..chosen })
    }

    fn check_tables(&self, wanted: &BTreeSet<String>) -> Result<()> {
        let there = || self.plan.tables.iter().filter(|table| !table.is_gone);
        let has = |name: &String| there().any(|table| table.schema.source == *name);
        match wanted.iter().find(|name| !has(name)) {
            None => Ok(()),
            Some(missing) => {
                let there: Vec<_> = there().map(|table| table.schema.source.as_str()).collect();
                Err(Error::new(Class::Usage, format!("the archive has no table {missing}"))
                    .todo(format!("it has {}", there.join(", "))))
            }
        }
    }

    /// Fails where nobody can follow on from here.
    fn check_followed(&self, wanted: &BTreeSet<String>) -> Result<()> {
        if !self.plan.is_followed {
            let what = "the source of this archive was at rest: there is nothing to follow";
            return Err(Error::new(Class::Usage, what).todo("leave --to-follow out"));
        }
        if !wanted.is_empty() {
            let what = "a source is followed with all its tables";
            return Err(Error::new(Class::Usage, what).todo("leave --table or --to-follow out"));
        }
        Ok(())
    }

    /// What is told of a restore, and that what could not be read of the source is in no archive of it.
    fn told(&self, report: Report) -> Report {
        let warnings = self.plan.losses().into_iter().chain(report.warnings).collect();
        Report { warnings, losses: verify::losses(&self.plan), ..report }
    }

    /// The files of the tables that are restored, and of those that are kept whole.
    fn files(&self) -> Vec<ArchiveFile> {
        let tables: BTreeSet<_> =
            self.plan.tables.iter().map(|table| table.schema.source.as_str()).collect();
        let is_needed = |file: &&ArchiveFile| {
            tables.contains(file.table.as_str()) || file.kind == FileKind::Whole
        };
        self.opened.manifest.files.iter().filter(is_needed).cloned().collect()
    }

    /// What a failure is where the generation was pruned meanwhile.
    fn unless_pruned(&self, error: Error) -> Error {
        self.archive.unless_pruned(error, self.opened.manifest.generation)
    }

    /// Makes sure that these files are as they were written.
    fn check_files(&self, files: &[ArchiveFile], setting: Setting<'_>) -> Result<()> {
        let hands = vec![(); setting.workers];
        workers::over(files, hands, setting.stop, |(), file| self.archive.check_bytes(file))
            .map(drop)
    }
}
