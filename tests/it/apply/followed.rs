//! What a target does not allow is told by the program that follows, and never lost.

use crate::environment::Environment;

#[test]
fn a_target_that_is_stricter_than_its_source_ends_the_following_and_loses_no_row() {
    let env = Environment::new();
    env.sqlite("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT); INSERT INTO t VALUES (1, 'a')");
    env.liteferry(&env.ends("run", &[])).expect(0);
    env.query("CREATE UNIQUE INDEX stricter ON t (lower(u))");
    env.sqlite("INSERT INTO t VALUES (2, 'A')");
    let follow = || env.liteferry(&env.ends("follow", &["--until-caught-up"]));
    follow().expect(78).saying(&["table t: ", "takes the place of another row"]);
    assert_eq!(env.column("SELECT u FROM t ORDER BY id"), ["a"]);
    // Without that key, the same command goes on.
    env.query("DROP INDEX stricter");
    follow().expect(0);
    assert_eq!(env.column("SELECT u FROM t ORDER BY id"), ["a", "A"]);
}
