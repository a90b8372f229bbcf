//! The proof, which reads both stores afresh, beside PostgreSQL's own way to put every row out.

use crate::Arguments;
use crate::floor::TABLES;
use crate::measure::{self, Measured};
use crate::source::Source;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::Result;
use std::process::{Command, Stdio};

const COLUMNS: [&str; 5] =
    ["proof s", "COPY TO s", "two COPY TO s", "verify, whole s", "verify, processor s"];

/// `liteferry verify`, and COPY BINARY of all tables to /dev/null, by one psql and by two, in turns.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let source = stage.sample()?;
    let ferry = arguments.ferry(stage, source);
    ferry.run("proved", None)?;
    // So that no reader has to set the hints of every row.
    stage.psql("proved", &["VACUUM", "CHECKPOINT"])?;
    let title = format!("Proof: {} rows on both sides", source.rows());
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        let verified = ferry.verify("proved")?;
        let one = measure::run(&mut copy_out(stage, tables_of(source)))?;
        let two = copy_out_by_two(stage, source)?;
        rounds.add(&[
            verified.seconds("proof")?,
            one.seconds,
            two.seconds,
            verified.whole.seconds,
            verified.whole.processor(),
        ]);
    }
    rounds.close();
    stage.drop_database("proved")?;
    let ratio = rounds.ratio("proof s", "COPY TO s");
    Ok(vec![Figure::new("proof / COPY TO of all tables", Limit::AtMost(1.3), ratio)])
}

fn tables_of(source: &Source) -> impl Iterator<Item = &str> {
    source.tables().iter().map(|(table, _)| table.as_str())
}

/// The largest table by one, all others by the other.
fn copy_out_by_two(stage: &Stage, source: &Source) -> Result<Measured> {
    let [largest, _] = TABLES;
    let others = tables_of(source).filter(|table| *table != largest);
    measure::run_both([copy_out(stage, [largest]), copy_out(stage, others)])
}

/// A psql that puts out tables, one after the other.
fn copy_out<'a>(stage: &Stage, tables: impl IntoIterator<Item = &'a str>) -> Command {
    let copy = |table| format!("\\copy {table} TO '/dev/null' (FORMAT binary)");
    let copies: Vec<_> = tables.into_iter().map(copy).collect();
    let copies: Vec<_> = copies.iter().map(String::as_str).collect();
    let mut psql = stage.psql_command("proved", &copies);
    psql.stdin(Stdio::null());
    psql
}
