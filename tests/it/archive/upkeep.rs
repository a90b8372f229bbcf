//! kill -9 at every step of compacting and of pruning: every generation that is there stays whole, and the same command
//! finishes the job.

use super::{Archived, SCHEMA, files};
use crate::environment::Done;
use liteferry::pipeline::failpoint::{Step, VARIABLE};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

/// What only looks after an archive.
pub(crate) const OF_UPKEEP: [Step; 6] = [
    Step::ChunkCompacted,
    Step::CompactionProved,
    Step::CompactionPublished,
    Step::PruningBegun,
    Step::ManifestPruned,
    Step::FilePruned,
];

/// Rows of the tables that an archive is of, each as text.
fn rows(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut all = Vec::new();
    for table in ["trades", "tokens", "pools", "log", "empty"] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let count = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let cells = (0..count).map(|at| format!("{:?}", row.get_ref(at).unwrap()));
            Ok(format!("{table} {}", cells.collect::<Vec<_>>().join(" ")))
        };
        all.extend(statement.query_map([], row).unwrap().map(Result::unwrap));
    }
    all.sort();
    all
}

/// An archive of some generations, and what a restore of each of them must give.
struct Kept {
    archived: Archived,
    expected: BTreeMap<u64, Vec<String>>,
}

impl Kept {
    /// A base, and three generations with steps behind it.
    fn with_steps() -> Self {
        let archived = Archived::of(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
        let place = archived.place();
        let environment = &archived.environment;
        let archive = ["--archive", place.to_str().unwrap()];
        environment.liteferry(&environment.ends("run", &archive)).expect(0);
        let mut expected = BTreeMap::from([(1, rows(&environment.source()))]);
        for round in 2..5 {
            environment.sqlite(&format!(
                "UPDATE trades SET price = {round} WHERE id % 50 = {round};
                 DELETE FROM trades WHERE id % 70 = {round};
                 INSERT INTO trades VALUES (5000 + {round}, 1, '2024-01-01T00:00:00', NULL);
                 UPDATE tokens SET supply = {round} WHERE symbol = 'a';
                 DELETE FROM pools WHERE address = '0x{round}'; INSERT INTO pools VALUES ('new{round}', {round});
                 INSERT INTO log VALUES ('round {round}');"
            ));
            let follow = [&["--until-caught-up"], &archive[..]].concat();
            let done = environment.liteferry(&environment.ends("follow", &follow)).expect(0);
            assert_eq!(done.json()["archive"]["generation"], round);
            expected.insert(round, rows(&environment.source()));
        }
        Self { archived, expected }
    }

    /// The folder of a copy of the archive, in the place of the one before.
    fn copy(&self) -> String {
        let (place, copy) = (self.archived.place(), self.archived.environment.path("copy"));
        if copy.exists() {
            fs::remove_dir_all(&copy).unwrap();
        }
        let done = Command::new("cp").arg("-a").args([&place, &copy]).status().unwrap();
        assert!(done.success());
        copy.to_str().unwrap().to_owned()
    }

    fn archive(&self, words: &[&str], place: &str) -> Done {
        self.archived.environment.liteferry(&[&["archive"], words, &[place, "--json"]].concat())
    }

    /// The numbers of the generations of an archive, each of which is whole, and gives back what it must.
    #[track_caller]
    fn whole(&self, place: &str) -> Vec<u64> {
        self.archive(&["check", "--read-data"], place).expect(0);
        let listed = self.archive(&["list"], place).expect(0);
        let listed = listed.json()["generations"].as_array().unwrap().clone();
        let numbers: Vec<_> = listed.iter().map(|it| it["generation"].as_u64().unwrap()).collect();
        let file = self.archived.environment.path("restored.db");
        for number in &numbers {
            let generation = number.to_string();
            let from = ["restore", "--archive", place, "--generation", &generation];
            let to = ["--sqlite", file.to_str().unwrap()];
            self.archived.environment.liteferry(&[&from[..], &to].concat()).expect(0);
            assert!(rows(&file) == self.expected[number], "generation {number} has other rows");
            fs::remove_file(&file).unwrap();
        }
        let (named, there) = (named(Path::new(place)), there(Path::new(place)));
        assert!(named.is_subset(&there), "{:?} are gone", named.difference(&there));
        numbers
    }

    /// Kills a command at its every step, one after the other, each time in a copy of the archive; `look` is given the
    /// place, and at which step it died. Gives how often it died at which.
    fn kill_at_each_step(
        &self,
        words: &[&str],
        mut look: impl FnMut(&str, &str),
    ) -> BTreeMap<String, usize> {
        let mut died = BTreeMap::new();
        for time in 1.. {
            let place = self.copy();
            let mut command = self.archived.environment.command();
            command.arg("archive").args(words).args([&place, "--json"]);
            let ended = command.env(VARIABLE, format!("any:{time}=kill")).output().unwrap();
            if ended.status.code() == Some(0) {
                break;
            }
            assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
            let told = String::from_utf8(ended.stderr).unwrap();
            let step = told.lines().find_map(|line| line.strip_prefix("LITEFERRY_FAIL: "));
            let step = step.unwrap().to_owned();
            println!("{time}: {step}");
            look(&place, &step);
            *died.entry(step).or_insert(0) += 1;
        }
        died
    }
}

/// The files that the manifests of an archive name.
fn named(place: &Path) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for manifest in files(&place.join("generations")) {
        let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
        let files = manifest["files"].as_array().unwrap();
        named.extend(files.iter().map(|file| file["path"].as_str().unwrap().to_owned()));
    }
    assert!(!named.is_empty());
    named
}

