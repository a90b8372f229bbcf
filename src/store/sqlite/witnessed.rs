//! The census of a column's times beside those of another column of their rows.

use super::cell::{Clock, Verdict, WitnessReader};
use super::wide::Seen;
use crate::error::{Error, Result};
use crate::model::{Probe, SourceTable, TableEvidence, Telling, Witness};
use rusqlite::types::ValueRef;

/// Two columns that must tell the same instants.
pub(super) struct Witnessed {
    position: usize,
    beside: usize,
    clock: Clock,
    witness: WitnessReader,
}

impl Witnessed {
    /// Those of a table that the probes ask for.
    pub(super) fn all(table: &SourceTable, probes: &[Probe]) -> Result<Vec<Self>> {
        let asked = probes.iter().enumerate().filter_map(|(position, probe)| {
            let (telling, witness) = probe.witness.as_ref()?;
            Some(Self::new(table, position, telling, witness))
        });
        asked.collect()
    }

    fn new(
        table: &SourceTable,
        position: usize,
        telling: &Telling,
        witness: &Witness,
    ) -> Result<Self> {
        let beside = table.columns.iter().position(|column| column.name == witness.column);
        let beside = beside.ok_or_else(|| {
            Error::internal(format!("a column is checked against {:?}", witness.column))
        })?;
        let (clock, witness) = (Clock::of_instants(telling)?, WitnessReader::new(witness)?);
        Ok(Self { position, beside, clock, witness })
    }

    /// Counts a row; cells that tell no time by themselves are counted elsewhere.
    pub(super) fn look_at(
        &mut self,
        evidence: &mut TableEvidence,
        row: &Seen<'_>,
    ) -> rusqlite::Result<()> {
        let (cell, beside) = (row.cell(self.position)?, row.cell(self.beside)?);
        let Some(column) = evidence.columns.get_mut(self.position) else { return Ok(()) };
        if cell == ValueRef::Null {
            return Ok(());
        }
        let Ok(told) = self.clock.tell(cell) else { return Ok(()) };
        match self.witness.judge(told, beside) {
            Verdict::Stands(_) => {}
            Verdict::Decided(_) => column.witness.decided += 1,
            Verdict::Open(_) => column.witness.open += 1,
            Verdict::Differs => column.witness.differ += 1,
        }
        Ok(())
    }
}
