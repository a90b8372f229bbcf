//! `liteferry verify`

use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Hands, Output, judge, show};
use crate::journey::verify::verify;
use crate::pipeline::Stop;
use clap::Args;
use std::num::NonZeroU32;

/// Read both stores afresh and compare every row; names the keys that differ. Of a source that is followed part by part,
/// and goes on where an earlier one was interrupted; while no follower runs: a follower proves by itself, `status` says when
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    ends: Ends,
    /// Rows of a source that is followed to compare in a second, at most
    #[arg(long, value_name = "ROWS")]
    max_rate: Option<NonZeroU32>,
    #[command(flatten)]
    hands: Hands,
}

impl Verify {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let budget = self.hands.budget();
        let (pipeline, target) = self.ends.open(screen)?;
        let setting = self.hands.setting(stop, screen, &budget);
        let report = verify(&pipeline, &target.conninfo, self.max_rate, setting)?;
        screen.finish();
        show::report(&report, screen, output);
        judge(&report)
    }
}
