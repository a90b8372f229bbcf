//! Odd shapes of sources: sizes, keys, names, encodings, journals, and folders that cannot be written.

use crate::comparison::{Compared, Comparison};
use crate::environment::{Done, Environment};
use rusqlite::{Connection, params};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Moves this source whole, and gives what was compared and what was said.
#[track_caller]
fn moves(sql: &str) -> (Compared, Done, Environment) {
    let env = Environment::new();
    env.sqlite(sql);
    let done = env.run(&[]).expect(0);
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    env.verify().expect(0);
    (compared, done, env)
}

#[test]
fn tables_of_no_row_and_of_one_row_are_moved() {
    let (compared, done, _) = moves(
        "CREATE TABLE none (id INTEGER PRIMARY KEY, a, b TEXT, c BLOB, d DATETIME, e NUMERIC);
         CREATE TABLE none_either (a TEXT PRIMARY KEY) WITHOUT ROWID;
         CREATE TABLE bare (a);
         CREATE TABLE one (id INTEGER PRIMARY KEY, a); INSERT INTO one VALUES (-9, 'x');
         CREATE TABLE only (a TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO only VALUES ('');
         CREATE TABLE alone (a); INSERT INTO alone VALUES (NULL);",
    );
    assert_eq!(compared, Compared { tables: 6, rows: 3, set_aside: 0 });
    let tables = done.json()["tables"].as_array().unwrap();
    assert!(tables.iter().all(|table| table["equal"] == true), "{done}");
}

#[test]
fn a_database_without_tables_is_moved_at_once() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE gone (a); DROP TABLE gone");
    let done = env.run(&[]).expect(0);
    assert_eq!(done.json()["tables"].as_array().unwrap().len(), 0);
    assert_eq!(env.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
}

/// A table of so many columns with a few rows; `cell` gives the value of a row's column as SQL.
fn wide(columns: usize, cell: impl Fn(usize, usize) -> String) -> String {
    let names: Vec<_> = (0..columns).map(|column| format!("column_{column}")).collect();
    let mut sql = format!("CREATE TABLE wide ({});", names.join(", "));
    for row in 0..3 {
        let cells: Vec<_> = (0..columns).map(|column| cell(row, column)).collect();
        write!(sql, "INSERT INTO wide VALUES ({});", cells.join(", ")).unwrap();
    }
    sql
}

#[test]
fn five_hundred_columns_are_moved() {
    let (compared, ..) = moves(&wide(500, |row, column| match (column + row) % 5 {
        0 if row > 0 => "NULL".into(),
        _ => match column % 4 {
            0 => format!("{column}"),
            1 => format!("{column}.25"),
            2 => format!("'text {column}'"),
            _ => format!("x'{column:08x}'"),
        },
    }));
    assert_eq!(compared, Compared { tables: 1, rows: 3, set_aside: 0 });
}

#[test]
fn as_many_columns_as_postgresql_has_are_moved() {
    let (compared, ..) = moves(&wide(1600, |row, column| format!("'{}'", (row + column) % 10)));
    assert_eq!(compared, Compared { tables: 1, rows: 3, set_aside: 0 });
}

#[test]
fn more_columns_than_postgresql_has_are_refused_before_anything_is_created() {
    for (columns, encoding) in
        [(1601, "UTF-8"), (1999, "UTF-8"), (2000, "UTF-8"), (2000, "UTF-16le")]
    {
        let env = Environment::new();
        env.sqlite(&format!(
            "PRAGMA encoding = '{encoding}'; {}",
            wide(columns, |_, _| "1".into())
        ));
        env.liteferry(&env.ends("plan", &[])).expect(78).saying(&["table wide", "1600"]);
        env.run(&[]).expect(78).saying(&["table wide", "1600"]);
        let began = "SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'";
        assert_eq!(env.value(began), "0");
    }
}

#[test]
fn a_row_that_no_page_of_the_server_holds_is_refused_before_anything_is_created() {
    let env = Environment::new();
    env.sqlite(&wide(1600, |_, column| column.to_string()));
    env.run(&[]).expect(78).saying(&["table wide", "12824 bytes of a page", "another type"]);
    assert_eq!(env.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'"), "0");
}

#[test]
fn a_row_that_may_be_too_wide_for_a_page_is_told_of_and_ends_the_load_where_it_is() {
    let sometimes = |least: usize| {
        wide(
            1600,
            move |row, column| {
                if column < 100 || row > least { column.to_string() } else { "NULL".into() }
            },
        )
    };
    let env = Environment::new();
    env.sqlite(&sometimes(1));
    let done = env.run(&[]).expect(65);
    done.saying(&["a row may take", "8160", "table wide", "row is too big"]);
    let (compared, done, _) =
        moves(&wide(
            1600,
            |row, column| {
                if column % 3 == row { column.to_string() } else { "NULL".into() }
            },
        ));
    assert_eq!(compared, Compared { tables: 1, rows: 3, set_aside: 0 });
    assert!(done.says("a row may take"), "{done}");
}

/// Bytes without a pattern that would let anything be compressed.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next()).take(bytes).collect()
}

const MIB: usize = 1024 * 1024;

#[test]
fn rows_of_a_hundred_megabytes_are_moved_in_bounded_memory() {
    const LARGE: usize = 100 * MIB;
    let env = Environment::new();
    env.sqlite("CREATE TABLE blobs (id INTEGER PRIMARY KEY, v BLOB); CREATE TABLE texts (id INTEGER PRIMARY KEY, v TEXT)");
    let blob = noise(LARGE, 7);
    // Letters only, so that each byte is a character.
    let text: String =
        noise(LARGE, 8).into_iter().map(|byte| char::from(b'A' + byte % 26)).collect();
    let writer = Connection::open(env.source()).unwrap();
    writer
        .execute("INSERT INTO blobs VALUES (1, x'00'), (2, ?1), (3, NULL)", params![blob])
        .unwrap();
    writer
        .execute("INSERT INTO texts VALUES (1, ''), (2, ?1), (3, 'after')", params![text])
        .unwrap();
    drop(writer);
    let done = env.run(&[]).expect(0);
    let target = env.connect();
    assert!(target.bytes("SELECT v FROM blobs WHERE id = 2") == blob);
    assert!(
        target.bytes("SELECT convert_to(v, 'UTF8') FROM texts WHERE id = 2") == text.as_bytes()
    );
    assert_eq!(env.value("SELECT encode(v, 'hex') FROM blobs WHERE id = 1"), "00");
    assert_eq!(env.value("SELECT v FROM texts WHERE id = 3"), "after");
    if cfg!(target_os = "linux") {
        let bound = u64::try_from((256 * MIB + 3 * LARGE) / 1024).unwrap();
        let least = u64::try_from(LARGE / 1024).unwrap();
        assert!(
            (least..bound).contains(&done.peak_kib),
            "{} KiB at its peak, {bound} are allowed",
            done.peak_kib
        );
        let verified = env.verify().expect(0);
        assert!(
            (1..bound).contains(&verified.peak_kib),
            "{} KiB at its peak, {bound} are allowed",
            verified.peak_kib
        );
    }
}

#[test]
fn many_rows_of_a_megabyte_are_moved_in_bounded_memory() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE blobs (id INTEGER PRIMARY KEY, v BLOB)");
    let writer = Connection::open(env.source()).unwrap();
    writer.execute_batch("BEGIN").unwrap();
    let rowid =
        |row: i64| if row % 2 == 0 { i64::MIN + row * 1_000_003 } else { i64::MAX - row * 7 };
    for row in 0..100_i64 {
        let noise = noise(MIB, row.cast_unsigned() + 11);
        writer.execute("INSERT INTO blobs VALUES (?1, ?2)", params![rowid(row), noise]).unwrap();
    }
    writer.execute_batch("COMMIT").unwrap();
    drop(writer);
    let done = env.run(&[]).expect(0);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    // Several chunks, at both ends of the rowids, and each of them is narrowed to its row.
    let chunks: i64 = env.value("SELECT count(*) FROM liteferry.chunk").parse().unwrap();
    assert!(chunks > 4, "{chunks} chunks");
    if cfg!(target_os = "linux") {
        assert!((1..256 * 1024).contains(&done.peak_kib), "{} KiB at its peak", done.peak_kib);
    }
    for row in [0, 1, 98, 99] {
        let id = rowid(row);
        env.query(&format!("UPDATE blobs SET v = '\\x00' WHERE id = '{id}'"));
        env.verify().expect(67).saying(&[&format!("changed {id} ")]);
        env.query(&format!("DELETE FROM blobs WHERE id = '{id}'"));
        env.verify().expect(67).saying(&[&format!("missing {id} ")]);
    }
}

