//! What is printed: the conditions, every round, and the medians, as a table that can go into `docs/benchmarks.md`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its result")]

use crate::Ferried;
use crate::measure::{Measured, kilobytes};
use crate::stage::Stage;
use anyhow::Result;

/// Says what is going on.
pub(crate) fn say(what: &str) {
    eprintln!("{what}");
}

/// Prints what the numbers depend on.
pub(crate) fn conditions(stage: &Stage) -> Result<()> {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism()?;
    let memory = kilobytes(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0);
    let load = read("/proc/loadavg");
    let load: Vec<_> = load.split_whitespace().take(3).collect();
    let postgres = stage.psql("postgres", &["SHOW server_version"])?;
    println!("date        {}", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z"));
    println!("machine     {cores} cores of {model}, {}", gigabytes(memory));
    println!("load before {} (1, 5, 15 minutes)", load.join(" "));
    println!("PostgreSQL  {}", postgres.trim());
    println!("liteferry   {}", env!("CARGO_PKG_VERSION"));
    println!("place       {}\n", stage.dir().display());
    Ok(())
}

/// The rounds of one comparison.
#[derive(Debug)]
pub(crate) struct Table {
    rows: u64,
    rounds: Vec<(Measured, Ferried)>,
}

impl Table {
    /// Prints the workload and the table's head.
    pub(crate) fn new(rows: u64, source_bytes: u64, encoded_bytes: u64) -> Self {
        println!(
            "{rows} rows; SQLite file {}; encoded {}\n",
            gigabytes(source_bytes),
            gigabytes(encoded_bytes)
        );
        println!(
            "| round | floor s | copy s | ratio | census s | whole run s | user s | system s | peak MiB |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        Self { rows, rounds: Vec::new() }
    }

    /// Prints a round.
    pub(crate) fn add(&mut self, round: u16, floor: Measured, ferried: Ferried) {
        line(&round.to_string(), &values(&floor, &ferried));
        self.rounds.push((floor, ferried));
    }

    /// Prints the medians.
    pub(crate) fn close(&self) {
        let rounds: Vec<_> =
            self.rounds.iter().map(|(floor, ferried)| values(floor, ferried)).collect();
        let median = |position: usize| median(rounds.iter().filter_map(|row| row.get(position)));
        let medians = std::array::from_fn(median);
        line("median", &medians);
        let [floor, copy, ..] = medians;
        let rate = |seconds: f64| whole(self.rows) / seconds;
        println!("\nmedian of copy / median of floor: {:.2}", copy / floor);
        println!("rows/s: floor {:.0}, liteferry {:.0}", rate(floor), rate(copy));
        let (user, system): (Vec<_>, Vec<_>) =
            self.rounds.iter().map(|(floor, _)| (floor.user, floor.system)).unzip();
        println!(
            "processor seconds of the floor's two psql: user {:.2}, system {:.2}",
            self::median(user.iter()),
            self::median(system.iter())
        );
    }
}

/// Prints the peak of one more run.
pub(crate) fn memory(rows: u64, whole: &Measured) {
    println!("\npeak memory at {rows} rows: {:.1} MiB", mebibytes(whole.peak_bytes));
}

/// A line of the table, after the round.
fn values(floor: &Measured, ferried: &Ferried) -> [f64; 8] {
    let whole = &ferried.whole;
    [
        floor.seconds,
        ferried.copy,
        ferried.copy / floor.seconds,
        ferried.census,
        whole.seconds,
        whole.user,
        whole.system,
        mebibytes(whole.peak_bytes),
    ]
}

fn line(name: &str, values: &[f64; 8]) {
    let cells: Vec<_> = values.iter().map(|value| format!("{value:.2}")).collect();
    println!("| {name} | {} |", cells.join(" | "));
}

fn median<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let mut values: Vec<_> = values.copied().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB", whole(bytes) / 1e9)
}

fn mebibytes(bytes: u64) -> f64 {
    whole(bytes) / 1_048_576.0
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
fn whole(number: u64) -> f64 {
    number as f64
}
