//! What a command advises is what the user can do then, and a migration that is paused is held.

use crate::environment::{Done, Environment};

const TRADES: &str =
    "PRAGMA journal_mode = WAL; CREATE TABLE Trades (id INTEGER PRIMARY KEY, a INT);
    CREATE TABLE Other (id INTEGER PRIMARY KEY, a INT);
    INSERT INTO Trades VALUES (1, 1), (2, 2); INSERT INTO Other VALUES (1, 1), (2, 2)";

impl Environment {
    /// A command with a pipeline file in which names lose their case.
    #[track_caller]
    fn lower(&self, command: &[&str]) -> Done {
        let text = format!(
            "[source]\npath = {:?}\n[target]\nurl = {:?}\nidentifiers = 'lower'\n",
            self.source(),
            self.url()
        );
        std::fs::write(self.path("pipeline.toml"), text).unwrap();
        self.liteferry(&[command, &["pipeline.toml"]].concat())
    }
}

#[test]
fn a_follower_names_tables_with_rows_set_aside_as_the_source_has_them() {
    let environment = Environment::new();
    environment.sqlite(TRADES);
    environment.lower(&["run"]).expect(0);
    environment.sqlite("UPDATE Trades SET a = 'one' WHERE id = 1");
    let done = environment.lower(&["follow", "--until-caught-up", "--json"]).expect(65);
    assert!(done.says("`liteferry run --anew Trades`"), "{done}");
    assert_eq!(done.json()["tables"][0]["name"], "Trades", "{done}");
    // What it advises can be done.
    environment.sqlite("UPDATE Trades SET a = 1");
    environment.lower(&["run", "--anew", "Trades"]).expect(0);
}

#[test]
fn whoever_finds_a_followed_target_different_names_the_tables_to_take_anew() {
    let environment = Environment::new();
    environment.sqlite(TRADES);
    environment.lower(&["run"]).expect(0);
    environment.query(
        "ALTER TABLE trades DISABLE TRIGGER ALL; UPDATE trades SET a = 7 WHERE id = 1;
         ALTER TABLE other DISABLE TRIGGER ALL; DELETE FROM other WHERE id = 2",
    );
    for command in ["verify", "run"] {
        let done = environment.lower(&[command]).expect(67);
        assert!(done.says("`liteferry run --anew Other --anew Trades`"), "{command}: {done}");
        assert!(!done.says("drop"), "{command}: {done}");
    }
    environment.lower(&["run", "--anew", "Other", "--anew", "Trades"]).expect(0);
}

#[test]
fn nothing_is_applied_to_a_target_that_is_paused_whatever_command_it_is() {
    let environment = Environment::new();
    environment.sqlite(TRADES);
    environment.lower(&["run"]).expect(0);
    environment.lower(&["pause"]).expect(0);
    environment.sqlite("INSERT INTO Trades VALUES (3, 3)");
    let logged = || {
        let connection = rusqlite::Connection::open(environment.source()).unwrap();
        let sql = "SELECT count(*) FROM _liteferry_log WHERE seq > 0";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    for command in [
        &["run"][..],
        &["run", "--anew", "Other"],
        &["run", "--until", "indexes"],
        &["verify"],
        &["follow", "--until-caught-up"],
    ] {
        let done = environment.lower(command).expect(78);
        assert!(done.says("following is paused") && done.says("liteferry resume"), "{done}");
        assert_eq!(environment.value("SELECT count(*) FROM trades"), "2", "{command:?}");
        assert_eq!(logged(), 1, "{command:?}");
    }
    environment.lower(&["resume"]).expect(0);
    environment.lower(&["verify"]).expect(0);
    assert_eq!(environment.value("SELECT count(*) FROM trades"), "3");
}

#[test]
fn a_move_at_rest_goes_on_though_it_is_paused() {
    let environment = Environment::new();
    environment.sqlite(TRADES);
    environment.lower(&["run", "--no-capture", "--until", "snapshot"]).expect(0);
    environment.lower(&["pause"]).expect(0);
    environment.lower(&["run", "--no-capture"]).expect(0);
    environment.lower(&["verify"]).expect(0);
}
