//! Two runs of one migration: who has it keeps it, and who has lost it changes nothing any more.

use super::stage::Stage;
use rustix::process::Signal;

/// Sessions of runs in this database.
const SESSIONS: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'liteferry'";

#[test]
fn a_second_run_meanwhile_is_told_who_has_the_migration_and_the_first_goes_on() {
    let stage = Stage::new();
    let migration = stage.migration("held");
    let mut first = migration.start_with("chunk-completed:10=stop");
    first.wait_stopped();
    let before = migration.loaded();
    let told = migration.run().expect_code(73).stderr;
    let who = format!("process {} on ", first.pid().as_raw_nonzero());
    assert!(told.contains(&who), "{who} is not in\n{told}");

    // The connection that took it is not all that it has: what is under way may still be committed.
    let first_of_all = format!("SELECT pid {SESSIONS} ORDER BY backend_start LIMIT 1");
    assert_eq!(stage.0.value(&format!("SELECT pg_terminate_backend(({first_of_all}))")), "t");
    migration.run().expect_code(73);
    before.expect_same(&migration.loaded());

    first.signal(Signal::CONT);
    first.end().expect_code(0);
    before.expect_kept_in(&migration.loaded());
    migration.check();
}

#[test]
fn a_run_that_stood_still_while_another_took_over_changes_nothing_any_more() {
    let stage = Stage::new();
    for step in [
        "chunk-completed:10",
        "copy-begun:10",
        "chunk-next:10",
        "key-made",
        "vacuumed",
        "phase-noted",
    ] {
        let (name, _) = step.split_once(':').unwrap_or((step, ""));
        let migration = stage.migration(&name.replace('-', "_"));
        let mut first = migration.start_with(&format!("{step}=stop"));
        first.wait_stopped();
        let pid = first.pid().as_raw_nonzero().get();
        let cut = format!("SELECT count(pg_terminate_backend(pid)) >= 1 {SESSIONS}");
        assert_eq!(stage.0.value(&cut), "t");

        migration.arrive();
        let after = migration.loaded();
        first.signal(Signal::CONT);
        let ended = first.end().expect_code(73);
        assert!(ended.stderr.contains("took this migration over"), "{}", ended.stderr);
        assert!(migration.outcome_of(pid).starts_with("73 "), "{}", migration.outcome_of(pid));
        after.expect_same(&migration.loaded());
        migration.check();
    }
}

/// The last line of defence, for a server that loses locks: the epoch in the ledger.
#[test]
fn a_run_of_an_older_epoch_commits_nothing_even_on_the_connection_that_it_has() {
    let stage = Stage::new();
    for step in
        ["chunk-next:10", "key-committed", "sequence-noted", "foreign-key-committed", "check-noted"]
    {
        let (name, _) = step.split_once(':').unwrap_or((step, ""));
        let migration = stage.migration(&name.replace('-', "_"));
        let mut first = migration.start_alone_with(&format!("{step}=stop"));
        first.wait_stopped();
        let raise = format!(
            "UPDATE liteferry.migration SET epoch = epoch + 1 WHERE name = '{}'",
            name.replace('-', "_")
        );
        stage.0.query(&raise);
        let before = migration.loaded();
        let steps = "SELECT count(*) FROM liteferry.step";
        let done = stage.0.value(steps);
        first.signal(Signal::CONT);
        first.end().expect_code(73);
        before.expect_same(&migration.loaded());
        assert_eq!(stage.0.value(steps), done, "{step}");
        migration.arrive();
    }
}
