//! A node that was restored from one generation is brought to a later one, and is then what a node is that was restored
//! from that: in its rows as PostgreSQL compares them, its constraints, its sequences, and what its ledger says of it.

mod kills;
mod refused;

use super::workload::{SCHEMA, Workload};
use crate::archive::files;
use crate::comparison::Comparison;
use crate::environment::{Done, Environment};
use std::fs;
use std::path::PathBuf;

/// A source that is followed into an archive.
struct Followed {
    environment: Environment,
}

impl Followed {
    fn of(sql: &str) -> Self {
        let environment = Environment::new();
        environment.sqlite(&format!("PRAGMA journal_mode = WAL; {sql}"));
        Self { environment }
    }

    fn place(&self) -> PathBuf {
        self.environment.path("archive")
    }

    fn ends(&self, command: &str, more: &[&str]) -> Vec<String> {
        let place = self.place();
        let archive = ["--archive", place.to_str().unwrap()];
        self.environment.ends(command, &[&archive[..], more].concat())
    }

    fn run(&self) -> Done {
        self.environment.liteferry(&self.ends("run", &["--workers", "2"]))
    }

    /// Publishes what has changed as one generation.
    fn publish(&self) -> Done {
        self.environment.liteferry(&self.ends("follow", &["--until-caught-up"]))
    }

    /// Changes the source by SQL, and publishes that.
    fn change(&self, sql: &str) -> Done {
        self.environment.sqlite(sql);
        self.publish()
    }

    fn archive(&self, words: &[&str]) -> Done {
        let place = self.place();
        let words = [&["archive"], words, &[place.to_str().unwrap(), "--json"]].concat();
        self.environment.liteferry(&words)
    }

    /// The files that a generation names.
    fn files(&self, generation: u64) -> Vec<PathBuf> {
        let manifest = self.place().join(format!("generations/{generation:06}.json"));
        let text = fs::read_to_string(manifest).unwrap();
        let (line, _) = text.split_once('\n').unwrap_or((&text, ""));
        let manifest: serde_json::Value = serde_json::from_str(line).unwrap();
        let all = manifest["files"].as_array().unwrap().iter();
        all.map(|file| self.place().join(file["path"].as_str().unwrap())).collect()
    }

    /// Does something while the files of a generation are not there.
    fn without<T>(&self, generation: u64, work: impl FnOnce() -> T) -> T {
        let away = self.environment.path("away");
        fs::create_dir(&away).unwrap();
        let all = self.files(generation);
        assert!(!all.is_empty());
        let kept: Vec<_> = (0..all.len()).map(|number| away.join(number.to_string())).collect();
        let pairs = || all.iter().zip(&kept);
        pairs().for_each(|(file, kept)| fs::rename(file, kept).unwrap());
        let done = work();
        pairs().for_each(|(file, kept)| fs::rename(kept, file).unwrap());
        fs::remove_dir(&away).unwrap();
        done
    }
}

/// A database that is restored from the archive.
struct Node<'a> {
    environment: Environment,
    of: &'a Followed,
}

impl<'a> Node<'a> {
    fn new(of: &'a Followed) -> Self {
        Self { environment: Environment::new(), of }
    }

    /// A node that holds a generation.
    fn at(of: &'a Followed, generation: &str) -> Self {
        let node = Self::new(of);
        let code = node.restore(&["--generation", generation]).code();
        assert!([0, 65].contains(&code), "{code}");
        node
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (place, target) = (self.of.place(), self.environment.url());
        let place = place.to_str().unwrap();
        let ends = ["restore", "--archive", place, "--target", &target, "--json", "--workers", "2"];
        ends.iter().chain(more).map(|&word| word.to_owned()).collect()
    }

    fn restore(&self, more: &[&str]) -> Done {
        self.environment.liteferry(&self.arguments(more))
    }

    /// What tells one node from another beside the rows of its tables.
    fn told(&self) -> Vec<String> {
        let queries = [
            "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated) FROM pg_constraint
             WHERE connamespace = 'public'::regnamespace ORDER BY 1",
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
            "SELECT concat_ws(' ', sequencename, last_value) FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1",
            "SELECT concat_ws(' ', table_name, row_key, column_name, storage_class, value) FROM liteferry.form_exception
             ORDER BY 1",
            "SELECT concat_ws(' ', table_name, row_key, column_name, storage_class, value, reason, policy)
             FROM liteferry.reject ORDER BY 1",
            "SELECT concat_ws(' ', table_name, sum(rows), sum(rejected)) FROM liteferry.chunk GROUP BY table_name ORDER BY 1",
            "SELECT concat_ws(' ', name, note) FROM liteferry.step WHERE name <> 'brought forward' ORDER BY 1",
            "SELECT concat_ws(' ', phase, plan_hash) FROM liteferry.migration",
        ];
        queries.iter().flat_map(|sql| self.environment.column(sql)).collect()
    }

