//! Two processors against one, client and server together.

use crate::Arguments;
use crate::ferry::Ferry;
use crate::measure;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::{Context, Result};
use liteferry::store::postgres::server::StopMode;
use std::path::Path;
use std::process::Command;

const COLUMNS: [&str; 2] = ["one processor s", "two processors s"];
const PROCESSORS: [&str; 2] = ["0", "0,1"];

/// The copy phase on one processor and on two, in turns.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let source = stage.sample()?;
    let title = format!("Processors: copy phase of {} rows", source.rows());
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        let mut round = Vec::new();
        for processors in PROCESSORS {
            pin(stage, processors)?;
            let ferry = Ferry { processors: Some(processors), ..arguments.ferry(stage, source) };
            round.push(ferry.run("cores", Some("snapshot"))?.seconds("snapshot")?);
            stage.drop_database("cores")?;
        }
        rounds.add(&round);
    }
    rounds.close();
    // A server that starts anew may run wherever this process may.
    stage.server().restart(StopMode::Fast)?;
    let [one, two] = COLUMNS;
    let ratio = rounds.ratio(one, two);
    Ok(vec![Figure::new("copy, one processor / two", Limit::AtLeast(1.6), ratio)])
}

/// Lets the server run on these processors alone: what runs of it already, and so all that it starts for connections.
fn pin(stage: &Stage, processors: &str) -> Result<()> {
    let postmaster = stage.server().pid()?.context("the server does not run")?;
    let children =
        std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))?;
    pin_one(&postmaster.to_string(), processors)?;
    for child in children.split_whitespace() {
        let pinned = pin_one(child, processors);
        // One that vacuums may have ended meanwhile.
        if Path::new("/proc").join(child).exists() {
            pinned?;
        }
    }
    Ok(())
}

fn pin_one(pid: &str, processors: &str) -> Result<()> {
    measure::run(Command::new("taskset").args(["-p", "-c", processors, pid])).map(|_said| ())
}
