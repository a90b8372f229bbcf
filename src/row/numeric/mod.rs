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
#[inline]
fn of_precision(precision: u8, magnitude: i128, negative: bool) -> Option<i128> {
    let limit = power_of_ten(precision.into())?;
    (magnitude < limit).then_some(if negative { -magnitude } else { magnitude })
}

/// 10^exponent, where 128 bits hold it.
#[inline]
fn power_of_ten(exponent: u32) -> Option<i128> {
    POWERS_OF_TEN.get(usize::try_from(exponent).ok()?).copied()
}

#[expect(clippy::indexing_slicing, reason = "the compiler computes it")]
const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};