#[test]
fn keys_of_every_kind_are_moved() {
    let (compared, done, env) = moves(
        "CREATE TABLE nulls (a TEXT PRIMARY KEY, b INTEGER);
         INSERT INTO nulls VALUES (NULL, 1), (NULL, 1), (NULL, 2), ('x', 3);
         CREATE TABLE half (a TEXT, b INTEGER, PRIMARY KEY (a, b));
         INSERT INTO half VALUES ('x', NULL), ('x', NULL), (NULL, 1), ('x', 1);
         CREATE TABLE strange (a REAL PRIMARY KEY, b BLOB UNIQUE);
         INSERT INTO strange VALUES (1.5, x'00'), (-0.0, x''), (1e300, NULL), (9e999, NULL);
         CREATE TABLE backwards (id INTEGER PRIMARY KEY DESC, a); INSERT INTO backwards VALUES (NULL, 1), (7, 2);
         CREATE TABLE small (id INT PRIMARY KEY, a); INSERT INTO small VALUES (5, 'x'), (3, 'y');
         CREATE TABLE hidden (rowid TEXT, _rowid_ TEXT, oid TEXT); INSERT INTO hidden VALUES ('a', 'b', 'c');
         CREATE TABLE inverted (a, b, c, PRIMARY KEY (c, a)) WITHOUT ROWID; INSERT INTO inverted VALUES (1, 2, 3);",
    );
    assert_eq!(compared, Compared { tables: 7, rows: 18, set_aside: 0 });
    let keys = |table: &str| {
        env.value(&format!("SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conrelid = '{table}'::regclass"))
    };
    assert_eq!(
        [keys("nulls"), keys("half"), keys("strange"), keys("inverted")],
        ["0", "0", "1", "1"],
        "{done}"
    );
    // What held in the source holds in the target.
    assert!(env.connect().try_query("INSERT INTO nulls VALUES ('x', 9)").is_err());
    assert!(env.connect().try_query("INSERT INTO half VALUES ('x', 1)").is_err());
    env.query("INSERT INTO nulls VALUES (NULL, 9); DELETE FROM nulls WHERE b = 2");
    env.verify().expect(67).saying(&["1 missing, 1 extra"]);
}

