//! A database of 1 MB: how long until the first row is there, and until everything is done and proved.

use crate::Arguments;
use crate::source::Source;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::Result;
use liteferry::sample::bench::Sizes;

/// Rows of a sample whose file has about 1 MB.
const ROWS: u64 = 3600;
const COLUMNS: [&str; 5] = ["first row s", "whole run s", "census s", "copy s", "proof s"];

/// Whole runs, one after the other.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let source = Source::sample(&stage.file("small.db"), Sizes::for_rows(ROWS))?;
    let title = format!("Small: {} rows; SQLite file {} bytes", source.rows(), source.bytes()?);
    let mut rounds = Rounds::new(&title, &COLUMNS);
    let ferry = arguments.ferry(stage, &source);
    for _ in 0..arguments.rounds {
        let ferried = ferry.run("small", None)?;
        rounds.add(&[
            stage.first_row("small", ferried.whole.began)?,
            ferried.whole.seconds,
            ferried.seconds("census")?,
            ferried.seconds("snapshot")?,
            ferried.seconds("proof")?,
        ]);
    }
    rounds.close();
    stage.drop_database("small")?;
    let seconds =
        |column| (rounds.median(column), format!("{column} {:.3}", rounds.median(column)));
    Ok(vec![
        Figure::new(
            "1 MB: start to first loaded row, s",
            Limit::AtMost(0.3),
            seconds("first row s"),
        ),
        Figure::new("1 MB: everything, s", Limit::AtMost(1.0), seconds("whole run s")),
    ])
}
