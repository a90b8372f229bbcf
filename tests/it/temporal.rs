//! Property tests in which PostgreSQL is the judge of what a text, a double or a wall clock means.
//!
//! Random texts go to a real server as text; where we accept one, the server's cast must give our value, and where we
//! refuse one, the server must refuse it too, or bend it in one of the ways that [`Refusal`] states. What we accept and
//! the server does not read is Go's ` +0000 UTC`, which names its zone twice, and fourteen digits without a `T`: there
//! it is given the same text without the name, and with the `T`. For Julian days and fractions of
//! unix seconds SQLite is the judge: it has written them.

use crate::environment::{Environment, Session};
use liteferry::model::{DateOrder, EpochUnit};
use liteferry::row::temporal::{IsoText, Refusal};
use liteferry::row::zone::{self, Localizer};
use proptest::prelude::*;

/// Lists of random texts for each property, and how many texts each list has.
const CASES: u32 = 30;
const TEXTS: std::ops::Range<usize> = 1..150;

#[test]
fn every_text_that_is_accepted_means_to_postgres_what_it_means_to_us() {
    let judge = Judge::new("ISO, YMD");
    check(&proptest::collection::vec(real_text(), TEXTS), |texts| {
        let read = texts.iter().map(|text| match IsoText::parse(text) {
            Ok((value, _)) => Ok((text.trim_end_matches("+0000 UTC").to_owned(), value)),
            Err(refusal) => Err(TestCaseError::fail(format!("{text} is refused as {refusal}"))),
        });
        judge.agrees(&read.collect::<Result<Vec<_>, _>>()?)
    });
}

#[test]
fn every_text_that_is_refused_is_refused_or_bent_by_postgres_in_a_stated_way() {
    let judge = Judge::new("ISO, YMD");
    check(&proptest::collection::vec(near_text(), TEXTS), |texts| {
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        for text in texts {
            match IsoText::parse(&text) {
                Ok((value, _)) => accepted.push((text, value)),
                Err(refusal) => refused.push((text, refusal)),
            }
        }
        judge.agrees(&accepted)?;
        judge.refuses_or_bends(&refused)
    });
}

#[test]
fn dates_in_an_order_that_was_asked_for_mean_the_same_to_postgres_in_that_order() {
    for (style, order) in [("ISO, DMY", DateOrder::Dmy), ("ISO, MDY", DateOrder::Mdy)] {
        let judge = Judge::new(style);
        let numbers = (1..13, 1..13, any::<bool>());
        let parts = (numbers, "[./-]", "20[0-9]{2}", "( [01][0-9]:[0-5][0-9])?");
        let text = parts.prop_map(|((a, b, padded), mark, year, time)| {
            let width = if padded { 2 } else { 1 };
            format!("{a:0width$}{mark}{b:0width$}{mark}{year}{time}")
        });
        check(&proptest::collection::vec(text, TEXTS), |texts| {
            let read = texts.into_iter().map(|text| match IsoText::parse_ordered(&text, order) {
                Ok((value, _)) => Ok((text, value)),
                Err(refusal) => Err(TestCaseError::fail(format!("{text} is refused as {refusal}"))),
            });
            judge.agrees(&read.collect::<Result<Vec<_>, _>>()?)
        });
    }
}

#[test]
fn compact_dates_mean_the_same_to_postgres() {
    let judge = Judge::new("ISO, YMD");
    let text = "[12][0-9]{3}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])((T?[01][0-9][0-5][0-9][0-5][0-9](\\.[0-9]{1,6})?)|(T[01][0-9][0-5][0-9]))?";
    check(&proptest::collection::vec(text, TEXTS), |texts| {
        let read = |text: String| match IsoText::parse_compact(&text) {
            // Fourteen digits are more than the server takes apart.
            Ok((value, _)) => match text.split_at(8) {
                (date, time) if time.starts_with(|first: char| first.is_ascii_digit()) => {
                    Ok((format!("{date}T{time}"), value))
                }
                _ => Ok((text, value)),
            },
            Err(refusal) => Err(TestCaseError::fail(format!("{text} is refused as {refusal}"))),
        };
        judge.agrees(&texts.into_iter().map(read).collect::<Result<Vec<_>, _>>()?)
    });
}

