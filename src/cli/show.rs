//! Results on stdout: tables for people, one JSON object for programs.

pub(super) mod archive;
mod init;
mod lag;
mod plan;

pub(super) use init::init;
pub(super) use plan::plan;

use super::Output;
use super::screen::Screen;
use super::text::{inert, inert_json, name, renamed};
use crate::error::{Error, legible};
use crate::journey::demo::Shown;
use crate::journey::history::History;
use crate::status::{ArchiveReport, Differences, Report, TableReport};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Prints how far a source was followed.
pub(super) fn followed(report: &Report, output: Output) {
    if output.json {
        json(&report.to_json());
        return;
    }
    if !report.misfits.is_empty() {
        line(&misfits(report));
    }
    if let Some(heads) = report.position {
        let state = if report.differs() {
            "what was touched is what the source was, and other rows differ,"
        } else {
            "the target is what the source was"
        };
        line(&format!(
            "caught up: {state} at touch {} ({:.1} s)",
            heads.applied,
            report.duration().as_secs_f64()
        ));
    }
    published(report);
}

/// Prints what a run or a verification came to.
pub(super) fn report(report: &Report, screen: &Screen, output: Output) {
    for warning in &report.warnings {
        screen.say(&format!("warning: {}", legible(warning)));
    }
    if output.json {
        report.differences.iter().for_each(|found| screen.say(&differences(found)));
        json(&report.to_json());
        return;
    }
    let mut table = grid(&["table", "rows", "in the target", "set aside", "equal", "digest"]);
    for row in &report.tables {
        table.add_row(report_row(row));
    }
    numbers(&mut table, &[1, 2, 3]);
    line(&table.to_string());
    if !report.misfits.is_empty() {
        line(&misfits(report));
    }
    report.differences.iter().for_each(|found| line(&differences(found)));
    line(&closing(report));
    published(report);
}

/// Prints the generation that has it, where it is in an archive.
fn published(report: &Report) {
    if let Some(ArchiveReport { url, generation, files, bytes: size, root, .. }) = &report.archive {
        let size = bytes(*size);
        let url = legible(url);
        line(&format!(
            "archive {url}: generation {generation}, {files} files, {size}, root {root}"
        ));
    }
}

fn report_row(row: &TableReport) -> Vec<String> {
    let equal = match row.equal {
        Some(true) => "yes",
        Some(false) => "NO",
        None if row.copied_rows.is_some() => "as copied, not followed",
        None => "not compared yet",
    };
    let digest =
        row.digest_source.as_deref().map_or("", |digest| digest.get(..16).unwrap_or(digest));
    let target = row.target_rows.map_or_else(|| "-".into(), |rows| rows.to_string());
    let (rows, rejected) = (row.source_rows.to_string(), row.rejected.to_string());
    vec![name(&row.name), rows, target, rejected, equal.into(), digest.into()]
}

/// What does not fit, and what was done about it.
fn misfits(report: &Report) -> String {
    let mut table = grid(&["table", "column", "values", "do not fit because", "policy", "first"]);
    for misfit in &report.misfits {
        table.add_row([
            name(&misfit.table),
            name(&misfit.column),
            misfit.values.to_string(),
            legible(&misfit.reason).into_owned(),
            misfit.policy.clone(),
            name(&misfit.example),
        ]);
    }
    numbers(&mut table, &[2]);
    table.to_string()
}

fn closing(report: &Report) -> String {
    let rows: u64 = report.tables.iter().map(|table| table.source_rows).sum();
    let phases: Vec<_> = report
        .phases
        .iter()
        .map(|(name, duration)| format!("{name} {:.1} s", duration.as_secs_f64()))
        .collect();
    let speed = report
        .rows_per_second()
        .map(|speed| format!("; {speed:.0} rows/s copied"))
        .unwrap_or_default();
    let verdict = match report.rejected() {
        _ if !report.equal() => "NOT EQUAL".into(),
        _ if !report.proved() => {
            "stopped as asked; run the same command without --until to go on".into()
        }
        0 if report.ok() => "every row and value is equal".into(),
        0 => "every row and value that can be read is equal, and not all can be".into(),
        rejected => format!("rows set aside: {rejected}; every other row and value is equal"),
    };
    let copied = match report.copied_tables() {
        0 => String::new(),
        count => {
            format!(", but for {count} tables that are not followed, and are as they were copied")
        }
    };
    format!(
        "{verdict}{copied}: {} tables, {rows} rows in {:.1} s ({}{speed})",
        report.tables.len(),
        report.duration().as_secs_f64(),
        phases.join(", ")
    )
}

fn differences(found: &Differences) -> String {
    let more = if found.complete { "" } else { " at least" };
    let mut text = format!(
        "table {}:{more} {} missing, {} extra, {} changed",
        name(&found.table),
        found.missing,
        found.extra,
        found.changed
    );
    for row in &found.rows {
        text.push_str(&format!("\n  {} {} (chunk {})", row.kind, legible(&row.key), row.group));
        for (column, source, target) in row.columns.iter().filter(|_| row.kind == "changed") {
            let (source, target) = (legible(source), legible(target));
            text.push_str(&format!("\n    {}: source {source}, target {target}", name(column)));
        }
    }
    text
}

