//! One round: rows in both stores, expressions over them, and what each store makes of them.

use super::generate::{TEXTS, Writer};
use super::{Dice, tokens};
use crate::environment::Session;
use liteferry::model::PgType;
use liteferry::model::identifier::Ident;
use liteferry::plan::expression::{
    ColumnRef, ExprType, translate_predicate, translate_scalar, translate_value,
};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::fmt::Write as _;
use std::ops::AddAssign;

/// Rows and expressions of a round.
const ROWS: usize = 24;
const EXPRESSIONS: usize = 120;
const DEPTH: usize = 4;

/// The columns: name, type in SQLite, type in PostgreSQL.
const COLUMNS: [(&str, &str, PgType); 16] = [
    ("i", "INTEGER", PgType::Int8),
    ("j", "INTEGER", PgType::Int8),
    ("k", "INTEGER", PgType::Int4),
    ("f", "REAL", PgType::Float8),
    ("g", "REAL", PgType::Float8),
    ("n", "NUMERIC", PgType::Numeric(None)),
    ("s", "TEXT", PgType::Text),
    ("s2", "TEXT", PgType::Text),
    ("u", "TEXT COLLATE NOCASE", PgType::Text),
    ("r", "TEXT COLLATE RTRIM", PgType::Text),
    ("v", "VARCHAR(30)", PgType::Varchar(30)),
    ("two\nlines", "TEXT", PgType::Text),
    ("b", "BOOLEAN", PgType::Bool),
    ("d", "DATE", PgType::Date),
    ("x", "BLOB", PgType::Bytea),
    ("e", "INTEGER", PgType::Timestamptz),
];

/// What was tried.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Found {
    /// Expressions that were translated.
    pub(crate) translated: usize,
    /// Expressions that were refused.
    pub(crate) refused: usize,
    /// Values that were compared.
    pub(crate) values: usize,
    /// Values that PostgreSQL could not compute: a number out of range.
    pub(crate) out_of_range: usize,
}

impl AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.translated += other.translated;
        self.refused += other.refused;
        self.values += other.values;
        self.out_of_range += other.out_of_range;
    }
}

/// What an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Condition,
    Value(ExprType),
    /// The key of an index: only the order counts.
    Key,
}

impl Use {
    /// Whether a number, or something that is told from numbers, is what counts.
    fn is_of_numbers(self) -> bool {
        !matches!(self, Self::Value(kind) if matches!(kind, ExprType::Text | ExprType::Bytes | ExprType::Date))
    }
}

/// An expression in both dialects.
#[derive(Debug)]
struct Pair {
    source: String,
    target: String,
    used: Use,
}

/// The rows and the expressions of one seed.
pub(crate) struct Round {
    seed: u64,
    wide: bool,
    dice: Dice,
    sqlite: Connection,
    /// The same rows, with doubles wherever PostgreSQL computes in doubles because a column may hold both.
    in_doubles: Connection,
}

impl Round {
    pub(crate) fn new(seed: u64) -> Self {
        let [sqlite, in_doubles] = [(); 2].map(|()| Connection::open_in_memory().unwrap());
        let mut dice = Dice::new(seed);
        let wide = dice.once_in(4);
        Self { seed, wide, dice, sqlite, in_doubles }
    }

    /// Compares what both stores make of the expressions; fails with what a person needs to see it again.
    pub(crate) fn play(mut self, target: &Session) -> Result<Found, String> {
        self.fill(target);
        let mut found = Found::default();
        let mut pairs = Vec::new();
        for number in 0..EXPRESSIONS {
            match self.draw(number) {
                Some(Ok(pair)) => pairs.push(pair),
                Some(Err(())) => found.refused += 1,
                None => {}
            }
        }
        let seed = self.seed;
        let failed = |pair: &Pair, what: String| {
            format!(
                "seed {seed}: {what}\n  sqlite     {}\n  postgresql {}\n  used as    {:?}",
                pair.source, pair.target, pair.used
            )
        };
        let columns = COLUMNS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        for pair in &pairs {
            tokens::check(&pair.target, &columns)
                .map_err(|what| failed(pair, format!("{what} stands in what was printed")))?;
            accepted(target, pair).map_err(|what| failed(pair, what))?;
            self.compare(target, pair, &mut found).map_err(|what| failed(pair, what))?;
            found.translated += 1;
        }
        Ok(found)
    }

