//! A server that stays: found again, started again, and refused where it cannot be.

use super::prepare::prepare;
use super::scoped::Keeper;
use super::{Server, ServerOptions, StopMode, database, folder};
use std::os::fd::OwnedFd;

/// A folder for a server that stays, and yet is gone with the test.
struct Stage {
    options: ServerOptions,
    keeper: Option<(OwnedFd, Keeper)>,
}

impl Stage {
    fn new(below: &str) -> Self {
        let mut options = ServerOptions::scratch();
        options.dir.push(below);
        let cluster = prepare(&options.dir, &options, &|_| ()).unwrap();
        let (keeper, leash) = Keeper::start(&cluster).unwrap();
        Self { options, keeper: Some((leash, keeper)) }
    }

    fn ensure(&self) -> Server {
        Server::ensure(&self.options, &|_| ()).unwrap()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.options.settings.push((name.into(), value.into()));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((leash, mut keeper)) = self.keeper.take() {
            drop(leash);
            keeper.end().unwrap();
        }
        let _left_by_thekeeper = folder::remove(self.options.dir.parent().unwrap());
    }
}

fn ask(server: &Server, sql: &str) -> String {
    database::ask(server.socket_dir(), server.database(), sql).unwrap()
}

#[test]
fn a_server_stays_and_is_found_running_by_whoever_asks_next() {
    let stage = Stage::new("server");
    let first = std::thread::scope(|threads| {
        let both = [threads.spawn(|| stage.ensure()), threads.spawn(|| stage.ensure())];
        let [first, second] = both.map(|thread| thread.join().unwrap());
        assert_ne!(first.was_running(), second.was_running(), "one starts it, one finds it");
        assert_eq!(first.pid().unwrap(), second.pid().unwrap());
        first
    });
    ask(&first, "CREATE TABLE kept AS SELECT 42 AS answer");
    drop(first);
    let again = stage.ensure();
    assert!(again.was_running());
    assert_eq!(ask(&again, "SELECT answer FROM kept"), "42");

    Server::remove(again.dir(), &|_| ()).unwrap();
    assert!(!again.dir().exists());
    assert!(database::ask(again.socket_dir(), "postgres", "SELECT 1").is_err());
    Server::remove(again.dir(), &|_| ()).unwrap();
}

#[test]
fn a_server_that_was_killed_is_started_again_with_its_data() {
    let stage = Stage::new("server");
    let first = stage.ensure();
    ask(&first, "CREATE TABLE kept AS SELECT 42 AS answer");
    let pid = i32::try_from(first.pid().unwrap().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    super::scoped::tests::wait_until_gone(pid);
    let again = stage.ensure();
    assert!(!again.was_running());
    assert_eq!(ask(&again, "SELECT answer FROM kept"), "42");
}

#[test]
fn a_server_whose_number_another_process_has_now_is_started_again() {
    let stage = Stage::new("server");
    let first = stage.ensure();
    let pid_file = first.dir().join("data/postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    first.stop(StopMode::Immediate).unwrap();
    let (_, keeper) = stage.keeper.as_ref().unwrap();
    std::fs::write(&pid_file, format!("{}\n{rest}", keeper.pid())).unwrap();
    assert!(!stage.ensure().was_running());
}

#[test]
fn changed_settings_count_from_the_next_start() {
    let mut stage = Stage::new("server");
    stage.set("work_mem", "5MB");
    let server = stage.ensure();
    assert_eq!(ask(&server, "SHOW work_mem"), "5MB");
    stage.set("work_mem", "7MB");
    assert_eq!(ask(&stage.ensure(), "SHOW work_mem"), "5MB");
    server.restart(StopMode::Fast).unwrap();
    assert_eq!(ask(&server, "SHOW work_mem"), "7MB");
}

#[test]
fn a_folder_with_a_very_long_and_odd_name_works_too() {
    let mut stage = Stage::new(&format!("it's, odd; {}", "long".repeat(30)));
    stage.options.database = "a \"b\" / ü".to_owned();
    let server = stage.ensure();
    assert!(server.socket_dir().starts_with("/tmp/"), "{}", server.socket_dir().display());
    assert_eq!(ask(&server, "SELECT current_database()"), "a \"b\" / ü");
    assert_eq!(ask(&server, "SHOW server_encoding"), "UTF8");
    assert_eq!(ask(&server, "SHOW listen_addresses"), "");
    let end = ":5432/a%20%22b%22%20%2F%20%C3%BC";
    assert!(server.url().ends_with(end), "{}", server.url());
    let psql = format!("{} -Atc 'SELECT 6 * 7'", server.psql_command());
    let said = super::program::run(super::program::clean_program("sh").args(["-c", &psql]));
    assert_eq!(said.unwrap(), "42\n");
    Server::remove(server.dir(), &|_| ()).unwrap();
    assert!(!server.socket_dir().exists());
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let mut stage = Stage::new("server");
    stage.set("shared_buffers", "plenty");
    let error = Server::ensure(&stage.options, &|_| ()).unwrap_err();
    assert_eq!(error.class(), crate::Class::Server);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("shared_buffers"), "{cause}");
}

#[test]
fn a_folder_with_other_things_is_neither_used_nor_removed() {
    let top = tempfile::tempdir().unwrap();
    let precious = top.path().join("thesis.txt");
    std::fs::write(&precious, "years of work").unwrap();
    let options = ServerOptions::new(top.path());
    for refused in [
        Server::ensure(&options, &|_| ()).map(drop),
        Server::scoped(&options, &|_| ()).map(drop),
        Server::remove(top.path(), &|_| ()),
    ] {
        assert_eq!(refused.unwrap_err().class(), crate::Class::Server);
    }
    assert!(precious.exists());
}
