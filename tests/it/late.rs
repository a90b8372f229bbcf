//! What the user decides about values that do not fit after rows were set aside: the end is as if it had been said from
//! the first run.

use crate::environment::{Done, Environment};

fn prepared(source: &str) -> Environment {
    let env = Environment::new();
    env.sqlite(source);
    env
}

/// The arguments of a command with a pipeline file that says this of tables.
fn arguments(env: &Environment, command: &str, settings: &str) -> Vec<String> {
    let file = env.path("pipeline.toml");
    let text = format!(
        "name = 'file'\n[source]\npath = 'source.db'\n[target]\nurl = '{}'\n[snapshot]\nchunk_bytes = 4096\n{settings}",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    let more: &[&str] = if command == "run" { &["--no-capture"] } else { &[] };
    let words = [&[command, "--json"], more, &[file.to_str().unwrap()]].concat();
    words.into_iter().map(Into::into).collect()
}

fn run(env: &Environment, settings: &str) -> Done {
    env.liteferry(&arguments(env, "run", settings))
}

/// A run of one worker that dies at a step.
fn dies(env: &Environment, settings: &str, step: &str) {
    let mut command = env.command();
    command
        .args(arguments(env, "run", settings))
        .args(["--workers", "1"])
        .env("LITEFERRY_FAIL", format!("{step}=kill"));
    let status = command.output().unwrap().status;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{step}");
}

/// Columns, constraints and indexes of the target, and how far its sequences are.
fn made(env: &Environment) -> Vec<String> {
    env.column(
        "SELECT concat_ws(' ', conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid)) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
         UNION ALL SELECT concat_ws(' ', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull)
         FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
         WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0
         UNION ALL SELECT sequencename || ' ' || coalesce(last_value, 0) FROM pg_sequences WHERE schemaname = 'public'
         ORDER BY 1",
    )
}

/// The target is what it is where the same is said from the first run.
fn assert_as_from_the_first_run(env: &Environment, source: &str, settings: &str, code: i32) {
    let first = prepared(source);
    run(&first, settings).expect(code);
    assert_eq!(made(env), made(&first));
    for table in
        env.column("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    {
        let rows = format!("SELECT t::text FROM public.\"{table}\" t ORDER BY 1");
        assert_eq!(env.column(&rows), first.column(&rows), "{table}");
    }
}

const WIDENED: &str = "
    CREATE TABLE groups (id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO groups VALUES (1, 'a'), (2, 'b');
    CREATE TABLE books (id INTEGER PRIMARY KEY, code UNIQUE, pages INTEGER, mood TEXT, g INTEGER REFERENCES groups);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO books SELECT i, i * 7, i * 3, CASE i % 2 WHEN 0 THEN 'glad' ELSE 'sad' END, 1 + i % 2 FROM n;
    UPDATE books SET pages = x'fe00' WHERE id IN (5, 3000);
    UPDATE books SET code = x'fe01' WHERE id = 6;
    CREATE INDEX by_pages ON books (pages, id);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, book INTEGER REFERENCES books, code REFERENCES books (code));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO notes SELECT i, 1 + i % 3000, 7 * (1 + i % 3000) FROM n;
    UPDATE notes SET code = 42 WHERE book = 6;";

const MOOD: &str = "[tables.books.columns]\nmood = { type = 'enum' }\n";

#[test]
fn a_column_that_is_widened_after_the_first_run_takes_its_table_anew_and_no_other() {
    let env = prepared(WIDENED);
    run(&env, MOOD).expect(65);
    assert_eq!(env.value("SELECT count(*) FROM books"), "2997");
    let others = "SELECT concat_ws(' ', table_name, chunk, epoch, loaded_at, pg_relation_filenode(table_name::regclass))
                  FROM liteferry.chunk WHERE table_name <> 'books' ORDER BY 1";
    let before = env.column(others);
    assert!(before.len() > 2, "{before:?}");
    let settings = format!("{MOOD}pages = {{ misfits = 'widen' }}\ncode = {{ misfits = 'widen' }}");
    // A plan says so, and does nothing.
    let plan = env.liteferry(&arguments(&env, "plan", &settings)).expect(0);
    let told = plan.json()["anew"].to_string();
    assert!(told.contains("table books: it is dropped and loaded again"), "{told}");
    assert!(told.contains("pages becomes bytea"), "{told}");
    assert_eq!(env.value("SELECT count(*) FROM books"), "2997");
    // What dies before the change leaves what was, and after it an empty table that is filled.
    dies(&env, &settings, "anew-made");
    assert_eq!(env.value("SELECT pg_typeof(pages) FROM books LIMIT 1"), "bigint");
    dies(&env, &settings, "anew-committed");
    assert_eq!(env.value("SELECT count(*) FROM books"), "0");
    dies(&env, &settings, "chunk-committed:3");
    dies(&env, &settings, "key-committed:2");
    dies(&env, &settings, "foreign-key-committed");
    let done = run(&env, &settings).expect(0);
    assert_eq!(done.json()["phase"], "proved");
    assert_eq!(env.column(others), before);
    assert_eq!(env.value("SELECT count(*) FROM liteferry.reject"), "0");
    assert_eq!(
        env.column("SELECT encode(pages, 'hex') FROM books WHERE id IN (5, 3000)"),
        ["fe00"; 2]
    );
    let source = rusqlite::Connection::open(env.source()).unwrap();
    let hex =
        "id || ' ' || lower(hex(CAST(pages AS BLOB))) || ' ' || lower(hex(CAST(code AS BLOB)))";
    let mut held =
        source.prepare(&format!("SELECT {hex} || ' ' || mood FROM books ORDER BY id")).unwrap();
    let held: Vec<String> =
        held.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let there = "SELECT concat_ws(' ', id, encode(pages, 'hex'), encode(code, 'hex'), mood) FROM books ORDER BY id";
    assert_eq!(env.column(there), held);
    assert_as_from_the_first_run(&env, WIDENED, &settings, 0);
    // Once more is nothing to do, and it stays so.
    let chunks =
        "SELECT concat_ws(' ', table_name, chunk, loaded_at) FROM liteferry.chunk ORDER BY 1";
    let before = env.column(chunks);
    run(&env, &settings).expect(0);
    assert_eq!(env.column(chunks), before);
    run(&env, MOOD).expect(78).saying(&["table books", "column code", "it was widened already"]);
}

#[test]
fn a_table_that_others_wrote_to_or_look_at_or_that_existed_is_not_taken_anew() {
    let env = prepared(WIDENED);
    env.query("CREATE TABLE notes (id bigint PRIMARY KEY, book bigint, code bigint)");
    env.sqlite("UPDATE notes SET book = x'01' WHERE id = 9");
    run(&env, "").expect(65);
    let books = "[tables.books.columns]\npages = { misfits = 'widen' }";
    env.query("INSERT INTO books (id) VALUES (9000), (9001), (9002), (9003)");
    run(&env, books).expect(78).saying(&["table books", "3001 rows", "has loaded 2997"]);
    env.query("DELETE FROM books WHERE id >= 9000; CREATE VIEW mine AS SELECT id FROM books");
    run(&env, books).expect(78).saying(&["drop what depends on it"]);
    assert_eq!(env.value("SELECT count(*) FROM mine"), "2997");
    let notes = "[tables.notes.columns]\nbook = { misfits = 'widen' }";
    run(&env, notes).expect(78).saying(&["table notes", "column book", "it is not widened"]);
    env.query("DROP VIEW mine");
    run(&env, books).expect(65);
    assert_eq!(env.value("SELECT count(*) FROM books"), "2999");
}

const REFERRING: &str = "
    CREATE TABLE z_parent (id INTEGER PRIMARY KEY, v INTEGER, u INTEGER UNIQUE);
    INSERT INTO z_parent VALUES (1, 10, 1), (2, x'02', 2), (3, 30, 3), (4, x'04', x'aa'), (5, 50, x'bb');
    CREATE TABLE a_child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES z_parent, n INTEGER CHECK (n >= 0));
    INSERT INTO a_child VALUES (1, 2, x'01'), (2, 77, x'02'), (3, 1, 5), (4, 1, 6), (5, NULL, 7), (6, 3, 8), (9, 4, x'09');
    CREATE TABLE b_child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES z_parent);
    INSERT INTO b_child VALUES (1, 2), (2, 3);";

