//! What cannot be brought forward is refused, and stays as it is; what was changed by hand or damaged is found.

use super::{Followed, Node, files};
use crate::environment::Environment;
use std::fs;

const ROWS: &str = "
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT);
INSERT INTO u VALUES (1, 'one');
";

#[test]
fn rows_that_were_changed_by_hand_are_found() {
    let source = Followed::of(ROWS);
    source.run().expect(0);
    let by_hand = [
        "UPDATE t SET a = 'other' WHERE id = 3",
        // Of rows that are touched, too.
        "UPDATE t SET a = 'other' WHERE id = 1",
        "DELETE FROM t WHERE id = 2",
        "INSERT INTO t VALUES (9, 'nine')",
        "INSERT INTO t VALUES (4, 'four')",
    ];
    let nodes: Vec<_> = by_hand.iter().map(|_| Node::at(&source, "1")).collect();
    for (node, sql) in nodes.iter().zip(by_hand) {
        node.environment.query(sql);
    }
    source
        .change("UPDATE t SET a = 'uno' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, 'quattro')")
        .expect(0);
    for (node, sql) in nodes.iter().zip(by_hand) {
        println!("{sql}");
        node.restore(&[]).expect(67);
        node.restore(&[]).expect(67);
    }
}

#[test]
fn more_rows_than_were_loaded_and_other_sums_than_those_of_a_new_base_change_nothing() {
    let source = Followed::of(ROWS);
    source.run().expect(0);
    let (stray, changed) = (Node::at(&source, "1"), Node::at(&source, "1"));
    stray
        .environment
        .query("DELETE FROM u; INSERT INTO u VALUES (1, 'one'), (7, 'seven'), (8, 'eight')");
    changed.environment.query("UPDATE t SET a = 'other' WHERE id = 1");
    source.change("INSERT INTO u VALUES (7, 'x'), (8, 'x'); DELETE FROM u WHERE id < 7").expect(0);
    source.change("UPDATE t SET a = 'uno' WHERE id = 1; DELETE FROM u").expect(0);
    source.archive(&["compact"]).expect(0);
    let before = (stray.told(), changed.told());
    stray.restore(&[]).expect(67).saying(&["table u", "no restore has written"]);
    changed.restore(&[]).expect(67).saying(&["table t", "by hand", "another database"]);
    assert_eq!((stray.told(), changed.told()), before);
    assert_eq!(changed.environment.value("SELECT a FROM t WHERE id = 1"), "other");
}

#[test]
fn a_damaged_step_changes_nothing() {
    let source = Followed::of(ROWS);
    source.run().expect(0);
    let node = Node::at(&source, "1");
    source.change("UPDATE t SET a = 'uno' WHERE id = 1; DELETE FROM u").expect(0);
    let before = node.told();
    let tables = source.place().join("tables");
    for step in ["t/deltas", "u/deleted_keys"] {
        let all = files(&tables.join(step));
        let [step] = all.as_slice() else { panic!("{all:?}") };
        let whole = fs::read(step).unwrap();
        let mut flipped = whole.clone();
        flipped[50] ^= 1;
        for bytes in [&flipped[..], &whole[..whole.len() - 9]] {
            fs::write(step, bytes).unwrap();
            let name = step.file_name().unwrap().to_str().unwrap();
            node.restore(&[]).expect(76).saying(&[name]);
            assert_eq!(node.told(), before);
        }
        fs::remove_file(step).unwrap();
        node.restore(&[]).expect(76).saying(&["missing"]);
        assert_eq!(node.told(), before);
        fs::write(step, whole).unwrap();
    }
    assert_eq!(node.environment.value("SELECT a FROM t WHERE id = 1"), "one");
    node.restore(&[]).expect(0);
    node.assert_is("2");
}