#[test]
fn decimals_of_more_digits_than_arrow_has_are_moved() {
    let (compared, _, env) = moves(
        "CREATE TABLE large (n DECIMAL(60, 20), v TEXT);
         INSERT INTO large VALUES (1.5, 'a'), (2, 'b'), (-1234567.25, 'c'), (1e-10, 'd'), (0, 'e'), (NULL, 'f');
         CREATE TABLE keyed (n DECIMAL(60, 20) PRIMARY KEY NOT NULL, m NUMERIC) WITHOUT ROWID;
         INSERT INTO keyed VALUES (0.5, 1.5), (3, 0.25), (1e20, 7);
         CREATE TABLE free (n NUMERIC PRIMARY KEY NOT NULL) WITHOUT ROWID; INSERT INTO free VALUES (1.5), (2), (-0.125);",
    );
    assert_eq!(compared, Compared { tables: 3, rows: 12, set_aside: 0 });
    assert_eq!(env.value("SELECT n FROM large WHERE v = 'b'"), "2.00000000000000000000");
    // More zeros name the same row.
    env.query("UPDATE free SET n = n + 0.00000; UPDATE keyed SET m = m + 0.000");
    env.verify().expect(0);
    env.query("DELETE FROM free WHERE n = 2; UPDATE keyed SET m = 8 WHERE n = 3");
    env.verify().expect(67).saying(&["missing 2 ", "changed 3 "]);
}

