//! Each kind of cell by itself, which is also each type of PostgreSQL: a table of eight columns alike, as liteferry plans
//! it. Throughput is in cells and in bytes of the tuples.

#![expect(clippy::expect_used, reason = "a benchmark has nobody to give its error to")]

use crate::parts::{Parts, throughput};
use crate::planned::Planned;
use criterion::Criterion;
use liteferry::config::{ColumnSection, TableSection};
use liteferry::model::{CellShape, Column, EnumType, PgType, TableSchema};
use liteferry::{Error, Result};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

const ROWS: u32 = 20_000;
const COLUMNS: usize = 8;
/// There are many kinds, and their differences are large.
const MEASURE: Duration = Duration::from_secs(2);
const WARM_UP: Duration = Duration::from_millis(500);

/// A kind of cell.
struct Kind {
    /// The type that its columns get, and the storage class or what else tells it from others of that type.
    pg: &'static str,
    of: &'static str,
    /// What SQLite's columns are declared as.
    declared: &'static str,
    /// A cell, an expression of the row's number `n`.
    value: &'static str,
    /// What the pipeline file says of the column.
    said: &'static str,
}

const fn kind(
    pg: &'static str,
    of: &'static str,
    declared: &'static str,
    value: &'static str,
    said: &'static str,
) -> Kind {
    Kind { pg, of, declared, value, said }
}

const AS_UNIX: &str = "type = 'timestamptz'\nfrom = 'unix_s'";
const AS_UNIX_MS: &str = "type = 'timestamptz'\nfrom = 'unix_ms'";
const IN_DENVER: &str = "type = 'timestamptz'\nzone = 'America/Denver'";
const MOMENT: &str = "strftime('%Y-%m-%d %H:%M:%f', 1700000000 + n * 7.123, 'unixepoch')";
const OFFSET_MOMENT: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + n * 7.123, 'unixepoch')";
const UUID: &str = "printf('550e8400-e29b-41d4-a716-%012x', n)";
const ADDRESS: &str = "printf('10.%d.%d.%d', n / 65536, n / 256 % 256, n % 256)";
const DOCUMENT: &str =
    "json_object('market', 'm' || n, 'price', n * 0.25, 'tags', json('[1, true, null]'))";

const KINDS: &[Kind] = &[
    kind("bigint", "INTEGER", "BIGINT", "n * 4827100003", ""),
    kind("integer", "INTEGER", "INTEGER", "n * 48271 % 2147483647", "type = 'integer'"),
    kind("smallint", "INTEGER", "INTEGER", "n % 32768", "type = 'smallint'"),
    kind("boolean", "INTEGER", "BOOLEAN", "n % 3 = 0", "type = 'boolean'"),
    kind("boolean", "TEXT", "TEXT", "iif(n % 3 = 0, 'true', 'false')", "type = 'boolean'"),
    kind("double precision", "REAL", "REAL", "n * 0.1234567", ""),
    kind("real", "REAL", "REAL", "n * 0.5", "type = 'real'"),
    kind("numeric(20, 4)", "REAL", "DECIMAL(20, 4)", "(n * 7910 + 7) / 10000.0", ""),
    kind("numeric(20, 4)", "INTEGER", "DECIMAL(20, 4)", "n * 7919", ""),
    kind("numeric", "REAL", "NUMERIC", "n * 0.1234567", "type = 'numeric'"),
    kind("numeric", "TEXT", "TEXT", "printf('%d.%06d', n * 7919, n)", "type = 'numeric'"),
    kind("text", "8 characters", "TEXT", "printf('%08d', n)", "type = 'text'"),
    kind("text", "88 characters", "TEXT", "printf('%088d', n)", "type = 'text'"),
    kind("text", "1000 characters", "TEXT", "printf('%01000d', n)", "type = 'text'"),
    kind("text", "not ASCII", "TEXT", "printf('é%d→日本語', n)", "type = 'text'"),
    kind("varchar(40)", "TEXT", "VARCHAR(40)", "printf('%024d', n)", "type = 'varchar(40)'"),
    kind("char(40)", "TEXT", "CHAR(40)", "printf('%024d', n)", "type = 'char(40)'"),
    kind("bytea", "BLOB of 32", "BLOB", "CAST(printf('%032d', n) AS BLOB)", ""),
    kind("date", "TEXT", "DATE", "date('2020-01-01', (n % 3000) || ' days')", "type = 'date'"),
    kind("time", "TEXT", "TIME", "time(n % 86400, 'unixepoch')", "type = 'time'"),
    kind("timestamp", "TEXT", "DATETIME", MOMENT, "type = 'timestamp'"),
    kind("timestamptz", "TEXT with offset", "DATETIME", OFFSET_MOMENT, "type = 'timestamptz'"),
    kind("timestamptz", "TEXT of a zone", "DATETIME", MOMENT, IN_DENVER),
    kind("timestamptz", "unix seconds", "INTEGER", "1700000000 + n * 7", AS_UNIX),
    kind("timestamptz", "unix milliseconds", "INTEGER", "1700000000123 + n * 7001", AS_UNIX_MS),
    kind("uuid", "TEXT", "TEXT", UUID, "type = 'uuid'"),
    kind("uuid", "BLOB", "BLOB", "CAST(printf('%016d', n) AS BLOB)", "type = 'uuid'"),
    kind("inet", "TEXT", "TEXT", ADDRESS, "type = 'inet'"),
    kind("cidr", "TEXT", "TEXT", "printf('10.%d.%d.0/24', n / 256, n % 256)", "type = 'cidr'"),
    kind("json", "TEXT", "TEXT", DOCUMENT, "type = 'json'"),
    kind("jsonb", "TEXT", "TEXT", DOCUMENT, "type = 'jsonb'"),
    kind("enum", "TEXT", "TEXT", "iif(n % 3 = 0, 'buy', 'sell')", "type = 'text'"),
];

