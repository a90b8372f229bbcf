//! What is saved of a damaged source where that is accepted: exactly the rows that can be read, and the rest by name.

use super::damage::{
    Page, ROWS, break_pages, declare, edit, is_refused, is_refused_with, pages, says_in_one_line,
};
use crate::comparison::{Compared, Comparison};
use crate::environment::{Done, Environment};
use rusqlite::Connection;
use std::fs;

const ACCEPT: &[&str] = &["--accept-corrupt"];

fn with_rows() -> Environment {
    let env = Environment::new();
    env.sqlite(ROWS);
    env
}

/// What the report says of unreadable rows: table, and from and to.
fn unreadable(done: &Done) -> Vec<(String, Option<(i64, i64)>)> {
    let listed = done.json()["unreadable"].as_array().unwrap_or_else(|| panic!("{done}"));
    let ends = |entry: &serde_json::Value| {
        let rowids = entry["rowids"].as_array()?;
        Some((rowids[0].as_i64()?, rowids[1].as_i64()?))
    };
    listed.iter().map(|entry| (entry["table"].as_str().unwrap().into(), ends(entry))).collect()
}

/// The ids of a table in the target, each with the value that it was given.
#[track_caller]
fn ids(env: &Environment, table: &str) -> Vec<i64> {
    let rows = env.query(&format!("SELECT id, v, n FROM {table} ORDER BY id"));
    rows.iter()
        .map(|row| {
            let id: i64 = row[0].as_ref().unwrap().parse().unwrap();
            assert_eq!(row[1].as_deref(), Some(format!("the value of row {id}").as_str()));
            assert_eq!(row[2].as_deref(), Some((-id).to_string().as_str()));
            id
        })
        .collect()
}

/// All ids from 1 to 1000 but those of some pages.
fn all_but(broken: &[Page]) -> Vec<i64> {
    (1..=1000).filter(|id| broken.iter().all(|page| *id < page.first || *id > page.last)).collect()
}

/// Breaks leaves of table `one`, and moves what is left.
#[track_caller]
fn breaks(which: impl Fn(usize) -> Vec<usize>) {
    let env = with_rows();
    let leaves = pages(&env, "one", "leaf");
    let broken: Vec<Page> = which(leaves.len()).into_iter().map(|at| leaves[at]).collect();
    break_pages(&env, &broken);
    is_refused(&env, 65, &["is damaged"]);
    let done = env.run(ACCEPT);
    says_in_one_line(&done, 65, &["not all of one"]);
    assert_eq!(ids(&env, "one"), all_but(&broken), "{done}");
    assert_eq!(ids(&env, "two"), all_but(&[]));
    let named = unreadable(&done);
    assert!(named.iter().all(|(table, _)| table == "one"), "{named:?}");
    let is_named = |id: i64| {
        named.iter().any(|(_, rowids)| rowids.is_some_and(|(a, b)| (a..=b).contains(&id)))
    };
    for id in 1..=1000 {
        assert_eq!(
            is_named(id),
            broken.iter().any(|page| (page.first..=page.last).contains(&id)),
            "{id} in {named:?}"
        );
    }
    assert_eq!(done.json()["tables"].as_array().unwrap().len(), 2);
    assert!(done.json()["tables"].as_array().unwrap().iter().all(|table| table["equal"] == true));
    // The same command goes on, and a verification says the same.
    says_in_one_line(&env.run(ACCEPT), 65, &["not all of one"]);
    let verified = env.liteferry(&env.ends("verify", ACCEPT));
    says_in_one_line(&verified, 65, &["not all of one"]);
    assert_eq!(unreadable(&verified), named);
}

#[test]
fn a_broken_page_costs_its_own_rows() {
    breaks(|leaves| vec![leaves / 2]);
}

#[test]
fn a_broken_first_page_costs_its_own_rows() {
    breaks(|_| vec![0]);
}

#[test]
fn a_broken_last_page_costs_its_own_rows() {
    breaks(|leaves| vec![leaves - 1]);
}

