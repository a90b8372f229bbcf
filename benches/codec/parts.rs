//! The parts of the codec, each with what it works on ready before.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to give its error to")]

use arrow_array::RecordBatch;
use bytes::{Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Throughput};
use liteferry::model::TableSchema;
use liteferry::row::{
    COPY_HEADER, COPY_TRAILER, ManyDigests, Row, RowVisitor, TupleDecoder, TupleEncoder,
};
use liteferry::store::sqlite::read::Reader;
use liteferry::transform::Transform;
use liteferry::{Error, Result};
use postgres_protocol::message::frontend::CopyData;
use std::hint::black_box;

/// The rows of one table in each of their forms.
pub(crate) struct Parts<'a> {
    reader: &'a Reader,
    table: &'a TableSchema,
    batches: Vec<RecordBatch>,
    encoded: Encoded,
}

/// What the encoder gives: rows, and the same bytes in the pieces that COPY sends.
#[derive(Default)]
struct Encoded {
    tuples: Vec<Vec<u8>>,
    pieces: Vec<Bytes>,
}

impl RowVisitor for Encoded {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        self.tuples.push(row.tuple().unwrap_or_default().to_vec());
        Ok(())
    }

    fn bytes(&mut self, piece: Bytes) -> Result<()> {
        self.pieces.push(piece);
        Ok(())
    }
}

impl<'a> Parts<'a> {
    /// Reads and encodes the table once.
    pub(crate) fn of(reader: &'a Reader, table: &'a TableSchema) -> Result<Self> {
        let batches = read(reader, table)?;
        let mut encoded = Encoded::default();
        encode(table, &batches, &mut encoded)?;
        Ok(Self { reader, table, batches, encoded })
    }

    /// Rows, and bytes of their tuples.
    pub(crate) fn size(&self) -> (usize, usize) {
        let tuples = &self.encoded.tuples;
        (tuples.len(), tuples.iter().map(Vec::len).sum())
    }

    /// SQLite's cells to Arrow batches.
    pub(crate) fn bench_read(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function("read", |bencher| {
            bencher.iter(|| read(self.reader, self.table).expect("batches"));
        });
    }

    /// Batches to tuples.
    pub(crate) fn bench_encode(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function("encode", |bencher| {
            bencher.iter(|| encode(self.table, &self.batches, &mut Passing).expect("tuples"));
        });
    }

    /// Tuples to their digests.
    pub(crate) fn bench_digest(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function("digest", |bencher| {
            bencher.iter(|| digest(&self.encoded.tuples).expect("digests"));
        });
    }

    /// The encoder's pieces to the messages of COPY, in the buffer that is written to the socket.
    pub(crate) fn bench_buffers(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let mut buffer = BytesMut::new();
        group.bench_function("buffers", |bencher| {
            bencher.iter(|| {
                for piece in &self.encoded.pieces {
                    buffer.clear();
                    CopyData::new(piece.clone()).expect("a message").write(&mut buffer);
                    black_box(&buffer);
                }
            });
        });
    }

    /// A stream as servers send it, a message a row, to rows.
    pub(crate) fn bench_decode(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function("decode", |bencher| {
            bencher.iter_batched(
                || TupleDecoder::new(self.table),
                |decoder| decode(decoder, &self.encoded.tuples).expect("rows"),
                BatchSize::PerIteration,
            );
        });
    }
}

/// Elements and bytes in a second.
pub(crate) fn throughput(elements: usize, bytes: usize) -> Throughput {
    let [elements, bytes] = [elements, bytes].map(|size| size.try_into().unwrap_or(u64::MAX));
    Throughput::ElementsAndBytes { elements, bytes }
}

/// Takes rows and pieces, and does nothing with them.
struct Passing;

impl RowVisitor for Passing {
    fn row(&mut self, row: Row<'_>) -> Result<()> {
        black_box(row);
        Ok(())
    }

    fn bytes(&mut self, piece: Bytes) -> Result<()> {
        black_box(piece);
        Ok(())
    }
}

fn read(reader: &Reader, table: &TableSchema) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    for range in &table.chunks {
        reader.read::<Error>(table, *range, |batch| {
            batches.push(batch.records);
            Ok(())
        })?;
    }
    Ok(batches)
}

fn encode(
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

fn digest(tuples: &[Vec<u8>]) -> Result<()> {
    let mut digests = ManyDigests::default();
    let mut seen = |(), digest| {
        black_box(digest);
        Ok(())
    };
    tuples.iter().try_for_each(|tuple| digests.add((), tuple, &mut seen))?;
    digests.finish(seen)
}

fn decode(mut decoder: TupleDecoder<'_>, tuples: &[Vec<u8>]) -> Result<()> {
    decoder.push(&COPY_HEADER, &mut Passing)?;
    for tuple in tuples {
        decoder.push(tuple, &mut Passing)?;
    }
    decoder.push(&COPY_TRAILER, &mut Passing)?;
    decoder.finish()
}
