//! Pieces are together what their table is, whatever the order in which its rows lie.

use super::Order;
use crate::model::{RawCell, RowName, TextEncoding};
use crate::store::sqlite::batch::raw;
use crate::store::sqlite::wide::Rows;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};

/// Tables whose rows lie in orders of every kind, by their columns and their keys.
const TABLES: [(&str, &str); 6] = [
    ("k INTEGER NOT NULL, v", "k"),
    ("k, v", "k"),
    ("a TEXT COLLATE NOCASE, v, b", "a DESC, b"),
    ("v, a, b NUMERIC, c TEXT", "b, a DESC, c COLLATE RTRIM"),
    ("\"a \"\" b\" BLOB, v, c REAL", "c DESC, \"a \"\" b\" DESC"),
    ("a TEXT, b TEXT, c TEXT, d, v", "a, b, c, d"),
];

/// Values of every class, many of them equal by some comparison.
const VALUES: [&str; 22] = [
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "9007199254740993",
    "1.0",
    "0.5",
    "-1e300",
    "9e999",
    "''",
    "'a'",
    "'A'",
    "'a '",
    "'b'",
    "'Zoë'",
    "'1'",
    "'1e5'",
    "'a' || char(0) || 'b'",
    "x''",
    "x'00'",
    "x'61'",
];

struct Table {
    connection: Connection,
    columns: Vec<String>,
    encoding: TextEncoding,
}

impl Table {
    fn new(encoding: TextEncoding, (columns, key): (&str, &str)) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        let schema = format!(
            "PRAGMA encoding = '{}'; CREATE TABLE \"a t\" ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID;
             CREATE INDEX other ON \"a t\" (v)",
            encoding.name()
        );
        connection.execute_batch(&schema).unwrap();
        let mut statement =
            connection.prepare("SELECT name FROM pragma_table_info('a t')").unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        let columns = names.collect::<Result<Vec<String>, _>>().unwrap();
        drop(statement);
        Self { connection, columns, encoding }
    }

    /// Rows of every value in the first column, and of some in the others.
    fn fill(&self) {
        let mut rows = vec![Vec::new()];
        for place in 0..self.columns.len() {
            let step = [1, 3, 8, 9, 11].get(place).copied().unwrap_or(11);
            let with = |row: &Vec<&'static str>, value| [row.as_slice(), &[value]].concat();
            let more = |row| VALUES.iter().step_by(step).map(move |value| with(row, *value));
            rows = rows.iter().flat_map(more).collect();
        }
        self.connection.execute_batch("BEGIN").unwrap();
        for row in rows {
            let sql = format!("INSERT OR IGNORE INTO \"a t\" VALUES ({})", row.join(", "));
            // An INTEGER key takes no text.
            let _kept = self.connection.execute(&sql, []);
        }
        self.connection.execute_batch("COMMIT").unwrap();
    }

    fn order(&self) -> Order {
        let names: Vec<_> = self.columns.iter().map(String::as_str).collect();
        Order::of(&self.connection, ("a t", &names, None), self.encoding).unwrap()
    }

    fn selected(&self) -> String {
        let quoted = |name: &String| crate::model::identifier::quoted(name);
        self.encoding.select(&self.columns.iter().map(quoted).collect::<Vec<_>>(), None)
    }

    /// So many rows behind another one, and the name of the last.
    fn piece(
        &self,
        behind: Option<&RowName>,
        count: usize,
    ) -> (Vec<Vec<RawCell>>, Option<RowName>) {
        let (order, columns) = (self.order(), self.selected());
        let whole = (format!("SELECT {columns} FROM \"a t\" NOT INDEXED"), Vec::new());
        let statements = order.statements(whole, (&columns, "a t"), behind).unwrap();
        self.assert_searched(&statements);
        let shape = (self.encoding, self.columns.len(), None);
        let mut rows = Rows::query_all(&self.connection, &statements, shape).unwrap();
        let (mut found, mut name) = (Vec::new(), None);
        while let Some(row) = rows.next().unwrap() {
            let cells = (0..self.columns.len()).map(|position| raw(row.cell(position).unwrap()));
            found.push(cells.collect());
            if found.len() >= count {
                name = order.name(&row).unwrap();
                if name.is_some() {
                    break;
                }
            }
        }
        (found, name)
    }

    /// That each statement is a search of the key, and sorts nothing.
    fn assert_searched(&self, statements: &[(String, Vec<ValueRef<'_>>)]) {
        for (sql, values) in statements {
            let mut explain =
                self.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let bound = params_from_iter(values.iter().copied().map(ToSqlOutput::Borrowed));
            let steps = explain.query_map(bound, |row| row.get::<_, String>(3)).unwrap();
            let steps = steps.collect::<Result<Vec<_>, _>>().unwrap();
            assert_eq!(steps.len(), 1, "{sql}: {steps:?}");
            let is_of_key = steps[0].contains("USING PRIMARY KEY") || steps[0] == "SCAN main.a t";
            assert!(is_of_key, "{sql}: {steps:?}");
        }
    }
}

#[test]
fn pieces_are_together_what_the_table_is() {
    for encoding in [TextEncoding::Utf8, TextEncoding::Utf16le, TextEncoding::Utf16be] {
        for described in TABLES {
            let table = Table::new(encoding, described);
            table.fill();
            let (all, _) = table.piece(None, usize::MAX);
            let count = "SELECT count(*) FROM \"a t\"";
            let count = table.connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(all.len(), usize::try_from(count).unwrap());
            assert!(all.len() > 5, "{described:?}: {}", all.len());
            for count in [1, 7, 100] {
                let (mut found, mut behind) = (Vec::new(), None);
                loop {
                    let (rows, last) = table.piece(behind.as_ref(), count);
                    found.extend(rows);
                    behind = last;
                    if behind.is_none() {
                        break;
                    }
                }
                assert!(found == all, "{described:?} in {encoding:?} by {count}");
            }
        }
    }
}

#[test]
fn a_piece_does_not_end_at_a_text_that_cannot_be_asked_for() {
    let table = Table::new(TextEncoding::Utf16le, ("k TEXT, v", "k"));
    // Two of them begin with half of a pair, and lie first.
    let sql = "INSERT INTO \"a t\" VALUES ('a', 1), (CAST(x'00d8' AS TEXT), 2), (CAST(x'00d86100' AS TEXT), 3), ('z', 4)";
    table.connection.execute_batch(sql).unwrap();
    let (first, behind) = table.piece(None, 1);
    assert_eq!((first.len(), behind.is_some()), (3, true));
    let (second, _) = table.piece(behind.as_ref(), usize::MAX);
    let (all, _) = table.piece(None, usize::MAX);
    assert_eq!([first, second].concat(), all);
    assert_eq!(all.len(), 4);
}

#[test]
fn an_order_that_the_application_alone_knows_is_not_searched() {
    let connection = Connection::open_in_memory().unwrap();
    connection.create_collation("backwards", |one: &str, other: &str| other.cmp(one)).unwrap();
    let sql = "CREATE TABLE t (k TEXT COLLATE backwards PRIMARY KEY) WITHOUT ROWID";
    connection.execute_batch(sql).unwrap();
    let order = Order::of(&connection, ("t", &["k"], None), TextEncoding::Utf8).unwrap();
    assert!(matches!(order, Order::Unknown), "{order:?}");
}
