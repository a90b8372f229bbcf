//! Moves every database of a folder and judges it independently: equal, refused with which error, salvaged in part where
//! damage is accepted, or wrong: not equal, another exit code, a panic, or too slow to say no. With `--live` each is moved
//! as a source that is written to, changed all over, followed, and judged after that. With `--written` each is read as a
//! run reads it and written anew as a SQLite file, which must be the same.
//!
//! Not a part of `cargo test`: `tests/scripts/corpus.sh DIR` runs it. The files are copied first, and never touched.

#![expect(dead_code, reason = "the tests use more of the environment")]

#[cfg(test)]
#[path = "written/again.rs"]
mod again;
#[cfg(test)]
mod comparison;
#[cfg(test)]
mod environment;
#[cfg(test)]
#[path = "written/same.rs"]
mod same;

use comparison::Comparison;
use environment::{Done, Environment};
use liteferry::config::Pipeline;
use liteferry::error::Class;
use liteferry::model::Motion;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

/// Exit codes with which a source may be refused: what it holds, or what must be decided.
const REFUSALS: [i32; 2] = [65, 78];

/// The argument by which sources are followed.
const LIVE: &str = "--live";
/// The argument by which sources are written anew.
const WRITTEN: &str = "--written";

/// How long it may take to refuse a file.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of one database.
enum Outcome {
    Equal(String),
    Salvaged(String),
    Refused(String),
    Wrong(String),
}

fn main() -> ExitCode {
    let Some(folder) = env::var_os("LITEFERRY_CORPUS") else {
        eprintln!("LITEFERRY_CORPUS names no folder: run tests/scripts/corpus.sh DIR");
        return ExitCode::from(2);
    };
    let arguments: Vec<_> = env::args().skip(1).collect();
    let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let is_live = arguments.iter().any(|argument| *argument == LIVE);
    let is_written = arguments.iter().any(|argument| *argument == WRITTEN);
    arguments.retain(|argument| ![LIVE, WRITTEN].contains(argument));
    let judge = match (is_live, is_written) {
        (_, true) => written,
        (true, false) => followed,
        (false, false) => moved,
    };
    let files = databases(Path::new(&folder));
    let mut counts = [0; 4];
    for file in &files {
        let (word, told) = match judge(file, &arguments) {
            Outcome::Equal(told) => (0, told),
            Outcome::Salvaged(told) => (1, told),
            Outcome::Refused(told) => (2, told),
            Outcome::Wrong(told) => (3, told),
        };
        counts[word] += 1;
        let word = ["equal", "salvaged", "refused", "WRONG"][word];
        println!("{:32} {word:8} {told}", file.file_name().unwrap().to_string_lossy());
    }
    let [equal, salvaged, refused, wrong] = counts;
    println!(
        "{} databases: {equal} equal, {salvaged} salvaged, {refused} refused, {wrong} wrong",
        files.len()
    );
    ExitCode::from(u8::from(wrong > 0 || files.is_empty()))
}

/// The databases of a folder; where it has none, those of the folders in it.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let is_database = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "db");
    let mut found: Vec<_> = files.into_iter().filter(is_database).collect();
    if found.is_empty() {
        found = folders.iter().flat_map(|folder| databases(folder)).collect();
    }
    found.sort();
    found
}

/// A copy of a database, in a place of its own.
fn copied(file: &Path) -> Environment {
    let env = Environment::new();
    for suffix in ["", "-wal"] {
        let from = PathBuf::from(format!("{}{suffix}", file.display()));
        if from.exists() {
            let to = format!("{}{suffix}", env.source().display());
            fs::write(to, fs::read(from).unwrap()).unwrap();
        }
    }
    env
}

/// What became of a database that was written anew.
fn written(file: &Path, arguments: &[&str]) -> Outcome {
    let env = copied(file);
    let from = env.source();
    let mut pipeline = Pipeline::of(&from, "local");
    pipeline.source.accept_corrupt = arguments.contains(&"--accept-corrupt");
    let mut told = Vec::new();
    for (motion, name) in [(Motion::AtRest, "at_rest.db"), (Motion::Moving, "moving.db")] {
        let to = from.with_file_name(name);
        match again::again(&from, &to, Some(pipeline.clone()), motion) {
            Ok((notes, [cells, rows])) => {
                told.push(format!("{cells} cells and {rows} rows kept {}", notes.join("; ")));
            }
            Err(error) if error.class() == Class::Internal => {
                return Outcome::Wrong(error.to_string());
            }
            Err(_) if motion == Motion::Moving => continue,
            Err(error) => return Outcome::Refused(error.to_string()),
        }
        if let Some(differ) = same::difference(&from, &to) {
            return Outcome::Wrong(differ.chars().take(600).collect());
        }
    }
    Outcome::Equal(told.join(" | "))
}

