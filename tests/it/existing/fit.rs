//! Where rows go in tables that exist, and what they become there.

use super::{assert_seen, made, plan, prepared, run};
use crate::comparison::Comparison;

const USERS: &str = "
    CREATE TABLE Users (ID INTEGER PRIMARY KEY, Name TEXT, Joined TEXT, active INTEGER, balance NUMERIC, Code TEXT, raw);
    INSERT INTO Users VALUES
        (7, 'Ann', '2025-01-31 12:00:00', 1, 12.5, 'ab', x'00ff'),
        (-3, 'Bob', '2025-07-31T12:00:00.25', 0, 3, 'abc', NULL),
        (2147483648, NULL, NULL, NULL, '0.00000001', NULL, x'');";

const FITTING: &str = "
    CREATE TABLE users (
        note text DEFAULT 'made by the application', raw bytea, code char(3), \"ID\" bigint PRIMARY KEY, name varchar(20),
        tenant integer NOT NULL DEFAULT 42, number bigint GENERATED ALWAYS AS IDENTITY, nothing jsonb,
        shouted text GENERATED ALWAYS AS (upper(name)) STORED,
        joined timestamptz, active boolean, balance numeric(20, 8));";

const SAID: &str = "[tables.Users.columns]\nJoined = { zone = 'America/Denver' }";

#[test]
fn rows_go_to_the_columns_of_their_names_and_the_target_s_types_win() {
    let env = prepared(USERS, FITTING);
    let before = made(&env);
    let done = run(&env, SAID).expect(0);
    assert_eq!(done.json()["tables"][0]["equal"], true);
    assert_eq!(made(&env), before);
    let all = "SELECT \"ID\", name AS \"Name\", joined AS \"Joined\", active, balance,
                      rtrim(code) AS \"Code\", raw FROM users";
    let judge = Comparison::new().zone("Users", "Joined", "America/Denver");
    assert_eq!(assert_seen(&env, judge, &[("Users", all)]).rows, 3);
    let given = "SELECT concat_ws('|', note, tenant, nothing IS NULL, shouted, code || '.') FROM users ORDER BY \"ID\"";
    assert_eq!(
        env.column(given),
        [
            "made by the application|42|t|BOB|abc.",
            "made by the application|42|t|ANN|ab.",
            "made by the application|42|t",
        ]
    );
    assert_eq!(env.column("SELECT number FROM users ORDER BY 1"), ["1", "2", "3"]);
    // The same again, and a look at both ends.
    run(&env, SAID).expect(0);
    let file = env.path("pipeline.toml");
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(0);
    env.query("UPDATE users SET code = 'abd' WHERE code = 'abc'");
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(67).saying(&["abc", "abd"]);
}

#[test]
fn the_plan_shows_how_columns_match_and_changes_nothing() {
    let env = prepared(USERS, FITTING);
    let before = made(&env);
    let mut words = super::arguments(&env, "plan", SAID);
    words.retain(|word| word != "--json");
    env.liteferry(&words).expect(0).saying(&[
        "exists as public.users",
        "Name is name there, Joined is joined there, Code is code there",
        "note ('made by the application'::text)",
        "tenant (42)",
        "number (identity)",
        "nothing (NULL)",
        "shouted (generated)",
        "put aside for the load, and put back after it: primary key users_pkey of public.users",
        "DROP CONSTRAINT IF EXISTS \"users_pkey\"",
    ]);
    assert_eq!(made(&env), before);
    assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
    assert_eq!(plan(&env, SAID).expect(0).json()["plan"]["tables"][0]["create"], "");
}

#[test]
fn a_name_that_is_the_same_is_preferred_to_one_of_another_case() {
    let env = prepared(
        "CREATE TABLE Users (Id INTEGER PRIMARY KEY, name TEXT); INSERT INTO Users VALUES (1, 'a')",
        "CREATE TABLE \"Users\" (\"Id\" bigint, id bigint, name text); CREATE TABLE users (id bigint)",
    );
    run(&env, "").expect(0);
    assert_eq!(env.column("SELECT \"Id\" || name FROM \"Users\" WHERE id IS NULL"), ["1a"]);
    assert_eq!(env.value("SELECT count(*) FROM users"), "0");
}

