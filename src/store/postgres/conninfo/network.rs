//! How long a silent network is waited for.

use super::Parameters;
use crate::error::Result;
use std::time::Duration;

/// When a silent network counts as broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// How long the server's machine may leave sent data without taking it.
    pub user_timeout: Option<Duration>,
    /// How an idle connection is probed, if it is.
    pub keepalives: Option<Keepalives>,
}

/// How an idle connection is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalives {
    /// The silence before the first probe.
    pub idle: Duration,
    /// The time between probes.
    pub interval: Duration,
    /// How many probes may stay without an answer.
    pub count: u32,
}

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A half-open connection is noticed within 30 seconds. The kernel counts a server that stops reading for as long as
/// broken too; what was sent is then sent again.
pub(super) const TCP: Tcp =
    Tcp { user_timeout: Some(Duration::from_secs(30)), keepalives: Some(KEEPALIVES) };
pub(super) const KEEPALIVES: Keepalives =
    Keepalives { idle: Duration::from_secs(10), interval: Duration::from_secs(5), count: 3 };

/// How long each address may take to connect, if that is limited.
pub(super) fn connect_timeout(given: &Parameters) -> Result<Option<Duration>> {
    limit(given, "connect_timeout", Duration::from_secs, Some(CONNECT_TIMEOUT))
}

impl Tcp {
    pub(super) fn decide(given: &Parameters) -> Result<Self> {
        let whole = |name, default: Duration| -> Result<Duration> {
            let seconds = given.number::<i64>(name)?.and_then(positive);
            Ok(seconds.map_or(default, Duration::from_secs))
        };
        let keepalives = Keepalives {
            idle: whole("keepalives_idle", KEEPALIVES.idle)?,
            interval: whole("keepalives_interval", KEEPALIVES.interval)?,
            count: given.number("keepalives_count")?.filter(|n| *n > 0).unwrap_or(KEEPALIVES.count),
        };
        let probed = given.number::<i64>("keepalives")? != Some(0);
        let user_timeout =
            limit(given, "tcp_user_timeout", Duration::from_millis, TCP.user_timeout)?;
        Ok(Self { user_timeout, keepalives: probed.then_some(keepalives) })
    }
}

/// The limit of this name, if there is one.
fn limit(
    given: &Parameters,
    name: &str,
    unit: fn(u64) -> Duration,
    default: Option<Duration>,
) -> Result<Option<Duration>> {
    let number = given.number::<i64>(name)?;
    Ok(number.map_or(default, |number| positive(number).map(unit)))
}

/// libpq reads zero and less as "not limited" or "the default".
fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}
