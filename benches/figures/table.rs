//! What is printed: the conditions, the rounds of each measurement with their medians, and the figures.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its result")]

use crate::measure::kilobytes;
use crate::numbers::{gigabytes, median};
use crate::stage::Stage;
use anyhow::Result;

/// Says what is going on.
pub(crate) fn say(what: &str) {
    eprintln!("{what}");
}

/// Prints a line of the result.
pub(crate) fn print(line: &str) {
    println!("{line}");
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
    println!("place       {}", stage.dir().display());
    Ok(())
}

/// The rounds of one measurement: a column for each number.
#[derive(Debug)]
pub(crate) struct Rounds {
    columns: Vec<Column>,
    rounds: usize,
}

#[derive(Debug)]
struct Column {
    name: &'static str,
    values: Vec<f64>,
}

impl Rounds {
    /// Prints what is measured, and the table's head.
    pub(crate) fn new(title: &str, columns: &[&'static str]) -> Self {
        println!("\n{title}\n\n| round | {} |", columns.join(" | "));
        println!("|---|{}", "---|".repeat(columns.len()));
        let columns = columns.iter().map(|&name| Column { name, values: Vec::new() }).collect();
        Self { columns, rounds: 0 }
    }

    /// Keeps and prints a round: a value for each column, NaN where it was not measured.
    pub(crate) fn add(&mut self, values: &[f64]) {
        self.rounds += 1;
        line(&self.rounds.to_string(), values);
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.values.extend(Some(*value).filter(|value| !value.is_nan()));
        }
    }

    /// Prints the medians.
    pub(crate) fn close(&self) {
        let medians: Vec<_> = self.columns.iter().map(|column| median(&column.values)).collect();
        line("median", &medians);
    }

    /// The median of a column.
    pub(crate) fn median(&self, name: &str) -> f64 {
        let column = self.columns.iter().find(|column| column.name == name);
        column.map_or(f64::NAN, |column| median(&column.values))
    }

    /// The median of one column as a multiple of that of another, with both medians as they were measured.
    pub(crate) fn ratio(&self, name: &str, of: &str) -> (f64, String) {
        let (part, whole) = (self.median(name), self.median(of));
        (part / whole, format!("{name} {part:.3}, {of} {whole:.3}"))
    }
}

fn line(name: &str, values: &[f64]) {
    let cell = |value: &f64| if value.is_nan() { String::new() } else { format!("{value:.3}") };
    println!("| {name} | {} |", values.iter().map(cell).collect::<Vec<_>>().join(" | "));
}

/// A number that has a limit.
#[derive(Debug)]
pub(crate) struct Figure {
    what: String,
    limit: Limit,
    measured: f64,
    raw: String,
}

/// What a figure must keep to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// One, give or take this part of it.
    OneWithin(f64),
}

impl Figure {
    /// `raw` has the medians that `measured` was made of.
    pub(crate) fn new(
        what: impl Into<String>,
        limit: Limit,
        (measured, raw): (f64, String),
    ) -> Self {
        Self { what: what.into(), limit, measured, raw }
    }
}

impl Limit {
    fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured <= limit,
            Self::AtLeast(limit) => measured >= limit,
            Self::OneWithin(part) => (measured - 1.0).abs() <= part,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtMost(limit) => format!("at most {limit}"),
            Self::AtLeast(limit) => format!("at least {limit}"),
            Self::OneWithin(part) => format!("1 within {:.0} %", part * 100.0),
        }
    }
}

/// Prints every figure in a line of its own.
pub(crate) fn figures(figures: &[Figure]) {
    println!("\n| figure | limit | measured | kept | medians |\n|---|---|---|---|---|");
    for Figure { what, limit, measured, raw } in figures {
        let kept = if limit.holds(*measured) { "yes" } else { "no" };
        println!("| {what} | {} | {measured:.2} | {kept} | {raw} |", limit.words());
    }
}
