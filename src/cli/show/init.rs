//! What `init` wrote, and what is to be decided in it.

use super::{Output, line, program};
use crate::journey::init::Initial;
use crate::plan::file::COPIED;
use crate::plan::types::Hint;
use serde_json::json;
use std::path::Path;

/// Says what was written, and what is open in it.
pub(in crate::cli) fn init(initial: &Initial, file: &Path, output: Output) {
    let tables = &initial.plan.tables;
    let columns: usize = tables.iter().map(|table| table.columns.len()).sum();
    let hints = tables.iter().flat_map(|table| {
        let columns = table.schema.columns.iter().zip(&table.columns);
        columns.filter_map(move |(column, report)| {
            Some((&table.schema.source, &column.source, report.hint.as_ref()?))
        })
    });
    let open: Vec<(&String, &String, &Hint)> = hints.filter(|(.., hint)| hint.open).collect();
    if output.json {
        let refused = initial.refused.iter().map(|(table, reason)| {
            let reason = format!("cannot be followed: {reason}");
            json!({ "table": table, "column": null, "reason": reason, "line": COPIED })
        });
        let open: Vec<_> = open
            .iter()
            .map(|(table, column, hint)| {
                json!({ "table": table, "column": column, "reason": hint.reason, "line": hint.line })
            })
            .chain(refused)
            .collect();
        super::json(&json!({
            "command": "init", "ok": true, "output": file.to_string_lossy(), "tables": tables.len(),
            "columns": columns, "open": open,
        }));
        return;
    }
    let file = file.display();
    line(&format!("wrote {file}: {} tables, {columns} columns", tables.len()));
    for (table, reason) in &initial.refused {
        line(&format!("to decide: table {table}: cannot be followed: {reason}"));
    }
    for (table, column, hint) in open {
        line(&format!("to decide: table {table}: column {column}: {}", hint.reason));
    }
    line(&format!("edit it, and see what comes of it:\n  {} plan {file}", program()));
}
