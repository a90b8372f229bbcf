//! That every value goes back as the cell that it was read from.

use super::{CellWriter, StoredCell, decimal, push_plain};
use crate::model::{
    BoolForm, BoolWords, CellShape, Column, EpochUnit, Form, IsoColumn, JsonForm, NumberClass,
    NumberForm, NumericSize, PgType, UuidForm, UuidShape,
};
use crate::row::form::Cell;
use crate::row::temporal::IsoText;
use crate::row::{inet, uuid};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use proptest::prelude::*;
use std::sync::Arc;

fn iso(text: &str, zone: Option<&str>) -> Form {
    let form = IsoText::parse(text).unwrap().1;
    Form::Iso(IsoColumn { form, zone: zone.map(Into::into), integer: false })
}

/// The cell of the first value, and that of the second, which is NULL.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "each is made for one call")]
fn check(read: CellShape, pg: PgType, form: Form, array: ArrayRef, cell: Option<StoredCell<'_>>) {
    let column = Column { form, ..Column::new("c", read, pg) };
    let mut writer = CellWriter::new(&column).unwrap();
    let values = writer.values(&array).unwrap();
    assert_eq!(writer.cell(&values, 0), cell, "{pg}");
    assert_eq!(writer.cell(&values, 1), Some(StoredCell::Null), "{pg}");
    assert_eq!(writer.cell(&values, 0), cell, "{pg}");
    let other: ArrayRef = Arc::new(arrow_array::UInt8Array::from(vec![1]));
    assert!(writer.values(&other).is_err(), "{pg}");
}

#[test]
fn numbers_go_back_as_they_are() {
    let (integer, real) =
        (|value| Some(StoredCell::Integer(value)), |value| Some(StoredCell::Real(value)));
    let (int, plain) = (CellShape::Integer, Form::Plain);
    let array = Arc::new(Int16Array::from(vec![Some(-5), None]));
    check(int.clone(), PgType::Int2, plain.clone(), array, integer(-5));
    let array = Arc::new(Int32Array::from(vec![Some(-5), None]));
    check(int.clone(), PgType::Int4, plain.clone(), array, integer(-5));
    let array = Arc::new(Int64Array::from(vec![Some(i64::MIN), None]));
    check(int, PgType::Int8, plain.clone(), array, integer(i64::MIN));
    let array = Arc::new(Float32Array::from(vec![Some(0.5), None]));
    check(CellShape::Real, PgType::Float4, plain.clone(), array, real(0.5));
    let array = Arc::new(Float64Array::from(vec![Some(1e300), None]));
    check(CellShape::Real, PgType::Float8, plain.clone(), array, real(1e300));
    let array = || Arc::new(BooleanArray::from(vec![Some(true), None]));
    let zero_one = CellShape::Bool(BoolForm::ZeroOneReal);
    check(zero_one, PgType::Bool, plain, array(), real(1.0));
    let words = BoolForm::Words(BoolWords::SmallYN);
    let form = Form::Bool(words);
    check(CellShape::Bool(words), PgType::Bool, form, array(), Some(StoredCell::Text("y")));
}

#[test]
fn decimals_go_back_in_their_form() {
    let size = PgType::Numeric(Some(NumericSize { precision: 12, scale: 2 }));
    let array = |value: i128| {
        let array = Decimal128Array::from(vec![Some(value), None]);
        Arc::new(array.with_precision_and_scale(12, 2).unwrap())
    };
    for (form, value, cell) in [
        (NumberForm::Stored(NumberClass::Integer), 500, StoredCell::Integer(5)),
        (NumberForm::Stored(NumberClass::Integer), -150, StoredCell::Real(-1.5)),
        (NumberForm::Stored(NumberClass::Real), 500, StoredCell::Real(5.0)),
        (NumberForm::Text, 510, StoredCell::Text("5.1")),
        (NumberForm::TextScale(2), -5, StoredCell::Text("-0.05")),
    ] {
        check(CellShape::Decimal, size, Form::Number(form), array(value), Some(cell));
    }
    let long = "123456789012345678901234567890123456789012.5";
    let array = Arc::new(StringArray::from(vec![Some(long), None]));
    let form = Form::Number(NumberForm::Text);
    let text = Some(StoredCell::Text(long));
    check(CellShape::Decimal, PgType::Numeric(None), form, array, text);
}

