//! The command line: one file a command, from arguments to a call of the library and its printed result.
//!
//! Results go to stdout; everything else goes to stderr.

mod archive;
mod backup;
mod capture;
mod census;
mod demo;
mod ends;
mod existing;
mod follow;
mod init;
mod pause;
mod plan;
mod restore;
mod run;
mod screen;
mod show;
mod status;
mod text;
mod uninstall;
mod verify;

use crate::error::{Class, Error};
use crate::journey::{BUDGET_BYTES, Setting, default_workers};
use crate::pipeline::{Budget, Stop, failpoint};
use crate::status::{Report, TableReport};
use clap::{Args, Parser, Subcommand, ValueEnum};
use screen::Screen;
use std::process::ExitCode;

/// Moves a SQLite database to PostgreSQL: every row and value exactly, and proved.
#[derive(Debug, Parser)]
#[command(name = "liteferry", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Plan(plan::Plan),
    Run(run::Run),
    Follow(follow::Follow),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Verify(verify::Verify),
    Status(status::Status),
    Uninstall(uninstall::Uninstall),
    Archive(archive::ArchiveCommand),
    Backup(backup::Backup),
    Restore(restore::Restore),
}

#[derive(Debug, Clone, Copy, Args)]
struct Output {
    /// Print the result as one JSON object, as the last line of stdout
    #[arg(long, global = true)]
    json: bool,
    /// Say more on stderr
    #[arg(short, long, global = true)]
    verbose: bool,
    /// How to say things on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Progress bars on a terminal, plain lines elsewhere
    Text,
    /// One JSON object a line
    Json,
}

/// What every command that moves rows can be told.
#[derive(Debug, Clone, Args)]
struct Hands {
    /// Workers, each with a connection to each end that it reads or writes [default: one a processor, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// Megabytes of rows in flight, at most, all workers together; a larger row has them for itself
    #[arg(long, value_name = "MB", default_value_t = BUDGET_BYTES / 1_048_576, value_parser = clap::value_parser!(u64).range(16..))]
    memory: u64,
}

impl Hands {
    fn budget(&self) -> Budget {
        Budget::new(self.memory.saturating_mul(1_048_576))
    }

    fn setting<'a>(&self, stop: &'a Stop, screen: &'a Screen, budget: &'a Budget) -> Setting<'a> {
        Setting {
            stop,
            progress: screen,
            workers: self.workers.map_or_else(default_workers, Into::into),
            budget,
        }
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            let code = told.exit_code();
            // A closed stdout has nobody left to tell.
            let _nobody_listens = told.print();
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    let output = arguments.output;
    let screen = Screen::new(output.verbose, output.log_format == LogFormat::Json);
    let stop = failpoint::arm().and_then(|()| Stop::on_signals());
    let outcome = stop.map_err(Failed::from).and_then(|stop| {
        let outcome = arguments.command.run(&screen, &stop, output);
        outcome.map_err(|failed| failed.named(&stop))
    });
    screen.finish();
    let failed = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(failed) => failed,
    };
    let (Failed::Early(error) | Failed::Reported(error)) = &failed;
    screen.failed(error);
    if let (true, Failed::Early(error)) = (output.json, &failed) {
        show::json(&show::failure(arguments.command.name(), error));
    }
    ExitCode::from(error.class().exit_code())
}

/// How a command fails.
#[derive(Debug)]
enum Failed {
    /// Without a result.
    Early(Error),
    /// With a result, which has been printed with all that is known about it.
    Reported(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Early(error)
    }
}

impl Failed {
    /// The same, by the signal that was sent: SQLite in the midst of a statement knows none.
    fn named(self, stop: &Stop) -> Self {
        match self {
            Self::Early(error) => Self::Early(stop.named(error)),
            Self::Reported(error) => Self::Reported(stop.named(error)),
        }
    }
}

