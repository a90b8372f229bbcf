//! Rows that were set aside: what is said of them, and how they are loaded once the user has decided about them.

use super::inspect::Inspected;
use super::{Setting, aside, index, snapshot};
use crate::config::{ColumnSection, Pipeline};
use crate::error::{Class, Error, Place, Result};
use crate::model::{Chunk, Column, Remedy};
use crate::pipeline::{Event, workers};
use crate::plan::{Plan, PlannedTable, check_key_is_kept, generated, types};
use crate::status::{Misfits, TableReport};
use crate::store::postgres::define;
use crate::store::postgres::ledger::{self, Lease, LoadedChunk};
use crate::store::postgres::link::Link;
use crate::store::postgres::write::load_rejected;
use crate::store::sqlite::holds_default;
use std::collections::BTreeSet;

/// Every value that does not fit, under the names of the source, as the pipeline file has them too.
pub(super) fn misfits(plan: &Plan, link: &mut Link<'_>, migration: i32) -> Result<Vec<Misfits>> {
    let counts = link.with(|session| ledger::misfit_counts(session, migration))?;
    let told = |count: ledger::MisfitCount| {
        let mut tables = plan.tables.iter().map(|table| &table.schema);
        let table = tables.find(|table| table.target == count.table);
        let mut columns = table.into_iter().flat_map(|table| &table.columns);
        let column = columns.find(|column| column.target == count.column);
        Misfits {
            table: table.map_or(count.table, |table| table.source.clone()),
            column: column.map_or(count.column, |column| column.source.clone()),
            reason: count.reason,
            policy: count.policy,
            values: count.cells,
            example: count.example_row,
        }
    };
    Ok(counts.into_iter().map(told).collect())
}

/// The tables with rows that are set aside, under their names in the source.
pub(super) fn tables(plan: &Plan, link: &mut Link<'_>, migration: i32) -> Result<Vec<TableReport>> {
    let aside = link.with(|session| ledger::rows_aside(session, migration))?;
    let told = |(target, rows): &(String, u64)| {
        let mut tables = plan.tables.iter().map(|table| &table.schema);
        let name = tables.find(|table| table.target == *target).map(|table| &table.source);
        TableReport::unproved(name.unwrap_or(target), *rows, *rows)
    };
    Ok(aside.iter().map(told).collect())
}

/// The plan with what the user says now about misfits; none where that is what it says already.
///
/// # Errors
///
/// [`Class::Undecided`] where values are loaded already that would have to be taken back, where a column cannot hold
/// what shall take the place of its misfits, or where the target computes others from it.
pub(super) fn decided_anew(
    begun: &Plan,
    inspected: &Inspected,
    pipeline: &Pipeline,
    misfits: &[Misfits],
) -> Result<Option<Plan>> {
    let mut plan = begun.clone();
    for table in plan.tables.iter_mut().filter(|table| !table.is_gone) {
        let name = table.schema.source.clone();
        let of_table = || misfits.iter().filter(|misfit| misfit.table == name);
        for column in &mut table.schema.columns {
            let mut of_column = of_table().filter(|misfit| misfit.column == column.source);
            let handled = of_column.any(|misfit| misfit.policy == column.misfits.name());
            let advised = |error: Error| {
                if begun.is_followed { error.todo(take_anew(&name)) } else { error }
            };
            decide(column, pipeline.column(&name, &column.source), handled)
                .map_err(advised)
                .at(|| format!("column {}", column.source))
                .at(|| format!("table {name}"))?;
        }
        let has_misfits = |column: &Column| of_table().any(|misfit| misfit.column == column.source);
        let_null(table, has_misfits);
        check_remedies(table)?;
    }
    if begun.is_followed {
        check_decided_before(begun, &plan, misfits)?;
    }
    let changed = plan.tables.iter().zip(&begun.tables).filter(|(now, before)| now != before);
    for (table, _) in changed {
        let mut sources = inspected.schema.tables.iter();
        if let Some(source) = sources.find(|source| source.name == table.schema.source) {
            generated::check_replaced(table, source)?;
        }
    }
    Ok((plan != *begun).then_some(plan))
}

/// Makes sure that what is said now of tables that are followed is said of rows to come only: those that were set aside
/// are loaded by the way of a table that is taken anew, and by no other.
fn check_decided_before(begun: &Plan, plan: &Plan, misfits: &[Misfits]) -> Result<()> {
    let changed = plan.tables.iter().zip(&begun.tables).filter(|(now, before)| now != before);
    for (table, _) in changed {
        let name = &table.schema.source;
        if misfits.iter().any(|misfit| misfit.table == *name) {
            return Err(only_anew(name));
        }
        if table.capture.is_some() {
            check_key_is_kept(&table.schema).at(|| format!("table {name}"))?;
        }
    }
    Ok(())
}

/// What is decided of a table that is followed, and concerns rows that are there.
pub(super) fn only_anew(table: &str) -> Error {
    let what = "the pipeline file says something else of its misfits, and the table is followed";
    Error::new(Class::Undecided, what).todo(take_anew(table)).at(format!("table {table}"))
}

/// How what is decided about a table is carried out that is followed.
pub(super) fn take_anew(table: &str) -> String {
    format!(
        "take the table anew with `liteferry run --anew {table}`, which loads it as it is said now"
    )
}

