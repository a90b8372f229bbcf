//! The printer of expressions under random fire: what it prints is accepted by PostgreSQL, calls nothing but the
//! whitelist, and gives what SQLite gives.

mod generate;
mod judge;
mod tokens;

pub(crate) use judge::{Found, Round};

/// Numbers that look random and are the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds give numbers that have nothing in common.
        let mut dice = Self(seed ^ 0x9e37_79b9_7f4a_7c15);
        dice.next();
        dice
    }

    /// The next 64 bits (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Round;
    use crate::environment::Environment;

    /// Another seed than that of the days before is tried by `tests/scripts/fuzz.sh expression`.
    const SEEDS: std::ops::Range<u64> = 0..16;

    #[test]
    fn what_is_translated_means_in_postgresql_what_it_means_in_sqlite() {
        let env = Environment::new();
        let target = env.connect();
        let mut found = super::Found::default();
        for seed in SEEDS {
            println!("seed {seed}");
            found += Round::new(seed).play(&target).unwrap_or_else(|failure| panic!("{failure}"));
        }
        println!("{found:?}");
        assert!(found.translated > 500 && found.values > 10_000, "too little was tried: {found:?}");
        assert!(found.refused > 100, "what is not on the whitelist was not tried: {found:?}");
    }
}