/// The files of tables that an archive has.
fn there(place: &Path) -> BTreeSet<String> {
    let name = |file: &Path| file.strip_prefix(place).unwrap().to_str().unwrap().to_owned();
    files(&place.join("tables")).iter().map(|file| name(file)).collect()
}

/// Fails where a file of an archive is there for nothing.
#[track_caller]
fn assert_no_strays(place: &str) {
    let place = Path::new(place);
    assert_eq!(named(place), there(place));
    assert!(files(&place.join(".drafts")).is_empty());
}

#[test]
fn a_compaction_that_is_killed_at_any_step_is_finished_by_the_same_command() {
    let mut kept = Kept::with_steps();
    kept.expected.insert(5, kept.expected[&4].clone());
    let mut strays = 0;
    let died = kept.kill_at_each_step(&["compact"], |place, step| {
        let published = step == Step::CompactionPublished.name();
        let before = kept.whole(place);
        assert_eq!(before.first(), Some(if published { &5 } else { &4 }), "{step}");
        strays += there(Path::new(place)).len() - named(Path::new(place)).len();
        kept.archive(&["compact"], place).expect(0);
        // Nothing is left to be folded.
        assert_eq!(kept.archive(&["compact"], place).expect(0).json()["archive"]["generation"], 5);
        kept.archive(&["prune", "--keep", "99", "--now"], place).expect(0);
        assert_eq!(kept.whole(place), [5, 4, 3, 2, 1]);
        assert_no_strays(place);
    });
    let names: Vec<_> = died.keys().map(String::as_str).collect();
    let [chunk, proved, published, ..] = OF_UPKEEP.map(Step::name);
    assert_eq!(names, [chunk, proved, published, Step::FilePut.name()]);
    assert!(died[chunk] > 5 && died[Step::FilePut.name()] >= died[chunk], "{died:?}");
    assert!(strays > 0, "it died before anything was put");
}

