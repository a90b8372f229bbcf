//! Deltas applied to a target by the store's own functions, with PostgreSQL as the judge: `now` is a table beside the
//! target's that has the rows as the source has them, in the same types.

mod followed;
mod forgotten;
mod found;
mod guard;
mod kinds;
mod position;
mod random;
mod renewed;
mod unique;

use crate::environment::{Environment, Row, Session as Psql};
use bytes::Bytes;
use liteferry::model::{CellShape, Column, DigestSum, PgType, TableSchema};
use liteferry::pipeline::Stop;
use liteferry::proof::Summing;
use liteferry::row::{COPY_HEADER, COPY_TRAILER, TupleDecoder};
use liteferry::store::postgres::apply::{Merged, merge, read_back};
use liteferry::store::postgres::conninfo::{Conninfo, Origin};
use liteferry::store::postgres::failure::Moment;
use liteferry::store::postgres::ledger::{self, Lease, NewMigration};
use liteferry::store::postgres::session::Session;
use liteferry::store::postgres::stage::Staging;

/// A target's table `public.t`, and `now` with the same columns.
struct Stage {
    env: Environment,
    session: Session,
    psql: Psql,
    table: TableSchema,
}

impl Stage {
    /// `target` makes the table, with its keys; `columns` are those of the source: `name type`, with `= expression`
    /// where the target computes it. The first `key` of them are the key.
    fn new(target: &str, columns: &[&str], key: usize) -> Self {
        Self::of(Environment::new(), "t", target, columns, key)
    }

    fn of(env: Environment, name: &str, target: &str, columns: &[&str], key: usize) -> Self {
        let psql = env.connect();
        psql.query(target);
        let columns: Vec<_> = columns.iter().map(|column| self::column(column)).collect();
        let table = table(name, columns, key);
        let now: Vec<_> = table.columns.iter().map(|column| quoted(&column.target)).collect();
        let target = relation(&table);
        psql.query(&format!("CREATE TABLE public.now AS SELECT {} FROM {target}", now.join(", ")));
        let session = open(&env);
        Self { env, session, psql, table }
    }

    /// Runs SQL on `now`, or on whatever else.
    #[track_caller]
    fn now(&self, sql: &str) -> &Self {
        self.psql.query(sql);
        self
    }

    /// Makes the target what `now` is, for a start.
    #[track_caller]
    fn settle(&self) -> &Self {
        let (target, loaded) = (relation(&self.table), self.loaded());
        self.psql.query(&format!(
            "DELETE FROM {target};
             INSERT INTO {target} ({loaded}) OVERRIDING SYSTEM VALUE SELECT {loaded} FROM now"
        ));
        self
    }