#[test]
fn rows_that_come_late_may_lack_parents_and_break_checks_as_those_of_a_first_run() {
    let env = prepared(REFERRING);
    let parents = "[tables.z_parent.columns]\nu = { misfits = 'null' }\nv = { misfits = 'null' }\n";
    let done = run(&env, "").expect(65);
    assert!(
        done.says("b_child_p_fkey stays NOT VALID, because rows break it: 1 rows: id = 1, p = 2"),
        "{done}"
    );
    assert_eq!(env.value("SELECT last_value FROM a_child_id_seq"), "9");
    // A child comes before its parent, and without one.
    let children = "[tables.a_child.columns]\nn = { misfits = 'default', default = -1 }\n";
    let done = run(&env, children).expect(65);
    assert!(done.says("a_child_p_fkey stays NOT VALID, because rows break it: 3 rows: id = 1, p = 2; id = 2, p = 77; id = 9, p = 4"), "{done}");
    assert!(done.says("3 rows: id = 1"), "{done}");
    assert_eq!(env.value("SELECT last_value FROM a_child_id_seq"), "9");
    let both = format!("{children}{parents}");
    for step in ["constraints-aside", "constraints-gone", "rejects-loaded"] {
        dies(&env, &both, step);
    }
    let done = run(&env, &both).expect(0);
    assert!(
        done.says("a_child_p_fkey stays NOT VALID, because rows break it: 1 rows: id = 2, p = 77"),
        "{done}"
    );
    assert!(
        done.says("check a_child_check stays NOT VALID, because rows break it: 3 rows: id = 1"),
        "{done}"
    );
    assert!(!done.says("b_child_p_fkey stays"), "{done}");
    assert_as_from_the_first_run(&env, REFERRING, &both, 0);
    env.liteferry(&arguments(&env, "verify", &both)).expect(0);
}

