//! A run in the ledger: that it began, and how it ended, whatever ended it.

use crate::error::{Class, Result};
use crate::pipeline::Stop;
use crate::pipeline::failpoint::{Step, reach};
use crate::status::Report;
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::failure::Moment;
use crate::store::postgres::ledger::{self, Lease};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;
use std::time::Duration;

/// Notes that a command runs, does `work`, and notes how that ended.
///
/// # Errors
///
/// What `work` or the server says.
pub(super) fn noted(
    conninfo: &Conninfo,
    link: &mut Link<'_>,
    lease: Lease,
    (command, plan_hash): (&str, &str),
    work: impl FnOnce(&mut Link<'_>) -> Result<Report>,
) -> Result<Report> {
    let run = link.with(|session| ledger::begin_run(session, lease, command, plan_hash))?;
    reach(Step::RunNoted);
    let outcome = work(link);
    let (words, code) = match &outcome {
        Ok(report) if report.equal() && report.rejected() > 0 => {
            let words = format!("{}, {} rows set aside", report.phase, report.rejected());
            (words, Class::Data.exit_code())
        }
        Ok(report) => (report.phase.clone(), report.failure().map_or(0, Class::exit_code)),
        Err(error) => (error.to_string(), error.class().exit_code()),
    };
    reach(Step::EndReached);
    // A run that was stopped, or lost its server, may not be able to say so; the outcome itself comes first.
    let noted = if outcome.is_err() {
        note_failed(conninfo, run, &words, code)
    } else {
        link.with(|session| ledger::end_run(session, run, &words, code))
    };
    let report = outcome?;
    noted?;
    reach(Step::EndNoted);
    Ok(report)
}

/// Sessions that were stopped or fenced cannot speak any more: how their run ended is noted on another one, without
/// waiting for a server that is not there.
fn note_failed(conninfo: &Conninfo, run: i64, words: &str, code: u8) -> Result<()> {
    let hurried = Conninfo { connect_timeout: Some(LAST_WORDS_PATIENCE), ..conninfo.clone() };
    let session = Session::open(&hurried, Moment::Reconnect, &Stop::default())?;
    ledger::end_run(&session, run, words, code)
}

/// How long a run that failed waits for a connection; all of it takes three times as long at most.
const LAST_WORDS_PATIENCE: Duration = Duration::from_millis(200);
