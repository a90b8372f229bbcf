//! `liteferry status`

use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Output, show};
use crate::journey::history::history;
use crate::pipeline::Stop;
use clap::Args;

/// Say how far migrations have come, from the target's ledger
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    ends: Ends,
    /// List every run: when, by which version, of which plan, how it ended
    #[arg(long)]
    history: bool,
}

impl Status {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let (pipeline, target) = self.ends.open(screen)?;
        let history = history(&pipeline, &target.conninfo, stop, screen)?;
        screen.finish();
        show::status(&history, self.history, output);
        Ok(())
    }
}
