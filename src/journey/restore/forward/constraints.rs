//! What stands in the way of rows that come in any order: foreign keys, checks and triggers are put aside while rows are
//! applied, and put back by the plan's own steps in the same transaction.
//!
//! Whether all rows keep to them is looked at after the COMMIT, as after a load: rows that break one were so in the source.

use crate::error::Result;
use crate::journey::aside;
use crate::plan::{self, Plan, StepKind};
use crate::store::postgres::define;
use crate::store::postgres::ledger::{self, Lease};
use crate::store::postgres::session::Session;
use crate::store::postgres::write::Silence;
use std::collections::{BTreeMap, BTreeSet};

/// What was put aside.
pub(super) struct Constraints<'p> {
    again: Vec<&'p plan::Step>,
    silences: Vec<Silence>,
}

impl<'p> Constraints<'p> {
    /// Puts aside, in the caller's transaction, what is made on the tables of these names in the target.
    pub(super) fn put_aside(
        session: &Session,
        plan: &'p Plan,
        lease: Lease,
        tables: &BTreeSet<&str>,
    ) -> Result<Self> {
        let done = ledger::done_steps(session, lease.migration)?;
        let noted: BTreeMap<_, _> = done.iter().cloned().collect();
        let checks = plan.tables.iter().flat_map(|table| &table.steps);
        let checks = checks
            .filter(|step| step.kind == StepKind::Check && tables.contains(step.table.as_str()));
        let (mut again, mut forgotten) = (Vec::new(), Vec::new());
        for step in checks.chain(plan.foreign_keys_around(tables)) {
            match noted.get(&step.full_name()) {
                None => {}
                Some(None) => {
                    define::make(session, [plan.drop_constraint(step).as_str()])?;
                    forgotten.push(step.validation_name());
                    again.push(step);
                }
                // Left out because of the rows: it may be made of those that are there then.
                Some(Some(_)) => forgotten.extend(step.ledger_names()),
            }
        }
        ledger::forget_steps(session, lease, &forgotten)?;
        let silences = tables.iter().map(|table| aside::silence(plan, table, &done));
        let silences: Vec<_> = silences.collect();
        for silence in &silences {
            define::make(session, silence.before.iter().map(String::as_str))?;
        }
        Ok(Self { again, silences })
    }

    /// Puts all of it back; what the rows do not allow is left to be made after the COMMIT, as after a load.
    pub(super) fn put_back(self, session: &Session, lease: Lease) -> Result<()> {
        let mut left = Vec::new();
        for step in self.again {
            let made =
                define::if_allowed(session, |session| define::make(session, [step.sql.as_str()]))?;
            if made.is_none() {
                left.push(step.full_name());
            }
        }
        ledger::forget_steps(session, lease, &left)?;
        for silence in &self.silences {
            define::make(session, silence.after.iter().map(String::as_str))?;
        }
        Ok(())
    }
}
