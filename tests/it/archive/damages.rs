//! An archive that is damaged or forged is refused, and leaves nothing where it was to be restored to.

use super::{Archived, SCHEMA, files};
use liteferry::config::ArchiveSection;
use liteferry::journey::Setting;
use liteferry::journey::restore::{Wanted, to_file};
use liteferry::pipeline::progress::Silent;
use liteferry::pipeline::{Budget, Stop};
use liteferry::{Class, Error};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Damages of each kind of archive.
const DAMAGES: u64 = 300;

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

fn restore(place: &Path, key: Option<&Path>, file: &Path) -> Result<(), Error> {
    let archive = ArchiveSection {
        key_file: key.map(Into::into),
        ..ArchiveSection::at(place.to_str().unwrap())
    };
    let (generation, root, tables) = (None, None, BTreeSet::new());
    let wanted = Wanted { archive, generation, root, tables, to_follow: false };
    let (stop, budget) = (Stop::default(), Budget::new(64 << 20));
    let setting = Setting { stop: &stop, progress: &Silent, workers: 2, budget: &budget };
    to_file(&wanted, file, setting).map(drop)
}

/// Damages one file of an archive in some way, and says how.
fn damage(all: &[PathBuf], older: &[u8], random: &mut Random) -> String {
    let path = &all[random.below(all.len())];
    let mut bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    match random.below(6) {
        0 | 1 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            fs::write(path, bytes).unwrap();
            format!("bit flipped in byte {at} of {name}")
        }
        2 => {
            let length = random.below(bytes.len());
            fs::write(path, &bytes[..length]).unwrap();
            format!("{name} cut to {length} bytes")
        }
        3 => {
            let other = all.iter().find(|other| fs::read(other).unwrap() != bytes).unwrap();
            fs::write(path, fs::read(other).unwrap()).unwrap();
            fs::write(other, bytes).unwrap();
            format!("{name} swapped with {}", other.display())
        }
        4 => {
            fs::remove_file(path).unwrap();
            format!("{name} taken away")
        }
        _ => {
            let newest = all.iter().rfind(|path| path.parent().unwrap().ends_with("generations"));
            fs::write(newest.unwrap(), older).unwrap();
            "an older manifest in the place of the newest".into()
        }
    }
}

/// The files that the newest generation needs, its manifest and the pointer included; and the manifest of an older one.
fn archive_of_two_generations(key: Option<&Path>) -> (Archived, Vec<PathBuf>, Vec<u8>) {
    let archived = Archived::of(&format!("PRAGMA journal_mode = WAL; {SCHEMA}"));
    let place = archived.place();
    let more = ["--archive", place.to_str().unwrap()];
    let environment = &archived.environment;
    let pipeline = environment.path("pipeline.toml");
    let key =
        key.map_or_else(String::new, |key| format!("key_file = {:?}\n", key.to_str().unwrap()));
    let text = format!(
        "[source]\npath = {:?}\n[target]\nurl = {:?}\n[archive]\nurl = {:?}\n{key}",
        environment.source().to_str().unwrap(),
        environment.url(),
        more[1]
    );
    fs::write(&pipeline, text).unwrap();
    let pipeline = pipeline.to_str().unwrap();
    environment.liteferry(&["run", pipeline, "--json"]).expect(0);
    environment
        .sqlite("UPDATE trades SET price = 0 WHERE id < 50; DELETE FROM tokens WHERE symbol = 'a'");
    environment.liteferry(&["follow", "--until-caught-up", pipeline, "--json"]).expect(0);
    let older = fs::read(place.join("generations").join("000001.json")).unwrap();
    fs::remove_file(place.join("generations").join("000001.json")).unwrap();
    let all = files(&place).into_iter().filter(|file| !file.ends_with(".lock")).collect();
    (archived, all, older)
}

#[test]
fn no_damage_of_an_archive_gets_into_what_is_restored() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "0123456789abcdef".repeat(4)).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&key, private).unwrap();
    for key in [None, Some(key.as_path())] {
        let (archived, all, older) = archive_of_two_generations(key);
        let place = archived.place();
        let whole: Vec<_> = all.iter().map(|path| fs::read(path).unwrap()).collect();
        let restored = folder.path().join("restored.db");
        restore(&place, key, &restored).unwrap();
        fs::remove_file(&restored).unwrap();
        for seed in 1..=DAMAGES {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let how = damage(&all, &older, &mut random);
            let error = restore(&place, key, &restored).expect_err(&how);
            assert_eq!(error.class(), Class::Damaged, "seed {seed}: {how}: {error}");
            let left: Vec<_> =
                files(folder.path()).into_iter().filter(|it| !it.ends_with("key")).collect();
            assert!(left.is_empty(), "seed {seed}: {how}: {left:?}");
            for (path, bytes) in all.iter().zip(&whole) {
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

#[test]
fn a_damaged_archive_leaves_the_target_untouched() {
    let (archived, all, older) = archive_of_two_generations(None);
    let other = crate::environment::Environment::new();
    let (place, target) = (archived.place(), other.url());
    let ends = ["restore", "--archive", place.to_str().unwrap(), "--target", &target, "--json"];
    let whole: Vec<_> = all.iter().map(|path| fs::read(path).unwrap()).collect();
    for seed in 1..=10 {
        let how = damage(&all, &older, &mut Random(seed * 7919));
        println!("{how}");
        other.liteferry(&ends).expect(76);
        let relations = "SELECT count(*) FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'liteferry'))";
        assert_eq!(other.value(relations), "0", "{how}");
        for (path, bytes) in all.iter().zip(&whole) {
            fs::write(path, bytes).unwrap();
        }
    }
    other.liteferry(&ends).expect(0);
}
