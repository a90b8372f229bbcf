//! What the census saw: storage classes, ranges, lengths and shapes of every value of a column.

use super::{
    BoolWords, DateOrder, IsoTally, JsonForm, Kin, RowRange, SourceTable, Telling, UuidForm,
    Witness,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the census asks of a column beside storage classes, ranges and lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whether the digits are asked for that exact decimals need.
    pub decimals: bool,
    /// What is asked of TEXTs.
    pub texts: TextProbe,
    /// How its cells tell instants, and the column that must tell the same ones.
    pub witness: Option<(Telling, Witness)>,
    /// Whether columns are sought whose numbers count the times that its wall clocks show.
    pub kin: bool,
}

/// What the census asks of TEXTs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextProbe {
    /// Nothing more.
    Plain,
    /// Whether they are plain decimals.
    Decimal,
    /// The shapes of dates; for wall clocks of a zone, also whether its clocks showed them.
    Temporal(Option<TimeZone>),
    /// Whether they are dates in this order, and whether the clocks of a zone showed them.
    Ordered(DateOrder, Option<TimeZone>),
    /// Whether they are compact dates, and whether the clocks of a zone showed them.
    Compact(Option<TimeZone>),
    /// Whether they are the two words of a boolean.
    Words,
    /// Whether they are UUIDs.
    Uuid,
    /// Whether they are addresses.
    Inet,
    /// Whether they are networks.
    Cidr,
    /// Whether they are documents.
    Json,
    /// Whether they are documents, without what `jsonb` does not take.
    Jsonb,
    /// Which different ones there are.
    Labels,
}

/// Everything the census saw of one table.
#[derive(Debug, Clone, Default)]
pub struct TableEvidence {
    /// Rows; an estimate where the census was a sample.
    pub rows: u64,
    /// Bytes of all values; an estimate where the census was a sample.
    pub bytes: u64,
    /// What was looked at, where that is not all.
    pub sample: Option<Sample>,
    /// Bytes of the largest row.
    pub largest_row_bytes: u64,
    /// One for each column.
    pub columns: Vec<ColumnEvidence>,
    /// Rowid ranges of about equal bytes, in order, that together cover every rowid there can be but unreadable ones.
    pub stretches: Vec<Stretch>,
    /// Ranges that cannot be read, and that no stretch covers.
    pub unreadable: Vec<RowRange>,
}

/// How much of a table was looked at by a census that was a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Rows.
    pub rows: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

/// A range of rows and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Which rows.
    pub range: RowRange,
    /// Bytes of their values.
    pub bytes: u64,
    /// blake3 of their values as SQLite gives them, in hexadecimal digits; none where not all of them were looked at.
    pub content: Option<String>,
}

/// Everything the census saw of one column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnEvidence {
    /// Whether there are values that the census did not look at: what it saw holds of some values then, and not of all.
    pub sampled: bool,
    /// NULLs.
    pub nulls: u64,
    /// Values of storage class INTEGER.
    pub integers: u64,
    /// Values of storage class REAL.
    pub reals: u64,
    /// Values of storage class TEXT.
    pub texts: u64,
    /// Values of storage class BLOB.
    pub blobs: u64,
    /// The least and the greatest INTEGER.
    pub integer_range: Option<(i64, i64)>,
    /// INTEGERs that no double holds exactly.
    pub integers_beyond_double: u64,
    /// REALs that no decimal equals: the infinities and -0.0.
    pub beyond_decimal: u64,
    /// Characters of the longest TEXT.
    pub chars_max: u64,
    /// Bytes of the longest TEXT or BLOB.
    pub bytes_max: u64,
    /// TEXTs with a NUL character.
    pub with_nul: u64,
    /// TEXTs that are not UTF-8.
    pub not_utf8: u64,
    /// TEXTs that PostgreSQL's text cannot hold, for one of these reasons or both.
    pub unstorable: u64,
    /// Digits that the decimals need; where [`Probe::decimals`] or [`TextProbe::Decimal`] asks only.
    pub decimal: DecimalSize,
    /// TEXTs that are no plain decimal; [`TextProbe::Decimal`] only.
    pub not_decimal: u64,
    /// TEXTs that are decimals without needless zeros; [`TextProbe::Decimal`] only.
    pub short_decimals: u64,
    /// Shapes of the dates; [`TextProbe::Temporal`], [`TextProbe::Ordered`] and [`TextProbe::Compact`] only.
    pub dates: DateShapes,
    /// How its times stand to those of another column; [`Probe::witness`] only.
    pub witness: WitnessCounts,
    /// How its wall clocks stand to numbers of other columns, by their names; [`Probe::kin`] only.
    pub kin: BTreeMap<String, Kin>,
    /// What its TEXTs have in common; [`TextProbe::Plain`] and [`TextProbe::Decimal`] only.
    pub looks: TextLooks,
    /// TEXTs that are what the probe asked for; not those that a field of their own counts.
    pub parsed: u64,
    /// BLOBs of 16 bytes; [`TextProbe::Uuid`] only.
    pub uuid_blobs: u64,
    /// How the texts are written, each form with its number, where the probe asked for one that has forms.
    pub forms: FormCounts,
    /// The different TEXTs, while there are not too many; [`TextProbe::Labels`] only.
    pub labels: Option<BTreeSet<String>>,
}

