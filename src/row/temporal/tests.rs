//! What each shape of text says, and which forms there are for it.

use super::{IsoTally, IsoText, Refusal};
use crate::model::{
    ClockForm, DateForm, IsoForm, OffsetDigits, OffsetForm, OffsetLayout, Separator, UtcName,
};

pub(super) fn value(text: &str) -> Option<IsoText> {
    IsoText::parse(text).ok().map(|(value, _)| value)
}

pub(super) fn written(form: IsoForm, value: IsoText) -> Option<String> {
    let mut text = String::new();
    form.write(value, &mut text).map(|()| text)
}

#[test]
fn each_shape_is_read_as_what_it_is() {
    assert_eq!(value("1970-01-01"), Some(IsoText::Date(0)));
    assert_eq!(value("2000/01/01"), Some(IsoText::Date(super::POSTGRES_EPOCH_DAYS)));
    assert_eq!(value("1970-01-01 00:01"), Some(IsoText::Naive(60_000_000)));
    assert_eq!(value("1970-01-01T00:00:00.5"), Some(IsoText::Naive(500_000)));
    assert_eq!(value("1970-01-01t00:00:00.123456000"), Some(IsoText::Naive(123_456)));
    assert_eq!(value("00:00:01"), Some(IsoText::Time(1_000_000)));
    assert_eq!(value("23:59"), Some(IsoText::Time(86_340_000_000)));
    for instant in [
        "1970-01-01T00:00:00Z",
        "1970-01-01 00:00:00 Z",
        "1970-01-01T00:00z",
        "1970-01-01 00:00:00 UTC",
        "1970-01-01 00:00:00 +0000 UTC",
        "1970-01-01 00:00:00-00:00",
        "1970-01-01T02:00:00+02:00",
        "1970-01-01 05:45:00+0545",
        "1969-12-31 18:00:00-06",
        "1969-12-31 18:00:00.000 -0600",
    ] {
        assert_eq!(value(instant), Some(IsoText::Instant(0)), "{instant}");
    }
}

#[test]
fn what_cannot_be_stored_as_it_is_is_refused_with_the_reason() {
    for (text, refusal) in [
        ("", Refusal::Empty),
        ("  ", Refusal::Empty),
        ("2025", Refusal::Shape),
        ("2025-1-1", Refusal::Shape),
        ("2025-01/31", Refusal::Shape),
        ("2025.01.31", Refusal::Shape),
        ("20250101", Refusal::Shape),
        ("+010000-01-01", Refusal::Shape),
        ("-001-01-01", Refusal::Shape),
        ("٢٠٢٥-01-01", Refusal::Shape),
        ("2025-01-01 ", Refusal::Shape),
        ("2025-01-01T", Refusal::Shape),
        ("2025-01-01 10", Refusal::Shape),
        ("2025-01-01  00:00:00", Refusal::Shape),
        ("2025-01-01 00:00:00.", Refusal::Shape),
        ("2025-01-01 00:00:00,5", Refusal::Shape),
        ("2025-01-01 00:00:00+", Refusal::Shape),
        ("2025-01-01 00:00:00+1", Refusal::Shape),
        ("2025-01-01 00:00:00+02:00:30", Refusal::Shape),
        ("2025-01-01 00:00:00 CET", Refusal::Shape),
        ("2025-01-01 00:00:00  Z", Refusal::Shape),
        ("2025-01-01Z", Refusal::Shape),
        ("10:30Z", Refusal::Shape),
        ("10:30 ", Refusal::Shape),
        ("1:30", Refusal::Shape),
        ("2025-02-30", Refusal::Day),
        ("2023-02-29 10:00", Refusal::Day),
        ("0000-00-00", Refusal::Day),
        ("0000-01-01", Refusal::Day),
        ("2025-13-01", Refusal::Day),
        ("2025-01-01 24:00:00", Refusal::Clock),
        ("2025-01-01 23:59:60", Refusal::Clock),
        ("2025-01-01 23:60", Refusal::Clock),
        ("24:00:00", Refusal::Clock),
        ("23:59:60", Refusal::Clock),
        ("2025-01-01 00:00:00.1234567", Refusal::Fraction),
        ("2025-01-01 00:00:00.0000000000", Refusal::Fraction),
        ("2025-01-01 00:00:00+16:00", Refusal::Offset),
        ("2025-01-01 00:00:00+01:60", Refusal::Offset),
    ] {
        assert_eq!(IsoText::parse(text), Err(refusal), "{text}");
    }
    assert_eq!(IsoText::parse(b"2025-01-31\xff"), Err(Refusal::Shape));
}

