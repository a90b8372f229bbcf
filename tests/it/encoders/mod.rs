//! Property tests in which PostgreSQL is the judge of each encoder.
//!
//! Random values of every type travel from Arrow through the encoder and COPY BINARY into a real server. Then the
//! server must show them as an independent rendering says, give back the very bytes, and give the same digests for the
//! same values that it cast from literals itself. What text is a value at all, the server says too.

mod documents;
mod json;
mod text;
mod types;
mod values;

use crate::environment::Session;
use arrow_array::RecordBatch;
use bytes::Bytes;
use liteferry::model::{RowDigest, TableSchema};
use liteferry::row::{COPY_HEADER, COPY_TRAILER, Row, RowVisitor, TupleDecoder, TupleEncoder};
use proptest::prelude::*;

/// Tables of random rows for each property.
const CASES: u32 = 60;

/// What the encoder or the decoder says of rows.
#[derive(Debug, Default)]
struct Seen {
    rows: Vec<(Vec<u8>, RowDigest)>,
    tuples: Vec<Option<Vec<u8>>>,
    bytes: Vec<u8>,
}

impl RowVisitor for Seen {
    fn row(&mut self, row: Row<'_>) -> liteferry::Result<()> {
        self.rows.push((row.key.to_vec(), row.digest()));
        self.tuples.push(row.tuple().map(Into::into));
        Ok(())
    }

    fn bytes(&mut self, piece: Bytes) -> liteferry::Result<()> {
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }
}

fn encoded(table: &TableSchema, batch: &RecordBatch) -> Seen {
    let mut seen = Seen::default();
    let mut encoder = TupleEncoder::new(table).unwrap();
    encoder.encode(batch, &mut seen).unwrap();
    encoder.finish(&mut seen).unwrap();
    seen
}

fn decoded(table: &TableSchema, stream: &[u8], message_bytes: usize) -> Seen {
    let mut seen = Seen::default();
    let mut decoder = TupleDecoder::new(table);
    for message in stream.chunks(message_bytes) {
        decoder.push(message, &mut seen).unwrap();
    }
    decoder.finish().unwrap();
    seen
}

fn load(session: &Session, seen: &Seen) {
    let stream = [&COPY_HEADER, seen.bytes.as_slice(), &COPY_TRAILER].concat();
    let taken = session.copy_in("COPY sent FROM STDIN (FORMAT binary)", stream);
    assert_eq!(taken, u64::try_from(seen.rows.len()).unwrap());
}

fn read_back(session: &Session, table: &str) -> Vec<u8> {
    session.copy_out(&format!(
        "COPY (SELECT * FROM {table} ORDER BY position) TO STDOUT (FORMAT binary)"
    ))
}

fn check<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    crate::property::check("tests/proptest-regressions/encoders.txt", CASES, strategy, property);
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
