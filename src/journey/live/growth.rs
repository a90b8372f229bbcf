//! The new rows of a table that only grows: its triggers log no insert, and they are found behind the highest rowid that
//! was applied.

use super::delta::Delta;
use super::pass::Pass;
use crate::error::{Class, Error, Result};
use crate::model::Follow;
use crate::store::postgres::apply;
use crate::store::postgres::ledger::{self, HighMark, Position};
use crate::store::sqlite::tail::{self, Followed};

/// The new rows of a table that only grows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    /// The lowest rowid that is new; none where none can be.
    pub(super) first: Option<i64>,
    /// The highest one that this pass brings; none where there is nothing new.
    pub(super) last: Option<i64>,
    /// Whether the table ends there.
    pub(super) is_all: bool,
    /// Where the table ends, if that is before what was its end: rowids behind it may be given out again.
    shrunk_to: Option<i64>,
    /// [`HighMark::sealed`].
    sealed: Option<i64>,
}

impl Growth {
    /// The lowest and the highest rowid of its rows; none where there are none.
    pub(super) fn rowids(self) -> Option<[i64; 2]> {
        Some([self.first?, self.last?])
    }

    /// The mark that this pass leaves; none where that stays as it is.
    pub(super) fn mark(self) -> Option<HighMark> {
        let rowid = self.last.or(self.shrunk_to)?;
        Some(HighMark { rowid, sealed: self.sealed })
    }
}

impl Pass<'_> {
    /// Whether a table that only grows has rows that the target may not have, or ends before its mark.
    pub(super) fn has_grown(&self, begins: &Position) -> Result<bool> {
        for number in self.live.growing() {
            let Some((table, _)) = self.live.followed(number)? else { continue };
            if self.growth(table, begins, true)?.is_some_and(|growth| growth.mark().is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The new rows of a table that only grows; none for other tables. Where some are read again, that is done by the pass
    /// that reads the log to its `end`, which can tell whether the source has lost any: one before that brings none.
    pub(super) fn growth(
        &self,
        table: Followed<'_>,
        begins: &Position,
        is_end: bool,
    ) -> Result<Option<Growth>> {
        if table.capture.follow != Follow::Append {
            return Ok(None);
        }
        let (lease, name) = (self.live.lease, &table.schema.target);
        let mark = match ledger::high_mark(self.session, lease, name, nonce(begins))? {
            // Before the first pass the target has what the snapshot brought.
            None => apply::highest_key(self.session, table.schema)?
                .map(|rowid| HighMark { rowid, sealed: Some(rowid) }),
            noted => noted,
        };
        let end = tail::end(self.reader, table.schema)?.unwrap_or(i64::MIN);
        let shrunk_to = mark.is_some_and(|mark| end < mark.rowid).then_some(end);
        let sealed = mark.and_then(|mark| mark.sealed).map(|sealed| sealed.min(end));
        let rowid = mark.map(|mark| mark.rowid.min(end));
        let known = if self.live.grown_again.get() { sealed } else { rowid };
        let first = match known.map(|known| known.checked_add(1)) {
            None => i64::MIN,
            Some(Some(first)) => first,
            // No rowid is higher.
            Some(None) => {
                let (first, last) = (None, None);
                return Ok(Some(Growth { first, last, is_all: true, shrunk_to, sealed }));
            }
        };
        if self.live.grown_again.get() && !is_end {
            let first = rowid.map_or(Some(i64::MIN), |rowid| rowid.checked_add(1));
            return Ok(Some(Growth { first, last: None, is_all: false, shrunk_to: None, sealed }));
        }
        let found = tail::grown(self.reader, table, first, self.batch_max)?;
        let is_all = found.is_none_or(|(_, is_all)| is_all);
        let last = found.map(|(last, _)| last);
        Ok(Some(Growth { first: Some(first), last, is_all, shrunk_to, sealed }))
    }

    /// Makes sure that of a table that only grows the target has no new row that the source has not, where all touches were
    /// applied: what was deleted is logged, and what was lost is not.
    pub(super) fn check_grown(
        &self,
        delta: &Delta<'_>,
        growth: Growth,
        begins: &Position,
    ) -> Result<()> {
        let is_suspect =
            self.live.grown_again.get() || growth.shrunk_to.is_some() || !begins.consistent;
        let Some(first) = growth.first.filter(|_| is_suspect) else { return Ok(()) };
        let last = growth.last.filter(|_| !growth.is_all).unwrap_or(i64::MAX);
        match apply::strays(&delta.staging, first, last)? {
            0 => Ok(()),
            rows => Err(lost(delta.table, rows)),
        }
    }
}

/// The nonce of the changelog that is applied.
pub(super) fn nonce(begins: &Position) -> &str {
    begins.nonces.first().map(String::as_str).unwrap_or_default()
}

fn lost(table: Followed<'_>, rows: u64) -> Error {
    let name = &table.schema.source;
    let what = format!(
        "the target has {rows} of its last rows that it has not, and nothing says that they were deleted: the source is an \
         older copy of itself, or its last writes were lost"
    );
    Error::new(Class::SourceChanged, what)
        .todo(format!(
            "put the newer file back; or take this table anew, and nothing else, with `liteferry run --anew {name}`"
        ))
        .at(format!("table {name}"))
}
