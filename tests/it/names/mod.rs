//! Names: whatever a source calls its things, they arrive, under names that are kept, folded or replaced as said.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment};
use std::fs;

mod odd;
mod random;

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Makes the source and moves it with its names as they are.
#[track_caller]
fn moved(sql: &str) -> Environment {
    let env = Environment::new();
    env.sqlite(sql);
    env.run(&[]).expect(0);
    Comparison::new().assert_equal(&env.source(), &env.connect());
    env.verify().expect(0);
    env
}

/// A pipeline file of this test's ends with `said` in `[target]` and behind it.
fn pipeline(env: &Environment, said: &str) -> String {
    let file = env.path("pipeline.toml");
    let (source, url) = (env.source(), env.url());
    let text = format!("[source]\npath = {source:?}\n[target]\nurl = {url:?}\n{said}\n");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().into()
}

fn run(env: &Environment, pipeline: &str) -> Done {
    env.liteferry(&["run", "--no-capture", "--json", "--workers", "2", pipeline])
}

/// The relations of the target of one kind, in byte order.
fn relations(env: &Environment, kind: &str) -> Vec<String> {
    env.column(&format!(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = '{kind}'
         ORDER BY relname COLLATE \"C\""
    ))
}

/// The columns of a table of the target, in their order.
fn columns(env: &Environment, table: &str) -> Vec<String> {
    env.column(&format!(
        "SELECT column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
    ))
}

/// What the program created goes again, and nothing of it is left.
#[track_caller]
fn drops_everything(env: &Environment) {
    env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
    assert_eq!(
        env.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
        "0"
    );
}
