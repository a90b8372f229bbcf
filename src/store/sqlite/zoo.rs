//! That `data/zoo.sql` holds what it says, so that no test of exact values proves less than it seems to.

use crate::sample::ZOO_SQL;
use rusqlite::{Connection, types::FromSql};

fn zoo() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    connection.execute_batch(ZOO_SQL).unwrap();
    connection
}

fn column<T: FromSql>(sql: &str) -> Vec<T> {
    zoo()
        .prepare(sql)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

#[test]
fn it_loads_with_foreign_keys_enforced_and_is_sound() {
    assert_eq!(column::<String>("PRAGMA integrity_check"), ["ok"]);
    assert_eq!(
        column::<String>("SELECT name FROM sqlite_schema WHERE name = 'sqlite_sequence'").len(),
        1
    );
    assert!(column::<String>("SELECT \"table\" FROM pragma_foreign_key_check").is_empty());
    let keys = column::<i64>("SELECT count(*) FROM pragma_foreign_key_list('composite_reference')");
    assert_eq!(keys, [3], "two columns of one key, one of the other");
}

#[test]
fn it_has_the_extreme_doubles_to_the_bit() {
    let bits = |sql| column::<f64>(sql).into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let untyped = bits("SELECT untyped FROM doubles WHERE id BETWEEN 6 AND 10 ORDER BY id");
    let subnormal = f64::from_bits((1 << 52) - 1);
    let extremes = [f64::MAX, f64::MIN_POSITIVE, subnormal, f64::from_bits(1), f64::INFINITY]
        .map(f64::to_bits);
    assert_eq!(untyped, extremes);
    assert_eq!(bits("SELECT value FROM doubles WHERE id BETWEEN 6 AND 10 ORDER BY id"), extremes);
    assert_eq!(
        bits("SELECT untyped FROM doubles WHERE id IN (3, 13)"),
        [(0.1 + 0.2_f64).to_bits(), (-0.0_f64).to_bits()]
    );
    assert_eq!(bits("SELECT value FROM doubles WHERE id = 13"), [0.0_f64.to_bits()]);
    assert_eq!(
        column::<String>("SELECT DISTINCT typeof(untyped) FROM doubles WHERE id < 14"),
        ["real"]
    );
}

#[test]
fn it_has_the_extreme_integers_and_rowids() {
    assert_eq!(
        column::<i64>(
            "SELECT plain FROM integers WHERE id = 7 UNION SELECT odd FROM integers WHERE id = 7"
        ),
        [i64::MIN, i64::MAX]
    );
    assert_eq!(
        column::<i64>("SELECT min(rowid) FROM rowids UNION SELECT max(rowid) FROM rowids"),
        [i64::MIN, i64::MAX]
    );
}

#[test]
fn decimals_mix_integer_and_real_in_one_column() {
    for name in ["amount", "rate"] {
        let classes =
            column::<String>(&format!("SELECT DISTINCT typeof({name}) FROM decimals ORDER BY 1"));
        assert_eq!(classes, ["integer", "null", "real"]);
    }
}

#[test]
fn every_value_has_the_storage_class_that_its_table_is_about() {
    for (sql, class) in [
        ("SELECT DISTINCT typeof(body) FROM texts WHERE body IS NOT NULL", "text"),
        ("SELECT DISTINCT typeof(data) FROM blobs WHERE data IS NOT NULL", "blob"),
        ("SELECT DISTINCT typeof(moment) FROM dates WHERE moment IS NOT NULL", "text"),
        ("SELECT DISTINCT typeof(day) FROM dates WHERE day IS NOT NULL", "text"),
        ("SELECT DISTINCT typeof(at) FROM instants", "text"),
        ("SELECT DISTINCT typeof(flag) FROM booleans", "integer"),
    ] {
        assert_eq!(column::<String>(sql), [class], "{sql}");
    }
    assert_eq!(
        column::<Vec<u8>>("SELECT data FROM blobs WHERE id = 7"),
        [(0..=255).collect::<Vec<u8>>()]
    );
    assert_eq!(column::<i64>("SELECT count(*) FROM texts WHERE instr(body, char(0)) > 0"), [0]);
}

#[test]
fn one_varchar_keeps_its_length_and_one_does_not() {
    assert_eq!(column::<i64>("SELECT max(length(code)) FROM varchars"), [8]);
    assert_eq!(column::<i64>("SELECT max(length(label)) FROM varchars"), [12]);
}

#[test]
fn its_tables_have_the_shapes_that_they_are_about() {
    assert_eq!(column::<i64>("SELECT seq FROM sqlite_sequence"), [1000]);
    assert_eq!(column::<i64>("SELECT max(id) FROM autoincremented"), [7]);
    assert_eq!(
        column::<String>("SELECT name FROM pragma_table_list WHERE wr AND schema = 'main'"),
        ["without_rowid"]
    );
    assert_eq!(
        column::<i64>("SELECT count(*) FROM empty UNION ALL SELECT count(*) FROM single"),
        [0, 1]
    );
    assert_eq!(column::<i64>("SELECT count(*) FROM keyless GROUP BY name ORDER BY 1"), [1, 2, 3]);
    let indexes = "SELECT \"unique\" * 10 + partial FROM pragma_index_list('indexed') ORDER BY 1";
    assert_eq!(column::<i64>(indexes), [0, 0, 1, 10, 10, 11]);
    assert_eq!(
        column::<i64>("SELECT count(*) FROM pragma_index_xinfo('indexed_volume') WHERE desc"),
        [1]
    );
}
