//! The independent judge: whether a PostgreSQL schema holds exactly the rows of a SQLite file.
//!
//! It shares nothing with the mover. It reads both stores itself, SQLite by storage class and bytes, PostgreSQL as text
//! by casts of its own, and states anew what each value must be in the type that its column has. Rows are compared as
//! multisets, so that neither keys nor order matter, and a duplicate counts.
//!
//! Columns are paired by their order, and must have the name that the source's column asks for wherever PostgreSQL takes
//! that; so must tables. What a table is called whose name PostgreSQL does not take, only the plan in the ledger knows.

use crate::environment::Session;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// What cannot be seen from the stores alone.
#[derive(Default)]
pub(crate) struct Comparison {
    schema: Option<String>,
    zones: BTreeMap<(String, String), TimeZone>,
    ignored: BTreeSet<String>,
    lower: bool,
    setting_aside: bool,
}

/// A column on both sides: its name in the source, its name and type in the target.
struct Pair {
    source: String,
    target: String,
    kind: String,
}

/// How much was compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) tables: usize,
    pub(crate) rows: usize,
    /// Rows of the source with a value that the target's column cannot hold; they must not be in the target.
    pub(crate) set_aside: usize,
}

impl Comparison {
    /// A comparison with the schema `public`.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Another schema of the target.
    pub(crate) fn schema(mut self, name: &str) -> Self {
        self.schema = Some(name.into());
        self
    }

    /// A column that holds wall clocks of a zone.
    pub(crate) fn zone(mut self, table: &str, column: &str, zone: &str) -> Self {
        self.zones.insert((table.into(), column.into()), TimeZone::get(zone).unwrap());
        self
    }

    /// A table of the target that is not from the source.
    pub(crate) fn ignoring(mut self, table: &str) -> Self {
        self.ignored.insert(table.into());
        self
    }

    /// Rows whose values the target's columns cannot hold may be missing, and only those.
    pub(crate) fn setting_aside(mut self) -> Self {
        self.setting_aside = true;
        self
    }

    /// The names were asked for in lower case.
    pub(crate) fn lower(mut self) -> Self {
        self.lower = true;
        self
    }

    /// Compares everything, and fails the test where something differs or there was nothing to compare.
    #[track_caller]
    pub(crate) fn assert_equal(&self, source: &Path, target: &Session) -> Compared {
        match self.compare(source, target) {
            Ok(compared) => compared,
            Err(differences) => panic!("NOT EQUAL\n{}", differences.join("\n")),
        }
    }

    /// Compares every table; gives what differs.
    pub(crate) fn compare(&self, source: &Path, target: &Session) -> Result<Compared, Vec<String>> {
        let sqlite = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        target.query(
            "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 3; SET bytea_output = 'hex'",
        );
        let sources = sqlite_tables(&sqlite);
        let mut targets = self.target_tables(target);
        let planned = self.planned_names(target);
        let mut differences = Vec::new();
        let mut compared = Compared::default();
        for (table, columns) in sources {
            let name = self.asked(&table, false).or_else(|| planned.get(&table).cloned());
            let Some((name, types)) = name.and_then(|name| targets.remove_entry(&name)) else {
                differences.push(format!("table {table:?} is missing"));
                continue;
            };
            match self.pairs(&columns, &types) {
                Err(why) => differences.push(format!("table {table:?}: {why}")),
                Ok(pairs) => {
                    let names = (table.as_str(), name.as_str());
                    let (rows, set_aside, found) =
                        self.compare_table(&sqlite, target, names, &pairs);
                    compared.tables += 1;
                    compared.rows += rows;
                    compared.set_aside += set_aside;
                    differences.extend(found);
                }
            }
        }
        let extra = targets.into_keys().filter(|name| !self.ignored.contains(name));
        differences.extend(extra.map(|name| format!("table {name:?} is not in the source")));
        if compared.tables == 0 {
            differences.push("nothing was compared".into());
        }
        if differences.is_empty() { Ok(compared) } else { Err(differences) }
    }

