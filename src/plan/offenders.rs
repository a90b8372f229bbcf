//! Queries for the rows that break a constraint, asked where a constraint cannot be validated.
//!
//! Each gives the number of such rows and what names the first ones: by key, or by the columns at hand.

use super::PlannedTable;
use crate::model::TableSchema;
use crate::model::identifier::{literal, quoted};

/// Rows that are named.
const NAMED_MAX: usize = 10;
/// Columns that name a row.
const COLUMNS_MAX: usize = 8;
/// Characters of a value that are shown.
const CHARS_MAX: usize = 60;

/// A foreign key between two tables of the target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference<'a> {
    /// The table that refers.
    pub child: &'a PlannedTable,
    /// Its columns.
    pub columns: &'a [usize],
    /// The table that is referred to.
    pub parent: &'a PlannedTable,
    /// Its columns.
    pub parent_columns: &'a [usize],
}

/// The rows for which a CHECK is false.
pub(super) fn of_check(table: &str, schema: &TableSchema, condition: &str) -> String {
    let every: Vec<_> = (0..schema.columns.len()).collect();
    let key = if schema.key.is_empty() { &every } else { &schema.key };
    listed(table, "", schema, key, &format!("NOT ({condition})"))
}

/// The rows that refer to no row; NULL refers to nothing, and is allowed.
pub(super) fn of_foreign_key(reference: &Reference<'_>) -> String {
    let Reference { child, columns, parent, parent_columns } = reference;
    let name = |table: &PlannedTable, &position: &usize| {
        let column = table.schema.columns.get(position);
        column.map(|column| quoted(&column.target)).unwrap_or_default()
    };
    let children: Vec<_> =
        columns.iter().map(|position| format!("child.{}", name(child, position))).collect();
    let parents =
        parent_columns.iter().map(|position| format!("parent.{}", name(parent, position)));
    let present = children.iter().map(|column| format!("{column} IS NOT NULL"));
    let pairs = parents.zip(&children).map(|(parent, child)| format!("{parent} = {child}"));
    let condition = format!(
        "{} AND NOT EXISTS (SELECT FROM {} AS parent WHERE {})",
        present.collect::<Vec<_>>().join(" AND "),
        relation(parent),
        pairs.collect::<Vec<_>>().join(" AND ")
    );
    let key = &child.schema.key;
    let named: Vec<_> =
        key.iter().chain(columns.iter().filter(|at| !key.contains(at))).copied().collect();
    listed(&format!("{} AS child", relation(child)), "child.", &child.schema, &named, &condition)
}

fn relation(table: &PlannedTable) -> String {
    format!("{}.{}", quoted(&table.schema.target_schema), quoted(&table.schema.target))
}

/// The number of rows under a condition, and the first ones by these columns, in their order.
fn listed(
    from: &str,
    prefix: &str,
    schema: &TableSchema,
    columns: &[usize],
    condition: &str,
) -> String {
    let columns: Vec<_> = columns
        .iter()
        .filter_map(|&position| schema.columns.get(position))
        .take(COLUMNS_MAX)
        .collect();
    let order: Vec<_> =
        columns.iter().map(|column| format!("{prefix}{}", quoted(&column.target))).collect();
    let shown: Vec<_> = columns
        .iter()
        .filter_map(|column| {
            // A planned name has no NUL.
            let name = literal(&format!("{} = ", column.target)).ok()?;
            let value = format!("{prefix}{}::text", quoted(&column.target));
            Some(format!("{name} || coalesce(left({value}, {CHARS_MAX}), 'NULL')"))
        })
        .collect();
    format!(
        "SELECT count(*) OVER ()::text, concat_ws(', ', {}) FROM {from} WHERE {condition} ORDER BY {} LIMIT {NAMED_MAX}",
        shown.join(", "),
        order.join(", ")
    )
}
