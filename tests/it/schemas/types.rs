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