#[test]
fn texts_and_bytes_go_back_as_they_are() {
    let array = |text: &str| Arc::new(StringArray::from(vec![Some(text), None]));
    let text = |text| Some(StoredCell::Text(text));
    let plain = Form::Plain;
    check(CellShape::Text, PgType::Text, plain.clone(), array("größe"), text("größe"));
    check(CellShape::Label, PgType::Enum, plain.clone(), array("ok"), text("ok"));
    check(CellShape::Json, PgType::Json, plain.clone(), array("[ 1]"), text("[ 1]"));
    check(CellShape::Text, PgType::Char(4), plain.clone(), array("ab  "), text("ab"));
    let document = r#"{"a": [1, 2]}"#;
    let form = Form::Json(JsonForm::Spaced);
    check(CellShape::Json, PgType::Jsonb, form, array(document), text(document));
    let form = Form::Json(JsonForm::Compact);
    check(CellShape::Json, PgType::Jsonb, form, array(document), text(r#"{"a":[1,2]}"#));
    let bytes: &[u8] = &[0, 255];
    let array = Arc::new(BinaryArray::from(vec![Some(bytes), None]));
    check(CellShape::Blob, PgType::Bytea, plain.clone(), array, Some(StoredCell::Blob(bytes)));
    let (body, _) = inet::parse("10.0.0.0/8").unwrap();
    let array = Arc::new(BinaryArray::from(vec![Some(body.as_slice()), None]));
    check(CellShape::Inet, PgType::Inet, plain, array, text("10.0.0.0/8"));
    let (id, _) = uuid::parse("550e8400-e29b-41d4-a716-446655440000").unwrap();
    let array = || {
        let ids = [Some(id), None].into_iter();
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids, 16).unwrap())
    };
    let blob = Some(StoredCell::Blob(&id));
    check(CellShape::Uuid, PgType::Uuid, Form::UuidBytes, array(), blob);
    let form = Form::Uuid(UuidForm { shape: UuidShape::Plain, upper: true });
    let upper = text("550E8400E29B41D4A716446655440000");
    check(CellShape::Uuid, PgType::Uuid, form, array(), upper);
}

#[test]
fn times_go_back_in_their_form_and_where_it_cannot_say_them_not_at_all() {
    let text = |text| Some(StoredCell::Text(text));
    let array = Arc::new(Date32Array::from(vec![Some(0), None]));
    check(CellShape::IsoDate, PgType::Date, iso("2025-01-31", None), array, text("1970-01-01"));
    let array = Arc::new(Time64MicrosecondArray::from(vec![Some(60_000_000), None]));
    check(CellShape::IsoTime, PgType::Time, iso("12:30", None), array, text("00:01"));
    let array = || Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]));
    let (wall, pg) = (CellShape::IsoNaive, PgType::Timestamp);
    check(wall.clone(), pg, iso("2025-01-31 12:30:00", None), array(), text("1970-01-01 00:00:00"));
    check(wall.clone(), pg, iso("2025-01-31", None), array(), text("1970-01-01"));
    check(wall.clone(), pg, iso("2025-01-31T12:30:00Z", None), array(), None);
    let instants =
        || Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC"));
    let denver = iso("2025-01-31 12:30:00", Some("America/Denver"));
    check(wall.clone(), PgType::Timestamptz, denver, instants(), text("1969-12-31 17:00:00"));
    let naive = iso("2025-01-31 12:30:00", None);
    check(wall, PgType::Timestamptz, naive, instants(), None);
    let read = CellShape::Epoch(EpochUnit::Webkit);
    let count = Some(StoredCell::Integer(11_644_473_600_000_000));
    check(read, PgType::Timestamptz, Form::Plain, instants(), count);
}

proptest! {
    #[test]
    fn the_short_way_of_a_decimal_is_the_long_one(
        value in prop_oneof![any::<i128>(), -2_000_000_000_000_000_i128..2_000_000_000_000_000, -10_000_i128..10_000],
        scale in 0_u8..39, form in 0..4,
    ) {
        let form = match form {
            0 => NumberForm::Stored(NumberClass::Integer),
            1 => NumberForm::Stored(NumberClass::Real),
            2 => NumberForm::Text,
            _ => NumberForm::TextScale(3),
        };
        let (mut plain, mut long, mut short) = (String::new(), String::new(), String::new());
        push_plain(value, scale, &mut plain);
        let expected: Option<Cell> = form.cell(&plain, &mut long);
        prop_assert_eq!(decimal(value, scale, form, &mut short), expected, "{}", plain);
        prop_assert_eq!(short, long);
    }
}
