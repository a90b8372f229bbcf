//! The zoo: every kind of value, key, name and index arrives, and the rules of its schema hold in the target.

mod odd;

use crate::comparison::Comparison;
use crate::environment::{Environment, Session};
use liteferry::sample::ZOO_SQL;

fn moved() -> Environment {
    let env = Environment::new();
    env.sqlite(ZOO_SQL);
    env.run(&[]).expect(0);
    env
}

#[test]
fn every_value_of_the_zoo_arrives() {
    let env = moved();
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!(compared.tables, ZOO_SQL.matches("\nCREATE TABLE").count());
    assert!(compared.rows > 100, "{compared:?}");
    env.verify().expect(0);
}

/// The SQLSTATE with which the target refuses a statement.
fn refusal(target: &Session, sql: &str) -> String {
    let error = target.try_query(sql).expect_err(sql);
    error.code().unwrap_or_else(|| panic!("{error:?}")).code().to_owned()
}

const NOT_NULL: &str = "23502";
const FOREIGN_KEY: &str = "23503";
const UNIQUE: &str = "23505";
const CHECK: &str = "23514";
const TOO_LONG: &str = "22001";

#[test]
fn the_target_refuses_what_the_source_would_refuse() {
    let env = moved();
    let target = env.connect();
    for (code, sql) in [
        (UNIQUE, "INSERT INTO integers (id, big) VALUES (1, 1)"),
        (UNIQUE, "INSERT INTO composite_key (region, number) VALUES ('north', 1)"),
        (UNIQUE, "INSERT INTO text_key (id) VALUES ('a-b')"),
        (UNIQUE, "INSERT INTO without_rowid VALUES ('ferry', 2, 0)"),
        (UNIQUE, r#"INSERT INTO "Order Details" VALUES (1, 1)"#),
        (UNIQUE, "INSERT INTO indexed VALUES (5, 'd', 1, now(), 'one', false)"),
        (UNIQUE, "INSERT INTO indexed VALUES (5, 'a', 1, '2025-09-15 00:00:00', NULL, false)"),
        (UNIQUE, "INSERT INTO indexed VALUES (5, 'a', 1, now(), NULL, true)"),
        (NOT_NULL, "INSERT INTO integers (id) VALUES (100)"),
        (NOT_NULL, "INSERT INTO text_key (value) VALUES (1)"),
        (NOT_NULL, "INSERT INTO instants (id) VALUES (100)"),
        (FOREIGN_KEY, "INSERT INTO staff (id, name, manager_id) VALUES (100, 'x', 99)"),
        (FOREIGN_KEY, r#"INSERT INTO "Order Details" VALUES (99, 1)"#),
        (
            FOREIGN_KEY,
            "INSERT INTO composite_reference (id, region, number) VALUES (100, 'north', 99)",
        ),
        (CHECK, "INSERT INTO single VALUES (2, 'x')"),
        (CHECK, "INSERT INTO ruled (id, name) VALUES (100, '')"),
        (CHECK, "INSERT INTO ruled (id, price) VALUES (100, -1)"),
        (CHECK, "INSERT INTO ruled (id, side) VALUES (100, 'hold')"),
        (CHECK, "INSERT INTO ruled (id, low, high) VALUES (100, 2, 1)"),
        (TOO_LONG, "INSERT INTO varchars (id, code) VALUES (100, 'nine char')"),
    ] {
        assert_eq!(refusal(&target, sql), code, "{sql}");
    }
}

#[test]
fn the_target_takes_what_the_source_would_take() {
    let env = moved();
    let target = env.connect();
    for sql in [
        "INSERT INTO indexed VALUES (5, 'a', NULL, now(), NULL, false), (6, 'z', NULL, now(), NULL, true)",
        "INSERT INTO composite_reference (id, region, number) VALUES (100, 'nowhere', NULL)",
        "INSERT INTO keyless VALUES ('twin', 1.5)",
        // The reference is checked when the transaction ends.
        "BEGIN; INSERT INTO composite_reference (id, region, number) VALUES (101, 'east', 1);
         INSERT INTO composite_key (region, number) VALUES ('east', 1); COMMIT",
        "INSERT INTO varchars (id, label) VALUES (100, 'longer than declared')",
        "INSERT INTO ruled (id, low) VALUES (100, 5)",
    ] {
        target.query(sql);
    }
    target.query("DELETE FROM composite_key WHERE region = 'south'");
    let rest =
        "SELECT string_agg(id::text, ' ' ORDER BY id) FROM composite_reference WHERE id < 100";
    assert_eq!(env.value(rest), "1 3 4", "ON DELETE CASCADE");
    target.query("DELETE FROM staff WHERE id = 2");
    let orphan = "SELECT count(*) FROM staff WHERE id = 3 AND manager_id IS NULL";
    assert_eq!(env.value(orphan), "1", "ON DELETE SET NULL");
    target.query(
        "INSERT INTO staff (id, name) VALUES (60, 'x'); UPDATE composite_reference SET boss = 60 WHERE id = 4;
         UPDATE staff SET id = 61 WHERE id = 60",
    );
    let boss = "SELECT boss FROM composite_reference WHERE id = 4";
    assert_eq!(env.value(boss), "61", "ON UPDATE CASCADE");
}

#[test]
fn indexes_are_as_they_were() {
    let env = moved();
    let indexes = env.column(
        "SELECT regexp_replace(indexdef, ' ON \\w+\\.', ' ON ') FROM pg_indexes
         WHERE schemaname = 'public' AND tablename = 'indexed' ORDER BY indexname COLLATE \"C\"",
    );
    assert_eq!(
        indexes,
        [
            "CREATE INDEX indexed_large ON indexed USING btree (volume) WHERE (volume > (1000)::double precision)",
            "CREATE UNIQUE INDEX indexed_one_active_of_a_pool ON indexed USING btree (pool) WHERE (is_active = true)",
            "CREATE UNIQUE INDEX indexed_pkey ON indexed USING btree (id)",
            "CREATE INDEX indexed_pool_at ON indexed USING btree (pool, at DESC)",
            "CREATE UNIQUE INDEX indexed_pool_at_unique ON indexed USING btree (at, pool)",
            "CREATE UNIQUE INDEX indexed_slug_key ON indexed USING btree (slug)",
            "CREATE INDEX indexed_volume ON indexed USING btree (volume DESC)",
        ]
    );
    let valid = "SELECT bool_and(indisvalid AND indisready)::text FROM pg_index";
    assert_eq!(env.value(valid), "true");
    let validated = "SELECT bool_and(convalidated)::text FROM pg_constraint";
    assert_eq!(env.value(validated), "true");
}

#[test]
fn primary_keys_keep_the_order_of_their_columns() {
    let env = moved();
    let key = |table: &str| {
        env.value(&format!(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = '{table}'::regclass"
        ))
    };
    assert_eq!(key("composite_key"), "PRIMARY KEY (region, number)");
    assert_eq!(key("without_rowid"), "PRIMARY KEY (word, page)");
    assert_eq!(key(r#""Order Details""#), r#"PRIMARY KEY ("Order ID", "lineNumber")"#);
    let keyless = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'keyless'::regclass";
    assert_eq!(env.value(keyless), "0");
}

#[test]
fn the_next_id_is_one_that_the_source_never_gave_out() {
    let env = moved();
    let insert = |sql: &str| env.value(sql);
    // The greatest id is 7, but 1000 was given out once.
    assert_eq!(insert("INSERT INTO autoincremented (name) VALUES ('x') RETURNING id"), "1001");
    assert_eq!(insert("INSERT INTO empty (name) VALUES ('x') RETURNING id"), "1");
    assert_eq!(insert("INSERT INTO integers (big) VALUES (1) RETURNING id"), "9");
    assert_eq!(insert(r#"INSERT INTO "order" DEFAULT VALUES RETURNING "Key""#), "3");
    // An id may still be given, as the application did.
    assert_eq!(insert("INSERT INTO staff (id, name) VALUES (77, 'x') RETURNING id"), "77");
}

#[test]
fn defaults_give_what_they_gave() {
    let env = moved();
    let row = env.query(
        "INSERT INTO ruled (id) VALUES (100)
         RETURNING name, price, ratio, side, is_open, low, abs(extract(epoch FROM now() - created_at AT TIME ZONE 'UTC')) < 60,
                   created_at = date_trunc('second', created_at)",
    );
    let values: Vec<_> = row[0].iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
    assert_eq!(values, ["it's new", "0.0000", "-1.5", "buy", "t", "NULL", "t", "t"]);
}

#[test]
fn texts_sort_as_in_sqlite() {
    let env = moved();
    let sqlite = rusqlite::Connection::open(env.source()).unwrap();
    let sql = "SELECT id FROM text_key ORDER BY id";
    let mut statement = sqlite.prepare(sql).unwrap();
    let order: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(env.column(sql), order);
    assert_eq!(order.len(), 13);
}

#[test]
fn neither_the_order_nor_the_settings_of_a_database_change_anything() {
    let known = |sql: &str| Environment::new().value(&format!("SELECT ({sql})::text")) == "true";
    // Where the server has such databases, one that sorts as people do; where it has not, the catalog is asked alone.
    let sorts = known(
        "current_setting('server_version_num')::int >= 150000 AND EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i')",
    );
    let options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'";
    let env = Environment::with_database(if sorts { options } else { "" });
    env.set(&[
        "TimeZone = 'Asia/Tokyo'",
        "DateStyle = 'SQL, DMY'",
        "extra_float_digits = 0",
        "bytea_output = 'escape'",
        "standard_conforming_strings = off",
        "client_encoding = 'LATIN1'",
    ]);
    env.sqlite(ZOO_SQL);
    env.sqlite("CREATE TABLE sorted (v TEXT PRIMARY KEY, w VARCHAR(9)); INSERT INTO sorted VALUES ('B_a', 'x'), ('_aB', 'y'), ('a', 'z'), ('b', NULL)");
    env.run(&[]).expect(0);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    env.verify().expect(0);
    if sorts {
        assert_eq!(
            env.value(
                "SELECT string_agg(v, ' ' ORDER BY v) FROM unnest(ARRAY['a', 'b', 'B_a', '_aB']) v"
            ),
            "_aB a b B_a"
        );
    }
    assert_eq!(env.column("SELECT v FROM sorted ORDER BY v"), ["B_a", "_aB", "a", "b"]);
    let otherwise = "SELECT attrelid::regclass || '.' || attname FROM pg_attribute
                     WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
                     AND attcollation NOT IN (0, (SELECT oid FROM pg_collation WHERE collname = 'C'))";
    assert_eq!(env.column(otherwise), [""; 0]);
}

#[test]
fn the_plan_says_what_is_not_as_declared() {
    let env = moved();
    let plan = env.liteferry(&[
        "plan",
        "--source",
        env.source().to_str().unwrap(),
        "--target",
        &env.url(),
    ]);
    plan.expect(0).saying(&[
        "table varchars: column label: declared VARCHAR(7), becomes text",
        "the longest has 12 characters",
    ]);
}
