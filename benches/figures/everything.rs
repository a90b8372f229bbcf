//! Everything, from nothing to a target that can be used, beside pgloader: liteferry with its census and its proof.

use crate::Arguments;
use crate::pgloader::Pgloader;
use crate::stage::Stage;
use crate::table::{Figure, Limit, Rounds, print};
use anyhow::Result;

const COLUMNS: [&str; 8] = [
    "liteferry s",
    "pgloader s",
    "census s",
    "copy s",
    "index s",
    "proof s",
    "liteferry, processor s",
    "pgloader, processor s",
];

/// Whole runs; pgloader, which takes minutes, fewer times.
pub(crate) fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Figure>> {
    let times = if arguments.no_peers { 0 } else { arguments.pgloader };
    let pgloader = if times > 0 { Some(Pgloader::fetch()?) } else { None };
    let source = stage.sample()?;
    let ferry = arguments.ferry(stage, source);
    let title = format!("Everything: {} rows; pgloader {times} times", source.rows());
    let mut rounds = Rounds::new(&title, &COLUMNS);
    let (mut ours, mut theirs) = (String::new(), String::new());
    for round in 0..arguments.rounds.max(times) {
        let ferried = ferry.run("everything", None)?;
        ours = made(stage, "everything")?;
        stage.drop_database("everything")?;
        let mut other = (f64::NAN, f64::NAN);
        if let Some(pgloader) = pgloader.as_ref().filter(|_| round < times) {
            let whole = pgloader.run(stage, source, "pgloader")?;
            other = (whole.seconds, whole.processor());
            theirs = made(stage, "pgloader")?;
            stage.drop_database("pgloader")?;
        }
        rounds.add(&[
            ferried.whole.seconds,
            other.0,
            ferried.seconds("census")?,
            ferried.seconds("snapshot")?,
            ferried.seconds("index")?,
            ferried.seconds("proof")?,
            ferried.whole.processor(),
            other.1,
        ]);
    }
    rounds.close();
    print(&format!("\nliteferry made {ours}"));
    if times == 0 {
        return Ok(Vec::new());
    }
    print(&format!("pgloader made  {theirs}"));
    let ratio = rounds.ratio("liteferry s", "pgloader s");
    Ok(vec![Figure::new("everything / pgloader", Limit::AtMost(0.3), ratio)])
}

/// What is in a database besides rows.
fn made(stage: &Stage, database: &str) -> Result<String> {
    let said = stage.psql(database, &[MADE_SQL])?;
    Ok(said.trim().to_owned())
}

const MADE_SQL: &str = "
    WITH ours AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    columns AS (SELECT a.* FROM pg_attribute a JOIN ours o ON o.oid = attrelid WHERE relkind = 'r' AND attnum > 0)
    SELECT format('%s tables, %s indexes (%s with DESC), %s unique or primary keys, %s foreign keys, %s sequences, %s columns NOT NULL, %s real, %s double precision',
        (SELECT count(*) FROM ours WHERE relkind = 'r'),
        (SELECT count(*) FROM ours WHERE relkind = 'i'),
        (SELECT count(*) FROM pg_index JOIN ours o ON o.oid = indexrelid WHERE pg_get_indexdef(indexrelid) LIKE '% DESC%'),
        (SELECT count(*) FROM pg_constraint JOIN ours o ON o.oid = conrelid WHERE contype IN ('p', 'u')),
        (SELECT count(*) FROM pg_constraint JOIN ours o ON o.oid = conrelid WHERE contype = 'f'),
        (SELECT count(*) FROM ours WHERE relkind = 'S'),
        (SELECT count(*) FROM columns WHERE attnotnull),
        (SELECT count(*) FROM columns WHERE atttypid = 'real'::regtype),
        (SELECT count(*) FROM columns WHERE atttypid = 'double precision'::regtype))";