/// Reading, encoding and decoding of each kind.
pub(crate) fn kinds(criterion: &mut Criterion) {
    let said = KINDS.iter().enumerate().map(|(number, kind)| (name(number), kind.section()));
    let mut planned = Planned::new(fill, said.collect()).expect("a table of each kind");
    planned.tables.iter_mut().for_each(make_enum);
    for (number, kind) in KINDS.iter().enumerate() {
        let table = planned.tables.iter().find(|table| table.source == name(number));
        let table = table.expect("a table of this kind");
        kind.check(table);
        let parts = Parts::of(&planned.reader, table).expect("cells of this kind");
        let (rows, bytes) = parts.size();
        assert_eq!(rows, ROWS.try_into().unwrap_or(0), "{}: rows are set aside", kind.name());
        let mut group = criterion.benchmark_group(kind.name());
        group.throughput(throughput(rows * COLUMNS, bytes));
        group.measurement_time(MEASURE).warm_up_time(WARM_UP);
        parts.bench_read(&mut group);
        parts.bench_encode(&mut group);
        parts.bench_decode(&mut group);
        group.finish();
    }
}

impl Kind {
    fn name(&self) -> String {
        format!("{} of {}", self.pg, self.of)
    }

    fn section(&self) -> TableSection {
        let section: ColumnSection = toml::from_str(self.said).expect("a column's section");
        let columns = (0..COLUMNS).map(|column| (format!("c{column}"), section.clone()));
        TableSection { columns: columns.collect(), ..TableSection::default() }
    }

    /// So that nothing is measured by a wrong name.
    fn check(&self, table: &TableSchema) {
        for column in &table.columns {
            let pg = column.sql_type();
            let right = pg == self.pg || column.enum_type.is_some() && self.pg == "enum";
            assert!(right, "{} became {pg}", self.name());
        }
    }
}

fn name(number: usize) -> String {
    format!("kind{number}")
}

fn fill(path: &Path) -> Result<()> {
    let failed = |cause| Error::internal("cannot make a source").because(cause);
    let connection = Connection::open(path).map_err(failed)?;
    for (number, Kind { declared, value, .. }) in KINDS.iter().enumerate() {
        let table = name(number);
        let each =
            |cell: &dyn Fn(usize) -> String| (0..COLUMNS).map(cell).collect::<Vec<_>>().join(", ");
        let declared = each(&|column| format!("c{column} {declared}"));
        let values = each(&|_column| (*value).to_owned());
        let sql = format!(
            "CREATE TABLE {table} ({declared});
             WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})
             INSERT INTO {table} SELECT {values} FROM numbers;"
        );
        connection.execute_batch(&sql).map_err(failed)?;
    }
    Ok(())
}

/// Enums come only with tables that exist in the target; here the table of that kind is given one.
fn make_enum(table: &mut TableSchema) {
    let Some(number) = KINDS.iter().position(|kind| kind.pg == "enum") else { return };
    if table.source == name(number) {
        table.columns.iter_mut().for_each(|column| {
            let labels = ["buy", "sell"].map(String::from).into();
            let named = EnumType { schema: "public".into(), name: "side".into(), labels };
            let enumerated = Column {
                pg: PgType::Enum,
                read: CellShape::Label,
                enum_type: Some(named),
                ..column.clone()
            };
            *column = enumerated;
        });
    }
}