#[test]
fn rows_between_broken_pages_are_saved() {
    breaks(|leaves| vec![0, 2, 3, 5, leaves / 2, leaves - 3, leaves - 1]);
}

#[test]
fn every_other_page_is_saved() {
    breaks(|leaves| (0..leaves).step_by(2).collect());
}

#[test]
fn a_damaged_source_is_looked_at_as_a_whole_also_where_a_sample_was_asked_for() {
    let env = Environment::new();
    env.sqlite(
        "PRAGMA page_size = 1024; CREATE TABLE one (id INTEGER PRIMARY KEY, v TEXT, n INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
             INSERT INTO one SELECT i, 'the value of row ' || i, -i FROM n;",
    );
    let leaves = pages(&env, "one", "leaf");
    let broken = leaves[leaves.len() - 9];
    break_pages(&env, &[broken]);
    is_refused_with(&env, &["--census", "sample"], 65, &["is damaged"]);
    let done = env.run(&["--accept-corrupt", "--census", "sample"]).expect(65);
    assert_eq!(unreadable(&done), [("one".to_owned(), Some((broken.first, broken.last)))]);
    let whole = (1..=40_000).filter(|id| !(broken.first..=broken.last).contains(id));
    assert!(ids(&env, "one").into_iter().eq(whole), "{done}");
    assert!(!done.says("the census was a sample"), "{done}");
}

