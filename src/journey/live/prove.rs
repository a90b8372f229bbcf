//! The proof while the source moves: a state is held, the target is brought to it, a part of both is compared, and the
//! state is let go. So no state is held for longer than a part takes, however large the source is.

use super::Live;
use super::pass::Keys;
use crate::error::{Error, Result};
use crate::journey::prove::{self, Job};
use crate::journey::undecided::Undecided;
use crate::journey::{reject, verify};
use crate::model::{Chunk, Partition, RowRange};
use crate::pipeline::Event;
use crate::pipeline::failpoint::{Step, reach};
use crate::pipeline::progress::Phase;
use crate::proof::{GroupSums, TableProof};
use crate::status::{Differences, Heads, Report, TableReport};
use crate::store::postgres::link::Link;
use crate::store::postgres::read::Portion;
use crate::store::postgres::session::Session;
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::state::Door;

/// Bytes of the source that are compared in one state, about: a few seconds. What cannot be divided is compared as a whole.
const PART_BYTES: u64 = 512 * 1024 * 1024;

impl Live<'_> {
    /// Compares every row of the source with the target.
    ///
    /// # Errors
    ///
    /// Stores that cannot be read, deltas that cannot be applied. Differences are in the report.
    pub(in crate::journey) fn prove(&self, link: &mut Link<'_>) -> Result<Report> {
        let Self { inspected, plan, lease, setting, .. } = *self;
        setting.progress.tell(Event::Phase(Phase::Proof));
        prove::expect(plan, &self.loaded(link)?, 2, setting);
        reach(Step::ProofBegun);
        let undecided = Undecided::find(link, lease.migration)?;
        let door = Door::new(&inspected.source)?;
        let mut readers = inspected.moving_readers(setting.workers)?;
        let none = || plan.tables.iter().map(|table| GroupSums::new(&table.schema)).collect();
        let (mut source, mut target): (Vec<_>, Vec<_>) = (none(), none());
        let mut rejected = vec![0; plan.tables.len()];
        let mut heads = None;
        for part in self.parts() {
            heads = Some(self.come_to(&door, &mut readers, link)?);
            let (sums, rows) =
                verify::sums_of_source(plan, &undecided, &part, &mut readers, setting)?;
            let read =
                prove::sums_of_portions(plan, link, setting, |session| self.jobs(&part, session))?;
            readers.iter_mut().try_for_each(Reader::let_go)?;
            source.iter_mut().zip(&sums).for_each(|(all, some)| all.merge(some));
            target.iter_mut().zip(&read).for_each(|(all, some)| all.merge(some));
            rejected.iter_mut().zip(rows).for_each(|(all, some)| *all += some);
        }
        let proofs = verify::compare_all(plan, &source, &target);
        let equal = proofs.iter().all(TableProof::equal);
        let differences = if equal {
            Vec::new()
        } else {
            self.come_to(&door, &mut readers, link)?;
            self.differences(&undecided, &proofs, &mut readers, link)?
        };
        let tables = proofs.iter().zip(rejected);
        Ok(Report {
            phase: if equal { "following" } else { "not equal" }.into(),
            tables: tables.map(|(proof, rows)| TableReport::proved(proof, rows)).collect(),
            differences,
            misfits: reject::misfits(plan, link, lease.migration)?,
            losses: verify::losses(plan),
            position: heads,
            ..Report::default()
        })
    }

    /// Lets the readers hold the state that there is now, and brings the target to it.
    fn come_to(&self, door: &Door, readers: &mut [Reader], link: &mut Link<'_>) -> Result<Heads> {
        door.let_in(readers.iter_mut())?;
        let first = readers.first().ok_or_else(|| Error::internal("a proof without a reader"))?;
        let head = self.drain(first, &Keys::Made, link)?.head;
        Ok(Heads { source: head, applied: head })
    }

    fn differences(
        &self,
        undecided: &Undecided,
        proofs: &[TableProof],
        readers: &mut [Reader],
        link: &mut Link<'_>,
    ) -> Result<Vec<Differences>> {
        verify::narrow_all(self.plan, undecided, proofs, readers, link, self.setting)
    }

    /// The chunks, in parts of one state each. The rows of a table that is not divided in the target as it is in the
    /// source stay together.
    fn parts(&self) -> Vec<Vec<Chunk>> {
        let mut parts: Vec<Vec<Chunk>> = vec![Vec::new()];
        let mut filled = 0;
        for (number, table) in self.plan.tables.iter().enumerate() {
            let schema = &table.schema;
            let divided = matches!(schema.partition, Partition::Chunks { .. });
            let chunks = verify::chunks_of(self.plan, |of, _| of == number);
            let count = u64::try_from(chunks.len()).unwrap_or(u64::MAX).max(1);
            let units: Vec<_> =
                if divided { chunks.chunks(1).collect() } else { vec![chunks.as_slice()] };
            let unit_bytes = if divided { schema.bytes / count } else { schema.bytes };
            for unit in units {
                if filled > 0 && filled + unit_bytes > PART_BYTES {
                    parts.push(Vec::new());
                    filled = 0;
                }
                filled += unit_bytes;
                parts.last_mut().into_iter().for_each(|part| part.extend_from_slice(unit));
            }
        }
        parts
    }

    /// What of the target belongs to chunks of the source: all of a table where all of its chunks are there.
    fn jobs(&self, part: &[Chunk], session: &Session) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for (number, table) in self.plan.tables.iter().enumerate() {
            let chunks: Vec<_> = part.iter().filter(|chunk| chunk.table == number).collect();
            match table.schema.partition {
                _ if chunks.is_empty() => {}
                Partition::Chunks { key } if chunks.len() < table.schema.chunks.len() => {
                    let portion = |chunk: &&Chunk| match chunk.range {
                        RowRange::Rowids { first, last } => {
                            Portion::Rowids { column: key, first, last }
                        }
                        RowRange::All => Portion::All,
                    };
                    let portions = chunks.iter().map(portion);
                    jobs.extend(portions.map(|portion| Job { table: number, portion }));
                }
                _ => jobs.extend(prove::jobs(self.plan, session, &|of| of == number)?),
            }
        }
        Ok(jobs)
    }
}
