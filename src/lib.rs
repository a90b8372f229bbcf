//! Moves a SQLite database to PostgreSQL as a stream, every row and value exactly, and proves that it is all there.
//!
//! # The way of a row
//!
//! ```text
//!  SQLite ── read ──▶ Arrow batch ── transform ──▶ encode + hash ──▶ COPY BINARY ──▶ PostgreSQL
//!                                                       │                                │
//!                                                  sums by group ◀──── compare ────▶ read back
//! ```
//!
//! 1. [`store::sqlite::introspect`] reads the schema, [`store::sqlite::census`] looks at every value, or
//!    [`store::sqlite::slices`] at a sample of each large table.
//! 2. [`plan`] decides types, names, tables, keys and chunks from that evidence, and from what the user said
//!    ([`config`]); a plan leaves nothing open, and is kept in the ledger.
//! 3. [`store::sqlite::read`] turns the cells of a chunk into Arrow batches, strictly: a cell that its column
//!    cannot hold is a misfit, handled as the plan says and never bent, and one that is written otherwise than its
//!    column's form says is kept beside its value. [`transform`] recasts columns (wall clocks to instants).
//! 4. [`row`] encodes each row as the COPY BINARY tuple that is both what is loaded and what is hashed; a generated column
//!    that PostgreSQL computes is hashed and not loaded, so that the proof is of what it computes.
//! 5. [`store::postgres::write`](mod@store::postgres::write) loads a chunk in one transaction, its ledger row first, so
//!    that it is loaded exactly once whatever dies, and when.
//!    What a table that exists has in the way of that is put aside first.
//! 6. [`store::postgres::define`] makes keys, indexes, sequences and foreign keys after the load.
//! 7. [`store::postgres::read`] reads every row back, and [`proof`] compares: by table, by chunk, and where they differ
//!    by key and column.
//!
//! A source that the application goes on writing to goes the same way, and then this one, again and again:
//!
//! ```text
//!  SQLite ── triggers ──▶ changelog of keys ── tail ──▶ keys, and rows as they are now ── stage, merge, read back ──▶ PostgreSQL
//! ```
//!
//! [`store::sqlite::capture`] makes the triggers, [`store::sqlite::state`] lets several readers hold one state of the
//! source for the snapshot, [`store::sqlite::tail`] reads log and rows in one state, [`store::postgres::stage`] and
//! [`store::postgres::apply`] bring them into the tables in one transaction with the position, and
//! [`store::postgres::guard`] keeps everybody else out.
//!
//! [`journey`] puts these together, one file for each way that a user can go; [`pipeline`] has the threads, the bounded
//! channels, the byte budget and the stop; [`cli`] is the command line.
//!
//! # The rooms, and who may know whom
//!
//! `main → cli → journey → {plan, pipeline, store, transform, proof} → row → model`. [`config`] is seen by `cli`,
//! `journey` and `plan`. The stores never import one another. rusqlite lives in `store::sqlite`; tokio-postgres in
//! `store::postgres`; parquet and object_store in `store::parquet`; tokio in these two; threads and channels in
//! `pipeline`; clap, indicatif and comfy-table in `cli`. A test keeps it so. `sql` is the one door to the SQL parser, for
//! the schema's reader and for the printer of expressions.
//!
//! # What always holds
//!
//! - **Exactly once.** A chunk's rows and its ledger row commit in one transaction, the ledger row first, under the
//!   run's epoch, which is locked and checked. A COMMIT whose answer was lost is decided by inserting the same ledger
//!   key again, which waits for whoever may still be committing.
//! - **No value changes in silence.** A row with a value that its column cannot hold is set aside, with the exact bytes,
//!   or the user has said what takes its place; a run with rows set aside does not end as success.
//! - **Done means proved.** A run ends with success only when the digests of every table agree on both sides.
//! - **The source stays untouched**, where it is at rest. It is opened read-only and guarded, checked for damage, read in
//!   short transactions that must all see one state, and never checkpointed, vacuumed or written to.
//! - **Keys, not values.** The changelog names rows that may have changed; what they are is read when it is applied, in the
//!   same state as the log. A pass that comes to the log's end leaves the target equal to that state, and says so.
//! - **Every crash is resumable by the same command.** Each step is either not begun, or done;
//!   [`failpoint`](pipeline::failpoint) names the steps, and the tests die at each of them.
//! - **One run at a time has a migration**, as long as any of its writing connections lives; what it loses by that is
//!   another's, and the epoch keeps it from writing again.
//! - **Nothing from the source is executed on the target.** Types come from a closed map, expressions are parsed and
//!   printed anew from a whitelist, names go through one quoting type.
//!
//! # Digests
//!
//! A row's digest is blake3 of its tuple, filled up with zeros to whole blocks of 64 bytes, so that many short rows
//! can be hashed side by side ([`row`]). Digests are summed modulo 2^256, with carry, so that order does not matter,
//! duplicates count, and the sums of any parts add up to the sum of the whole. Rows are grouped alike on both sides:
//! by chunk where the rowid stands in the target, else by hash of the key (of the whole row where there is none), so
//! that a difference is narrowed to a group first. PostgreSQL gives back the bytes that were loaded for every type here
//! but `numeric` without size or of more than 38 digits, whose scale is cut to what its digits need before it is hashed.
//! A `jsonb` is loaded as the very text that PostgreSQL will give back for it ([`row::json`]), so its digest is that of
//! its content: order, blanks and escapes of the source's text are not in it.
//!
//! # Where this differs from the written design
//!
//! - Cells become values of the target's type in the reader, epochs and booleans included, because a cell that does not
//!   fit is kept with its exact bytes; `transform` recasts the wall clocks of a zone, of which the reader lets only those
//!   through that the zone's clocks showed. Where another column of the row decides them, the reader makes the instants.
//! - A source that was touched is not taken for changed: all of it is read again and compared with the census, stretch
//!   by stretch, and with what is loaded, because a checkpoint or a VACUUM changes the file and not its content. Where
//!   the census was a sample there is nothing to compare with, and a touched source is taken for changed.
//! - A sample chooses types as a census does, but for what costs nothing: text reads numbers too, a zone's times may have
//!   offsets, keys may be too long for a B-tree. The reader is as strict as ever, so that a stray is set aside.
//! - A tuple is filled up with zeros to whole blocks before it is hashed: blake3 of a short row by itself took a third of
//!   the processor time of a copy, and of many rows side by side takes a thirtieth.
//! - SQLite's `integrity_check` is only asked about tables whose rows and indexes differ in count, sum or order, which
//!   reads each of them once instead of searching every row in every index.
//! - Rows of SQLite are read by its own functions, in the only file with unsafe code: rusqlite's checks of every cell took
//!   longer than SQLite itself.
//! - One link to the server ([`store::postgres::link`]) retries whole closures; what they have done already they find
//!   out from the ledger.
//! - A followed source is read by connections that could write, and may not: one that is opened to read only fails beside
//!   the rollback journal of a writer that died, or commits just then.
//! - A row whose key is written otherwise than those of the others is set aside while its table is followed: each key then
//!   has one spelling, and none takes another's place in the target.
//! - A table is left to a copy as a whole by `capture = "copy"`, a word beside `append`, in place of `keyless = "copy"`: not
//!   only tables without a key may need it.
//! - With a rollback journal a followed source is not checked for damage: a check would keep the application from writing.
//! - The changelog's nonce is renewed by time and not by each purge, and the target keeps a sum of the touches that were
//!   applied since: a file that lost its last writes, and has grown again, is told by what it says of them.
//! - Row 0 of the changelog is no touch, and is never deleted: without it somebody has emptied the log, whose numbers began
//!   again.
//! - Between the slices of a purge the source is left alone for longer than a slice takes: an application that waits for the
//!   lock asks for it now and then only, and hardly ever finds it free otherwise.
//! - An archive's deltas are gathered from what passes apply, and become files when a generation is published; the changelog is
//!   sealed and purged behind generations only. So a crash loses nothing that the log does not say again, and a node that is
//!   restored from the newest generation can follow on.
//! - A node on PostgreSQL that was restored is brought forward in place, by the steps between its generation and the one that is
//!   wanted; a SQLite file never is: it is made anew from a copy of the archive that the node keeps, so that it appears whole,
//!   and only what the copy lacks is fetched.
//! - A SQLite file that is restored is filled in parts, whose number stands in its header until it is complete, without syncs:
//!   what was left is taken on by the next process, unless the machine was started since.
//! - Encrypted Parquet files have no AAD prefix, because other readers refuse it: the sealed manifest says where each belongs.
//! - A table WITHOUT ROWID is one chunk that is read piece by piece, each behind the last key of the one before and in a state
//!   of its own, in place of ranges of keys: those would have to be known before, and a table grows.
//! - With a rollback journal a pass lets its state go as soon as all is read and sent, before the server merges it.
//! - Temp tables for deltas are emptied by the pass that uses them next: `ON COMMIT DELETE ROWS` costs each COMMIT a
//!   millisecond for each of a session's tables, used or not.
//! - Budget permits are per table: a worker reserves three times the largest row that the census saw before it touches
//!   a table of large rows.

pub mod cli;
pub mod config;
pub mod error;
pub mod journey;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod proof;
pub mod row;
pub mod sample;
mod sql;
pub mod status;
pub mod store;
pub mod transform;

pub use error::{Class, Error, Result, Signal};
