//! Changes of a source that nobody saw in time.

use super::stage::Stage;
use rustix::process::Signal;

#[test]
fn a_change_that_was_loaded_and_undone_ends_the_run() {
    let stage = Stage::new();
    let migration = stage.migration("undone");
    let mut run = migration.start_with("tables-committed=stop");
    run.wait_stopped();
    stage.0.sqlite("UPDATE dexes SET name = name || '!' WHERE id = 'dex-000'");
    run.signal(Signal::CONT);
    run.end().expect_code(66);
    assert_eq!(stage.0.value("SELECT right(name, 1) FROM undone.dexes WHERE id = 'dex-000'"), "!");

    stage.0.sqlite("UPDATE dexes SET name = rtrim(name, '!') WHERE id = 'dex-000'");
    let told = migration.run().expect_code(66).stderr;
    assert!(told.contains("table dexes: chunk "), "{told}");
}
