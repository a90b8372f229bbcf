//! kill -9 on the way forward: the node holds the one generation or the other, and the same command finishes it.

use super::{Followed, Node};
use crate::live::workload::{SCHEMA, Workload};
use liteferry::pipeline::failpoint::{Step, VARIABLE};
use rustix::process::Signal;

#[test]
fn a_node_that_dies_on_its_way_is_at_one_generation_or_the_other() {
    let source = Followed::of(SCHEMA);
    let mut workload = Workload::new(&source.environment.source(), 75);
    workload.statements(100);
    source.run().expect(0);
    let node = Node::at(&source, "1");
    let held = "SELECT note FROM liteferry.step WHERE name = 'generation'";
    for (step, is_there) in [
        (Step::ForwardApplied, false),
        (Step::ForwardCommitted, true),
        (Step::SequenceSet, true),
        (Step::ProofBegun, true),
        (Step::PhaseNoted, true),
    ] {
        println!("{}", step.name());
        workload.statements(60);
        let published = source.publish().expect(0);
        let before = node.environment.value(held);
        let mut command = node.environment.command();
        command.args(node.arguments(&[])).env(VARIABLE, format!("{}=kill", step.name()));
        let died = node.environment.spawn(command).wait();
        assert!(died.status.code().is_none(), "it never came to {}: {died}", step.name());
        let hash = published.json()["archive"]["hash"].as_str().unwrap();
        assert_eq!(node.environment.value(held) == hash, is_there);
        assert_eq!(node.environment.value(held) == before, !is_there);
        let phase = node.environment.value("SELECT phase FROM liteferry.migration");
        assert_eq!(phase == "restored", !is_there || step == Step::PhaseNoted, "{phase}");
        let generation = published.json()["archive"]["generation"].as_u64().unwrap();
        if !is_there {
            node.assert_is(&(generation - 1).to_string());
        }
        source.without(generation - 1, || node.restore(&[]).expect(0));
        node.assert_is(&generation.to_string());
    }
}

#[test]
fn who_reads_a_node_sees_one_generation_and_a_lost_connection_costs_nothing() {
    let source = Followed::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two');
         CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO u VALUES (1, 'one');",
    );
    source.run().expect(0);
    let node = Node::at(&source, "1");
    source
        .change("UPDATE t SET a = 'uno' WHERE id = 1; DELETE FROM t WHERE id = 2; DELETE FROM u")
        .expect(0);
    let mut command = node.environment.command();
    let stop = format!("{}=stop", Step::ForwardApplied.name());
    command.args(node.arguments(&[])).env(VARIABLE, stop);
    let running = node.environment.spawn(command);
    running.wait_stopped();
    let rows = "SELECT (SELECT string_agg(a, ',' ORDER BY id) FROM t) || (SELECT count(*) FROM u)";
    assert_eq!(node.environment.value(rows), "one,two1");
    node.environment.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    running.signal(Signal::CONT);
    running.wait().expect(0);
    assert_eq!(node.environment.value(rows), "uno0");
    node.assert_is("2");
}
