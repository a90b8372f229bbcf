//! Durations and sizes as a pipeline file writes them: a whole number and its unit, `30s`, `256MiB`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// Units of time, each with its milliseconds.
const TIMES: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Units of bytes.
const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads a duration like `500ms`, `30s`, `5min`, `2h` or `7d`.
///
/// # Errors
///
/// Anything else.
pub(super) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let said = String::deserialize(from)?;
    let millis = quantity(&said, &TIMES).ok_or_else(|| {
        D::Error::custom(format!(
            "{said:?} is no duration: write one like \"500ms\", \"30s\", \"5min\" or \"2h\""
        ))
    })?;
    Ok(Duration::from_millis(millis))
}

/// Reads a size in bytes like `512KiB`, `256MiB` or `1GB`.
///
/// # Errors
///
/// Anything else.
pub(super) fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let said = String::deserialize(from)?;
    quantity(&said, &SIZES).ok_or_else(|| {
        D::Error::custom(format!(
            "{said:?} is no size: write one like \"512KiB\", \"256MiB\" or \"1GB\""
        ))
    })
}

/// So many of a unit.
fn quantity(said: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = said.split_at_checked(said.find(|char: char| !char.is_ascii_digit())?)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::{SIZES, TIMES, quantity};

    #[test]
    fn a_number_and_its_unit_are_so_much() {
        for (said, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("5 min", 300_000),
            ("2m", 120_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(quantity(said, &TIMES), Some(millis), "{said}");
        }
        for (said, bytes) in
            [("1B", 1), ("10kB", 10_000), ("256MiB", 268_435_456), ("1 GB", 1_000_000_000)]
        {
            assert_eq!(quantity(said, &SIZES), Some(bytes), "{said}");
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        for said in [
            "",
            "30",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "30S",
            "30s ",
            " 30s",
            "30 s s",
            "18446744073709551616s",
            "18446744073709551615s",
            "٣s",
        ] {
            assert_eq!(quantity(said, &TIMES), None, "{said}");
        }
        for said in ["256", "256mib", "256M", "99999999999GiB"] {
            assert_eq!(quantity(said, &SIZES), None, "{said}");
        }
    }
}
