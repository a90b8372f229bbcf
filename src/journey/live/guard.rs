//! The guard: nobody else writes to the target's tables while they are filled and followed.

use super::Live;
use crate::error::Result;
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::store::postgres::link::Link;
use crate::store::postgres::{define, guard};

/// The ledger's step.
pub(super) const STEP: &str = "guard";

impl Live<'_> {
    /// Puts all tables under the guard; tells where it was there and somebody has taken it off.
    ///
    /// # Errors
    ///
    /// A table that another migration fills; what the server says.
    pub(in crate::journey) fn guard(&self, link: &mut Link<'_>) -> Result<()> {
        let tables = || self.plan.tables.iter().map(|table| &table.schema);
        link.with(|session| {
            let first = define::once(session, self.lease, STEP, |session| {
                guard::raise(session, self.lease, tables())?;
                reach(Step::GuardRaised);
                Ok(())
            })?;
            if first {
                return Ok(());
            }
            for table in tables() {
                if !guard::is_guarded(session, self.lease.migration, table)? {
                    self.setting.progress.tell(Event::Warning(format!(
                        "somebody took the guard off the target's table {}, and may have written to it: `liteferry verify` \
                         tells",
                        table.target
                    )));
                    session.transaction(|session| guard::raise(session, self.lease, [table]))?;
                }
            }
            Ok(())
        })
    }
}