#[test]
fn tables_that_are_missing_are_created_beside_those_that_exist() {
    let env = prepared(
        "CREATE TABLE pools (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
         CREATE TABLE trades (id INTEGER PRIMARY KEY, pool INTEGER REFERENCES pools, by_name TEXT REFERENCES pools (name));
         INSERT INTO pools VALUES (1, 'one'); INSERT INTO trades VALUES (1, 1, 'one');",
        "CREATE TABLE pools (id bigint PRIMARY KEY, name text)",
    );
    run(&env, "").expect(0);
    assert_seen(&env, Comparison::new(), &[("pools", "TABLE pools"), ("trades", "TABLE trades")]);
    // Only what the existing parent can hold: its names are not unique.
    let keys = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'";
    let keys = env.column(&format!(
        "SET search_path = pg_catalog; {keys} AND connamespace = 'public'::regnamespace"
    ));
    assert_eq!(keys, ["FOREIGN KEY (pool) REFERENCES public.pools(id)"]);
    assert_eq!(env.value("SELECT count(*) FROM pg_indexes WHERE tablename = 'pools'"), "1");
}

#[test]
fn sequences_of_loaded_columns_are_set_past_every_key_and_never_back() {
    let env = prepared(
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, n TEXT);
         INSERT INTO a VALUES (900, 'gone'); DELETE FROM a; INSERT INTO a VALUES (5, 'x');
         CREATE TABLE b (id INTEGER PRIMARY KEY); INSERT INTO b VALUES (17);
         CREATE TABLE c (id INTEGER PRIMARY KEY); INSERT INTO c VALUES (17);
         CREATE TABLE d (id INTEGER PRIMARY KEY);
         CREATE TABLE e (id INTEGER PRIMARY KEY, number INTEGER); INSERT INTO e VALUES (3, 70);",
        "CREATE SEQUENCE shared; SELECT setval('shared', 1000);
         CREATE TABLE a (id bigserial PRIMARY KEY, n text);
         CREATE TABLE b (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY);
         CREATE TABLE c (id bigint PRIMARY KEY DEFAULT nextval('shared'));
         CREATE TABLE d (id bigserial PRIMARY KEY); SELECT setval('d_id_seq', 40);
         CREATE TABLE e (id bigserial, number bigserial)",
    );
    run(&env, "").expect(0);
    let next = |table: &str, column: &str| {
        env.value(&format!("INSERT INTO {table} DEFAULT VALUES RETURNING {column}"))
    };
    assert_eq!(next("a", "id"), "901");
    assert_eq!(next("b", "id"), "18");
    assert_eq!(next("c", "id"), "1001");
    assert_eq!(next("d", "id"), "41");
    assert_eq!(next("e", "id || ' ' || number"), "4 71");
}

#[test]
fn values_that_the_target_s_types_do_not_hold_are_set_aside_and_the_rest_arrives() {
    let env = prepared(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, short TEXT, price REAL, code TEXT, needed TEXT, seen INTEGER);
         INSERT INTO t VALUES (1, 'abcde', 1.25, 'ab', 'x', 0), (2, 'abcdef', 1, NULL, 'x', 1), (3, 'äöüÄÖ', 0.123, 'a', 'x', 1),
            (4, NULL, 10000, 'abc', 'x', 1), (5, 'a', -9999.99, '', 'x', NULL), (6, 'a', 0.5, 'abcd', 'x', 1),
            (7, 'a', 1, 'a', NULL, 1), (8, 'a', 1, 'a', 'x', 2), (9, 'a', 'many', 'a', 'x', 0);",
        "CREATE TABLE t (id bigint, short varchar(5), price numeric(6, 2), code char(3), needed text NOT NULL, seen boolean)",
    );
    let done = run(&env, "").expect(65);
    assert_eq!(done.json()["tables"][0]["rejected"], 7, "{done}");
    assert_eq!(done.json()["tables"][0]["equal"], true);
    let rejects = env.column(
        "SELECT row_name || ' ' || column_name || ' ' || storage_class FROM liteferry.reject ORDER BY 1",
    );
    assert_eq!(
        rejects,
        [
            "rowid 2 short text",
            "rowid 3 price real",
            "rowid 4 price real",
            "rowid 6 code text",
            "rowid 7 needed null",
            "rowid 8 seen integer",
            "rowid 9 price text",
        ]
    );
    env.sqlite("DELETE FROM t WHERE id NOT IN (1, 5)");
    let all = "SELECT id, short, price, rtrim(code) AS code, needed, seen FROM t";
    assert_eq!(assert_seen(&env, Comparison::new(), &[("t", all)]).rows, 2);
}

