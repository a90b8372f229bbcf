//! Cells of columns that become dates or times.

use super::clock::{Clock, Told, number, wall};
use super::witness::WitnessReader;
use super::{Fit, Reason};
use crate::error::Result;
use crate::model::{CellShape, Column, EpochUnit, Form, NumberClass, PgType, Telling};
use crate::row::form::FormWriter;
use crate::row::temporal::IsoText;
use arrow_array::ArrayRef;
use arrow_array::builder::{Date32Builder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder};
use rusqlite::types::ValueRef;
use std::borrow::Cow;
use std::sync::Arc;

pub(in super::super) struct TimeBuilder {
    values: Values,
    clock: Clock,
    /// What counts, and mostly of which storage class.
    epoch: Option<(EpochUnit, NumberClass)>,
    writer: FormWriter,
    witness: Option<Box<WitnessReader>>,
    /// Microseconds of the shortest time that the target tells apart.
    step: i64,
}

/// What a column holds.
enum Values {
    Dates(Date32Builder),
    Times(Time64MicrosecondBuilder),
    Micros(TimestampMicrosecondBuilder),
}

impl TimeBuilder {
    pub(super) fn new(column: &Column) -> Result<Self> {
        let values = match column.pg {
            PgType::Date => Values::Dates(Date32Builder::new()),
            PgType::Time => Values::Times(Time64MicrosecondBuilder::new()),
            _ => Values::Micros(
                TimestampMicrosecondBuilder::new().with_data_type(column.read_type()),
            ),
        };
        let epoch = match (&column.read, &column.form) {
            (CellShape::Epoch(unit), Form::Epoch { class, .. }) => Some((*unit, *class)),
            (CellShape::Epoch(unit), _) => Some((*unit, NumberClass::Integer)),
            _ => None,
        };
        let (clock, witness) = match &column.witness {
            Some(witness) => {
                let (read, recast) = (column.read.clone(), column.recast.clone());
                let clock = Clock::of_instants(&Telling { read, recast })?;
                (clock, Some(Box::new(WitnessReader::new(witness)?)))
            }
            None => (Clock::new(&column.read, &column.recast)?, None),
        };
        let writer = FormWriter::new(column.form.clone())?;
        let digits = column.fraction.map_or(0, |digits| 6_u32.saturating_sub(digits.into()));
        Ok(Self { values, clock, epoch, writer, witness, step: 10_i64.pow(digits) })
    }

    #[expect(clippy::inline_always, reason = "called for each date")]
    #[inline(always)]
    pub(super) fn append(&mut self, cell: ValueRef<'_>) -> Result<Fit, Reason> {
        let (told, in_form) = self.tell(cell)?;
        self.push(told.first(), in_form)
    }

    /// Appends a cell if the cell beside it tells the same instant.
    pub(super) fn append_beside(
        &mut self,
        cell: ValueRef<'_>,
        beside: ValueRef<'_>,
    ) -> Result<Fit, Cow<'static, str>> {
        let (told, in_form) = self.tell(cell)?;
        let value = match &mut self.witness {
            Some(witness) => IsoText::Instant(witness.agreed(told, beside)?),
            None => told.first(),
        };
        Ok(self.push(value, in_form)?)
    }

    /// What a cell tells, and whether it is what its column's form writes for that.
    #[expect(clippy::inline_always, reason = "called for each date")]
    #[inline(always)]
    fn tell(&mut self, cell: ValueRef<'_>) -> Result<(Told, bool), Reason> {
        let (read, form) = self.clock.read(cell)?;
        let in_form = match form {
            Some(form) => self.writer.writes_text(read, &form),
            None => self.is_count_in_form(read, cell),
        };
        Ok((self.clock.meant(read)?, in_form))
    }

    #[expect(clippy::inline_always, reason = "called for each date")]
    #[inline(always)]
    fn push(&mut self, value: IsoText, in_form: bool) -> Result<Fit, Reason> {
        if let IsoText::Time(micros) | IsoText::Naive(micros) | IsoText::Instant(micros) = value
            && self.step > 1
            && micros % self.step != 0
        {
            return Err("it has more digits of a second than the target's type keeps");
        }
        match (&mut self.values, value) {
            (Values::Dates(builder), IsoText::Date(days)) => builder.append_value(days),
            (Values::Times(builder), IsoText::Time(micros)) => builder.append_value(micros),
            (Values::Micros(builder), IsoText::Instant(micros)) => builder.append_value(micros),
            (Values::Micros(builder), value) => {
                builder.append_value(wall(value).ok_or("it has no date")?);
            }
            (Values::Dates(_), _) => return Err("it is no date alone"),
            (Values::Times(_), _) => return Err("it is no time of day alone"),
        }
        Ok(Fit { bytes: 8, in_form })
    }

    /// Whether a count is what its column's form writes for its time.
    fn is_count_in_form(&self, time: IsoText, cell: ValueRef<'_>) -> bool {
        let written = self.epoch.zip(wall(time));
        written.and_then(|((unit, class), micros)| unit.number(micros, class)) == number(cell)
    }

    pub(super) fn append_null(&mut self) {
        match &mut self.values {
            Values::Dates(builder) => builder.append_null(),
            Values::Times(builder) => builder.append_null(),
            Values::Micros(builder) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Values::Dates(builder) => Arc::new(builder.finish()),
            Values::Times(builder) => Arc::new(builder.finish()),
            Values::Micros(builder) => Arc::new(builder.finish()),
        }
    }
}
