//! Properties of reading and writing together; PostgreSQL itself judges the values in the integration tests.

use super::tests::{value, written};
use super::{IsoTally, IsoText};
use crate::model::{
    ClockForm, DateForm, DateOrder, IsoForm, Mark, OffsetDigits, OffsetForm, OffsetLayout, Padding,
    Separator, UtcName,
};
use jiff::Timestamp;
use jiff::civil::DateTime;
use proptest::prelude::*;
use std::mem::discriminant;

fn any_clock() -> impl Strategy<Value = ClockForm> {
    prop_oneof![
        Just(ClockForm::Minutes),
        Just(ClockForm::Seconds),
        (1_u8..=9).prop_map(ClockForm::Fixed),
        Just(ClockForm::SixUnlessZero),
        Just(ClockForm::Groups),
        Just(ClockForm::MinutesOrGroups),
    ]
}

const NAMES: [UtcName; 5] =
    [UtcName::Z, UtcName::SmallZ, UtcName::BlankZ, UtcName::BlankUtc, UtcName::Go];

fn any_offset() -> impl Strategy<Value = OffsetForm> {
    let layout = prop_oneof![
        Just(OffsetLayout::Colon),
        Just(OffsetLayout::Together),
        Just(OffsetLayout::Hours)
    ];
    prop_oneof![
        proptest::sample::select(&NAMES).prop_map(OffsetForm::Utc),
        (any::<bool>(), layout, any::<bool>(), 0_u16..960).prop_map(
            |(blank, layout, west, minutes)| {
                OffsetForm::Digits(OffsetDigits { blank, layout, west, minutes })
            }
        ),
    ]
}

/// Forms that [`IsoText::parse`] reads.
fn any_form() -> impl Strategy<Value = IsoForm> {
    let date = prop_oneof![Just(Mark::Dash), Just(Mark::Slash)].prop_map(DateForm::year_first);
    let separator =
        prop_oneof![Just(Separator::Blank), Just(Separator::T), Just(Separator::SmallT)];
    prop_oneof![
        date.clone().prop_map(IsoForm::Date),
        any_clock().prop_map(IsoForm::Time),
        (date, separator, any_clock(), proptest::option::of(any_offset())).prop_map(
            |(date, separator, clock, offset)| IsoForm::DateTime { date, separator, clock, offset }
        ),
    ]
}

/// Forms that [`IsoText::parse_ordered`] reads.
fn ordered_form() -> impl Strategy<Value = IsoForm> {
    let date =
        (any::<bool>(), 0..3_usize, 0..3_usize).prop_map(|(day_first, mark, padding)| DateForm {
            order: if day_first { DateOrder::Dmy } else { DateOrder::Mdy },
            mark: [Mark::Dash, Mark::Slash, Mark::Dot][mark],
            padding: [Padding::All, Padding::Hour, Padding::Nothing][padding],
        });
    let zulu = proptest::option::of(Just(OffsetForm::Utc(UtcName::Z)));
    prop_oneof![
        date.clone().prop_map(IsoForm::Date),
        (date, any_clock(), zulu).prop_map(|(date, clock, offset)| IsoForm::DateTime {
            date,
            separator: Separator::Blank,
            clock,
            offset
        }),
    ]
}

/// A time with a fraction of each length, and a value of the kind that a form has.
fn value_of(form: IsoForm, seconds: i64, fraction: i64) -> IsoText {
    let micros = seconds * 1_000_000 + fraction;
    match form {
        IsoForm::Date(_) => IsoText::Date(i32::try_from(seconds.div_euclid(86_400)).unwrap()),
        IsoForm::Time(_) => IsoText::Time(micros.rem_euclid(86_400_000_000)),
        IsoForm::DateTime { offset: None, .. } => IsoText::Naive(micros),
        IsoForm::DateTime { offset: Some(_), .. } => IsoText::Instant(micros),
    }
}

/// From the second day of the year 1 to the last but one of the year 9999, so that offsets stay within.
const SECONDS: std::ops::Range<i64> = -62_135_510_400..253_402_214_400;

fn any_fraction() -> impl Strategy<Value = i64> {
    (0_i64..1_000_000, 0_u32..=6)
        .prop_map(|(micros, zeros)| micros / 10_i64.pow(zeros) * 10_i64.pow(zeros))
}

/// Texts near to what is read.
const NEAR: &str = "([0-9]{4}[-/][01][0-9][-/][0-3][0-9])?[Tt ]?([0-2][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6}0{0,3})?)?)?( ?(Z|UTC|[+-][01][0-9](:?[0-5][0-9])?))?";