    /// Fails unless this node is what one is that was restored from a generation.
    #[track_caller]
    fn assert_is(&self, generation: &str) {
        let fresh = Node::at(self.of, generation);
        self.assert_same(&fresh);
    }

    #[track_caller]
    fn assert_same(&self, fresh: &Node<'_>) {
        let (mine, theirs) = (self.environment.connect(), fresh.environment.connect());
        let tables = self.environment.column(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        );
        assert!(!tables.is_empty());
        for table in tables {
            let rows =
                theirs.copy_out(&format!("COPY (SELECT * FROM {table}) TO STDOUT (FORMAT binary)"));
            mine.query(&format!("CREATE TEMP TABLE fresh AS TABLE {table} WITH NO DATA"));
            mine.copy_in("COPY fresh FROM STDIN (FORMAT binary)", rows);
            let differing = mine.query(&format!(
                "SELECT * FROM ((TABLE {table} EXCEPT ALL TABLE fresh) UNION ALL (TABLE fresh EXCEPT ALL TABLE {table})) AS d"
            ));
            assert!(differing.is_empty(), "{table}: {differing:?}");
            mine.query("DROP TABLE fresh");
        }
        let (mine, theirs) = (self.told(), fresh.told());
        let differs = |(mine, theirs): &(&String, &String)| mine != theirs;
        let pair = mine.iter().zip(&theirs).find(differs);
        assert_eq!(mine.len(), theirs.len(), "{pair:?}");
        assert_eq!(pair, None);
    }
}

#[test]
fn a_node_comes_to_later_generations_by_the_files_of_their_steps() {
    for seed in [71, 72, 73] {
        let source = Followed::of(SCHEMA);
        let mut workload = Workload::new(&source.environment.source(), seed);
        workload.statements(200);
        source.run().expect(0);
        let node = Node::at(&source, "1");
        for generation in 2..5 {
            workload.statements(100);
            source.publish().expect(0);
            let before = generation - 1;
            let done = source.without(before, || node.restore(&[]).expect(0));
            assert_eq!(done.json()["archive"]["generation"], generation);
            Comparison::new()
                .assert_equal(&source.environment.source(), &node.environment.connect());
            // What it is now needs no file either.
            source.without(before, || node.restore(&[]).expect(0));
        }
        node.assert_is("4");
        let late = Node::at(&source, "2");
        source.archive(&["compact"]).expect(0);
        workload.statements(100);
        source.publish().expect(0);
        // By steps, over the compaction, and by steps again whose numbers may be those of others before.
        source.without(5, || node.restore(&[]).expect(0));
        source.without(1, || late.restore(&[]).expect(0));
        for node in [&node, &late] {
            Comparison::new()
                .assert_equal(&source.environment.source(), &node.environment.connect());
            node.assert_is("6");
        }
    }
}

#[test]
fn a_compaction_alone_is_gone_along_without_any_file() {
    let source = Followed::of(SCHEMA);
    let mut workload = Workload::new(&source.environment.source(), 74);
    workload.statements(100);
    source.run().expect(0);
    workload.statements(50);
    source.publish().expect(0);
    let node = Node::at(&source, "2");
    source.archive(&["compact"]).expect(0);
    let done = source.without(3, || node.restore(&[]).expect(0));
    assert_eq!(done.json()["archive"]["generation"], 3);
    node.assert_is("3");
}

/// Values that are written otherwise than others, values that do not fit, and keys of more than one column.
const KEPT: &str = "
CREATE TABLE named (name TEXT PRIMARY KEY, at DATETIME, n NUMERIC);
WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200)
INSERT INTO named SELECT 'n' || n, datetime(1700000000 + n, 'unixepoch'), n FROM c;
UPDATE named SET at = replace(at, ' ', 'T') WHERE n % 10 = 0;
CREATE TABLE pairs (a TEXT NOT NULL, b INTEGER NOT NULL, at DATETIME, PRIMARY KEY (b, a)) WITHOUT ROWID;
INSERT INTO pairs SELECT name, n, at FROM named;
CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT, at DATETIME, t TEXT);
INSERT INTO numbered SELECT n, at, name FROM named;
UPDATE numbered SET t = x'00ff' WHERE id IN (5, 6, 7);
";

