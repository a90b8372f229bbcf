//! How far a follower is behind: a thousand transactions of one row each second, and how long each takes from its commit
//! in SQLite to its commit in PostgreSQL; and what a follower costs while nothing happens.

use crate::Arguments;
use crate::measure::{processor_of, run};
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds, say};
use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const COLUMNS: [&str; 5] = ["p50 ms", "p99 ms", "worst ms", "transactions/s", "idle, of a core %"];
/// Rows that are there before.
const ROWS_BEFORE: u64 = 100_000;
const TRANSACTIONS_PER_SECOND: u32 = 1000;
const SECONDS: u32 = 10;
/// How long a follower that has nothing to do is looked at.
const IDLE: Duration = Duration::from_secs(10);

/// Follows a table of prices while it is written to, each time into a new database.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let title = format!(
        "Latency: {TRANSACTIONS_PER_SECOND} transactions of one row a second for {SECONDS} s, {ROWS_BEFORE} rows before"
    );
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        rounds.add(&round(stage)?);
    }
    rounds.close();
    stage.drop_database("latency")?;
    let of = |column| (rounds.median(column), format!("{column} {:.2}", rounds.median(column)));
    Ok(vec![
        Figure::new("commit to visible, p50, ms", Limit::AtMost(10.0), of("p50 ms")),
        Figure::new("commit to visible, p99, ms", Limit::AtMost(50.0), of("p99 ms")),
        Figure::new("idle follower, of a core %", Limit::AtMost(1.0), of("idle, of a core %")),
    ])
}

fn round(stage: &Stage) -> Result<[f64; 5]> {
    let path = stage.fresh_file("latency.db");
    stage.create_database("latency", None)?;
    let writer = prices(&path, ROWS_BEFORE)?;
    let url = stage.url("latency");
    run(&mut liteferry("run", &path, &url))?;
    let follower = Follower::start(liteferry("follow", &path, &url))?;
    // It has begun to look when it has come to what was written first.
    let first = insert(&writer, ROWS_BEFORE + 1)?;
    let mut committed = vec![first];
    wait_for(stage, committed.len())?;
    let idle_before = follower.processor()?;
    pause(IDLE);
    let idle = (follower.processor()? - idle_before) / IDLE.as_secs_f64() * 100.0;
    let began = Instant::now();
    for number in 0..TRANSACTIONS_PER_SECOND * SECONDS {
        let due = Duration::from_secs(1) * number / TRANSACTIONS_PER_SECOND;
        pause(due.saturating_sub(began.elapsed()));
        let id = ROWS_BEFORE + 1 + u64::try_from(committed.len())?;
        committed.push(insert(&writer, id)?);
    }
    let rate = f64::from(TRANSACTIONS_PER_SECOND * SECONDS) / began.elapsed().as_secs_f64();
    wait_for(stage, committed.len())?;
    drop(follower);
    let mut late = latencies(stage, &committed)?;
    late.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| late.get(late.len() * share / 100).copied().unwrap_or(f64::NAN) * 1e3;
    let worst = late.last().copied().unwrap_or(f64::NAN) * 1e3;
    Ok([at(50), at(99), worst, rate, idle])
}

/// Makes a file with so many rows of prices, as an application has it that is going to write to it.
pub(crate) fn prices(path: &Path, rows: u64) -> Result<Connection> {
    let writer = Connection::open(path)?;
    writer.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         CREATE TABLE prices (id INTEGER PRIMARY KEY, pool TEXT NOT NULL, price REAL, at TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO prices SELECT i, 'pool ' || i % 100, i / 7.0, '2026-01-01 00:00:00' FROM n"
    ))?;
    Ok(writer)
}

/// Inserts a row in a transaction of its own, and says when that was committed.
fn insert(writer: &Connection, id: u64) -> Result<SystemTime> {
    let sql = "INSERT INTO prices VALUES (?1, 'pool', ?1 / 7.0, '2026-01-01 00:00:00')";
    writer.prepare_cached(sql)?.execute([i64::try_from(id)?])?;
    Ok(SystemTime::now())
}

/// Waits until so many rows have come behind those that were there before.
fn wait_for(stage: &Stage, rows: usize) -> Result<()> {
    let began = Instant::now();
    let sql = format!("SELECT count(*) FROM prices WHERE id > {ROWS_BEFORE}");
    while stage.psql("latency", &[&sql])?.trim().parse() != Ok(rows) {
        ensure!(began.elapsed() < Duration::from_mins(2), "the follower does not catch up");
        pause(Duration::from_millis(20));
    }
    Ok(())
}

/// Seconds from each row's commit in SQLite to that in PostgreSQL.
fn latencies(stage: &Stage, committed: &[SystemTime]) -> Result<Vec<f64>> {
    let sql = format!(
        "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM prices WHERE id > {ROWS_BEFORE} ORDER BY id"
    );
    let visible = stage.psql("latency", &[&sql])?;
    let late = visible.lines().zip(committed).map(|(visible, committed)| {
        let visible: f64 = visible.parse().context("a time of a commit")?;
        Ok(visible - committed.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64())
    });
    late.collect()
}

/// A command of liteferry with both ends.
pub(crate) fn liteferry(command: &str, source: &Path, target: &str) -> Command {
    let mut liteferry = Command::new(env!("CARGO_BIN_EXE_liteferry"));
    liteferry.arg(command).arg("--source").arg(source).args(["--target", target]);
    liteferry
}

/// A follower, which ends when this is dropped.
pub(crate) struct Follower(Child);

impl Follower {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().context("cannot start a follower")?))
    }

    /// Processor seconds that it has taken.
    fn processor(&self) -> Result<f64> {
        processor_of(self.0.id()).context("the follower is gone")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let ended = kill_process(Pid::from_child(&self.0), Signal::TERM).is_ok();
        if !ended || self.0.wait().is_err() {
            say("a follower could not be ended");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the pace of a writer is kept by the clock")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
