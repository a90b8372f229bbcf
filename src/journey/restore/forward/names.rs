//! The names of rows in their source, from their keys: by such a name the ledger keeps what is kept of single rows.

use crate::error::Result;
use crate::model::{RawCell, RowName, TableSchema};
use crate::row::{CellWriter, StoredCell};
use arrow_array::RecordBatch;

/// Names the rows of one table.
pub(super) struct KeyNames {
    writers: Vec<CellWriter>,
}

impl KeyNames {
    /// For a table, given the shape of its keys as [`TableSchema::keys`] has it.
    pub(super) fn of(keys: &TableSchema) -> Result<Self> {
        let writers = keys.columns.iter().map(CellWriter::new).collect::<Result<_>>()?;
        Ok(Self { writers })
    }

    /// Hands on the names of the rows that have these keys, as [`RowName::to_bytes`] gives them, each as its columns'
    /// forms write it. A key that they cannot write has none here; and one that the source writes otherwise has another
    /// one, which only what is kept of the row says.
    pub(super) fn each(
        &mut self,
        keys: &RecordBatch,
        mut take: impl FnMut(Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let columns = self.writers.iter().zip(keys.columns());
        let values = columns.map(|(writer, column)| writer.values(column));
        let values = values.collect::<Result<Vec<_>>>()?;
        for row in 0..keys.num_rows() {
            let cells = self.writers.iter_mut().zip(&values);
            let cells = cells.map(|(writer, values)| writer.cell(values, row).map(raw));
            if let Some(cells) = cells.collect::<Option<Vec<_>>>() {
                take(RowName::Cells(cells).to_bytes())?;
            }
        }
        Ok(())
    }
}

fn raw(cell: StoredCell<'_>) -> RawCell {
    match cell {
        StoredCell::Null => RawCell::null(),
        StoredCell::Integer(value) => RawCell::integer(value),
        StoredCell::Real(value) => RawCell::real(value),
        StoredCell::Text(text) => RawCell::text(text.as_bytes()),
        StoredCell::Blob(bytes) => RawCell::blob(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::KeyNames;
    use crate::model::{CellShape, Column, PgType, RawCell, RowName, TableSchema};
    use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use std::sync::Arc;

    fn names(table: &TableSchema, keys: &RecordBatch) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut names = KeyNames::of(table).unwrap();
        let each = names.each(keys, |name| {
            found.push(name);
            Ok(())
        });
        each.unwrap();
        found
    }

    #[test]
    fn a_rowid_has_the_name_of_a_key_of_one_integer() {
        let table =
            TableSchema::new("t", vec![Column::new("id", CellShape::Integer, PgType::Int8)]);
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, -1]));
        let keys = RecordBatch::try_new(table.write_schema(), vec![ids]).unwrap();
        let found = names(&table, &keys);
        assert_eq!(found, [7, -1].map(|rowid| RowName::Rowid(rowid).to_bytes()));
    }

    #[test]
    fn a_key_of_several_columns_is_named_by_all_of_them() {
        let columns = vec![
            Column::new("a", CellShape::Text, PgType::Text),
            Column::new("b", CellShape::Integer, PgType::Int8),
        ];
        let table = TableSchema::new("t", columns);
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("ü"), None]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let keys = RecordBatch::try_new(table.write_schema(), vec![texts, numbers]).unwrap();
        let found = names(&table, &keys);
        let name = |cells: [RawCell; 2]| RowName::Cells(cells.to_vec()).to_bytes();
        let expected = [
            name([RawCell::text("ü".as_bytes()), RawCell::integer(1)]),
            name([RawCell::null(), RawCell::integer(2)]),
        ];
        assert_eq!(found, expected);
    }
}
