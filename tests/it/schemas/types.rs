//! Declared types of every kind, by SQLite's rule of affinity and not by their sound.

use super::Moved;

#[test]
fn a_declared_type_means_what_sqlite_makes_of_it() {
    // Values as an application binds them; what the affinity makes of them decides.
    let moved = Moved::new(
        "CREATE TABLE t (
            id INTEGER PRIMARY KEY, a FLOATING POINT, b CHARINT, c STRING, d \"NATIVE CHARACTER\"(70), e UNSIGNED BIG INT,
            f DOUBLE PRECISION, g, h \"\", i XBLOBY, j \"VARCHAR(10); DROP TABLE t\", k \"🐸 (3,x)\", l MEDIUMTEXT, m BOOL,
            n \"INT) REFERENCES pg_class (oid\", o INT8(4), p numeric(10,5), q DECIMAL(2,9), r VARCHAR(0), s CLOB(1));
         INSERT INTO t VALUES (1, '12', '3', '007', 5, 9223372036854775807, 3, 'x', 7, x'00', 'y', '1.50', 8, 1, '4', 5, '1.25', 1.5, 'z', 'long');
         INSERT INTO t VALUES (2, '13', '4', '8.5', 6, 0, 0.5, 'y', 8, x'01', 'ab', 2, 9, 0, 5, 6, 3, 2, '', '');",
    );
    let types = moved.types("t");
    let types: Vec<_> = types.iter().map(String::as_str).collect();
    assert_eq!(
        types,
        [
            "bigint",
            "bigint",
            "bigint",
            "numeric",
            "text",
            "bigint",
            "double precision",
            "text",
            "bigint",
            "bytea",
            "character varying(10)",
            "numeric",
            "text",
            "boolean",
            "bigint",
            "bigint",
            "numeric(10,5)",
            "numeric",
            "text",
            "text"
        ]
    );
    assert_eq!(moved.env.value("SELECT c::text || ' ' || k::text FROM t WHERE id = 1"), "7 1.5");
}

#[test]
fn a_column_without_values_has_the_type_that_its_affinity_promises() {
    let moved = Moved::new(
        "CREATE TABLE t (
            a FLOATING POINT, b CHARINT, c STRING, d BOOLEAN, e DATETIME, f DECIMAL(9, 2), g MONEY, h VARCHAR(7), i NATIONAL CHARACTER,
            j CLOB, k BLOB, l, m REAL, n DOUBLE PRECISION, o XFLOAT, p DATE, q POINT, r JSON, s UUID, t TIME);",
    );
    let types = [
        "bigint",
        "bigint",
        "numeric",
        "boolean",
        "timestamp without time zone",
        "numeric(9,2)",
        "numeric",
        "character varying(7)",
        "text",
        "text",
        "bytea",
        "text",
        "double precision",
        "double precision",
        "double precision",
        "date",
        "bigint",
        "json",
        "uuid",
        "time without time zone",
    ];
    assert_eq!(moved.types("t"), types);
    // As the application writes them.
    moved.both().take(&[
        "INSERT INTO t (e, p, t) VALUES ('2025-01-31 12:00:00', '2025-01-31', '12:00:00')",
    ]);
}

#[test]
fn any_converts_nothing_in_a_strict_table_and_is_numeric_elsewhere() {
    let moved = Moved::new(
        "CREATE TABLE strict_one (id INTEGER PRIMARY KEY, i ANY, t ANY, b ANY, mixed ANY, at ANY) STRICT;
         INSERT INTO strict_one VALUES (1, 5, '007', x'00', 1, '2025-01-01'), (2, 6, '08', NULL, 'one', NULL);
         CREATE TABLE loose (id INTEGER PRIMARY KEY, i ANY, t ANY);
         INSERT INTO loose VALUES (1, 5, '007'), (2, 6, '08');",
    );
    assert_eq!(moved.types("strict_one"), ["bigint", "bigint", "text", "bytea", "text", "text"]);
    assert_eq!(moved.types("loose"), ["bigint", "numeric", "numeric"]);
    assert_eq!(moved.env.value("SELECT string_agg(t, ' ' ORDER BY id) FROM strict_one"), "007 08");
    moved.both().take(&["INSERT INTO strict_one VALUES (3, 7, 'x', NULL, 'y', NULL)"]);
}

/// Declared types, three values as SQL, the type that carries all of them, and what PostgreSQL shows of them.
type Case = (&'static str, [&'static str; 3], &'static str, [&'static str; 3]);

