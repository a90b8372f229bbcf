//! The way back: which cell a column's form writes for a value.
//!
//! A form that cannot say a value writes none: the value is then an exception, and what stands for it is decided by who
//! writes the row.

use super::epoch::Number;
use super::temporal::IsoText;
use super::zone::{self, Localizer};
use crate::error::Result;
use crate::model::{
    BoolForm, ClockForm, DateForm, Form, IsoColumn, IsoForm, NumberClass, NumberForm, OffsetForm,
    Separator, UtcName,
};

/// A value of a type that has more than one form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A date, a time, or both.
    Time(IsoText),
    /// A boolean.
    Bool(bool),
    /// A decimal in plain digits.
    Decimal(&'a str),
}

/// A cell of SQLite; what a TEXT holds stands in the buffer of whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text,
}

/// Writes the values of one column in its form.
#[derive(Debug, Clone)]
pub struct FormWriter {
    form: Form,
    clocks: Option<Localizer>,
}

impl FormWriter {
    /// For a column of this form.
    ///
    /// # Errors
    ///
    /// A zone that is not known.
    pub fn new(form: Form) -> Result<Self> {
        let zone = match &form {
            Form::Iso(IsoColumn { zone, .. }) => zone.as_deref(),
            _ => None,
        };
        let clocks = zone.map(zone::find).transpose()?.map(Localizer::new);
        Ok(Self { form, clocks })
    }

    /// The cell of a value; the text of a TEXT is appended to `out`. None where the form cannot say the value.
    ///
    /// Of the two instants of a wall clock that came twice both are written as that clock.
    pub fn cell(&mut self, value: Value<'_>, out: &mut String) -> Option<Cell> {
        match (&self.form, value) {
            (Form::Iso(column), Value::Time(value)) => {
                let (form, value) = in_zone(column.form, value, self.clocks.as_mut())?;
                let start = out.len();
                form.write(value, out)?;
                if !column.integer {
                    return Some(Cell::Text);
                }
                let number = out.get(start..)?.parse().ok().map(Cell::Integer);
                out.truncate(start);
                number
            }
            (Form::Epoch { unit, class }, Value::Time(value)) => {
                let number = unit.number(micros(value)?, *class)?;
                Some(match number {
                    Number::Integer(count) => Cell::Integer(count),
                    Number::Real(count) => Cell::Real(count),
                })
            }
            (Form::Number(form), Value::Decimal(decimal)) => form.cell(decimal, out),
            (Form::Bool(form), Value::Bool(value)) => Some(bool_cell(*form, value, out)),
            (Form::Plain, value) => plain(value, out),
            _ => None,
        }
    }

    /// Whether the form writes, for what was read from a text, this very text: `value` and `read` as
    /// [`IsoText::parse`] gives them, a wall clock not yet an instant. If not, the text is an exception.
    #[inline]
    pub fn writes_text(&mut self, value: IsoText, read: &IsoForm) -> bool {
        let Form::Iso(column) = &self.form else { return false };
        let value_in_zone = match value {
            IsoText::Instant(_) => in_zone(column.form, value, self.clocks.as_mut()),
            _ => Some((column.form, value)),
        };
        value_in_zone.is_some_and(|(form, value)| form.writes(value, read))
    }
}

/// The form and the value as the zone's clocks have them: an instant without offset is a wall clock there.
fn in_zone(
    form: IsoForm,
    value: IsoText,
    clocks: Option<&mut Localizer>,
) -> Option<(IsoForm, IsoText)> {
    let (IsoText::Instant(instant), Some(clocks)) = (value, clocks) else {
        return Some((form, value));
    };
    match form {
        IsoForm::DateTime { offset: Some(OffsetForm::Utc(_)), .. } => Some((form, value)),
        IsoForm::DateTime { offset: Some(OffsetForm::Digits(_)), .. } => {
            let offset = clocks.wall(instant)? - instant;
            // Offsets before standard time had seconds, which no offset here is written with.
            let minutes = (offset % 60_000_000 == 0).then_some(offset / 60_000_000)?;
            Some((form.at_offset(minutes.try_into().ok()?), value))
        }
        _ => Some((form, IsoText::Naive(clocks.wall(instant)?))),
    }
}

