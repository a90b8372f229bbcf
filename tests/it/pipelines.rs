//! The systems that liteferry knows: each file in `pipelines/` is run on a sample of its system.

use crate::comparison::Comparison;
use crate::environment::{Done, Environment};
use liteferry::sample::trading::{Sizes, Trading};
use liteferry::store::sqlite::fill::{Journal, fill};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A pipeline file with another target, beside a source that is made for it.
fn prepared(env: &Environment, file: &Path, rows: u64) -> (PathBuf, PathBuf, Table) {
    let mut pipeline: Table = fs::read_to_string(file).unwrap().parse().unwrap();
    let source = env.path(pipeline["source"]["path"].as_str().unwrap());
    match file.file_stem().unwrap().to_str().unwrap() {
        "gecko" => {
            fill(&source, &Trading::new(7, Sizes::for_rows(rows)), Journal::Wal, &mut |_| ())
                .unwrap();
        }
        other => panic!("the tests have no sample for pipelines/{other}.toml"),
    }
    pipeline["target"]["url"] = Value::String(env.url());
    let copy = env.path(file.file_name().unwrap().to_str().unwrap());
    fs::write(&copy, pipeline.to_string()).unwrap();
    (copy, source, pipeline)
}

/// The judge, told of the zones that the pipeline file gives its columns.
fn judge(pipeline: &Table) -> Comparison {
    let mut comparison = Comparison::new();
    let empty = Table::new();
    let tables = pipeline.get("tables").and_then(Value::as_table).unwrap_or(&empty);
    for (table, section) in tables {
        for (column, said) in section["columns"].as_table().unwrap() {
            if let Some(zone) = said.get("zone").and_then(Value::as_str) {
                comparison = comparison.zone(table, column, zone);
            }
        }
    }
    comparison
}

fn run(env: &Environment, pipeline: &Path) -> Done {
    env.liteferry(&["run", "--no-capture", "--json", "--workers", "2", pipeline.to_str().unwrap()])
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.collect()
}

fn moves_exactly(rows: u64) {
    let files = files();
    assert!(!files.is_empty());
    for file in files {
        let env = Environment::new();
        let (copy, source, pipeline) = prepared(&env, &file, rows);
        let done = run(&env, &copy).expect(0);
        assert_eq!(done.json()["phase"], "proved", "{done}");
        let compared = judge(&pipeline).assert_equal(&source, &env.connect());
        assert!(compared.rows as u64 > rows * 9 / 10, "{compared:?}");
        env.liteferry(&["verify", copy.to_str().unwrap()]).expect(0);
    }
}

#[test]
fn every_pipeline_moves_a_thousand_rows_exactly() {
    moves_exactly(1_000);
}

#[test]
fn every_pipeline_moves_twenty_thousand_rows_exactly() {
    moves_exactly(20_000);
}

#[test]
fn the_judge_is_not_content_with_another_zone() {
    let env = Environment::new();
    let (copy, source, pipeline) = prepared(&env, &files()[0], 1_000);
    run(&env, &copy).expect(0);
    let judge = judge(&pipeline).zone("ohlcv_data", "datetime", "UTC");
    assert!(judge.compare(&source, &env.connect()).is_err());
}

#[test]
fn a_candles_local_time_and_its_unix_time_are_one_instant_in_the_target() {
    let env = Environment::new();
    let (copy, ..) = prepared(&env, &files()[0], 1_000);
    run(&env, &copy).expect(0);
    let apart = "SELECT count(*) FILTER (WHERE extract(epoch FROM datetime) <> timestamp) || ' of ' || count(*)
                 FROM ohlcv_data";
    let told = env.value(apart);
    assert!(told.starts_with("0 of ") && told != "0 of 0", "{told}");
}
