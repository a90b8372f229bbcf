//! Databases of PostgreSQL in an archive: one state of them whatever is written meanwhile, proved before it is named,
//! restored into an empty database or not at all.

use super::{archive, path, text};
use crate::environment::{Done, Environment, Session};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Something of everything, with names that need their quotes.
const OBJECTS: &str = r#"
    CREATE SCHEMA "Odd ""schema""";
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, t text, mood mood, price numeric(20, 8),
                    at timestamptz DEFAULT now(), raw bytea, said jsonb, many int[], d double precision,
                    twice numeric GENERATED ALWAYS AS (price * 2) STORED);
    INSERT INTO a (t, mood, price, raw, said, many, d)
        SELECT 'text ' || i, 'sad', i / 7.0, decode(md5(i::text), 'hex'), jsonb_build_object('i', i), ARRAY[i, NULL], i / 3.0
        FROM generate_series(1, 30000) i;
    INSERT INTO a (t) VALUES (NULL);
    CREATE INDEX a_price ON a (price DESC) WHERE d > 5;
    CREATE TABLE "Odd ""schema"""."b'c" ("t" text, "T" interval, id bigint REFERENCES a);
    INSERT INTO "Odd ""schema"""."b'c" VALUES ('x', '1 month 2 days', 3), ('x', '1 month 2 days', 3), ('y', NULL, NULL);
    CREATE TABLE parts (id int, word text) PARTITION BY RANGE (id);
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE parts_high PARTITION OF parts DEFAULT;
    INSERT INTO parts SELECT i, 'w' FROM generate_series(1, 100) i;
    CREATE TABLE nothing ();
    CREATE TABLE empty (id int);
    CREATE VIEW seen AS SELECT count(*) AS n FROM a;
    CREATE MATERIALIZED VIEW kept AS SELECT max(id) AS n FROM a;
    CREATE SEQUENCE counted START 77;
    SELECT nextval('counted');
    CREATE FUNCTION plus(i int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN i + 1; END';
    SELECT lo_from_bytea(0, '\x00ff');"#;

/// All of it as a person would ask for it.
const CONTENT: &str = r#"
    SELECT md5(string_agg((x.*)::text, ',' ORDER BY id)) FROM a x
    UNION ALL SELECT string_agg((x.*)::text, ',' ORDER BY x."t", x.id) FROM "Odd ""schema"""."b'c" x
    UNION ALL SELECT count(*)::text || min(tableoid::regclass::text) FROM parts GROUP BY tableoid
    UNION ALL SELECT n::text FROM seen UNION ALL SELECT n::text FROM kept
    UNION ALL SELECT nextval('counted')::text UNION ALL SELECT plus(1)::text
    UNION ALL SELECT encode(lo_get(oid), 'hex') FROM pg_largeobject_metadata
    UNION ALL SELECT string_agg(indexdef, ',' ORDER BY indexdef) FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY conname) FROM pg_constraint
              WHERE conrelid <> 0 AND connamespace > 16383"#;

fn content(env: &Environment) -> Vec<String> {
    let mut content = env.column(CONTENT);
    content.sort();
    content
}

pub(super) fn back_up(env: &Environment, more: &[&str]) -> Done {
    let (url, archive) = (env.url(), path(env, "archive"));
    let words = ["backup", "--json", "--target", &url, "--archive", &archive];
    env.liteferry(&[&words[..], more].concat())
}

/// Restores what is in the archive of one into the database of the other.
pub(super) fn restore(from: &Environment, name: &str, to: &Environment, more: &[&str]) -> Done {
    let (archive, url) = (path(from, "archive"), to.url());
    let words = ["restore", "--json", "--archive", &archive, "--backup", name, "--target", &url];
    to.liteferry(&[&words[..], more].concat())
}

#[test]
fn a_database_comes_back_as_it_was() {
    let (env, other) = (Environment::new(), Environment::new());
    env.query(OBJECTS);
    let made = back_up(&env, &[]).expect(0);
    assert_eq!(made.json()["kind"], "postgres");
    // After the backup: what reads a sequence changes it.
    let before = content(&env);
    env.query("DROP TABLE parts; UPDATE a SET t = 'changed'");
    let name = text(&made.json()["backup"]);
    restore(&env, &name, &other, &[]).expect(0);
    assert_eq!(content(&other), before);
    restore(&env, &name, &other, &[]).expect(2).saying(&["is not empty", "createdb"]);
    assert_eq!(archive(&env, "check", &["--read-data"]).expect(0).json()["backups"], 1);
    let (archive, file) = (path(&env, "archive"), path(&env, "new.db"));
    let as_file = ["restore", "--archive", &archive, "--backup", &name, "--sqlite", &file];
    env.liteferry(&as_file).expect(2).saying(&["none of a SQLite file", "--target"]);
    let listed = super::archive(&env, "list", &[]).expect(0);
    let source = text(&listed.json()["backups"][0]["source"]);
    assert!(source.contains(&env.value("SELECT current_database()")), "{source}");
}

