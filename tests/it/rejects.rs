//! Values that no column holds: their rows are set aside with their exact bytes, the others arrive, and the user decides.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment};

const SOURCE: &str = "
    CREATE TABLE trades (id INTEGER PRIMARY KEY, note TEXT, size INTEGER);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO trades SELECT i, 'note ' || i, i * 3 FROM n;
    UPDATE trades SET note = x'00ff' WHERE id = 7;
    UPDATE trades SET note = CAST(x'610062' AS TEXT) WHERE id = 9000;
    UPDATE trades SET note = CAST(x'edA080' AS TEXT), size = x'2a00000000000000' WHERE id = 20000;
    CREATE TABLE fine (id INTEGER PRIMARY KEY, word TEXT);
    INSERT INTO fine VALUES (1, 'a'), (2, 'b');
    CREATE TABLE pairs (word TEXT, number INTEGER, value TEXT, PRIMARY KEY (word, number)) WITHOUT ROWID;
    INSERT INTO pairs VALUES ('a', 1, 'x'), ('b', 2, x'fe'), ('c', 3, NULL);";

fn prepared() -> Environment {
    let env = Environment::new();
    env.sqlite(SOURCE);
    env
}

/// Runs a pipeline file that says this of tables.
fn run(env: &Environment, settings: &str) -> Done {
    let file = env.path("pipeline.toml");
    let text = format!(
        "name = 'file'\n[source]\npath = 'source.db'\n[target]\nurl = '{}'\n[snapshot]\nchunk_bytes = 65536\n{settings}",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    env.liteferry(&["run", "--no-capture", "--json", file.to_str().unwrap()])
}

const REJECTS: &str = "SELECT table_name || ' ' || row_name || ' ' || column_name || ' ' || storage_class || ' ' || encode(value, 'hex')
    || ' ' || policy FROM liteferry.reject ORDER BY table_name, row_name, column_name";

const ALL_REJECTED: [&str; 5] = [
    "pairs key (TEXT 'b', INTEGER 2) value blob fe reject",
    "trades rowid 20000 note text eda080 reject",
    "trades rowid 20000 size blob 2a00000000000000 reject",
    "trades rowid 7 note blob 00ff reject",
    "trades rowid 9000 note text 610062 reject",
];

#[test]
fn rows_that_do_not_fit_are_set_aside_and_the_others_arrive() {
    let env = prepared();
    let done = run(&env, "").expect(65);
    assert!(done.says("rows set aside because their values do not fit: 4"), "{done}");
    let json = done.json();
    assert_eq!(json["ok"], false);
    assert_eq!(json["phase"], "proved");
    let trades = &json["tables"][2];
    assert_eq!(trades["rejected"], 3);
    assert_eq!(trades["source_rows"], 20000);
    assert_eq!(trades["target_rows"], 19997);
    assert_eq!(trades["equal"], true);
    assert_eq!(json["tables"][0]["rejected"], 0);
    assert_eq!(env.column(REJECTS), ALL_REJECTED);
    assert_eq!(
        env.value("SELECT count(*) FROM trades WHERE note = 'note ' || id AND size = id * 3"),
        "19997"
    );
    assert_eq!(
        env.column(
            "SELECT id FROM generate_series(1, 20000) id EXCEPT SELECT id FROM trades ORDER BY 1"
        ),
        ["7", "9000", "20000"]
    );
    assert_eq!(env.column("SELECT word FROM pairs ORDER BY 1"), ["a", "c"]);
    let judge = Comparison::new().setting_aside();
    assert_eq!(judge.assert_equal(&env.source(), &env.connect()).set_aside, 4);
    // Again is no better, and does nothing twice; a look at both ends says the same.
    run(&env, "").expect(65);
    assert_eq!(env.column(REJECTS), ALL_REJECTED);
    let file = env.path("pipeline.toml");
    let verified = env.liteferry(&["verify", "--json", file.to_str().unwrap()]).expect(65);
    assert_eq!(verified.json()["tables"][2]["rejected"], 3);
    assert_eq!(verified.json()["tables"][2]["equal"], true);
}

#[test]
fn what_is_set_aside_is_loaded_when_the_user_has_decided() {
    let env = prepared();
    run(&env, "").expect(65);
    let half = "[tables.trades.columns]\nnote = { misfits = 'null' }";
    let done = run(&env, half).expect(65);
    assert_eq!(done.json()["tables"][2]["rejected"], 1, "{done}");
    assert_eq!(env.column("SELECT id FROM trades WHERE note IS NULL ORDER BY 1"), ["7", "9000"]);
    let policies = env.column("SELECT row_name || ' ' || column_name || ' ' || policy FROM liteferry.reject WHERE table_name = 'trades' ORDER BY 1");
    assert_eq!(
        policies,
        [
            "rowid 20000 note null",
            "rowid 20000 size reject",
            "rowid 7 note null",
            "rowid 9000 note null"
        ]
    );
    let all = format!(
        "{half}\nsize = {{ misfits = 'default', default = -1 }}\n[tables.pairs.columns]\nvalue = {{ misfits = 'default', default = '?' }}"
    );
    let done = run(&env, &all).expect(0);
    assert_eq!(done.json()["ok"], true);
    assert_eq!(done.json()["tables"][2]["target_rows"], 20000);
    assert_eq!(env.value("SELECT size FROM trades WHERE id = 20000 AND note IS NULL"), "-1");
    assert_eq!(env.value("SELECT value FROM pairs WHERE word = 'b'"), "?");
    // The exact values are not lost by that.
    assert_eq!(
        env.value("SELECT encode(value, 'hex') FROM liteferry.reject WHERE row_name = 'rowid 7'"),
        "00ff"
    );
    let file = env.path("pipeline.toml");
    env.liteferry(&["verify", file.to_str().unwrap()]).expect(0);
    run(&env, &all).expect(0);
    // What was handled cannot be unhandled.
    run(&env, "").expect(78).saying(&["table pairs", "column value", "already"]);
}

#[test]
fn one_value_of_each_kind_that_no_column_holds_beside_others_is_set_aside() {
    for (values, rejected, reason) in [
        ("(x'00ff'), ('text'), ('text')", "rowid 1", "BLOB"),
        ("(1), (x'00ff'), (2)", "rowid 2", "BLOB"),
        ("(x'00ff'), (x'01'), ('text')", "rowid 3", "TEXT"),
        ("(CAST(x'610062' AS TEXT))", "rowid 1", "NUL"),
        ("(CAST(x'ff' AS TEXT)), ('text')", "rowid 1", "UTF-8"),
    ] {
        let env = Environment::new();
        env.sqlite(&format!("CREATE TABLE odd (fine TEXT DEFAULT 'fine', \"the value\"); INSERT INTO odd (\"the value\") VALUES {values}"));
        env.run(&[]).expect(65).saying(&["rows set aside because their values do not fit: 1"]);
        let rows = env.column("SELECT row_name FROM liteferry.reject");
        assert_eq!(rows, [rejected], "{values}");
        let reasons = env.value("SELECT reason FROM liteferry.reject");
        assert!(reasons.contains(reason), "{values}: {reasons}");
    }
}

#[test]
fn an_id_that_is_set_aside_is_not_given_out_meanwhile() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (9, x'00')");
    run(&env, "").expect(65);
    assert_eq!(env.value("INSERT INTO t (v) VALUES ('new') RETURNING id"), "10");
    env.query("DELETE FROM t WHERE id = 10");
    run(&env, "[tables.t.columns.v]\nmisfits = 'null'").expect(0);
    assert_eq!(env.value("INSERT INTO t (v) VALUES ('new') RETURNING id"), "11");
    // The same where the table exists.
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (9, x'00')");
    env.query("CREATE TABLE t (id serial PRIMARY KEY, v text)");
    run(&env, "").expect(65);
    assert_eq!(env.value("INSERT INTO t (v) VALUES ('new') RETURNING id"), "10");
}

