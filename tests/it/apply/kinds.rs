//! Rows of every kind that come, change and go.

use super::{Stage, literal};
use liteferry::store::postgres::apply::Merged;

fn merged(deleted: u64, written: u64) -> Merged {
    Merged { deleted, written, displaced: 0 }
}

#[test]
fn rows_come_change_and_go_by_keys_of_every_kind() {
    for (kind, keys) in [
        ("bigint", ["-9223372036854775808", "0", "1", "9223372036854775807"]),
        ("text", ["", "a", "A", "ä'\"\\"]),
        (
            "uuid",
            [
                "00000000-0000-0000-0000-000000000000",
                "00000000-0000-0000-0000-000000000001",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ],
        ),
        ("numeric", ["-1.5", "0", "1.50", "12345678901234567890123456789012345678901234567890.1"]),
        ("numeric(10,2)", ["-1.50", "0.00", "1.50", "99999999.99"]),
        ("bytea", ["", "\\x00", "\\x0001", "\\xff"]),
        ("timestamptz", ["2000-01-01Z", "1970-01-01Z", "2025-06-01 12:00:00.000001Z", "infinity"]),
        ("varchar(5)", ["", "a", "b ", "12345"]),
        ("double precision", ["-Infinity", "0", "1.5", "NaN"]),
        ("date", ["-infinity", "2000-01-01", "2000-01-02", "2000-01-03"]),
    ] {
        let key = kind.replace(' ', "");
        let key = if key == "doubleprecision" { "float8".to_owned() } else { key };
        let collate = if kind == "text" || kind == "varchar(5)" { "COLLATE \"C\"" } else { "" };
        let stage = Stage::new(
            &format!("CREATE TABLE t (id {kind} {collate} PRIMARY KEY, v text COLLATE \"C\")"),
            &[&format!("id {key}"), "v text"],
            1,
        );
        let [stays, changes, goes, comes] = keys.map(literal);
        stage.now(&format!(
            "INSERT INTO now VALUES ({stays}, 'stays'), ({changes}, 'old'), ({goes}, NULL)"
        ));
        stage.settle().assert_equal();
        stage.now(&format!(
            "UPDATE now SET v = NULL WHERE id = {changes}; DELETE FROM now WHERE id = {goes};
             INSERT INTO now VALUES ({comes}, 'new')"
        ));
        let touched =
            format!("SELECT k::{kind} FROM (VALUES ({changes}), ({goes}), ({comes})) AS v (k)");
        assert_eq!(stage.apply(&touched), merged(1, 2), "{kind}");
        stage.assert_equal();
    }
}

#[test]
fn a_composite_key_names_a_row_whatever_its_order_in_the_table() {
    let stage = Stage::new(
        "CREATE TABLE t (a bigint, b text COLLATE \"C\", c bytea, v float8, PRIMARY KEY (c, a, b))",
        &["a bigint", "b text", "c bytea", "v float8"],
        3,
    );
    stage.now("INSERT INTO now SELECT n % 3, n::text, decode('0' || n % 2, 'hex'), n FROM generate_series(1, 50) n");
    stage.settle();
    stage.now("DELETE FROM now WHERE a = 1 AND b < '3'; UPDATE now SET v = -v WHERE a = 2; INSERT INTO now VALUES (1, '', '', 'NaN')");
    stage.apply("SELECT a, b, c FROM t UNION ALL SELECT a, b, c FROM now UNION ALL SELECT 7, 'no such', ''::bytea");
    stage.assert_equal();
}

#[test]
fn what_the_target_computes_is_computed_again_and_read_back() {
    let stage = Stage::new(
        "CREATE TABLE t (id bigint PRIMARY KEY, n bigint, twice bigint GENERATED ALWAYS AS (n * 2) STORED UNIQUE)",
        &["id bigint", "n bigint", "twice bigint = n * 2"],
        1,
    );
    stage.now("INSERT INTO now VALUES (1, 1, 2), (2, 2, 4), (3, NULL, NULL)").settle();
    // The two swap what is computed: it is by the index on that, that they are in each other's way.
    stage.now("UPDATE now SET n = 3 - n, twice = (3 - n) * 2 WHERE n IS NOT NULL");
    stage.apply("SELECT id FROM now");
    stage.assert_equal();
    stage.now("INSERT INTO now VALUES (4, 9, 18); UPDATE now SET n = 8, twice = 16 WHERE id = 1");
    stage.apply("VALUES (1), (4)");
    stage.assert_equal();
}

