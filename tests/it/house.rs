//! The house: what each room may know of the others, read from the source text itself.
//!
//! `main → cli → journey → {plan, pipeline, store, transform, proof} → row → model`.

use std::fs;
use std::path::{Path, PathBuf};

/// Each word may stand only in files whose path begins with one of these.
const WORDS: &[(&str, &[&str])] = &[
    ("rusqlite", &["src/store/sqlite"]),
    ("tokio", &["src/store/parquet/place", "src/store/postgres"]),
    ("tokio_postgres", &["src/store/postgres"]),
    ("object_store", &["src/store/parquet/place"]),
    ("reqwest", &["src/store/parquet/place"]),
    ("rustls", &["src/store/parquet/place", "src/store/postgres"]),
    ("parquet", &["src/store/parquet", "src/store/mod.rs"]),
    ("ring", &["src/store/parquet", "src/store/postgres"]),
    ("crossbeam_channel", &["src/pipeline"]),
    ("thread::spawn", &["src/pipeline"]),
    ("thread::scope", &["src/pipeline"]),
    ("thread::Builder", &["src/pipeline"]),
    ("signal_hook", &["src/pipeline"]),
    ("clap", &["src/cli"]),
    ("indicatif", &["src/cli"]),
    ("comfy_table", &["src/cli"]),
    ("println", &[]),
    ("eprintln", &[]),
    ("unsafe", &["src/store/sqlite/statement.rs"]),
];

/// The rooms that each room may use, besides itself and `error`.
const ROOMS: &[(&str, &[&str])] = &[
    ("src/main.rs", &["cli"]),
    ("src/cli/", &["config", "journey", "pipeline", "plan", "status", "store"]),
    (
        "src/journey/",
        &[
            "config",
            "model",
            "pipeline",
            "plan",
            "proof",
            "row",
            "sample",
            "status",
            "store",
            "transform",
        ],
    ),
    ("src/store/sqlite/", &["model", "pipeline", "row", "sample", "sql"]),
    ("src/store/postgres/", &["config", "model", "pipeline", "row"]),
    ("src/store/parquet/", &["model", "row"]),
    ("src/store/mod.rs", &["store"]),
    ("src/transform/", &["model", "row"]),
    ("src/proof/", &["model", "row"]),
    ("src/plan/", &["config", "model", "row", "sql"]),
    ("src/pipeline/", &["model"]),
    ("src/status/", &["proof"]),
    ("src/row/", &["model"]),
    ("src/model/", &[]),
    ("src/config/", &[]),
    ("src/error.rs", &[]),
    ("src/sql.rs", &[]),
    ("src/sample.rs", &[]),
    ("data/", &["sample"]),
];

/// Where SQL may be made.
const SQL_ROOMS: [&str; 5] =
    ["src/plan/", "src/store/", "src/sql.rs", "src/journey/aside.rs", "src/journey/begin.rs"];

/// What shows that a text is SQL.
const SQL_WORDS: [&str; 13] = [
    "SELECT ",
    "INSERT INTO",
    "DELETE FROM",
    "TRUNCATE ",
    "CREATE TABLE",
    "CREATE INDEX",
    "CREATE SCHEMA",
    "CREATE TYPE",
    "ALTER TABLE",
    "DROP TABLE",
    "DROP SCHEMA",
    "DO $",
    "PRAGMA ",
];

/// A source file and its text without comments and tests.
struct Source {
    path: String,
    whole: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "data"] {
        rust_files(&root.join(folder), &mut files);
    }
    files.retain(|file| !file.ends_with("tests.rs"));
    assert!(files.len() > 50, "only {} source files were found", files.len());
    let read = |file: &PathBuf| {
        let whole = fs::read_to_string(file).unwrap();
        let product = whole.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
        let path = file.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        Source { path, text: lines.collect::<Vec<_>>().join("\n"), whole }
    };
    files.iter().map(read).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether `word` stands in the text as a whole word.
