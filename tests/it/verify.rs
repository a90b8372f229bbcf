//! Differences: whatever is changed in the target is found, and named by table, kind, key and column.

use crate::environment::{Done, Environment};
use serde_json::Value;

/// Three kinds of tables, each of several chunks or buckets where its rows allow it.
const SOURCE: &str = "
    CREATE TABLE by_rowid (id INTEGER PRIMARY KEY, name TEXT, price NUMERIC, flag BOOLEAN);
    CREATE TABLE by_text (code TEXT PRIMARY KEY, name TEXT, price NUMERIC, flag BOOLEAN) WITHOUT ROWID;
    CREATE TABLE without_key (name TEXT, price NUMERIC, flag BOOLEAN);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO by_rowid SELECT i, 'name ' || i, i / 4.0, i % 2 FROM n;
    INSERT INTO by_text SELECT 'code ' || id, name, price, flag FROM by_rowid;
    INSERT INTO without_key SELECT name, price, flag FROM by_rowid;
    INSERT INTO without_key VALUES ('twin', 1.5, 0), ('twin', 1.5, 0);";

fn moved() -> Environment {
    let env = Environment::new();
    env.sqlite(SOURCE);
    env.run(&[]).expect(0);
    env
}

/// One row that the report shows: its kind, its key and the columns that differ with both sides' values.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    kind: String,
    key: String,
    columns: Vec<[String; 3]>,
}

fn found(kind: &str, key: &str, columns: &[[&str; 3]]) -> Found {
    let columns = columns.iter().map(|column| column.map(Into::into)).collect();
    Found { kind: kind.into(), key: key.into(), columns }
}

/// The differences of the one table that differs.
#[track_caller]
fn differences(done: &Done, table: &str) -> Vec<Found> {
    let json = done.json();
    assert_eq!(json["ok"], false, "{done}");
    for row in json["tables"].as_array().unwrap() {
        assert_eq!(row["equal"], row["name"] != table, "{done}");
    }
    let [differences] = json["differences"].as_array().unwrap().as_slice() else {
        panic!("{done}")
    };
    assert_eq!(differences["table"], table);
    assert_eq!(differences["complete"], true);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut rows: Vec<_> = differences["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| Found {
            kind: text(&row["kind"]),
            key: text(&row["key"]),
            columns: row["columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| [text(&column[0]), text(&column[1]), text(&column[2])])
                .collect(),
        })
        .collect();
    rows.sort();
    for kind in ["missing", "extra", "changed"] {
        let shown = rows.iter().filter(|row| row.kind == kind).count();
        assert_eq!(differences[kind], shown, "{done}");
    }
    rows
}

/// What `verify` finds after one change to the target.
#[track_caller]
fn after(change: &str, table: &str) -> Vec<Found> {
    let env = moved();
    env.query(change);
    let done = env.verify().expect(67).saying(&[table]);
    differences(&done, table)
}