/// Years in which PostgreSQL's zones and ours are not the newer and the older of two editions.
#[test]
fn the_clocks_of_a_zone_show_to_postgres_what_they_show_to_us() {
    let judge = Judge::new("ISO, YMD");
    for name in ["America/Denver", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Apia"] {
        let clocks = zone::find(name).unwrap();
        check(&proptest::collection::vec(0_i64..1_577_836_800, TEXTS), |seconds| {
            let mut clocks = Localizer::new(clocks.clone());
            let ours: Vec<_> =
                seconds.iter().map(|second| clocks.wall(second * 1_000_000)).collect();
            let shown = |second: &i64| format!("to_timestamp({second}) AT TIME ZONE '{name}'");
            let theirs = judge.micros(&seconds.iter().map(shown).collect::<Vec<_>>());
            prop_assert_eq!(ours, theirs, "{}", name);
            Ok(())
        });
    }
}

#[test]
fn doubles_that_sqlite_wrote_are_the_times_that_it_meant() {
    let sqlite = rusqlite::Connection::open_in_memory().unwrap();
    let milliseconds = -62_135_596_800_000_i64..253_402_300_800_000;
    check(&milliseconds, |milliseconds| {
        let text = jiff::Timestamp::from_millisecond(milliseconds).unwrap().to_string();
        let sql = "SELECT julianday(?1), unixepoch(?1, 'subsec')";
        let (julian, unix): (f64, f64) =
            sqlite.query_row(sql, [&text], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let micros = Some(milliseconds * 1000);
        prop_assert_eq!(EpochUnit::JulianDays.micros_of_real(julian), micros, "{}", &text);
        prop_assert_eq!(EpochUnit::Seconds.micros_of_real(unix), micros, "{}", &text);
        Ok(())
    });
}

/// A server whose session reads dates in a style.
struct Judge {
    session: Session,
    _environment: Environment,
}

impl Judge {
    fn new(style: &str) -> Self {
        let environment = Environment::new();
        let session = environment.connect();
        session.query(&format!("SET TimeZone = 'UTC'; SET DateStyle = '{style}'"));
        // What a text is shown as once it is cast, or nothing where it cannot be.
        session.query(
            "CREATE FUNCTION pg_temp.shown(value text, kind text) RETURNS text LANGUAGE plpgsql AS $$
             DECLARE shown text;
             BEGIN
                 EXECUTE format('SELECT %L::%s::text', value, kind) INTO shown;
                 RETURN shown;
             EXCEPTION WHEN data_exception THEN
                 RETURN NULL;
             END $$",
        );
        Self { session, _environment: environment }
    }

    /// Expressions of times in microseconds since 1970, or since midnight.
    fn micros(&self, expressions: &[String]) -> Vec<Option<i64>> {
        let row = |(at, expression)| {
            format!("({at}, (extract(epoch FROM {expression}) * 1000000)::int8)")
        };
        let rows: Vec<_> = expressions.iter().enumerate().map(row).collect();
        if rows.is_empty() {
            return Vec::new();
        }
        let sql = format!(
            "SELECT micros FROM (VALUES {}) AS v (at, micros) ORDER BY at",
            rows.join(", ")
        );
        let rows = self
            .session
            .try_query(&sql)
            .unwrap_or_else(|error| panic!("{error:?}: {expressions:?}"));
        rows.iter().map(|row| row[0].as_deref().map(|micros| micros.parse().unwrap())).collect()
    }

    /// Whether the server casts each text to the same value.
    fn agrees(&self, read: &[(String, IsoText)]) -> Result<(), TestCaseError> {
        let cast = |(text, value): &(String, IsoText)| match value {
            IsoText::Date(_) => format!("'{text}'::date"),
            IsoText::Time(_) => format!("'{text}'::time"),
            IsoText::Naive(_) => format!("'{text}'::timestamp"),
            IsoText::Instant(_) => format!("'{text}'::timestamptz"),
        };
        let theirs = self.micros(&read.iter().map(cast).collect::<Vec<_>>());
        for ((text, value), theirs) in read.iter().zip(theirs) {
            let ours = match *value {
                IsoText::Date(days) => i64::from(days) * 86_400_000_000,
                IsoText::Time(micros) | IsoText::Naive(micros) | IsoText::Instant(micros) => micros,
            };
            prop_assert_eq!(Some(ours), theirs, "{}", text);
        }
        Ok(())
    }

    /// Whether the server refuses each text too, or makes another time of it for the reason that we refuse it.
    fn refuses_or_bends(&self, refused: &[(String, Refusal)]) -> Result<(), TestCaseError> {
        let literal = |(at, (text, _)): (usize, &(String, Refusal))| format!("({at}, '{text}')");
        let texts: Vec<_> = refused.iter().enumerate().map(literal).collect();
        if texts.is_empty() {
            return Ok(());
        }
        let rows = self.session.query(&format!(
            "SELECT pg_temp.shown(value, 'timestamptz'), pg_temp.shown(value, 'time')
             FROM (VALUES {}) AS v (at, value) ORDER BY at",
            texts.join(", ")
        ));
        for ((text, refusal), row) in refused.iter().zip(rows) {
            let shown = || row.iter().flatten();
            match refusal {
                Refusal::Empty | Refusal::Day | Refusal::Offset => {
                    prop_assert_eq!(shown().next(), None, "{} ({})", text, refusal);
                }
                // The one time of day that the server keeps and no clock shows.
                Refusal::Clock if text.starts_with("24:00") => prop_assert_eq!(&row[0], &None),
                // The next day or minute, and a rounded second: another text than the one that stood there.
                Refusal::Clock | Refusal::Fraction => {
                    prop_assert!(
                        shown().all(|shown| !is_same(shown, text)),
                        "{} ({}): {:?}",
                        text,
                        refusal,
                        row
                    );
                }
                Refusal::Shape => {
                    return Err(TestCaseError::fail(format!("{text} has no known shape")));
                }
            }
        }
        Ok(())
    }
}

/// Whether the server shows a text as it was, but for its zeros, its separator and its offset.
fn is_same(shown: &str, text: &str) -> bool {
    let trimmed = |text: &str| {
        text.replace(['T', '/'], " ").replace('-', " ").trim_end_matches('0').to_owned()
    };
    trimmed(text) == trimmed(shown.strip_suffix("+00").unwrap_or(shown))
}

/// A text of any date and time, in any form that is read without being asked for.
fn real_text() -> impl Strategy<Value = String> {
    let date = (any::<bool>(), -719_162_i32..=2_932_896).prop_map(|(dashes, days)| {
        let date = jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(days);
        if dashes { date.to_string() } else { date.to_string().replace('-', "/") }
    });
    let clock = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6}|\\.[0-9]{6}0{1,3})?)?";
    let offset = "(Z|z| Z| UTC| \\+0000 UTC| ?[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)?";
    prop_oneof![
        1 => date.clone(),
        1 => clock,
        6 => (date, "[ Tt]", clock, offset).prop_map(|(date, separator, clock, offset)| date + &separator + &clock + &offset),
    ]
}