#[test]
fn misfits_of_columns_that_exist_have_the_policies_of_all_others() {
    let source = "CREATE TABLE t (id INTEGER PRIMARY KEY, short TEXT, needed TEXT);
                  INSERT INTO t VALUES (1, 'abcdef', 'x'), (2, 'ab', NULL), (3, 'ab', 'x')";
    let target = "CREATE TABLE t (id bigint, short varchar(3), needed text NOT NULL)";
    let said = "[tables.t.columns]\nshort = { misfits = 'null' }\nneeded = { misfits = 'default', default = '?' }";
    let env = prepared(source, target);
    run(&env, said).expect(0);
    let rows =
        env.column("SELECT concat_ws('|', id, coalesce(short, '-'), needed) FROM t ORDER BY id");
    assert_eq!(rows, ["1|-|x", "2|ab|?", "3|ab|x"]);
    for (said, why) in [
        ("[tables.t.columns]\nneeded = { misfits = 'null' }", "NOT NULL"),
        ("[tables.t.columns]\nshort = { misfits = 'widen' }", "not widened"),
    ] {
        prepared(source, target);
        let env = prepared(source, target);
        run(&env, said).expect(78).saying(&["table t", why]);
        assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
    }
}

#[test]
fn every_type_of_a_table_that_exists_is_loaded_as_it_is() {
    let env = prepared(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, small INTEGER, middle INTEGER, single REAL, clock TEXT, key TEXT, address TEXT,
            net TEXT, document TEXT, binary_document TEXT, mood TEXT, flag TEXT);
         INSERT INTO t VALUES
            (1, -32768, 2147483647, 0.5, '12:34:56.5', '0d4e1b2a-0000-4000-8000-000000000001', '10.0.0.1', '10.0.0.0/8',
             '{\"a\": 1}', '{\"b\":2}', 'happy', 't'),
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (3, 32768, 2147483648, 1e300, '25:00', 'none', 'nowhere', '10.0.0.1/8', '{', '{]', 'sad', 'maybe'),
            (4, 1, 1, -0.25, '00:00', '0D4E1B2A-0000-4000-8000-000000000002', '::1', '::/0', '[]', 'null', 'so so', 'f');",
        "CREATE TYPE mood AS ENUM ('so so', 'happy');
         CREATE TABLE t (id integer PRIMARY KEY, small smallint, middle int, single real, clock time, key uuid, address inet,
            net cidr, document json, binary_document jsonb, mood mood, flag boolean)",
    );
    let before = made(&env);
    let done = run(&env, "").expect(65);
    assert_eq!(done.json()["tables"][0]["rejected"], 1, "{done}");
    let columns = env.column("SELECT column_name FROM liteferry.reject ORDER BY 1");
    let all = [
        "address",
        "binary_document",
        "clock",
        "document",
        "flag",
        "key",
        "middle",
        "mood",
        "net",
        "single",
        "small",
    ];
    assert_eq!(columns, all);
    assert_eq!(made(&env), before);
    let rows = env.column(
        "SELECT concat_ws(' ', id, small, middle, single, clock, key, address, net, document, binary_document, mood, flag)
         FROM t ORDER BY id",
    );
    assert_eq!(
        rows,
        [
            "1 -32768 2147483647 0.5 12:34:56.5 0d4e1b2a-0000-4000-8000-000000000001 10.0.0.1 10.0.0.0/8 {\"a\": 1} {\"b\": 2} happy t",
            "2",
            "4 1 1 -0.25 00:00:00 0d4e1b2a-0000-4000-8000-000000000002 ::1 ::/0 [] null so so f",
        ]
    );
    // The application's enum is not taken back with the rest.
    env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
    assert_eq!(env.value("SELECT to_regtype('mood') IS NULL"), "f");
    assert_eq!(made(&env), before);
}

#[test]
fn a_column_that_both_sides_compute_is_compared_and_not_written() {
    let source = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2));
                  INSERT INTO t VALUES (1, 5), (2, NULL)";
    let target = |by: u8| {
        format!(
            "CREATE TABLE t (id bigint, n bigint, twice bigint GENERATED ALWAYS AS (n * {by}) STORED)"
        )
    };
    let env = prepared(source, &target(2));
    run(&env, "").expect(0);
    assert_eq!(env.column("SELECT coalesce(twice, -1) FROM t ORDER BY id"), ["10", "-1"]);
    let env = prepared(source, &target(3));
    run(&env, "").expect(67).saying(&["twice", "10", "15"]);
}

#[test]
fn names_that_are_asked_for_in_lower_case_are_looked_for_in_lower_case() {
    let env = prepared(
        "CREATE TABLE Users (Id INTEGER PRIMARY KEY, Name TEXT); INSERT INTO Users VALUES (1, 'a')",
        "CREATE TABLE \"Users\" (\"Id\" bigint, \"Name\" text);
         CREATE TABLE users (\"Id\" text, id bigint PRIMARY KEY, name text);",
    );
    run(&env, "identifiers = 'lower'|").expect(0);
    assert_eq!(env.column("SELECT id || name FROM users WHERE \"Id\" IS NULL"), ["1a"]);
    assert_eq!(env.value("SELECT count(*) FROM \"Users\""), "0");
}
