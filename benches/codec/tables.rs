//! Whole rows: the large tables of the speed benchmark's sample.

use crate::parts::{Parts, throughput};
use crate::planned::Planned;
use criterion::Criterion;
use liteferry::sample::bench::{Bench, Sizes};
use liteferry::store::sqlite::fill::{Journal, fill};
use std::collections::BTreeMap;

const ROWS: u64 = 100_000;

/// Every part, of each table.
#[expect(clippy::expect_used, reason = "a benchmark has nobody to give its error to")]
pub(crate) fn tables(criterion: &mut Criterion) {
    let sample = Bench::new(1, Sizes::for_rows(ROWS));
    let planned =
        Planned::new(|path| fill(path, &sample, Journal::Delete, &mut |_done| ()), BTreeMap::new());
    let planned = planned.expect("a sample");
    for table in planned.tables.iter().filter(|table| table.rows > 1000) {
        let parts = Parts::of(&planned.reader, table).expect("the sample's rows");
        let (rows, bytes) = parts.size();
        let mut group = criterion.benchmark_group(&table.source);
        group.throughput(throughput(rows, bytes));
        parts.bench_read(&mut group);
        parts.bench_encode(&mut group);
        parts.bench_digest(&mut group);
        parts.bench_buffers(&mut group);
        parts.bench_decode(&mut group);
        group.finish();
    }
}