    fn schema_name(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    /// The name that the target must have for one of the source; none where PostgreSQL does not take it.
    fn asked(&self, name: &str, column: bool) -> Option<String> {
        let name = if self.lower { name.to_ascii_lowercase() } else { name.to_owned() };
        let system = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"].contains(&name.as_str());
        ((1..=63).contains(&name.len()) && !(column && system)).then_some(name)
    }

    /// The columns of both sides in order, or what is wrong with those of the target.
    fn pairs(&self, sources: &[String], targets: &[(String, String)]) -> Result<Vec<Pair>, String> {
        let right = |source: &String, target: &String| {
            self.asked(source, true).is_none_or(|asked| asked == *target)
        };
        // A table without a key carries its rowid while it is followed.
        let carried = targets.last().is_some_and(|(name, _)| name.starts_with("liteferry_rowid"));
        let targets = if carried && targets.len() > sources.len() {
            targets.get(..sources.len()).unwrap()
        } else {
            targets
        };
        let pairs = || sources.iter().zip(targets);
        if sources.len() != targets.len() || !pairs().all(|(source, (name, _))| right(source, name))
        {
            return Err(format!("columns {sources:?}, in the target {targets:?}"));
        }
        let pairs = pairs().map(|(source, (target, kind))| Pair {
            source: source.clone(),
            target: target.clone(),
            kind: kind.clone(),
        });
        Ok(pairs.collect())
    }

    /// The plan's names of tables, where there is a plan.
    fn planned_names(&self, target: &Session) -> HashMap<String, String> {
        let begun = target.query("SELECT to_regclass('liteferry.migration') IS NOT NULL");
        if begun != [[Some("t".to_owned())]] {
            return HashMap::new();
        }
        let schema = literal(self.schema_name());
        let sql = format!("SELECT plan FROM liteferry.migration WHERE target_schema = {schema}");
        let plans = target.query(&sql).into_iter().flatten().flatten();
        let tables = plans.flat_map(|plan| {
            let plan: Value = serde_json::from_str(&plan).unwrap();
            plan["tables"].as_array().unwrap().clone()
        });
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        tables
            .map(|table| (text(&table["schema"]["source"]), text(&table["schema"]["target"])))
            .collect()
    }

    /// Tables with the names and types of their columns, in order.
    fn target_tables(&self, target: &Session) -> BTreeMap<String, Vec<(String, String)>> {
        let rows = target.query(&format!(
            "SELECT t.table_name, c.column_name, c.data_type FROM information_schema.tables t
             LEFT JOIN information_schema.columns c USING (table_schema, table_name)
             WHERE t.table_schema = {} AND t.table_type = 'BASE TABLE' ORDER BY c.ordinal_position",
            literal(self.schema_name())
        ));
        let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows {
            let mut row = row.into_iter().flatten();
            let columns = tables.entry(row.next().unwrap()).or_default();
            if let (Some(column), Some(kind)) = (row.next(), row.next()) {
                columns.push((column, kind));
            }
        }
        tables
    }

    fn compare_table(
        &self,
        sqlite: &Connection,
        target: &Session,
        (table, target_table): (&str, &str),
        columns: &[Pair],
    ) -> (usize, usize, Vec<String>) {
        // Rows of the source count up, rows of the target down.
        let mut balance: HashMap<Vec<String>, i64> = HashMap::new();
        let mut differences = Vec::new();
        let (mut rows, mut set_aside) = (0, 0);
        let names: Vec<_> = columns.iter().map(|column| quoted(&column.source)).collect();
        let sql = format!("SELECT {} FROM main.{}", names.join(", "), quoted(table));
        let mut statement = sqlite.prepare(&sql).unwrap();
        let mut cursor = statement.query([]).unwrap();
        while let Some(row) = cursor.next().unwrap() {
            rows += 1;
            let cells = columns.iter().enumerate().map(|(at, column)| {
                let zone = self.zones.get(&(table.into(), column.source.clone()));
                let value = row.get_ref(at).unwrap();
                expected(value, &column.kind, zone)
                    .map_err(|why| format!("table {table:?}: column {:?}: {why}", column.source))
            });
            match cells.collect::<Result<_, _>>() {
                Ok(cells) => *balance.entry(cells).or_default() += 1,
                Err(_why) if self.setting_aside => set_aside += 1,
                Err(why) => differences.push(why),
            }
        }
        for row in self.target_rows(target, target_table, columns) {
            *balance.entry(row).or_default() -= 1;
        }
        for (row, times) in balance.into_iter().filter(|(_, times)| *times != 0) {
            let side = if times > 0 { "only in the source" } else { "only in the target" };
            let row: Vec<_> = columns
                .iter()
                .zip(&row)
                .map(|(column, cell)| format!("{}={}", column.source, cut(cell)))
                .collect();
            differences.push(format!(
                "table {table:?}: {} times {side}: {}",
                times.abs(),
                row.join(" ")
            ));
        }
        differences.sort();
        differences.truncate(10);
        (rows, set_aside, differences)
    }

    fn target_rows(&self, target: &Session, table: &str, columns: &[Pair]) -> Vec<Vec<String>> {
        let shown: Vec<_> =
            columns.iter().map(|column| shown(&quoted(&column.target), &column.kind)).collect();
        let sql = format!(
            "SELECT {} FROM {}.{}",
            shown.join(", "),
            quoted(self.schema_name()),
            quoted(table)
        );
        let rows = target.query(&sql).into_iter().map(|row| {
            let cells = row.into_iter().zip(columns);
            cells
                .map(|(cell, column)| cell.map_or_else(null, |text| found(&text, &column.kind)))
                .collect()
        });
        rows.collect()
    }
}

/// Ordinary tables with their columns in order; generated columns count, they are values too.
fn sqlite_tables(sqlite: &Connection) -> BTreeMap<String, Vec<String>> {
    let texts = |sql: &str, parameters: &[&str]| -> Vec<String> {
        let mut statement = sqlite.prepare(sql).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(0));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    };
    let tables = texts(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'
         AND substr(name, 1, 7) <> 'sqlite_' AND substr(name, 1, 11) <> '_liteferry_'",
        &[],
    );
    let columns = |table: &String| {
        let sql = "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid";
        texts(sql, &[table])
    };
    tables.iter().map(|table| (table.clone(), columns(table))).collect()
}