#[test]
fn numbers_that_no_number_type_holds_together_become_text() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (a, b); INSERT INTO t VALUES (9e999, 9e999), ('text', 9007199254740993), (-9e999, 0.1), (-0.0, 5);",
    );
    env.run(&[]).expect(0);
    assert_eq!(env.column("SELECT a FROM t"), ["Infinity", "text", "-Infinity", "-0.0"]);
    assert_eq!(env.column("SELECT b FROM t"), ["Infinity", "9007199254740993", "0.1", "5"]);
}

#[test]
fn what_the_user_decides_beforehand_holds_from_the_first_run() {
    let env = prepared();
    let said = "[tables.trades.columns]\nnote = { misfits = 'null' }\nsize = { misfits = 'null' }\n[tables.pairs.columns.value]\nmisfits = 'null'";
    let done = run(&env, said).expect(0);
    assert_eq!(done.json()["misfits"][0]["policy"], "null");
    assert_eq!(env.value("SELECT count(*) FROM trades WHERE note IS NULL"), "3");
    assert_eq!(env.value("SELECT count(*) FROM trades"), "20000");
}

#[test]
fn a_widened_column_carries_everything() {
    let env = prepared();
    let said = "[tables.trades.columns]\nnote = { misfits = 'widen' }\nsize = { misfits = 'widen' }\n[tables.pairs.columns.value]\nmisfits = 'widen'";
    run(&env, said).expect(0);
    assert_eq!(env.value("SELECT pg_typeof(note) FROM trades LIMIT 1"), "bytea");
    let hex = "SELECT encode(note, 'hex') FROM trades WHERE id IN (7, 9000, 20000) ORDER BY id";
    assert_eq!(env.column(hex), ["00ff", "610062", "eda080"]);
    assert_eq!(env.value("SELECT convert_from(note, 'UTF8') FROM trades WHERE id = 8"), "note 8");
    assert_eq!(env.value("SELECT convert_from(size, 'UTF8') FROM trades WHERE id = 8"), "24");
}