/// Takes over what is said now; `handled` where values were handled as it was said before.
fn decide(column: &mut Column, said: Option<&ColumnSection>, handled: bool) -> Result<()> {
    let (misfits, default) = said.map_or_else(Default::default, types::remedy);
    if (column.misfits, &column.default) == (misfits, &default) {
        return Ok(());
    }
    if handled && matches!(column.misfits, Remedy::Null | Remedy::Default) {
        let what = format!("its misfits were handled by `{}` already", column.misfits.name());
        return Err(Error::new(Class::Undecided, what).todo(
            "say so again in the pipeline file, or drop what was created with the SQL that `liteferry plan` prints and begin again",
        ));
    }
    (column.misfits, column.default) = (misfits, default);
    Ok(())
}

/// Lets those columns of a table that is created be NULL in which NULL takes the place of values; a key's cannot be.
fn let_null(table: &mut PlannedTable, has_misfits: impl Fn(&Column) -> bool) {
    if table.existing.is_some() {
        return;
    }
    for position in 0..table.schema.columns.len() {
        let has_strays = table.columns.get(position).is_some_and(|report| report.strays > 0);
        let nulled = table.schema.columns.get(position).is_some_and(|column| {
            column.not_null && column.misfits == Remedy::Null && (has_strays || has_misfits(column))
        });
        if nulled && !table.schema.key.contains(&position) {
            table.let_null(position);
        }
    }
}

/// Makes sure that columns can hold what takes the place of their misfits.
///
/// # Errors
///
/// [`Class::Undecided`] where one cannot.
pub(super) fn check_remedies(planned: &PlannedTable) -> Result<()> {
    let table = &planned.schema;
    for (position, column) in table.columns.iter().enumerate() {
        let report = planned.columns.get(position);
        let may_have_misfits =
            planned.sample.is_some() || report.is_some_and(|report| report.strays > 0);
        let refuse = |what: &str| {
            Err(Error::new(Class::Undecided, what)
                .todo("say something else about this column's `misfits` in the pipeline file"))
            .at(|| format!("column {}", column.source))
            .at(|| format!("table {}", table.source))
        };
        match column.misfits {
            Remedy::Null if table.key.contains(&position) => {
                refuse(
                    "NULL cannot take the place of its misfits, because it is of the primary key",
                )?;
            }
            Remedy::Null if column.not_null && may_have_misfits => {
                refuse("NULL cannot take the place of its misfits, because it is NOT NULL")?;
            }
            Remedy::Default if !holds_default(column)? => {
                refuse("its `default` is no value that the column can hold")?;
            }
            Remedy::Null | Remedy::Default | Remedy::Reject | Remedy::Fail => {}
        }
    }
    Ok(())
}

/// Tries the rows again that were set aside for columns whose misfits have another remedy now.
pub(super) fn load_decided(
    inspected: &Inspected,
    plan: &Plan,
    lease: Lease,
    loaded: &[LoadedChunk],
    link: &mut Link<'_>,
    setting: Setting<'_>,
) -> Result<()> {
    let chunks = decided(plan, loaded, &misfits(plan, link, lease.migration)?)?;
    if chunks.is_empty() {
        return Ok(());
    }
    let tables: BTreeSet<_> = chunks.iter().map(|(chunk, _)| chunk.table).collect();
    aside::put_constraints_aside(plan, &tables, lease, link)?;
    let done = link.with(|session| ledger::done_steps(session, lease.migration))?;
    setting.progress.tell(Event::Step("load rows that were set aside".into()));
    let readers = inspected.readers(setting.workers)?;
    let hands: Vec<_> = readers.into_iter().map(|reader| (reader, link.another())).collect();
    workers::over(&chunks, hands, setting.stop, |(reader, link), (chunk, before)| {
        let table = snapshot::table_of(plan, chunk.table)?;
        let _permit = setting.reserve(table);
        let mut silence = aside::silence(plan, &table.target, &done);
        if let Some(planned) = plan.tables.get(chunk.table) {
            silence.after.extend(index::raise_behind_late(planned)?);
        }
        link.with(|session| {
            load_rejected(session, lease, table, chunk.number, &silence, |copy, rows| {
                snapshot::move_rows(reader, table, chunk, rows, before, copy)
            })
        })
        .map_err(advised)
        .at(|| format!("chunk {}", chunk.number))
        .at(|| format!("table {}", table.source))
    })
    .map(drop)
}

/// What a user can do where a key does not allow what takes the place of a value.
fn advised(error: Error) -> Error {
    if error.class() == Class::Data && define::is_not_unique(&error) {
        error.reclassified(Class::Undecided).todo(
            "what takes the place of values that do not fit must keep the target's keys: say another `misfits` or \
             `default` in the pipeline file",
        )
    } else {
        error
    }
}

/// Chunks of tables in which a row was set aside for a column that has another remedy now.
fn decided<'l>(
    plan: &Plan,
    loaded: &'l [LoadedChunk],
    misfits: &[Misfits],
) -> Result<Vec<(Chunk, &'l LoadedChunk)>> {
    let mut chunks = Vec::new();
    for (number, table) in plan.tables.iter().enumerate() {
        let schema = &table.schema;
        let open = misfits.iter().any(|misfit| {
            let column = schema.columns.iter().find(|column| column.source == misfit.column);
            misfit.table == schema.source
                && misfit.policy == Remedy::Reject.name()
                && column.is_some_and(|column| column.misfits != Remedy::Reject)
        });
        for before in
            loaded.iter().filter(|chunk| open && chunk.table == schema.target && chunk.rejected > 0)
        {
            let range = *schema
                .chunks
                .get(before.chunk)
                .ok_or_else(|| Error::internal("a chunk that is not in the plan"))?;
            chunks.push((Chunk { table: number, number: before.chunk, range }, before));
        }
    }
    Ok(chunks)
}
