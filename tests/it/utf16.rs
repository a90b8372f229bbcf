//! Databases whose texts are UTF-16: what is text arrives as such, and what is none is told from it and kept as it is.

use crate::comparison::Comparison;
use crate::environment::Environment;

/// The hexadecimal digits of units.
type Digits = fn(&[u16]) -> String;
/// Both kinds.
const ENCODINGS: [(&str, Digits); 2] = [
    ("UTF-16le", |units| hex(units.iter().flat_map(|unit| unit.to_le_bytes()))),
    ("UTF-16be", |units| hex(units.iter().flat_map(|unit| unit.to_be_bytes()))),
];

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Half a pair.
const HALF: u16 = 0xD800;
const REJECTS: &str =
    "SELECT table_name || ' ' || row_name || ' ' || reason || ' ' || storage_class || ' '
    || coalesce(encoding, 'none') || ' ' || encode(value, 'hex') FROM liteferry.reject ORDER BY 1";

fn made(encoding: &str, sql: &str) -> Environment {
    let env = Environment::new();
    env.sqlite(&format!("PRAGMA encoding = '{encoding}'; {sql}"));
    env
}

#[test]
fn what_is_no_text_is_set_aside_with_its_bytes_and_their_encoding() {
    for (encoding, hex) in ENCODINGS {
        let (alone, before) = (hex(&[HALF]), hex(&[HALF, 0x41]));
        let env = made(
            encoding,
            &format!(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n INTEGER);
                 INSERT INTO t (id, v) VALUES (1, 'Привет 🐸'), (2, CAST(x'{alone}' AS TEXT)), (3, 'a' || char(0) || 'b'),
                    (4, CAST(x'{before}' AS TEXT)), (5, x'{alone}'), (7, 'fits'), (8, 'fits'), (9, 'fits'), (10, 'fits');
                 INSERT INTO t (id, n) VALUES (11, 11), (12, 12), (13, x'00');"
            ),
        );
        env.run(&[]).expect(65);
        assert_eq!(env.column("SELECT v FROM t WHERE id = 1"), ["Привет 🐸"]);
        assert_eq!(env.value("SELECT count(*) FROM t"), "7");
        let rejects = [
            "t rowid 13 a BLOB is no value of this column blob none 00".into(),
            format!("t rowid 2 it is not UTF-8 text {encoding} {alone}"),
            "t rowid 3 it holds a NUL character text UTF-8 610062".into(),
            format!("t rowid 4 it is not UTF-8 text {encoding} {before}"),
            format!("t rowid 5 a BLOB is no value of this column blob none {alone}"),
        ];
        assert_eq!(env.column(REJECTS), rejects);
    }
}

#[test]
fn bytes_of_a_text_that_is_no_utf_8_have_the_encoding_of_their_database() {
    let env = made(
        "UTF-8",
        "CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('fits'), (CAST(x'ff' AS TEXT)), ('fits')",
    );
    env.run(&[]).expect(65);
    assert_eq!(env.column(REJECTS), ["t rowid 2 it is not UTF-8 text UTF-8 ff"]);
}

#[test]
fn a_ledger_that_has_no_place_for_encodings_is_left_alone() {
    let env = made("UTF-8", "CREATE TABLE t (v TEXT); INSERT INTO t VALUES (CAST(x'ff' AS TEXT))");
    env.run(&[]).expect(65);
    env.query(
        "ALTER TABLE liteferry.reject DROP COLUMN encoding; UPDATE liteferry.format SET version = 4",
    );
    let looked = ["plan", "status"].map(|command| env.liteferry(&env.ends(command, &[])));
    for done in [env.run(&[]), env.verify()].into_iter().chain(looked) {
        done.expect(78).saying(&[
            "the ledger has format 4",
            "go on with the version of liteferry that began this migration",
        ]);
    }
}

#[test]
fn half_a_pair_is_not_joined_with_what_follows() {
    for (encoding, hex) in ENCODINGS {
        let (alone, pair) = (hex(&[HALF, 0x41]), hex(&[HALF, 0xDC41]));
        let env = made(
            encoding,
            &format!(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
                 INSERT INTO t VALUES (1, CAST(x'{alone}' AS TEXT)), (2, CAST(x'{pair}' AS TEXT)), (3, NULL);
                 CREATE TABLE k (v TEXT PRIMARY KEY, n) WITHOUT ROWID; INSERT INTO k SELECT v, id FROM t WHERE id < 3;"
            ),
        );
        env.run(&[]).expect(65);
        assert_eq!(
            env.column("SELECT id || ' ' || coalesce(v, '') FROM t ORDER BY 1"),
            ["2 𐁁", "3 "]
        );
        assert_eq!(env.column("SELECT n || ' ' || v FROM k"), ["2 𐁁"]);
        let values = "SELECT table_name || ' ' || encoding || ' ' || encode(value, 'hex') FROM liteferry.reject ORDER BY 1";
        assert_eq!(
            env.column(values),
            [format!("k {encoding} {alone}"), format!("t {encoding} {alone}")]
        );
        // What SQLite gives as the same text is another content.
        env.sqlite(&format!("UPDATE t SET v = CAST(x'{pair}' AS TEXT) WHERE id = 1"));
        env.run(&[]).expect(66).saying(&["table t: all rows: the source changed"]);
    }
}

/// A table of so many columns, few of which have a value in any row.
fn broad(columns: usize) -> String {
    let names: Vec<_> = (0..columns).map(|column| format!("\"the column {column}\"")).collect();
    let cell = |row: usize, column: usize| match column % 5 {
        _ if !(row + column).is_multiple_of(10) => "NULL".into(),
        0 => format!("'ю{column}🐸'"),
        1 => column.to_string(),
        2 => format!("x'{column:04x}'"),
        3 => format!("{column}.25"),
        _ => format!("'{column}'"),
    };
    let row = |row| (0..columns).map(|column| cell(row, column)).collect::<Vec<_>>().join(", ");
    let rows: Vec<_> = (0..20).map(|number| format!("({})", row(number))).collect();
    let (names, rows) = (names.join(", "), rows.join(", "));
    format!("CREATE TABLE broad ({names}); INSERT INTO broad VALUES {rows};")
}

#[test]
fn tables_of_as_many_columns_as_postgresql_has_are_moved() {
    for (columns, (encoding, hex)) in
        [1000, 1200, 1599, 1600].into_iter().zip(ENCODINGS.iter().cycle())
    {
        let env = made(encoding, &broad(columns));
        env.run(&[]).expect(0);
        let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
        assert_eq!((compared.rows, compared.set_aside), (20, 0), "{columns}");
        // Its last column is seen through as its first.
        let (last, half) = (columns - columns % 5 - 1, hex(&[HALF]));
        let env = made(
            encoding,
            &format!(
                "{} INSERT INTO broad (\"the column 0\", \"the column {last}\") VALUES ('a', CAST(x'{half}' AS TEXT)),
                    (CAST(x'{half}' AS TEXT), 'z'), ('a', 'z')",
                broad(columns)
            ),
        );
        env.run(&[]).expect(65);
        let aside = "SELECT row_name || ' ' || column_name || ' ' || encode(value, 'hex') FROM liteferry.reject ORDER BY 1";
        assert_eq!(
            env.column(aside),
            [format!("rowid 21 the column {last} {half}"), format!("rowid 22 the column 0 {half}")]
        );
        assert_eq!(
            env.value(&format!("SELECT \"the column 0\" || \"the column {last}\" FROM broad WHERE \"the column {last}\" = 'z'")),
            "az"
        );
    }
}