impl Command {
    fn run(&self, screen: &Screen, stop: &Stop, output: Output) -> Result<(), Failed> {
        match self {
            Self::Demo(demo) => demo.run(screen, stop, output),
            Self::Init(init) => init.run(screen, stop, output),
            Self::Plan(plan) => plan.run(screen, stop, output),
            Self::Run(run) => run.run(screen, stop, output),
            Self::Follow(follow) => follow.run(screen, stop, output),
            Self::Pause(pause) => pause.run(screen, stop, output),
            Self::Resume(resume) => resume.run(screen, stop, output),
            Self::Verify(verify) => verify.run(screen, stop, output),
            Self::Status(status) => status.run(screen, stop, output),
            Self::Uninstall(uninstall) => uninstall.run(screen, stop, output),
            Self::Archive(archive) => archive.run(screen, stop, output),
            Self::Backup(backup) => backup.run(screen, stop, output),
            Self::Restore(restore) => restore.run(screen, stop, output),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Init(_) => "init",
            Self::Plan(_) => "plan",
            Self::Run(_) => "run",
            Self::Follow(_) => "follow",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Verify(_) => "verify",
            Self::Status(_) => "status",
            Self::Uninstall(_) => "uninstall",
            Self::Archive(_) => "archive",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
        }
    }
}

/// What was not moved, in short.
fn unread(report: &Report) -> String {
    let mut tables: Vec<_> =
        report.losses.unreadable.iter().map(|unread| text::name(&unread.table)).collect();
    tables.dedup();
    let what = match tables.as_slice() {
        [] => "the source is damaged, though every row that it shows could be read".into(),
        few @ [_, ..] if few.len() <= TABLES_NAMED => {
            format!("not all of the source can be read: not all of {}", few.join(", "))
        }
        many => format!("not all of the source can be read: not all of {} tables", many.len()),
    };
    format!("{what}; what could be read is moved, and equal")
}

/// What can be done about rows that are set aside.
fn decide(report: &Report) -> String {
    let look = "look at them in the table liteferry.reject";
    if report.command == "restore" {
        return format!(
            "{look}: the archive has them as they were set aside when they were loaded"
        );
    }
    let say = "say what to do with such values by `misfits = \"null\"` or \"default\" for the column in a pipeline file";
    format!("{look}; {say}, and {}", again(report))
}

/// What carries out what is decided about them: where the source is followed, tables taken anew.
fn again(report: &Report) -> String {
    if report.position.is_none() {
        "run it again".into()
    } else {
        anew(report, |table| table.rejected > 0)
    }
}

/// What is to be done about rows of the target that are not what the source has.
fn loaded_again(report: &Report) -> String {
    let way = if report.position.is_none() {
        "take such a table anew with `liteferry run --anew TABLE`, or drop all that was created with the SQL that \
         `liteferry plan` prints"
            .into()
    } else {
        anew(report, |table| table.equal == Some(false))
    };
    format!("find out who writes to the target; {way}")
}

/// That these tables are to be taken anew.
fn anew(report: &Report, which: impl Fn(&TableReport) -> bool) -> String {
    let tables = report.tables.iter().filter(|table| which(table));
    let anew: String = tables.map(|table| format!(" --anew {}", text::name(&table.name))).collect();
    format!("take the tables anew with `liteferry run{anew}`")
}

/// Tables that one line names.
const TABLES_NAMED: usize = 8;

/// What a report means for the exit code.
fn judge(report: &Report) -> Result<(), Failed> {
    let error = match report.failure() {
        None => return Ok(()),
        Some(Class::Data) if report.losses.is_empty() => {
            let rows = report.rejected();
            Error::new(
                Class::Data,
                format!("rows set aside because their values do not fit: {rows}"),
            )
            .todo(decide(report))
        }
        Some(Class::Data) => Error::new(Class::Data, unread(report))
            .todo("get what the warnings name from a backup, or do without it"),
        Some(class) => {
            let tables: Vec<_> = report
                .tables
                .iter()
                .filter(|table| table.equal == Some(false))
                .map(|table| text::name(&table.name))
                .collect();
            Error::new(class, format!("source and target are not equal in {}", tables.join(", ")))
                .todo(loaded_again(report))
        }
    };
    Err(Failed::Reported(error))
}

#[cfg(test)]
mod tests {
    use super::Failed;
    use crate::error::{Class, Error, Signal};
    use crate::pipeline::Stop;

    #[test]
    fn who_was_stopped_by_sigterm_says_so_whatever_was_done_just_then() {
        let stop = Stop::default();
        stop.request(Signal::Terminate);
        for failed in [Failed::Early, Failed::Reported] {
            let unnamed = Error::new(Class::Interrupted(Signal::Interrupt), "stopped as asked");
            let (Failed::Early(error) | Failed::Reported(error)) = failed(unnamed).named(&stop);
            assert_eq!(error.class().exit_code(), 143);
        }
    }
}
