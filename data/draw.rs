//! Random values that depend on nothing but a seed, a purpose and a number.
//!
//! SplitMix64 (Steele, Lea and Flood, 2014), started anew for every row, so that any row can be made alone. Doubles
//! go through addition and multiplication only, which IEEE 754 rounds in one way: the values are the same everywhere.

/// A stream of random values.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    state: u64,
}

impl Draw {
    /// The stream of one `number` (of a row, say) for one `purpose`; different purposes do not correlate.
    pub(super) fn new(seed: u64, purpose: u64, number: u64) -> Self {
        let streams = mix(seed ^ mix(purpose));
        Self { state: mix(streams.wrapping_add(number.wrapping_mul(STEP))) }
    }

    /// 64 random bits.
    pub(super) fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// A number below `bound`; 0 where the bound is 0. The bias of the remainder does not matter for samples.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.word().checked_rem(bound).unwrap_or(0)
    }

    /// True in `per_mille` of 1000 cases.
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A double of 52 random bits, from `low` to below `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        let one_to_two = f64::from_bits(f64::to_bits(1.0) | (self.word() >> 12));
        low + (high - low) * (one_to_two - 1.0)
    }

    /// A double from one of these ranges, each as likely as the others.
    pub(super) fn within(&mut self, ranges: &[(f64, f64)]) -> f64 {
        let (low, high) = self.pick(ranges);
        self.between(low, high)
    }

    /// One of the list; the default where the list is empty.
    pub(super) fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        let index = self.below(u64::try_from(list.len()).unwrap_or(u64::MAX));
        usize::try_from(index).ok().and_then(|index| list.get(index)).copied().unwrap_or_default()
    }

    /// Appends `chars` characters of base58.
    pub(super) fn push_base58(&mut self, out: &mut String, chars: usize) {
        for start in (0..chars).step_by(BASE58_PER_WORD) {
            // The word's high and low half are fractions whose digits come out at the top, five from each.
            let word = self.word();
            for (half, offset) in [(word >> 32, 0), (word & LOW_HALF, BASE58_PER_WORD / 2)] {
                let left = chars.saturating_sub(start + offset).min(BASE58_PER_WORD / 2);
                push_fraction(out, half, left);
            }
        }
    }
}

/// The odd number nearest to 2^64 divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const LOW_HALF: u64 = 0xffff_ffff;
/// 58^5 is below 2^32: five characters from each half of a word.
const BASE58_PER_WORD: usize = 10;
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Appends the first base58 digits of `fraction / 2^32`.
fn push_fraction(out: &mut String, mut fraction: u64, chars: usize) {
    for _ in 0..chars {
        fraction *= 58;
        let digit = usize::try_from(fraction >> 32).ok().and_then(|digit| BASE58.get(digit));
        out.push(digit.copied().map_or('1', char::from));
        fraction &= LOW_HALF;
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn the_stream_is_splitmix64() {
        // The published test vector: the first outputs of SplitMix64 from state 0.
        let mut draw = Draw { state: 0 };
        assert_eq!([draw.word(), draw.word()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn base58_has_the_length_asked_for_and_uses_the_whole_alphabet() {
        for chars in [0, 1, 4, 5, 6, 9, 10, 11, 44, 87, 88] {
            let mut text = String::new();
            Draw::new(1, 2, 3).push_base58(&mut text, chars);
            assert_eq!(text.len(), chars);
        }
        let mut text = String::new();
        Draw::new(1, 2, 3).push_base58(&mut text, 10_000);
        let used: std::collections::BTreeSet<u8> = text.bytes().collect();
        assert_eq!(used, super::BASE58.iter().copied().collect());
    }

    #[test]
    fn doubles_stay_in_their_range_and_lists_are_drawn_from_evenly() {
        let mut draw = Draw::new(1, 2, 3);
        assert!(
            (0..10_000).map(|_| draw.between(2.0, 5.0)).all(|value| (2.0..5.0).contains(&value))
        );
        let threes = (0..10_000).filter(|_| draw.pick(&[1, 2, 3, 4]) == 3).count();
        assert!((2300..2700).contains(&threes), "{threes}");
        assert_eq!(draw.pick::<u8>(&[]), 0);
    }
}
