//! How fast the parts of the codec are, each alone, on one core and without a server: cells to batches, batches to
//! tuples, tuples to digests and to COPY's buffers, and a stream that is read back to rows. Of whole tables, of each
//! kind of cell, and of single texts; in rows (of kinds: cells) and bytes of the tuples in a second.

mod kinds;
mod parts;
mod planned;
mod tables;
mod texts;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, tables::tables, kinds::kinds, texts::texts);
criterion_main!(benches);