#[test]
fn an_index_that_cannot_hold_the_rows_is_left_out_and_told_in_every_run() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE pages (id INTEGER PRIMARY KEY, body TEXT, size INTEGER);
         CREATE INDEX pages_body ON pages (body, size); CREATE INDEX pages_size ON pages (size);
         INSERT INTO pages VALUES (1, hex(randomblob(10000)), 20000), (2, 'short', 5);",
    );
    for _ in 0..2 {
        let done = env.run(&[]).expect(0);
        let warnings = done.json()["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 1, "{done}");
        let warning = warnings[0].as_str().unwrap();
        assert!(
            warning.contains("table pages") && warning.contains("index pages_body"),
            "{warning}"
        );
    }
    Comparison::new().assert_equal(&env.source(), &env.connect());
    let indexes = "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'pages'";
    assert_eq!(env.value(indexes), "pages_pkey pages_size");
}

#[test]
fn a_key_that_no_type_keeps_apart_must_be_decided_before_anything_is_created() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id PRIMARY KEY NOT NULL); INSERT INTO t VALUES (1), ('1')");
    for _ in 0..2 {
        env.run(&[]).expect(78).saying(&["table t", "the key (id)", "no type tells them apart"]);
    }
    assert_eq!(env.value("SELECT to_regclass('t') IS NULL"), "t");
}

/// Names that would break out of any quoting that is not right.
const NAMES: [&str; 22] = [
    "select",
    "User",
    "UPPER",
    "with space",
    "it's",
    "two\"quotes\"",
    "semi;colon",
    "new\nline",
    "tab\tbed",
    "back\\slash",
    "dot.dot",
    "percent%s",
    "dollar$$1",
    "--comment",
    "/*comment*/",
    "größe",
    "表",
    "🐸",
    "$1",
    "1st",
    "a\"; DROP SCHEMA public CASCADE; --",
    "sixty_three_bytes_are_as_many_as_postgresql_keeps_of_every_name",
];

#[test]
fn names_of_every_kind_are_kept() {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut sql = String::new();
    for (number, name) in NAMES.iter().enumerate() {
        let table = quoted(name);
        let column = quoted(NAMES[(number + 1) % NAMES.len()]);
        let index = quoted(&format!("i{number} {}", name.chars().take(15).collect::<String>()));
        write!(
            sql,
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, {column} TEXT DEFAULT 'd', CHECK (length({column}) < 99));
             CREATE INDEX {index} ON {table} ({column}) WHERE {column} > 'a';
             INSERT INTO {table} VALUES (1, 'value {number}'), (2, NULL);"
        )
        .unwrap();
    }
    let (compared, done, env) = moves(&sql);
    assert_eq!(compared, Compared { tables: NAMES.len(), rows: 2 * NAMES.len(), set_aside: 0 });
    let kept: Vec<_> = env.column("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace");
    assert!(NAMES.iter().all(|&name| kept.iter().any(|kept| kept == name)), "{kept:?}");
    let indexes =
        "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND indexname ~ '^i\\d+ '";
    assert_eq!(env.value(indexes), NAMES.len().to_string(), "{done}");
    let checks = "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace";
    assert_eq!(env.value(checks), NAMES.len().to_string(), "{done}");
    // And all of it can be undone.
    env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
    assert_eq!(
        env.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "0"
    );
}

#[test]
fn utf_16_is_moved_as_utf_8() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let (compared, ..) = moves(&format!(
            "PRAGMA encoding = '{encoding}';
             CREATE TABLE größe (id INTEGER PRIMARY KEY, \"表\" TEXT DEFAULT 'ß', at DATETIME, n DECIMAL(10, 2), b BLOB);
             INSERT INTO größe VALUES (1, 'Привет 🐸 中文', '2025-09-15 12:13:22', 1.25, x'feff'), (2, '', NULL, 3, NULL);"
        ));
        assert_eq!(compared, Compared { tables: 1, rows: 2, set_aside: 0 });
    }
}