const REQUIRED: &str = "
    CREATE TABLE books (id INTEGER PRIMARY KEY, pages INTEGER NOT NULL, price REAL NOT NULL DEFAULT 9.5, code TEXT NOT NULL);
    INSERT INTO books VALUES (1, 100, 1.5, 'a'), (2, x'fe', 2.5, 'b'), (3, 300, 3.5, x'ff'), (4, 400, x'00', 'd');";

#[test]
fn a_required_column_is_so_no_more_once_null_shall_take_the_place_of_its_misfits() {
    let required = "SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute
                    WHERE attrelid = 'books'::regclass AND attnum > 0 AND attnotnull";
    let one = "[tables.books.columns]\npages = { misfits = 'null' }\n";
    let all = format!("{one}price = {{ misfits = 'null' }}\ncode = {{ misfits = 'null' }}");
    let env = prepared(REQUIRED);
    run(&env, "").expect(65);
    assert_eq!(env.value(required), "code id pages price");
    let plan = env.liteferry(&arguments(&env, "plan", one)).expect(0);
    let told = plan.json()["anew"].to_string();
    assert!(told.contains("table books: the column pages is NOT NULL no more"), "{told}");
    assert_eq!(env.value(required), "code id pages price");
    for step in ["anew-made", "anew-committed", "rejects-loaded"] {
        dies(&env, one, step);
    }
    run(&env, one).expect(65);
    assert_eq!(env.value(required), "code id price");
    run(&env, &all).expect(0);
    assert_eq!(
        env.column(
            "SELECT id FROM books WHERE pages IS NULL OR price IS NULL OR code IS NULL ORDER BY 1"
        ),
        ["2", "3", "4"]
    );
    assert_as_from_the_first_run(&env, REQUIRED, &all, 0);
    // Before the tables are there it is the same.
    let env = prepared(REQUIRED);
    dies(&env, "", "plan-begun");
    run(&env, &all).expect(0);
    assert_as_from_the_first_run(&env, REQUIRED, &all, 0);
}