#[test]
fn equal_stores_are_equal() {
    let env = moved();
    let done = env.verify().expect(0);
    let tables = done.json()["tables"].as_array().unwrap();
    let rows: Vec<_> = tables
        .iter()
        .map(|table| (&table["name"], &table["source_rows"], &table["target_rows"]))
        .collect();
    assert_eq!(
        format!("{rows:?}"),
        r#"[(String("by_rowid"), Number(5000), Number(5000)), (String("by_text"), Number(5000), Number(5000)), (String("without_key"), Number(5002), Number(5002))]"#
    );
    for table in tables {
        assert_eq!(table["digest_source"], table["digest_target"]);
        assert_eq!(table["digest_source"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn a_changed_cell_of_a_table_with_a_rowid_is_named() {
    let rows = after("UPDATE by_rowid SET name = 'other' WHERE id = 4321", "by_rowid");
    assert_eq!(rows, [found("changed", "4321", &[["name", "name 4321", "other"]])]);
}

#[test]
fn a_missing_row_of_a_table_with_a_rowid_is_named() {
    let rows = after("DELETE FROM by_rowid WHERE id = 17", "by_rowid");
    let columns = [
        ["id", "17", "-"],
        ["name", "name 17", "-"],
        ["price", "4.25", "-"],
        ["flag", "true", "-"],
    ];
    assert_eq!(rows, [found("missing", "17", &columns)]);
}

#[test]
fn an_extra_row_of_a_table_with_a_rowid_is_named() {
    for id in ["-3", "5001"] {
        let rows =
            after(&format!("INSERT INTO by_rowid VALUES ({id}, NULL, 0, false)"), "by_rowid");
        let columns =
            [["id", "-", id], ["name", "-", "NULL"], ["price", "-", "0"], ["flag", "-", "false"]];
        assert_eq!(rows, [found("extra", id, &columns)]);
    }
}

#[test]
fn values_swapped_between_rows_with_a_rowid_are_named() {
    let rows = after(
        "UPDATE by_rowid SET price = CASE id WHEN 1 THEN 1250 ELSE 0.25 END WHERE id IN (1, 5000)",
        "by_rowid",
    );
    let expected = [
        found("changed", "1", &[["price", "0.25", "1250"]]),
        found("changed", "5000", &[["price", "1250", "0.25"]]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_changed_cell_of_a_table_with_a_text_key_is_named() {
    let rows =
        after("UPDATE by_text SET flag = NULL, price = -price WHERE code = 'code 77'", "by_text");
    let columns = [["price", "19.25", "-19.25"], ["flag", "true", "NULL"]];
    assert_eq!(rows, [found("changed", "code 77", &columns)]);
}

#[test]
fn a_missing_row_of_a_table_with_a_text_key_is_named() {
    let rows = after("DELETE FROM by_text WHERE code = 'code 5000'", "by_text");
    assert_eq!(
        (rows.len(), rows[0].kind.as_str(), rows[0].key.as_str()),
        (1, "missing", "code 5000")
    );
}

#[test]
fn an_extra_row_of_a_table_with_a_text_key_is_named() {
    let rows = after("INSERT INTO by_text VALUES ('', '', NULL, NULL)", "by_text");
    assert_eq!((rows.len(), rows[0].kind.as_str(), rows[0].key.as_str()), (1, "extra", ""));
}

#[test]
fn values_swapped_between_rows_with_a_text_key_are_named() {
    let rows = after(
        "UPDATE by_text SET name = CASE code WHEN 'code 1' THEN 'name 2' ELSE 'name 1' END
         WHERE code IN ('code 1', 'code 2')",
        "by_text",
    );
    let expected = [
        found("changed", "code 1", &[["name", "name 1", "name 2"]]),
        found("changed", "code 2", &[["name", "name 2", "name 1"]]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_changed_key_is_a_missing_row_and_an_extra_one() {
    let rows = after("UPDATE by_text SET code = 'code 0' WHERE code = 'code 9'", "by_text");
    let kinds: Vec<_> = rows.iter().map(|row| (row.kind.as_str(), row.key.as_str())).collect();
    assert_eq!(kinds, [("extra", "code 0"), ("missing", "code 9")]);
}

#[test]
fn a_changed_row_without_a_key_is_a_missing_one_and_an_extra_one() {
    let rows = after("UPDATE without_key SET price = 7 WHERE name = 'name 9'", "without_key");
    let [extra, missing] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((extra.kind.as_str(), missing.kind.as_str()), ("extra", "missing"));
    assert!(extra.columns.contains(&["price", "-", "7"].map(Into::into)), "{rows:?}");
    assert!(missing.columns.contains(&["price", "2.25", "-"].map(Into::into)), "{rows:?}");
    assert!(missing.columns.contains(&["name", "name 9", "-"].map(Into::into)), "{rows:?}");
}

#[test]
fn one_of_two_equal_rows_is_missed() {
    let one = "(SELECT min(ctid) FROM without_key WHERE name = 'twin')";
    let rows = after(&format!("DELETE FROM without_key WHERE ctid = {one}"), "without_key");
    assert_eq!((rows.len(), rows[0].kind.as_str()), (1, "missing"));
    assert_eq!(rows[0].columns[0], ["name", "twin", "-"]);
}

#[test]
fn a_third_equal_row_is_one_too_many() {
    let rows = after("INSERT INTO without_key VALUES ('twin', 1.5, false)", "without_key");
    assert_eq!((rows.len(), rows[0].kind.as_str()), (1, "extra"));
}

#[test]
fn values_swapped_between_rows_without_a_key_are_found() {
    let rows = after(
        "UPDATE without_key SET name = CASE name WHEN 'name 1' THEN 'name 2' ELSE 'name 1' END
         WHERE name IN ('name 1', 'name 2')",
        "without_key",
    );
    let kinds: Vec<_> = rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["extra", "extra", "missing", "missing"]);
}

#[test]
fn equal_rows_that_changed_alike_do_not_cancel_each_other_out() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE twins (name TEXT); INSERT INTO twins VALUES ('twin'), ('twin')");
    env.run(&[]).expect(0);
    env.query("UPDATE twins SET name = 'other'");
    env.verify().expect(67).saying(&["table twins: 2 missing, 2 extra"]);
}

#[test]
fn values_that_look_alike_are_told_apart() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c BLOB, r);
         INSERT INTO t VALUES (1, 'ab', 'c', x'', -0.0), (2, '', NULL, NULL, 0.5);",
    );
    env.run(&[]).expect(0);
    for (change, back, told) in [
        (
            "a = 'a', b = 'bc' WHERE id = 1",
            "a = 'ab', b = 'c' WHERE id = 1",
            "a: source ab, target a",
        ),
        ("a = NULL WHERE id = 2", "a = '' WHERE id = 2", "a: source , target NULL"),
        ("a = ' ' WHERE id = 2", "a = '' WHERE id = 2", "a: source "),
        (
            "a = NULL, b = '' WHERE id = 2",
            "a = '', b = NULL WHERE id = 2",
            "b: source NULL, target ",
        ),
        ("c = NULL WHERE id = 1", "c = '' WHERE id = 1", "c: source "),
        // PostgreSQL says that these are equal.
        ("r = '0' WHERE id = 1", "r = '-0' WHERE id = 1", "r: source -0, target 0"),
    ] {
        env.query(&format!("UPDATE t SET {change}"));
        let done = env.verify().expect(67);
        assert!(done.says(told), "{change}: {done}");
        env.query(&format!("UPDATE t SET {back}"));
    }
    env.verify().expect(0);
}

#[test]
fn a_decimal_written_with_more_zeros_is_the_same() {
    let env = moved();
    env.query("UPDATE by_rowid SET price = price + 0.0000; UPDATE without_key SET price = 1.50 WHERE name = 'twin'");
    assert_eq!(env.value("SELECT price FROM by_rowid WHERE id = 6"), "1.5000");
    env.verify().expect(0);
}

#[test]
fn a_changed_source_is_a_difference_too() {
    let env = moved();
    env.sqlite(
        "UPDATE by_rowid SET price = 1000.5 WHERE id = 3; DELETE FROM by_rowid WHERE id = 4",
    );
    let done = env.verify().expect(67);
    let rows = differences(&done, "by_rowid");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], found("changed", "3", &[["price", "1000.5", "0.75"]]));
    assert_eq!((rows[1].kind.as_str(), rows[1].key.as_str()), ("extra", "4"));
}

#[test]
fn the_proof_of_a_run_finds_what_was_changed_after_the_load() {
    for (change, table, kinds) in [
        ("UPDATE by_rowid SET name = 'x' WHERE id = 1", "by_rowid", vec!["changed"]),
        ("DELETE FROM by_text WHERE code = 'code 1'", "by_text", vec!["missing"]),
        ("INSERT INTO without_key VALUES ('twin', 1.5, false)", "without_key", vec!["extra"]),
    ] {
        for until in ["snapshot", "indexes"] {
            let env = Environment::new();
            env.sqlite(SOURCE);
            env.run(&["--until", until]).expect(0);
            env.query(change);
            let done = env.run(&[]).expect(67).saying(&[table]);
            let rows = differences(&done, table);
            let found: Vec<_> = rows.iter().map(|row| row.kind.as_str()).collect();
            assert_eq!(found, kinds, "{change}");
            assert_eq!(done.json()["phase"], "not equal");
        }
    }
}

#[test]
fn rows_that_the_target_leaves_out_of_the_load_end_it() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)");
    env.run(&["--until", "schema"]).expect(0);
    env.query(
        "CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER leaves_out BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION leave_out()",
    );
    env.run(&[]).expect(67).saying(&["table t", "3 rows were sent, and the server took 2"]);
    assert_eq!(env.value("SELECT count(*) FROM t"), "0", "a chunk is loaded whole or not at all");
    env.query("DROP TRIGGER leaves_out ON t");
    env.run(&[]).expect(0);
}

#[test]
fn a_difference_that_was_mended_is_gone_for_the_next_run() {
    let env = moved();
    env.query("UPDATE by_rowid SET name = 'x' WHERE id = 1");
    env.run(&[]).expect(67);
    env.query("UPDATE by_rowid SET name = 'name 1' WHERE id = 1");
    env.run(&[]).expect(0);
}

#[test]
fn thousands_of_differences_are_counted_and_a_few_are_shown() {
    let env = moved();
    env.query("UPDATE by_rowid SET flag = NOT flag; DELETE FROM by_text");
    let done = env.verify().expect(67);
    let differences = done.json()["differences"].as_array().unwrap();
    assert_eq!(
        (&differences[0]["table"], &differences[0]["changed"]),
        (&"by_rowid".into(), &5000.into())
    );
    assert_eq!(
        (&differences[1]["table"], &differences[1]["missing"]),
        (&"by_text".into(), &5000.into())
    );
    let shown = differences[0]["rows"].as_array().unwrap().len();
    assert!((5..100).contains(&shown), "{shown} are shown");
}

#[test]
fn differences_are_told_to_people_too() {
    let env = moved();
    env.query("UPDATE by_rowid SET name = 'other' WHERE id = 4321");
    let (source, url) = (env.source(), env.url());
    let done = env.liteferry(&["verify", "--source", source.to_str().unwrap(), "--target", &url]);
    done.expect(67).saying(&[
        "table by_rowid",
        "changed 4321",
        "name: source name 4321, target other",
    ]);
}
