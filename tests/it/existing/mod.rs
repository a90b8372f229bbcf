//! Tables that the target has already: rows are fitted to them, and they come out as they went in.

mod aside;
mod domains;
mod fit;
mod refused;
mod resumed;

use crate::comparison::{Compared, Comparison};
use crate::environment::{Done, Environment};

/// A database on both sides.
fn prepared(source: &str, target: &str) -> Environment {
    let env = Environment::new();
    env.sqlite(source);
    env.query(target);
    env
}

/// The arguments of a command with a pipeline file that says this of the target and of tables.
fn arguments(env: &Environment, command: &str, settings: &str) -> Vec<String> {
    let file = env.path("pipeline.toml");
    let (target, tables) = settings.split_once('|').unwrap_or(("", settings));
    let text = format!(
        "name = 'file'\n[source]\npath = 'source.db'\n[snapshot]\nchunk_bytes = 4096\n[target]\nurl = '{}'\n{target}\n{tables}",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    let more: &[&str] = if command == "run" { &["--no-capture", "--workers", "2"] } else { &[] };
    let words = [&[command, "--json"], more, &[file.to_str().unwrap()]].concat();
    words.into_iter().map(Into::into).collect()
}

fn run(env: &Environment, settings: &str) -> Done {
    env.liteferry(&arguments(env, "run", settings))
}

fn plan(env: &Environment, settings: &str) -> Done {
    env.liteferry(&arguments(env, "plan", settings))
}

/// Compares the source with a view of the target: each line is a table of the source and what the target must give for
/// it.
#[track_caller]
fn assert_seen(env: &Environment, judge: Comparison, tables: &[(&str, &str)]) -> Compared {
    env.query("DROP SCHEMA IF EXISTS seen CASCADE; CREATE SCHEMA seen");
    for (table, query) in tables {
        env.query(&format!("CREATE TABLE seen.\"{table}\" AS {query}"));
    }
    judge.schema("seen").assert_equal(&env.source(), &env.connect())
}

/// Everything that the application made in its schemas, without the rows.
fn made(env: &Environment) -> Vec<String> {
    env.column(
        "SET search_path = pg_catalog;
         SELECT concat_ws(' ', 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'))
         FROM pg_constraint WHERE connamespace::regnamespace::text IN ('public', 'other')
         UNION ALL
         SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid, obj_description(indexrelid, 'pg_class'))
         FROM pg_index JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace::regnamespace::text IN ('public', 'other')
         UNION ALL
         SELECT concat_ws(' ', 'trigger', tgenabled, pg_get_triggerdef(pg_trigger.oid))
         FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
         WHERE relnamespace::regnamespace::text IN ('public', 'other') AND NOT tgisinternal
         UNION ALL
         SELECT concat_ws(' ', 'column', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
                          attidentity, attgenerated, pg_get_expr(adbin, adrelid))
         FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
         WHERE relnamespace::regnamespace::text IN ('public', 'other') AND relkind IN ('r', 'v', 'p') AND attnum > 0
         ORDER BY 1",
    )
}
