//! The proof that goes on beside the tail: one part after the other is compared in a state that the target was brought to,
//! by a hand of its own, while the tail applies what comes after that state. So each part was found equal not long ago,
//! however long a source is followed.

use super::Live;
use super::compare::{Comparing, Found, prepare};
use super::pace::Pace;
use super::part::Part;
use super::pass::Keys;
use super::sizes::Sizes;
use crate::error::{Class, Error, Place, Result};
use crate::journey::undecided::Undecided;
use crate::journey::{Setting, snapshot};
use crate::pipeline::hand::Hand;
use crate::pipeline::progress::Silent;
use crate::pipeline::{Event, Stop};
use crate::plan::Plan;
use crate::status::{FOLLOWING, NOT_EQUAL, about};
use crate::store::postgres::ledger::{self, Proved};
use crate::store::postgres::link::Link;
use crate::store::postgres::read;
use crate::store::postgres::session::Session;
use crate::store::sqlite::extent::Extent;
use crate::store::sqlite::read::Reader;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long it is until the hand is asked again whether it is done, where more is due.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// The parts, and when each was found equal.
#[derive(Debug)]
pub(in crate::journey) struct Rolling<'a> {
    live: &'a Live<'a>,
    parts: Vec<Part>,
    /// Whether the parts were made: not before a pass has made sure that the tables are those that are followed.
    is_divided: bool,
    pace: Pace,
    sizes: Sizes,
    /// Whether rows were found that differ, and not every part was found equal since.
    differs: bool,
    /// What was used for the last look.
    tools: Option<(Reader, Session)>,
}

/// A part, in a state that both sides have.
#[derive(Debug)]
pub(in crate::journey) struct Look {
    number: usize,
    part: Part,
    sizes: Sizes,
    /// When the state was taken.
    since: Instant,
    undecided: Undecided,
    reader: Reader,
    session: Session,
}

/// What a look came to.
#[derive(Debug)]
pub(in crate::journey) struct Looked {
    number: usize,
    since: Instant,
    found: Result<Found>,
    tools: (Reader, Session),
}

impl<'a> Rolling<'a> {
    /// Begins in the phase that the ledger says.
    pub(in crate::journey) fn new(live: &'a Live<'a>, phase: &str) -> Self {
        let pace = Pace::new(Vec::new(), live.pipeline.cutover.proof_age, Instant::now());
        let differs = phase == NOT_EQUAL;
        if differs {
            let what = "the last comparison found rows of the target that are not what the source has; what is touched of \
                        them is healed, the others are not";
            live.setting.progress.tell(Event::Warning(format!("{what}: {ADVICE}")));
        }
        let sizes = live.sizes();
        let (parts, is_divided, tools) = (Vec::new(), false, None);
        Self { live, parts, is_divided, pace, sizes, differs, tools }
    }

    /// Divides the tables into parts as large as they are by now, with what the ledger knows of them.
    fn divide(&mut self, reader: &Reader, link: &mut Link<'_>) -> Result<()> {
        let Live { plan, pipeline, lease, .. } = *self.live;
        let known = link.with(|session| ledger::proved(session, lease.migration))?;
        let now = Instant::now();
        let mut parts = Part::all(plan, self.sizes, &self.live.extents(reader)?);
        let (begun, whole): (Vec<_>, Vec<_>) =
            known.iter().partition(|proved| proved.last_row.is_some());
        let of = |proved: &&'_ Proved| (proved.table.clone(), proved.part);
        let begun: BTreeMap<_, _> = begun.into_iter().map(|proved| (of(&proved), proved)).collect();
        let ages: BTreeMap<_, _> =
            whole.into_iter().map(|proved| (of(&proved), proved.age)).collect();
        let mut proved = Vec::new();
        for part in &mut parts {
            let table = snapshot::table_of(plan, part.table)?;
            let name = |number| (table.target.clone(), number);
            let numbers = part.numbers(table).into_iter();
            let age = numbers.filter_map(|number| ages.get(&name(number)).copied()).min();
            proved.push(age.and_then(|age| now.checked_sub(age)));
            if let Some(begun) = begun.get(&name(part.number)) {
                part.go_on(table, begun, now)?;
            }
        }
        (self.parts, self.is_divided) = (parts, true);
        self.pace = Pace::new(proved, pipeline.cutover.proof_age, now);
        self.expect_looks();
        Ok(())
    }

