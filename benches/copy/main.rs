//! How long the copy phase takes, beside the floor: the same rows, already encoded, from files, loaded by two psql at
//! once into bare tables.
//!
//! Both load into the same private server, in turns, each time into a new database and after a checkpoint. liteferry
//! runs as users run it: `liteferry run --no-capture --until snapshot --json`. Its copy phase alone is compared; its
//! census and its whole run are printed beside it. `docs/benchmarks.md` says more.

mod measure;
mod stage;
mod table;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use liteferry::pipeline::Stop;
use measure::Measured;
use serde_json::Value;
use stage::Stage;
use std::path::PathBuf;
use std::process::Command;
use table::Table;

#[derive(Debug, Parser)]
#[command(about = "Measures the copy phase beside its floor")]
struct Arguments {
    /// Rows: three fifths of them trades, two fifths candles
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    rows: u64,
    /// How many times each side is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Run liteferry once more, with three times the rows, and print the peak memory of both
    #[arg(long)]
    memory: bool,
    /// Where files and server are [default: /dev/shm where it has room, else the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Given to `liteferry run`
    #[arg(long, value_name = "N")]
    workers: Option<u16>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let stop = Stop::on_signals()?;
    {
        let stage = Stage::set(arguments.rows, arguments.dir.as_deref())?;
        table::conditions(&stage)?;
        compare(&arguments, &stage, &stop)?;
    }
    if arguments.memory {
        let stage = Stage::set(arguments.rows.saturating_mul(3), arguments.dir.as_deref())?;
        stop.check()?;
        let ferried = ferry(&stage, arguments.workers)?;
        table::memory(stage.rows(), &ferried.whole);
    }
    Ok(())
}

/// Measures both sides in turns and prints what came out.
fn compare(arguments: &Arguments, stage: &Stage, stop: &Stop) -> Result<()> {
    table::say("encoding the rows for the floor");
    let encoded = encode(stage, arguments.workers)?;
    let mut table = Table::new(stage.rows(), stage.source_bytes()?, encoded);
    for round in 1..=arguments.rounds {
        stop.check()?;
        let floor = floor(stage)?;
        stop.check()?;
        let ferried = ferry(stage, arguments.workers)?;
        table.add(round, floor, ferried);
    }
    table.close();
    Ok(())
}

/// Both tables, the larger first.
const TABLES: [&str; 2] = ["trades", "candles"];

/// Lets liteferry bring the rows to the server once, and takes them from there as COPY BINARY files; gives their bytes.
/// Tables as liteferry creates them, still bare, stay behind as the template of the floor's databases.
fn encode(stage: &Stage, workers: Option<u16>) -> Result<u64> {
    stage.create_database("bare", None)?;
    measure::run(&mut liteferry(stage, "bare", "schema", workers))?;
    ferry(stage, workers)?;
    let mut bytes = 0;
    for table in TABLES {
        let file = stage.file(table);
        let copy = format!("\\copy {table} to '{}' (format binary)", file.display());
        stage.psql("ferried", &[&copy])?;
        bytes += std::fs::metadata(&file)?.len();
    }
    Ok(bytes)
}

/// The floor: both files at once, each by a psql of its own.
fn floor(stage: &Stage) -> Result<Measured> {
    stage.create_database("floor", Some("bare"))?;
    stage.psql("floor", &["CHECKPOINT"])?;
    let commands = TABLES.map(|table| {
        let copy = format!("\\copy {table} from '{}' (format binary)", stage.file(table).display());
        stage.psql_command("floor", &[&copy])
    });
    let measured = measure::run_both(commands)?;
    for table in TABLES {
        let rows = stage.psql("floor", &[&format!("SELECT count(*) FROM {table}")])?;
        ensure!(rows.trim().parse() == Ok(stage.rows_of(table)), "the floor lacks rows of {table}");
    }
    Ok(measured)
}

/// A run of liteferry to the end of its copy phase.
#[derive(Debug)]
pub(crate) struct Ferried {
    /// Seconds of the copy phase.
    copy: f64,
    /// Seconds of the census before it.
    census: f64,
    /// The whole process.
    whole: Measured,
}

fn ferry(stage: &Stage, workers: Option<u16>) -> Result<Ferried> {
    stage.create_database("ferried", None)?;
    stage.psql("ferried", &["CHECKPOINT"])?;
    let whole = measure::run(&mut liteferry(stage, "ferried", "snapshot", workers))?;
    let report: Value = serde_json::from_str(&whole.stdout).context("liteferry's report")?;
    let seconds = |phase: &str| {
        let seconds = report.pointer(&format!("/phases/{phase}")).and_then(Value::as_f64);
        seconds.with_context(|| format!("no seconds of the phase {phase} in {report}"))
    };
    for row in report.pointer("/tables").and_then(Value::as_array).into_iter().flatten() {
        let rows = row.get("source_rows").and_then(Value::as_u64);
        let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
        ensure!(rows == Some(stage.rows_of(name)), "liteferry lacks rows of {name}: {report}");
    }
    Ok(Ferried { copy: seconds("snapshot")?, census: seconds("census")?, whole })
}

fn liteferry(stage: &Stage, database: &str, until: &str, workers: Option<u16>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liteferry"));
    command.args(["run", "--no-capture", "--json", "--until", until, "--source"]);
    command.arg(stage.source()).args(["--target", &stage.url(database)]);
    if let Some(workers) = workers {
        command.args(["--workers", &workers.to_string()]);
    }
    command
}
