//! Tables that cannot be loaded as they are: said before anything is touched, by `plan` as by `run`.

use super::{arguments, made, plan, prepared, run};

/// Both commands end with this code and say all this, and nothing is there or changed after them.
#[track_caller]
fn refused(source: &str, target: &str, settings: &str, code: i32, words: &[&str]) {
    let env = prepared(source, target);
    let before = made(&env);
    plan(&env, settings).expect(code).saying(words);
    run(&env, settings).expect(code).saying(words);
    assert_eq!(made(&env), before);
    assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
}

const ROW: &str =
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a');";

#[test]
fn columns_that_the_target_lacks_are_all_named() {
    let source = "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c); CREATE TABLE u (d);";
    let words = [
        "table t",
        "lacks columns that the source has: a, c",
        "table u",
        "lacks columns that the source has: d",
    ];
    refused(source, "CREATE TABLE t (id bigint, b text); CREATE TABLE u ()", "", 78, &words);
}

#[test]
fn names_that_several_columns_or_tables_have_but_for_case_are_not_guessed() {
    refused(
        ROW,
        "CREATE TABLE t (id bigint, \"NAME\" text, \"Name\" text)",
        "",
        78,
        &["column name", "NAME, Name"],
    );
    refused(
        ROW,
        "CREATE TABLE \"T\" (id bigint); CREATE TABLE \"t \" (id bigint)",
        "",
        78,
        &["lacks columns", "name"],
    );
    let source = "CREATE TABLE Tab (id INTEGER PRIMARY KEY)";
    refused(
        source,
        "CREATE TABLE \"TAB\" (id bigint); CREATE TABLE tab (id bigint)",
        "",
        78,
        &["table Tab", "TAB, tab"],
    );
}

#[test]
fn relations_that_are_no_ordinary_tables_are_named() {
    for (target, what) in [
        ("CREATE VIEW t AS SELECT 1 AS id, '' AS name", "in the target t is a view"),
        ("CREATE MATERIALIZED VIEW t AS SELECT 1 AS id, '' AS name", "in the target t is a materialized view"),
        ("CREATE TABLE t (id bigint, name text) PARTITION BY RANGE (id)", "in the target t is a partitioned table"),
        (
            "CREATE TABLE p (id bigint, name text) PARTITION BY RANGE (id);
             CREATE TABLE \"T\" PARTITION OF p DEFAULT",
            "in the target T is a partition of a table",
        ),
        ("CREATE TABLE p (id bigint, name text); CREATE TABLE t () INHERITS (p)", "in the target t is a table with inheritance"),
        ("CREATE TABLE t (id bigint, name text); CREATE TABLE c () INHERITS (t)", "in the target t is a table with inheritance"),
        ("CREATE UNLOGGED TABLE t (id bigint, name text)", "in the target t is an unlogged table"),
        (
            "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
             CREATE FOREIGN TABLE t (id bigint, name text) SERVER nowhere",
            "in the target t is a foreign table",
        ),
    ] {
        refused(ROW, target, "", 78, &["table t", what, "rename it"]);
    }
}

#[test]
fn columns_that_would_stay_empty_or_cannot_be_written_are_named() {
    for (columns, words) in [
        (
            "id bigint, name text, tenant int NOT NULL",
            ["column tenant", "NOT NULL without a default"],
        ),
        ("id bigint, name text GENERATED ALWAYS AS ('x') STORED", ["column name", "computes"]),
        ("id bigint, name point", ["column name", "point is not supported"]),
        ("id bigint, name text[]", ["column name", "text[] is not supported"]),
        (
            "id bigint, name words",
            ["column name", "public.words, a domain over text[] is not supported"],
        ),
        ("id bigint, name timetz(3)", ["column name", "time(3) with time zone is not supported"]),
        ("id numeric(2, 4), name text", ["column id", "numeric(2,4) is not supported"]),
        ("id bigint, name bigint", ["column name", "no value is bigint as the target's column is"]),
    ] {
        let target = format!(
            "CREATE DOMAIN words AS text[] CHECK (cardinality(value) < 9); CREATE TABLE t ({columns})"
        );
        if columns.contains("(2, 4)") && prepared(ROW, "SELECT 1").server().major_version() < 15 {
            continue;
        }
        refused(ROW, &target, "", 78, &words);
    }
}

#[test]
fn what_values_mean_is_asked_for_by_the_line_that_decides_it() {
    let source = "CREATE TABLE t (at TEXT, n INTEGER); INSERT INTO t VALUES ('2025-01-31 12:00:00', 1700000000)";
    let target = "CREATE TABLE t (at timestamptz, n timestamptz)";
    refused(
        source,
        target,
        "",
        78,
        &["column at", "zone = \\\"UTC\\\"", "column n", "what its integers count is not said"],
    );
    let n = "[tables.t.columns]\nn = { from = 'unix_s' }";
    refused(source, target, n, 78, &["column at", "{ type = \"timestamptz\", zone = \"UTC\" }"]);
    let env = prepared(source, target);
    run(&env, &format!("{n}\nat = {{ type = 'timestamptz', zone = 'UTC' }}")).expect(0);
    let times = "SELECT (at AT TIME ZONE 'UTC') || ' ' || (n AT TIME ZONE 'UTC') FROM t";
    assert_eq!(env.column(times), ["2025-01-31 12:00:00 2023-11-14 22:13:20"]);
}

