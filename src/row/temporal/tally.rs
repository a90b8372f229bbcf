//! Counts how the dates of a column are written, and finds the form that most of them have.

use super::IsoText;
pub use crate::model::IsoTally;
use crate::model::{BelowTen, ClockForm, IsoForm, Padding};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What says which rules a text follows: its own form, the shortest that its time could have, and which of its numbers
/// a padding could show in.
type Kind = (IsoForm, ClockForm, BelowTen);

/// The rules in the order in which they are preferred where several write all the same texts.
const WHOLE: [ClockForm; 2] = [ClockForm::Seconds, ClockForm::Minutes];
const FINE: [ClockForm; 12] = [
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
const PADDINGS: [Padding; 3] = [Padding::All, Padding::Hour, Padding::Nothing];

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
        let below_ten = if form.year_first() {
            BelowTen::default()
        } else {
            form.below_ten(value).unwrap_or_default()
        };
        let of = (form, least, below_ten);
        match &mut self.run {
            Some((kind, count)) if *kind == of => *count += 1,
            run => {
                let ended = run.replace((of, 1));
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

    /// How many of these times have more digits of a second's fraction than that.
    pub fn finer_than(&self, digits: u8) -> u64 {
        let is_finer =
            |least: ClockForm| matches!(least, ClockForm::Fixed(needed) if needed > digits);
        let all = self.counts.iter().map(|(kind, count)| (kind, *count));
        let all = all.chain(self.run.iter().map(|(kind, count)| (kind, *count)));
        all.filter(|((_, least, _), _)| is_finer(*least)).map(|(_, count)| count).sum()
    }

    /// The form that writes the most of these texts, and how many; none where there are none.
    pub fn best(&self) -> Option<(IsoForm, u64)> {
        let mut all = self.clone();
        let run = all.run.take();
        all.keep(run);
        // Texts that differ in more than that have no form in common.
        let mut shapes = BTreeMap::<IsoForm, u64>::new();
        for (&(form, ..), &count) in &all.counts {
            let shape = form.with_clock(ClockForm::Seconds).with_padding(Padding::All);
            *shapes.entry(shape).or_default() += count;
        }
        let mut shapes: Vec<_> = shapes.into_iter().collect();
        shapes.sort_by_key(|&(shape, count)| (Reverse(count), shape));
        let mut best = None;
        for (shape, most) in shapes {
            // No later shape has more texts than this one has.
            if best.is_some_and(|(_, count)| count >= most) {
                break;
            }
            for form in all.candidates(shape) {
                let count = all.written_by(form);
                if best.is_none_or(|(_, most)| count > most) {
                    best = Some((form, count));
                }
            }
        }
        best
    }

    /// The forms of a shape, the preferred ones first.
    fn candidates(&self, shape: IsoForm) -> Vec<IsoForm> {
        let is_fine = self.counts.keys().any(|&(form, least, _)| {
            least > ClockForm::Seconds
                && form.with_clock(ClockForm::Seconds).with_padding(Padding::All) == shape
        });
        let clocks =
            if is_fine { [&FINE[..], &WHOLE].concat() } else { [&WHOLE[..], &FINE].concat() };
        let paddings = if shape.year_first() { 1 } else { PADDINGS.len() };
        let padded = |clock| {
            PADDINGS
                .iter()
                .take(paddings)
                .map(move |&padding| shape.with_clock(clock).with_padding(padding))
        };
        clocks.into_iter().flat_map(padded).collect()
    }

    fn written_by(&self, column: IsoForm) -> u64 {
        let writes = |&(form, least, below_ten): &Kind| {
            column.applied(least).with_padding(column.padding().applied(below_ten)) == form
        };
        self.counts.iter().filter(|(kind, _)| writes(kind)).map(|(_, count)| count).sum()
    }

    fn keep(&mut self, run: Option<(Kind, u64)>) {
        if let Some((kind, count)) = run {
            *self.counts.entry(kind).or_default() += count;
        }
    }
}
