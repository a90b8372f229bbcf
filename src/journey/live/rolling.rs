//! The proof that goes on beside the tail: one part after the other is compared in a state that the target was brought to,
//! by a hand of its own, while the tail applies what comes after that state. So each part was found equal not long ago,
//! however long a source is followed.

use super::Live;
use super::part::Part;
use super::pass::Keys;
use crate::error::{Class, Error, Place, Result};
use crate::journey::Setting;
use crate::journey::snapshot;
use crate::journey::undecided::Undecided;
use crate::pipeline::Event;
use crate::pipeline::hand::Hand;
use crate::plan::Plan;
use crate::proof::Summing;
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
    undecided: Undecided,
    reader: Reader,
    session: Session,
}

/// What a look came to.
#[derive(Debug)]
pub(in crate::journey) struct Looked {
    number: usize,
    found: Result<Found>,
    tools: (Reader, Session),
}

#[derive(Debug)]
struct Found {
    is_equal: bool,
    groups: Vec<u8>,
    rejected: u64,
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
        let parts = Part::all(live.plan).into_iter().map(|part| (proved(&part), part));
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
        let Live { inspected, lease, .. } = *self.live;
        self.looked = Some(Instant::now());
        let (mut reader, session) = if let Some(tools) = self.tools.take() {
            tools
        } else {
            let stop = hand.stop();
            let connection = inspected.source.connect_under(stop)?;
            (Reader::of_moving(connection), link.apart(stop).connect()?)
        };
        let undecided = Undecided::find(link, lease.migration)?;
        reader.hold()?;
        let drained = self.live.drain(&reader, &Keys::Made, link)?;
        // Nothing else is applied before the target's state is taken.
        read::begin_snapshot(&session)?;
        let (part, _) =
            self.parts.get(number).ok_or_else(|| Error::internal("a look at no part"))?;
        hand.give(Look { number, part: part.clone(), undecided, reader, session })?;
        Ok(drained.touches)
    }

    fn note(&mut self, looked: Looked, link: &mut Link<'_>) -> Result<()> {
        let Live { plan, lease, setting, .. } = *self.live;
        let found = match looked.found {
            Ok(found) => found,
            // The server went away; it is looked at again, by a new session.
            Err(error) if error.class() == Class::Temporary => {
                setting.progress.tell(Event::Note(format!("a part is compared again: {error}")));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.tools = Some(looked.tools);
        let no_part = || Error::internal("a look at no part");
        let (part, proved) = self.parts.get_mut(looked.number).ok_or_else(no_part)?;
        let table = &plan.tables.get(part.table).ok_or_else(no_part)?.schema;
        if !found.is_equal {
            return Err(different())
                .at(|| part.in_words())
                .at(|| format!("table {}", table.source));
        }
        *proved = Some(Instant::now());
        link.with(|session| {
            session.transaction(|session| {
                ledger::guard(session, lease)?;
                let part = (table.target.as_str(), part.number);
                ledger::note_proved(session, lease, part, &found.groups, found.rejected)
            })
        })
    }
}

fn different() -> Error {
    Error::new(Class::NotEqual, "the target is not what the source is")
        .todo("see which rows differ with `liteferry verify`; take the table anew with `liteferry run --anew TABLE`")
}

/// Compares a part; lets both states go.
pub(in crate::journey) fn look(plan: &Plan, look: Look, setting: Setting<'_>) -> Looked {
    let Look { number, part, undecided, mut reader, session } = look;
    let found = compare(plan, &part, &undecided, (&mut reader, &session), setting);
    Looked { number, found, tools: (reader, session) }
}

fn compare(
    plan: &Plan,
    part: &Part,
    undecided: &Undecided,
    (reader, session): (&mut Reader, &Session),
    setting: Setting<'_>,
) -> Result<Found> {
    let table = snapshot::table_of(plan, part.table)?;
    let (mut source, mut rejected) = (Summing::new(table), 0);
    for chunk in &part.chunks {
        let as_loaded = undecided.table(table, chunk.number);
        rejected += snapshot::read_source(reader, &as_loaded, chunk, &mut source, setting)?;
    }
    // The source is not kept waiting for the target.
    reader.let_go()?;
    let source = source.finish()?;
    let mut target = Summing::new(table);
    read::read_portion(session, table, part.portion(table), &mut target)?;
    session.batch("end reading", "COMMIT")?;
    let target = target.finish()?;
    Ok(Found {
        is_equal: part.is_equal(table, &source, &target),
        groups: source.bytes_of(part.groups(table)),
        rejected,
    })
}