#[test]
fn rows_far_apart_are_saved_too() {
    let env = Environment::new();
    env.sqlite(
        "PRAGMA page_size = 1024; CREATE TABLE one (id INTEGER PRIMARY KEY, v TEXT, n INTEGER);
         WITH RECURSIVE n(i) AS (SELECT -300 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             INSERT INTO one SELECT i * 30000000000000007, 'the value of row ' || (i * 30000000000000007), -i * 30000000000000007 FROM n;",
    );
    let leaves = pages(&env, "one", "leaf");
    let broken = [leaves[1], leaves[5], leaves[6], leaves[leaves.len() - 1]];
    break_pages(&env, &broken);
    let done = env.run(ACCEPT).expect(65);
    let expected: Vec<i64> = (1..=601)
        .filter(|row| broken.iter().all(|page| *row < page.first || *row > page.last))
        .map(|row| (row - 301) * 30_000_000_000_000_007)
        .collect();
    assert_eq!(ids(&env, "one"), expected, "{done}");
}

#[test]
fn a_value_that_is_broken_costs_its_row() {
    let env = with_rows();
    env.sqlite("CREATE TABLE long (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO long SELECT id, hex(zeroblob(3000 + id)) FROM one WHERE id < 10");
    // The order is that of the rows, five pages or more each.
    let overflow = pages(&env, "long", "overflow");
    let broken = overflow[overflow.len() / 2];
    edit(&env, |file| broken.slice_mut(file)[..4].copy_from_slice(&[0xff; 4]));
    let done = env.run(ACCEPT).expect(65);
    let lost = unreadable(&done);
    let [(table, Some((first, last)))] = lost.as_slice() else { panic!("{lost:?}") };
    assert_eq!((table.as_str(), first), ("long", last));
    let kept: Vec<_> = (1..10).filter(|id| id != first).map(|id| id.to_string()).collect();
    assert_eq!(env.column("SELECT id FROM long ORDER BY id"), kept);
    assert_eq!(env.value("SELECT count(*) FROM long WHERE length(v) = 2 * (3000 + id)"), "8");
    assert_eq!(ids(&env, "one"), all_but(&[]));
}

#[test]
fn a_table_whose_root_is_broken_is_named_and_left_out() {
    let env = with_rows();
    env.sqlite("CREATE TABLE child (id INTEGER PRIMARY KEY, of INTEGER REFERENCES one (id)); INSERT INTO child SELECT id, id FROM two");
    break_pages(&env, &pages(&env, "one", "internal"));
    is_refused(&env, 65, &["is damaged"]);
    let done = env.run(ACCEPT);
    says_in_one_line(&done, 65, &["not all of one"]);
    assert_eq!(unreadable(&done), [("one".into(), None)]);
    assert_eq!(ids(&env, "two"), all_but(&[]));
    assert_eq!(env.value("SELECT count(*) FROM child"), "1000");
    assert_eq!(env.value("SELECT count(*) FROM pg_class WHERE relname = 'one'"), "0");
}

#[test]
fn a_broken_index_costs_no_row_and_is_told() {
    let env = with_rows();
    break_pages(&env, &pages(&env, "one_n", "leaf")[2..4]);
    let done = env.run(ACCEPT);
    says_in_one_line(&done, 65, &["is damaged, though every row that it shows could be read"]);
    assert!(!done.json()["damage"].as_array().unwrap().is_empty());
    assert_eq!(ids(&env, "one"), all_but(&[]));
    assert_eq!(env.value("SELECT count(*) FROM pg_index WHERE indrelid = 'one'::regclass"), "3");
}

#[test]
fn a_key_that_the_damage_has_broken_is_left_out_and_told() {
    let env = with_rows();
    let bytes = |text: &str| text.as_bytes().to_vec();
    edit(&env, |file| {
        let (from, to) = (bytes("the value of row 700"), bytes("the value of row 701"));
        let places: Vec<_> =
            (0..file.len() - from.len()).filter(|&at| file[at..].starts_with(&from)).collect();
        // Twice in each table: in its rows, and in its index.
        assert_eq!(places.len(), 4);
        places.into_iter().for_each(|at| file[at..at + to.len()].copy_from_slice(&to));
    });
    is_refused(&env, 65, &["is damaged"]);
    let done = env.run(ACCEPT).expect(65);
    done.saying(&[
        "unique key one_v_key is left out: in the damaged source two rows have one key: Key (v)=(the value of row 701) is duplicated.",
        "Make it when you have repaired them: ALTER TABLE \"public\".\"one\" ADD CONSTRAINT \"one_v_key\" UNIQUE (\"v\")",
    ]);
    assert_eq!(env.value("SELECT count(*) FROM one"), "1000");
    assert_eq!(env.value("SELECT count(*) FROM one WHERE v = 'the value of row 701'"), "2");
}

#[test]
fn a_key_that_conversion_would_break_beside_damage_becomes_text_and_a_broken_one_does_not() {
    let env = with_rows();
    let times = |table: &str, from: i64| {
        format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY, at DATETIME UNIQUE);
             INSERT INTO {table} SELECT id, strftime(CASE id % 2 WHEN 0 THEN '%Y-%m-%d %H:%M:%S' ELSE '%Y-%m-%dT%H:%M:%S' END,
                                                    {from} + id * 60, 'unixepoch') FROM one;"
        )
    };
    env.sqlite(&format!(
        "{} {} UPDATE merging SET at = '2025-01-01T00:02:00' WHERE id = 1;",
        times("merging", 1_735_689_600),
        times("broken", 1_767_225_600)
    ));
    edit(&env, |file| {
        // The rows 2 and 4 of each table, and their index entries.
        for (from, to) in [
            ("2025-01-01 00:08:00", "2025-01-01 00:10:00"),
            ("2026-01-01 00:08:00", "2026-01-01 00:10:00"),
        ] {
            let places: Vec<_> = (0..file.len() - from.len())
                .filter(|&at| file[at..].starts_with(from.as_bytes()))
                .collect();
            assert_eq!(places.len(), 2, "{from}");
            places
                .into_iter()
                .for_each(|at| file[at..at + to.len()].copy_from_slice(to.as_bytes()));
        }
    });
    is_refused(&env, 65, &["is damaged"]);
    let done = env.run(ACCEPT).expect(65).saying(&[
        "table merging: column at: declared DATETIME, becomes text: another type would make one key of \
         ('2025-01-01T00:02:00') and ('2025-01-01 00:02:00')",
        "merging_at_key is left out",
        "broken_at_key is left out: in the damaged source two rows have one key: Key (at)=(2026-01-01 00:10:00) is duplicated.",
    ]);
    let types = "SELECT string_agg(data_type, ', ' ORDER BY table_name) FROM information_schema.columns WHERE column_name = 'at'
                 AND table_schema = 'public'";
    assert_eq!(env.value(types), "timestamp without time zone, text", "{done}");
}

