//! Runs into tables that exist, ended at any step, and taken up again or taken back.

use super::aside::{SEEN, SOURCE, TARGET};
use super::{arguments, assert_seen, made, prepared, run};
use crate::comparison::Comparison;
use crate::environment::Environment;
use std::os::unix::process::ExitStatusExt;

/// A run that a fault befalls; false where it ended before.
#[cfg(debug_assertions)]
fn dies(env: &Environment, settings: &str, fault: &str) -> bool {
    let mut command = env.command();
    command.args(arguments(env, "run", settings)).env("LITEFERRY_FAIL", fault);
    let done = env.spawn(command).wait();
    if done.status.signal().is_none() {
        done.expect(0);
        return false;
    }
    assert_eq!(done.status.signal(), Some(9), "{done}");
    true
}

#[test]
#[cfg(debug_assertions)]
fn a_run_that_is_killed_at_any_step_is_finished_by_the_same_command() {
    for step in [
        "plan-written",
        "plan-begun",
        "run-noted",
        "existing-locked",
        "existing-cleared",
        "existing-ready",
        "tables-made",
        "chunk-claimed",
        "copy-begun",
        "chunk-committed",
        "key-made",
        "key-committed",
        "sequence-set",
        "sequence-noted",
        "checked",
        "check-noted",
        "foreign-key-made",
        "foreign-key-committed",
        "trigger-enabled",
        "trigger-committed",
        "proof-begun",
    ] {
        println!("{step}");
        let env = prepared(SOURCE, TARGET);
        // Deleting rows twice would delete those that are loaded.
        env.query("ALTER TABLE trades DISABLE TRIGGER delete_old_trades; INSERT INTO pools (id) VALUES (77)");
        let truncate = "existing = 'truncate'|";
        let before = made(&env);
        assert!(dies(&env, truncate, &format!("{step}=kill")));
        run(&env, truncate).expect(0);
        assert_eq!(assert_seen(&env, Comparison::new(), &SEEN).rows, 3003);
        assert_eq!(made(&env), before);
    }
}

#[test]
#[cfg(debug_assertions)]
fn runs_that_each_die_one_step_later_arrive_together() {
    for (step, least) in [
        ("key-committed", 5),
        ("foreign-key-committed", 3),
        ("trigger-committed", 5),
        ("check-noted", 3),
    ] {
        let env = prepared(SOURCE, TARGET);
        let before = made(&env);
        let mut deaths = 0;
        while dies(&env, "", &format!("{step}=kill")) {
            deaths += 1;
            assert!(deaths < 40, "{step}: it does not get on");
        }
        assert!(deaths >= least, "{step}: {deaths}");
        assert_eq!(assert_seen(&env, Comparison::new(), &SEEN).rows, 3003);
        assert_eq!(made(&env), before);
    }
}

#[test]
#[cfg(debug_assertions)]
fn a_table_that_changed_since_the_plan_is_left_alone() {
    for change in [
        "ALTER TABLE pools ADD COLUMN more int NOT NULL DEFAULT 1",
        "CREATE INDEX another ON trades (note)",
        "INSERT INTO pools (id, name) VALUES (5, 'theirs')",
        "DROP TABLE trades CASCADE",
    ] {
        let env = prepared(SOURCE, TARGET);
        assert!(dies(&env, "", "plan-begun=kill"));
        env.query(change);
        let before = made(&env);
        let rows = env.value("SELECT count(*) FROM pools");
        run(&env, "").expect(78).saying(&["was changed, or written to, since it was looked at"]);
        assert_eq!(made(&env), before, "{change}");
        // Taking it back touches nothing of it either.
        env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
        assert_eq!(made(&env), before, "{change}");
        assert_eq!(env.value("SELECT count(*) FROM pools"), rows);
        assert_eq!(env.value("SELECT to_regnamespace('liteferry') IS NULL"), "t");
    }
}

#[test]
fn what_was_begun_is_taken_back_from_wherever_it_has_come_to() {
    for until in ["schema", "snapshot", "indexes", ""] {
        let env =
            prepared(&format!("{SOURCE} CREATE TABLE made (id INTEGER PRIMARY KEY);"), TARGET);
        let before = made(&env);
        let mut words = arguments(&env, "run", "");
        if !until.is_empty() {
            words.extend(["--until".into(), until.into()]);
        }
        env.liteferry(&words).expect(0);
        assert_eq!(env.value("SELECT to_regclass('made') IS NULL"), "f");
        env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
        assert_eq!(made(&env), before, "{until}");
        assert_eq!(
            env.value("SELECT (SELECT count(*) FROM pools) + (SELECT count(*) FROM trades)"),
            "0"
        );
        assert_eq!(
            env.value(
                "SELECT to_regclass('made') IS NULL AND to_regnamespace('liteferry') IS NULL"
            ),
            "t"
        );
        run(&env, "").expect(0);
        assert_eq!(made(&env).iter().filter(|made| before.contains(made)).count(), before.len());
    }
}
