//! `liteferry demo`

use super::screen::Screen;
use super::{Failed, Hands, Output, judge, show};
use crate::journey::demo;
use crate::pipeline::Stop;
use clap::Args;
use std::path::PathBuf;

/// Make a trading database, move it into a private PostgreSQL, and prove it
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Rows of the trading database, about
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    rows: u64,
    /// The demo's folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Delete everything that a demo made, its server included, and do nothing else
    #[arg(long)]
    clean: bool,
    /// The folder of PostgreSQL's programs
    #[arg(long, value_name = "DIR")]
    pg_bin: Option<PathBuf>,
    #[command(flatten)]
    hands: Hands,
}

impl Demo {
    pub(super) fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        let budget = self.hands.budget();
        let demo = demo::Demo::new(self.rows, self.dir.clone());
        let say = |what: &str| screen.say(what);
        if self.clean {
            demo.clean(&say)?;
            screen.say(&format!("deleted {}", demo.folder().display()));
            return Ok(());
        }
        screen.say(&format!(
            "the demo takes about {} of disk in {}",
            show::bytes(demo.disk_bytes()),
            demo.folder().display()
        ));
        let mut told = 0;
        let rows = demo.rows();
        let mut filled = |done: u64| {
            if done.saturating_sub(told) * 5 >= rows {
                told = done;
                screen.say(&format!("made {done} of {rows} rows"));
            }
        };
        let shown = demo.play(
            self.pg_bin.as_deref(),
            &say,
            &mut filled,
            self.hands.setting(stop, screen, &budget),
        )?;
        screen.finish();
        show::report(&shown.report, screen, Output { json: false, ..output });
        show::demo(&shown);
        if output.json {
            show::json(&shown.report.to_json());
        }
        judge(&shown.report)
    }
}