#[test]
fn a_column_that_shall_fail_ends_the_run_before_anything_is_loaded() {
    let env = prepared();
    run(&env, "[tables.trades.columns.note]\nmisfits = 'fail'").expect(65).saying(&[
        "table trades",
        "column note",
        "values that do not fit text: 3",
    ]);
    assert_eq!(
        env.value("SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'liteferry')"),
        "0"
    );
}

#[test]
fn a_remedy_that_the_column_cannot_take_is_refused() {
    for (settings, reason) in [
        ("[tables.trades.columns.id]\nmisfits = 'null'", "of the primary key"),
        ("[tables.trades.columns.size]\nmisfits = 'default'\ndefault = 'many'", "default"),
        ("[tables.trades.columns.size]\nmisfits = 'default'", "default"),
    ] {
        let env = prepared();
        run(&env, settings).expect(78).saying(&["table trades", reason]);
    }
}

#[test]
fn the_plan_says_what_will_be_set_aside() {
    let env = prepared();
    let done = env.liteferry(&env.ends("plan", &[])).expect(0);
    assert!(done.says("values that do not fit: 3, their rows are set aside"), "{done}");
}

#[test]
fn values_that_fit_a_type_the_user_asks_for_are_loaded_and_the_rest_is_set_aside() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n, at TEXT, flag INTEGER, short TEXT);
         INSERT INTO t VALUES (1, 5, '2025-03-30 12:00:00', 1, 'abc'), (2, 'N/A', '2025-03-30 02:30:00', 0, 'abc'),
            (3, '5m', '', 1, 'abcdefgh'), (4, 9, '2025-03-30T10:00:00Z', 2, 'äöüÄÖ'), (5, NULL, NULL, NULL, NULL);",
    );
    let said = "[tables.t.columns]\nn = { type = 'int8' }\nat = { type = 'timestamptz', zone = 'Europe/Berlin' }\nflag = { type = 'bool' }\nshort = { type = 'varchar(5)' }";
    let done = run(&env, said).expect(65);
    assert_eq!(done.json()["tables"][0]["rejected"], 3, "{done}");
    let rejects = env.column(
        "SELECT row_name || ' ' || column_name || ': ' || reason FROM liteferry.reject ORDER BY 1",
    );
    assert_eq!(
        rejects,
        [
            "rowid 2 at: the zone's clocks never showed this time",
            "rowid 2 n: a TEXT is no value of this column",
            "rowid 3 at: an empty text",
            "rowid 3 n: a TEXT is no value of this column",
            "rowid 3 short: it has more characters than the target's type allows",
            "rowid 4 flag: it is no value of a boolean",
        ]
    );
    let rows = env.column("SELECT id || ' ' || coalesce(n, 0) || ' ' || coalesce((at AT TIME ZONE 'UTC')::text, '-') FROM t ORDER BY id");
    assert_eq!(rows, ["1 5 2025-03-30 10:00:00", "5 0 -"]);
}

