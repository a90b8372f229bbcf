//! `liteferry verify`

use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Hands, Output, judge, show};
use crate::journey::verify::verify;
use crate::pipeline::Stop;
use clap::Args;

/// Read both stores afresh and compare every row; names the keys that differ
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    hands: Hands,
}

impl Verify {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let budget = self.hands.budget();
        let (pipeline, target) = self.ends.open(screen)?;
        let report =
            verify(&pipeline, &target.conninfo, self.hands.setting(stop, screen, &budget))?;
        screen.finish();
        show::report(&report, screen, output);
        judge(&report)
    }
}
