//! Vacuuming the tables that are followed, whose autovacuum is off: beside the tail, so that it waits for nothing.

use super::Live;
use crate::error::{Class, Result};
use crate::model::TableSchema;
use crate::pipeline::Event;
use crate::pipeline::hand::Hand;
use crate::store::postgres::autovacuum::{self, Haste};
use crate::store::postgres::link::Link;
use std::time::{Duration, Instant};

/// How often it is looked for tables that need it: as autovacuum does.
const EVERY: Duration = Duration::from_mins(1);

/// A table to be vacuumed, and the way to it.
#[derive(Debug)]
pub(in crate::journey) struct Job<'a> {
    table: TableSchema,
    link: Link<'a>,
}

/// Vacuums a table.
pub(in crate::journey) fn vacuum(job: Job<'_>) -> Result<()> {
    let Job { table, mut link } = job;
    link.with(|session| autovacuum::vacuum(session, &table, Haste::Slowly))
}

/// The tables that need it.
#[derive(Debug)]
pub(in crate::journey) struct Vacuuming<'a> {
    live: &'a Live<'a>,
    /// When it was looked for them last.
    looked: Option<Instant>,
    /// By their places in the plan.
    due: Vec<usize>,
}

impl<'a> Vacuuming<'a> {
    pub(in crate::journey) fn new(live: &'a Live<'a>) -> Self {
        Self { live, looked: None, due: Vec::new() }
    }

    /// Gives the hand the next table, where one needs it.
    ///
    /// # Errors
    ///
    /// What the server says, but for what keeps it from vacuuming: that is told, and tried again.
    pub(in crate::journey) fn turn<'l>(
        &mut self,
        hand: &Hand<Job<'l>, Result<()>>,
        link: &mut Link<'l>,
    ) -> Result<()> {
        if let Some(done) = hand.take()? {
            self.tell(done);
        }
        if !hand.is_free() {
            return Ok(());
        }
        if self.due.is_empty() {
            if self.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
                return Ok(());
            }
            self.look(link)?;
        }
        match self.next() {
            Some(table) => hand.give(Job { table: table.clone(), link: link.apart(hand.stop()) }),
            None => Ok(()),
        }
    }

    /// Vacuums what is left of what needed it, when there is nothing else to do, and waits for what the hand has of it.
    ///
    /// # Errors
    ///
    /// A stop.
    pub(in crate::journey) fn rest(
        &mut self,
        hand: &Hand<Job<'_>, Result<()>>,
        link: &mut Link<'_>,
    ) -> Result<()> {
        while let Some(table) = self.next() {
            self.live.setting.stop.check()?;
            self.tell(link.with(|session| autovacuum::vacuum(session, table, Haste::Quickly)));
        }
        if let Some(done) = hand.wait()? {
            self.tell(done);
        }
        Ok(())
    }

    fn look(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.looked = Some(Instant::now());
        let tables = || self.live.plan.tables.iter().map(|table| &table.schema);
        self.due = link.with(|session| autovacuum::due(session, tables()))?;
        Ok(())
    }

    fn next(&mut self) -> Option<&'a TableSchema> {
        let live = self.live;
        let table = &live.plan.tables.get(self.due.pop()?)?.schema;
        live.setting.progress.tell(Event::Step(format!("vacuum of {}", table.target)));
        Some(table)
    }

    fn tell(&self, done: Result<()>) {
        if let Err(error) = done
            && !matches!(error.class(), Class::Interrupted(_))
        {
            let words = format!("cannot be vacuumed, which is tried again: {error}");
            self.live.setting.progress.tell(Event::Warning(words));
        }
    }
}