#[test]
fn a_run_that_dies_while_it_loads_what_was_set_aside_is_taken_up_again() {
    let env = prepared();
    run(&env, "").expect(65);
    let said = "[tables.trades.columns]\nnote = { misfits = 'null' }\nsize = { misfits = 'null' }\n[tables.pairs.columns.value]\nmisfits = 'null'";
    run(&env, "").expect(65);
    let file = env.path("pipeline.toml");
    std::fs::write(&file, format!("{}{said}", std::fs::read_to_string(&file).unwrap())).unwrap();
    let mut command = env.command();
    command.args(["run", "--no-capture", "--workers", "1"]).arg(&file);
    let status = command.env("LITEFERRY_FAIL", "rejects-loaded:2=kill").output().unwrap().status;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    run(&env, said).expect(0);
    assert_eq!(env.value("SELECT count(*) FROM trades"), "20000");
    assert_eq!(env.value("SELECT count(*) FROM liteferry.reject WHERE policy = 'null'"), "5");
}

#[test]
fn cells_that_are_kept_are_not_kept_in_memory_however_many_a_chunk_has() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE written (k INTEGER PRIMARY KEY, v INTEGER) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
         INSERT INTO written SELECT i, i * 3 FROM n; INSERT INTO written VALUES (0, 'abc');
         CREATE TABLE unfit (k INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
         INSERT INTO unfit SELECT i, CASE WHEN i % 2 THEN 'a' ELSE CAST(CAST(i * 3 AS TEXT) AS BLOB) END FROM n;",
    );
    let done = env.run(&[]).expect(65);
    if cfg!(target_os = "linux") {
        assert!((1..76 * 1024).contains(&done.peak_kib), "{} KiB at its peak", done.peak_kib);
    }
    // Each cell is there once, by the name of its row.
    for (ledger, table, step, value) in [
        ("form_exception", "written", 1, "integer', int8send(k * 3)"),
        ("reject", "unfit", 2, "blob', convert_to((k * 3)::text, 'UTF8')"),
    ] {
        let expected = format!(
            "SELECT '{table}', '\\x010000000000000008'::bytea || int8send(k), 'v', '{value}
             FROM generate_series({step}, 200000, {step}) AS k"
        );
        let kept = format!(
            "SELECT table_name, row_key, column_name, storage_class, value FROM liteferry.{ledger}"
        );
        for (these, those) in [(&expected, &kept), (&kept, &expected)] {
            let sql = format!("SELECT count(*) FROM ({these} EXCEPT ALL {those}) AS other");
            assert_eq!(env.value(&sql), "0", "{ledger}");
        }
    }
}