const DATE_TIME: (DateForm, Separator) = (DateForm::ISO, Separator::Blank);

fn date_time(
    (date, separator): (DateForm, Separator),
    clock: ClockForm,
    offset: Option<OffsetForm>,
) -> IsoForm {
    IsoForm::DateTime { date, separator, clock, offset }
}

/// What a writer writes for a whole second, for 120 milliseconds, and for 123456 microseconds.
#[test]
fn the_usual_writers_have_one_form_each() {
    let utc = Some(OffsetForm::Utc(UtcName::Z));
    let digits =
        OffsetDigits { blank: false, layout: OffsetLayout::Colon, west: true, minutes: 360 };
    let t = (DateForm::ISO, Separator::T);
    for (form, whole, millis, micros) in [
        // SQLite's CURRENT_TIMESTAMP
        (date_time(DATE_TIME, ClockForm::Seconds, None), "1970-01-01 10:20:00", "", ""),
        // Python's isoformat(" "), as its sqlite3 module writes
        (
            date_time(DATE_TIME, ClockForm::SixUnlessZero, None),
            "1970-01-01 10:20:00",
            "1970-01-01 10:20:00.120000",
            "1970-01-01 10:20:00.123456",
        ),
        // Python's isoformat() with a zone
        (
            date_time(t, ClockForm::SixUnlessZero, Some(OffsetForm::Digits(digits))),
            "1970-01-01T04:20:00-06:00",
            "1970-01-01T04:20:00.120000-06:00",
            "1970-01-01T04:20:00.123456-06:00",
        ),
        // JavaScript's toISOString
        (
            date_time(t, ClockForm::Fixed(3), utc),
            "1970-01-01T10:20:00.000Z",
            "1970-01-01T10:20:00.120Z",
            "",
        ),
        // Go's RFC3339Nano
        (
            date_time(t, ClockForm::Seconds, utc),
            "1970-01-01T10:20:00Z",
            "1970-01-01T10:20:00.12Z",
            "1970-01-01T10:20:00.123456Z",
        ),
        // Java's Instant
        (
            date_time(t, ClockForm::Groups, utc),
            "1970-01-01T10:20:00Z",
            "1970-01-01T10:20:00.120Z",
            "1970-01-01T10:20:00.123456Z",
        ),
        // Java's LocalDateTime
        (
            date_time(t, ClockForm::MinutesOrGroups, None),
            "1970-01-01T10:20",
            "1970-01-01T10:20:00.120",
            "1970-01-01T10:20:00.123456",
        ),
    ] {
        let mut tally = IsoTally::default();
        for (text, micros) in [(whole, 0), (millis, 120_000), (micros, 123_456)] {
            if text.is_empty() {
                continue;
            }
            let time = 37_200_000_000 + micros;
            let expected = if utc.is_some() && value(text) == Some(IsoText::Instant(time)) {
                IsoText::Instant(time)
            } else {
                IsoText::Naive(time)
            };
            assert_eq!(written(form, expected).as_deref(), Some(text));
            let (value, read) = IsoText::parse(text).unwrap();
            assert_eq!(value, expected, "{text}");
            assert!(form.writes(value, &read), "{form} writes {text}");
            tally.add(value, read);
        }
        let texts = [whole, millis, micros].iter().filter(|text| !text.is_empty()).count();
        assert_eq!(tally.best(), Some((form, texts.try_into().unwrap())), "{form}");
    }
}

#[test]
fn a_cell_that_is_not_what_its_column_writes_is_an_exception() {
    let python = date_time(DATE_TIME, ClockForm::SixUnlessZero, None);
    for (text, writes) in [
        ("2025-01-31 10:20:30", true),
        ("2025-01-31 10:20:30.500000", true),
        ("2025-01-31 10:20:30.5", false),
        ("2025-01-31 10:20:30.000000", false),
        ("2025-01-31T10:20:30", false),
        ("2025-01-31 10:20", false),
        ("2025-01-31 10:20:30Z", false),
        ("2025-01-31", false),
        ("2025/01/31 10:20:30", false),
    ] {
        let (value, read) = IsoText::parse(text).unwrap();
        assert_eq!(python.writes(value, &read), writes, "{text}");
    }
    let utc = date_time(DATE_TIME, ClockForm::Seconds, Some(OffsetForm::Utc(UtcName::Z)));
    let (value, read) = IsoText::parse("2025-01-31 10:20:30+00:00").unwrap();
    assert!(!utc.writes(value, &read));
}

