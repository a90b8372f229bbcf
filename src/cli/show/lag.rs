//! How far a followed migration is behind.

use super::{bytes, name};
use crate::error::legible;
use crate::journey::history::Standing;
use crate::journey::lag::Lag;
use crate::status::about;
use serde_json::{Value, json};
use std::time::Duration;

/// How far a followed migration is behind, in words.
pub(super) fn in_words(standing: &Standing) -> Option<String> {
    let lag = match standing.lag.as_ref()? {
        Ok(lag) => lag,
        Err(why) => {
            return Some(format!(
                "{}: how far it is behind cannot be told: {}",
                name(&standing.name),
                legible(why)
            ));
        }
    };
    let state =
        if lag.consistent { "one state of the source" } else { "no single state of the source" };
    let behind = lag.behind.map_or_else(
        || "an unknown time".into(),
        |behind| format!("{:.1} s", behind.as_secs_f64()),
    );
    let new_rows = match lag.new_rows {
        0 => String::new(),
        rows => format!(", about {rows} new rows"),
    };
    let ahead = match lag.until_caught_up() {
        Some(Duration::ZERO) if lag.left() == 0 => "caught up".into(),
        Some(Duration::ZERO) => "it keeps up".into(),
        Some(left) => format!("caught up in about {:.0} s", left.as_secs_f64()),
        None if lag.paused => "it is paused".into(),
        None if lag.taken => "it comes no closer".into(),
        None => "nobody follows it now".into(),
    };
    let proved = match lag.proved {
        _ if standing.differs() => {
            "which it differs from: `liteferry verify` says in which rows".into()
        }
        Some(ago) if ago > lag.proof_age => {
            let (ago, most) = (about(ago), about(lag.proof_age));
            format!("last proved in full {ago} ago, which is more than {most} (`proof_age`)")
        }
        Some(ago) => format!("last proved in full {} ago", about(ago)),
        None => "not proved in full yet".into(),
    };
    let cutover = lag
        .cutover()
        .map_or_else(|| "an unknown time".into(), |took| format!("about {}", about(took)));
    Some(format!(
        "{}: {} touches{new_rows} and {behind} behind (applied {}, written {}); {:.0}/s written, {:.0}/s applied: {ahead}; the target is \
         {state}, {proved}; a cutover would take {cutover} now; write-ahead log {}",
        name(&standing.name),
        lag.backlog(),
        lag.applied,
        lag.head,
        lag.written_per_second,
        lag.applied_per_second,
        bytes(lag.log_bytes)
    ))
}

/// The same for programs.
pub(super) fn as_json(lag: &Lag) -> Value {
    json!({
        "applied": lag.applied, "source": lag.head, "touches": lag.backlog(),
        "new_rows": lag.new_rows, "consistent": lag.consistent,
        "seconds": lag.behind.map(|behind| behind.as_secs_f64()), "written_per_second": lag.written_per_second,
        "applied_per_second": lag.applied_per_second,
        "seconds_until_caught_up": lag.until_caught_up().map(|left| left.as_secs_f64()),
        "write_ahead_log_bytes": lag.log_bytes, "paused": lag.paused,
        "proved_seconds_ago": lag.proved.map(|ago| ago.as_secs_f64()),
        "proof_age_seconds": lag.proof_age.as_secs_f64(),
        "cutover_seconds": lag.cutover().map(|took| took.as_secs_f64()),
    })
}
