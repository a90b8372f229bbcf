//! Whether the source is written to meanwhile, as the command line says it.

use crate::journey::run::Motion;
use clap::Args;

/// Commands that are otherwise about a source that the application goes on writing to have it.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct CaptureArgument {
    /// The source is at rest: nothing is installed in it
    #[arg(long)]
    no_capture: bool,
}

impl CaptureArgument {
    pub(super) fn motion(self) -> Motion {
        if self.no_capture { Motion::AtRest } else { Motion::Moving }
    }
}