#[test]
fn what_the_ledger_keeps_of_single_rows_comes_along() {
    let source = Followed::of(KEPT);
    source.run().expect(65);
    let node = Node::at(&source, "1");
    let exceptions = "SELECT count(*) FROM liteferry.form_exception";
    assert_eq!(node.environment.value(exceptions), "60");
    source
        .change(
            "UPDATE named SET at = replace(at, 'T', ' ') WHERE n = 10; DELETE FROM named WHERE n = 20;
             UPDATE named SET at = replace(at, ' ', 'T') WHERE n IN (1, 2);
             UPDATE named SET n = 1.25 WHERE n = 30; UPDATE named SET name = 'moved' WHERE n = 40;
             UPDATE pairs SET at = replace(at, 'T', ' ') WHERE b = 10; DELETE FROM pairs WHERE b = 20;
             UPDATE pairs SET a = 'moved' WHERE b = 40;
             UPDATE numbered SET at = replace(at, 'T', ' ') WHERE id = 10; DELETE FROM numbered WHERE id = 20;
             INSERT INTO numbered (at, t) VALUES ('2024-01-01T00:00:00', 'new'), ('2024-01-01 00:00:00', 'newer');
             UPDATE numbered SET t = 'repaired' WHERE id = 5; UPDATE numbered SET t = x'01' WHERE id = 8;
             DELETE FROM numbered WHERE id = 6;",
        )
        .expect(65);
    let done = source.without(1, || node.restore(&[]).expect(65));
    assert_eq!(done.json()["tables"][1]["rejected"], 2);
    node.assert_is("2");
    // A table of which only the rows set aside change, and one that has none any more.
    source.change("UPDATE numbered SET t = 'repaired' WHERE id IN (7, 8)").expect(0);
    node.restore(&[]).expect(0);
    node.assert_is("3");
    assert_eq!(node.environment.value("SELECT count(*) FROM numbered WHERE t = 'repaired'"), "3");
}

#[test]
fn rows_that_are_set_aside_again_as_they_were_stay_known() {
    let source = Followed::of(KEPT);
    source.run().expect(65);
    let node = Node::at(&source, "1");
    // The file of the rows set aside has the same bytes then, and the same name.
    source
        .change(
            "UPDATE numbered SET t = t WHERE id IN (5, 6, 7); DELETE FROM numbered WHERE id = 1",
        )
        .expect(65);
    let aside = |generation| -> Vec<PathBuf> {
        let all = source.files(generation).into_iter();
        all.filter(|file| file.parent().unwrap().ends_with("rejected")).collect()
    };
    assert_eq!(aside(1), aside(2), "the case is gone");
    node.restore(&[]).expect(65);
    node.assert_is("2");
    assert_eq!(node.environment.value("SELECT count(*) FROM liteferry.reject"), "3");
}

#[test]
fn unique_values_are_swapped_and_keys_that_refer_to_others_stay_so() {
    let source = Followed::of(
        "CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT UNIQUE, a INT CHECK (a > 0));
         CREATE TABLE children (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INT REFERENCES parents ON DELETE CASCADE);
         WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000)
         INSERT INTO parents SELECT n, 'c' || n, n FROM c;
         INSERT INTO children (parent) SELECT id FROM parents WHERE id <= 100;",
    );
    source.run().expect(0);
    let node = Node::at(&source, "1");
    source
        .change(
            "UPDATE parents SET code = 'x' || code WHERE id IN (1, 2);
             UPDATE parents SET code = 'c2' WHERE id = 1; UPDATE parents SET code = 'c1' WHERE id = 2;
             DELETE FROM children WHERE parent = 3; DELETE FROM parents WHERE id = 3;
             INSERT INTO parents VALUES (6000, 'late', 1); UPDATE children SET parent = 6000 WHERE parent = 4;
             INSERT INTO children (parent) VALUES (6000);",
        )
        .expect(0);
    node.restore(&[]).expect(0);
    node.assert_is("2");
    let values = "SELECT string_agg(code, ',' ORDER BY id) FROM parents WHERE id IN (1, 2, 6000)";
    assert_eq!(node.environment.value(values), "c2,c1,late");
    let next = "SELECT nextval(pg_get_serial_sequence('parents', 'id'))";
    assert_eq!(node.environment.value(next), "6001");
    // Rows that break a foreign key and a check, as SQLite lets them.
    source
        .change(
            "PRAGMA ignore_check_constraints = ON; UPDATE parents SET a = 0 WHERE id = 9; DELETE FROM parents WHERE id = 10",
        )
        .expect(0);
    let broken = Node::at(&source, "2");
    broken.restore(&[]).expect(0).saying(&["NOT VALID"]);
    broken.assert_is("3");
    source
        .change("UPDATE parents SET a = 1 WHERE id = 9; DELETE FROM children WHERE parent = 10")
        .expect(0);
    broken.restore(&[]).expect(0);
    broken.assert_is("4");
    let valid = "SELECT bool_and(convalidated) FROM pg_constraint WHERE contype IN ('f', 'c')";
    assert_eq!(broken.environment.value(valid), "t");
}

