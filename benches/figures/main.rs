//! How fast liteferry is, beside the floor of what PostgreSQL can take, beside DuckDB and pgloader, and beside itself;
//! and how large its archive is.
//!
//! Each figure is a ratio with a limit, measured in turns, of medians; one file each. liteferry runs as users run it. All
//! sides load into the same private server, each time into a new database and after a checkpoint.
//! `docs/benchmarks.md` says more.

mod apply;
mod archive;
mod catch_up;
mod cells;
mod copy;
mod cores;
mod cost;
mod duckdb;
mod everything;
mod ferry;
mod floor;
mod growth;
mod keys;
mod latency;
mod measure;
mod numbers;
mod peers;
mod pgloader;
mod proof;
mod publish;
mod restore;
mod small;
mod source;
mod stage;
mod table;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use ferry::Ferry;
use liteferry::pipeline::Stop;
use source::Source;
use stage::Stage;
use std::path::PathBuf;
use table::Figure;

/// Measures liteferry beside others: ratios, each with its limit
#[derive(Debug, Parser)]
struct Arguments {
    /// The figures to measure
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIGURE,...", default_values_t = [What::Small, What::Copy])]
    only: Vec<What>,
    /// Measure every figure
    #[arg(long, conflicts_with = "only")]
    all: bool,
    /// Rows: three fifths of them trades, two fifths candles
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    rows: u64,
    /// How many times each side is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How many times pgloader is measured, which takes minutes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pgloader: u16,
    /// Leave out DuckDB and pgloader, which must be fetched
    #[arg(long)]
    no_peers: bool,
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

/// What can be measured, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A database of 1 MB: first row, everything
    Small,
    /// The copy phase beside the floor and DuckDB
    Copy,
    /// Processor time of the copy phase beside a loop in C that only reads
    Cells,
    /// Tables without an integer key beside one with it
    Keys,
    /// Two processors beside one
    Cores,
    /// Three times the rows
    Growth,
    /// The proof beside COPY TO
    Proof,
    /// Everything beside pgloader
    Everything,
    /// How far a follower is behind, and what it costs
    Latency,
    /// Touched rows beside a staged upsert by hand
    CatchUp,
    /// Deltas of a followed table beside a staged upsert by psql
    Apply,
    /// Writes of the application with a changelog beside those without
    Cost,
    /// The copy phase with an archive beside the one without, and its files beside DuckDB's
    Archive,
    /// Restoring beside a first load, and beside a loop in C that writes the rows
    Restore,
    /// How long a follower takes to publish a delta
    Publish,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let stop = Stop::on_signals()?;
    let stage = Stage::set(arguments.rows, arguments.dir.as_deref(), stop)?;
    table::conditions(&stage)?;
    let mut figures = Vec::new();
    for what in What::value_variants() {
        if arguments.all || arguments.only.contains(what) {
            figures.extend(what.measure(&stage, &arguments)?);
        }
    }
    table::figures(&figures);
    Ok(())
}

impl Arguments {
    /// liteferry as it shall run, to move a source.
    fn ferry<'a>(&self, stage: &'a Stage, source: &'a Source) -> Ferry<'a> {
        Ferry { stage, source, workers: self.workers, processors: None, archive: None }
    }
}

impl What {
    fn measure(self, stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
        match self {
            Self::Small => small::measure(stage, arguments),
            Self::Copy => copy::measure(stage, arguments),
            Self::Cells => cells::measure(stage, arguments),
            Self::Keys => keys::measure(stage, arguments),
            Self::Cores => cores::measure(stage, arguments),
            Self::Growth => growth::measure(stage, arguments),
            Self::Proof => proof::measure(stage, arguments),
            Self::Everything => everything::measure(stage, arguments),
            Self::Latency => latency::measure(stage, arguments),
            Self::CatchUp => catch_up::measure(stage, arguments),
            Self::Apply => apply::measure(stage, arguments),
            Self::Cost => cost::measure(stage, arguments),
            Self::Archive => archive::measure(stage, arguments),
            Self::Restore => restore::measure(stage, arguments),
            Self::Publish => publish::measure(stage, arguments),
        }
    }
}
