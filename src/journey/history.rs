//! What the ledger of a target knows: its migrations, how far each has come, and every run.

use crate::error::Result;
use crate::pipeline::{Progress, Stop};
use crate::plan::Plan;
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger::{self, Run};
use crate::store::postgres::link::Link;

/// Runs that are listed, the newest first.
const RUNS_MAX: i64 = 1000;

/// Everything the ledger knows.
#[derive(Debug, Default)]
pub struct History {
    /// Migrations, oldest first.
    pub migrations: Vec<Standing>,
    /// Runs, newest first.
    pub runs: Vec<Run>,
}

/// How far a migration has come.
#[derive(Debug)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The schema it writes to.
    pub target_schema: String,
    /// Its source.
    pub source_path: String,
    /// How far it has come.
    pub phase: String,
    /// The plan's hash.
    pub plan_hash: String,
    /// Chunks that are loaded, and all of them.
    pub chunks: (usize, usize),
    /// Steps that are done, and all of them.
    pub steps: (usize, usize),
    /// Rows that are loaded, and all that the census saw.
    pub rows: (u64, u64),
    /// The SQL that drops exactly what was created.
    pub drop_sql: String,
}

/// Reads the ledger; a target without one has no migrations.
///
/// # Errors
///
/// A target that cannot be read, or a ledger of another liteferry.
pub fn history(conninfo: &Conninfo, stop: &Stop, progress: &dyn Progress) -> Result<History> {
    let mut link = Link::open(conninfo, stop, progress)?;
    link.with(|session| {
        if !ledger::exists(session)? {
            return Ok(History::default());
        }
        let mut migrations = Vec::new();
        for migration in ledger::migrations(session)? {
            let plan = Plan::from_json(&migration.plan)?;
            let loaded = ledger::loaded_chunks(session, migration.id)?;
            let done = ledger::done_steps(session, migration.id)?;
            let made = plan
                .steps()
                .filter(|step| done.iter().any(|(name, _)| *name == step.full_name()))
                .count();
            migrations.push(Standing {
                name: migration.name,
                target_schema: migration.target_schema,
                source_path: migration.source_path,
                phase: migration.phase,
                plan_hash: migration.plan_hash,
                chunks: (
                    loaded.len(),
                    plan.tables.iter().map(|table| table.schema.chunks.len()).sum(),
                ),
                steps: (made, plan.steps().count()),
                rows: (
                    loaded.iter().map(|chunk| chunk.sum.rows).sum(),
                    plan.tables.iter().map(|table| table.schema.rows).sum(),
                ),
                drop_sql: migration.drop_sql,
            });
        }
        Ok(History { migrations, runs: ledger::runs(session, RUNS_MAX)? })
    })
}