#[test]
fn a_type_in_the_pipeline_file_that_is_not_the_target_s_is_refused() {
    let said = "[tables.t.columns.name]\ntype = 'varchar(9)'";
    let words = [
        "column name",
        "the pipeline file says `varchar(9)`, and the target's column is character varying(10)",
    ];
    refused(ROW, "CREATE TABLE t (id bigint, name varchar(10))", said, 78, &words);
    let env = prepared(ROW, "CREATE TABLE t (id bigint, name varchar(9))");
    run(&env, said).expect(0);
}

#[test]
fn a_table_that_holds_rows_is_refused() {
    let target = "CREATE TABLE t (id bigint, name text); INSERT INTO t VALUES (2, 'theirs')";
    let words = ["table t", "holds rows already", "existing = \\\"truncate\\\""];
    for settings in
        ["", "existing = 'refuse'|", "existing = 'truncate'|[tables.t]\nexisting = 'refuse'"]
    {
        refused(ROW, target, settings, 78, &words);
    }
}

#[test]
fn a_table_that_holds_rows_is_emptied_where_the_user_says_so() {
    for settings in ["existing = 'truncate'|", "[tables.t]\nexisting = 'truncate'"] {
        let env = prepared(
            ROW,
            "CREATE TABLE t (id bigint PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'theirs'), (2, 'theirs');
             CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never''; END';
             CREATE TRIGGER never BEFORE TRUNCATE ON t EXECUTE FUNCTION no()",
        );
        let before = made(&env);
        let mut words = arguments(&env, "plan", settings);
        words.retain(|word| word != "--json");
        env.liteferry(&words).expect(0).saying(&["ITS ROWS ARE DELETED"]);
        assert_eq!(env.value("SELECT count(*) FROM t"), "2");
        run(&env, settings).expect(0);
        assert_eq!(env.column("SELECT id || name FROM t"), ["1a"]);
        assert_eq!(made(&env), before);
        // What came since is not deleted again.
        env.query("INSERT INTO t VALUES (3, 'new')");
        run(&env, settings).expect(67);
        assert_eq!(env.value("SELECT count(*) FROM t"), "2");
    }
}

#[test]
fn a_table_that_others_reference_is_not_emptied_unless_they_are_moved_too() {
    let target =
        "CREATE TABLE t (id bigint PRIMARY KEY, name text); INSERT INTO t VALUES (2, 'theirs');
                  CREATE TABLE child (t bigint REFERENCES t); INSERT INTO child VALUES (2)";
    let truncate = "existing = 'truncate'|";
    refused(ROW, target, truncate, 78, &["public.child references it by child_t_fkey"]);
    let both = format!("{ROW} CREATE TABLE child (t INTEGER); INSERT INTO child VALUES (1)");
    let env = prepared(&both, target);
    let before = made(&env);
    run(&env, truncate).expect(0);
    assert_eq!(env.column("SELECT t || name FROM child JOIN t ON t.id = child.t"), ["1a"]);
    assert_eq!(made(&env), before);
}

#[test]
fn a_role_that_may_not_do_what_must_be_done_is_told_before() {
    let roles = |env: &crate::environment::Environment, role: &str, sql: &str| {
        env.query(&format!(
            "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {} TO {role}; {sql}",
            env.value("SELECT current_database()")
        ));
        let mut url = env.url();
        let at = url.find('@').unwrap();
        let user = url.find("//").unwrap() + 2;
        url.replace_range(user..at, role);
        url
    };
    for (number, (target, grants, words)) in [
        ("CREATE TABLE t (id bigint PRIMARY KEY, name text)", "GRANT ALL ON t TO ROLE_; GRANT ALL ON SCHEMA public TO ROLE_",
         ["may not change the target's table t: its owner is", "connect as"]),
        ("CREATE TABLE t (id bigint PRIMARY KEY, name text)", "REVOKE ALL ON SCHEMA public FROM public; GRANT USAGE ON SCHEMA public TO ROLE_; ALTER TABLE t OWNER TO ROLE_; REVOKE CREATE ON SCHEMA public FROM ROLE_",
         ["may not make the indexes of the target's table t again", "grant CREATE"]),
        ("CREATE TABLE t (id bigint PRIMARY KEY, name text); CREATE TABLE other (t bigint REFERENCES t)", "GRANT ALL ON SCHEMA public TO ROLE_; ALTER TABLE t OWNER TO ROLE_",
         ["may not put aside the foreign key other_t_fkey of the table public.other", "grant"]),
        ("CREATE TABLE t (id bigint, name text); ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "GRANT ALL ON SCHEMA public TO ROLE_; ALTER TABLE t OWNER TO ROLE_",
         ["row level security hides rows of the target's table t", "BYPASSRLS"]),
        ("CREATE SEQUENCE s; CREATE TABLE t (id bigint DEFAULT nextval('s'), name text)", "GRANT ALL ON SCHEMA public TO ROLE_; ALTER TABLE t OWNER TO ROLE_",
         ["may not set the sequence public.s", "grant"]),
    ].into_iter().enumerate() {
        let env = prepared(ROW, target);
        let role = format!("fitter_{}_{number}", env.value("SELECT current_database()"));
        let url = roles(&env, &role, &grants.replace("ROLE_", &role));
        let before = made(&env);
        let source = env.source();
        for command in [&["plan"][..], &["run", "--no-capture"]] {
            let words_of = [command, &["--source", source.to_str().unwrap(), "--target", &url]].concat();
            env.liteferry(&words_of).expect(77).saying(&words);
        }
        assert_eq!(made(&env), before);
        assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
        env.query(&format!("REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"));
    }
}