/// What became of a database that was changed after it was moved, and followed.
fn followed(file: &Path, arguments: &[&str]) -> Outcome {
    let env = copied(file);
    let command = |command: &str, more: &[&str]| {
        let done = env.liteferry(&env.ends(command, more));
        let good = [0, 65].contains(&done.code()) && done.json()["tables"].is_array();
        if good {
            Ok(done)
        } else {
            Err(format!("{command}: {}: {}", done.code(), said(&done.stderr)))
        }
    };
    let done = env.liteferry(&env.ends("run", arguments));
    let is_moved = done.json()["phase"] == "following";
    if !is_moved && REFUSALS.contains(&done.code()) {
        return Outcome::Refused(format!("{}: {}", done.code(), said(&done.stderr)));
    }
    if !done.json()["unreadable"].is_null() {
        return salvaged(&done);
    }
    let changed = change(&env.source());
    let caught_up = match command("follow", &["--until-caught-up"]) {
        Ok(done) => done,
        Err(told) => return Outcome::Wrong(told),
    };
    let rejected = caught_up.code() == 65;
    let judge = if rejected { Comparison::new().setting_aside() } else { Comparison::new() };
    let compared = match judge.compare(&env.source(), &env.connect()) {
        Ok(compared) => compared,
        Err(differences) if differences == ["nothing was compared"] => {
            return Outcome::Equal("there are no tables".into());
        }
        Err(differences) => {
            return Outcome::Wrong(format!("NOT EQUAL\n  {}", differences.join("\n  ")));
        }
    };
    match command("verify", &[]) {
        Ok(_) => Outcome::Equal(format!(
            "{changed} rows changed, {} tables, {} rows, {} of them set aside",
            compared.tables, compared.rows, compared.set_aside
        )),
        Err(told) => Outcome::Wrong(told),
    }
}

/// Changes rows of every table, and gives how many; what a table does not allow is left.
fn change(source: &Path) -> usize {
    let connection = Connection::open(source).unwrap();
    connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    let sql = r"SELECT name, (SELECT name FROM pragma_table_info(s.name) ORDER BY cid DESC LIMIT 1) FROM sqlite_schema s
                WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_liteferry%' ESCAPE '\'";
    let mut statement = connection.prepare(sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let tables: Vec<(String, Option<String>)> =
        statement.query_map([], read).unwrap().filter_map(Result::ok).collect();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut changed = 0;
    for (table, last) in tables {
        let (table, last) = (quoted(&table), quoted(&last.unwrap_or_default()));
        // Some rows and not others, also where there is no rowid: by how the last column ends.
        let every = |nth: u8| format!("unicode(substr(quote({last}), -2)) % {nth} = 0");
        for sql in [
            format!("UPDATE {table} SET {last} = {last} WHERE {}", every(2)),
            format!("DELETE FROM {table} WHERE {}", every(7)),
            format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE {}", every(3)),
        ] {
            changed += connection.execute(&sql, []).unwrap_or(0);
        }
    }
    changed
}

fn moved(file: &Path, arguments: &[&str]) -> Outcome {
    let env = copied(file);
    let began = Instant::now();
    let done = env.run(arguments);
    if done.stderr.contains("panicked") {
        return Outcome::Wrong(done.stderr);
    }
    let is_whole = ["unreadable", "damage"].iter().all(|losses| done.json()[losses].is_null());
    let rejected = done.code() == 65
        && is_whole
        && done.json()["phase"] == "proved"
        && done.json()["misfits"].is_array();
    match done.code() {
        0 => {}
        65 if rejected => {}
        65 if done.json()["tables"].as_array().is_some_and(|tables| !tables.is_empty()) => {
            return salvaged(&done);
        }
        _ if began.elapsed() > PATIENCE => {
            return Outcome::Wrong(format!("it took {:?}", began.elapsed()));
        }
        code if REFUSALS.contains(&code) => {
            return Outcome::Refused(format!("{code}: {}", said(&done.stderr)));
        }
        code => return Outcome::Wrong(format!("{code}: {}", said(&done.stderr))),
    }
    let warnings = done.json()["warnings"].as_array().map_or(0, Vec::len);
    let judge = if rejected { Comparison::new().setting_aside() } else { Comparison::new() };
    match judge.compare(&env.source(), &env.connect()) {
        Ok(compared) => {
            let verified = env.verify();
            if verified.code() != done.code() {
                return Outcome::Wrong(format!("verify: {}", said(&verified.stderr)));
            }
            let told: u64 = done.json()["tables"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|table| table["rejected"].as_u64())
                .sum();
            if told != compared.set_aside as u64 {
                return Outcome::Wrong(format!(
                    "{told} rows were set aside, {} must be",
                    compared.set_aside
                ));
            }
            Outcome::Equal(format!(
                "{} tables, {} rows, {} of them set aside, {warnings} warnings at the end",
                compared.tables, compared.rows, compared.set_aside
            ))
        }
        // The judge never calls nothing equal; a database without tables is moved when there are none.
        Err(differences) if differences == ["nothing was compared"] => {
            Outcome::Equal("there are no tables".into())
        }
        Err(differences) => Outcome::Wrong(format!("NOT EQUAL\n  {}", differences.join("\n  "))),
    }
}

/// What was moved of a database that is not whole, and what was not.
fn salvaged(done: &Done) -> Outcome {
    let tables = done.json()["tables"].as_array().unwrap();
    let rows: u64 = tables.iter().filter_map(|table| table["target_rows"].as_u64()).sum();
    let lost = |key: &str| done.json()[key].as_array().map_or(0, Vec::len);
    let told = format!(
        "{} tables, {rows} rows; {} unreadable, {} findings",
        tables.len(),
        lost("unreadable"),
        lost("damage")
    );
    if tables.iter().all(|table| table["equal"] == true) {
        Outcome::Salvaged(told)
    } else {
        Outcome::Wrong(told)
    }
}

/// The error of a run, without what it said on its way.
fn said(stderr: &str) -> String {
    let error = stderr.find("error: ").and_then(|at| stderr.get(at..)).unwrap_or(stderr);
    error.trim().replace('\n', "\n    ")
}
