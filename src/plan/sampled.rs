//! What a plan says of a census that was a sample.

use super::{Plan, PlannedTable};
use crate::model::Sample;

impl Plan {
    /// Whether there are rows that the census did not look at.
    pub fn is_sampled(&self) -> bool {
        self.tables.iter().any(|table| table.sample.is_some())
    }

    /// Bytes of the values that the census looked at, and of all.
    pub fn looked_at(&self) -> (u64, u64) {
        let seen = |table: &PlannedTable| table.sample.map_or(table.schema.bytes, |it| it.bytes);
        (
            self.tables.iter().map(seen).sum(),
            self.tables.iter().map(|table| table.schema.bytes).sum(),
        )
    }

    /// How much the census looked at and what that means, where it was a sample.
    pub fn sample_in_words(&self) -> Option<String> {
        let sampled: Vec<_> = self.tables.iter().filter(|table| table.sample.is_some()).collect();
        let first = sampled.first()?;
        let seen: u64 = sampled.iter().filter_map(|table| table.sample).map(|it| it.rows).sum();
        let rows: u64 = sampled.iter().map(|table| table.schema.rows).sum();
        let tables = match sampled.len() {
            1 => format!("the table {}", first.schema.source),
            count => format!("{count} tables"),
        };
        Some(format!(
            "the census was a sample: {seen} of about {rows} rows of {tables} were looked at (every row of every other \
             table). Numbers of rows and bytes are estimates there. Types are as declared where what was seen agrees: a \
             row with a value that does not fit is set aside at load, never bent, and the run then ends with 65"
        ))
    }

    /// What to do where rows were set aside that a full census would have found before.
    pub fn sample_advice(&self) -> Option<String> {
        self.is_sampled().then(|| {
            "the census was a sample: a full one finds every value that does not fit beforehand, and where there is a type \
             that carries all of a column's values, chooses that"
                .into()
        })
    }
}

impl PlannedTable {
    /// The number of its rows, as far as it is known.
    pub fn rows_in_words(&self) -> String {
        let rows = self.schema.rows;
        match self.sample {
            None => format!("{rows} rows"),
            Some(Sample { rows: seen, .. }) => {
                format!("about {rows} rows, of which {seen} were looked at")
            }
        }
    }
}
