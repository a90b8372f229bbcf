//! `liteferry pause` and `liteferry resume`

use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Hands, Output, show};
use crate::journey::pause::pause;
use crate::pipeline::Stop;
use clap::Args;

/// Hold whoever follows the source, now and later, and refuse to `run` and `verify`; what is written meanwhile stays in
/// its changelog
#[derive(Debug, Args)]
pub(super) struct Pause {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    hands: Hands,
}

/// Let whoever follows the source go on
#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    ends: Ends,
    #[command(flatten)]
    hands: Hands,
}

impl Pause {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let words = ("pause", "following is paused", "it was paused already");
        set(&self.ends, &self.hands, true, words, (screen, stop, output))
    }
}

impl Resume {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let words = ("resume", "following goes on", "it was not paused");
        set(&self.ends, &self.hands, false, words, (screen, stop, output))
    }
}

fn set(
    ends: &Ends,
    hands: &Hands,
    paused: bool,
    (command, done, already): (&str, &str, &str),
    (screen, stop, output): (&Screen, &Stop, Output),
) -> Result<(), Failed> {
    let budget = hands.budget();
    let (pipeline, target) = ends.open(screen)?;
    let changed = pause(&pipeline, &target.conninfo, paused, hands.setting(stop, screen, &budget))?;
    screen.finish();
    screen.say(if changed { done } else { already });
    if output.json {
        show::json(&serde_json::json!({ "command": command, "ok": true, "changed": changed }));
    }
    Ok(())
}