#[test]
fn strict_and_generated_columns_are_moved() {
    let (compared, ..) = moves(
        "CREATE TABLE strict_one (id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
         INSERT INTO strict_one VALUES (1, -1, 0.5, 't', x'00', 'any'), (2, NULL, NULL, NULL, NULL, NULL);
         CREATE TABLE derived (id INTEGER PRIMARY KEY, a INTEGER, twice INTEGER AS (a * 2) STORED, more TEXT AS ('<' || a || '>'));
         INSERT INTO derived (id, a) VALUES (1, 21), (2, NULL);",
    );
    assert_eq!(compared, Compared { tables: 2, rows: 4, set_aside: 0 });
}

#[test]
fn what_is_not_moved_is_told() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'x');
         CREATE VIEW seen AS SELECT * FROM t;
         CREATE TRIGGER noted AFTER INSERT ON t BEGIN DELETE FROM t WHERE id < 0; END;
         CREATE VIRTUAL TABLE words USING fts5(body); INSERT INTO words VALUES ('a');",
    );
    let done = env.run(&[]).expect(0);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    for word in ["seen", "noted", "words"] {
        assert!(done.says(word), "{word} is not told of: {done}");
    }
}

const ROWS: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, 'row ' || i FROM n;";

/// A source in write-ahead mode of which the last rows stand only in its log, and who holds it so.
fn with_log(env: &Environment) -> Connection {
    env.sqlite("PRAGMA journal_mode = WAL");
    env.sqlite(ROWS);
    let writer = Connection::open(env.source()).unwrap();
    writer.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO t VALUES (-1, 'in the log'); DELETE FROM t WHERE id = 2").unwrap();
    assert!(fs::metadata(env.path("source.db-wal")).unwrap().len() > 0);
    writer
}

#[test]
fn what_stands_only_in_the_log_of_an_open_source_is_moved() {
    let env = Environment::new();
    let writer = with_log(&env);
    let main = fs::read(env.source()).unwrap();
    let log = fs::read(env.path("source.db-wal")).unwrap();
    env.run(&[]).expect(0);
    assert_eq!(env.value("SELECT v FROM t WHERE id = -1"), "in the log");
    assert!(fs::read(env.source()).unwrap() == main, "the file was written to");
    assert!(fs::read(env.path("source.db-wal")).unwrap() == log, "the log was written to");
    Comparison::new().assert_equal(&env.source(), &env.connect());
    drop(writer);
}

#[test]
fn what_stands_only_in_the_log_of_a_copied_source_is_moved() {
    let env = Environment::new();
    let other = Environment::new();
    let writer = with_log(&other);
    for suffix in ["", "-wal"] {
        let file = |env: &Environment| env.path(&format!("source.db{suffix}"));
        fs::copy(file(&other), file(&env)).unwrap();
    }
    drop(writer);
    let main = fs::read(env.source()).unwrap();
    env.run(&[]).expect(0);
    assert!(fs::read(env.source()).unwrap() == main, "the file was written to");
    assert_eq!(env.value("SELECT v FROM t WHERE id = -1"), "in the log");
    assert_eq!(env.value("SELECT count(*) FROM t"), "2000");
}

#[test]
fn a_source_stays_as_it_was_to_the_byte() {
    let env = Environment::new();
    env.sqlite(liteferry::sample::ZOO_SQL);
    let look = || {
        let file = fs::metadata(env.source()).unwrap();
        let beside: Vec<_> = ["-wal", "-shm", "-journal"]
            .iter()
            .filter(|suffix| env.path(&format!("source.db{suffix}")).exists())
            .collect();
        (
            fs::read(env.source()).unwrap(),
            file.ino(),
            file.mtime_nsec(),
            file.mtime(),
            file.mode(),
            format!("{beside:?}"),
        )
    };
    let before = look();
    env.run(&[]).expect(0);
    env.verify().expect(0);
    assert!(look() == before);
}

