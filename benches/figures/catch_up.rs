//! Catching up: many rows of a table are touched, and a follower brings them over, beside the best that one would write by
//! hand: the same rows staged by COPY and upserted in one statement.

use crate::Arguments;
use crate::latency::liteferry;
use crate::measure::run;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::Result;
use rusqlite::Connection;

const COLUMNS: [&str; 6] =
    ["liteferry s", "by hand s", "one by one s", "touched rows/s", "processor s", "peak MiB"];
/// Rows of the table, and how many of them are touched.
const ROWS: u64 = 1_000_000;
const TOUCHED: u64 = 300_000;
/// Of so many touched rows one is upserted by a statement of its own, because all of them would take too long.
const ONE_BY_ONE: u32 = 10;

/// A table with nothing but its primary key, each time anew.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let title = format!("Catch-up: {TOUCHED} touched rows of {ROWS}");
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        rounds.add(&round(stage)?);
    }
    rounds.close();
    for database in ["catch_up", "by_hand"] {
        stage.drop_database(database)?;
    }
    let rate = rounds.median("touched rows/s");
    Ok(vec![
        Figure::new(
            "catch-up / staged upsert by hand",
            Limit::AtMost(1.3),
            rounds.ratio("liteferry s", "by hand s"),
        ),
        Figure::new(
            "catch-up / loop of single upserts",
            Limit::AtMost(1.0),
            rounds.ratio("liteferry s", "one by one s"),
        ),
        Figure::new(
            "catch-up, touched rows/s",
            Limit::AtLeast(30_000.0),
            (rate, format!("{rate:.0}")),
        ),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn round(stage: &Stage) -> Result<[f64; 6]> {
    let path = stage.fresh_file("catch_up.db");
    stage.create_database("catch_up", None)?;
    let writer = Connection::open(&path)?;
    writer.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE prices (id INTEGER PRIMARY KEY, pool TEXT NOT NULL, price REAL, volume REAL, at TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO prices SELECT i, 'pool ' || i % 1000, i / 7.0, i / 3.0, '2026-01-01 00:00:00' FROM n"
    ))?;
    let url = stage.url("catch_up");
    run(&mut liteferry("run", &path, &url))?;
    // One after the other by a step that comes to each row once, so that they are all over the table.
    writer.execute_batch(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {TOUCHED})
         UPDATE prices SET price = price + 1 WHERE id IN (SELECT 1 + i * 7919 % {ROWS} FROM n)"
    ))?;
    stage.create_database("by_hand", Some("catch_up"))?;
    stage.psql("by_hand", &["DROP TRIGGER liteferry_guard ON prices"])?;
    let mut follow = liteferry("follow", &path, &url);
    let caught_up = run(follow.arg("--until-caught-up"))?;
    let rows = stage.file("touched.copy");
    let rows = rows.to_string_lossy();
    let touched =
        format!("SELECT 1 + i * 7919 % {ROWS} FROM generate_series(1::bigint, {TOUCHED}) AS i");
    stage.psql(
        "catch_up",
        &[&format!(
            "\\copy (SELECT * FROM prices WHERE id IN ({touched})) TO '{rows}' (FORMAT binary)"
        )],
    )?;
    let upsert = "INSERT INTO prices SELECT * FROM staged ON CONFLICT (id) DO UPDATE
                  SET pool = excluded.pool, price = excluded.price, volume = excluded.volume, at = excluded.at";
    let by_hand = run(&mut stage.psql_command(
        "by_hand",
        &[
            "BEGIN",
            "CREATE TEMP TABLE staged (LIKE prices)",
            &format!("\\copy staged FROM '{rows}' (FORMAT binary)"),
            upsert,
            "COMMIT",
        ],
    ))?;
    let one_by_one = one_by_one(stage)?;
    let touched = TOUCHED as f64 / caught_up.seconds;
    let mebibytes = caught_up.peak_bytes as f64 / 1_048_576.0;
    let by_hand = by_hand.seconds;
    Ok([caught_up.seconds, by_hand, one_by_one, touched, caught_up.processor(), mebibytes])
}

/// Seconds that all touched rows would take by a statement each, in one transaction, as a tenth of them takes it.
fn one_by_one(stage: &Stage) -> Result<f64> {
    let file = stage.file("upserts.sql");
    let file = file.to_string_lossy();
    let statement = "INSERT INTO prices VALUES (%s, %L, %s, %s, %L) ON CONFLICT (id) DO UPDATE SET pool = excluded.pool, \
                     price = excluded.price, volume = excluded.volume, at = excluded.at;";
    let write = format!(
        "\\copy (SELECT format('{statement}', id, pool, price, volume, at) FROM prices WHERE id % {ONE_BY_ONE} = 0 \
         LIMIT {}) TO '{file}'",
        TOUCHED / u64::from(ONE_BY_ONE)
    );
    stage.psql("catch_up", &[&write])?;
    let run =
        run(&mut stage.psql_command("by_hand", &["BEGIN", &format!("\\i {file}"), "COMMIT"]))?;
    Ok(run.seconds * f64::from(ONE_BY_ONE))
}