/// How the target is asked for a column's values.
fn shown(column: &str, kind: &str) -> String {
    match kind {
        // Every bit of a double, also of those that are written alike.
        "double precision" => format!("encode(float8send({column}), 'hex')"),
        "bytea" => format!("encode({column}, 'hex')"),
        _ => format!("{column}::text"),
    }
}

/// What the target wrote, in the form of [`expected`].
fn found(text: &str, kind: &str) -> String {
    match kind {
        "numeric" => decimal(text).unwrap_or_else(|| format!("no decimal: {text}")),
        "timestamp with time zone" => text.trim_end_matches("+00").into(),
        "jsonb" => document(text).unwrap_or_else(|| format!("no document: {text}")),
        "time without time zone" => clock(text).unwrap_or_else(|| format!("no time: {text}")),
        _ => text.into(),
    }
}

/// A JSON document whose members stand in the order of their names: equal ones are written alike.
fn document(text: &str) -> Option<String> {
    use Json::{Array, Number, Object};
    fn sorted(value: Json) -> Json {
        match value {
            Object(members) => {
                let members: BTreeMap<_, _> =
                    members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
                Object(members.into_iter().collect())
            }
            Array(values) => Array(values.into_iter().map(sorted).collect()),
            // Not 1.0 beside 1, as numbers of PostgreSQL are equal that way too.
            Number(number) => decimal(&number.to_string()).map_or(Number(number), Into::into),
            other => other,
        }
    }
    serde_json::from_str(text).ok().map(|value| sorted(value).to_string())
}

/// A time of day, without digits that mean nothing.
fn clock(text: &str) -> Option<String> {
    let time: jiff::civil::Time = text.parse().ok()?;
    Some(time.strftime("%H:%M:%S%.f").to_string())
}