/// How many TEXTs look alike, counted until the first one that looks otherwise: a count says something only where it
/// is that of all TEXTs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextLooks {
    /// `2025-01-31`
    pub dates: u64,
    /// A date and a time without offset.
    pub naive: u64,
    /// A date and a time with `Z` or an offset.
    pub offset: u64,
    /// 32 hexadecimal digits with the hyphens of a UUID.
    pub uuids: u64,
    /// A JSON object or array.
    pub json: u64,
}

/// Forms and how often each was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FormCounts {
    /// Of dates and times.
    pub iso: IsoTally,
    /// Of UUIDs.
    pub uuid: Tally<UuidForm>,
    /// Of documents.
    pub json: Tally<JsonForm>,
    /// Of booleans.
    pub words: Tally<BoolWords>,
}

/// A few different things, and how often each was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally<T>(Vec<(T, u64)>);

/// Different things that a tally tells apart; further ones are not counted.
const TALLY_MAX: usize = 32;

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq + Copy> Tally<T> {
    /// Counts one more.
    pub fn add(&mut self, thing: T, times: u64) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == thing) {
            *count += times;
        } else if self.0.len() < TALLY_MAX {
            self.0.push((thing, times));
        }
    }

    /// The one that was seen most often.
    pub fn best(&self) -> Option<(T, u64)> {
        self.0.iter().copied().max_by_key(|(_, count)| *count)
    }

    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|&(thing, times)| self.add(thing, times));
    }
}

/// Bytes of the longest value that SQLite holds.
const VALUE_BYTES_MAX: u64 = 1_000_000_000;

/// Different TEXTs above which they are no labels.
pub const LABELS_MAX: usize = 256;

/// The digits that a set of decimals needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecimalSize {
    /// Digits before the point.
    pub integer_digits: u32,
    /// Digits after the point.
    pub scale: u32,
}

impl DecimalSize {
    /// The digits that both sets need.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            integer_digits: self.integer_digits.max(other.integer_digits),
            scale: self.scale.max(other.scale),
        }
    }
}

/// How many TEXTs have each shape of date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DateShapes {
    /// `2025-01-31`
    pub date: u64,
    /// A time of day.
    pub time: u64,
    /// A date and a time without offset.
    pub naive: u64,
    /// A date and a time with `Z` or an offset.
    pub offset: u64,
    /// None of these, or more than six digits of a second.
    pub other: u64,
    /// Wall clocks that the zone's clocks showed twice.
    pub twice: u64,
    /// Wall clocks that the zone's clocks never showed.
    pub never: u64,
}

/// How the times of a column stand to those of another column of their rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WitnessCounts {
    /// Times that it contradicts, or of which it has something that tells no time.
    pub differ: u64,
    /// Wall clocks that were shown twice, and that it decides.
    pub decided: u64,
    /// Wall clocks that were shown twice, and that it does not decide.
    pub open: u64,
}

impl ColumnEvidence {
    /// Values that are not NULL.
    pub fn values(&self) -> u64 {
        self.integers + self.reals + self.texts + self.blobs
    }

    /// Bytes that no TEXT or BLOB exceeds.
    pub fn bytes_bound(&self) -> u64 {
        if self.sampled { self.bytes_max.max(VALUE_BYTES_MAX) } else { self.bytes_max }
    }

