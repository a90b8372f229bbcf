//! What a sample looks at, what it says of the rest, and that it covers all of it.

use super::{SLICES, take};
use crate::model::{Probe, RowRange, SourceTable, TableEvidence, TextProbe};
use crate::pipeline::Stop;
use crate::store::sqlite::census::{self, whole};
use crate::store::sqlite::connection::Source;
use crate::store::sqlite::introspect::introspect;
use crate::store::sqlite::read::Reader;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// One table, made by SQL after a table of numbers from 1 to `count` is there.
struct Made {
    _folder: TempDir,
    reader: Reader,
    table: SourceTable,
    /// Steps that SQLite's machine took.
    steps: Arc<AtomicU64>,
}

impl Made {
    fn new(count: u64, sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let numbers = format!(
            "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             SELECT i FROM n;"
        );
        Connection::open(&path).unwrap().execute_batch(&format!("{numbers}{sql}")).unwrap();
        let source = Source::open(&path, false, &Stop::default()).unwrap();
        let mut connection = source.connect().unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&steps);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            false
        };
        connection.progress_handler(1, Some(count)).unwrap();
        let reader = Reader::new(connection).unwrap();
        let table = introspect(reader.connection()).unwrap().tables.remove(0);
        Self { _folder: folder, reader, table, steps }
    }

    fn probes(&self) -> Vec<Probe> {
        let probe = Probe { decimals: false, texts: TextProbe::Plain, witness: None, kin: false };
        vec![probe; self.table.columns.len()]
    }

    fn sample(&self) -> TableEvidence {
        take(&self.reader, &self.table, &self.probes(), 65536, &mut |_, _| Ok(())).unwrap()
    }

    fn census(&self) -> TableEvidence {
        let probes = self.probes();
        let range = whole(&self.table);
        census::take(&self.reader, &self.table, &probes, range, (65536, u64::MAX), &mut |_, _| {
            Ok(())
        })
        .unwrap()
    }

    /// The rows that stand in a stretch.
    fn rows_in(&self, range: RowRange) -> u64 {
        let RowRange::Rowids { first, last } = range else { panic!("{range}") };
        let sql = "SELECT count(*) FROM t WHERE rowid BETWEEN ?1 AND ?2";
        let rows = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let rows = self.reader.connection().query_row(sql, [first, last], rows).unwrap();
        rows.try_into().unwrap()
    }
}

/// Steps of SQLite's machine that something takes.
fn steps<T>(made: &Made, what: impl FnOnce(&Made) -> T) -> (T, u64) {
    let before = made.steps.load(Ordering::Relaxed);
    let done = what(made);
    (done, made.steps.load(Ordering::Relaxed) - before)
}

/// That the stretches cover every rowid there can be, each once.
fn assert_covers(evidence: &TableEvidence) {
    let mut next = Some(i64::MIN);
    for stretch in &evidence.stretches {
        let RowRange::Rowids { first, last } = stretch.range else { panic!("{}", stretch.range) };
        assert_eq!(Some(first), next, "{}", stretch.range);
        assert!(first <= last, "{}", stretch.range);
        next = last.checked_add(1);
    }
    assert_eq!(next, None, "the last stretch reaches to the end");
}

fn assert_near(estimate: u64, actual: u64, percent: u64) {
    let off = estimate.abs_diff(actual) * 100;
    assert!(off <= actual * percent, "{estimate} is estimated, {actual} are there");
}

const EVEN: &str = "CREATE TABLE t (a, b); INSERT INTO t SELECT i, 'text ' || i FROM n";