#[test]
fn a_required_column_stays_so_where_nothing_is_replaced_by_null_or_the_table_existed() {
    let said = "[tables.books.columns]\npages = { misfits = 'null' }\n";
    let sound = "CREATE TABLE books (id INTEGER PRIMARY KEY, pages INTEGER NOT NULL); INSERT INTO books VALUES (1, 2)";
    let env = prepared(sound);
    run(&env, said).expect(0);
    let required = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'books'::regclass AND attname = 'pages'";
    assert_eq!(env.value(required), "t");
    let env = prepared(REQUIRED);
    env.query("CREATE TABLE books (id bigint, pages bigint NOT NULL, price float8, code text)");
    run(&env, said).expect(78).saying(&["table books", "column pages", "it is NOT NULL"]);
    run(&env, "").expect(65);
    run(&env, said).expect(78).saying(&["table books", "column pages", "it is NOT NULL"]);
    assert_eq!(env.value(required), "t");
}

#[test]
fn what_takes_the_place_of_a_late_value_and_breaks_a_key_can_be_replaced_by_something_else() {
    let env = prepared(REFERRING);
    run(&env, "").expect(65);
    let said = |u: &str| {
        format!(
            "[tables.z_parent.columns]\nv = {{ misfits = 'null' }}\nu = {u}\n[tables.a_child.columns]\nn = {{ misfits = 'null' }}"
        )
    };
    let one = said("{ misfits = 'default', default = 1 }");
    run(&env, &one).expect(78).saying(&["table z_parent", "must keep the target's keys"]);
    assert_eq!(env.value("SELECT count(*) FROM z_parent"), "2");
    run(&env, &said("{ misfits = 'null' }")).expect(0);
    assert_eq!(env.column("SELECT id FROM z_parent WHERE u IS NULL ORDER BY 1"), ["4", "5"]);
}

#[test]
fn late_rows_of_tables_that_exist_keep_no_foreign_key_waiting() {
    let env = prepared(REFERRING);
    env.query(
        "CREATE TABLE z_parent (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v bigint, u bigint UNIQUE);
         CREATE TABLE a_child (id bigint PRIMARY KEY, p bigint CONSTRAINT to_parent REFERENCES z_parent, n bigint);
         COMMENT ON CONSTRAINT to_parent ON a_child IS 'theirs'",
    );
    env.sqlite("DELETE FROM a_child WHERE id = 2");
    run(&env, "").expect(65);
    let said = "[tables.a_child.columns]\nn = { misfits = 'null' }\n[tables.z_parent.columns]\nu = { misfits = 'null' }\nv = { misfits = 'null' }";
    run(&env, said).expect(0);
    assert_eq!(
        env.column("SELECT a.id FROM a_child a JOIN z_parent z ON z.id = p ORDER BY 1"),
        ["1", "3", "4", "6", "9"]
    );
    let key = "SELECT convalidated || ' ' || obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'to_parent'";
    assert_eq!(env.value(key), "true theirs");
}

#[test]
fn what_a_sample_did_not_see_can_be_widened_when_the_load_has_found_it() {
    let env = prepared(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, note TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90000)
         INSERT INTO t SELECT i, i * 3, 'note ' || i FROM n; INSERT INTO u SELECT id FROM t;
         UPDATE t SET n = x'fe' WHERE id = 50021;",
    );
    let with = |census: &str, settings: &str| {
        let mut words = arguments(&env, "run", settings);
        words.extend(["--census".into(), census.into()]);
        env.liteferry(&words)
    };
    with("sample", "").expect(65);
    assert_eq!(env.column("SELECT row_name FROM liteferry.reject"), ["rowid 50021"]);
    let others = "SELECT concat_ws(' ', chunk, loaded_at) FROM liteferry.chunk WHERE table_name = 'u' ORDER BY 1";
    let before = env.column(others);
    // What is looked at is what the first run looked at, whatever is said now.
    with("full", "[tables.t.columns]\nn = { misfits = 'widen' }").expect(0);
    let bytes = "SELECT count(*) FROM t WHERE n::text = CASE id WHEN 50021 THEN '\\xfe' ELSE convert_to((id * 3)::text, 'UTF8')::text END";
    let text = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'n'";
    assert_eq!(env.value(text), "bytea");
    assert_eq!(env.value(bytes), "90000");
    assert_eq!(env.column(others), before);
}

