//! Tables that are kept whole, row by row and cell by cell: those in which virtual tables of the source keep what they
//! hold. No plan has them, and a restore to a SQLite file writes them as they were.

use super::Archive;
use super::files::Files;
use crate::error::{Place as _, Result};
use crate::model::{OriginalFile, RejectedRow, SchemaObject};
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use crate::store::sqlite::read::Reader;

impl Archive {
    /// Puts all tables that are kept whole into the archive, as the reader sees them; those that are as they were are there
    /// already, under the same name.
    pub(in crate::journey) fn put_whole(
        &self,
        file: &OriginalFile,
        reader: &Reader,
    ) -> Result<Vec<ArchiveFile>> {
        let mut files = Vec::new();
        for shadow in file.shadows() {
            let put = put_table(self.files(), shadow, reader);
            files.extend(put.at(|| format!("archive of table {}", shadow.name))?);
        }
        Ok(files)
    }
}

/// The file of one table; none where it has no row.
fn put_table(files: Files<'_>, shadow: &SchemaObject, reader: &Reader) -> Result<Vec<ArchiveFile>> {
    let mut rows = files.begin_beside()?;
    reader.read_whole(shadow, |row, cells| {
        rows.rejected(&RejectedRow { row, cells, reasons: Vec::new() })
    })?;
    let named = |written| files.named(FileKind::Whole, (&shadow.name, 0), written, None);
    files.put(rows.finish(None)?.map(named).transpose()?)
}
