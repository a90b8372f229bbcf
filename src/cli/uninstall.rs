//! `liteferry uninstall`

use super::ends::Ends;
use super::screen::Screen;
use super::{Failed, Hands, Output, show};
use crate::journey::uninstall::uninstall;
use crate::pipeline::Stop;
use clap::Args;

/// Take out of the source all that was installed to follow it; nothing else of it changes
#[derive(Debug, Args)]
pub(super) struct Uninstall {
    #[command(flatten)]
    ends: Ends,
    /// Do not ask the target, which may be gone: take out whichever changelog is there
    #[arg(long)]
    source_only: bool,
    #[command(flatten)]
    hands: Hands,
}

impl Uninstall {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let budget = self.hands.budget();
        let setting = self.hands.setting(stop, screen, &budget);
        let removed = if self.source_only {
            let (pipeline, _origin) = self.ends.pipeline()?;
            uninstall(&pipeline, None, setting)?
        } else {
            let (pipeline, target) = self.ends.open(screen)?;
            uninstall(&pipeline, Some(&target.conninfo), setting)?
        };
        screen.finish();
        match removed.objects {
            0 => screen.say("nothing of liteferry was in the source"),
            count => {
                screen.say(&format!("{count} tables and triggers were taken out of the source"));
            }
        }
        if output.json {
            show::json(&serde_json::json!({
                "command": "uninstall", "ok": true, "identity": removed.identity, "objects": removed.objects,
            }));
        }
        Ok(())
    }
}
