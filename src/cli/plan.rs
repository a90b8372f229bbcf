//! `liteferry plan`

use super::capture::CaptureArgument;
use super::census::CensusArgument;
use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Hands, Output, show};
use crate::journey::plan::plan;
use crate::pipeline::Stop;
use clap::Args;

/// Look at both ends and say what would be done; changes nothing
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    census: CensusArgument,
    #[command(flatten)]
    capture: CaptureArgument,
    #[command(flatten)]
    hands: Hands,
}

impl Plan {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let budget = self.hands.budget();
        let (mut pipeline, target) = self.ends.open(screen)?;
        self.census.decide(&mut pipeline);
        let setting = self.hands.setting(stop, screen, &budget);
        let planned = plan(&pipeline, &target.conninfo, self.capture.motion(), setting)?;
        screen.finish();
        show::plan(&planned, output);
        // Each of them was printed; the first one says what kind of end this is.
        let mut problems = planned.checks.problems.into_iter();
        problems.next().map_or(Ok(()), |problem| Err(Failed::Reported(problem)))
    }
}
