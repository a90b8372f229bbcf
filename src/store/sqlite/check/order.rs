//! How SQLite orders the cells of an index: NULL, numbers by their value, text by its collation, BLOBs by their bytes.

use rusqlite::types::ValueRef;
use std::cmp::Ordering;

/// The collations that SQLite brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collation {
    /// By bytes.
    Binary,
    /// By bytes, the letters A to Z as small ones.
    NoCase,
    /// By bytes, without the blanks at the end.
    Rtrim,
}

impl Collation {
    /// None for one of the application.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "BINARY" => Some(Self::Binary),
            "NOCASE" => Some(Self::NoCase),
            "RTRIM" => Some(Self::Rtrim),
            _ => None,
        }
    }

    fn compare(self, one: &[u8], other: &[u8]) -> Ordering {
        match self {
            Self::Binary => one.cmp(other),
            Self::NoCase => {
                let small = |text: &[u8]| text.to_ascii_lowercase();
                small(one).cmp(&small(other))
            }
            Self::Rtrim => without_blanks(one).cmp(without_blanks(other)),
        }
    }
}

fn without_blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

/// Which of two cells comes first.
pub(super) fn compare(one: ValueRef<'_>, other: ValueRef<'_>, collation: Collation) -> Ordering {
    use ValueRef::{Blob, Integer, Null, Real, Text};
    match (one, other) {
        (Null, Null) => Ordering::Equal,
        (Integer(one), Integer(other)) => one.cmp(&other),
        (Real(one), Real(other)) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
        (Integer(one), Real(other)) => integer_and_real(one, other),
        (Real(one), Integer(other)) => integer_and_real(other, one).reverse(),
        (Text(one), Text(other)) => collation.compare(one, other),
        (Blob(one), Blob(other)) => one.cmp(other),
        (one, other) => rank(one).cmp(&rank(other)),
    }
}

fn rank(cell: ValueRef<'_>) -> u8 {
    match cell {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 1,
        ValueRef::Text(_) => 2,
        ValueRef::Blob(_) => 3,
    }
}

/// By their exact values: an integer beyond 2^53 is not made a double for it.
fn integer_and_real(integer: i64, real: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if real >= BEYOND {
        return Ordering::Less;
    }
    if real < -BEYOND {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a double of the range of integers, cut")]
    let whole = real as i64;
    let rest = real - real.trunc();
    integer.cmp(&whole).then_with(|| 0.0_f64.partial_cmp(&rest).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::{Collation, compare};
    use proptest::prelude::*;
    use rusqlite::types::{Value, ValueRef};
    use rusqlite::{Connection, params};
    use std::cmp::Ordering;

    fn cell() -> impl Strategy<Value = Value> {
        let integer = prop_oneof![
            -3..3_i64,
            Just(i64::MIN),
            Just(i64::MAX),
            (1_i64 << 53) - 2..(1_i64 << 53) + 3,
            any::<i64>()
        ];
        let real = prop_oneof![
            (-3..3_i32).prop_map(f64::from),
            Just(0.5),
            Just(-0.5),
            Just(9_007_199_254_740_992.0),
            Just(9_223_372_036_854_775_807.0),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            any::<f64>().prop_filter("SQLite stores NULL", |real| !real.is_nan())
        ];
        prop_oneof![
            Just(Value::Null),
            integer.prop_map(Value::Integer),
            real.prop_map(Value::Real),
            "[aAbB_Z ]{0,3}".prop_map(Value::Text),
            proptest::collection::vec(0..3_u8, 0..3).prop_map(Value::Blob),
        ]
    }

    #[test]
    fn cells_are_ordered_as_sqlite_orders_them() {
        let connection = Connection::open_in_memory().unwrap();
        proptest!(|(one in cell(), other in cell())| {
            for (name, collation) in
                [("BINARY", Collation::Binary), ("NOCASE", Collation::NoCase), ("RTRIM", Collation::Rtrim)]
            {
                prop_assert_eq!(Collation::named(name), Some(collation));
                let sql = format!(
                    "SELECT count(*) FILTER (WHERE n = 1 AND place = 1), count(*) FILTER (WHERE n = 2 AND place = 1)
                     FROM (SELECT n, rank() OVER (ORDER BY a COLLATE {name}) AS place
                           FROM (SELECT 1 AS n, ?1 AS a UNION ALL SELECT 2, ?2))"
                );
                let first: (i64, i64) = connection
                    .query_row(&sql, params![one, other], |row| Ok((row.get(0)?, row.get(1)?)))
                    .unwrap();
                let expected = match first {
                    (1, 1) => Ordering::Equal,
                    (1, 0) => Ordering::Less,
                    _ => Ordering::Greater,
                };
                let seen = compare(ValueRef::from(&one), ValueRef::from(&other), collation);
                prop_assert_eq!(seen, expected, "{:?} {:?} {}", one, other, name);
            }
        });
    }
}
