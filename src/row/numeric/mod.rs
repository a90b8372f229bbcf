//! Decimals: exact from a double or from text, and PostgreSQL's numeric.
//!
//! [`ShortDecimal`] is the shortest decimal of a double, [`PlainDecimal`] a decimal in plain digits; each says how many
//! digits it needs, and gives 128 bits of them where a column has a size. `wire` has the bytes.

mod plain;
mod short;
mod wire;

pub use plain::PlainDecimal;
pub use short::ShortDecimal;
pub use wire::{encode_scaled, least_dscale, show};

/// The magnitude with its sign, if it has at most `precision` digits.
fn of_precision(precision: u8, magnitude: i128, negative: bool) -> Option<i128> {
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (magnitude < limit).then_some(if negative { -magnitude } else { magnitude })
}
