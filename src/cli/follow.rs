//! `liteferry follow`

use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Hands, Output, judge, show};
use crate::journey::follow::{Until, follow};
use crate::pipeline::Stop;
use clap::Args;

/// Keep applying what changes in the source, until it is stopped; goes on where an earlier one ended
#[derive(Debug, Args)]
pub(super) struct Follow {
    #[command(flatten)]
    ends: Ends,
    /// End when the target is what the source is
    #[arg(long)]
    until_caught_up: bool,
    #[command(flatten)]
    hands: Hands,
}

impl Follow {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let budget = self.hands.budget();
        let (pipeline, target) = self.ends.open(screen)?;
        let until = if self.until_caught_up { Until::CaughtUp } else { Until::Stopped };
        let setting = self.hands.setting(stop, screen, &budget);
        let report = follow(&pipeline, &target.conninfo, until, setting)?;
        screen.finish();
        show::followed(&report, output);
        judge(&report)
    }
}
