//! Fuzzes the reader of SQLite files: databases with broken bytes, from the file to encoded rows. Whatever is in a
//! file, it ends with rows or with an error; it never panics, hangs, or takes memory without bound.
//!
//! Not a part of `cargo test`: `tests/scripts/fuzz.sh reader SECONDS [SEED]` runs it. A round that fails prints its
//! seed, and leaves its file.

use liteferry::config::Pipeline;
use liteferry::error::{Error, Result};
use liteferry::journey::Setting;
use liteferry::journey::inspect::Inspected;
use liteferry::pipeline::budget::Budget;
use liteferry::pipeline::{Event, Progress, Stop};
use liteferry::row::{Row, RowVisitor, TupleEncoder};
use liteferry::transform::Transform;
use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs};

/// What one process may take of memory; a file of some kilobytes needs a small part of it.
const MEMORY_BYTES: u64 = 2 << 30;
/// A round that takes longer is a hang.
const ROUND_MAX: Duration = Duration::from_secs(20);

fn main() {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().and_then(|word| word.parse().ok()).unwrap_or(10);
    let only = arguments.next().and_then(|word| word.parse().ok());
    let limit = Rlimit { current: Some(MEMORY_BYTES), maximum: Some(MEMORY_BYTES) };
    setrlimit(Resource::As, limit).expect("a limit of memory");
    let folder = tempfile::tempdir().expect("a folder");
    let seeds = seed_files(folder.path());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seed: u64 = only.unwrap_or_else(first_seed);
    println!("first seed {seed}");
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let mut rounds = 0;
    while Instant::now() < end {
        let outcome = round(seed, &seeds, folder.path());
        *outcomes.entry(outcome).or_default() += 1;
        rounds += 1;
        if only.is_some() {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    for (outcome, times) in &outcomes {
        println!("{times:8} {outcome}");
    }
    println!("{rounds} rounds without a finding");
}

fn first_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() << 20
}

/// One broken file, read; what came of it.
fn round(seed: u64, seeds: &[Vec<u8>], folder: &Path) -> String {
    let mut random = Random(seed);
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        damage(&mut bytes, &mut random);
    }
    let path = folder.join("broken.db");
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let _there_was_none = fs::remove_file(folder.join(format!("broken.db{suffix}")));
    }
    fs::write(&path, &bytes).expect("a file");
    let began = Instant::now();
    let read = std::panic::catch_unwind(|| read_all(&path));
    let took = began.elapsed();
    let outcome = match read {
        Err(_panic) => fail(seed, &bytes, "it panicked"),
        Ok(_) if took > ROUND_MAX => fail(seed, &bytes, &format!("it took {took:?}")),
        Ok(Ok(rows)) if rows > 0 => "read rows".into(),
        Ok(Ok(_)) => "read no row".into(),
        Ok(Err(error)) => format!("exit code {}", error.class().exit_code()),
    };
    if outcome == "exit code 70" {
        fail(seed, &bytes, "an invariant broke");
    }
    outcome
}

fn fail(seed: u64, bytes: &[u8], what: &str) -> ! {
    let path = PathBuf::from(format!("fuzz_reader-{seed}.db"));
    let kept = fs::write(env::temp_dir().join(&path), bytes);
    let mut stderr = std::io::stderr();
    let _nobody_listens =
        writeln!(stderr, "seed {seed}: {what}; kept: {kept:?} {}", path.display());
    std::process::exit(1);
}

/// Everything that a run does with a source before the target sees it.
fn read_all(path: &Path) -> Result<u64> {
    let pipeline = Pipeline::of(path, "local");
    let (stop, budget) = (Stop::default(), Budget::new(64 << 20));
    let inspected = Inspected::open(&pipeline, &stop)?;
    let setting = Setting { stop: &stop, progress: &Quiet, workers: 1, budget: &budget };
    let plan = inspected.plan(&pipeline, &[], setting)?;
    plan.to_json()?;
    let readers = inspected.readers(1)?;
    let mut rows = Count(0);
    for table in plan.tables.iter().map(|table| &table.schema) {
        let transform = Transform::new(table)?;
        let mut encoder = TupleEncoder::new(table)?;
        for range in &table.chunks {
            readers[0].read::<Error>(table, *range, |batch| {
                encoder.encode(&transform.apply(&batch.records)?, &mut rows)
            })?;
        }
        encoder.finish(&mut rows)?;
    }
    Ok(rows.0)
}

struct Count(u64);

impl RowVisitor for Count {
    fn row(&mut self, _row: Row<'_>) -> Result<()> {
        self.0 += 1;
        Ok(())
    }
}

#[derive(Debug)]
struct Quiet;

impl Progress for Quiet {
    fn tell(&self, _event: Event) {}
}

/// A small generator (splitmix64), so that a seed says everything.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap_or(0)
    }
}

