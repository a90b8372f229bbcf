//! A delta of a followed table, staged, merged, read back and committed, beside the staged upsert of the same rows that
//! one would write by hand for psql, which proves nothing.

use crate::Arguments;
use crate::measure;
use crate::numbers::real;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use liteferry::model::{CellShape, Column, PgType, TableSchema};
use liteferry::pipeline::Stop;
use liteferry::proof::Summing;
use liteferry::row::{COPY_HEADER, COPY_TRAILER};
use liteferry::store::postgres::apply::{merge, read_back};
use liteferry::store::postgres::conninfo::{Conninfo, Origin};
use liteferry::store::postgres::failure::Moment;
use liteferry::store::postgres::session::Session;
use liteferry::store::postgres::stage::Staging;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Instant;

const DATABASE: &str = "applied";
/// Rows of the table.
const ROWS: u64 = 1_000_000;
/// Touched rows, and how often each delta is applied in a round.
const DELTAS: [(u64, u32); 3] = [(1, 500), (1000, 40), (100_000, 2)];
/// Each applied delta changes every row that it touches.
const VERSIONS: u32 = 2;
const COLUMNS: [&str; 4] = ["psql ms", "liteferry ms", "of it read back ms", "ratio"];

const TABLE: &str = "
CREATE TABLE t (id bigint NOT NULL, pool text COLLATE \"C\", at timestamptz, price float8, volume numeric(20,4),
                note text COLLATE \"C\") WITH (autovacuum_enabled = off);
INSERT INTO t SELECT g, md5((g % 1000)::text), to_timestamp(1.7e9 + g), g / 7.0, g / 3.0, md5(g::text)
FROM generate_series(1, 1000000) g;
ALTER TABLE t ADD PRIMARY KEY (id)";
/// An indexed column is among those that change.
const INDEXES: &str =
    "CREATE INDEX ON t (pool, at); CREATE INDEX ON t (at); CREATE INDEX ON t (price)";

/// Deltas of each size, to a table with a key alone, and to one with three more indexes.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    stage.create_database(DATABASE, None)?;
    stage.psql(DATABASE, &[TABLE])?;
    for (with, indexes) in [("a key alone", None), ("three more indexes", Some(INDEXES))] {
        if let Some(indexes) = indexes {
            stage.psql(DATABASE, &[indexes])?;
        }
        for (rows, times) in DELTAS {
            let title = format!("Apply: {rows} of {ROWS} rows, {with}");
            let delta = Delta::write(stage, rows, times)?;
            let mut rounds = Rounds::new(&title, &COLUMNS);
            for _ in 0..arguments.rounds {
                stage.psql(DATABASE, &["VACUUM ANALYZE t", "CHECKPOINT"])?;
                let by_hand = delta.by_psql()?;
                stage.psql(DATABASE, &["VACUUM ANALYZE t", "CHECKPOINT"])?;
                let (applied, read) = delta.by_liteferry()?;
                rounds.add(&[by_hand * 1e3, applied * 1e3, read * 1e3, applied / by_hand]);
            }
            rounds.close();
            figures.extend(delta.figures(&rounds, with, indexes.is_none()));
        }
    }
    stage.drop_database(DATABASE)?;
    Ok(figures)
}

/// The same rows in several versions, as files and for liteferry.
struct Delta<'s> {
    stage: &'s Stage,
    rows: u64,
    times: u32,
    files: Vec<PathBuf>,
    keys: Bytes,
    tuples: Vec<Bytes>,
}

impl<'s> Delta<'s> {
    fn write(stage: &'s Stage, rows: u64, times: u32) -> Result<Self> {
        let touched = format!("FROM t ORDER BY hashint8extended(id, {rows}) LIMIT {rows}");
        let mut files = Vec::new();
        for version in 0..VERSIONS {
            let changed = format!(
                "SELECT id, pool, at, price + {version}, volume, note || '{version}' {touched}"
            );
            files.push(written(stage, &format!("delta{version}"), &changed)?);
        }
        let keys = tuples(&written(stage, "keys", &format!("SELECT id {touched}"))?)?;
        let tuples = files.iter().map(tuples).collect::<Result<_>>()?;
        Ok(Self { stage, rows, times, files, keys, tuples })
    }

