//! A plan: what becomes of each column and why, the SQL, what stays behind, both ends, sizes, and advice.
//!
//! What is no SQL stands in comments, so that the parts between can be run.

use super::{Output, bytes, grid, line, name, numbers, renamed, sql};
use crate::cli::existing;
use crate::error::{Error, legible};
use crate::journey::check::Checks;
use crate::journey::plan::{Logging, Planned};
use crate::plan::advice::Advice;
use crate::plan::estimate::{Estimate, MODEL, Time};
use crate::plan::{Plan, PlannedTable};
use serde_json::{Value, json};
use std::time::Duration;

/// Names that a line of advice lists; the others are counted.
const NAMES_SHOWN: usize = 12;

/// Prints a plan.
pub(in crate::cli) fn plan(planned: &Planned, output: Output) {
    if output.json {
        super::json(&as_json(planned));
        return;
    }
    let plan = &planned.plan;
    for table in &plan.tables {
        line(&format!(
            "{} ({}, {})",
            renamed(&table.schema.source, &table.schema.target),
            table.rows_in_words(),
            bytes(table.schema.bytes)
        ));
        let followed = plan.followed_in_words(table).map(|told| format!("  {told}"));
        let told = existing::lines(plan, table).into_iter().chain(followed);
        told.for_each(|told| line(&legible(&told)));
        line(&columns(table));
    }
    planned.logging.as_ref().into_iter().for_each(logging);
    if !plan.aside.is_empty() {
        line("\n-- what is put aside in tables that exist");
        plan.aside.iter().for_each(|aside| sql(&format!("{};", aside.sql)));
    }
    line("\n-- what is created");
    plan.create_tables().for_each(|statement| sql(&format!("{statement};")));
    let (waiting, after): (Vec<_>, Vec<_>) = plan.steps().partition(|step| plan.waits(step));
    line("\n-- what comes after the load");
    after.iter().for_each(|step| sql(&format!("{};", step.sql)));
    if !waiting.is_empty() {
        line("\n-- what comes with the cutover");
        waiting.iter().for_each(|step| sql(&format!("{};", step.sql)));
    }
    section("what the next run changes of what is there", &legibly(&planned.anew));
    section("what to look at", &legibly(&to_look_at(planned)));
    section("what is not carried over, as it stands in the source", &left_behind(plan));
    section("what a more exact type could be said of", &suggestions(plan));
    section("both ends", &both_ends(&planned.checks));
    section("what it takes", &sizes(&planned.estimate, planned.checks.free_bytes));
    section("what the application must change", &advice(&planned.advice));
    line("\n-- what drops exactly this again");
    sql(&planned.drop_sql);
}

/// What is put into the source to follow it. It is SQL of SQLite, and stands before that of PostgreSQL.
fn logging(logging: &Logging) {
    line("\n-- what is put into the source, so that its changes are logged (SQLite)");
    logging.install_sql.iter().for_each(|statement| sql(&format!("{statement};")));
    line("\n-- what takes it out of the source again (SQLite; `liteferry uninstall` does it, too)");
    sql(&logging.remove_sql);
    let refused = logging
        .refused
        .iter()
        .map(|(table, why)| format!("table {}: {}", name(table), legible(why)));
    section("WHAT CANNOT BE FOLLOWED", &refused.collect::<Vec<_>>());
}

fn to_look_at(planned: &Planned) -> Vec<String> {
    let Planned { plan, holds, .. } = planned;
    plan.warnings().into_iter().chain(plan.waiting()).chain(holds.iter().cloned()).collect()
}

/// Comments under a heading, where there are any.
fn section(heading: &str, texts: &[String]) {
    if texts.is_empty() {
        return;
    }
    line(&format!("\n-- {heading}"));
    // Only the tables among them have more than one line: text from the source cannot leave its comment.
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.for_each(|text| line(format!("-- {text}").trim_end()));
}

fn columns(table: &PlannedTable) -> String {
    let mut grid = grid(&["column", "declared", "becomes", "because", "seen"]);
    for (column, report) in table.schema.columns.iter().zip(&table.columns) {
        grid.add_row([
            renamed(&column.source, &column.target),
            legible(&report.declared).into_owned(),
            column.pg.to_string(),
            legible(&report.reason).into_owned(),
            legible(&report.evidence).into_owned(),
        ]);
    }
    grid.to_string()
}

