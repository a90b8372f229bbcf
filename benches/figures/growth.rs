//! Three times the rows: three times the time, and no more memory.

use crate::Arguments;
use crate::numbers::mebibytes;
use crate::source::Source;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::Result;
use liteferry::sample::bench::Sizes;

const COLUMNS: [&str; 4] = ["a third, copy s", "all, copy s", "a third, peak MiB", "all, peak MiB"];

/// The copy phase of a third of the rows and of all of them, in turns.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let all = stage.sample()?;
    let third = Source::sample(&stage.file("third.db"), Sizes::for_rows(arguments.rows / 3))?;
    let title = format!("Growth: copy phase of {} rows and of {}", third.rows(), all.rows());
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        let (mut seconds, mut peaks) = (Vec::new(), Vec::new());
        for source in [&third, all] {
            let ferried = arguments.ferry(stage, source).run("growth", Some("snapshot"))?;
            seconds.push(ferried.seconds("snapshot")?);
            peaks.push(mebibytes(ferried.whole.peak_bytes));
        }
        rounds.add(&[seconds, peaks].concat());
    }
    rounds.close();
    stage.drop_database("growth")?;
    third.remove()?;
    let [third, all, third_peak, all_peak] = COLUMNS;
    let (times, raw) = rounds.ratio(all, third);
    Ok(vec![
        Figure::new("rows × 3: time / 3", Limit::OneWithin(0.1), (times / 3.0, raw)),
        Figure::new("rows × 3: memory", Limit::OneWithin(0.1), rounds.ratio(all_peak, third_peak)),
    ])
}
