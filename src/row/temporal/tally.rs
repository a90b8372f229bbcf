//! Counts how the dates of a column are written, and finds the form that most of them have.

use super::IsoText;
pub use crate::model::IsoTally;
use crate::model::{ClockForm, IsoForm};
use std::collections::BTreeMap;

/// A text's own form, and the shortest that its time could have.
type Kind = (IsoForm, ClockForm);

/// The rules in the order in which they are preferred where several write all the same texts.
const RULES: [ClockForm; 14] = [
    ClockForm::Seconds,
    ClockForm::Minutes,
    ClockForm::Fixed(3),
    ClockForm::Fixed(6),
    ClockForm::Fixed(1),
    ClockForm::Fixed(2),
    ClockForm::Fixed(4),
    ClockForm::Fixed(5),
    ClockForm::Fixed(7),
    ClockForm::Fixed(8),
    ClockForm::Fixed(9),
    ClockForm::SixUnlessZero,
    ClockForm::Groups,
    ClockForm::MinutesOrGroups,
];

impl IsoTally {
    /// Counts a text by what [`IsoText::parse`] gave.
    #[inline]
    pub fn add(&mut self, value: IsoText, form: IsoForm) {
        let least = match value {
            IsoText::Date(_) => ClockForm::Minutes,
            IsoText::Time(micros) | IsoText::Naive(micros) | IsoText::Instant(micros) => {
                ClockForm::least(micros)
            }
        };
        match &mut self.run {
            Some((kind, count)) if *kind == (form, least) => *count += 1,
            run => {
                let ended = run.replace(((form, least), 1));
                self.keep(ended);
            }
        }
    }

    /// Adds what another part of the column showed.
    pub fn merge(&mut self, other: &Self) {
        for (&kind, &count) in &other.counts {
            self.keep(Some((kind, count)));
        }
        self.keep(other.run);
    }

    /// The form that writes the most of these texts, and how many; none where there are none.
    pub fn best(&self) -> Option<(IsoForm, u64)> {
        let mut all = self.clone();
        let run = all.run.take();
        all.keep(run);
        // Texts that differ in more than their clocks have no form in common.
        let mut shapes = BTreeMap::<IsoForm, u64>::new();
        for (&(form, _), &count) in &all.counts {
            *shapes.entry(form.with_clock(ClockForm::Seconds)).or_default() += count;
        }
        let mut shapes: Vec<_> = shapes.into_iter().collect();
        shapes.sort_by_key(|&(shape, count)| (std::cmp::Reverse(count), shape));
        let mut best = None;
        for (shape, most) in shapes {
            // No later shape has more texts than this one has.
            if best.is_some_and(|(_, count)| count >= most) {
                break;
            }
            for rule in RULES {
                let form = shape.with_clock(rule);
                let count = all.written_by(form);
                if best.is_none_or(|(_, most)| count > most) {
                    best = Some((form, count));
                }
            }
        }
        best
    }

    fn written_by(&self, column: IsoForm) -> u64 {
        let of_kind = |&(form, least): &Kind| column.applied(least) == form;
        self.counts.iter().filter(|(kind, _)| of_kind(kind)).map(|(_, count)| count).sum()
    }

    fn keep(&mut self, run: Option<(Kind, u64)>) {
        if let Some((kind, count)) = run {
            *self.counts.entry(kind).or_default() += count;
        }
    }
}
