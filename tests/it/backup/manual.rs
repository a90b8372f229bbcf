//! The README's commands for backups, each of them as it stands there.

use super::{SOURCE, archive, content, text};
use crate::environment::Environment;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write as _;

/// The commands of a section: its indented lines, without what is said of them.
fn commands(section: &str) -> Vec<String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, from) = readme.split_once(&format!("\n## {section}\n")).unwrap();
    let lines = from.lines().take_while(|line| !line.starts_with("## "));
    let commands = lines.filter_map(|line| line.strip_prefix("    liteferry "));
    commands.map(|line| line.split_once(" #").map_or(line, |it| it.0).trim().to_owned()).collect()
}

#[test]
fn the_readmes_commands_for_backups_do_what_it_says() {
    let (env, other) = (Environment::new(), Environment::new());
    env.sqlite(SOURCE);
    fs::rename(env.source(), env.path("app.db")).unwrap();
    env.query("CREATE TABLE moved AS SELECT 42 AS answer");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&fs::read(env.path("app.db")).unwrap()).unwrap();
    fs::write(env.path("old.db.gz"), gzip.finish().unwrap()).unwrap();
    fs::create_dir(env.path("kept")).unwrap();
    std::os::unix::fs::symlink(env.path("kept"), env.path("archive")).unwrap();

    let commands = commands("Whole files");
    assert_eq!(commands.len(), 8, "{commands:?}");
    let called = |kind: &str| {
        let listed = archive(&env, "list", &[]).expect(0);
        let backups = listed.json()["backups"].as_array().unwrap().clone();
        backups.iter().find(|it| it["kind"] == kind).map(|it| text(&it["backup"])).unwrap()
    };
    for command in &commands {
        let words = command.split_whitespace().map(|word| match word {
            "postgresql://me@localhost/app" => env.url(),
            "postgresql://me@localhost/again" => other.url(),
            "20260102T030405Z-sqlite" => called("sqlite"),
            "20260102T030405Z-postgres" => called("postgres"),
            word => word.to_owned(),
        });
        env.liteferry(&words.collect::<Vec<_>>()).expect(0);
    }
    for file in ["again.db", "older.db"] {
        assert_eq!(content(&env.path(file)), content(&env.path("app.db")), "{file}");
    }
    assert_eq!(other.value("SELECT answer FROM moved"), "42");
}