proptest! {
    #[test]
    fn what_a_form_writes_is_read_as_the_same_value(form in any_form(), seconds in SECONDS, fraction in any_fraction()) {
        let value = value_of(form, seconds, fraction);
        let text = written(form, value).unwrap();
        let (read, own) = IsoText::parse(&text).unwrap();
        prop_assert_eq!(read, value, "{}", text);
        prop_assert_eq!(written(own, value), Some(text.clone()));
        // Only half hours in a form of whole hours are written in another layout, and read as that.
        let halves = matches!(form, IsoForm::DateTime {
            offset: Some(OffsetForm::Digits(OffsetDigits { layout: OffsetLayout::Hours, minutes, .. })), ..
        } if minutes % 60 != 0);
        prop_assert_eq!(form.writes(value, &own), !halves, "{} writes {}", form, text);
    }

    #[test]
    fn the_best_form_writes_as_many_texts_as_it_says_and_no_form_writes_more(
        shapes in proptest::collection::vec(prop_oneof![any_form(), ordered_form()], 1..3),
        times in proptest::collection::vec((any::<proptest::sample::Index>(), SECONDS, any_fraction()), 1..30),
        parts in 1_usize..4,
    ) {
        let texts = times.into_iter().map(|(at, seconds, fraction)| {
            let shape = at.get(&shapes);
            let text = written(*shape, value_of(*shape, seconds, fraction)).unwrap();
            let order = if let IsoForm::Date(date) | IsoForm::DateTime { date, .. } = shape { date.order } else { DateOrder::Ymd };
            IsoText::parse(&text).or_else(|_| IsoText::parse_ordered(&text, order)).unwrap()
        });
        let texts: Vec<_> = texts.collect();
        let mut tally = IsoTally::default();
        for part in texts.chunks(texts.len().div_ceil(parts)) {
            let mut other = IsoTally::default();
            part.iter().for_each(|&(value, form)| other.add(value, form));
            tally.merge(&other);
        }
        // A form of dates alone would also write times, but no column of dates has them.
        let same_kind = |one: &IsoForm, other| discriminant(one) == discriminant(other);
        let writes = |form: IsoForm| {
            texts.iter().filter(|(value, read)| same_kind(&form, read) && form.writes(*value, read)).count()
        };
        let (best, count) = tally.best().unwrap();
        prop_assert_eq!(u64::try_from(writes(best)).unwrap(), count);
        let own = texts.iter().map(|&(_, form)| form);
        prop_assert!(own.chain(shapes.iter().copied()).all(|form| writes(form) <= writes(best)));
    }

    #[test]
    fn a_text_that_is_read_is_written_again(text in NEAR) {
        if let Ok((value, form)) = IsoText::parse(&text) {
            prop_assert_eq!(written(form, value), Some(text));
        }
    }

    #[test]
    fn a_text_in_an_asked_order_is_written_again(
        text in "[0-3]?[0-9][./-][0-3]?[0-9][./-][0-9]{4}( [012]?[0-9]:[0-5][0-9](:[0-5][0-9])?Z?)?",
    ) {
        for order in [DateOrder::Dmy, DateOrder::Mdy] {
            if let Ok((value, form)) = IsoText::parse_ordered(&text, order) {
                prop_assert_eq!(written(form, value), Some(text.clone()));
                prop_assert!(form.writes(value, &form));
            }
        }
    }

    #[test]
    fn what_a_form_with_the_year_last_writes_is_read_as_the_same_value(
        form in ordered_form(), seconds in SECONDS, fraction in any_fraction(),
    ) {
        let value = value_of(form, seconds, fraction);
        let text = written(form, value).unwrap();
        let order = if let IsoForm::Date(date) | IsoForm::DateTime { date, .. } = form { date.order } else { DateOrder::Ymd };
        let (read, own) = IsoText::parse_ordered(&text, order).unwrap();
        prop_assert_eq!(read, value, "{}", text);
        prop_assert_eq!(written(own, value), Some(text.clone()));
        prop_assert!(form.writes(value, &own), "{} writes {}", form, text);
    }

    #[test]
    fn compact_texts_are_written_again(
        seconds in SECONDS, fraction in any_fraction(), separator in prop_oneof![Just(Separator::Nothing), Just(Separator::T)],
        clock in any_clock(), offset in proptest::option::of(any_offset()),
    ) {
        let offset = offset.filter(|_| separator != Separator::Nothing);
        let form = IsoForm::DateTime { date: DateForm::COMPACT, separator, clock, offset };
        let value = value_of(form, seconds, fraction);
        let text = written(form, value).unwrap();
        let (read, own) = IsoText::parse_compact(&text).unwrap();
        prop_assert_eq!(read, value, "{}", text);
        prop_assert_eq!(written(own, value), Some(text));
    }

    #[test]
    fn compact_integers_are_written_again(seconds in -30_000_000_000_i64..250_000_000_000) {
        let form = IsoForm::DateTime {
            date: DateForm::COMPACT, separator: Separator::Nothing, clock: ClockForm::Seconds, offset: None,
        };
        let number: i64 = written(form, IsoText::Naive(seconds * 1_000_000)).unwrap().parse().unwrap();
        prop_assert_eq!(IsoText::parse_compact_integer(number), Ok((IsoText::Naive(seconds * 1_000_000), form)));
    }

    #[test]
    fn an_independent_calendar_agrees(seconds in SECONDS, micros in 0_i64..1_000_000) {
        let instant = Timestamp::from_microsecond(seconds * 1_000_000 + micros).unwrap();
        let civil = jiff::tz::TimeZone::UTC.to_datetime(instant);
        prop_assert_eq!(value(&instant.to_string()), Some(IsoText::Instant(instant.as_microsecond())));
        prop_assert_eq!(value(&civil.to_string()), Some(IsoText::Naive(instant.as_microsecond())));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for read in [
            IsoText::parse(&bytes),
            IsoText::parse_compact(&bytes),
            IsoText::parse_ordered(&bytes, DateOrder::Dmy),
        ] {
            prop_assert!(read.is_err() || bytes.is_ascii());
        }
        if let Some(IsoText::Naive(_)) = value(&text) {
            prop_assert!(text.replace([' ', 't'], "T").replace('/', "-").parse::<DateTime>().is_ok());
        }
    }
}
