//! Tables that are kept whole, row by row and cell by cell: those in which virtual tables of the source keep what they
//! hold. No plan has them, and a restore to a SQLite file writes them as they were.

use super::Archive;
use crate::error::{Place as _, Result};
use crate::model::{OriginalFile, RejectedRow, SchemaObject};
use crate::pipeline::failpoint::{Step, reach};
use crate::store::parquet::BesideWriter;
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
            let put = self.put_table(shadow, reader);
            files.extend(put.at(|| format!("archive of table {}", shadow.name))?);
        }
        Ok(files)
    }

    /// The file of one table; none where it has no row.
    fn put_table(&self, shadow: &SchemaObject, reader: &Reader) -> Result<Option<ArchiveFile>> {
        let key = self.key.as_ref();
        let mut rows = BesideWriter::new(self.place.draft()?).with_key(key);
        reader.read_whole(shadow, |row, cells| rows.rejected(&RejectedRow { row, cells }))?;
        let Some((draft, stored)) = rows.finish(None)? else { return Ok(None) };
        let file = ArchiveFile::new(FileKind::Whole, &shadow.name, 0, stored, None, key)?;
        self.place.put(draft, file.name(), &stored)?;
        reach(Step::FilePut);
        Ok(Some(file))
    }
}