#[test]
fn a_pruning_that_is_killed_at_any_step_is_finished_by_the_same_command() {
    let mut kept = Kept::with_steps();
    kept.expected.insert(5, kept.expected[&4].clone());
    let place = kept.archived.place().to_str().unwrap().to_owned();
    kept.archive(&["compact"], &place).expect(0);
    let small = kept.archived.environment.path("small.db");
    for number in 0..3 {
        let sql = format!("CREATE TABLE t{number} (a)");
        Connection::open(&small).unwrap().execute_batch(&sql).unwrap();
        let words = ["backup", "--sqlite", small.to_str().unwrap(), "--archive", &place];
        kept.archived.environment.liteferry(&words).expect(0);
    }
    let words = ["prune", "--keep", "1", "--now"];
    let backups = |place: &str| files(&Path::new(place).join("backups")).len();
    let [.., begun, manifest, file] = OF_UPKEEP.map(Step::name);
    let (mut generations, mut told) = (BTreeSet::new(), 0);
    let died = kept.kill_at_each_step(&words, |place, step| {
        let left = kept.whole(place);
        assert!((1..=5).contains(&left.len()) && left[0] == 5, "{step}: {left:?}");
        if step == begun {
            assert_eq!((left.len(), backups(place)), (5, 6));
            assert!(named(Path::new(place)) == there(Path::new(place)));
        }
        generations.insert(left.len());
        told += usize::from(backups(place) < 6);
        kept.archive(&words, place).expect(0);
        assert_eq!(kept.whole(place), [5]);
        assert_no_strays(place);
        assert_eq!(backups(place), 2);
        let again = kept.archive(&words, place).expect(0);
        assert_eq!((&again.json()["generations"], &again.json()["files"]), (&0.into(), &0.into()));
    });
    assert_eq!(died.len(), 3, "{died:?}");
    // Four manifests, and what names two backups; files that only they have, and those of the backups.
    assert_eq!((died[begun], died[manifest]), (1, 6));
    assert!(died[file] > 6, "{died:?}");
    assert_eq!(generations, BTreeSet::from([1, 2, 3, 4, 5]));
    assert_eq!(told, 4);
}

/// Kills a run of a source when its files are put and nothing names them.
#[track_caller]
fn dies_before_the_generation(archived: &Archived, arguments: &[String]) {
    let mut command = archived.environment.command();
    command.args(arguments).env(VARIABLE, format!("{}=kill", Step::FilesReady.name()));
    assert_eq!(command.output().unwrap().status.signal(), Some(9));
}

#[test]
fn who_loses_what_waited_for_a_generation_is_told_which_tables_to_take_anew() {
    for capture in [&["--no-capture"][..], &[]] {
        let archived = Archived::of(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
        let place = archived.place();
        let run = |more: &[&str]| {
            let more = [capture, &["--archive", place.to_str().unwrap()], more].concat();
            archived.environment.ends("run", &more)
        };
        archived.environment.liteferry(&run(&[])).expect(0);
        archived.environment.sqlite("UPDATE log SET line = 'other' WHERE line = 'one'");
        dies_before_the_generation(&archived, &run(&["--anew", "log"]));
        let pruned = archived.archive(&["prune", "--keep", "1", "--now"]).expect(0);
        assert_eq!(pruned.json()["files"], 1);
        archived
            .environment
            .liteferry(&run(&[]))
            .expect(76)
            .saying(&["missing", "run --anew log`"]);
        archived.environment.liteferry(&run(&["--anew", "log"])).expect(0);
        archived.assert_whole();
        let (file, done) = archived.restore("restored.db");
        done.expect(0);
        assert_eq!(rows(&file), rows(&archived.environment.source()));
    }
}

#[test]
fn an_archive_that_waits_for_its_first_generation_is_not_damaged() {
    let archived = Archived::of(SCHEMA);
    let place = archived.place();
    fs::create_dir(&place).unwrap();
    archived.archive(&["check"]).expect(2).saying(&["there is no archive"]);
    let run = ["--archive", place.to_str().unwrap()];
    dies_before_the_generation(&archived, &archived.environment.run_arguments(&run));
    for depth in [&["check"][..], &["check", "--read-data"]] {
        let checked = archived.archive(depth).expect(0);
        let waiting = files(&place.join("tables")).len();
        assert_eq!(
            (&checked.json()["generations"], &checked.json()["ok"]),
            (&0.into(), &true.into())
        );
        assert_eq!(checked.json()["waiting"], waiting);
    }
    let words = ["archive", "check", place.to_str().unwrap()];
    archived.environment.liteferry(&words).expect(0).saying(&["nothing can be restored yet"]);
    archived.archive(&["check", "--generation", "1"]).expect(2).saying(&["no generation 1"]);
    archived.run(&[]).expect(0);
    assert_eq!(archived.archive(&["check"]).expect(0).json()["waiting"], 0);
}