/// Prints what the demo made and how to go on.
pub(super) fn demo(shown: &Shown) {
    let program = program();
    let folder = shown.folder.display();
    line(&format!(
        "\nthe SQLite file   {} ({})\nits pipeline      {}\nin PostgreSQL     {}\nits archive       {}\na second node     {}\n\nlook at it:\n  {}\n\n\
         your own file:\n  {program} run --source FILE --target local\n  \
         {program} run --source FILE --target postgresql://USER@HOST/DATABASE\n\n\
         follow what is written to it:\n  {program} follow {}\n\ncompare again, while nobody follows it:\n  {program} verify {}\n\ndelete the demo, its server included:\n  {program} demo --clean --dir {folder}",
        shown.source.display(),
        bytes(shown.source_bytes),
        shown.pipeline.display(),
        shown.target,
        shown.archive.display(),
        shown.second,
        shown.psql,
        shown.pipeline.display(),
        shown.pipeline.display(),
    ));
}

/// This program as the user called it.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "liteferry".into())
}

/// Prints what the ledger knows.
pub(super) fn status(history: &History, runs: bool, output: Output) {
    if output.json {
        json(&status_json(history, runs));
        return;
    }
    if history.migrations.is_empty() {
        line("no migration has begun in this database");
        return;
    }
    let mut table =
        grid(&["migration", "schema", "source", "phase", "chunks", "rows", "steps", "plan"]);
    for standing in &history.migrations {
        let of = |(done, all): (usize, usize)| format!("{done}/{all}");
        table.add_row([
            name(&standing.name),
            name(&standing.target_schema),
            name(&standing.source_path),
            standing.phase.clone(),
            of(standing.chunks),
            format!(
                "{}/{}{}",
                standing.rows.0,
                if standing.estimated { "about " } else { "" },
                standing.rows.1
            ),
            of(standing.steps),
            short(&standing.plan_hash),
        ]);
    }
    line(&table.to_string());
    history.migrations.iter().filter_map(lag::in_words).for_each(|told| line(&told));
    if runs {
        line(&runs_grid(history));
    }
}

fn runs_grid(history: &History) -> String {
    let mut table = grid(&[
        "started",
        "migration",
        "command",
        "version",
        "plan",
        "by",
        "seconds",
        "exit",
        "outcome",
    ]);
    for run in &history.runs {
        table.add_row([
            run.started_at.clone(),
            name(&run.migration),
            run.command.clone(),
            run.version.clone(),
            short(&run.plan_hash),
            format!("{} on {}", run.pid, run.host),
            run.seconds.map_or_else(|| "-".into(), |seconds| format!("{seconds:.1}")),
            run.exit_code.map_or_else(|| "-".into(), |code| code.to_string()),
            run.outcome.as_deref().map_or_else(|| "runs, or died".into(), name),
        ]);
    }
    table.to_string()
}

fn status_json(history: &History, runs: bool) -> Value {
    let migrations: Vec<_> = history
        .migrations
        .iter()
        .map(|standing| {
            json!({
                "name": standing.name, "target_schema": standing.target_schema, "source": standing.source_path,
                "phase": standing.phase, "plan_hash": standing.plan_hash, "drop_sql": standing.drop_sql,
                "chunks": { "done": standing.chunks.0, "all": standing.chunks.1 },
                "rows": { "done": standing.rows.0, "all": standing.rows.1, "estimated": standing.estimated },
                "steps": { "done": standing.steps.0, "all": standing.steps.1 },
                "lag": standing.lag.as_ref().map(|lag| match lag {
                    Ok(lag) => lag::as_json(lag),
                    Err(why) => json!({ "error": why }),
                }),
            })
        })
        .collect();
    let mut object = json!({ "command": "status", "ok": true, "migrations": migrations });
    let listed: Vec<_> = history
        .runs
        .iter()
        .map(|run| {
            json!({
                "migration": run.migration, "command": run.command, "version": run.version, "plan_hash": run.plan_hash,
                "host": run.host, "pid": run.pid, "started_at": run.started_at, "seconds": run.seconds,
                "outcome": run.outcome, "exit_code": run.exit_code,
            })
        })
        .collect();
    if let (true, Some(object)) = (runs, object.as_object_mut()) {
        object.insert("runs".into(), Value::Array(listed));
    }
    object
}

/// What `--json` prints where a command failed: the keys of a report, of which nothing is known, and what went wrong.
pub(super) fn failure(command: &str, error: &Error) -> Value {
    json!({
        "command": command, "phase": null, "ok": false, "tables": [],
        "position": { "source": null, "applied": null },
        "seconds": null, "phases": {}, "copied_rows": null, "rows_per_second": null, "warnings": [],
        "error": error.to_string(), "advice": error.advice(), "exit_code": error.class().exit_code(),
    })
}

/// Prints one JSON object on a line of its own.
pub(super) fn json(value: &Value) {
    print(&inert_json(value));
}

/// A size for people.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

fn short(hash: &str) -> String {
    hash.get(..12).unwrap_or(hash).into()
}

fn grid(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    table
}

fn numbers(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn line(text: &str) {
    print(&inert(text));
}

/// Statements go into a file as they are, whatever names they hold.
fn sql(text: &str) {
    if std::io::stdout().is_terminal() { line(text) } else { print(text) }
}

fn print(text: &str) {
    // A closed stdout has nobody left to tell.
    let _nobody_listens = writeln!(std::io::stdout(), "{text}");
}