    /// Seconds for each delta, by one psql.
    fn by_psql(&self) -> Result<f64> {
        let script = self.stage.file("apply.sql");
        let mut all = String::from("CREATE TEMP TABLE s (LIKE t);\n");
        // Few rows are deleted in less time than it takes to cut a file off.
        let empty = if self.rows > 10_000 { "TRUNCATE s" } else { "DELETE FROM s" };
        for file in self.files.iter().cycle().take(usize::try_from(self.times)?) {
            write!(
                all,
                "BEGIN;\n{empty};\n\\copy s FROM '{}' (FORMAT binary)\n\
                 INSERT INTO t SELECT * FROM s ON CONFLICT (id) DO UPDATE SET pool = excluded.pool, at = excluded.at,
                     price = excluded.price, volume = excluded.volume, note = excluded.note;\nCOMMIT;\n",
                file.display()
            )?;
        }
        std::fs::write(&script, all)?;
        let run = |script: &str| {
            let mut psql = self.stage.psql_command(DATABASE, &[]);
            measure::run(psql.args(["-f", script]).env("PGOPTIONS", "-c jit=off"))
        };
        let nothing = run("/dev/null")?.seconds;
        let script = script.to_str().context("a folder with an odd name")?;
        Ok((run(script)?.seconds - nothing) / f64::from(self.times))
    }

    /// Seconds for each delta, and how many of them for reading back.
    fn by_liteferry(&self) -> Result<(f64, f64)> {
        let conninfo = Conninfo::decide(&self.stage.url(DATABASE), &|_| None, Origin::Argument)?;
        let session = Session::open(&conninfo, Moment::FirstConnect, &Stop::default())?;
        let table = table();
        let start = Instant::now();
        let mut read = 0.0;
        for tuples in self.tuples.iter().cycle().take(usize::try_from(self.times)?) {
            let mut staging = Staging::of(&session, &table)?;
            session.batch("begin", "BEGIN")?;
            staging.keys(|writer| send(&self.keys, |piece| writer.write(piece)))?;
            staging.rows(|writer| send(tuples, |piece| writer.write(piece)))?;
            merge(&staging, true)?;
            let merged = Instant::now();
            let mut sums = Summing::new(&table);
            read_back(&staging, &mut sums)?;
            ensure!(sums.finish()?.total().rows == self.rows, "not all rows are there");
            read += merged.elapsed().as_secs_f64();
            session.batch("commit", "COMMIT")?;
        }
        let times = f64::from(self.times);
        Ok((start.elapsed().as_secs_f64() / times, read / times))
    }

    fn figures(&self, rounds: &Rounds, with: &str, is_key_alone: bool) -> Vec<Figure> {
        let what = |what: &str| format!("{what}, {} rows, {with}", self.rows);
        let took = rounds.median("liteferry ms");
        let raw = format!("liteferry ms {took:.3}");
        if self.rows == 1 {
            // Beside it, psql needs half as many messages, and nothing else counts.
            return vec![Figure::new(what("apply, ms"), Limit::AtMost(5.0), (took, raw))];
        }
        let ratio = rounds.ratio("liteferry ms", "psql ms");
        let mut figures = vec![Figure::new(what("apply / psql"), Limit::AtMost(1.3), ratio)];
        if self.rows == 100_000 && is_key_alone {
            let rate = real(self.rows) / took * 1e3;
            figures.push(Figure::new(what("rows/s"), Limit::AtLeast(30_000.0), (rate, raw)));
        }
        figures
    }
}

/// Sends tuples in pieces like those of the encoder.
fn send(
    tuples: &Bytes,
    mut write: impl FnMut(Bytes) -> liteferry::Result<()>,
) -> liteferry::Result<()> {
    let mut rest = tuples.clone();
    while !rest.is_empty() {
        write(rest.split_to(rest.len().min(256 * 1024)))?;
    }
    Ok(())
}

fn written(stage: &Stage, name: &str, query: &str) -> Result<PathBuf> {
    let file = stage.file(name);
    stage
        .psql(DATABASE, &[&format!("\\copy ({query}) TO '{}' (FORMAT binary)", file.display())])?;
    Ok(file)
}

/// What a file has between header and trailer.
fn tuples(file: &PathBuf) -> Result<Bytes> {
    let stream = Bytes::from(std::fs::read(file)?);
    Ok(stream.slice(COPY_HEADER.len()..stream.len() - COPY_TRAILER.len()))
}

fn table() -> TableSchema {
    let column = |name: &str, pg: &str| {
        Column::new(name, CellShape::AnyText, PgType::parse(pg).unwrap_or(PgType::Text))
    };
    let columns = [
        ("id", "bigint"),
        ("pool", "text"),
        ("at", "timestamptz"),
        ("price", "float8"),
        ("volume", "numeric(20,4)"),
        ("note", "text"),
    ];
    let columns = columns.iter().map(|(name, pg)| column(name, pg)).collect();
    TableSchema { key: vec![0], rows: ROWS, ..TableSchema::new("t", columns) }
}
