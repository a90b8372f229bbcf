//! The copy phase beside its floor, and beside DuckDB.

use crate::Arguments;
use crate::duckdb::Duckdb;
use crate::floor::Floor;
use crate::numbers::{gigabytes, mebibytes, real};
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds, print};
use anyhow::Result;

const COLUMNS: [&str; 9] = [
    "floor s",
    "copy s",
    "DuckDB s",
    "copy / floor",
    "census s",
    "first row s",
    "copy, processor s",
    "whole, processor s",
    "peak MiB",
];

/// Floor, liteferry and DuckDB in turns.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let duckdb = if arguments.no_peers { None } else { Some(Duckdb::fetch()?) };
    let source = stage.sample()?;
    let ferry = arguments.ferry(stage, source);
    let floor = Floor::lay(ferry)?;
    let title = format!(
        "Copy phase: {} rows; SQLite file {}; encoded {}",
        source.rows(),
        gigabytes(source.bytes()?),
        gigabytes(floor.bytes()?)
    );
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        let floor = floor.load()?;
        let ferried = ferry.run("ferried", Some("snapshot"))?;
        let first = stage.first_row("ferried", ferried.whole.began)?;
        stage.drop_database("ferried")?;
        let duckdb = duckdb.as_ref().map(|duckdb| duckdb.copy(stage, source)).transpose()?;
        let copy = ferried.seconds("snapshot")?;
        rounds.add(&[
            floor.seconds,
            copy,
            duckdb.map_or(f64::NAN, |(seconds, _)| seconds),
            copy / floor.seconds,
            ferried.seconds("census")?,
            first,
            ferried.processor("snapshot")?,
            ferried.whole.processor(),
            mebibytes(ferried.whole.peak_bytes),
        ]);
    }
    rounds.close();
    let rate = |name| real(source.rows()) / rounds.median(name);
    print(&format!("\nrows/s: floor {:.0}, liteferry {:.0}", rate("floor s"), rate("copy s")));
    let mut figures =
        vec![Figure::new("copy / floor", Limit::AtMost(1.3), rounds.ratio("copy s", "floor s"))];
    if duckdb.is_some() {
        let ratio = rounds.ratio("copy s", "DuckDB s");
        figures.push(Figure::new("copy / DuckDB", Limit::AtMost(0.8), ratio));
    }
    Ok(figures)
}