#[test]
fn an_identity_counts_on_by_itself_and_keeps_the_numbers_that_it_is_given() {
    for kind in ["BY DEFAULT", "ALWAYS"] {
        let stage = Stage::new(
            &format!(
                "CREATE TABLE t (id bigint GENERATED {kind} AS IDENTITY PRIMARY KEY, v text COLLATE \"C\")"
            ),
            &["id bigint", "v text"],
            1,
        );
        stage.now("INSERT INTO now VALUES (5, 'a'), (7, 'b')").settle();
        stage.now("UPDATE now SET v = 'c' WHERE id = 5; INSERT INTO now VALUES (100, 'd')");
        assert_eq!(stage.apply("VALUES (5), (100)"), merged(0, 2), "{kind}");
        stage.assert_equal();
        // The sequence was not used.
        stage.now("INSERT INTO t (v) VALUES ('by the application')");
        assert_eq!(stage.env.value("SELECT id FROM t WHERE v LIKE 'by%'"), "1", "{kind}");
    }
}

#[test]
fn an_identity_beside_the_key_is_replaced_as_a_whole() {
    let stage = Stage::new(
        "CREATE TABLE t (id text COLLATE \"C\" PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY, v text COLLATE \"C\")",
        &["id text", "n bigint", "v text"],
        1,
    );
    stage.now("INSERT INTO now VALUES ('a', 10, 'x'), ('b', 20, 'x'), ('c', 30, 'x')").settle();
    stage.now("UPDATE now SET n = 11, v = 'y' WHERE id = 'a'; DELETE FROM now WHERE id = 'b'");
    assert_eq!(stage.apply("VALUES ('a'), ('b'), ('none')"), merged(2, 1));
    stage.assert_equal();
}

#[test]
fn odd_names_are_names_like_any_other() {
    let names = ["a\"b", "Größe", "select", "excluded", "t", "gone", "1", "k", "staged", "given"];
    let quoted: Vec<_> = names.iter().map(|name| super::quoted(name)).collect();
    let columns: Vec<_> = names.iter().map(|name| format!("{name} bigint")).collect();
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let table = "o\"dd 'n' $$ t";
    let sql = quoted.iter().map(|name| format!("{name} bigint")).collect::<Vec<_>>().join(", ");
    let unique =
        quoted[2..].iter().map(|name| format!("UNIQUE ({name})")).collect::<Vec<_>>().join(", ");
    let target = super::quoted(table);
    let stage = Stage::of(
        crate::environment::Environment::new(),
        table,
        &format!(
            "CREATE TABLE {target} ({sql}, PRIMARY KEY ({}, {}), {unique})",
            quoted[0], quoted[1]
        ),
        &columns,
        2,
    );
    stage
        .now("INSERT INTO now SELECT n, n, n, n, n, n, n, n, n, n FROM generate_series(1, 9) n")
        .settle();
    // Everything moves on by one, within a ring.
    let moved = quoted[2..].iter().map(|name| format!("{name} = {name} % 9 + 1"));
    stage.now(&format!("UPDATE now SET {}", moved.collect::<Vec<_>>().join(", ")));
    let key = format!("{}, {}", quoted[0], quoted[1]);
    stage.apply(&format!("SELECT {key} FROM now"));
    stage.assert_equal();
    // A part of the ring is enough to displace the rest.
    let moved = quoted[2..].iter().map(|name| format!("{name} = {name} % 9 + 1"));
    stage.now(&format!("UPDATE now SET {}", moved.collect::<Vec<_>>().join(", ")));
    let first = stage.apply(&format!("SELECT {key} FROM now WHERE {} = 1", quoted[0]));
    assert_eq!(first, Merged { deleted: 1, written: 1, displaced: 1 });
    stage.apply(&format!("SELECT {key} FROM now"));
    stage.assert_equal();
}

