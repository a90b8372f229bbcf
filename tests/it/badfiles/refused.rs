//! What is refused before anything is created, and with which words.

use super::damage::{
    PAGE, Page, ROWS, break_pages, declare, edit, is_refused, is_refused_with, nothing_came_to_be,
    pages, says_in_one_line, write_page,
};
use crate::comparison::Comparison;
use crate::environment::Environment;
use crate::shapes::ReadOnly;
use rusqlite::Connection;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

fn with_rows() -> Environment {
    let env = Environment::new();
    env.sqlite(ROWS);
    env
}

#[test]
fn a_file_without_a_byte_is_refused() {
    let env = Environment::new();
    fs::write(env.source(), b"").unwrap();
    is_refused(&env, 65, &["is empty", "no tables"]);
}

#[test]
fn a_file_without_a_byte_keeps_its_log() {
    let env = with_rows();
    env.sqlite("PRAGMA journal_mode = WAL");
    let writer = Connection::open(env.source()).unwrap();
    writer.execute_batch("DELETE FROM one WHERE id > 10").unwrap();
    let log = fs::read(env.path("source.db-wal")).unwrap();
    assert!(!log.is_empty());
    drop(writer);
    fs::write(env.source(), b"").unwrap();
    fs::write(env.path("source.db-wal"), &log).unwrap();
    is_refused(&env, 65, &["is empty, but its write-ahead log is not"]);
    assert!(fs::read(env.path("source.db-wal")).unwrap() == log, "the log was touched");
}

#[test]
fn a_truncated_file_is_refused() {
    for bytes in [100, 700, 3 * PAGE, 20 * PAGE, 20 * PAGE + 7] {
        let env = with_rows();
        edit(&env, |file| file.truncate(bytes));
        is_refused(&env, 65, &["is damaged"]);
    }
}

#[test]
fn an_encrypted_file_is_refused() {
    let env = with_rows();
    edit(&env, |file| {
        let mut key: u8 = 1;
        for byte in file {
            key = key.wrapping_mul(37).wrapping_add(11);
            *byte ^= key;
        }
    });
    is_refused(&env, 65, &["is no SQLite database, or it is encrypted"]);
}

#[test]
fn a_file_with_another_magic_is_refused() {
    let env = with_rows();
    edit(&env, |file| file[0] = b's');
    is_refused(&env, 65, &["is no SQLite database"]);
    is_refused_with(&env, &["--accept-corrupt"], 65, &["is no SQLite database"]);
}

#[test]
fn a_file_of_text_is_refused() {
    let env = Environment::new();
    fs::write(env.source(), "id,name\n1,one\n".repeat(100)).unwrap();
    is_refused(&env, 65, &["is no SQLite database"]);
}

#[test]
fn a_malformed_schema_is_refused_with_what_is_malformed() {
    let env = with_rows();
    env.sqlite("CREATE VIEW seen AS SELECT 1");
    declare(&env, "seen", "CREATE VIEW seen AS SELEKT 1");
    is_refused(&env, 65, &["is damaged"]);
    assert!(env.run(&[]).says("malformed database schema (seen)"));
}

#[test]
fn a_broken_page_of_a_table_is_refused() {
    for kind in ["leaf", "internal"] {
        let env = with_rows();
        let page = pages(&env, "one", kind)[0];
        break_pages(&env, &[page]);
        is_refused(&env, 65, &["is damaged"]);
    }
}

#[test]
fn a_broken_page_of_an_index_is_refused() {
    let env = with_rows();
    let page = pages(&env, "one_n", "leaf")[3];
    break_pages(&env, &[page]);
    is_refused(&env, 65, &["is damaged"]);
}

