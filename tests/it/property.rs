//! Properties of random values: a failing case is kept, printed, and tried first from then on.

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

/// Runs a property `cases` times; what fails is kept in the file.
pub(crate) fn check<S: Strategy>(
    file: &'static str,
    cases: u32,
    strategy: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let kept = FileFailurePersistence::Direct(file);
    let config = Config {
        cases,
        failure_persistence: Some(Box::new(kept)),
        max_shrink_iters: 2000,
        max_local_rejects: u32::MAX,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(strategy, property) {
        panic!("{error}");
    }
}
