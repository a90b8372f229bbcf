//! What became of rows that were set aside: which names were touched, and which rows are set aside now.

use super::super::files::{Files, Finished};
use super::super::merged::rejected_rows;
use crate::error::{Error, Result};
use crate::model::{RejectedRow, TableSchema};
use crate::pipeline::spool::Spool;
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use std::collections::HashMap;

/// The first half of the blake3 hash of a row's name.
type Name = u128;

/// What was said of rows by their names; the last word on each counts.
#[derive(Debug)]
pub(super) struct AsideChanges {
    /// Of each name that was touched, which of the rows below it is set aside as, if it is.
    latest: HashMap<Name, Option<u64>>,
    /// None where they were lost.
    rows: Option<Spool<RejectedRow>>,
}

impl Default for AsideChanges {
    fn default() -> Self {
        Self { latest: HashMap::new(), rows: Some(Spool::default()) }
    }
}

impl AsideChanges {
    pub(super) fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }

    /// A row of this name, as [`RowName::to_bytes`](crate::model::RowName::to_bytes) gives it, is not set aside until it
    /// is said to be.
    pub(super) fn touch(&mut self, name: &[u8]) {
        self.latest.insert(hash(name), None);
    }

    /// A row is set aside.
    pub(super) fn put(&mut self, row: &RejectedRow) -> Result<()> {
        let rows = self.rows.as_mut().ok_or_else(lost)?;
        self.latest.insert(hash(&row.row.to_bytes()), Some(rows.len()));
        rows.add(row)
    }

    /// Adds what was said later.
    pub(super) fn absorb(&mut self, later: Self) -> Result<()> {
        let rows = self.rows.as_mut().ok_or_else(lost)?;
        let before = rows.len();
        let shifted = |row: Option<u64>| row.map(|row| before + row);
        self.latest.extend(later.latest.into_iter().map(|(name, row)| (name, shifted(row))));
        later.rows.ok_or_else(lost)?.read()?.try_for_each(|row| rows.add(&row?))
    }

    /// Writes all rows of a table that are set aside now, given the files that had them before; no file where there is
    /// none. All that was said is kept, for the case that the file never gets to be named.
    pub(super) fn write(
        &mut self,
        files: Files<'_>,
        before: &[ArchiveFile],
        (table, number): (&TableSchema, u64),
    ) -> Result<Option<Finished>> {
        let mut writer = files.begin_beside()?;
        rejected_rows(files, before, table.columns.len(), |row| {
            if self.latest.contains_key(&hash(&row.row.to_bytes())) {
                return Ok(());
            }
            writer.rejected(&row)
        })?;
        let mut left = Spool::default();
        for (number, row) in (0..).zip(self.rows.take().ok_or_else(lost)?.read()?) {
            let row = row?;
            let latest = self.latest.get_mut(&hash(&row.row.to_bytes()));
            // A number that is given anew is not above this one, so that no later row is taken for it.
            if let Some(latest) = latest.filter(|latest| **latest == Some(number)) {
                writer.rejected(&row)?;
                *latest = Some(left.len());
                left.add(&row)?;
            }
        }
        self.rows = Some(left);
        let of = (table.source.as_str(), number);
        let named = |written| files.named(FileKind::Rejected, of, written, None);
        writer.finish(None)?.map(named).transpose()
    }
}

fn lost() -> Error {
    Error::internal("rows that were set aside did not get into the archive")
        .todo("run this again: they are read from the changelog")
}

fn hash(name: &[u8]) -> Name {
    let hash = blake3::hash(name);
    hash.as_bytes().first_chunk::<16>().map_or(0, |half| Name::from_le_bytes(*half))
}
