//! When which part is looked at next by the proof that goes on beside the tail: as often as all of them are to be looked
//! at within the time that a proof may be old, and never while all proofs are young.
//!
//! Times are given, so that nothing here looks at a clock.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Which part of the time that a proof may be old is left for looking at everything once: it begins when a part is half
/// as old, and has time to spare when it is at the end.
const LOOKING: u32 = 4;

/// How long the tail has for itself between two looks, however much is left to be looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// How long nothing is looked at after that could not be done.
const HELD: Duration = Duration::from_secs(2);

/// The parts by number, in the order in which they were found equal.
#[derive(Debug)]
pub(super) struct Pace {
    /// Those that never were are first.
    order: BTreeSet<(Option<Instant>, usize)>,
    proved: Vec<Option<Instant>>,
    /// How old a proof may become.
    age: Duration,
    /// Looks that a round takes, about.
    looks: u32,
    /// When a look may begin.
    next: Instant,
    /// Since when all this is looked at: so old is what was never proved.
    began: Instant,
    /// When it was told that a proof is too old.
    told: Option<Instant>,
}

impl Pace {
    pub(super) fn new(proved: Vec<Option<Instant>>, age: Duration, now: Instant) -> Self {
        let order = proved.iter().enumerate().map(|(number, proved)| (*proved, number)).collect();
        let looks = u32::try_from(proved.len()).unwrap_or(u32::MAX).max(1);
        Self { order, proved, age, looks, next: now, began: now, told: None }
    }

    /// Notes how many looks a round takes, about: one a part, and more where parts have grown.
    pub(super) fn expect_looks(&mut self, looks: u64) {
        self.looks = u32::try_from(looks).unwrap_or(u32::MAX).max(1);
    }

    /// The part that was not found equal for the longest time, if it is its turn.
    pub(super) fn due(&self, now: Instant) -> Option<usize> {
        let (_, number) = self.order.first()?;
        (self.wait(now)? == Duration::ZERO).then_some(*number)
    }

    /// How long it is until a part is due; none where there is no part.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let (proved, _) = self.order.first()?;
        let young = proved.map(|proved| proved + self.age / 2);
        Some(young.map_or(self.next, |old| old.max(self.next)).saturating_duration_since(now))
    }

    /// Notes that a look begins.
    pub(super) fn begun(&mut self, now: Instant) {
        self.next = now + (self.age / LOOKING / self.looks).max(PAUSE);
    }

    /// Notes that a look is at an end: the tail comes first.
    pub(super) fn ended(&mut self, now: Instant) {
        self.next = self.next.max(now + PAUSE);
    }

    /// Notes that nothing can be looked at for now.
    pub(super) fn held(&mut self, now: Instant) {
        self.next = now + HELD;
    }

    /// Notes when a part was found equal.
    pub(super) fn note(&mut self, number: usize, at: Instant) {
        if let Some(proved) = self.proved.get_mut(number) {
            self.order.remove(&(*proved, number));
            *proved = Some(at);
            self.order.insert((Some(at), number));
        }
    }

    /// Whether every part was found equal.
    pub(super) fn is_whole(&self) -> bool {
        self.order.first().is_none_or(|(proved, _)| proved.is_some())
    }

    /// How old the oldest proof is, if that is too old and was not told since all of them were made.
    pub(super) fn too_old(&mut self, now: Instant) -> Option<Duration> {
        let (proved, _) = self.order.first()?;
        let oldest = proved.unwrap_or(self.began);
        let age = now.saturating_duration_since(oldest);
        if age <= self.age || self.told.is_some_and(|told| oldest <= told) {
            return None;
        }
        self.told = Some(now);
        Some(age)
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::{Duration, Instant};

    const DAY: Duration = Duration::from_hours(24);

    /// So many parts that were found equal so long ago; and now.
    fn pace(count: usize, ago: Option<Duration>, age: Duration) -> (Pace, Instant) {
        let then = Instant::now();
        let now = then + ago.unwrap_or_default();
        (Pace::new(vec![ago.map(|_| then); count], age, now), now)
    }

    /// How long it takes until every part was looked at, where one look takes so long.
    fn round(pace: &mut Pace, begin: Instant, look: Duration) -> Duration {
        let mut now = begin;
        for _ in 0..pace.proved.len() {
            now += pace.wait(now).unwrap();
            let number = pace.due(now).unwrap();
            pace.begun(now);
            pace.note(number, now);
            now += look;
            pace.ended(now);
        }
        assert!(pace.is_whole());
        now - begin
    }

    #[test]
    fn a_round_of_very_many_parts_ends_well_before_the_first_of_them_is_too_old() {
        for (count, look) in [(50_000, 100), (200_000, 20), (3, 60_000), (1, 1)] {
            let (mut pace, now) = pace(count, Some(DAY / 2), DAY);
            let took = round(&mut pace, now, Duration::from_millis(look));
            assert!(took < DAY * 3 / 8, "{count} parts took {took:?}");
            // What was looked at is left alone for half of its time.
            assert!(pace.wait(now + took).unwrap() > DAY / 12, "{count} parts");
        }
    }

    #[test]
    fn where_looks_take_longer_than_there_is_time_they_follow_one_another() {
        let (mut pace, now) = pace(100, None, Duration::from_secs(1));
        let took = round(&mut pace, now, Duration::from_millis(50));
        assert!(took < Duration::from_secs(6), "{took:?}");
        assert!(took >= Duration::from_millis(100 * 55 - 5), "{took:?}");
    }

    #[test]
    fn nothing_is_due_while_all_proofs_are_young_and_where_there_is_none() {
        let (young, now) = pace(1000, Some(DAY / 4), DAY);
        assert_eq!(young.due(now), None);
        assert_eq!(young.wait(now), Some(DAY / 4));
        let (none, now) = pace(0, None, DAY);
        assert_eq!((none.due(now), none.wait(now)), (None, None));
        let (mut held, now) = pace(1000, Some(DAY), DAY);
        held.held(now);
        assert_eq!(held.due(now), None);
        assert_eq!(held.due(now + Duration::from_secs(2)), Some(0));
    }

    #[test]
    fn it_is_told_once_a_round_that_a_proof_is_too_old() {
        let (mut pace, now) = pace(2, Some(DAY * 2), DAY);
        assert_eq!(pace.too_old(now), Some(DAY * 2));
        let later = now + DAY;
        assert_eq!(pace.too_old(later), None);
        pace.note(0, later);
        assert_eq!(
            pace.too_old(later + DAY * 2),
            None,
            "the other part is of the round that was told of"
        );
        pace.note(1, later);
        assert_eq!(pace.too_old(later + DAY / 2), None);
        assert_eq!(pace.too_old(later + DAY * 2), Some(DAY * 2));
    }
}
