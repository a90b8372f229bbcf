//! Times in words.

use std::time::Duration;

/// A time as people say it.
pub fn about(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_secs() {
        0..=9 => format!("{seconds:.1} s"),
        10..=119 => format!("{seconds:.0} s"),
        120..=7_199 => format!("{:.0} min", seconds / 60.0),
        7_200..=172_799 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}