#[test]
fn a_hundred_columns_of_all_types_arrive() {
    let kinds = [
        "bigint",
        "text",
        "float8",
        "numeric",
        "bytea",
        "bool",
        "jsonb",
        "json",
        "uuid",
        "timestamptz",
    ];
    let names: Vec<_> = (0..100).map(|n| format!("c{n} {}", kinds[n % kinds.len()])).collect();
    let columns: Vec<_> = names.iter().map(String::as_str).collect();
    let stage = Stage::new(
        &format!("CREATE TABLE t ({}, PRIMARY KEY (c0))", names.join(", ")),
        &columns,
        1,
    );
    let values = |from: &str| {
        let all = (0..100).map(|n| match n % kinds.len() {
            0 => format!("{from} + {n}"),
            1 => format!("nullif('t' || {from}, 't2')"),
            2 | 3 => format!("{from} / 7.0"),
            4 => format!("decode(md5({from}::text), 'hex')"),
            5 => format!("{from} % 2 = 0"),
            6 => format!("to_jsonb({from})"),
            7 => format!("to_json({from})"),
            8 => format!("md5({from}::text)::uuid"),
            _ => format!("to_timestamp({from} * 1e6)"),
        });
        all.collect::<Vec<_>>().join(", ")
    };
    stage
        .now(&format!("INSERT INTO now SELECT {} FROM generate_series(1, 20) g", values("g")))
        .settle();
    stage.now(&format!(
        "DELETE FROM now WHERE c0 < 5; INSERT INTO now SELECT {} FROM generate_series(21, 25) g",
        values("g")
    ));
    stage.now("UPDATE now SET c2 = -1, c3 = 1.500, c17 = NULL, c7 = '{\"a\" :1}' WHERE c0 > 15");
    stage.apply("SELECT c0 FROM now UNION SELECT c0 FROM t");
    stage.assert_equal();
}

#[test]
fn a_table_that_is_all_key_has_nothing_to_update() {
    let stage = Stage::new(
        "CREATE TABLE t (a bigint, b bigint, PRIMARY KEY (a, b))",
        &["a bigint", "b bigint"],
        2,
    );
    stage.now("INSERT INTO now VALUES (1, 1), (1, 2)").settle();
    stage.now("DELETE FROM now WHERE b = 1; INSERT INTO now VALUES (2, 2)");
    assert_eq!(stage.apply("VALUES (1, 1), (1, 2), (2, 2)"), merged(1, 1));
    stage.assert_equal();
}

#[test]
fn nothing_staged_changes_nothing_and_keys_alone_delete() {
    let stage =
        Stage::new("CREATE TABLE t (id bigint PRIMARY KEY, v text)", &["id bigint", "v text"], 1);
    stage.now("INSERT INTO now VALUES (1, 'a'), (2, 'b'), (3, 'c')").settle();
    assert_eq!(stage.apply("SELECT 1 WHERE false"), merged(0, 0));
    stage.assert_equal().now("DELETE FROM now WHERE id < 3");
    // A key may have been touched several times, and one that never was in the target is no matter.
    assert_eq!(stage.apply("SELECT unnest(ARRAY[1, 2, 2, 1, 99])"), merged(2, 0));
    assert_eq!(stage.assert_equal().apply("VALUES (1), (99)"), merged(0, 0));
    stage.assert_equal();
}

#[test]
fn a_key_that_was_deleted_and_inserted_again_has_its_new_row() {
    let stage =
        Stage::new("CREATE TABLE t (id bigint PRIMARY KEY, v text)", &["id bigint", "v text"], 1);
    stage.now("INSERT INTO now VALUES (1, 'old')").settle();
    stage.now("DELETE FROM now; INSERT INTO now VALUES (1, 'new')");
    assert_eq!(stage.apply("SELECT unnest(ARRAY[1, 1])"), merged(0, 1));
    stage.assert_equal();
}

#[test]
fn columns_of_the_targets_own_keep_their_values() {
    let stage = Stage::new(
        "CREATE TABLE t (extra bigint NOT NULL DEFAULT 7, id bigint PRIMARY KEY, v text, also text GENERATED ALWAYS AS (v || extra) STORED)",
        &["id bigint", "v text"],
        1,
    );
    stage.now("INSERT INTO now VALUES (1, 'a')").settle().now("UPDATE t SET extra = 8");
    stage.now("UPDATE now SET v = 'b'; INSERT INTO now VALUES (2, 'c')");
    stage.apply("VALUES (1), (2)");
    assert_eq!(stage.assert_equal().env.column("SELECT also FROM t ORDER BY id"), ["b8", "c7"]);
}

