//! The proof that goes on beside the tail: one part after the other is compared in a state that the target was brought to,
//! by a hand of its own, while the tail applies what comes after that state. So each part was found equal not long ago,
//! however long a source is followed.

use super::Live;
use super::compare::{Comparing, Found, prepare};
use super::part::Part;
use super::pass::Keys;
use crate::error::{Class, Error, Place, Result};
use crate::journey::Setting;
use crate::journey::undecided::Undecided;
use crate::pipeline::hand::Hand;
use crate::pipeline::progress::Silent;
use crate::pipeline::{Event, Stop};
use crate::plan::Plan;
use crate::store::postgres::ledger;
use crate::store::postgres::link::Link;
use crate::store::postgres::read;
use crate::store::postgres::session::Session;
use crate::store::sqlite::read::Reader;
use std::time::{Duration, Instant};

/// Which part of the time that a proof may be old is left for looking at everything once: it begins when a part is half
/// as old, and has time to spare when it is at the end.
const LOOKING: u32 = 4;

/// The parts, and when each was found equal.
#[derive(Debug)]
pub(in crate::journey) struct Rolling<'a> {
    live: &'a Live<'a>,
    parts: Vec<(Part, Option<Instant>)>,
    /// How old a proof may become.
    age: Duration,
    /// When a part was looked at last.
    looked: Option<Instant>,
    /// What was used for the last look.
    tools: Option<(Reader, Session)>,
}

/// A part, in a state that both sides have.
#[derive(Debug)]
pub(in crate::journey) struct Look {
    number: usize,
    part: Part,
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
    /// Begins with what the ledger knows.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub(in crate::journey) fn new(live: &'a Live<'a>, link: &mut Link<'_>) -> Result<Self> {
        let found = link.with(|session| ledger::proved(session, live.lease.migration))?;
        let now = Instant::now();
        let proved = |part: &Part| {
            let table = live.plan.tables.get(part.table)?;
            let mut found = found.iter();
            let known = found
                .find(|known| known.table == table.schema.target && known.part == part.number)?;
            now.checked_sub(known.age)
        };
        let parts = Part::all(live.plan, live.inspected.excludes_writers)
            .into_iter()
            .map(|part| (proved(&part), part));
        let parts = parts.map(|(proved, part)| (part, proved)).collect();
        let age = live.pipeline.cutover.proof_age;
        Ok(Self { live, parts, age, looked: None, tools: None })
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
            self.note(looked, link)?;
        }
        let Some(number) = self.due().filter(|_| hand.is_free()) else { return Ok(0) };
        let migration = self.live.lease.migration;
        if link.with(|session| ledger::is_paused(session, migration))? {
            return Ok(0);
        }
        self.begin(number, hand, link)
    }

    /// The part that was not looked at for the longest time, if it is its turn.
    fn due(&self) -> Option<usize> {
        let count = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let gap = self.age / LOOKING / count.max(1);
        if self.looked.is_some_and(|looked| looked.elapsed() < gap) {
            return None;
        }
        let parts = self.parts.iter().enumerate();
        let (number, (_, proved)) = parts.min_by_key(|(_, (_, proved))| *proved)?;
        proved.is_none_or(|proved| proved.elapsed() > self.age / 2).then_some(number)
    }

    fn begin(
        &mut self,
        number: usize,
        hand: &Hand<Look, Looked>,
        link: &mut Link<'_>,
    ) -> Result<u64> {
        let Live { lease, setting, .. } = *self.live;
        self.looked = Some(Instant::now());
        let (mut reader, session) = match self.tools(number, hand.stop(), link) {
            Err(error) if error.class() == Class::Temporary => {
                again(&error, setting);
                return Ok(0);
            }
            tools => tools?,
        };
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
            again(&error, setting);
            return Ok(drained.touches);
        }
        let part = self.part(number)?.clone();
        hand.give(Look { number, part, since, undecided, reader, session })?;
        Ok(drained.touches)
    }

    fn part(&self, number: usize) -> Result<&Part> {
        let part = self.parts.get(number).map(|(part, _)| part);
        part.ok_or_else(|| Error::internal("a look at no part"))
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
        let Live { plan, lease, setting, .. } = *self.live;
        let found = match looked.found {
            Ok(found) => found,
            // The server went away; it is looked at again, by a new session.
            Err(error) if error.class() == Class::Temporary => {
                again(&error, setting);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.tools = Some(looked.tools);
        let no_part = || Error::internal("a look at no part");
        let (part, proved) = self.parts.get_mut(looked.number).ok_or_else(no_part)?;
        let table = &plan.tables.get(part.table).ok_or_else(no_part)?.schema;
        let age = looked.since.elapsed();
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                found.note(part, table, age, lease, session)
            })
        })?;
        if !found.is_equal {
            return Err(different())
                .at(|| part.in_words())
                .at(|| format!("table {}", table.source));
        }
        *proved = Some(looked.since);
        Ok(())
    }
}

fn again(error: &Error, setting: Setting<'_>) {
    setting.progress.tell(Event::Note(format!("a part is compared again: {error}")));
}

fn different() -> Error {
    Error::new(Class::NotEqual, "the target is not what the source is")
        .todo("see which rows differ with `liteferry verify`; take the table anew with `liteferry run --anew TABLE`")
}

/// Compares a part; lets both states go.
pub(in crate::journey) fn look(
    (plan, migration): (&Plan, i32),
    look: Look,
    setting: Setting<'_>,
) -> Looked {
    let Look { number, part, since, undecided, mut reader, session } = look;
    // The screen shows what the tail does.
    let setting = Setting { progress: &Silent, ..setting };
    let comparing = Comparing { plan, migration, undecided: &undecided, lets_go: true, setting };
    let found = comparing.compare(&part, &mut reader, &session).and_then(|found| {
        session.batch("end reading", "COMMIT")?;
        Ok(found)
    });
    Looked { number, since, found, tools: (reader, session) }
}
