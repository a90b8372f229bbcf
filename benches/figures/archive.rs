//! What an archive costs: the copy phase that leaves one beside, and the bytes of its rows beside those of DuckDB's files.

use crate::Arguments;
use crate::duckdb::Duckdb;
use crate::ferry::Ferry;
use crate::numbers::{mebibytes, real};
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds, print};
use anyhow::Result;
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 6] = [
    "copy s",
    "copy with archive s",
    "ratio",
    "copy, processor s",
    "with archive, processor s",
    "with archive, peak MiB",
];
const DATABASE: &str = "archived";

/// Copies without an archive and with one in turns, then all of it once more, for the size of what it leaves.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let duckdb = if arguments.no_peers { None } else { Some(Duckdb::fetch()?) };
    let source = stage.sample()?;
    let folder = stage.file("archive");
    let plain = arguments.ferry(stage, source);
    let archiving = Ferry { archive: Some(&folder), ..plain };
    let title = format!("Archive: copy phase of {} rows", source.rows());
    let mut rounds = Rounds::new(&title, &COLUMNS);
    for _ in 0..arguments.rounds {
        let without = plain.run(DATABASE, Some("snapshot"))?;
        remove(&folder)?;
        let with = archiving.run(DATABASE, Some("snapshot"))?;
        let (seconds, seconds_with) = (without.seconds("snapshot")?, with.seconds("snapshot")?);
        rounds.add(&[
            seconds,
            seconds_with,
            seconds_with / seconds,
            without.processor("snapshot")?,
            with.processor("snapshot")?,
            mebibytes(with.whole.peak_bytes),
        ]);
    }
    rounds.close();
    let [copy, with, ..] = COLUMNS;
    let name = "copy with archive / without";
    let mut figures = vec![Figure::new(name, Limit::AtMost(1.6), rounds.ratio(with, copy))];
    if let Some(duckdb) = duckdb {
        let folder = lay(archiving, DATABASE)?;
        let ours = bytes_of_rows(&folder)?;
        let theirs = duckdb.parquet_bytes(stage, DATABASE, source)?;
        let raw =
            format!("liteferry {:.1} MiB, DuckDB {:.1} MiB", mebibytes(ours), mebibytes(theirs));
        print(&format!(
            "\nrows in Parquet: {raw}; SQLite file {:.1} MiB",
            mebibytes(source.bytes()?)
        ));
        let ratio = (real(ours) / real(theirs), raw);
        figures.push(Figure::new(
            "archive's rows / DuckDB's Parquet, bytes",
            Limit::AtMost(1.05),
            ratio,
        ));
    }
    remove(&folder)?;
    stage.drop_database(DATABASE)?;
    Ok(figures)
}

/// Lets a whole run leave a new archive in its folder.
pub(crate) fn lay(ferry: Ferry<'_>, database: &str) -> Result<PathBuf> {
    let folder = ferry.archive.map_or_else(|| ferry.stage.file("archive"), Path::to_path_buf);
    remove(&folder)?;
    Ferry { archive: Some(&folder), ..ferry }.run(database, None)?;
    Ok(folder)
}

/// Makes room, where there is an archive.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Bytes of the files that have the rows, and nothing that is kept beside them.
fn bytes_of_rows(archive: &Path) -> Result<u64> {
    let mut bytes = 0;
    for table in std::fs::read_dir(archive.join("tables"))? {
        for file in std::fs::read_dir(table?.path().join("rows"))? {
            bytes += file?.metadata()?.len();
        }
    }
    Ok(bytes)
}
