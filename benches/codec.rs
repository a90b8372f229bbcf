//! How fast the codec is, on one core and without a server: cells to batches, batches to hashed tuples, and a stream
//! that is read back to hashed rows, on the benchmark's sample of 100,000 rows; rows and bytes of the tuples in a second.
//! And text that is read as JSON, as UUIDs and as addresses.

use arrow_array::RecordBatch;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use liteferry::Result;
use liteferry::config::Pipeline;
use liteferry::journey::inspect::Inspected;
use liteferry::journey::{BUDGET_BYTES, Setting};
use liteferry::model::TableSchema;
use liteferry::pipeline::progress::Silent;
use liteferry::pipeline::{Budget, Stop};
use liteferry::proof::{GroupSums, Summing};
use liteferry::row::{
    COPY_HEADER, COPY_TRAILER, ManyDigests, Row, RowVisitor, TupleDecoder, TupleEncoder,
};
use liteferry::row::{inet, json, uuid};
use liteferry::sample::bench::{Bench, Sizes};
use liteferry::store::sqlite::fill::{Journal, fill};
use liteferry::store::sqlite::read::Reader;
use liteferry::transform::Transform;
use std::hint::black_box;
use std::net::Ipv4Addr;

const ROWS: u64 = 100_000;

criterion_group!(benches, codec, texts);
criterion_main!(benches);