fn has_word(text: &str, word: &str) -> bool {
    let part_of_name =
        |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
    text.match_indices(word).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let (_, after) = rest.split_at(word.len());
        !part_of_name(before.chars().next_back()) && !part_of_name(after.chars().next())
    })
}

/// The first names behind `crate::` and `liteferry::`, with the second ones of the stores.
fn rooms_named(text: &str) -> Vec<String> {
    let behind = |prefix: &'static str| {
        text.match_indices(prefix).map(move |(at, _)| text.split_at(at + prefix.len()).1)
    };
    let name = |text: &str| -> String {
        text.chars().take_while(|&char| char.is_ascii_lowercase() || char == '_').collect()
    };
    behind("crate::")
        .chain(behind("liteferry::"))
        // What the crate's root itself exports is everybody's.
        .filter(|rest| !rest.starts_with(char::is_uppercase))
        .map(|rest| match rest.strip_prefix("store::") {
            Some(store) => format!("store/{}", name(store)),
            None => name(rest),
        })
        .collect()
}

#[test]
fn each_dependency_stays_in_its_room() {
    let mut strays = Vec::new();
    for source in sources() {
        // The store is called as what it stores in.
        let text = source.text.replace("store::parquet", "");
        for (word, rooms) in WORDS {
            let at_home = rooms.iter().any(|room| source.path.starts_with(room));
            if !at_home && has_word(&text, word) {
                strays.push(format!("{}: `{word}` belongs in {rooms:?}", source.path));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn each_room_uses_only_rooms_below_it() {
    let mut strays = Vec::new();
    for source in sources().iter().filter(|source| source.path != "src/lib.rs") {
        let rule = ROOMS.iter().find(|(room, _)| source.path.starts_with(room));
        let Some((room, below)) = rule else {
            strays.push(format!("{} is in no known room", source.path));
            continue;
        };
        let own = room.trim_start_matches("src/").trim_end_matches('/').trim_end_matches(".rs");
        for named in rooms_named(&source.text) {
            let allowed = named == own
                || named == "error"
                || below.iter().any(|&room| named.split('/').next() == Some(room));
            if !allowed {
                strays.push(format!("{}: crate::{named} is not below {room}", source.path));
            }
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}

#[test]
fn sql_is_made_in_few_rooms_and_names_get_their_quotes_in_one() {
    let mut strays = Vec::new();
    let mut makers = 0;
    for source in sources() {
        if source.path == "src/model/identifier.rs" {
            continue;
        }
        let Some(word) = SQL_WORDS.iter().find(|&word| source.text.contains(word)) else {
            continue;
        };
        makers += 1;
        if !SQL_ROOMS.iter().any(|room| source.path.starts_with(room)) {
            strays.push(format!("{}: `{word}`", source.path));
        }
        let by_hand = ["\\\"{", "'{}'\"", "replace('\"'", "replace('\\''"];
        for quote in by_hand.iter().filter(|&quote| source.text.contains(quote)) {
            strays.push(format!("{}: {quote} puts quotes by hand", source.path));
        }
    }
    assert!(strays.is_empty(), "{}", strays.join("\n"));
    assert!(makers > 20, "only {makers} files make SQL");
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let mut silent = Vec::new();
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "data", "tests", "benches"] {
        if root.join(folder).exists() {
            rust_files(&root.join(folder), &mut files);
        }
    }
    for file in files {
        let first =
            fs::read_to_string(&file).unwrap().lines().next().unwrap_or_default().to_owned();
        let says = first.strip_prefix("//! ").is_some_and(|words| words.len() > 10);
        if !says {
            silent.push(file.display().to_string());
        }
    }
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn the_rules_find_strays() {
    assert!(has_word("use rusqlite::Connection;", "rusqlite"));
    assert!(!has_word("the_rusqlite_thing", "rusqlite"));
    assert_eq!(
        rooms_named("use crate::store::postgres::ledger; crate::row::x"),
        ["store/postgres", "row"]
    );
    let whole = sources().into_iter().filter(|source| source.whole.contains("rusqlite")).count();
    assert!(whole > 3, "the rules look at the wrong files");
}