/// Microseconds since 1970, UTC where it is an instant.
fn micros(value: IsoText) -> Option<i64> {
    match value {
        IsoText::Date(days) => i64::from(days).checked_mul(86_400_000_000),
        IsoText::Naive(micros) | IsoText::Instant(micros) => Some(micros),
        IsoText::Time(_) => None,
    }
}

fn bool_cell(form: BoolForm, value: bool, out: &mut String) -> Cell {
    match form {
        BoolForm::ZeroOne => Cell::Integer(value.into()),
        BoolForm::ZeroOneReal => Cell::Real(value.into()),
        BoolForm::Words(words) => {
            out.push_str(words.word(value));
            Cell::Text
        }
    }
}

/// What a type has by itself: ISO text with a blank and with `Z`, INTEGER 0 and 1, and numbers as numeric affinity
/// makes them.
fn plain(value: Value<'_>, out: &mut String) -> Option<Cell> {
    let date_time = |offset| IsoForm::DateTime {
        date: DateForm::ISO,
        separator: Separator::Blank,
        clock: ClockForm::Seconds,
        offset,
    };
    let time = match value {
        Value::Bool(value) => return Some(bool_cell(BoolForm::ZeroOne, value, out)),
        Value::Decimal(decimal) => {
            return NumberForm::Stored(NumberClass::Integer).cell(decimal, out);
        }
        Value::Time(time) => time,
    };
    let form = match time {
        IsoText::Date(_) => IsoForm::Date(DateForm::ISO),
        IsoText::Time(_) => IsoForm::Time(ClockForm::Seconds),
        IsoText::Naive(_) => date_time(None),
        IsoText::Instant(_) => date_time(Some(OffsetForm::Utc(UtcName::Z))),
    };
    form.write(time, out).map(|()| Cell::Text)
}

#[cfg(test)]
mod tests {
    use super::{Cell, FormWriter, Value};
    use crate::model::{BoolForm, BoolWords, EpochUnit, Form, IsoColumn, NumberClass, NumberForm};
    use crate::row::temporal::IsoText;
    use crate::row::zone::{self, Meaning};

    /// A column whose form is that of this text.
    fn like(text: &str, zone: Option<&str>) -> FormWriter {
        let form = IsoText::parse(text).or_else(|_| IsoText::parse_compact(text)).unwrap().1;
        let integer = text.parse::<i64>().is_ok();
        FormWriter::new(Form::Iso(IsoColumn { form, zone: zone.map(Into::into), integer })).unwrap()
    }

    fn instant(text: &str) -> IsoText {
        IsoText::parse(text).unwrap().0
    }

    fn text(writer: &mut FormWriter, value: IsoText) -> Option<String> {
        let mut out = String::new();
        (writer.cell(Value::Time(value), &mut out)? == Cell::Text).then_some(out)
    }

    #[test]
    fn instants_go_back_to_the_wall_clocks_of_their_zone() {
        let mut denver = like("2025-01-01 00:00:00", Some("America/Denver"));
        for (wall, meant) in [
            ("2025-01-15 06:13:18.5", "2025-01-15T13:13:18.5Z"),
            ("2025-09-15 06:13:18", "2025-09-15T12:13:18Z"),
            // Both of an hour that came twice.
            ("2025-11-02 01:30:00", "2025-11-02T07:30:00Z"),
            ("2025-11-02 01:30:00", "2025-11-02T08:30:00Z"),
        ] {
            assert_eq!(text(&mut denver, instant(meant)).as_deref(), Some(wall));
            let (value, read) = IsoText::parse(wall).unwrap();
            assert!(denver.writes_text(value, &read), "{wall}");
            let IsoText::Naive(wall) = value else { panic!("{value:?}") };
            let IsoText::Instant(meant) = instant(meant) else { panic!("{meant}") };
            let means = zone::meaning(wall, &zone::find("America/Denver").unwrap());
            assert!(match means {
                Meaning::Once(one) => one == meant,
                Meaning::Twice(first, second) => meant == first || meant == second,
                Meaning::Never => false,
            });
        }
    }