#[expect(clippy::expect_used, reason = "a benchmark has nobody to give its error to")]
fn codec(criterion: &mut Criterion) {
    let source = Source::make().expect("a sample");
    for table in &source.tables {
        let rows = Rows::of(&source.reader, table).expect("the sample's rows");
        let mut group = criterion.benchmark_group(&table.source);
        group.throughput(Throughput::ElementsAndBytes { elements: rows.count, bytes: rows.bytes });
        group.bench_function("read", |bencher| {
            bencher.iter(|| read(&source.reader, table).expect("batches"));
        });
        group.bench_function("encode", |bencher| {
            bencher.iter(|| encode(table, &rows.batches).expect("tuples"));
        });
        group.bench_function("hash", |bencher| {
            bencher.iter(|| hash(&rows.tuples).expect("digests"));
        });
        group.bench_function("decode", |bencher| {
            let decoder = || (TupleDecoder::new(table), Summing::new(table));
            bencher.iter_batched(
                decoder,
                |(decoder, sums)| decode(decoder, sums, &rows.tuples).expect("rows"),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

/// Text to what PostgreSQL holds, value by value.
fn texts(criterion: &mut Criterion) {
    let document = |n: u32| {
        format!(
            r#"{{"market": "{n}/usdc", "price": {n}.250, "size": 1e-3, "side": "buy", "tags": ["a", "\u00e9"], "at": {{"s": 17{n}, "note": null}}}}"#
        )
    };
    let uuid = |n: u32| format!("550e8400-e29b-41d4-a716-{n:012x}");
    let mut bench = |name: &str, texts: Vec<String>, read: &dyn Fn(&str) -> bool| {
        let mut group = criterion.benchmark_group(name);
        let bytes = texts.iter().map(String::len).sum::<usize>();
        let [elements, bytes] =
            [texts.len(), bytes].map(|size| size.try_into().unwrap_or(u64::MAX));
        group.throughput(Throughput::ElementsAndBytes { elements, bytes });
        group.bench_function("read", |bencher| {
            bencher.iter(|| assert!(texts.iter().all(|text| read(text))));
        });
        group.finish();
    };
    bench("json", (0..10_000).map(document).collect(), &json::check);
    bench("jsonb", (0..10_000).map(document).collect(), &|text| {
        black_box(json::canonical_jsonb(text)).is_some()
    });
    bench("uuid", (0..10_000).map(uuid).collect(), &|text| black_box(uuid::parse(text)).is_some());
    bench(
        "inet",
        (0..10_000).map(|n| Ipv4Addr::from(n * 104_729).to_string()).collect(),
        &|text| black_box(inet::parse(text)).is_some(),
    );
}

/// The sample and its large tables as liteferry plans them.
struct Source {
    reader: Reader,
    tables: Vec<TableSchema>,
    _folder: tempfile::TempDir,
}

impl Source {
    fn make() -> Result<Self> {
        let failed = |cause| liteferry::Error::internal("no folder for a sample").because(cause);
        let folder = tempfile::tempdir().map_err(failed)?;
        let path = folder.path().join("bench.db");
        let sample = Bench::new(1, Sizes::for_rows(ROWS));
        fill(&path, &sample, Journal::Delete, &mut |_done| ())?;
        let pipeline = Pipeline::of(&path, "local");
        let (stop, budget) = (Stop::default(), Budget::new(BUDGET_BYTES));
        let inspected = Inspected::open(&pipeline, &stop)?;
        let setting = Setting { stop: &stop, progress: &Silent, workers: 1, budget: &budget };
        let plan = inspected.plan(&pipeline, &[], setting)?;
        let large =
            plan.tables.into_iter().map(|table| table.schema).filter(|table| table.rows > 1000);
        let reader = Reader::new(inspected.source.connect()?)?;
        Ok(Self { reader, tables: large.collect(), _folder: folder })
    }
}

/// The rows of one table in both of their forms.
struct Rows {
    batches: Vec<RecordBatch>,
    tuples: Vec<Vec<u8>>,
    count: u64,
    bytes: u64,
}

impl Rows {
    fn of(reader: &Reader, table: &TableSchema) -> Result<Self> {
        let batches = read(reader, table)?;
        let mut tuples = Tuples(Vec::new());
        encode_into(table, &batches, &mut tuples)?;
        let Tuples(tuples) = tuples;
        let bytes = tuples.iter().map(Vec::len).sum::<usize>();
        let [count, bytes] = [tuples.len(), bytes].map(|size| size.try_into().unwrap_or(u64::MAX));
        Ok(Self { batches, tuples, count, bytes })
    }
}

struct Tuples(Vec<Vec<u8>>);

impl RowVisitor for Tuples {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.0.push(row.tuple().unwrap_or_default().to_vec());
        Ok(())
    }
}

fn read(reader: &Reader, table: &TableSchema) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    for range in &table.chunks {
        reader.read::<liteferry::Error>(table, *range, |batch| {
            batches.push(batch.records);
            Ok(())
        })?;
    }
    Ok(batches)
}

fn hash(tuples: &[Vec<u8>]) -> Result<()> {
    let mut digests = ManyDigests::default();
    let mut seen = |(), digest| {
        black_box(digest);
        Ok(())
    };
    tuples.iter().try_for_each(|tuple| digests.add((), tuple, &mut seen))?;
    digests.finish(seen)
}

fn encode(table: &TableSchema, batches: &[RecordBatch]) -> Result<GroupSums> {
    let mut sums = Summing::new(table);
    encode_into(table, batches, &mut sums)?;
    sums.finish()
}

fn encode_into(
    table: &TableSchema,
    batches: &[RecordBatch],
    visitor: &mut impl RowVisitor,
) -> Result<()> {
    let (transform, mut encoder) = (Transform::new(table)?, TupleEncoder::new(table)?);
    for batch in batches {
        encoder.encode(&transform.apply(batch)?, visitor)?;
    }
    encoder.finish(visitor)
}

/// Takes the stream as servers send it: a message a row.
fn decode(
    mut decoder: TupleDecoder<'_>,
    mut sums: Summing,
    tuples: &[Vec<u8>],
) -> Result<GroupSums> {
    decoder.push(&COPY_HEADER, &mut sums)?;
    for tuple in tuples {
        decoder.push(tuple, &mut sums)?;
    }
    decoder.push(&COPY_TRAILER, &mut sums)?;
    decoder.finish()?;
    sums.finish()
}