/// A UUID as PostgreSQL writes it, from its 32 digits however they are set.
fn uuid(text: &str) -> Option<String> {
    let bare = text.trim_start_matches("urn:uuid:").replace(['-', '{', '}'], "").to_lowercase();
    let is_hex = bare.len() == 32 && bare.chars().all(|digit| digit.is_ascii_hexdigit());
    let part = |from: usize, to: usize| bare.get(from..to).unwrap_or_default();
    is_hex.then(|| [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

fn null() -> String {
    // No value is written so: in texts NUL cannot stand.
    "\0".into()
}

/// What a value of the source must be in a column of this type.
fn expected(value: ValueRef<'_>, kind: &str, zone: Option<&TimeZone>) -> Result<String, String> {
    let wrong = || Err(format!("{} cannot be in a {kind}", described(value)));
    match (value, kind) {
        (ValueRef::Null, _) => Ok(null()),
        (ValueRef::Integer(0), "boolean") => Ok("false".into()),
        (ValueRef::Integer(1), "boolean") => Ok("true".into()),
        (ValueRef::Integer(value), "bigint" | "integer" | "smallint" | "text") => {
            Ok(value.to_string())
        }
        (ValueRef::Integer(value), "numeric") => Ok(decimal(&value.to_string()).unwrap()),
        (ValueRef::Integer(value), "double precision") => {
            double_of(value).map_or_else(wrong, |double| Ok(bits(double)))
        }
        (ValueRef::Real(value), "double precision") => Ok(bits(value)),
        // The shortest decimal that is read as the same double.
        (ValueRef::Real(value), "numeric") if value.is_finite() => {
            Ok(decimal(&value.to_string()).unwrap())
        }
        (ValueRef::Real(value), "text")
            if value.is_finite() && value.to_bits() != (-0.0_f64).to_bits() =>
        {
            Ok(value.to_string())
        }
        (ValueRef::Real(0.0), "text") => Ok("-0.0".into()),
        (ValueRef::Real(value), "text") => {
            Ok(if value > 0.0 { "Infinity" } else { "-Infinity" }.into())
        }
        (ValueRef::Blob(bytes), "bytea") => {
            Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        (ValueRef::Text(bytes), _) => {
            let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            match kind {
                "text" | "character varying" if text.contains('\0') => wrong(),
                "text" | "character varying" => Ok(text.into()),
                "numeric" => decimal(text).map_or_else(wrong, Ok),
                "date" if is_date(text) => Ok(text.into()),
                "json" if serde_json::from_str::<Json>(text).is_ok() => Ok(text.into()),
                "jsonb" => document(text).map_or_else(wrong, Ok),
                "uuid" => uuid(text).map_or_else(wrong, Ok),
                "time without time zone" => clock(text).map_or_else(wrong, Ok),
                "boolean" if ["t", "true", "yes", "y", "on"].contains(&&*text.to_lowercase()) => {
                    Ok("true".into())
                }
                "boolean" if ["f", "false", "no", "n", "off"].contains(&&*text.to_lowercase()) => {
                    Ok("false".into())
                }
                "timestamp without time zone" => {
                    wall_clock(text).map_or_else(wrong, |time| Ok(written(time)))
                }
                "timestamp with time zone" => {
                    instant(text, zone).map_or_else(wrong, |time| Ok(written(time)))
                }
                _ => wrong(),
            }
        }
        _ => wrong(),
    }
}

fn described(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) => format!("the text {}", cut(&String::from_utf8_lossy(bytes))),
        ValueRef::Blob(bytes) => format!("a BLOB of {} bytes", bytes.len()),
        other => format!("{other:?}"),
    }
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

/// The double of an integer, if it is read back as the same integer.
fn double_of(value: i64) -> Option<f64> {
    let double: f64 = value.to_string().parse().unwrap();
    (format!("{double:.0}") == value.to_string()).then_some(double)
}

/// A decimal as sign, digits and exponent, without zeros that mean nothing: equal decimals are written alike.
fn decimal(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent - i64::try_from(fraction.len()).unwrap();
    let significant = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - significant.len()).unwrap();
    let significant = significant.trim_start_matches('0');
    Some(match significant {
        "" => format!("{sign}0"),
        _ => format!("{sign}{significant}e{}", exponent + zeros),
    })
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// `2025-01-31`, `2025-01-31 12:34` and so on, without an offset.
fn wall_clock(text: &str) -> Option<DateTime> {
    let zoneless = text.len() <= 10
        || text.get(11..)?.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte));
    let time: DateTime = zoneless.then(|| text.parse().ok())??;
    // PostgreSQL counts microseconds: a finer time cannot be equal.
    (time.subsec_nanosecond() % 1000 == 0).then_some(time)
}

/// The UTC wall clock of an instant: by its own offset, or by the column's zone.
fn instant(text: &str, zone: Option<&TimeZone>) -> Option<DateTime> {
    let has_offset = |rest: &str| rest.contains(['+', '-']);
    let time = if text.ends_with('Z') || text.get(16..).is_some_and(has_offset) {
        text.parse::<jiff::Timestamp>().ok()?
    } else {
        zone?.to_ambiguous_timestamp(wall_clock(text)?).unambiguous().ok()?
    };
    Some(time.to_zoned(TimeZone::UTC).datetime())
}

/// As PostgreSQL writes it.
fn written(time: DateTime) -> String {
    let fraction = format!("{:06}", time.subsec_nanosecond() / 1000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!(
        "{} {:02}:{:02}:{:02}{point}{fraction}",
        time.date(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn cut(text: &str) -> String {
    let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
    if text.chars().count() > 80 { shown + "…" } else { shown }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{Compared, Comparison, decimal};
    use crate::environment::Environment;

    /// Both stores as they must be, then one change to the target: what the judge says of it.
    fn judged(change: &str) -> Result<Compared, Vec<String>> {
        let env = Environment::new();
        env.sqlite(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, i, r, n, t, b, flag, day, at, here, zoned);
             INSERT INTO a VALUES (1, -7, 0.1, 1.5, 'one', x'00ff', 1, '2025-02-28', '2025-02-28T01:02:03.500',
                                   '2025-07-01 00:00:00', '2025-07-01T00:00:00+02:00'),
                                  (2, 9223372036854775807, -0.0, '12.340', '', x'', 0, NULL, '2025-02-28',
                                   '2025-01-01 00:00:00', '2025-07-01 00:00:00.25Z');
             CREATE TABLE twins (v TEXT); INSERT INTO twins VALUES ('x'), ('x'), (NULL);",
        );
        env.query(
            "CREATE TABLE a (id bigint, i bigint, r float8, n numeric, t text, b bytea, flag boolean, day date,
                             at timestamp, here timestamptz, zoned timestamptz);
             INSERT INTO a VALUES (1, -7, 0.1, 1.50, 'one', '\\x00ff', true, '2025-02-28', '2025-02-28 01:02:03.5',
                                   '2025-07-01 06:00:00Z', '2025-06-30 22:00:00Z'),
                                  (2, 9223372036854775807, '-0', 12.34, '', '\\x', false, NULL, '2025-02-28 00:00:00',
                                   '2025-01-01 07:00:00Z', '2025-07-01 00:00:00.25Z');
             CREATE TABLE twins (v varchar(9)); INSERT INTO twins VALUES ('x'), (NULL), ('x');",
        );
        env.query(change);
        Comparison::new().zone("a", "here", "America/Denver").compare(&env.source(), &env.connect())
    }

    #[test]
    fn the_judge_finds_equal_what_is_equal() {
        assert_eq!(judged("SELECT 1").unwrap(), Compared { tables: 2, rows: 5, set_aside: 0 });
        assert_eq!(judged("UPDATE a SET n = 1.5000 WHERE id = 1").unwrap().rows, 5);
    }

    #[test]
    fn the_judge_finds_every_change() {
        for change in [
            "UPDATE a SET i = -8 WHERE id = 1",
            "UPDATE a SET i = NULL WHERE id = 1",
            "UPDATE a SET r = 0.10000000000000002 WHERE id = 1",
            "UPDATE a SET r = 0 WHERE id = 2",
            "UPDATE a SET n = 1.51 WHERE id = 1",
            "UPDATE a SET t = NULL WHERE id = 2",
            "UPDATE a SET t = 'one ' WHERE id = 1",
            "UPDATE a SET b = '\\x00fe' WHERE id = 1",
            "UPDATE a SET flag = NOT flag WHERE id = 1",
            "UPDATE a SET day = day + 1",
            "UPDATE a SET at = at + '1 microsecond' WHERE id = 1",
            "UPDATE a SET here = here + '1 hour' WHERE id = 2",
            "UPDATE a SET zoned = zoned + '1 microsecond' WHERE id = 2",
            "UPDATE a SET id = 3 - id",
            "UPDATE a SET t = (SELECT t FROM a b WHERE b.id = 3 - a.id)",
            "DELETE FROM a WHERE id = 1",
            "INSERT INTO a SELECT * FROM a WHERE id = 1",
            "INSERT INTO twins VALUES ('x')",
            "DELETE FROM twins WHERE v IS NULL",
            "ALTER TABLE twins DROP COLUMN v",
            "ALTER TABLE twins ADD COLUMN w text",
            "ALTER TABLE twins RENAME COLUMN v TO \"V\"",
            "ALTER TABLE twins RENAME TO \"Twins\"",
            "ALTER TABLE a RENAME i TO x; ALTER TABLE a RENAME r TO i; ALTER TABLE a RENAME x TO r",
            "ALTER TABLE a ALTER t TYPE bytea USING convert_to(t, 'UTF8')",
            "DROP TABLE twins",
            "CREATE TABLE more ()",
        ] {
            let judged = judged(change);
            assert!(judged.is_err(), "{change} was not found: {judged:?}");
        }
    }

    #[test]
    fn the_judge_does_not_call_nothing_equal() {
        let env = Environment::new();
        env.sqlite("CREATE TABLE a (id)");
        env.sqlite("DROP TABLE a");
        assert!(Comparison::new().compare(&env.source(), &env.connect()).is_err());
    }

    #[test]
    fn equal_decimals_are_written_alike() {
        for (one, other) in
            [("1.50", "1.5"), ("1e3", "1000"), ("-0.010", "-1e-2"), ("000", "0.0"), ("+7", "7")]
        {
            assert_eq!(decimal(one).unwrap(), decimal(other).unwrap());
        }
        assert_ne!(decimal("-0"), decimal("0"));
        assert_eq!(decimal("1e"), None);
        assert_eq!(decimal("abc"), None);
        assert_eq!(decimal(" 1"), None);
    }
}