    #[test]
    fn offsets_are_those_of_their_zone_and_season() {
        let mut denver = like("2025-01-01T00:00:00-07:00", Some("America/Denver"));
        for (cell, is_written) in [
            ("2025-01-15T06:13:18-07:00", true),
            ("2025-09-15T06:13:18-06:00", true),
            ("2025-09-15T05:13:18-07:00", false),
            ("2025-09-15T12:13:18Z", false),
        ] {
            let (value, read) = IsoText::parse(cell).unwrap();
            assert_eq!(text(&mut denver, value).as_deref() == Some(cell), is_written, "{cell}");
            assert_eq!(denver.writes_text(value, &read), is_written, "{cell}");
        }
        // Before standard time Denver was 6:59:56 behind.
        assert_eq!(text(&mut denver, instant("1880-01-01T00:00:00Z")), None);
        let mut utc = like("2025-01-01T00:00:00Z", Some("America/Denver"));
        assert_eq!(
            text(&mut utc, instant("2025-01-01T01:00:00+01:00")).as_deref(),
            Some("2025-01-01T00:00:00Z")
        );
        assert_eq!(
            text(&mut like("2025-01-01 00:00", None), instant("2025-01-01T00:00:00Z")),
            None
        );
    }

    #[test]
    fn compact_dates_of_numeric_affinity_go_back_as_integers() {
        let mut out = String::new();
        let mut day = like("20250131", None);
        let date = instant("2024-02-29");
        assert_eq!(day.cell(Value::Time(date), &mut out), Some(Cell::Integer(20_240_229)));
        let wall = instant("2024-02-29 10:20:30");
        assert_eq!(day.cell(Value::Time(wall), &mut out), Some(Cell::Integer(20_240_229_102_030)));
        let fine = instant("2024-02-29 10:20:30.5");
        assert_eq!(day.cell(Value::Time(fine), &mut out), None);
        assert_eq!(out, "");
    }

    #[test]
    fn each_form_writes_its_storage_class() {
        let noon = instant("2025-01-31T12:00:00Z");
        let epoch = |unit, class| Form::Epoch { unit, class };
        let words = Form::Bool(BoolForm::Words(BoolWords::TrueFalse));
        let number = |form| Form::Number(form);
        for (form, value, cell, text) in [
            (
                epoch(EpochUnit::Milliseconds, NumberClass::Integer),
                Value::Time(noon),
                Cell::Integer(1_738_324_800_000),
                "",
            ),
            (
                epoch(EpochUnit::JulianDays, NumberClass::Real),
                Value::Time(noon),
                Cell::Real(2_460_707.0),
                "",
            ),
            (words, Value::Bool(true), Cell::Text, "True"),
            (Form::Bool(BoolForm::ZeroOne), Value::Bool(true), Cell::Integer(1), ""),
            (Form::Bool(BoolForm::ZeroOneReal), Value::Bool(false), Cell::Real(0.0), ""),
            (number(NumberForm::TextScale(2)), Value::Decimal("5"), Cell::Text, "5.00"),
            (Form::Plain, Value::Bool(false), Cell::Integer(0), ""),
            (Form::Plain, Value::Decimal("0.5"), Cell::Real(0.5), ""),
            (Form::Plain, Value::Time(noon), Cell::Text, "2025-01-31 12:00:00Z"),
            (Form::Plain, Value::Time(instant("2025-01-31")), Cell::Text, "2025-01-31"),
            (Form::Plain, Value::Time(instant("12:00")), Cell::Text, "12:00:00"),
        ] {
            let mut out = String::new();
            let json = serde_json::to_string(&form).unwrap();
            let mut writer = FormWriter::new(serde_json::from_str(&json).unwrap()).unwrap();
            assert_eq!(writer.cell(value, &mut out), Some(cell), "{json}");
            assert_eq!(out, text, "{json}");
        }
    }

    #[test]
    fn a_zone_that_is_not_known_is_an_error() {
        let form = IsoText::parse("2025-01-01 00:00").unwrap().1;
        let column = IsoColumn { form, zone: Some("Mars/Olympus".into()), integer: false };
        assert_eq!(FormWriter::new(Form::Iso(column)).unwrap_err().class().exit_code(), 78);
    }
}