    /// The digits that every INTEGER, REAL and decimal TEXT needs; [`TextProbe::Decimal`] only.
    pub fn decimal_size(&self) -> DecimalSize {
        let digits = |value: i64| value.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1);
        let (least, greatest) = self.integer_range.unwrap_or((0, 0));
        self.decimal
            .union(DecimalSize { integer_digits: digits(least).max(digits(greatest)), scale: 0 })
    }

    /// Adds what another part of the table showed.
    pub fn merge(&mut self, other: &Self) {
        self.merge_labels(other);
        self.sampled |= other.sampled;
        for (column, kin) in &other.kin {
            self.kin.entry(column.clone()).or_default().merge(kin);
        }
        self.nulls += other.nulls;
        self.integers += other.integers;
        self.reals += other.reals;
        self.texts += other.texts;
        self.blobs += other.blobs;
        self.integer_range = match (self.integer_range, other.integer_range) {
            (Some((low, high)), Some((other_low, other_high))) => {
                Some((low.min(other_low), high.max(other_high)))
            }
            (mine, theirs) => mine.or(theirs),
        };
        self.integers_beyond_double += other.integers_beyond_double;
        self.beyond_decimal += other.beyond_decimal;
        self.chars_max = self.chars_max.max(other.chars_max);
        self.bytes_max = self.bytes_max.max(other.bytes_max);
        self.with_nul += other.with_nul;
        self.not_utf8 += other.not_utf8;
        self.unstorable += other.unstorable;
        self.decimal = self.decimal.union(other.decimal);
        self.not_decimal += other.not_decimal;
        self.short_decimals += other.short_decimals;
        self.parsed += other.parsed;
        self.uuid_blobs += other.uuid_blobs;
        self.forms.iso.merge(&other.forms.iso);
        self.forms.uuid.merge(&other.forms.uuid);
        self.forms.json.merge(&other.forms.json);
        self.forms.words.merge(&other.forms.words);
        self.dates.time += other.dates.time;
        self.dates.date += other.dates.date;
        self.dates.naive += other.dates.naive;
        self.dates.offset += other.dates.offset;
        self.dates.other += other.dates.other;
        self.dates.twice += other.dates.twice;
        self.dates.never += other.dates.never;
        self.witness.differ += other.witness.differ;
        self.witness.decided += other.witness.decided;
        self.witness.open += other.witness.open;
        self.looks.dates += other.looks.dates;
        self.looks.naive += other.looks.naive;
        self.looks.offset += other.looks.offset;
        self.looks.uuids += other.looks.uuids;
        self.looks.json += other.looks.json;
    }
}

impl ColumnEvidence {
    fn merge_labels(&mut self, other: &Self) {
        if other.texts == 0 {
            return;
        }
        let mine = if self.texts == 0 { Some(BTreeSet::new()) } else { self.labels.take() };
        self.labels = mine.zip(other.labels.as_ref()).and_then(|(mut mine, theirs)| {
            mine.extend(theirs.iter().cloned());
            (mine.len() <= LABELS_MAX).then_some(mine)
        });
    }
}

impl TableEvidence {
    /// Nothing seen yet.
    pub fn empty(table: &SourceTable) -> Self {
        Self { columns: vec![ColumnEvidence::default(); table.columns.len()], ..Self::default() }
    }

    /// The stretches whose content is known.
    pub fn known_stretches(&self) -> Vec<Stretch> {
        self.stretches.iter().filter(|stretch| stretch.content.is_some()).cloned().collect()
    }

    /// Makes one of the stretches of a table that cannot be divided by its rowids; it may have changed while they were seen.
    pub fn join_stretches(&mut self) {
        let bytes = self.stretches.iter().map(|stretch| stretch.bytes).sum();
        self.stretches = vec![Stretch { range: RowRange::All, bytes, content: None }];
    }

    /// Appends the part of the table that follows this one in rowid order.
    pub fn append(&mut self, next: Self) {
        self.rows += next.rows;
        self.bytes += next.bytes;
        self.sample = self.sample.or(next.sample);
        self.largest_row_bytes = self.largest_row_bytes.max(next.largest_row_bytes);
        for (mine, theirs) in self.columns.iter_mut().zip(&next.columns) {
            mine.merge(theirs);
        }
        self.stretches.extend(next.stretches);
        for range in next.unreadable {
            match (self.unreadable.last_mut(), range) {
                (
                    Some(RowRange::Rowids { last, .. }),
                    RowRange::Rowids { first, last: next_last },
                ) if last.checked_add(1) == Some(first) => {
                    *last = next_last;
                }
                _ => self.unreadable.push(range),
            }
        }
    }
}
