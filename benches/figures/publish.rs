//! How long a follower takes to publish what a delta has changed, seen from outside: from the commit of the rows in
//! PostgreSQL until the generation with them is named in the archive.

use crate::Arguments;
use crate::archive::remove;
use crate::latency::{Follower, pause, prices};
use crate::measure::run;
use crate::numbers::median;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::{Context, Result, ensure};
use rusqlite::Connection;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const COLUMNS: [&str; 4] =
    ["publish ms", "worst ms", "SQLite to generation ms", "bytes of a delta"];
/// Rows of the table, and how many of them a delta changes.
const ROWS: u64 = 1_000_000;
const TOUCHED: u64 = 1000;
/// Deltas of a round.
const DELTAS: u64 = 20;
/// A follower that was left in peace for so long publishes as soon as a delta is applied.
const PEACE: Duration = Duration::from_millis(500);
const DATABASE: &str = "published";

/// Follows a table into an archive in the folder for temporary files, each time a new one.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let disk = tempfile::Builder::new().prefix("liteferry-bench-").tempdir()?;
    let title = format!(
        "Publish: {DELTAS} deltas of {TOUCHED} of {ROWS} rows; archive in {}",
        disk.path().display()
    );
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        rounds.add(&round(stage, &disk)?);
    }
    rounds.close();
    stage.drop_database(DATABASE)?;
    let [publish, ..] = COLUMNS;
    let took = rounds.median(publish);
    let raw = format!("{publish} {took:.1}, worst {:.1}", rounds.median("worst ms"));
    Ok(vec![Figure::new("publish a delta of 1,000 rows, ms", Limit::AtMost(100.0), (took, raw))])
}

fn round(stage: &Stage, disk: &TempDir) -> Result<[f64; 4]> {
    let path = stage.fresh_file("publish.db");
    let archive = disk.path().join("archive");
    remove(&archive)?;
    let writer = prices(&path, ROWS)?;
    stage.create_database(DATABASE, None)?;
    let pipeline = stage.file("publish.toml");
    let (source, url, place) = (path.display(), stage.url(DATABASE), archive.display());
    let text = format!(
        "[source]\npath = '{source}'\n[target]\nurl = '{url}'\n[archive]\nurl = '{place}'\nevery = '100ms'\n"
    );
    std::fs::write(&pipeline, text)?;
    let liteferry = |command: &str| {
        let mut liteferry = Command::new(env!("CARGO_BIN_EXE_liteferry"));
        liteferry.arg(command).arg(&pipeline);
        liteferry
    };
    run(&mut liteferry("run"))?;
    let follower = Follower::start(liteferry("follow"))?;
    let (mut published, mut whole) = (Vec::new(), Vec::new());
    // The first one waits for the follower to come.
    for delta in 0..=DELTAS {
        let (publishing, all) = publish(stage, &writer, &archive, delta)?;
        if delta > 0 {
            published.push(publishing * 1e3);
            whole.push(all * 1e3);
        }
        pause(PEACE);
    }
    drop(follower);
    let worst = published.iter().copied().fold(f64::NAN, f64::max);
    Ok([median(&published), worst, median(&whole), bytes_of_a_delta(&archive)?])
}

/// Changes rows, and gives the seconds from their commit in PostgreSQL to the generation, and from that in SQLite.
fn publish(stage: &Stage, writer: &Connection, archive: &Path, delta: u64) -> Result<(f64, f64)> {
    let before = named(archive)?;
    // A step that comes to each row once, so that they are all over the table.
    writer.execute_batch(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {TOUCHED} - 1)
         UPDATE prices SET price = price + 1 WHERE id IN (SELECT 1 + (i + {delta} * {TOUCHED}) * 7919 % {ROWS} FROM n)"
    ))?;
    let committed = seconds(SystemTime::now())?;
    let began = Instant::now();
    let generation = loop {
        let now = named(archive)?;
        if now > before {
            break now;
        }
        ensure!(began.elapsed() < Duration::from_mins(1), "no generation is published");
        pause(Duration::from_millis(2));
    };
    let applied = "SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) FROM prices";
    let applied: f64 =
        stage.psql(DATABASE, &[applied])?.trim().parse().context("a time of a commit")?;
    Ok((generation - applied, generation - committed))
}

/// When the newest generation got its name: the pointer to it is the last that is written, and is renamed when it is on
/// disk.
fn named(archive: &Path) -> Result<f64> {
    let about = std::fs::metadata(archive.join("latest.json"))?;
    let nanoseconds = Duration::new(about.ctime().try_into()?, about.ctime_nsec().try_into()?);
    Ok(nanoseconds.as_secs_f64())
}

fn seconds(time: SystemTime) -> Result<f64> {
    Ok(time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64())
}

/// The mean of all deltas' files.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn bytes_of_a_delta(archive: &Path) -> Result<f64> {
    let (mut bytes, mut files) = (0, 0_u64);
    for file in std::fs::read_dir(archive.join("tables/prices/deltas"))? {
        bytes += file?.metadata()?.len();
        files += 1;
    }
    Ok(bytes as f64 / files.max(1) as f64)
}