    /// A random expression that SQLite computes, translated or refused.
    fn draw(&mut self, number: usize) -> Option<Result<Pair, ()>> {
        let depth = self.dice.below(DEPTH + 1);
        let mut writer = Writer { dice: &mut self.dice, wide: self.wide };
        let source = match number % 4 {
            0 | 1 => writer.condition(depth),
            2 => writer.number(depth),
            _ => writer.text(depth),
        };
        // What SQLite does not compute is in no schema.
        let sql = format!("SELECT count(*) FROM (SELECT ({source}) AS v FROM t) WHERE v IS NOT 7");
        self.sqlite.query_row(&sql, [], |row| row.get::<_, i64>(0)).ok()?;
        let (target, used) = match number % 4 {
            0 | 1 => (translate_predicate(&source, &column), Use::Condition),
            _ if number % 8 < 4 => match translate_value(&source, &column) {
                Ok((target, kind)) => (Ok(target), Use::Value(kind)),
                Err(refused) => (Err(refused), Use::Condition),
            },
            _ => (translate_scalar(&source, &column).map(|(target, _)| target), Use::Key),
        };
        Some(target.map(|target| Pair { source, target, used }).map_err(|_refused| ()))
    }

    fn compare(&self, target: &Session, pair: &Pair, found: &mut Found) -> Result<(), String> {
        let ours = in_sqlite(&self.sqlite, pair);
        let in_doubles = in_sqlite(&self.in_doubles, pair);
        let theirs: Vec<_> = match in_postgresql(target, pair, "") {
            Ok(values) => values.into_iter().map(Some).collect(),
            // The rank of a row depends on all of them.
            Err(OutOfRange) if pair.used == Use::Key => vec![None; ROWS],
            Err(OutOfRange) => (0..ROWS)
                .map(|id| in_postgresql(target, pair, &format!("WHERE id = {id}")).ok()?.pop())
                .collect(),
        };
        for (id, ((ours, in_doubles), theirs)) in
            ours.iter().zip(&in_doubles).zip(&theirs).enumerate()
        {
            match theirs {
                Some(theirs) => {
                    let theirs = theirs.as_deref();
                    same(pair.used, ours, theirs, id).or_else(|different| {
                        // Whole numbers beyond 2^53 lose digits where PostgreSQL has to compute in doubles.
                        if pair.used.is_of_numbers()
                            && same(pair.used, in_doubles, theirs, id).is_ok()
                        {
                            return Ok(());
                        }
                        Err(different)
                    })?;
                    found.values += 1;
                }
                None => found.out_of_range += 1,
            }
        }
        Ok(())
    }

    /// The same random rows in both stores.
    fn fill(&mut self, target: &Session) {
        let (mut theirs, mut ours, mut doubles) = (String::new(), String::new(), String::new());
        for (name, kind, pg) in &COLUMNS {
            let collate = if pg.is_text() { " COLLATE \"C\"" } else { "" };
            write!(ours, ", \"{name}\" {kind}").unwrap();
            let double = if *kind == "NUMERIC" { "REAL" } else { kind };
            write!(doubles, ", \"{name}\" {double}").unwrap();
            write!(theirs, ", \"{name}\" {pg}{collate}").unwrap();
        }
        for (sqlite, columns) in [(&self.sqlite, ours), (&self.in_doubles, doubles)] {
            let create = format!("CREATE TABLE t (id INTEGER PRIMARY KEY{columns})");
            sqlite.execute_batch(&create).unwrap();
        }
        target.query(&format!("DROP TABLE IF EXISTS t, empty; CREATE TABLE t (id bigint{theirs}); CREATE TABLE empty (LIKE t)"));
        for id in 0..ROWS {
            let (ours, theirs): (Vec<_>, Vec<_>) =
                COLUMNS.iter().map(|&(name, _, pg)| self.cell(name, pg)).unzip();
            let insert = format!("INSERT INTO t VALUES ({id}, {})", ours.join(", "));
            self.sqlite.execute_batch(&insert).unwrap();
            self.in_doubles.execute_batch(&insert).unwrap();
            target.query(&format!("INSERT INTO t VALUES ({id}, {})", theirs.join(", ")));
        }
    }