#[test]
fn a_broken_table_without_rowids_is_left_out_and_the_others_are_saved() {
    let env = with_rows();
    env.sqlite("CREATE TABLE keyed (k TEXT PRIMARY KEY, n) WITHOUT ROWID; INSERT INTO keyed SELECT v, n FROM one");
    break_pages(&env, &pages(&env, "keyed", "leaf")[1..2]);
    let done = env.run(ACCEPT).expect(65);
    assert_eq!(unreadable(&done), [("keyed".into(), None)]);
    assert_eq!(ids(&env, "one"), all_but(&[]));
}

#[test]
fn a_truncated_file_gives_what_it_still_has() {
    let env = with_rows();
    let leaves = pages(&env, "one", "leaf");
    let (kept, cut) = leaves.split_at(leaves.len() / 2);
    let bytes = cut.iter().map(Page::offset).min().unwrap();
    // Leaves are in the order of the file, or this test means nothing.
    assert!(kept.iter().all(|page| page.offset() < bytes));
    edit(&env, |file| file.truncate(bytes));
    is_refused(&env, 65, &["is damaged"]);
    let done = env.run(ACCEPT).expect(65);
    assert_eq!(ids(&env, "one"), (1..=kept[kept.len() - 1].last).collect::<Vec<_>>(), "{done}");
    assert!(unreadable(&done).iter().any(|(table, _)| table == "two"), "{done}");
}

#[test]
fn a_malformed_declaration_costs_its_table() {
    let env = with_rows();
    declare(&env, "two", "CREATE TABLE two (id INTEGER PRIMARY KEY, v TEXT UNIQUE, n INTEGER");
    is_refused(&env, 65, &["is damaged"]);
    let done = env.run(ACCEPT);
    says_in_one_line(&done, 65, &["not all of two"]);
    assert!(done.says("malformed database schema (two)"), "{done}");
    assert_eq!(unreadable(&done), [("two".into(), None)]);
    assert_eq!(ids(&env, "one"), all_but(&[]));
}

#[test]
fn damage_can_be_accepted_in_the_pipeline_file() {
    let env = with_rows();
    let page = pages(&env, "one", "leaf")[3];
    break_pages(&env, &[page]);
    let file = env.path("pipeline.toml");
    let write = |accept: &str| {
        let url = env.url();
        fs::write(
            &file,
            format!("[source]\npath = 'source.db'\n{accept}\n[target]\nurl = '{url}'\n"),
        )
        .unwrap();
        env.liteferry(&["run", "--no-capture", "--json", file.to_str().unwrap()])
    };
    says_in_one_line(&write(""), 65, &["is damaged"]);
    says_in_one_line(&write("accept_corrupt = true"), 65, &["not all of one"]);
    assert_eq!(ids(&env, "one"), all_but(&[page]));
}

#[test]
fn a_plan_of_a_damaged_source_names_what_it_leaves_out() {
    let env = with_rows();
    let page = pages(&env, "one", "leaf")[3];
    break_pages(&env, &[page]);
    let done = env.liteferry(&env.ends("plan", &[&["--no-capture"], ACCEPT].concat())).expect(0);
    let table = &done.json()["plan"]["tables"][0];
    assert_eq!(table["unreadable"][0]["rowids"]["first"], page.first, "{done}");
    assert_eq!(table["unreadable"][0]["rowids"]["last"], page.last, "{done}");
    assert!(!done.json()["plan"]["damage"]["found"].as_array().unwrap().is_empty());
}

#[test]
fn a_run_that_ended_early_goes_on_with_what_was_found_first() {
    let env = with_rows();
    let page = pages(&env, "one", "leaf")[3];
    break_pages(&env, &[page]);
    env.run(&["--until", "snapshot", "--accept-corrupt"]).expect(0);
    says_in_one_line(&env.run(ACCEPT), 65, &["not all of one"]);
    assert_eq!(ids(&env, "one"), all_but(&[page]));
}

