//! Medians, and sizes as people read them.

/// The middle of the values, or half way between the two in the middle; NaN where there are none.
pub(crate) fn median<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().copied().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

/// Bytes as `1.42 GB`.
pub(crate) fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB", real(bytes) / 1e9)
}

/// Bytes in units of 2^20.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    real(bytes) / 1_048_576.0
}

/// A count that is divided by seconds.
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
pub(crate) fn real(number: u64) -> f64 {
    number as f64
}