#[test]
fn a_sample_takes_a_bounded_number_of_steps_whatever_the_number_of_rows() {
    let (small, large) = (Made::new(100_000, EVEN), Made::new(300_000, EVEN));
    let (few, few_steps) = steps(&small, Made::sample);
    let (many, many_steps) = steps(&large, Made::sample);
    let (all, all_steps) = steps(&large, Made::census);
    assert_eq!(all.rows, 300_000);
    let rows = |evidence: &TableEvidence| evidence.sample.unwrap().rows;
    assert!(rows(&few).abs_diff(rows(&many)) < 1000, "{} {}", rows(&few), rows(&many));
    assert!(rows(&many) < 40_000, "{}", rows(&many));
    assert!(many_steps < few_steps + few_steps / 20, "{few_steps} {many_steps}");
    assert!(many_steps * 8 < all_steps, "{many_steps} of {all_steps}");
    assert_near(few.rows, 100_000, 2);
    assert_near(many.rows, 300_000, 2);
    assert_near(many.bytes, all.bytes, 5);
    let seen = &many.columns[0];
    assert!(seen.sampled);
    assert_eq!(seen.integer_range, Some((1, 300_000)), "the first and the last row are seen");
    assert_eq!(seen.integers, rows(&many));
}

#[test]
fn a_small_table_is_seen_as_by_a_full_census() {
    for sql in [
        "CREATE TABLE t (a)",
        "CREATE TABLE t (a); INSERT INTO t SELECT i FROM n WHERE i <= 16384",
        "CREATE TABLE t (a); INSERT INTO t SELECT i FROM n",
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t SELECT i * 300000000000000, zeroblob(9) FROM n;
         INSERT INTO t VALUES (-9223372036854775808, 'least'), (9223372036854775807, 'greatest')",
    ] {
        let made = Made::new(16_640, sql);
        let (sample, all) = (made.sample(), made.census());
        assert_eq!(sample.sample, None, "{sql}");
        assert_eq!(sample.stretches, all.stretches, "{sql}");
        assert_eq!(sample.columns, all.columns, "{sql}");
        assert_eq!((sample.rows, sample.bytes), (all.rows, all.bytes), "{sql}");
    }
}

#[test]
fn slices_stand_where_rows_are_and_stretches_cover_all_that_can_be() {
    for (sql, percent) in [
        (EVEN, 5),
        // Both ends of what there can be, a gap, and negative ones.
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b);
             INSERT INTO t SELECT i - 60000, 'text ' || i FROM n WHERE i NOT BETWEEN 70000 AND 80000 AND i % 9 <> 4;
             INSERT INTO t VALUES (-9223372036854775808, 'least'), (9223372036854775807, 'greatest')",
            5,
        ),
        // Ten groups, far from one another.
        ("CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t SELECT i + i / 10000 * 1000000000000, i FROM n", 5),
        // Thousands of groups, more than there are slices: as many rows as the file has room for, at most.
        ("CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t SELECT i + i / 300 * 1000000000000, i FROM n", 400),
        // Nearly all rows are on one side.
        ("CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t SELECT -i, i FROM n; INSERT INTO t SELECT i << 40, i FROM n", 5),
    ] {
        let made = Made::new(120_000, sql);
        let sample = made.sample();
        assert_covers(&sample);
        let all = made.rows_in(RowRange::Rowids { first: i64::MIN, last: i64::MAX });
        assert_near(sample.rows, all, percent);
        assert!(sample.sample.unwrap().rows < 40_000, "{sql}");
        // No stretch has much more than its share, where rows stand as densely as they seem to.
        if percent < 100 {
            let share = all / u64::try_from(sample.stretches.len()).unwrap();
            let most = sample.stretches.iter().map(|it| made.rows_in(it.range)).max().unwrap();
            assert!(most < share * 8, "{most} rows in a stretch of {share}: {sql}");
        }
    }
}

#[test]
fn few_of_many_large_rows_are_read() {
    let made = Made::new(400, "CREATE TABLE t (a); INSERT INTO t SELECT randomblob(300000) FROM n");
    let sample = made.sample();
    let seen = sample.sample.unwrap();
    assert!(seen.rows < 56 + u64::try_from(SLICES).unwrap() + 4, "{}", seen.rows);
    assert_near(sample.rows, 400, 20);
    assert_covers(&sample);
}