/// Each is one line.
fn legibly(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| legible(line).into_owned()).collect()
}

/// What the target will not have, as the source has it.
fn left_behind(plan: &Plan) -> Vec<String> {
    let left = plan.left_behind.iter().filter(|left| !left.sql.is_empty());
    let told = left.flat_map(|left| {
        let lines = left.sql.lines().map(|text| format!("    {}", legible(text)));
        std::iter::once(format!("{} {}:", left.kind, name(&left.name))).chain(lines)
    });
    told.collect()
}

/// What the pipeline file could say of columns that are told of nowhere else.
fn suggestions(plan: &Plan) -> Vec<String> {
    let columns = plan.tables.iter().flat_map(|table| {
        let columns = table.schema.columns.iter().zip(&table.columns);
        columns.map(move |(column, report)| (&table.schema.source, &column.source, report))
    });
    let quiet = columns.filter(|(.., report)| !report.warning);
    let told = quiet.filter_map(|(table, column, report)| {
        let hint = report.hint.as_ref()?.in_words();
        Some(legible(&format!("table {table}: column {column}: {hint}")).into_owned())
    });
    told.collect()
}

fn both_ends(checks: &Checks) -> Vec<String> {
    let facts = &checks.facts;
    let mut lines =
        vec![format!("source: {} ({})", checks.source.display(), bytes(checks.source_bytes))];
    for (table, found) in &checks.references {
        for violations in &found.violations {
            let columns = violations.columns.join(", ");
            let first = violations.first.join(", ");
            let more = if usize::try_from(violations.rows) == Ok(violations.first.len()) {
                ""
            } else {
                ", …"
            };
            let first = if first.is_empty() { first } else { format!(": {first}{more}") };
            lines.push(format!(
                "source: table {table}: the foreign key ({columns}) to {} is violated by {} rows, and stays NOT VALID where it is carried over{first}",
                violations.parent, violations.rows
            ));
        }
        lines.extend(found.unchecked.iter().map(|why| {
            format!("source: table {table}: its foreign keys cannot be checked: {why}")
        }));
    }
    lines.push(format!("target: {}", checks.server));
    lines.push(format!(
        "target: PostgreSQL {}, {}, database {}, as {}",
        facts.version, facts.encoding, facts.database, facts.user
    ));
    let may = |granted: bool| if granted { "may" } else { "may not" };
    lines.push(format!("target: {} {} create schemas", facts.user, may(facts.create_schemas)));
    lines.push(match facts.create_tables {
        Some(granted) => {
            format!("target: {} {} create tables in the schema", facts.user, may(granted))
        }
        None => "target: the schema is not there yet, and is created".into(),
    });
    lines.extend(
        checks.problems.iter().map(|problem| {
            format!("NOT READY: {problem}: {}", problem.advice().unwrap_or_default())
        }),
    );
    lines.iter().map(|line| legible(line).into_owned()).collect()
}

fn sizes(estimate: &Estimate, free: Option<u64>) -> Vec<String> {
    let mut table = grid(&["table", "rows", "values", "on disk", "indexes"]);
    for size in &estimate.tables {
        table.add_row([
            name(&size.table),
            if size.exact { size.rows.to_string() } else { format!("about {}", size.rows) },
            bytes(size.value_bytes),
            bytes(size.heap_bytes),
            bytes(size.index_bytes),
        ]);
    }
    numbers(&mut table, &[1, 2, 3, 4]);
    let disk = estimate.disk_bytes();
    let room = match free {
        None => "how much is free is not known".into(),
        Some(free) if free < disk => format!("NOT ENOUGH: only {} are free", bytes(free)),
        Some(free) => format!("{} are free", bytes(free)),
    };
    let time = estimate.time.map_or_else(|| "not known: the run has begun".into(), in_words);
    vec![
        table.to_string(),
        format!(
            "disk: about {} (tables {}, indexes {}, WAL {}); {room}",
            bytes(disk),
            bytes(estimate.heap_bytes),
            bytes(estimate.index_bytes),
            bytes(estimate.wal_bytes)
        ),
        format!("time: {time}"),
        MODEL.into(),
    ]
}

