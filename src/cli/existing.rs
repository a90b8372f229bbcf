//! What a plan says of a table that exists: how the source fits it, and what is done to it meanwhile.

use crate::plan::{Existing, Plan, PlannedTable};

/// Lines about a table that exists; none about one that is created.
pub(super) fn lines(plan: &Plan, table: &PlannedTable) -> Vec<String> {
    let Some(existing) = &table.existing else { return Vec::new() };
    let found = &existing.found;
    let mut lines =
        vec![format!("  exists as {}.{}: its columns and types stay", found.schema, found.name)];
    let renamed: Vec<_> = table
        .schema
        .columns
        .iter()
        .filter(|column| column.source != column.target)
        .map(|column| format!("{} is {} there", column.source, column.target))
        .collect();
    if !renamed.is_empty() {
        lines.push(format!("  columns found by case: {}", renamed.join(", ")));
    }
    if !existing.extra.is_empty() {
        lines.push(format!("  columns that keep their defaults: {}", extra(existing).join(", ")));
    }
    if existing.truncate {
        lines.push("  ITS ROWS ARE DELETED before the load (existing = \"truncate\")".into());
    }
    let aside: Vec<_> = plan
        .steps()
        .filter(|step| step.table == found.name && plan.puts_back(step))
        .map(crate::plan::Step::full_name)
        .collect();
    if !aside.is_empty() {
        lines
            .push(format!("  put aside for the load, and put back after it: {}", aside.join(", ")));
    }
    lines
}

fn extra(existing: &Existing) -> Vec<String> {
    let columns = existing.found.columns.iter();
    let extra = columns.filter(|column| existing.extra.contains(&column.name));
    extra
        .map(|column| {
            let gets = match &column.default {
                _ if column.identity => "identity",
                Some(_) if column.generated => "generated",
                Some(default) => default,
                None => "NULL",
            };
            format!("{} ({gets})", column.name)
        })
        .collect()
}