    /// Applies the rows that these keys, given as a query, have in `now`, and commits.
    #[track_caller]
    fn apply(&self, keys: &str) -> Merged {
        self.try_apply(keys, true).unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    fn try_apply(&self, keys: &str, indexed: bool) -> liteferry::Result<Merged> {
        let mut staging = Staging::of(&self.session, &self.table)?;
        self.session.transaction(|_| {
            self.stage(&mut staging, keys)?;
            let merged = merge(&staging, indexed)?;
            assert_eq!(self.read_back(&staging)?, self.expected(keys), "read back");
            Ok(merged)
        })
    }

    fn stage(&self, staging: &mut Staging<'_>, keys: &str) -> liteferry::Result<()> {
        let key: Vec<_> = self.table.key.iter().map(|&at| &self.table.columns[at]).collect();
        let names: Vec<_> = (0..key.len()).map(|at| format!("c{at}")).collect();
        let casts: Vec<_> = key
            .iter()
            .zip(&names)
            .map(|(one, name)| format!("{name}::{}", one.sql_type()))
            .collect();
        let typed =
            format!("SELECT {} FROM ({keys}) AS k ({})", casts.join(", "), names.join(", "));
        let tuples = self.tuples(&typed);
        staging.keys(|writer| writer.write(tuples.clone()))?;
        let tuples = self.tuples(&self.touched(&self.loaded(), keys));
        staging.rows(|writer| writer.write(tuples.clone()))?;
        Ok(())
    }

    fn read_back(&self, staging: &Staging<'_>) -> liteferry::Result<DigestSum> {
        let mut sums = Summing::new(&self.table);
        read_back(staging, &mut sums)?;
        Ok(sums.finish()?.total())
    }

    /// What reading back must give: the rows of `now` with these keys.
    fn expected(&self, keys: &str) -> DigestSum {
        let columns: Vec<_> = self.table.columns.iter().map(|one| quoted(&one.target)).collect();
        let stream = self.psql.copy_out(&copy(&self.touched(&columns.join(", "), keys)));
        let mut sums = Summing::new(&self.table);
        let mut decoder = TupleDecoder::new(&self.table);
        decoder.push(&stream, &mut sums).unwrap();
        decoder.finish().unwrap();
        sums.finish().unwrap().total()
    }

    fn touched(&self, columns: &str, keys: &str) -> String {
        let key: Vec<_> =
            self.table.key.iter().map(|&at| quoted(&self.table.columns[at].target)).collect();
        format!("SELECT {columns} FROM now WHERE ({}) IN ({keys})", key.join(", "))
    }

    /// The tuples of a query, as the server itself writes them.
    fn tuples(&self, query: &str) -> Bytes {
        let stream = Bytes::from(self.psql.copy_out(&copy(query)));
        stream.slice(COPY_HEADER.len()..stream.len() - COPY_TRAILER.len())
    }

    fn loaded(&self) -> String {
        let columns = self.table.columns.iter().filter(|column| !column.computed);
        columns.map(|column| quoted(&column.target)).collect::<Vec<_>>().join(", ")
    }

    /// The rows of which the target and `now` do not have the same number.
    fn differences(&self) -> Vec<Row> {
        let columns: Vec<_> = self.table.columns.iter().map(|one| quoted(&one.target)).collect();
        let (columns, target) = (columns.join(", "), relation(&self.table));
        let image = |from: &str| format!("SELECT (r)::text FROM (SELECT {columns} FROM {from}) r");
        let (target, now) = (image(&target), image("now"));
        self.psql.query(&format!(
            "SELECT 'too many', * FROM ({target} EXCEPT ALL {now}) AS a
             UNION ALL SELECT 'missing', * FROM ({now} EXCEPT ALL {target}) AS b"
        ))
    }

    #[track_caller]
    fn assert_equal(&self) -> &Self {
        assert_eq!(self.differences(), Vec::<Row>::new());
        self
    }
}

fn copy(query: &str) -> String {
    format!("COPY ({query}) TO STDOUT (FORMAT binary)")
}

fn quoted(name: &str) -> String {
    liteferry::model::identifier::quoted(name)
}

fn relation(table: &TableSchema) -> String {
    format!("{}.{}", quoted(&table.target_schema), quoted(&table.target))
}

fn literal(text: &str) -> String {
    liteferry::model::identifier::literal(text).unwrap()
}

/// `name type`, or `name type = expression`.
fn column(written: &str) -> Column {
    let (written, computed) = match written.split_once(" = ") {
        Some((written, _)) => (written, true),
        None => (written, false),
    };
    let (name, pg) = written.rsplit_once(' ').unwrap();
    Column { computed, ..Column::new(name, CellShape::AnyText, PgType::parse(pg).unwrap()) }
}

fn table(name: &str, columns: Vec<Column>, key: usize) -> TableSchema {
    TableSchema { key: (0..key).collect(), ..TableSchema::new(name, columns) }
}

/// A session of liteferry's own.
fn open(env: &Environment) -> Session {
    let conninfo = Conninfo::decide(&env.url(), &|_| None, Origin::Argument).unwrap();
    Session::open(&conninfo, Moment::FirstConnect, &Stop::default()).unwrap()
}

/// A migration in the ledger, and the lease of it.
fn begin_migration(session: &Session, name: &str) -> Lease {
    let new = NewMigration {
        name,
        target_schema: "public",
        source_path: "source.db",
        source_stamp: "{}",
        plan: "{}",
        plan_hash: "",
        drop_sql: "",
    };
    session
        .transaction(|session| {
            ledger::install(session)?;
            ledger::begin(session, &new)
        })
        .unwrap();
    let migration = ledger::find(session, name, "public").unwrap().unwrap();
    ledger::take(session, migration.id).unwrap()
}