#[test]
fn what_a_form_leaves_out_is_written_all_the_same() {
    let wall = IsoText::Naive(37_230_500_000);
    let form = |clock| date_time(DATE_TIME, clock, None);
    let text = Some("1970-01-01 10:20:30.5".to_owned());
    assert_eq!(written(form(ClockForm::Minutes), wall), text);
    assert_eq!(written(form(ClockForm::Seconds), wall), text);
    assert_eq!(written(IsoForm::Date(DateForm::ISO), wall), text);
    assert_eq!(
        written(form(ClockForm::Fixed(3)), IsoText::Naive(1)).as_deref(),
        Some("1970-01-01 00:00:00.000001")
    );
    assert_eq!(
        written(form(ClockForm::Minutes), IsoText::Date(0)).as_deref(),
        Some("1970-01-01 00:00")
    );
    let hours =
        OffsetDigits { blank: false, layout: OffsetLayout::Hours, west: false, minutes: 330 };
    let hours = date_time(DATE_TIME, ClockForm::Minutes, Some(OffsetForm::Digits(hours)));
    assert_eq!(written(hours, IsoText::Instant(0)).as_deref(), Some("1970-01-01 05:30+05:30"));
    // A form without offset cannot say which instant, and no form a day beyond its four digits of a year.
    assert_eq!(written(form(ClockForm::Seconds), IsoText::Instant(0)), None);
    assert_eq!(written(hours, IsoText::Naive(0)), None);
    assert_eq!(written(form(ClockForm::Seconds), IsoText::Naive(i64::MAX)), None);
    assert_eq!(written(IsoForm::Date(DateForm::ISO), IsoText::Date(i32::MIN)), None);
    assert_eq!(written(IsoForm::Time(ClockForm::Seconds), IsoText::Time(86_400_000_000)), None);
}

#[test]
fn a_form_takes_the_offset_of_another_season() {
    let (summer, form) = IsoText::parse("2025-07-01 12:00:00-06:00").unwrap();
    let (winter, _) = IsoText::parse("2025-12-01 12:00:00-07:00").unwrap();
    assert_eq!(written(form, summer).as_deref(), Some("2025-07-01 12:00:00-06:00"));
    assert_eq!(written(form.at_offset(-420), winter).as_deref(), Some("2025-12-01 12:00:00-07:00"));
    assert_eq!(written(form.at_offset(0), winter).as_deref(), Some("2025-12-01 19:00:00+00:00"));
}

#[test]
fn a_column_has_the_form_of_most_of_its_texts() {
    let tally = |texts: &[&str]| {
        let mut tally = IsoTally::default();
        texts
            .iter()
            .map(|text| IsoText::parse(text).unwrap())
            .for_each(|(value, form)| tally.add(value, form));
        tally
    };
    let mut all = tally(&[
        "2025-01-31 10:20:30.250000",
        "2025-01-31 10:20:30.750000",
        "2025-01-31 10:20:31",
        "2025-01-31T10:20:30",
    ]);
    all.merge(&tally(&["2025-01-31T10:20:30", "2025-01-31 10:20:30.1", "2025-01-31 10:20:32"]));
    let (form, count) = all.best().unwrap();
    assert_eq!((form.to_string().as_str(), count), ("YYYY-MM-DD HH:MM:SS[.ffffff]", 4));
    // More texts of one shape, in no common rule, are fewer than those that another shape writes.
    let (form, count) = tally(&[
        "2025-01-31 10:20:30.10",
        "2025-01-31 10:20:30.2500",
        "2025-01-31 10:20",
        "2025-01-31",
        "2025-02-28",
    ])
    .best()
    .unwrap();
    assert_eq!((form, count), (IsoForm::Date(DateForm::ISO), 2));
    assert_eq!(IsoTally::default().best(), None);
}

#[test]
fn a_form_in_a_plan_is_read_back() {
    let (_, form) = IsoText::parse("2025-01-31 10:20:30.5 -0600").unwrap();
    let json = serde_json::to_string(&form).unwrap();
    assert_eq!(serde_json::from_str::<IsoForm>(&json).unwrap(), form, "{json}");
}