#[test]
fn numbers_of_steps_that_come_again_behind_a_compaction_are_told_apart() {
    let source = Followed::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three');",
    );
    source.run().expect(0);
    let node = Node::at(&source, "1");
    source.change("DELETE FROM t WHERE id = 1").expect(0);
    source.change("DELETE FROM t WHERE id = 2").expect(0);
    source.archive(&["compact"]).expect(0);
    source.change("INSERT INTO t VALUES (2, 'again')").expect(0);
    let numbers = |generation: u64| -> Vec<u64> {
        let manifest = source.place().join(format!("generations/{generation:06}.json"));
        let manifest = fs::read_to_string(manifest).unwrap();
        let parts = manifest.split("\"kind\":\"de").skip(1);
        let number = |part: &str| part.split("\"chunk\":").nth(1)?.split(',').next()?.parse().ok();
        parts.map(|part| number(part).unwrap()).collect()
    };
    assert!(numbers(5).iter().all(|number| numbers(3).contains(number)), "the case is gone");
    source.without(4, || node.restore(&[]).expect(0));
    node.assert_is("5");
    assert_eq!(
        node.environment.value("SELECT string_agg(a, ',' ORDER BY id) FROM t"),
        "again,three"
    );
}

#[test]
fn generations_in_between_need_not_be_there_where_all_their_steps_are() {
    let source = Followed::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one');",
    );
    source.run().expect(0);
    let node = Node::at(&source, "1");
    // A node with a copy of its own, which has no generation but those that it was at.
    let apart = Environment::new();
    let (place, target) = (source.place(), apart.url());
    let copied =
        ["restore", "--archive", place.to_str().unwrap(), "--copy", "kept", "--target", &target];
    apart.liteferry(&copied).expect(0);
    for number in 2..5 {
        source.change(&format!("INSERT INTO t VALUES ({number}, 'more')")).expect(0);
    }
    apart.liteferry(&copied).expect(0);
    for number in 2..4 {
        fs::remove_file(source.place().join(format!("generations/{number:06}.json"))).unwrap();
    }
    source.without(1, || node.restore(&[]).expect(0));
    node.assert_is("4");
    Comparison::new().assert_equal(&source.environment.source(), &apart.connect());
    assert_eq!(apart.value("SELECT note FROM liteferry.step WHERE name = 'brought forward'"), "4");
}

#[test]
fn triggers_of_tables_that_existed_do_not_fire_for_what_comes_forward() {
    let source = Followed::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one');",
    );
    let node = Node::new(&source);
    for environment in [&source.environment, &node.environment] {
        environment.query(
            "CREATE SCHEMA other; CREATE TABLE other.seen (a text);
             CREATE TABLE t (id bigint PRIMARY KEY, a text CHECK (a <> 'zero'));
             CREATE FUNCTION other.see() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO other.seen VALUES (new.a); RETURN new; END $$;
             CREATE TRIGGER sees BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION other.see();",
        );
    }
    source.run().expect(0);
    node.restore(&[]).expect(0);
    source.change("INSERT INTO t VALUES (2, 'two'); UPDATE t SET a = 'uno' WHERE id = 1").expect(0);
    node.restore(&[]).expect(0);
    assert_eq!(node.environment.value("SELECT string_agg(a, ',' ORDER BY id) FROM t"), "uno,two");
    assert_eq!(node.environment.value("SELECT count(*) FROM other.seen"), "0");
    node.environment.query("INSERT INTO t VALUES (3, 'three')");
    assert_eq!(node.environment.value("SELECT string_agg(a, ',') FROM other.seen"), "three");
    let checks = "SELECT bool_and(convalidated) FROM pg_constraint WHERE contype = 'c'";
    assert_eq!(node.environment.value(checks), "t");
}

#[test]
fn so_many_steps_that_the_server_chooses_how_to_find_them_come_over() {
    let source = Followed::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT);
         WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
         INSERT INTO t SELECT n, 'a' || n, n FROM c;",
    );
    source.run().expect(0);
    let node = Node::at(&source, "1");
    source
        .change("UPDATE t SET b = b + 1 WHERE id % 2 = 0; DELETE FROM t WHERE id % 5 = 0; UPDATE t SET id = -id WHERE id % 7 = 0")
        .expect(0);
    let done = source.without(1, || node.restore(&[]).expect(0));
    assert!(done.json()["rows_per_second"].as_f64().is_some_and(|speed| speed > 0.0));
    node.assert_is("2");
}