/// A text of a known shape, whose digits may go beyond what there is.
fn near_text() -> impl Strategy<Value = String> {
    let date = "(0000|0001|19[0-9]{2}|20[0-9]{2}|9999)-(0[0-9]|1[0-3])-([0-2][0-9]|3[0-2])";
    let clock = "([01][0-9]|2[0-5]):([0-5][0-9]|6[01])(:([0-5][0-9]|6[01])(\\.[0-9]{1,9})?)?";
    let offset = "(Z|[+-](0[0-9]|1[0-7]):[0-6][0-9])?";
    let midnight = "24:00(:00(\\.0{1,6})?)?";
    prop_oneof![
        2 => date,
        2 => clock,
        1 => midnight,
        8 => (date, "[ T]", prop_oneof![8 => clock, 1 => midnight], offset)
            .prop_map(|(date, separator, clock, offset)| date + &separator + &clock + &offset),
    ]
}

/// Every reason but an unknown shape is met by [`near_text`], so that no branch of the judge stands idle.
#[test]
fn texts_near_to_real_ones_are_refused_for_every_stated_reason() {
    for (text, refusal) in [
        ("2025-02-30", Refusal::Day),
        ("0000-01-01", Refusal::Day),
        ("2025-01-31 24:00:00", Refusal::Clock),
        ("24:00", Refusal::Clock),
        ("2025-01-31 23:59:60", Refusal::Clock),
        ("2025-01-31 23:59:59.9999999", Refusal::Fraction),
        ("2025-01-31 10:00+16:00", Refusal::Offset),
        ("2025-01-31 10:00+10:60", Refusal::Offset),
    ] {
        assert_eq!(IsoText::parse(text), Err(refusal), "{text}");
    }
    let judge = Judge::new("ISO, YMD");
    let shown =
        |text: &str| judge.session.query(&format!("SELECT pg_temp.shown('{text}', 'timestamptz')"));
    assert_eq!(shown("2025-02-30"), [[None]]);
    assert_eq!(shown("2025-01-31 24:00:00"), [[Some("2025-02-01 00:00:00+00".into())]]);
    assert_eq!(shown("2025-01-31 23:59:60"), [[Some("2025-02-01 00:00:00+00".into())]]);
    assert_eq!(shown("2025-01-31 23:59:59.9999999"), [[Some("2025-02-01 00:00:00+00".into())]]);
}

fn check<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    crate::property::check("tests/proptest-regressions/temporal.txt", CASES, strategy, property);
}
