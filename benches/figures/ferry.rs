//! liteferry as users run it, and what its run came to: seconds and processor seconds of each phase.

use crate::measure::{self, Measured};
use crate::source::Source;
use crate::stage::Stage;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// How liteferry is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ferry<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) source: &'a Source,
    /// Its `--workers`.
    pub(crate) workers: Option<u16>,
    /// The processors that it may use, as taskset names them.
    pub(crate) processors: Option<&'a str>,
    /// The folder of the archive that it leaves beside, or restores.
    pub(crate) archive: Option<&'a Path>,
}

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Ferried {
    /// The whole process.
    pub(crate) whole: Measured,
    report: Value,
}

impl Ferry<'_> {
    /// Runs it into a new database, to its end or `until` a phase has ended.
    pub(crate) fn run(&self, database: &str, until: Option<&str>) -> Result<Ferried> {
        self.stage.create_database(database, None)?;
        let until = until.into_iter().flat_map(|phase| ["--until", phase]);
        let words: Vec<_> = ["--no-capture"].into_iter().chain(until).collect();
        self.told("run", &words, database)?.checked(self.source)
    }

    /// Makes the tables, empty, in a new database.
    pub(crate) fn make_tables(&self, database: &str) -> Result<()> {
        self.stage.create_database(database, None)?;
        self.told("run", &["--no-capture", "--until", "schema"], database).map(|_ferried| ())
    }

    /// Runs `liteferry verify` on what was moved before.
    pub(crate) fn verify(&self, database: &str) -> Result<Ferried> {
        self.told("verify", &[], database)?.checked(self.source)
    }

    /// Restores the archive into a new database.
    pub(crate) fn restore(&self, database: &str) -> Result<Ferried> {
        self.stage.create_database(database, None)?;
        let mut command = self.bare_command("restore");
        command.args(["--target", &self.stage.url(database)]);
        Ferried::of(&mut command)?.checked(self.source)
    }

    /// Restores the archive into a new SQLite file.
    pub(crate) fn restore_file(&self, path: &Path) -> Result<Ferried> {
        let mut command = self.bare_command("restore");
        command.arg("--sqlite").arg(path);
        Ferried::of(&mut command)?.checked(self.source)
    }

    /// Runs a command that has both ends.
    fn told(&self, name: &str, words: &[&str], database: &str) -> Result<Ferried> {
        let mut command = self.bare_command(name);
        command.args(words).arg("--source").arg(self.source.path());
        Ferried::of(command.args(["--target", &self.stage.url(database)]))
    }

    /// A command with what all of them have.
    fn bare_command(&self, name: &str) -> Command {
        let liteferry = env!("CARGO_BIN_EXE_liteferry");
        let mut command = if let Some(processors) = self.processors {
            let mut command = Command::new("taskset");
            command.args(["-c", processors, liteferry]);
            command
        } else {
            Command::new(liteferry)
        };
        command.args([name, "--json", "--log-format", "json"]);
        if let Some(archive) = self.archive {
            command.arg("--archive").arg(archive);
        }
        if let Some(workers) = self.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        command
    }
}

impl Ferried {
    /// Runs a command to its end.
    fn of(command: &mut Command) -> Result<Self> {
        let whole = measure::run(command)?;
        let report: Value = serde_json::from_str(&whole.stdout).context("liteferry's report")?;
        Ok(Self { whole, report })
    }

    /// Fails where not every row passed.
    fn checked(self, source: &Source) -> Result<Self> {
        for row in self.report.pointer("/tables").and_then(Value::as_array).into_iter().flatten() {
            let rows = row.get("source_rows").and_then(Value::as_u64);
            let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
            let complete = rows == Some(source.rows_of(name));
            ensure!(complete, "liteferry lacks rows of {name}: {}", self.report);
        }
        Ok(self)
    }

    /// Seconds of a phase, as liteferry itself reports them.
    pub(crate) fn seconds(&self, phase: &str) -> Result<f64> {
        let seconds = self.report.pointer(&format!("/phases/{phase}")).and_then(Value::as_f64);
        seconds.with_context(|| format!("no seconds of the phase {phase} in {}", self.report))
    }

    /// Processor seconds from the moment when liteferry said that a phase begins until the next one, or its end.
    pub(crate) fn processor(&self, phase: &str) -> Result<f64> {
        let mut phases = self.whole.said.iter().filter_map(|said| {
            let words: Value = serde_json::from_str(&said.line).ok()?;
            Some((words.get("phase")?.as_str()?.to_owned(), said.processor))
        });
        let begun = phases.find(|(name, _)| name == phase);
        let (_, before) = begun.with_context(|| format!("the phase {phase} was not begun"))?;
        let after = phases.next().map_or_else(|| self.whole.processor(), |(_, after)| after);
        Ok(after - before)
    }
}