#[test]
fn a_write_ahead_source_keeps_its_file_to_the_byte() {
    let env = Environment::new();
    env.sqlite("PRAGMA journal_mode = WAL");
    env.sqlite(ROWS);
    let before = fs::read(env.source()).unwrap();
    env.run(&[]).expect(0);
    env.verify().expect(0);
    assert!(fs::read(env.source()).unwrap() == before);
    Comparison::new().assert_equal(&env.source(), &env.connect());
}

/// A folder that the program cannot write to, and the account as which it cannot.
pub(crate) struct ReadOnly {
    folder: PathBuf,
    account: Option<(u32, u32)>,
}

impl ReadOnly {
    /// Root may write everywhere: then it is the account of the server that runs the program, which must reach the
    /// server's socket. Everybody else takes the right from the folder.
    pub(crate) fn new(env: &Environment, folder: &Path) -> Self {
        let account = rustix::process::geteuid().is_root().then(|| {
            let sockets = fs::metadata(env.server().socket_dir()).unwrap();
            assert_ne!(sockets.uid(), 0, "the server's account is root");
            fs::set_permissions(env.path(""), fs::Permissions::from_mode(0o755)).unwrap();
            (sockets.uid(), sockets.gid())
        });
        fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
        let read_only = Self { folder: folder.into(), account };
        let mut touch = read_only.command("touch");
        let touched = touch.arg(folder.join("probe")).output().unwrap();
        assert!(
            !touched.status.success() && !folder.join("probe").exists(),
            "the folder can be written to"
        );
        read_only
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    /// Runs the program with the folder's `source.db`, at rest.
    pub(crate) fn run(&self, env: &Environment) -> Done {
        self.liteferry(env, &["run", "--no-capture"])
    }

    /// Gives the program a command with the folder's `source.db`.
    pub(crate) fn liteferry(&self, env: &Environment, words: &[&str]) -> Done {
        // Where the other account can reach it too.
        let (built, program) = (env!("CARGO_BIN_EXE_liteferry"), env.path("liteferry"));
        if !program.exists() {
            fs::hard_link(built, &program)
                .or_else(|_| fs::copy(built, &program).map(drop))
                .unwrap();
        }
        let mut command = self.command(program.to_str().unwrap());
        let source = self.folder.join("source.db");
        let ends = ["--json", "--source", source.to_str().unwrap(), "--target", &env.url()];
        command.args(words).args(ends);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        env.spawn(command).wait()
    }

    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        // So that the test's folder can be deleted by everybody.
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Moves the files named `source.db…` of a test's folder out of a folder that cannot be written to.
#[track_caller]
fn moves_read_only(env: &Environment, rows: &str) {
    let folder = env.path("read-only");
    fs::create_dir(&folder).unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("source.db{suffix}");
        if env.path(&name).exists() {
            fs::copy(env.path(&name), folder.join(&name)).unwrap();
            fs::set_permissions(folder.join(&name), fs::Permissions::from_mode(0o444)).unwrap();
        }
    }
    let read_only = ReadOnly::new(env, &folder);
    let before = read_only.files();
    read_only.run(env).expect(0);
    assert_eq!(env.value("SELECT count(*) FROM t"), rows);
    assert!(read_only.files() == before, "something in the folder changed");
    Comparison::new().assert_equal(&env.source(), &env.connect());
}

#[test]
fn a_source_in_a_folder_that_cannot_be_written_is_moved() {
    let env = Environment::new();
    env.sqlite(ROWS);
    moves_read_only(&env, "2000");
}

#[test]
fn a_write_ahead_source_in_a_folder_that_cannot_be_written_is_moved() {
    let env = Environment::new();
    env.sqlite("PRAGMA journal_mode = WAL");
    env.sqlite(ROWS);
    assert!(!env.path("source.db-wal").exists());
    moves_read_only(&env, "2000");
}

#[test]
fn a_log_in_a_folder_that_cannot_be_written_is_moved_too() {
    let env = Environment::new();
    let writer = with_log(&env);
    moves_read_only(&env, "2000");
    assert_eq!(env.value("SELECT v FROM t WHERE id = -1"), "in the log");
    drop(writer);
}