#[test]
fn only_a_generation_that_comes_from_the_one_that_is_held_is_gone_to() {
    let source = Followed::of(ROWS);
    source.run().expect(0);
    source.change("INSERT INTO t VALUES (4, 'four')").expect(0);
    let node = Node::at(&source, "2");
    let before = node.told();
    let another = "another database";
    node.restore(&["--generation", "1"]).expect(78).saying(&["a later one", another]);
    node.restore(&["--table", "t"]).expect(78);
    source.change("INSERT INTO t VALUES (5, 'five')").expect(0);
    node.restore(&["--table", "t"]).expect(78).saying(&["other tables", another]);
    node.restore(&["--to-follow"]).expect(78).saying(&["to follow", another]);
    assert_eq!(node.told(), before);
    source.change("INSERT INTO t VALUES (6, 'six')").expect(0);
    source.archive(&["prune", "--keep", "1", "--now"]).expect(0);
    node.restore(&[]).expect(78).saying(&["lacks generation 3", another]);
    let late = Node::at(&source, "4");
    source.change("INSERT INTO t VALUES (7, 'seven')").expect(0);
    source.archive(&["compact"]).expect(0);
    source.change("INSERT INTO t VALUES (8, 'eight')").expect(0);
    fs::remove_file(source.place().join("generations/000004.json")).unwrap();
    late.restore(&["--generation", "5"]).expect(78).saying(&["generation 4", "no more", another]);
    fs::remove_file(source.place().join("generations/000006.json")).unwrap();
    late.restore(&[]).expect(78).saying(&["lacks generation 6", another]);
    assert_eq!(node.told(), before);
}

#[test]
fn a_table_that_was_taken_anew_is_not_gone_along() {
    let source = Followed::of(ROWS);
    source.run().expect(0);
    let node = Node::at(&source, "1");
    let part = Environment::new();
    let (place, target) = (source.place(), part.url());
    let of_u =
        ["restore", "--archive", place.to_str().unwrap(), "--target", &target, "--table", "u"];
    part.liteferry(&of_u).expect(0);
    let anew = source.ends("run", &["--anew", "t"]);
    source.environment.sqlite("INSERT INTO t VALUES (4, 'four'); INSERT INTO u VALUES (2, 'two')");
    source.environment.liteferry(&anew).expect(0);
    source.publish().expect(0);
    let before = node.told();
    node.restore(&[]).expect(78).saying(&["another database"]);
    assert_eq!(node.told(), before);
    assert_eq!(node.environment.value("SELECT count(*) FROM t"), "3");
}

#[test]
fn a_node_that_follows_and_one_that_is_not_whole_are_not_brought_forward() {
    let source = Followed::of(ROWS);
    source.run().expect(0);
    let follower = Node::new(&source);
    follower.restore(&["--generation", "1", "--to-follow"]).expect(0);
    let begun = Node::new(&source);
    let mut command = begun.environment.command();
    command.args(begun.arguments(&[])).env("LITEFERRY_FAIL", "chunk-committed=kill");
    assert!(begun.environment.spawn(command).wait().status.code().is_none());
    source.change("INSERT INTO t VALUES (4, 'four')").expect(0);
    follower.restore(&[]).expect(78).saying(&["follows the source", "liteferry follow"]);
    follower.restore(&["--to-follow"]).expect(78).saying(&["follows the source"]);
    begun.restore(&[]).expect(78).saying(&["not come to its end", "--generation"]);
    begun.restore(&["--generation", "1"]).expect(0);
    begun.restore(&[]).expect(0);
    begun.assert_is("2");
}

#[test]
fn an_archive_with_a_key_is_gone_along_with_it_alone() {
    let source = Followed::of(ROWS);
    let environment = &source.environment;
    let key = environment.path("key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&key, private).unwrap();
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[archive]\nurl = {:?}\nkey_file = {key:?}\n",
        environment.source(),
        environment.url(),
        source.place(),
    );
    fs::write(environment.path("pipeline.toml"), text).unwrap();
    environment.liteferry(&["run", "pipeline.toml", "--json"]).expect(0);
    let node = Node::new(&source);
    let with_key = ["--key-file", key.to_str().unwrap()];
    node.restore(&with_key).expect(0);
    environment.sqlite("UPDATE t SET a = 'uno' WHERE id = 1; DELETE FROM u");
    environment.liteferry(&["follow", "--until-caught-up", "pipeline.toml", "--json"]).expect(0);
    let before = node.told();
    node.restore(&[]).expect(77);
    assert_eq!(node.told(), before);
    node.restore(&with_key).expect(0);
    let rows = "SELECT (SELECT string_agg(a, ',' ORDER BY id) FROM t) || (SELECT count(*) FROM u)";
    assert_eq!(node.environment.value(rows), "uno,two,three0");
}
