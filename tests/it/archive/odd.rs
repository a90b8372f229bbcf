//! Archives of what is seldom: names that no folder could have, and sources of which not all can be read.

use super::{Archived, files, told};
use crate::environment::Environment;
use std::collections::BTreeSet;

/// Names that would lead elsewhere, mean two things, or be too long; and some that differ by little. ASCII letters of
/// either case are one name to SQLite, others are not.
fn odd_names() -> Vec<String> {
    let names = [
        "",
        " ",
        ".",
        "..",
        "../../out",
        "/etc/passwd",
        "a/b",
        "a~2fb",
        "a\\b",
        "a\"b",
        "a'b",
        "*",
        "Ä",
        "ä",
        "ａ",
        "rows",
        "con",
        "-",
        "~",
        "%2e%2e",
        "two\nlines",
        "🐸",
        "generations",
        "Mixed",
    ];
    let long = |end: &str| format!("{}{end}", "long".repeat(75));
    names.into_iter().map(str::to_owned).chain([long("a"), long("b")]).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[test]
fn tables_of_odd_names_have_folders_of_their_own_and_come_back() {
    let names = odd_names();
    let sql = names.iter().enumerate().map(|(number, name)| {
        let name = quoted(name);
        format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY, a); INSERT INTO {name} VALUES ({number}, 'x');")
    });
    let archived = Archived::of(&sql.collect::<String>());
    archived.run(&[]).expect(0);
    archived.assert_whole();
    let tables = archived.place().join("tables");
    let all = files(&tables);
    let folders: BTreeSet<_> = all.iter().map(|file| file.parent().unwrap()).collect();
    assert_eq!((all.len(), folders.len()), (names.len(), names.len()));
    for folder in &folders {
        // tables/TABLE/rows, and nothing of it is hidden or means something to a program that looks for files.
        let parts: Vec<_> = folder.strip_prefix(&tables).unwrap().iter().collect();
        let [table, rows] = parts.as_slice() else { panic!("{folder:?}") };
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~".contains(byte);
        assert!(table.as_encoded_bytes().iter().all(is_plain) && *rows == "rows", "{folder:?}");
    }
    let lower: BTreeSet<_> = folders.iter().map(|it| it.to_str().unwrap().to_lowercase()).collect();
    assert_eq!(lower.len(), names.len(), "two are one where case does not count");
    let (file, done) = archived.restore("restored.db");
    done.expect(0);
    assert_eq!(told(&archived.environment.source()), told(&file));
}

#[test]
fn what_could_not_be_read_of_the_source_is_missed_in_whatever_is_restored() {
    let archived = Archived::of(
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x');
         CREATE TABLE looped (a, b AS (c), c AS (a)); INSERT INTO looped VALUES (1);
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE TABLE looped (a, b AS (c), c AS (b))' WHERE name = 'looped';",
    );
    archived.run(&[]).expect(65).saying(&["looped"]);
    let (_file, done) = archived.restore("restored.db");
    let done = done.expect(65).saying(&["table looped: no row of it can be read"]);
    assert_eq!(done.json()["unreadable"][0]["table"], "looped");
    let (other, place) = (Environment::new(), archived.place());
    let (target, place) = (other.url(), place.to_str().unwrap());
    let restore = ["restore", "--archive", place, "--target", &target, "--json"];
    let done = other.liteferry(&restore).expect(65);
    assert_eq!(done.json()["unreadable"][0]["table"], "looped");
    let third = Environment::new();
    let target = third.url();
    let restore = ["restore", "--archive", place, "--target", &target, "--table", "t"];
    third.liteferry(&restore).expect(0);
}