#[test]
fn a_file_that_is_whole_is_moved_as_ever_where_damage_would_be_accepted() {
    let env = with_rows();
    let done = env.run(ACCEPT).expect(0);
    assert_eq!(done.json()["ok"], true);
    let compared = Comparison::new().assert_equal(&env.source(), &env.connect());
    assert_eq!(compared, Compared { tables: 2, rows: 2000, set_aside: 0 });
}

#[test]
fn a_source_of_which_no_table_can_be_read_is_refused_all_the_same() {
    let env = Environment::new();
    env.sqlite("PRAGMA page_size = 1024; CREATE TABLE only (id INTEGER PRIMARY KEY, v); INSERT INTO only VALUES (1, 2)");
    break_pages(&env, &pages(&env, "only", "leaf"));
    is_refused_with(&env, ACCEPT, 65, &["no table of it can be read"]);
}

#[test]
fn a_table_that_sqlite_cannot_make_sense_of_stops_no_other() {
    for (broken, reason) in [
        (
            "CREATE TABLE two (id INTEGER PRIMARY KEY, v TEXT UNIQUE, n INTEGER, x AS (y), y AS (x))",
            "generated column loop",
        ),
        (
            "CREATE TABLE two (id INTEGER PRIMARY KEY, v TEXT UNIQUE, n INTEGER, x AS (unheard_of(n)))",
            "unheard_of",
        ),
    ] {
        let env = with_rows();
        declare(&env, "two", broken);
        let done = env.run(&[]);
        says_in_one_line(&done, 65, &["not all of two"]);
        assert_eq!(unreadable(&done), [("two".into(), None)]);
        assert!(
            done.json()["unreadable"][0]["reason"].as_str().unwrap().contains(reason),
            "{done}"
        );
        assert_eq!(ids(&env, "one"), all_but(&[]));
        assert_eq!(env.value("SELECT count(*) FROM pg_class WHERE relname = 'two'"), "0");
        let verified = env.verify();
        says_in_one_line(&verified, 65, &["not all of two"]);
    }
}

#[test]
fn a_module_and_a_collation_that_are_not_there_cost_no_row() {
    let env = with_rows();
    let connection = Connection::open(env.source()).unwrap();
    connection.create_collation("odd", |one: &str, other: &str| other.cmp(one)).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE sorted (id INTEGER PRIMARY KEY, v TEXT COLLATE odd); CREATE INDEX sorted_v ON sorted (v);
             INSERT INTO sorted SELECT id, v FROM one;
             PRAGMA writable_schema = ON;
             INSERT INTO sqlite_schema VALUES ('table', 'strange', 'strange', 0, 'CREATE VIRTUAL TABLE strange USING unheard_of(x)');",
        )
        .unwrap();
    drop(connection);
    let done = env.run(&[]).expect(0);
    assert!(done.says("strange"), "{done}");
    assert!(
        done.says("cannot be checked") && done.says("no such collation sequence: ODD"),
        "{done}"
    );
    assert_eq!(env.value("SELECT count(*) FROM sorted"), "1000");
    assert_eq!(ids(&env, "one"), all_but(&[]));
}

#[test]
fn a_name_that_is_not_utf8_costs_its_table() {
    let env = with_rows();
    env.sqlite("CREATE TABLE nameX (a); INSERT INTO nameX VALUES (1)");
    edit(&env, |file| {
        let places: Vec<_> =
            (0..file.len() - 5).filter(|&at| &file[at..at + 5] == b"nameX").collect();
        assert!(places.len() >= 3);
        places.into_iter().for_each(|at| file[at + 4] = 0xff);
    });
    let done = env.run(&[]).expect(65);
    assert!(!done.says("panicked"), "{done}");
    assert_eq!(unreadable(&done), [("name\\xff".into(), None)]);
    assert_eq!(ids(&env, "one"), all_but(&[]));
}