#[test]
fn rows_that_come_late_are_not_named_in_memory_however_many_a_chunk_has() {
    let env = prepared(
        "CREATE TABLE t (word TEXT COLLATE NOCASE, k INTEGER, v TEXT, PRIMARY KEY (word, k DESC)) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
         INSERT INTO t SELECT substr('aBcDe', 1 + i % 5, 1), i - 200000, CASE WHEN i % 4 THEN char(0) ELSE 'fits' END FROM n;",
    );
    run(&env, "").expect(65);
    assert_eq!(env.value("SELECT count(*) FROM t"), "100000");
    let done = run(&env, "[tables.t.columns]\nv = { misfits = 'null' }").expect(0);
    if cfg!(target_os = "linux") {
        assert!((1..64 * 1024).contains(&done.peak_kib), "{} KiB at its peak", done.peak_kib);
    }
    assert_eq!(
        env.value("SELECT count(*) || ' ' || count(v) || ' ' || count(DISTINCT k) FROM t"),
        "400000 100000 400000"
    );
    assert_eq!(env.value("SELECT count(*) FROM liteferry.reject WHERE policy = 'null'"), "300000");
}

#[test]
fn late_rows_without_any_name_of_their_own_come_as_often_as_they_are_there() {
    let env = prepared(
        "CREATE TABLE t (rowid, oid, _rowid_ TEXT);
         INSERT INTO t VALUES (1, 'a', char(0)), (1, 'a', char(0)), (2, 'b', 'fits'), (2, 'b', char(0)), (1, 'a', char(0)),
            (1, char(0), char(0)), (1, char(0), char(0)), (2, 'b', 'fits');",
    );
    run(&env, "").expect(65);
    assert_eq!(env.value("SELECT count(*) FROM t"), "2");
    let one = "[tables.t.columns]\n_rowid_ = { misfits = 'null' }\n";
    run(&env, one).expect(65);
    assert_eq!(env.value("SELECT count(*) FROM t"), "6");
    run(&env, &format!("{one}oid = {{ misfits = 'default', default = 'd' }}")).expect(0);
    let rows = "SELECT concat_ws(' ', rowid, oid, _rowid_) FROM t ORDER BY 1";
    assert_eq!(
        env.column(rows),
        ["1 a", "1 a", "1 a", "1 d", "1 d", "2 b", "2 b fits", "2 b fits"]
    );
}

#[test]
fn a_touched_source_beside_decisions_that_chunks_have_taken_in_different_ways_is_not_a_changed_one()
{
    let env = prepared(
        "CREATE TABLE k (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER UNIQUE);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO k SELECT i, i, i FROM n;
         UPDATE k SET a = x'0a' WHERE id IN (10, 990); UPDATE k SET b = CAST(char(id / 20) AS BLOB) WHERE id IN (20, 980);",
    );
    let said = |a: &str, b: &str| format!("[tables.k.columns]\na = {a}\nb = {b}");
    let (reject, null) = ("{ misfits = 'reject' }", "{ misfits = 'null' }");
    run(&env, &said(reject, reject)).expect(65);
    // The first chunk is done, the last is not.
    dies(&env, &said(null, reject), "rejects-loaded:2");
    assert_eq!(env.column("SELECT id FROM k WHERE id IN (10, 20, 980, 990)"), ["10"]);
    // The target refuses what is said next.
    run(&env, &said(null, "{ misfits = 'default', default = 1 }")).expect(78);
    env.liteferry(&arguments(&env, "verify", &said(null, null))).expect(65);
    env.sqlite("VACUUM");
    run(&env, &said(null, null)).expect(0);
    assert_eq!(
        env.value("SELECT count(*) || ' ' || count(a) || ' ' || count(b) FROM k"),
        "1000 998 998"
    );
    // What did change is told as ever.
    let env = prepared(
        "CREATE TABLE k (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER); INSERT INTO k VALUES (1, 1, 1), (2, 2, 2), (3, x'0a', 3)",
    );
    run(&env, &said(reject, reject)).expect(65);
    env.sqlite("UPDATE k SET b = 4 WHERE id = 1");
    run(&env, &said(null, null)).expect(66).saying(&["table k", "the source changed"]);
}
