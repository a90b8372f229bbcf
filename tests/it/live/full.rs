//! Disks that fill, and are given room.
//!
//! A limit on the size of files stands for the disk: where the system lets nobody mount a small one, it is what refuses
//! a write in the middle of a file all the same.

use crate::environment::{Done, Environment, wait_until};
use rusqlite::Connection;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// More than a segment of the server's own log, which must go on, and less than the rows take. Where the limit is in the
/// midst of a page, the server calls the disk full; at its end, a file too large.
const SERVER_FILE_BYTES: [u64; 2] = [17 * 1024 * 1024, 17 * 1024 * 1024 + 4096];
/// Rows that take more.
const MANY_ROWS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
     INSERT INTO t SELECT i, randomblob(6000) FROM n";

const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB)";

impl Environment {
    /// Lets the server's sessions to come write no file larger than this; `unlimited`: as large as they like.
    fn bound_files(&self, bytes: &str) {
        let pid = self.server().pid().unwrap().unwrap().to_string();
        // Only who runs the server may.
        let owner = fs::metadata(format!("/proc/{pid}")).unwrap();
        let mut command = Command::new("prlimit");
        command.uid(owner.uid()).gid(owner.gid());
        let done = command.args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(done.unwrap().success());
    }

    /// A command that writes no file larger than so many blocks of 512 bytes.
    #[track_caller]
    fn within(&self, blocks: u64, command: &str, more: &[&str]) -> Done {
        let mut shell = Command::new("sh");
        let program = self.command();
        shell.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(program.get_current_dir().unwrap());
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script]).arg(program.get_program()).args(self.ends(command, more));
        self.spawn(shell).wait()
    }

    #[track_caller]
    fn assert_whole(&self) {
        let connection = Connection::open(self.source()).unwrap();
        let check =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(check.unwrap(), "ok");
    }
}

#[test]
fn a_target_whose_disk_fills_goes_on_when_there_is_room() {
    for bytes in SERVER_FILE_BYTES {
        let environment = Environment::with_own_server(&[]);
        environment.sqlite(&format!(
            "PRAGMA journal_mode = WAL; {SCHEMA}; INSERT INTO t VALUES (0, x'00')"
        ));
        environment.run_live(&[]).expect(0);
        environment.sqlite(MANY_ROWS);
        environment.bound_files(&bytes.to_string());
        let mut follower = environment.start(&environment.ends("follow", &["--until-caught-up"]));
        wait_until("it is told", || {
            assert!(!follower.has_ended(), "{}", follower.told_so_far());
            follower.said("trying again")
        });
        let told = follower.told_so_far();
        assert!(told.contains("could not extend file"), "{told}");
        // Who ends it meanwhile has lost nothing.
        follower.signal(Signal::TERM);
        follower.wait().expect(143);
        assert_eq!(environment.value("SELECT count(*) FROM t"), "1");
        let mut follower = environment.start(&environment.ends("follow", &["--until-caught-up"]));
        wait_until("it is told", || {
            assert!(!follower.has_ended(), "{}", follower.told_so_far());
            follower.said("trying again")
        });
        environment.bound_files("unlimited");
        follower.wait().expect(0);
        environment.assert_followed();
    }
}

#[test]
fn a_source_whose_disk_is_full_is_installed_in_as_a_whole_or_not_at_all() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}; {MANY_ROWS}"));
        let schema = |environment: &Environment| {
            let connection = Connection::open(environment.source()).unwrap();
            let sql = "SELECT count(*) FROM sqlite_schema";
            connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let before = schema(&environment);
        // With a write-ahead log its index is there already.
        let application = Connection::open(environment.source()).unwrap();
        application.execute_batch("BEGIN; SELECT count(*) FROM t; COMMIT").unwrap();
        let done = environment.within(16, "run", &["--workers", "1"]);
        done.expect(75).saying(&[
            "source",
            "cannot be written to",
            "make room where the source is",
        ]);
        assert_eq!(schema(&environment), before);
        environment.assert_whole();
        environment.run_live(&[]).expect(0);
        assert!(schema(&environment) > before);
        environment.assert_followed();
    }
}

#[test]
fn a_source_whose_disk_is_full_keeps_its_log_until_there_is_room() {
    for mode in ["WAL", "DELETE"] {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = {mode}; {SCHEMA}; {MANY_ROWS}"));
        environment.run_live(&[]).expect(0);
        environment.sqlite("UPDATE t SET a = x'00' WHERE id < 3000");
        let application = Connection::open(environment.source()).unwrap();
        application.execute_batch("BEGIN; SELECT count(*) FROM t; COMMIT").unwrap();
        // What was written comes over; what would make the log shorter has no room.
        let done = environment.within(16, "follow", &["--until-caught-up"]);
        done.expect(75).saying(&[
            "source",
            "cannot be written to",
            "make room where the source is",
        ]);
        environment.assert_followed();
        environment.assert_whole();
        environment.sqlite("DELETE FROM t WHERE id > 3990");
        environment.catch_up().expect(0);
        environment.assert_followed();
        let left = "SELECT count(*) FROM _liteferry_log WHERE seq > 0";
        assert_eq!(application.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}
