//! What is told while the files of an archive are looked at, or copied.

use crate::pipeline::{Event, Progress};
use crate::store::parquet::manifest::{ArchiveFile, FileKind};
use std::collections::BTreeMap;

/// Tells how many rows of each table there are in files.
pub(super) fn expect<'f>(files: impl IntoIterator<Item = &'f ArchiveFile>, to: &dyn Progress) {
    let mut tables = BTreeMap::<&str, (u64, u64)>::new();
    for file in files {
        let (rows, bytes) = tables.entry(file.table.as_str()).or_default();
        *rows = rows.saturating_add(rows_of(file));
        *bytes = bytes.saturating_add(file.bytes);
    }
    for (table, (rows, bytes)) in tables {
        to.tell(Event::Expect { table: table.into(), rows, about: false, bytes });
    }
}

/// Tells that a file has passed.
pub(super) fn passed(file: &ArchiveFile, to: &dyn Progress) {
    to.tell(Event::Rows { table: file.table.clone(), rows: rows_of(file), bytes: file.bytes });
}

/// Its rows, where they are a table's.
fn rows_of(file: &ArchiveFile) -> u64 {
    match file.kind {
        FileKind::Rows | FileKind::Deltas => file.rows,
        FileKind::DeletedKeys | FileKind::Forms | FileKind::Rejected | FileKind::Whole => 0,
    }
}