const CASES: [Case; 24] = [
    // What is declared is not what is there.
    ("INTEGER", ["1", "''", "9007199254740993"], "text", ["1", "", "9007199254740993"]),
    ("INTEGER", ["1", "'N/A'", "2.5"], "text", ["1", "N/A", "2.5"]),
    ("REAL", ["0.1", "''", "2"], "text", ["0.1", "", "2"]),
    ("VARCHAR(3)", ["'abc'", "'abcd'", "NULL"], "text", ["abc", "abcd", "-"]),
    ("BOOLEAN", ["0", "1", "2"], "bigint", ["0", "1", "2"]),
    ("BOOLEAN", ["'1'", "'0'", "NULL"], "boolean", ["true", "false", "-"]),
    ("BOOLEAN", ["'t'", "1", "'f'"], "text", ["t", "1", "f"]),
    (
        "UUID",
        ["'550e8400-e29b-41d4-a716-446655440000'", "''", "NULL"],
        "text",
        ["550e8400-e29b-41d4-a716-446655440000", "", "-"],
    ),
    // The words decide otherwise than they sound: NUMERIC, INTEGER, INTEGER, INTEGER.
    ("STRING", ["'007'", "'1e3'", "'x'"], "text", ["7", "1000", "x"]),
    ("FLOATING POINT", ["'1'", "2.5", "3"], "numeric", ["1", "2.5", "3"]),
    ("CHARINT", ["'1'", "'2.0'", "'03'"], "bigint", ["1", "2", "3"]),
    (
        "TINYINT",
        ["2147483648", "-1", "9223372036854775807"],
        "bigint",
        ["2147483648", "-1", "9223372036854775807"],
    ),
    // NUMERIC affinity makes numbers of digits before anybody asks for days.
    ("DATETIME", ["'2020'", "'20200101'", "' 12 '"], "bigint", ["2020", "20200101", "12"]),
    (
        "DATETIME",
        ["'2020'", "'2020-01-31 00:00:00'", "NULL"],
        "text",
        ["2020", "2020-01-31 00:00:00", "-"],
    ),
    (
        "TIMESTAMP",
        ["1700000000", "1700000000.5", "NULL"],
        "numeric",
        ["1700000000", "1700000000.5", "-"],
    ),
    // And rounds decimals; all that is left of them is exact.
    (
        "DECIMAL(20, 2)",
        ["'12345678901234567.89'", "'1.10'", "'100.00'"],
        "numeric(20,2)",
        ["12345678901234568.00", "1.10", "100.00"],
    ),
    ("DECIMAL(5, 2)", ["1.005", "1", "2"], "numeric", ["1.005", "1", "2"]),
    (
        "NUMERIC",
        ["0.30000000000000004", "1e22", "1e-7"],
        "numeric",
        ["0.30000000000000004", "10000000000000000000000", "0.0000001"],
    ),
    ("DECIMAL(10, 2)", ["9e999", "1.5", "2"], "double precision", ["Infinity", "1.5", "2"]),
    // NaN is NULL, -0.0 has no sign in REAL, and whole numbers are floats there.
    ("REAL", ["-9e999", "9e999 - 9e999", "-0.0"], "double precision", ["-Infinity", "-", "0"]),
    (
        "REAL",
        ["1", "2", "9007199254740993"],
        "double precision",
        ["1", "2", "9.007199254740992e+15"],
    ),
    ("", ["-0.0", "0.5", "1.0"], "double precision", ["-0", "0.5", "1"]),
    // jsonb would drop `b` once, put `a` first, and refuse the character.
    (
        "JSON",
        [r#"'{"b": 1, "a": 2, "b": 3}'"#, r#"'"\u0000"'"#, "'[1.0]'"],
        "json",
        [r#"{"b": 1, "a": 2, "b": 3}"#, r#""\u0000""#, "[1.0]"],
    ),
    (
        "JSONB",
        [r#"'{"b": 1}'"#, r#"'"\u0000"'"#, "'[]'"],
        "text",
        [r#"{"b": 1}"#, r#""\u0000""#, "[]"],
    ),
];

#[test]
fn a_column_has_the_type_that_carries_every_value_whatever_is_declared() {
    let columns = |of: &dyn Fn(usize, &Case) -> String| {
        CASES.iter().enumerate().map(|(at, case)| of(at, case)).collect::<Vec<_>>().join(", ")
    };
    let rows = (0..3).map(|row| format!("({})", columns(&|_, case| case.1[row].into())));
    let moved = Moved::new(&format!(
        "CREATE TABLE t ({}); INSERT INTO t VALUES {}",
        columns(&|at, case| format!("c{at} {}", case.0)),
        rows.collect::<Vec<_>>().join(", ")
    ));
    assert_eq!(moved.types("t"), CASES.map(|case| case.2));
    for (at, (declared, _, kind, shown)) in CASES.iter().enumerate() {
        let values = format!("SELECT coalesce(c{at}::text, '-') FROM t ORDER BY ctid");
        assert_eq!(moved.env.column(&values), *shown, "{declared} as {kind}");
    }
    // What is not as declared is told with the reason.
    for (at, declared, kind) in [
        (0, "INTEGER", "text: 1 texts stand beside 2 numbers"),
        (4, "BOOLEAN", "bigint"),
        (12, "DATETIME", "bigint: all values are integers"),
        (16, "DECIMAL(5, 2)", "numeric: 1 digits before and 3 after the point"),
        (18, "DECIMAL(10, 2)", "double precision"),
        (23, "JSONB", "text: 1 of 3 texts are no JSON documents"),
    ] {
        moved.says(&[&format!("column c{at}: declared {declared}, becomes {kind}")]);
    }
    for as_declared in [5, 10, 11, 15, 17, 19, 20, 22] {
        moved.is_silent_of(&[&format!("column c{as_declared}:")]);
    }
}
