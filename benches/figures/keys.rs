//! Tables whose rows cannot be found by an integer key: the copy phase beside the same rows with one.

use crate::Arguments;
use crate::source::{Key, Source};
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::Result;

const COLUMNS: [&str; 4] = ["integer key s", "text key s", "WITHOUT ROWID s", "no key s"];
const KEYS: [Key; 4] = [Key::Integer, Key::Text, Key::WithoutRowid, Key::Keyless];

/// Each kind of key in turns: a fifth of the rows that were asked for, trades alone.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let sample = stage.sample()?;
    let rows = sample.rows_of("trades").min(arguments.rows / 5);
    let mut sources: Vec<Source> = Vec::new();
    for key in KEYS {
        sources.push(sample.trades(&stage.file(&format!("{key:?}.db")), key, rows)?);
    }
    let mut rounds = Rounds::new(&format!("Kinds of keys: {rows} trades each"), &COLUMNS);
    for _ in 0..arguments.rounds {
        let mut round = Vec::new();
        for source in &sources {
            let ferried = arguments.ferry(stage, source).run("keys", Some("snapshot"))?;
            round.push(ferried.seconds("snapshot")?);
        }
        rounds.add(&round);
    }
    rounds.close();
    stage.drop_database("keys")?;
    sources.into_iter().try_for_each(Source::remove)?;
    let [integer, others @ ..] = COLUMNS;
    let figure = |other: &'static str| {
        let what = format!("copy, {} / integer key", other.trim_end_matches(" s"));
        Figure::new(what, Limit::AtMost(1.3), rounds.ratio(other, integer))
    };
    Ok(others.map(figure).into())
}