    /// A value as both dialects write it.
    fn cell(&mut self, name: &str, pg: PgType) -> (String, String) {
        const SMALL: [&str; 10] =
            ["0", "1", "-1", "2", "3", "7", "10", "-1000", "65536", "123456789"];
        const LARGE: [&str; 6] = [
            "9223372036854775807",
            "-9223372036854775807",
            "4294967296",
            "9007199254740993",
            "-9007199254740992",
            "0",
        ];
        const REAL: [&str; 10] =
            ["0.0", "0.5", "-0.25", "1.0", "3.0", "1e15", "-2.5e-3", "0.1", "1e300", "100.125"];
        let null = || ("NULL".to_owned(), "NULL".to_owned());
        let alike = |text: &str| (text.to_owned(), format!("'{text}'"));
        if self.dice.once_in(6) {
            return null();
        }
        match pg {
            PgType::Int8 if self.wide => alike(self.dice.pick(&LARGE)),
            PgType::Int8 | PgType::Int4 => alike(self.dice.pick(&SMALL)),
            PgType::Float8 => alike(self.dice.pick(&REAL)),
            PgType::Numeric(_) if self.dice.once_in(2) => alike(self.dice.pick(&SMALL)),
            PgType::Numeric(_) => {
                alike(self.dice.pick(&["0.5", "-0.25", "2.75", "0.1", "12345.678"]))
            }
            PgType::Bool => match self.dice.below(2) {
                0 => ("0".into(), "false".into()),
                _ => ("1".into(), "true".into()),
            },
            PgType::Date => {
                let day = self.dice.pick(&[
                    "2025-01-31",
                    "2024-02-29",
                    "0001-01-01",
                    "9999-12-31",
                    "2025-02-01",
                ]);
                (format!("'{day}'"), format!("'{day}'"))
            }
            PgType::Bytea => {
                let hex = self.dice.pick(&["", "00", "00ff", "6162"]);
                (format!("x'{hex}'"), format!("'\\x{hex}'"))
            }
            PgType::Timestamptz => ("0".into(), "'1970-01-01 00:00:00Z'".into()),
            _ => {
                let mut text = TEXTS[self.dice.below(TEXTS.len())].to_owned();
                // Numbers in a text would make SQLite compare otherwise, where a test of the printer must not look away.
                if name == "v" && self.dice.once_in(3) {
                    text.push(' ');
                }
                let text = super::generate::literal(&text);
                (text.clone(), text)
            }
        }
    }
}

