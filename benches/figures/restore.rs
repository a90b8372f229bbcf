//! Restoring an archive: into PostgreSQL beside a first load, and into a SQLite file beside a loop in C that writes the
//! same rows.

use crate::Arguments;
use crate::archive::{lay, remove};
use crate::cells::compile;
use crate::ferry::{Ferried, Ferry};
use crate::measure::{self, Measured};
use crate::numbers::mebibytes;
use crate::source::Source;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::{Result, ensure};
use std::path::Path;
use std::process::Command;

const TO_POSTGRES: [&str; 8] = [
    "first load s",
    "restore s",
    "first load / restore",
    "check s",
    "copy s",
    "index s",
    "proof s",
    "peak MiB",
];
const TO_SQLITE: [&str; 6] =
    ["C loop s", "restore s", "C loop / restore", "check s", "rows s", "indexes s"];

/// Whole processes in turns, from one archive.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let source = stage.sample()?;
    let plain = arguments.ferry(stage, source);
    crate::table::say("leaving an archive");
    let folder = lay(plain, "restored")?;
    let ferry = Ferry { archive: Some(&folder), ..plain };
    let figures = vec![
        to_postgres(plain, ferry, arguments.rounds)?,
        to_sqlite(stage, source, ferry, arguments.rounds)?,
    ];
    remove(&folder)?;
    Ok(figures)
}

/// Both make tables, rows, indexes and keys, and read everything back; the first load looks at the source first, the
/// restore at the archive.
fn to_postgres(plain: Ferry<'_>, ferry: Ferry<'_>, times: u16) -> Result<Figure> {
    let title = format!("Restore to PostgreSQL: {} rows", plain.source.rows());
    let mut rounds = Rounds::new(&title, &TO_POSTGRES);
    for _ in 0..times {
        let first = plain.run("loaded", None)?.whole.seconds;
        plain.stage.drop_database("loaded")?;
        let restored = ferry.restore("restored")?;
        plain.stage.check_rows("restored", plain.source)?;
        plain.stage.drop_database("restored")?;
        let seconds = restored.whole.seconds;
        let [check, copy, index, proof] =
            phases(&restored, ["check", "snapshot", "index", "proof"])?;
        let peak = mebibytes(restored.whole.peak_bytes);
        rounds.add(&[first, seconds, first / seconds, check, copy, index, proof, peak]);
    }
    rounds.close();
    let [first, restore, ..] = TO_POSTGRES;
    let ratio = rounds.ratio(first, restore);
    Ok(Figure::new("first load / restore to PostgreSQL", Limit::AtLeast(0.9), ratio))
}

fn to_sqlite(stage: &Stage, source: &Source, ferry: Ferry<'_>, times: u16) -> Result<Figure> {
    let writer = compile(stage, "rows")?;
    let (ours, theirs) = (stage.file("restored.db"), stage.file("rows.db"));
    let title = format!("Restore to SQLite: {} rows", source.rows());
    let mut rounds = Rounds::new(&title, &TO_SQLITE);
    for _ in 0..times {
        let by_loop = written(&writer, source, &theirs)?.seconds;
        let restored = ferry.restore_file(&ours)?;
        let seconds = restored.whole.seconds;
        let (made, expected) = (std::fs::metadata(&ours)?.len(), std::fs::metadata(&theirs)?.len());
        ensure!(made.abs_diff(expected) < expected / 50, "restored {made} bytes, not {expected}");
        for path in [&ours, &theirs] {
            std::fs::remove_file(path)?;
        }
        let [check, rows, indexes] = phases(&restored, ["check", "snapshot", "index"])?;
        rounds.add(&[by_loop, seconds, by_loop / seconds, check, rows, indexes]);
    }
    rounds.close();
    let [by_loop, restore, ..] = TO_SQLITE;
    let ratio = rounds.ratio(by_loop, restore);
    Ok(Figure::new("C loop / restore to SQLite", Limit::AtLeast(0.5), ratio))
}

/// Runs the loop.
fn written(writer: &Path, source: &Source, to: &Path) -> Result<Measured> {
    let written = measure::run(Command::new(writer).arg(source.path()).arg(to))?;
    let rows = source.rows().to_string();
    ensure!(written.stdout.trim() == rows, "the loop said {}, not {rows}", written.stdout);
    Ok(written)
}

fn phases<const N: usize>(ferried: &Ferried, names: [&str; N]) -> Result<[f64; N]> {
    let mut seconds = [f64::NAN; N];
    for (seconds, name) in seconds.iter_mut().zip(names) {
        *seconds = ferried.seconds(name)?;
    }
    Ok(seconds)
}