#[test]
fn a_backup_is_one_state_whatever_is_written_meanwhile() {
    let (env, other) = (Environment::new(), Environment::new());
    env.query(
        "CREATE TABLE a AS SELECT i AS id, 0 AS n, repeat('x', 100) AS pad FROM generate_series(1, 20000) i;
         CREATE TABLE b AS SELECT id, n FROM a",
    );
    let (url, ended) = (env.url(), AtomicBool::new(false));
    let name = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (session, mut times) = (Session::open(&url), 0);
            while !ended.load(Ordering::Relaxed) {
                session.query("BEGIN; UPDATE a SET n = n + 1; UPDATE b SET n = n + 1; COMMIT");
                times += 1;
            }
            times
        });
        let name = text(&back_up(&env, &[]).expect(0).json()["backup"]);
        ended.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap() > 1);
        name
    });
    restore(&env, &name, &other, &[]).expect(0);
    let states = "SELECT count(DISTINCT n) FROM (SELECT n FROM a UNION ALL SELECT n FROM b) x";
    assert_eq!(other.value(states), "1");
}

#[test]
fn a_backup_of_postgres_is_hidden_by_the_key_and_pruned_by_itself() {
    let (env, other) = (Environment::new(), Environment::new());
    env.query("CREATE TABLE a AS SELECT 'a secret' AS word FROM generate_series(1, 1000)");
    env.sqlite("CREATE TABLE a (id INTEGER PRIMARY KEY)");
    let file = env.path("key");
    fs::write(&file, (0..32).collect::<Vec<u8>>()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let with_key = ["--key-file", file.to_str().unwrap()];
    super::back_up(&env, &with_key).expect(0);
    let names: Vec<_> =
        (0..2).map(|_| text(&back_up(&env, &with_key).expect(0).json()["backup"])).collect();
    for entry in fs::read_dir(env.path("archive/backups")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|it| it == b"a secret" || it == b"postgres"));
    }
    restore(&env, &names[1], &other, &[]).expect(77);
    let pruned = archive(&env, "prune", &[&with_key[..], &["--keep", "1", "--now"]].concat());
    assert_eq!(pruned.expect(0).json()["backups"], 1);
    restore(&env, &names[0], &other, &with_key).expect(2).saying(&["no such backup"]);
    restore(&env, &names[1], &other, &with_key).expect(0);
    assert_eq!(other.value("SELECT count(*) FROM a WHERE word = 'a secret'"), "1000");
}

#[test]
fn what_does_not_come_back_is_not_kept() {
    // A function that finds its table by the search path alone, which no restore has.
    let refused = "CREATE TABLE listed (id int); INSERT INTO listed VALUES (1);
        CREATE FUNCTION is_listed(i int) RETURNS bool LANGUAGE plpgsql AS
            'BEGIN RETURN EXISTS (SELECT FROM listed l WHERE l.id = i); END';
        CREATE TABLE a (id int CHECK (is_listed(id))); INSERT INTO a VALUES (1)";
    // One that only says that it always gives the same.
    let other = "CREATE FUNCTION here() RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT current_database()::text';
        CREATE TABLE a (id int, name text GENERATED ALWAYS AS (here()) STORED); INSERT INTO a VALUES (1)";
    let told = [("pg_restore failed", 69), ("\"public\".\"a\" had 1 rows, and has 1", 67)];
    for (sql, (what, code)) in [refused, other].into_iter().zip(told) {
        let env = Environment::new();
        env.query(sql);
        back_up(&env, &[]).expect(code).saying(&[what, "nothing was put into the archive"]);
        archive(&env, "list", &[]).expect(2).saying(&["there is no archive"]);
        assert!(!env.path("archive/backups").exists());
    }
}

#[test]
fn tables_that_may_not_be_read_and_programs_that_are_not_there_are_told() {
    let env = Environment::new();
    env.query("CREATE TABLE a (id int)");
    let database = env.value("SELECT current_database()");
    let role = format!("r{database}");
    env.query(&format!("CREATE ROLE {role} LOGIN"));
    let (url, archive) =
        (env.url().replace("liteferry@", &format!("{role}@")), path(&env, "archive"));
    env.liteferry(&["backup", "--target", &url, "--archive", &archive])
        .expect(69)
        .saying(&["pg_dump failed", "permission denied"]);
    env.query(&format!("DROP ROLE {role}"));
    back_up(&env, &["--pg-bin", env.path(".").to_str().unwrap()])
        .expect(69)
        .saying(&["does not hold"]);
    let secret = "postgresql://u:secret@localhost/d";
    env.liteferry(&["backup", "--target", secret, "--archive", &archive]).expect(64);
    env.liteferry(&["backup", "--archive", &archive]).expect(2);
    env.liteferry(&["backup", "--target", &url, "--sqlite", "a.db", "--archive", &archive])
        .expect(2);
}
