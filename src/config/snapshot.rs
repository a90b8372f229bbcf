//! What a pipeline file says of the copy.

use super::quantity;
use crate::error::{Class, Error, Result};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// `[snapshot]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotSection {
    /// Bytes of values in a chunk, about. A chunk is what is loaded in one transaction, done again where a connection
    /// is lost, and named where something differs: 16 MiB unless given, smaller for a poor network.
    pub chunk_bytes: u64,
    /// How long a state of a source that is written to is read from, before a newer one is taken: 30 seconds unless
    /// given.
    #[serde(deserialize_with = "quantity::duration")]
    pub max_age: Duration,
    /// How many bytes its write-ahead log may grow meanwhile: 256 MiB unless given.
    #[serde(deserialize_with = "quantity::bytes")]
    pub max_wal_growth: u64,
}

impl Default for SnapshotSection {
    fn default() -> Self {
        Self {
            chunk_bytes: 16 * 1024 * 1024,
            max_age: Duration::from_secs(30),
            max_wal_growth: 256 * 1024 * 1024,
        }
    }
}

/// What a chunk's size can be: not so small that a commit weighs more than its rows, nor larger than what a server
/// takes in one transaction without pain.
const CHUNK_BYTES: RangeInclusive<u64> = 4096..=1_073_741_824;

/// How old a state can become: not so young that readers wait for new ones more than they read, nor so old that the
/// write-ahead log grows for days.
const MAX_AGE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);

/// How much a write-ahead log may grow at least: less is written between any two chunks.
const LEAST_WAL_GROWTH: u64 = 1024 * 1024;

impl SnapshotSection {
    /// Makes sure that its numbers make sense.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::new(Class::Usage, what));
        if !CHUNK_BYTES.contains(&self.chunk_bytes) {
            let (least, most) = (CHUNK_BYTES.start(), CHUNK_BYTES.end());
            return refuse(format!("[snapshot] chunk_bytes must be {least} to {most}"));
        }
        if !MAX_AGE.contains(&self.max_age) {
            return refuse("[snapshot] max_age must be 100ms to 24h".into());
        }
        if self.max_wal_growth < LEAST_WAL_GROWTH {
            return refuse("[snapshot] max_wal_growth must be 1MiB at least".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Pipeline;
    use std::time::Duration;

    #[test]
    fn a_chunk_has_a_size_that_makes_sense() {
        let parse = |bytes: &str| {
            let text = format!(
                "[source]\npath = 'a.db'\n[target]\nurl = 'local'\n[snapshot]\nchunk_bytes = {bytes}\n"
            );
            Pipeline::parse(&text).map(|pipeline| pipeline.snapshot.chunk_bytes)
        };
        assert_eq!(parse("65536").unwrap(), 65536);
        for refused in ["0", "4095", "1073741825", "-1", "'1 MB'"] {
            assert_eq!(parse(refused).unwrap_err().class().exit_code(), 2, "{refused}");
        }
    }

    #[test]
    fn bounds_of_a_snapshot_make_sense_and_may_change_while_it_is_under_way() {
        let parse = |said: &str| {
            let text =
                format!("[source]\npath = 'a.db'\n[target]\nurl = 'local'\n[snapshot]\n{said}\n");
            Pipeline::parse(&text)
        };
        let said = parse("max_age = '5min'\nmax_wal_growth = '1GiB'").unwrap();
        assert_eq!(said.snapshot.max_age, Duration::from_mins(5));
        assert_eq!(said.snapshot.max_wal_growth, 1 << 30);
        let unsaid = parse("").unwrap();
        assert_eq!(unsaid.snapshot.max_age, Duration::from_secs(30));
        assert_eq!(said.settings_hash(), unsaid.settings_hash());
        for refused in [
            "max_age = 30",
            "max_age = '0s'",
            "max_age = '2d'",
            "max_age = 'soon'",
            "max_wal_growth = '1kB'",
            "max_wal_growth = '1'",
        ] {
            assert_eq!(parse(refused).unwrap_err().class().exit_code(), 2, "{refused}");
        }
    }
}