fn in_words(time: Time) -> String {
    let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
    format!(
        "about {} (census {}, copy {}, indexes {}, proof {})",
        seconds(time.total()),
        seconds(time.census),
        seconds(time.snapshot),
        seconds(time.index),
        seconds(time.proof)
    )
}

fn advice(advice: &[Advice]) -> Vec<String> {
    let told = |advice: &Advice| {
        let names: Vec<_> =
            advice.names.iter().take(NAMES_SHOWN).map(|shown| name(shown)).collect();
        let more = match advice.names.len().saturating_sub(NAMES_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if names.is_empty() {
            advice.text.into()
        } else {
            format!("{}: {}{more}", advice.text, names.join(", "))
        }
    };
    advice.iter().map(told).collect()
}

fn as_json(planned: &Planned) -> Value {
    json!({
        "command": "plan", "ok": planned.checks.problems.is_empty(), "begun": planned.begun, "anew": planned.anew,
        "plan": planned.plan,
        "drop_sql": planned.drop_sql, "warnings": to_look_at(planned), "checks": checks_json(&planned.checks),
        "changelog": planned.logging.as_ref().map(logging_json),
        "estimate": estimate_json(&planned.estimate), "advice": planned.advice,
    })
}

fn logging_json(logging: &Logging) -> Value {
    let refused = logging.refused.iter();
    let refused = refused.map(|(table, reason)| json!({ "table": table, "reason": reason }));
    json!({
        "install_sql": logging.install_sql, "remove_sql": logging.remove_sql, "refused": refused.collect::<Vec<_>>(),
    })
}

fn checks_json(checks: &Checks) -> Value {
    let facts = &checks.facts;
    let violations = checks.references.iter().flat_map(|(table, found)| {
        found.violations.iter().map(move |violations| {
            json!({
                "table": table, "columns": violations.columns, "parent": violations.parent, "rows": violations.rows,
                "first": violations.first,
            })
        })
    });
    let unchecked = checks.references.iter().filter_map(|(table, found)| {
        Some(json!({ "table": table, "reason": found.unchecked.as_ref()? }))
    });
    let problem = |problem: &Error| {
        json!({
            "problem": problem.to_string(), "advice": problem.advice(), "exit_code": problem.class().exit_code(),
        })
    };
    json!({
        "source": {
            "path": checks.source.to_string_lossy(), "bytes": checks.source_bytes,
            "foreign_key_violations": violations.collect::<Vec<_>>(),
            "foreign_keys_unchecked": unchecked.collect::<Vec<_>>(),
        },
        "target": {
            "server": checks.server, "version": facts.version, "encoding": facts.encoding, "user": facts.user,
            "database": facts.database, "create_schemas": facts.create_schemas, "create_tables": facts.create_tables,
            "read_only": facts.read_only, "folder": facts.folder, "free_bytes": checks.free_bytes,
            "max_wal_size": facts.max_wal_size,
        },
        "problems": checks.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}

fn estimate_json(estimate: &Estimate) -> Value {
    let tables = estimate.tables.iter().map(|size| {
        json!({
            "name": size.table, "rows": size.rows, "exact": size.exact, "value_bytes": size.value_bytes, "heap_bytes": size.heap_bytes,
            "index_bytes": size.index_bytes,
        })
    });
    let seconds = estimate.time.map(|time| {
        json!({
            "census": time.census.as_secs_f64(), "snapshot": time.snapshot.as_secs_f64(),
            "index": time.index.as_secs_f64(), "proof": time.proof.as_secs_f64(), "total": time.total().as_secs_f64(),
        })
    });
    json!({
        "model": MODEL, "tables": tables.collect::<Vec<_>>(), "heap_bytes": estimate.heap_bytes,
        "index_bytes": estimate.index_bytes, "wal_bytes": estimate.wal_bytes, "disk_bytes": estimate.disk_bytes(),
        "seconds": seconds,
    })
}
