//! The plan of a restore into tables that are there already: rows go into those, which keep their columns, keys and
//! indexes.

use super::build::undecided;
use super::{Existing, Plan, PlannedTable, Sequence, aside, fit};
use crate::error::{Class, Error, Result};
use crate::model::{Column, TargetColumn, TargetTable};

impl Plan {
    /// This plan for a target in which these tables were found. What it makes of others stays as it is.
    ///
    /// # Errors
    ///
    /// [`Class::Undecided`]: every reason why rows cannot go into a table that is there, and each table that the
    /// migration did not make and that is not there either.
    pub fn onto(mut self, found: &[TargetTable]) -> Result<Self> {
        let (mut refusals, mut own_keys) = (Vec::new(), Vec::new());
        for table in &mut self.tables {
            let name = &table.schema.target;
            let there = found.iter().find(|there| there.name == *name);
            if there.is_some() || table.existing.is_some() {
                own_keys.push(name.clone());
            }
            let refused = match there {
                Some(there) => table.onto(there),
                None => table.missing().into_iter().collect(),
            };
            let of_table = |error: Error| error.at(format!("table {}", table.schema.source));
            refusals.extend(refused.into_iter().map(of_table));
        }
        if !refusals.is_empty() {
            return Err(undecided(refusals));
        }
        if own_keys.is_empty() {
            return Ok(self);
        }
        // What stands in the way here is not what stood in the way there.
        self.foreign_keys.retain(|step| !own_keys.contains(&step.table));
        let aside = aside::plan(&mut self.tables)
            .map_err(|refusal| Error::internal(format!("what is put aside: {refusal}")))?;
        self.foreign_keys.extend(aside.foreign_keys);
        self.aside = aside.away;
        self.triggers = aside.triggers;
        Ok(self)
    }
}

impl PlannedTable {
    /// Why it cannot be restored where it is not there.
    fn missing(&self) -> Option<Error> {
        self.existing.as_ref().map(|_was_there| {
            let what = "the archived migration loaded a table that was there, and it is not there";
            refused(what, "make it first, empty, as the application makes it")
        })
    }

    /// Loads into a table that is there, and gives every reason why that cannot be.
    fn onto(&mut self, found: &TargetTable) -> Vec<Error> {
        let mut refusals = fit::not_usable(found);
        if found.has_rows {
            refusals.push(refused(
                format!("the target's table {} holds rows already", found.name),
                "empty it, or restore into another database",
            ));
        }
        let mut sequences = Vec::new();
        for column in &mut self.schema.columns {
            let there = found.columns.iter().find(|there| there.name == column.target);
            let Some(there) = there else {
                let what = format!("the target's table {} lacks the column", found.name);
                let error = refused(what, "add it to the target's table");
                refusals.push(error.at(format!("column {}", column.source)));
                continue;
            };
            if let Some(what) = differs(column, there) {
                let error = refused(what, "give the target's column the archived column's type");
                refusals.push(error.at(format!("column {}", column.source)));
            }
            column.enum_type.clone_from(&there.enum_type);
            // The archive has what was computed, too.
            column.computed = there.generated;
            // The numbers of a text are no numbers.
            let sequence = there.sequence.clone().filter(|_| !column.pg.is_text());
            sequences.extend(sequence.map(|name| (name, column.target.clone())));
        }
        let is_extra = |there: &&TargetColumn| {
            self.schema.columns.iter().all(|column| column.target != there.name)
        };
        let extra: Vec<_> = found.columns.iter().filter(is_extra).collect();
        refusals.extend(extra.iter().filter_map(|there| fit::not_filled(there)));
        let sequences = sequences.into_iter().map(|(name, column)| {
            let given_out = self.given_out(&column);
            Sequence { name, column, given_out }
        });
        let existing = Existing {
            sequences: sequences.collect(),
            found: found.clone(),
            extra: extra.iter().map(|there| there.name.clone()).collect(),
            truncate: false,
        };
        self.existing = Some(existing);
        self.create.clear();
        self.steps.clear();
        self.identity = None;
        refusals
    }

    /// The highest number that the source has given out for a column.
    fn given_out(&self, column: &str) -> Option<i64> {
        let identity = self.identity.iter().map(|own| (&own.column, own.given_out));
        let before = self.existing.iter().flat_map(|existing| &existing.sequences);
        let mut all = identity.chain(before.map(|it| (&it.column, it.given_out)));
        all.find(|(of, _)| *of == column).and_then(|(_, given_out)| given_out)
    }
}

/// How a column of the target is not the one that rows were archived for.
fn differs(column: &Column, there: &TargetColumn) -> Option<String> {
    let labels = |labels: &Option<crate::model::EnumType>| {
        labels.as_ref().map(|enum_type| enum_type.labels.clone())
    };
    let finer = |digits| column.fraction.is_some_and(|archived| archived <= digits);
    let is_same = there.pg == Some(column.pg) && there.fraction.is_none_or(finer);
    let is_same = is_same && labels(&column.enum_type) == labels(&there.enum_type);
    if !is_same {
        return Some(format!(
            "the archive has {}, and the target's column is {}",
            column.sql_type(),
            there.type_name
        ));
    }
    let is_replaced = there.generated && !column.computed;
    is_replaced.then(|| "the target computes it, and the archive has values for it".into())
}

fn refused(what: impl Into<String>, todo: &str) -> Error {
    Error::new(Class::Undecided, what).todo(todo)
}