/// Breaks a file in one of the ways in which files break, or are broken on purpose.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    let at = random.below(length);
    match random.below(9) {
        // A bit.
        0 => bytes[at] ^= 1 << random.below(8),
        // A byte that means much: ends of ranges, lengths of varints.
        1 => bytes[at] = [0x00, 0x01, 0x7f, 0x80, 0x81, 0xff][random.below(6)],
        // The file's header.
        2 => {
            let end = length.min(100);
            bytes[random.below(end)] = random.next().to_le_bytes()[0];
        }
        // A page's header and cell pointers.
        3 => {
            let page = random.below(length / 512 + 1) * 512;
            let place = (page + random.below(24)).min(length - 1);
            bytes[place] = random.next().to_le_bytes()[0];
        }
        // The end is gone.
        4 => bytes.truncate(at),
        // A piece of the file stands elsewhere too.
        5 => {
            let from = random.below(length);
            let piece = bytes[from..(from + random.below(600)).min(length)].to_vec();
            let end = (at + piece.len()).min(length);
            bytes[at..end].copy_from_slice(&piece[..end - at]);
        }
        // A page of zeros.
        6 => {
            let page = random.below(length / 512 + 1) * 512;
            let end = (page + 512).min(length);
            bytes[page.min(end)..end].fill(0);
        }
        // A word of the schema is another one.
        7 => swap_word(bytes, random),
        // Many bytes.
        _ => {
            for _ in 0..random.below(40) {
                let place = random.below(length);
                bytes[place] = random.next().to_le_bytes()[0];
            }
        }
    }
}

/// Words of schemas, each with others of the same length.
const WORDS: [&[&str]; 5] = [
    &["INTEGER", "VARCHAR", "BOOLEAN", "NUMERIC", "\"\"\"\"\"\"\"", "((((((("],
    &["TEXT", "REAL", "BLOB", "DATE", "NULL", "UUID", "JSON", "\0\0\0\0"],
    &["UNIQUE", "STRICT", "CHECK(", "GENERA", "VIRTUA"],
    &["KEY", "ANY", "INT", "ASC", "--\n", "/**"],
    &["DEFAULT", "COLLATE", "PRIMARY"],
];

fn swap_word(bytes: &mut [u8], random: &mut Random) {
    let words = WORDS[random.below(WORDS.len())];
    let (from, to) = (words[random.below(words.len())], words[random.below(words.len())]);
    let places: Vec<_> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from.as_bytes())
        .map(|(place, _)| place)
        .collect();
    if from.len() == to.len() && !places.is_empty() {
        let place = places[random.below(places.len())];
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
}

/// Sound databases of different kinds, to be broken.
fn seed_files(folder: &Path) -> Vec<Vec<u8>> {
    let schemas = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL DEFAULT 'x', b REAL, c DECIMAL(10,2), d DATETIME, e BOOLEAN, f BLOB);
         CREATE INDEX i ON t (a DESC) WHERE b > 5;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO t SELECT i, 'text ' || i, i / 7.0, i / 4.0, '2025-01-31 12:00:' || (10 + i % 50), i % 2, randomblob(i % 90) FROM n;",
        "CREATE TABLE k (a TEXT, b INTEGER, c, PRIMARY KEY (a, b)) WITHOUT ROWID;
         CREATE TABLE s (x INT, y ANY, z TEXT CHECK (length(z) < 50)) STRICT;
         CREATE TABLE g (x INTEGER, y INTEGER GENERATED ALWAYS AS (x * 2) VIRTUAL, z TEXT AS (x || 'a') STORED);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO k SELECT 'key ' || i, i, CASE i % 4 WHEN 0 THEN i WHEN 1 THEN 'a' WHEN 2 THEN x'00ff' END FROM n;
         INSERT INTO s SELECT b, c, a FROM k; INSERT INTO g (x) SELECT b FROM k;",
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE u (t TEXT, n); INSERT INTO u VALUES ('grüße', 1), (CAST(x'00d8' AS TEXT), x'01');
         CREATE VIEW v AS SELECT * FROM u; CREATE TRIGGER r AFTER INSERT ON u BEGIN SELECT 1; END;",
        "CREATE TABLE big (id INTEGER PRIMARY KEY, body BLOB); INSERT INTO big VALUES (1, zeroblob(20000)), (2, randomblob(5000)), (-9, NULL);
         CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p INTEGER REFERENCES p (id) ON DELETE CASCADE, UNIQUE (p));
         INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1), (7);",
    ];
    let make = |(number, schema): (usize, &&str)| {
        let path = folder.join(format!("seed{number}.db"));
        let connection = Connection::open(&path).expect("a database");
        let page = if number % 2 == 0 { 512 } else { 4096 };
        connection
            .execute_batch(&format!(
                "PRAGMA foreign_keys = off; PRAGMA page_size = {page}; {schema}"
            ))
            .expect("a seed");
        connection.close().expect("an end");
        fs::read(path).expect("a seed")
    };
    schemas.iter().enumerate().map(make).collect()
}