fn in_sqlite(sqlite: &Connection, pair: &Pair) -> Vec<Value> {
    let source = &pair.source;
    let value = match pair.used {
        Use::Condition => format!("CASE WHEN ({source}) THEN 1 WHEN NOT ({source}) THEN 0 END"),
        Use::Value(_) => source.clone(),
        Use::Key => format!("dense_rank() OVER (ORDER BY {source})"),
    };
    let mut statement = sqlite.prepare(&format!("SELECT {value} FROM t ORDER BY id")).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The target's columns; their names match without regard to case.
fn column(name: &str) -> Option<ColumnRef> {
    let found = COLUMNS.iter().find(|(column, ..)| column.eq_ignore_ascii_case(name))?;
    let (name, kind, pg) = *found;
    Some(ColumnRef {
        target: Ident::new(name).unwrap(),
        kind: pg,
        collation: kind.split_once("COLLATE ").map_or("BINARY", |(_, name)| name).into(),
        as_stored: name != "e",
    })
}

/// Whether PostgreSQL takes the text where it is meant to stand, and as the type that was said.
fn accepted(target: &Session, pair: &Pair) -> Result<(), String> {
    let text = &pair.target;
    let (statement, types): (String, &[&str]) = match pair.used {
        Use::Condition => (
            format!(
                "ALTER TABLE empty ADD CHECK ({text}); CREATE INDEX ON empty (id) WHERE {text}"
            ),
            &["boolean"],
        ),
        Use::Key => (format!("CREATE INDEX ON empty (({text}))"), &[]),
        Use::Value(kind) => (
            format!("CREATE INDEX ON empty (({text}))"),
            match kind {
                ExprType::Boolean => &["boolean"],
                ExprType::Integer => &["bigint", "integer"],
                ExprType::Float => &["double precision", "numeric"],
                ExprType::Numeric => &["numeric", "double precision", "bigint", "integer"],
                ExprType::Text => &["text", "character varying"],
                ExprType::Bytes => &["bytea"],
                ExprType::Date => &["date"],
                ExprType::Null => &["text"],
                _ => &[],
            },
        ),
    };
    let refused = |error: tokio_postgres::Error| format!("PostgreSQL refuses it: {error:?}");
    target.query("BEGIN");
    let made = target.try_query(&statement).map(drop).map_err(refused);
    target.query("ROLLBACK");
    // A constant index key may be computed at once.
    match made {
        Err(error) if error.contains("22003") => return Ok(()),
        made => made?,
    }
    if types.is_empty() {
        return Ok(());
    }
    let asked = target.try_query(&format!("SELECT pg_typeof({text}) FROM t LIMIT 1"));
    match asked {
        Ok(rows) => {
            let kind = rows[0][0].clone().unwrap();
            if types.contains(&kind.as_str()) {
                Ok(())
            } else {
                Err(format!("PostgreSQL finds {kind} in it"))
            }
        }
        Err(error) if is_out_of_range(&error) => Ok(()),
        Err(error) => Err(refused(error)),
    }
}

/// A number that PostgreSQL has no place for, where SQLite goes on with another type.
struct OutOfRange;

fn is_out_of_range(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == "22003")
}

fn in_postgresql(
    target: &Session,
    pair: &Pair,
    condition: &str,
) -> Result<Vec<Option<String>>, OutOfRange> {
    let text = &pair.target;
    let value = match pair.used {
        Use::Key => format!("dense_rank() OVER (ORDER BY {text} NULLS FIRST)"),
        Use::Value(ExprType::Bytes) => format!("encode({text}, 'hex')"),
        Use::Condition | Use::Value(_) => format!("({text})::text"),
    };
    match target.try_query(&format!("SELECT {value} FROM t {condition} ORDER BY id")) {
        Ok(rows) => Ok(rows.into_iter().map(|mut row| row.swap_remove(0)).collect()),
        Err(error) if is_out_of_range(&error) => Err(OutOfRange),
        Err(error) => panic!("{error:?} in {text}"),
    }
}

/// Whether both values are the same.
fn same(used: Use, ours: &Value, theirs: Option<&str>, id: usize) -> Result<(), String> {
    let number = |theirs: &str, ours: f64| {
        // There is one zero where the order counts, and in a REAL column.
        let bits = |number: f64| (number + 0.0).to_bits();
        theirs.parse().is_ok_and(|theirs: f64| bits(theirs) == bits(ours))
    };
    let equal = match (used, ours, theirs) {
        (_, Value::Null, None) => true,
        (Use::Condition | Use::Value(ExprType::Boolean), Value::Integer(truth), Some(theirs)) => {
            theirs == if *truth == 0 { "false" } else { "true" }
        }
        (Use::Value(ExprType::Float | ExprType::Numeric), Value::Integer(whole), Some(theirs)) => {
            theirs == whole.to_string() || number(theirs, whole.to_string().parse().unwrap())
        }
        (_, Value::Integer(whole), Some(theirs)) => theirs == whole.to_string(),
        (Use::Value(ExprType::Float | ExprType::Numeric), Value::Real(real), Some(theirs)) => {
            number(theirs, *real)
        }
        (Use::Value(ExprType::Text | ExprType::Date), Value::Text(text), Some(theirs)) => {
            theirs == text
        }
        (Use::Value(ExprType::Bytes), Value::Blob(bytes), Some(theirs)) => {
            theirs == bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        }
        _ => false,
    };
    if equal {
        Ok(())
    } else {
        Err(format!("row {id}: SQLite has {ours:?}, PostgreSQL {theirs:?}"))
    }
}
