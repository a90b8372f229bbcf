//! What a changelog costs the application: transactions of one row, and many rows in one transaction, with it and without,
//! in write-ahead mode with `synchronous = NORMAL`.

use crate::Arguments;
use crate::measure::run;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::Result;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Instant;

const COLUMNS: [&str; 4] =
    ["plain, single rows s", "logged, single rows s", "plain, bulk s", "logged, bulk s"];
/// Transactions of one row, and rows of the one that has many.
const SINGLE: i64 = 20_000;
const BULK: i64 = 300_000;

/// A kind of table, and what a changelog may cost it: for single rows, and for many.
struct Kind {
    name: &'static str,
    table: &'static str,
    append: bool,
    limits: [f64; 2],
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "one key",
        table: "CREATE TABLE prices (id INTEGER PRIMARY KEY, code INT, price REAL, at TEXT)",
        append: false,
        limits: [1.6, 2.5],
    },
    Kind {
        name: "one more UNIQUE",
        table: "CREATE TABLE prices (id INTEGER PRIMARY KEY, code INT UNIQUE, price REAL, at TEXT)",
        append: false,
        limits: [1.8, 3.0],
    },
    Kind {
        name: "append",
        table: "CREATE TABLE prices (id INTEGER PRIMARY KEY, code INT, price REAL, at TEXT)",
        append: true,
        limits: [1.1, 1.1],
    },
];

/// Both sides in turns, each time in files of their own.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for kind in &KINDS {
        let title = format!("Cost to the application: {}", kind.name);
        let mut rounds = Rounds::new(&title, &COLUMNS);
        for _ in 0..arguments.rounds {
            let plain = written(&made(stage, kind, "plain")?)?;
            let logged = made(stage, kind, "logged")?;
            capture(stage, kind, &logged)?;
            let logged = written(&logged)?;
            rounds.add(&[plain[0], logged[0], plain[1], logged[1]]);
        }
        rounds.close();
        let sides = [(COLUMNS[1], COLUMNS[0], "single rows"), (COLUMNS[3], COLUMNS[2], "bulk")];
        for ((logged, plain, what), limit) in sides.into_iter().zip(kind.limits) {
            let name = format!("changelog, {}, {what}: logged / plain", kind.name);
            figures.push(Figure::new(name, Limit::AtMost(limit), rounds.ratio(logged, plain)));
        }
    }
    stage.drop_database("cost")?;
    Ok(figures)
}

/// A new file with the empty table.
fn made(stage: &Stage, kind: &Kind, side: &str) -> Result<PathBuf> {
    let path = stage.fresh_file(&format!("cost-{side}.db"));
    Connection::open(&path)?
        .execute_batch(&format!("PRAGMA journal_mode = WAL; {}", kind.table))?;
    Ok(path)
}

/// Lets liteferry install its changelog; nobody follows.
fn capture(stage: &Stage, kind: &Kind, path: &Path) -> Result<()> {
    stage.create_database("cost", None)?;
    let pipeline = stage.file("cost.toml");
    let append = if kind.append { "[tables.prices]\ncapture = 'append'\n" } else { "" };
    let (source, url) = (path.display(), stage.url("cost"));
    let text = format!("[source]\npath = '{source}'\n[target]\nurl = '{url}'\n{append}");
    std::fs::write(&pipeline, text)?;
    run(std::process::Command::new(env!("CARGO_BIN_EXE_liteferry")).arg("run").arg(&pipeline))?;
    Ok(())
}

/// Seconds of single rows, and of many at once.
fn written(path: &Path) -> Result<[f64; 2]> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    let sql = "INSERT INTO prices (code, price, at) VALUES (?1, ?1 / 7.0, '2026-01-01 00:00:00')";
    let mut insert = connection.prepare(sql)?;
    let began = Instant::now();
    for number in 0..SINGLE {
        insert.execute([number * 7919])?;
    }
    let single = began.elapsed().as_secs_f64();
    let began = Instant::now();
    connection.execute_batch("BEGIN")?;
    for number in SINGLE..SINGLE + BULK {
        insert.execute([number * 7919])?;
    }
    connection.execute_batch("COMMIT")?;
    Ok([single, began.elapsed().as_secs_f64()])
}
