//! `liteferry run`

use super::capture::CaptureArgument;
use super::census::CensusArgument;
use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Hands, Output, judge, show};
use crate::journey::run::{Course, Until, run};
use crate::pipeline::Stop;
use clap::{Args, ValueEnum};

/// Move everything while the application goes on: schema, rows, keys, indexes, what changed meanwhile, proof; goes on
/// where an earlier run ended
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    census: CensusArgument,
    #[command(flatten)]
    capture: CaptureArgument,
    /// Stop after this; the same command without it goes on
    #[arg(long, value_enum)]
    until: Option<UntilWord>,
    /// Take this table anew: its rows in the target are dropped, it is planned as the source has it now and loaded again,
    /// and all others stay; may be given several times, also for tables that came to the source since, and for those that
    /// are gone from it, whose rows in the target stay as they are; while no follower runs
    #[arg(long, value_name = "TABLE")]
    anew: Vec<String>,
    #[command(flatten)]
    hands: Hands,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum UntilWord {
    /// The tables are there, empty
    Schema,
    /// The rows are there
    Snapshot,
    /// Keys, indexes and constraints are there
    Indexes,
}

impl Run {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let budget = self.hands.budget();
        let (mut pipeline, target) = self.ends.open(screen)?;
        self.census.decide(&mut pipeline);
        let until = self.until.map(|word| match word {
            UntilWord::Schema => Until::Schema,
            UntilWord::Snapshot => Until::Snapshot,
            UntilWord::Indexes => Until::Indexes,
        });
        let setting = self.hands.setting(stop, screen, &budget);
        let (motion, anew) = (self.capture.motion(), self.anew.iter().cloned().collect());
        let course = Course { motion, until, anew };
        let report = run(&pipeline, &target.conninfo, &course, setting)?;
        screen.finish();
        show::report(&report, screen, output);
        judge(&report)
    }
}