#[test]
fn a_log_without_its_file_is_refused() {
    let env = with_rows();
    env.sqlite("PRAGMA journal_mode = WAL");
    let writer = Connection::open(env.source()).unwrap();
    writer.execute_batch("DELETE FROM one WHERE id > 10").unwrap();
    let log = fs::read(env.path("source.db-wal")).unwrap();
    drop(writer);
    fs::remove_file(env.source()).unwrap();
    fs::write(env.path("source.db-wal"), &log).unwrap();
    let done = env.run(&[]);
    says_in_one_line(&done, 65, &["is not there, but its write-ahead log is"]);
    assert!(done.says("copy the file and its `-wal` again, together"), "{done}");
    nothing_came_to_be(&env);
    assert!(!env.source().exists() && fs::read(env.path("source.db-wal")).unwrap() == log);
}

/// Puts an old page back, as a disk does that lost a write.
#[test]
fn a_lost_write_that_took_rows_without_a_trace_is_refused() {
    let env = with_rows();
    let page = *pages(&env, "one", "leaf").last().unwrap();
    let old = page_of(&env, page);
    let rows = format!("DELETE FROM one WHERE id = {}", page.last);
    env.sqlite(&rows);
    let new = page_of(&env, page);
    assert_ne!(old, new);
    write_page(&env, page, &old);
    is_refused(&env, 65, &["is damaged", "index"]);
}

fn page_of(env: &Environment, page: Page) -> Vec<u8> {
    let file = fs::read(env.source()).unwrap();
    page.slice(&file).to_vec()
}

#[test]
fn a_damaged_file_in_write_ahead_mode_without_its_log_is_told_where_that_may_be() {
    let env = with_rows();
    env.sqlite("PRAGMA journal_mode = WAL");
    let page = pages(&env, "one", "leaf")[3];
    assert!(!env.path("source.db-wal").exists());
    break_pages(&env, &[page]);
    let done = env.run(&[]);
    says_in_one_line(&done, 65, &["is damaged"]);
    assert!(done.says("copy its `-wal` file too"), "{done}");
    let env = with_rows();
    break_pages(&env, &[pages(&env, "one", "leaf")[3]]);
    assert!(!env.run(&[]).says("-wal"));
}

/// A source whose writer died in the middle of a transaction that had begun to change the file.
fn with_hot_journal() -> Environment {
    let env = with_rows();
    let writer = Connection::open(env.source()).unwrap();
    writer
        .execute_batch("PRAGMA cache_size = 5; PRAGMA cache_spill = 1; BEGIN; UPDATE one SET n = n + 1; UPDATE two SET n = n + 1")
        .unwrap();
    let read = |suffix: &str| fs::read(env.path(&format!("source.db{suffix}"))).unwrap();
    let (file, journal) = (read(""), read("-journal"));
    assert!(
        journal.len() > PAGE && journal[..8] == [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]
    );
    drop(writer);
    fs::write(env.source(), file).unwrap();
    fs::write(env.path("source.db-journal"), journal).unwrap();
    env
}

#[test]
fn a_hot_journal_is_refused_and_left_alone() {
    let env = with_hot_journal();
    let journal = fs::read(env.path("source.db-journal")).unwrap();
    for more in [&[][..], &["--accept-corrupt"]] {
        is_refused_with(&env, more, 65, &["journal of a writer that died"]);
    }
    assert!(fs::read(env.path("source.db-journal")).unwrap() == journal);
    // What the message advises helps.
    let connection = Connection::open(env.source()).unwrap();
    connection.query_row("SELECT count(*) FROM one", [], |row| row.get::<_, i64>(0)).unwrap();
    drop(connection);
    env.run(&[]).expect(0);
    Comparison::new().assert_equal(&env.source(), &env.connect());
}

