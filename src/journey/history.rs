//! What the ledger of a target knows: its migrations, how far each has come, and every run.

use super::lag::{Asked, Lag, lag};
use super::live;
use crate::config::Pipeline;
use crate::error::Result;
use crate::pipeline::{Progress, Stop};
use crate::plan::{Plan, PlannedTable};
use crate::status::{FOLLOWING, NOT_EQUAL};
use crate::store::postgres::conninfo::Conninfo;
use crate::store::postgres::ledger::{self, LoadedChunk, Run};
use crate::store::postgres::link::Link;
use crate::store::postgres::session::Session;

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
    /// Rows that are loaded, and all.
    pub rows: (u64, u64),
    /// Whether all rows are an estimate: the census was a sample, and not all of them are read yet.
    pub estimated: bool,
    /// The SQL that drops exactly what was created.
    pub drop_sql: String,
    /// How far its target is behind, where its source is followed and was asked for; in words why that cannot be told.
    pub lag: Option<Result<Lag, String>>,
}

impl Standing {
    /// Whether the last comparison found rows that differ.
    pub fn differs(&self) -> bool {
        self.phase == NOT_EQUAL
    }
}

/// Reads the ledger; a target without one has no migrations. Of the migration of this pipeline file, if it is followed,
/// the source is asked too.
///
/// # Errors
///
/// A target that cannot be read, or a ledger of another liteferry.
pub fn history(
    pipeline: &Pipeline,
    conninfo: &Conninfo,
    stop: &Stop,
    progress: &dyn Progress,
) -> Result<History> {
    let mut link = Link::open(conninfo, stop, progress)?;
    let (mut history, followed) = link.with(|session| read(session, pipeline))?;
    if let Some((place, asked)) = followed {
        let lag = lag(pipeline, &asked, &mut link, stop);
        if let (Some(standing), Some(lag)) =
            (history.migrations.get_mut(place), lag.map_err(|error| error.to_string()).transpose())
        {
            standing.lag = Some(lag);
        }
    }
    Ok(history)
}

/// The phases in which tables have their keys: before, asking for the highest one would read a table as a whole.
const KEYED: [&str; 3] = ["indexed", FOLLOWING, NOT_EQUAL];

/// What the ledger says, and which migration of it, by its place, is to be asked about more.
fn read(session: &Session, pipeline: &Pipeline) -> Result<(History, Option<(usize, Asked)>)> {
    let mut followed = None;
    if !ledger::exists(session)? {
        return Ok((History::default(), None));
    }
    let mut migrations = Vec::new();
    for migration in ledger::migrations(session)? {
        let plan = Plan::from_json(&migration.plan)?;
        let loaded = ledger::loaded_chunks(session, migration.id)?;
        let done = ledger::done_steps(session, migration.id)?;
        let all: Vec<_> = plan.tables.iter().map(|table| all_rows(table, &loaded)).collect();
        let asked_for =
            migration.name == pipeline.name() && migration.target_schema == pipeline.target.schema;
        if asked_for && plan.is_followed {
            let parts = live::Parts::of(&plan);
            let has_keys = KEYED.contains(&migration.phase.as_str());
            let growing = plan.growing().filter(|_| has_keys).cloned().collect();
            followed = Some((migrations.len(), Asked { migration: migration.id, parts, growing }));
        }
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
            chunks: (loaded.len(), plan.tables.iter().map(|table| table.schema.chunks.len()).sum()),
            steps: (made, plan.steps().filter(|step| !plan.waits(step)).count()),
            rows: (
                loaded.iter().map(|chunk| chunk.sum.rows).sum(),
                all.iter().map(|(rows, _)| rows).sum(),
            ),
            estimated: all.iter().any(|(_, estimated)| *estimated),
            drop_sql: migration.drop_sql,
            lag: None,
        });
    }
    Ok((History { migrations, runs: ledger::runs(session, RUNS_MAX)? }, followed))
}

/// The rows of a table, and whether that is an estimate: once every chunk of it is read it is not.
fn all_rows(table: &PlannedTable, loaded: &[LoadedChunk]) -> (u64, bool) {
    let schema = &table.schema;
    let chunks = || loaded.iter().filter(|chunk| chunk.table == schema.target);
    if table.sample.is_none() {
        (schema.rows, false)
    } else if chunks().count() == schema.chunks.len() {
        (chunks().map(|chunk| chunk.sum.rows + chunk.rejected).sum(), false)
    } else {
        (schema.rows, true)
    }
}