#[test]
fn nothing_takes_the_place_of_a_value_that_another_is_computed_from() {
    let source = "CREATE TABLE g (id INTEGER PRIMARY KEY, a INTEGER, note TEXT, b INTEGER GENERATED ALWAYS AS (a + 1) STORED);
         INSERT INTO g (id, a, note) VALUES (1, 1, 'one'), (2, 2, x'02'), (3, 'bad', 'three')";
    let said = |a: &str, note: &str| {
        format!("[tables.g.columns]\na = {{ type = 'int8'{a} }}\nnote = {{ {note} }}")
    };
    let env = Environment::new();
    env.sqlite(source);
    run(&env, &said("", "")).expect(65);
    run(&env, &said(", misfits = 'null'", "")).expect(78).saying(&[
        "table g",
        "column a",
        "generated = \"values\"",
    ]);
    // What nothing is computed from is not in the way, and nothing was written.
    run(&env, &said("", "misfits = 'null'")).expect(65);
    assert_eq!(env.column("SELECT id || ' ' || b FROM g ORDER BY id"), ["1 2", "2 3"]);
    // The same where the table exists, from the first run on.
    let env = Environment::new();
    env.sqlite(source);
    env.query(
        "CREATE TABLE g (id int8, a int8, note text, b int8 GENERATED ALWAYS AS (a + 1) STORED)",
    );
    let refused = ["table g", "column a", "DROP EXPRESSION"];
    run(&env, "[tables.g.columns.a]\nmisfits = 'null'").expect(78).saying(&refused);
    run(&env, "").expect(65);
    run(&env, "[tables.g.columns.a]\nmisfits = 'null'").expect(78).saying(&refused);
}

#[test]
fn what_was_set_aside_is_read_from_the_source_that_was_copied() {
    let env = prepared();
    run(&env, "").expect(65);
    let file = env.path("pipeline.toml");
    let said = "[tables.trades.columns.note]\nmisfits = 'null'";
    std::fs::write(&file, format!("{}{said}", std::fs::read_to_string(&file).unwrap())).unwrap();
    let mut command = env.command();
    command.args(["run", "--no-capture"]).arg(&file).env("LITEFERRY_FAIL", "constraints-gone=stop");
    let running = env.spawn(command);
    running.wait_stopped();
    env.sqlite("UPDATE trades SET note = 'another' WHERE id = 7");
    running.signal(rustix::process::Signal::CONT);
    running.wait().expect(66).saying(&["table trades", "the source changed"]);
}

#[test]
fn a_decision_that_the_target_refused_does_not_make_a_touched_source_a_changed_one() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE k (id INTEGER PRIMARY KEY, v INTEGER UNIQUE); INSERT INTO k VALUES (1, 1), (2, 'bad')",
    );
    let said = |more: &str| format!("[tables.k.columns]\nv = {{ type = 'int8'{more} }}");
    run(&env, &said("")).expect(65);
    run(&env, &said(", misfits = 'default', default = 1")).expect(78);
    env.sqlite("VACUUM");
    run(&env, &said(", misfits = 'default', default = 99")).expect(0);
    assert_eq!(env.column("SELECT v FROM k ORDER BY id"), ["1", "99"]);
}

#[test]
fn a_table_in_utf_16_arrives_however_many_columns_it_has() {
    for columns in [999, 1000, 1599] {
        let env = Environment::new();
        let list =
            |each: &dyn Fn(usize) -> String| (1..columns).map(each).collect::<Vec<_>>().join(", ");
        env.sqlite(&format!(
            "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id INTEGER PRIMARY KEY, {});
             INSERT INTO t VALUES (1, {}); INSERT INTO t (id, c1, c998) VALUES (2, CAST(x'00d84100' AS TEXT), 5);
             INSERT INTO t (id, c1, c998) VALUES (3, 'fine', CAST(x'410000d8' AS TEXT)), (4, '', x'');",
            list(&|number| format!("c{number}")),
            list(&|number| if number % 5 == 0 { format!("'ä{number}'") } else { "NULL".into() }),
        ));
        let texts = "[tables.t.columns]\nc1 = { type = 'text' }\nc998 = { type = 'text' }";
        let done = run(&env, texts).expect(65);
        assert_eq!(done.json()["tables"][0]["rejected"], 3, "{done}");
        let rejects = "SELECT concat_ws(' ', row_name, column_name, encode(value, 'hex')) FROM liteferry.reject ORDER BY 1";
        assert_eq!(
            env.column(rejects),
            ["rowid 2 c1 00d84100", "rowid 3 c998 410000d8", "rowid 4 c998 "]
        );
        assert_eq!(env.value("SELECT concat_ws(' ', id, c5, c995) FROM t"), "1 ä5 ä995");
    }
}