    /// Tells the pace how many looks a round takes, about.
    fn expect_looks(&mut self) {
        self.pace.expect_looks(self.parts.iter().map(|part| part.pieces(self.sizes)).sum());
    }

    /// Looks how large the table of a part is by now; whether it must be divided in another way.
    fn measure(&mut self, number: usize, reader: &Reader) -> Result<bool> {
        let Live { plan, .. } = *self.live;
        let sizes = self.sizes;
        let Some(part) = self.parts.get_mut(number) else { return Ok(false) };
        let planned = plan.tables.get(part.table).filter(|_| part.is_of_end());
        let Some(planned) = planned else { return Ok(false) };
        let extent = Extent::of(reader, &planned.schema)?;
        part.resize(&planned.schema, extent.as_ref());
        let is_outgrown = part.is_outgrown(planned, extent.as_ref(), sizes);
        self.expect_looks();
        Ok(is_outgrown)
    }

    /// How far the migration has come by what was found.
    pub(in crate::journey) fn phase(&self) -> &'static str {
        if self.differs { NOT_EQUAL } else { FOLLOWING }
    }

    /// Notes what the hand has found, and gives it the next part if that is due: the target is brought to the state that
    /// is compared. Gives how many touches that took.
    ///
    /// # Errors
    ///
    /// [`Class::NotEqual`] with the part; what the source or the server says.
    pub(in crate::journey) fn turn(
        &mut self,
        hand: &Hand<Look, Looked>,
        link: &mut Link<'_>,
    ) -> Result<u64> {
        if let Some(looked) = hand.take()? {
            self.pace.ended(Instant::now());
            self.note(looked, link)?;
        }
        if !self.is_divided {
            let reader = Reader::of_moving(self.live.inspected.source.connect()?);
            self.divide(&reader, link)?;
        }
        self.warn();
        let due = self.pace.due(Instant::now());
        let Some(number) = due.filter(|_| hand.is_free()) else { return Ok(0) };
        let migration = self.live.lease.migration;
        if link.with(|session| ledger::is_paused(session, migration))? {
            self.pace.held(Instant::now());
            return Ok(0);
        }
        self.begin(number, hand, link)
    }

    /// How long it is until there is something to be done, and `patience` at most.
    pub(in crate::journey) fn wait(
        &self,
        hand: &Hand<Look, Looked>,
        patience: Duration,
    ) -> Duration {
        let next = self.pace.wait(Instant::now()).unwrap_or(patience);
        let next = if hand.is_free() { next } else { next.max(ASK_AGAIN) };
        next.min(patience)
    }

    /// Tells where a proof is too old, once a round.
    fn warn(&mut self) {
        let Some(age) = self.pace.too_old(Instant::now()) else { return };
        let (age, most) = (about(age), about(self.live.pipeline.cutover.proof_age));
        let words = format!(
            "not everything was found equal within {most} (`[cutover] proof_age`): what was compared first was {age} ago; \
             if this comes again, comparing all takes longer than that: give it more time"
        );
        self.live.setting.progress.tell(Event::Warning(words));
    }

    fn begin(
        &mut self,
        number: usize,
        hand: &Hand<Look, Looked>,
        link: &mut Link<'_>,
    ) -> Result<u64> {
        let lease = self.live.lease;
        self.pace.begun(Instant::now());
        let (mut reader, session) = match self.tools(number, hand.stop(), link) {
            Err(error) if error.class() == Class::Temporary => {
                self.again(&error);
                return Ok(0);
            }
            tools => tools?,
        };
        if self.measure(number, &reader)? {
            self.divide(&reader, link)?;
            self.tools = Some((reader, session));
            return Ok(0);
        }
        let undecided = Undecided::find(link, lease.migration)?;
        let drained = link.as_a_whole(|link| {
            reader.hold()?;
            let drained = self.live.drain(&reader, &Keys::Made, link);
            if drained.is_err() {
                reader.let_go()?;
            }
            drained
        })?;
        let since = Instant::now();
        // Nothing else is applied before the target's state is taken.
        if let Err(error) = read::begin_snapshot(&session) {
            if error.class() != Class::Temporary {
                return Err(error);
            }
            self.again(&error);
            return Ok(drained.touches);
        }
        let part = self.part(number)?.clone();
        let sizes = self.sizes;
        hand.give(Look { number, part, sizes, since, undecided, reader, session })?;
        Ok(drained.touches)
    }

    fn part(&self, number: usize) -> Result<&Part> {
        self.parts.get(number).ok_or_else(|| Error::internal("a look at no part"))
    }

    /// A reader and a session that are ready for a part.
    fn tools(&mut self, number: usize, stop: &Stop, link: &Link<'_>) -> Result<(Reader, Session)> {
        let Live { plan, inspected, .. } = *self.live;
        let (reader, session) = if let Some(tools) = self.tools.take() {
            tools
        } else {
            let connection = inspected.source.connect_under(stop)?;
            (Reader::of_moving(connection), link.apart(stop).connect()?)
        };
        prepare(plan, self.part(number)?, &session)?;
        Ok((reader, session))
    }

    fn note(&mut self, looked: Looked, link: &mut Link<'_>) -> Result<()> {
        let Live { plan, lease, .. } = *self.live;
        let found = match looked.found {
            Ok(found) => found,
            // The server went away; it is looked at again, by a new session.
            Err(error) if error.class() == Class::Temporary => {
                self.again(&error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.tools = Some(looked.tools);
        let mut part = self.part(looked.number)?.clone();
        let piece = part.rest().up_to(found.last.as_ref());
        part.add(&found, looked.since, self.sizes);
        let table = snapshot::table_of(plan, part.table)?;
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                if !found.is_equal {
                    ledger::set_phase(session, lease, NOT_EQUAL)?;
                }
                part.note(table, lease, session)
            })
        })?;
        if !found.is_equal {
            return Err(different())
                .at(|| piece.in_words())
                .at(|| format!("table {}", table.source));
        }
        if part.is_compared() {
            // It is as old as its first piece.
            let since = part.before.take().map_or(looked.since, |before| before.since);
            self.pace.note(looked.number, since);
        }
        self.parts.get_mut(looked.number).into_iter().for_each(|slot| *slot = part.clone());
        self.expect_looks();
        self.note_healed(link)
    }

    /// Notes that nothing differs any more, where every part was found equal since something did. What is only copied is
    /// not looked at here: whether that is as it was copied, `verify` says.
    fn note_healed(&mut self, link: &mut Link<'_>) -> Result<()> {
        let Live { plan, lease, setting, .. } = *self.live;
        let is_copied = plan.tables.iter().any(|table| plan.is_copied(table));
        if !self.differs || is_copied || !self.pace.is_whole() {
            return Ok(());
        }
        link.with(|session| ledger::set_phase(session, lease, FOLLOWING))?;
        self.differs = false;
        let words = "what differed was found equal: the target is what the source is";
        setting.progress.tell(Event::Note(words.into()));
        Ok(())
    }

    fn again(&mut self, error: &Error) {
        self.pace.held(Instant::now());
        let words = format!("a part is compared again: {error}");
        self.live.setting.progress.tell(Event::Note(words));
    }
}

/// What to do where rows differ.
const ADVICE: &str = "see which rows differ with `liteferry verify`; take the table anew with `liteferry run --anew TABLE`";

fn different() -> Error {
    Error::new(Class::NotEqual, "the target is not what the source is").todo(ADVICE)
}

/// Compares a part; lets both states go.
pub(in crate::journey) fn look(
    (plan, migration): (&Plan, i32),
    look: Look,
    setting: Setting<'_>,
) -> Looked {
    let Look { number, part, sizes, since, undecided, reader, session } = look;
    // The screen shows what the tail does.
    let setting = Setting { progress: &Silent, ..setting };
    let undecided = &undecided;
    let comparing = Comparing { plan, migration, undecided, lets_go: true, sizes, setting };
    let found = comparing.compare(&part, &reader, &session).and_then(|found| {
        session.batch("end reading", "COMMIT")?;
        Ok(found)
    });
    Looked { number, since, found, tools: (reader, session) }
}
