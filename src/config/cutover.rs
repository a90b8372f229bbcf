//! What a pipeline file says of the cutover.

use super::quantity;
use crate::error::{Class, Error, Result};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `[cutover]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutoverSection {
    /// How long ago a part of the source may have been found equal to the target: a follower looks at each again before
    /// that, beside all else it does. A day unless given.
    #[serde(deserialize_with = "quantity::duration")]
    pub proof_age: Duration,
}

impl Default for CutoverSection {
    fn default() -> Self {
        Self { proof_age: Duration::from_hours(24) }
    }
}

/// How old a proof can become: not so young that nothing but proving is done, nor so old that it proves nothing.
const PROOF_AGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24 * 365);

impl CutoverSection {
    /// Makes sure that its numbers make sense.
    pub(super) fn check(&self) -> Result<()> {
        if PROOF_AGE.contains(&self.proof_age) {
            return Ok(());
        }
        Err(Error::new(Class::Usage, "[cutover] proof_age must be 1s to 365d"))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Pipeline;
    use std::time::Duration;

    #[test]
    fn a_proof_has_an_age_that_makes_sense() {
        let parse = |said: &str| {
            let text =
                format!("[source]\npath = 'a.db'\n[target]\nurl = 'local'\n[cutover]\n{said}\n");
            Pipeline::parse(&text).map(|pipeline| pipeline.cutover.proof_age)
        };
        assert_eq!(parse("").unwrap(), Duration::from_hours(24));
        assert_eq!(parse("proof_age = '90min'").unwrap(), Duration::from_mins(90));
        for refused in
            ["proof_age = '10ms'", "proof_age = '366d'", "proof_age = 3600", "age = '1h'"]
        {
            assert_eq!(parse(refused).unwrap_err().class().exit_code(), 2, "{refused}");
        }
    }
}