#[test]
fn a_hot_journal_in_a_folder_that_cannot_be_written_is_refused() {
    let env = with_hot_journal();
    let folder = env.path("read-only");
    fs::create_dir(&folder).unwrap();
    for suffix in ["", "-journal"] {
        let name = format!("source.db{suffix}");
        fs::copy(env.path(&name), folder.join(&name)).unwrap();
        fs::set_permissions(folder.join(&name), Permissions::from_mode(0o444)).unwrap();
    }
    let read_only = ReadOnly::new(&env, &folder);
    let before = read_only.files();
    says_in_one_line(&read_only.run(&env), 65, &["journal of a writer that died"]);
    assert!(read_only.files() == before);
    nothing_came_to_be(&env);
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let env = with_rows();
    let folder = env.path("read-only");
    fs::create_dir(&folder).unwrap();
    fs::copy(env.source(), folder.join("source.db")).unwrap();
    fs::set_permissions(folder.join("source.db"), Permissions::from_mode(0o000)).unwrap();
    let read_only = ReadOnly::new(&env, &folder);
    says_in_one_line(&read_only.run(&env), 77, &["cannot be opened"]);
    nothing_came_to_be(&env);
}

#[test]
fn a_source_that_another_holds_is_passing() {
    let env = with_rows();
    let writer = Connection::open(env.source()).unwrap();
    writer
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM one")
        .unwrap();
    says_in_one_line(&env.run(&[]), 75, &["locked by another program"]);
    nothing_came_to_be(&env);
}

#[test]
fn a_folder_and_a_file_that_is_not_there_are_refused() {
    let env = Environment::new();
    fs::create_dir(env.source()).unwrap();
    says_in_one_line(&env.run(&[]), 2, &["is not a file"]);
    fs::remove_dir(env.source()).unwrap();
    says_in_one_line(&env.run(&[]), 2, &["cannot be found"]);
    nothing_came_to_be(&env);
}

#[test]
fn a_link_to_a_source_and_a_name_that_looks_like_an_address_are_only_files() {
    let env = with_rows();
    let odd = env.path("file:x?mode=memory&immutable=1");
    fs::rename(env.source(), &odd).unwrap();
    symlink(&odd, env.source()).unwrap();
    env.run(&[]).expect(0);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    let env = with_rows();
    fs::rename(env.source(), env.path("file:x?mode=memory")).unwrap();
    let url = env.url();
    let arguments =
        ["run", "--no-capture", "--json", "--source", "file:x?mode=memory", "--target", &url];
    env.liteferry(&arguments).expect(0);
    assert_eq!(env.value("SELECT count(*) FROM one"), "1000");
}

/// A tree whose inner page leads to the same leaf again and again.
#[test]
fn a_tree_that_leads_back_into_itself_is_refused_and_not_read_for_ever() {
    let env = with_rows();
    let inner = pages(&env, "one", "internal")[0];
    let leaf = pages(&env, "one", "leaf")[0];
    edit(&env, |file| inner.lead_all_to(leaf, file));
    is_refused(&env, 65, &["is damaged"]);
    let done = env.run(&["--accept-corrupt"]).expect(65);
    let ids = env.column("SELECT id FROM one ORDER BY id");
    assert!(ids.len() <= usize::try_from(leaf.last).unwrap(), "{done}");
    assert_eq!(env.value("SELECT count(*) FROM two"), "1000");
}

#[test]
fn a_source_that_was_damaged_while_it_was_moved_is_refused_where_its_file_was_touched() {
    let env = with_rows();
    env.run(&["--until", "schema"]).expect(0);
    let modified = fs::metadata(env.source()).unwrap().modified().unwrap();
    let page = pages(&env, "one_n", "leaf")[3];
    break_pages(&env, &[page]);
    says_in_one_line(&env.run(&[]), 65, &["is damaged"]);
    assert_eq!(env.value("SELECT count(*) FROM one"), "0");
    // An index is not moved: where nothing says that the file was touched it is not checked again.
    File::options().write(true).open(env.source()).unwrap().set_modified(modified).unwrap();
    env.run(&[]).expect(0);
    assert_eq!(env.value("SELECT count(*) FROM one"), "1000");
}
