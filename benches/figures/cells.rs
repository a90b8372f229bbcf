//! Processor seconds of the copy phase for a million trades, beside a loop in C that reads every cell and does nothing
//! with it. The loop is linked with the library that was built for liteferry.

use crate::Arguments;
use crate::measure;
use crate::numbers::real;
use crate::peers::here;
use crate::source::Key;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const COLUMNS: [&str; 4] = ["copy, processor s", "C loop, processor s", "copy s", "C loop s"];

/// liteferry and the loop in turns, on a file that has the trades alone.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let reader = compile(stage, "cells")?;
    let sample = stage.sample()?;
    let rows = sample.rows_of("trades");
    let trades = sample.trades(&stage.file("trades.db"), Key::Integer, rows)?;
    let title = format!("Processor time: {rows} trades, for each million of them");
    let mut rounds = Rounds::new(&title, &COLUMNS);
    let millions = real(rows) / 1e6;
    for _ in 0..arguments.rounds {
        let ferried = arguments.ferry(stage, &trades).run("cells", Some("snapshot"))?;
        let read = measure::run(Command::new(&reader).arg(trades.path()).arg("trades"))?;
        let expected = format!("{rows} {}", rusqlite::version());
        ensure!(read.stdout.trim() == expected, "the loop said {}, not {expected}", read.stdout);
        let values = [
            ferried.processor("snapshot")?,
            read.processor(),
            ferried.seconds("snapshot")?,
            read.seconds,
        ];
        rounds.add(&values.map(|seconds| seconds / millions));
    }
    rounds.close();
    stage.drop_database("cells")?;
    trades.remove()?;
    let [copy, read, ..] = COLUMNS;
    let ratio = rounds.ratio(copy, read);
    Ok(vec![Figure::new("copy, processor time / C loop", Limit::AtMost(1.6), ratio)])
}

/// Makes a program of the file of its name in C, with liteferry's SQLite.
pub(crate) fn compile(stage: &Stage, name: &str) -> Result<PathBuf> {
    let program = stage.file(name);
    let mut compiler = Command::new("cc");
    let source = here(&format!("{name}.c"));
    compiler.args(["-O3", "-o"]).arg(&program).arg(source).arg(library()?);
    measure::run(compiler.args(["-lm", "-lpthread", "-ldl"]))?;
    Ok(program)
}

/// The newest SQLite that cargo has built beside liteferry's binary.
fn library() -> Result<PathBuf> {
    let build = Path::new(env!("CARGO_BIN_EXE_liteferry")).with_file_name("build");
    let mut built = Vec::new();
    for entry in std::fs::read_dir(&build)? {
        let archive = entry?.path().join("out/libsqlite3.a");
        if let Ok(about) = std::fs::metadata(&archive) {
            built.push((about.modified()?, archive));
        }
    }
    let newest = built.into_iter().max().map(|(_, archive)| archive);
    newest.with_context(|| format!("no SQLite in {}", build.display()))
}
