//! What the user has decided since rows were set aside, and what is not done to them yet: a run may die between two
//! chunks, and the target may refuse what shall take the place of a value. So a chunk can be as an earlier plan has it.

use crate::error::Result;
use crate::model::{Column, Remedy, TableSchema};
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The columns whose misfits keep rows of a chunk aside.
#[derive(Debug)]
pub(super) struct Undecided {
    /// By the table's name and the chunk's number; all names are the target's.
    columns: BTreeMap<(String, usize), BTreeSet<String>>,
}

impl Undecided {
    pub(super) fn find(link: &mut Link<'_>, migration: i32) -> Result<Self> {
        let mut columns: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (table, chunk, column) in
            link.with(|session| ledger::columns_aside(session, migration))?
        {
            columns.entry((table, chunk)).or_default().insert(column);
        }
        Ok(Self { columns })
    }

    /// The table as this chunk of it was loaded. What was done about misfits before is done for good, so that the rest
    /// is as the plan says now.
    pub(super) fn table<'t>(&self, table: &'t TableSchema, chunk: usize) -> Cow<'t, TableSchema> {
        let Some(columns) = self.columns.get(&(table.target.clone(), chunk)) else {
            return Cow::Borrowed(table);
        };
        let undecided =
            |column: &Column| column.misfits != Remedy::Reject && columns.contains(&column.target);
        if !table.columns.iter().any(undecided) {
            return Cow::Borrowed(table);
        }
        let mut table = table.clone();
        for column in table.columns.iter_mut().filter(|column| undecided(column)) {
            column.misfits = Remedy::Reject;
        }
        Cow::Owned(table)
    }
}