#[test]
fn a_table_without_an_index_is_caught_up_by_reading_it_once() {
    let stage =
        Stage::new("CREATE TABLE t (id text COLLATE \"C\", v bigint)", &["id text", "v bigint"], 1);
    stage.now("INSERT INTO now SELECT g::text, g FROM generate_series(1, 100) g").settle();
    // Two states of the source had this row at two places.
    stage.now("INSERT INTO t SELECT * FROM t WHERE v < 10; UPDATE now SET v = -v WHERE v < 20; DELETE FROM now WHERE v = 50");
    let merged = stage.try_apply("SELECT id FROM t WHERE v < 60", false).unwrap();
    assert_eq!((merged.deleted, merged.written), (68, 58));
    stage.assert_equal().now("ALTER TABLE t ADD PRIMARY KEY (id); INSERT INTO now VALUES ('x', 0)");
    stage.apply("VALUES ('x'), ('1')");
    stage.assert_equal();
}

#[test]
fn a_key_that_has_no_index_of_its_own_is_replaced() {
    // As where the values are too long for one.
    let stage = Stage::new(
        "CREATE TABLE t (id text COLLATE \"C\" NOT NULL, v bigint); CREATE UNIQUE INDEX ON t (md5(id))",
        &["id text", "v bigint"],
        1,
    );
    stage
        .now("INSERT INTO now SELECT repeat(g::text, 5000), g FROM generate_series(1, 9) g")
        .settle();
    stage.now("UPDATE now SET v = -v WHERE v < 5; DELETE FROM now WHERE v = 7");
    assert_eq!(stage.apply("SELECT id FROM t WHERE v IN (3, 4, 7)"), merged(3, 2));
    stage.apply("SELECT id FROM t");
    stage.assert_equal();
}

#[test]
fn a_session_stages_several_tables_again_and_again_and_a_new_one_starts_anew() {
    let mut stage =
        Stage::new("CREATE TABLE t (id bigint PRIMARY KEY, v text)", &["id bigint", "v text"], 1);
    stage.now("CREATE TABLE public.other (id bigint PRIMARY KEY, v text, w text)");
    let other =
        super::table("other", ["id bigint", "v text", "w text"].map(super::column).into(), 1);
    for round in 0..6 {
        // Enough for the temp tables to be cut off between.
        stage.now(&format!(
            "TRUNCATE now; INSERT INTO now SELECT g, {round} FROM generate_series(1, 6000) g"
        ));
        stage.apply("SELECT id FROM now");
        stage.assert_equal();
        let staged =
            liteferry::store::postgres::stage::Staging::of(&stage.session, &other).unwrap();
        drop(staged);
        if round == 3 {
            stage.session = super::open(&stage.env);
        }
    }
    let made = stage.session.query("", "SELECT count(*) FROM pg_class WHERE relname ~ '^liteferry_' AND relpersistence = 't' AND relnamespace = pg_my_temp_schema()", &[]);
    assert_eq!(made.unwrap()[0].get::<_, i64>(0), 4);
}

#[test]
fn a_key_by_which_nothing_can_be_found_is_refused() {
    let stage = Stage::new("CREATE TABLE t (id json, v text)", &["id json", "v text"], 1);
    let refused = stage.try_apply("SELECT '1'::json WHERE false", true).unwrap_err();
    assert_eq!(refused.class(), liteferry::Class::Undecided);
    assert!(refused.to_string().contains("table t: its key has the column id"), "{refused}");
}

#[test]
fn rows_that_are_read_alone_because_they_are_large_are_read_back_as_well() {
    let mut stage = Stage::new(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text COLLATE \"C\")",
        &["id bigint", "v text"],
        1,
    );
    stage.table.largest_row_bytes = 6 << 20;
    stage.now(
        "INSERT INTO now VALUES (1, 'a'), (2, repeat('b', 5 << 20)), (3, repeat('c', 5 << 20))",
    );
    stage.apply("SELECT id FROM now WHERE id < 3");
    stage.apply("SELECT id FROM now");
    stage.assert_equal();
}
