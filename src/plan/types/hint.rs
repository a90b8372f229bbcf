//! What the pipeline file could say about a column where its values leave that open, or look like more than their
//! type says. Never done unasked.

use super::Choice;
use super::declared::Declared;
use crate::config::ColumnSection;
use crate::model::{CellShape, ColumnEvidence, Kin, PgType, SourceColumn};
use crate::plan::file;
use serde::{Deserialize, Serialize};

/// Something that the user could say about a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// Whether the user should decide, because what the values mean is open, or because some of them are set aside.
    pub open: bool,
    /// Why.
    pub reason: String,
    /// The line under `[tables.NAME.columns]` that would say so; none where this liteferry has no such type.
    pub line: Option<String>,
}

impl Hint {
    /// Why, and the line.
    pub fn in_words(&self) -> String {
        match &self.line {
            Some(line) => format!("{}: say `{line}` in the pipeline file", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// What could be said beyond what is said.
pub fn hint(
    column: &SourceColumn,
    evidence: &ColumnEvidence,
    choice: &Choice,
    said: Option<&ColumnSection>,
) -> Option<Hint> {
    let nothing = ColumnSection::default();
    let said = said.unwrap_or(&nothing);
    if choice.strays > 0 {
        return said.misfits.is_none().then(|| misfits(column, choice));
    }
    if said.is_about_the_type() || evidence.values() == 0 {
        return None;
    }
    let hint = match (Declared::of(column), choice.pg) {
        (Declared::Temporal(_), PgType::Int8) => Some(epoch(column, evidence)),
        (Declared::Temporal(_), PgType::Timestamp) => counted(column, evidence),
        (_, PgType::Text | PgType::Varchar(_)) if choice.read == CellShape::Text => {
            looks(column, evidence)
        }
        _ => None,
    };
    hint.map(|hint| if evidence.sampled { of_sample(hint) } else { hint })
}

fn of_sample(hint: Hint) -> Hint {
    Hint { reason: format!("{} (in a sample)", hint.reason), ..hint }
}

fn line(column: &SourceColumn, value: &str) -> String {
    format!("{} = {value}", file::key(&column.name))
}

fn misfits(column: &SourceColumn, choice: &Choice) -> Hint {
    let reason = format!(
        "what does not fit {} (values: {}) can be carried in a wider type, or become \"null\" or a \"default\"",
        choice.pg, choice.strays
    );
    Hint { open: true, reason, line: Some(line(column, "{ misfits = \"widen\" }")) }
}

/// The seconds of 1990 and of 2100: between them, no number is a time in two units.
const CLEAR_SECONDS: (i64, i64) = (631_152_000, 4_102_444_800);

fn epoch(column: &SourceColumn, evidence: &ColumnEvidence) -> Hint {
    let (least, greatest) = evidence.integer_range.unwrap_or_default();
    let units = [
        (1, "unix_s", "seconds"),
        (1_000, "unix_ms", "milliseconds"),
        (1_000_000, "unix_us", "microseconds"),
    ];
    let (first, last) = CLEAR_SECONDS;
    let clear =
        units.iter().find(|(factor, ..)| least >= first * factor && greatest < last * factor);
    let said = |from: &str| {
        Some(line(column, &format!("{{ type = \"timestamptz\", from = \"{from}\" }}")))
    };
    match clear {
        Some((_, from, words)) => Hint {
            open: false,
            reason: format!("as {words} since 1970 all of them are times from 1990 to 2100"),
            line: said(from),
        },
        None => Hint {
            open: true,
            reason: "what its integers count is open: neither as seconds, nor as milliseconds or microseconds since \
                     1970 (\"unix_s\", \"unix_ms\", \"unix_us\") all of them are times from 1990 to 2100"
                .into(),
            line: said("unix_s"),
        },
    }
}

/// Another column that counts the times which the clocks of some zone show.
fn counted(column: &SourceColumn, evidence: &ColumnEvidence) -> Option<Hint> {
    let (beside, unit, zones, rows) = evidence.kin.iter().find_map(|(beside, kin)| match kin {
        Kin::Agrees { unit, zones, rows } => Some((beside, unit, zones, rows)),
        Kin::Unseen | Kin::Differs => None,
    })?;
    let known = KNOWN_ZONES.into_iter().find(|&zone| zones.contains(zone));
    let zone =
        known.or_else(|| zones.iter().map(String::as_str).find(|zone| zone.contains('/')))?;
    let others = match zones.len() - 1 {
        0 => String::new(),
        others => format!(" (and on those of {others} other zones: make sure which it is)"),
    };
    let unit = unit.name();
    let value = format!(
        "{{ type = \"timestamptz\", zone = \"{zone}\", equals = {} }}",
        file::string(&format!("{beside} as {unit}"))
    );
    let reason = format!(
        "in all {rows} rows that have both it is what `{beside}` counts as {unit}, on clocks in {zone}{others}"
    );
    Some(Hint { open: false, reason, line: Some(line(column, &value)) })
}

/// Of the zones that showed the same times, those that most have heard of.
const KNOWN_ZONES: [&str; 22] = [
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/Toronto",
    "America/Mexico_City",
    "America/Sao_Paulo",
    "America/Argentina/Buenos_Aires",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "Europe/Moscow",
    "Africa/Johannesburg",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Auckland",
];

fn looks(column: &SourceColumn, evidence: &ColumnEvidence) -> Option<Hint> {
    let (looks, all) = (&evidence.looks, evidence.texts);
    let found = [
        (looks.dates, "dates", "date"),
        (looks.naive, "times without a zone", "timestamp"),
        (looks.offset, "times with an offset", "timestamptz"),
        (looks.uuids, "UUIDs", "uuid"),
        (looks.json, "JSON", "json"),
    ];
    let (_, words, kind) = found.into_iter().find(|(seen, ..)| *seen == all)?;
    let line = PgType::parse(kind).map(|_| line(column, &format!("{{ type = \"{kind}\" }}")));
    Some(Hint { open: false, reason: format!("all of its texts are {words}"), line })
}

#[cfg(test)]
mod tests {
    use super::hint;
    use crate::model::{ColumnEvidence, SourceColumn};
    use crate::plan::types::choose;

    fn column(declared: &str) -> SourceColumn {
        SourceColumn {
            name: "a b".into(),
            declared: declared.into(),
            not_null: false,
            default: None,
            collation: "BINARY".into(),
            generated: None,
            any: false,
        }
    }

    fn of_integers(least: i64, greatest: i64) -> (bool, String) {
        let evidence = ColumnEvidence {
            integers: 2,
            integer_range: Some((least, greatest)),
            ..ColumnEvidence::default()
        };
        let column = column("DATETIME");
        let choice = choose(&column, &evidence, None, None, None).unwrap();
        let hint = hint(&column, &evidence, &choice, None).unwrap();
        (hint.open, hint.line.unwrap())
    }

    #[test]
    fn a_unit_is_clear_where_it_is_the_only_one_that_makes_times_of_our_days() {
        let line = |unit| format!("\"a b\" = {{ type = \"timestamptz\", from = \"{unit}\" }}");
        assert_eq!(of_integers(631_152_000, 4_102_444_799), (false, line("unix_s")));
        assert_eq!(of_integers(1_700_000_000_000, 1_700_000_000_001), (false, line("unix_ms")));
        assert_eq!(
            of_integers(1_700_000_000_000_000, 1_700_000_000_000_000),
            (false, line("unix_us"))
        );
        for (least, greatest) in [
            (0, 1_700_000_000),
            (631_151_999, 1_700_000_000),
            (1_700_000_000, 4_102_444_800),
            (1_700_000_000, 1_700_000_000_000),
            (i64::MIN, i64::MAX),
        ] {
            assert!(of_integers(least, greatest).0, "{least} to {greatest}");
        }
    }

    #[test]
    fn integers_of_no_time_kind_and_empty_columns_get_no_hint() {
        let evidence = ColumnEvidence {
            integers: 1,
            integer_range: Some((1_700_000_000, 1_700_000_000)),
            ..ColumnEvidence::default()
        };
        for (declared, evidence) in [("INTEGER", evidence), ("DATETIME", ColumnEvidence::default())]
        {
            let column = column(declared);
            let choice = choose(&column, &evidence, None, None, None).unwrap();
            assert_eq!(hint(&column, &evidence, &choice, None), None, "{declared}");
        }
    }
}
