//! Manifests are read as they were written, and nothing else is.

use super::seal::{Sealed, seal};
use super::{ArchiveFile, ArchiveSchema, Contents, FileKind, Generation, Manifest};
use crate::error::Class;
use crate::model::{
    DigestSum, ObjectKind, OriginalFile, RowRange, SchemaObject, TableSchema, Tree,
};
use crate::store::parquet::Key;
use crate::store::parquet::hash::ContentHash;
use crate::store::parquet::tests::every_type;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A file of one row of a table, told apart by a seed.
pub(in crate::store::parquet) fn file(
    kind: FileKind,
    table: &str,
    chunk: u64,
    key: Option<&Key>,
) -> (ArchiveFile, Vec<u8>) {
    let bytes = format!("{kind:?} {chunk} of {table}").into_bytes();
    let stored = crate::store::parquet::place::tests::stored(&bytes);
    let digest = kind.has_digest().then(|| DigestSum::from_parts(1, [0xab; 32]));
    (ArchiveFile::new(kind, table, chunk, stored, digest, key).unwrap(), bytes)
}

pub(in crate::store::parquet) fn table(name: &str) -> TableSchema {
    TableSchema { source: name.into(), chunks: vec![RowRange::All], ..every_type() }
}

pub(in crate::store::parquet) fn contents(files: Vec<ArchiveFile>) -> Contents {
    let tables = vec![table("trades"), table("odd \"/../é")];
    let plan = "{}".into();
    let made = |kind, name: &str, sql: &str| SchemaObject {
        number: 1,
        kind,
        name: name.into(),
        table: name.into(),
        sql: Some(sql.into()),
        tree: (kind == ObjectKind::Table).then_some(Tree::Rowids),
        is_shadow: false,
    };
    let trades = made(ObjectKind::Table, "trades", "CREATE TABLE trades (a, b)");
    let objects = vec![trades, made(ObjectKind::View, "v", "CREATE VIEW v AS SELECT 1")];
    let file = OriginalFile { objects, ..OriginalFile::default() };
    Contents {
        source: "a source".into(),
        position: Some(i64::MAX),
        nonce: Some("a nonce".into()),
        written: 1_700_000_000,
        schema: ArchiveSchema { tables, plan, file },
        files,
    }
}

fn sample(key: Option<&Key>) -> Manifest {
    let files = [
        (FileKind::Rows, "trades", 0),
        (FileKind::Rows, "trades", 1),
        (FileKind::Deltas, "trades", 0),
        (FileKind::DeletedKeys, "trades", 0),
        (FileKind::Forms, "odd \"/../é", 7),
        (FileKind::Rejected, "odd \"/../é", u64::MAX),
    ];
    let files = files.map(|(kind, table, chunk)| file(kind, table, chunk, key).0);
    let parent = Some(Generation { generation: 3, hash: ContentHash::of(b"3") });
    Manifest::new(7, parent, contents(files.into()), key).unwrap()
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let key = Key::new([7; 32]);
    for key in [None, Some(&key)] {
        let manifest = sample(key);
        assert!(manifest.schema.tables.iter().all(|table| table.chunks.is_empty()));
        let (bytes, hash) = manifest.to_bytes(key).unwrap();
        assert_eq!(Manifest::parse(&bytes, key).unwrap(), (manifest.clone(), hash));
        let rows = manifest.files.iter().find(|file| file.kind == FileKind::Rows).unwrap();
        assert_eq!(rows.digest(), Some(DigestSum::from_parts(1, [0xab; 32])));
        assert_eq!(manifest.files.len(), 6);
        assert!(manifest.files.iter().all(|file| FileKind::is_named(file.name())));
    }
    let (bytes, hash) = sample(None).to_bytes(None).unwrap();
    let json: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(json["hash"], hash.to_string());
    assert_eq!(json["files"].as_array().unwrap().len(), 6);
}

#[test]
fn with_a_key_a_manifest_says_nothing_in_the_open() {
    let key = Key::new([7; 32]);
    let manifest = sample(Some(&key));
    let (hidden, _) = manifest.to_bytes(Some(&key)).unwrap();
    let (again, _) = manifest.to_bytes(Some(&key)).unwrap();
    assert_ne!(hidden, again);
    let (shown, _) = manifest.to_bytes(None).unwrap();
    let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|it| it == word.as_bytes());
    for word in ["trades", "CREATE", "a source", "rows", "hash"] {
        assert!(has(&shown, word) && !has(&hidden, word), "{word}");
    }
    for file in &manifest.files {
        assert!(!file.name().as_str().contains("trades"), "{}", file.name());
    }
    // Files that lie elsewhere than this key says are another archive's.
    assert_eq!(Manifest::parse(&shown, None).unwrap_err().class(), Class::Damaged);
    let other = Key::new([8; 32]);
    let (moved, _) = sample(Some(&other)).to_bytes(Some(&key)).unwrap();
    let error = Manifest::parse(&moved, Some(&key)).unwrap_err();
    assert!(error.to_string().contains("not where such a file can be"), "{error}");
}

#[test]
fn no_bit_of_a_manifest_can_be_turned_and_no_byte_be_lost() {
    let key = Key::new([7; 32]);
    for key in [None, Some(&key)] {
        let (bytes, _) = sample(key).to_bytes(key).unwrap();
        for at in 0..bytes.len() {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << (at % 8);
            let error = Manifest::parse(&turned, key).unwrap_err();
            assert_eq!(error.class(), Class::Damaged, "byte {at}: {error}");
            let error = Manifest::parse(&bytes[..at], key).unwrap_err();
            assert_eq!(error.class(), Class::Damaged, "{at} bytes: {error}");
        }
        assert!(Manifest::parse(&[&bytes[..], b"\n"].concat(), key).is_err());
        assert!(Manifest::parse(&[b" ", &bytes[..]].concat(), key).is_err());
    }
}

#[test]
fn nothing_is_accepted_without_the_key() {
    let (key, other) = (Key::new([7; 32]), Key::new([8; 32]));
    let (keyed, _) = sample(Some(&key)).to_bytes(Some(&key)).unwrap();
    let (plain, _) = sample(None).to_bytes(None).unwrap();
    let refused = |bytes: &[u8], key, class, why: &str| {
        let error = Manifest::parse(bytes, key).unwrap_err();
        assert_eq!(error.class(), class);
        assert!(error.to_string().contains(why), "{error}");
    };
    refused(&plain, Some(&key), Class::Damaged, "written without the key");
    refused(&keyed, Some(&other), Class::Access, "written with another key");
    refused(&keyed, None, Class::Access, "this archive has a key");
    // Who has not the key can make the hash, and no more; and what is hidden as a pointer is no manifest.
    let mut forged = keyed.clone();
    forged.truncate(keyed.len() - 32);
    forged[60] ^= 1;
    forged.extend(ContentHash::of(&forged).bytes());
    refused(&forged, Some(&key), Class::Damaged, "it was not written with the key");
    let (pointer, _) = seal(&json!({"latest": 1}), Sealed::Pointer, Some(&key)).unwrap();
    refused(&pointer, Some(&key), Class::Damaged, "it was not written with the key");
}

/// A manifest that has a seal, and is not what liteferry writes.
#[track_caller]
fn assert_refused(why: &str, forge: impl Fn(&mut Value)) {
    let mut value = serde_json::to_value(sample(None)).unwrap();
    forge(&mut value);
    let (bytes, _) = seal(&value, Sealed::Manifest, None).unwrap();
    let error = Manifest::parse(&bytes, None).unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    let chain = format!("{error}: {:?}", std::error::Error::source(&error));
    assert!(chain.contains(why), "{chain}");
}

#[test]
fn a_manifest_of_a_later_liteferry_is_no_damage() {
    let (bytes, _) =
        seal(&json!({"format": 2, "generation": "later"}), Sealed::Manifest, None).unwrap();
    let error = Manifest::parse(&bytes, None).unwrap_err();
    assert_eq!(error.class(), Class::Usage);
    assert!(error.to_string().contains("format 2, and this liteferry knows format 1"), "{error}");
    assert!(error.advice().is_some_and(|it| it.contains("liteferry that wrote")));
}

#[test]
fn what_liteferry_would_not_have_written_is_refused() {
    assert_refused("format 0", |it| it["format"] = 0.into());
    assert_refused("no format", |it| it["format"] = "1".into());
    assert_refused("unknown field `more`", |it| it["more"] = 1.into());
    assert_refused("unknown field `more`", |it| it["files"][0]["more"] = 1.into());
    assert_refused("nobody knows its \"more\"", |it| {
        it["schema"]["tables"][0]["columns"][0]["more"] = 1.into();
    });
    assert_refused("begin with 1", |it| it["generation"] = 0.into());
    for not_older in [json!(7), json!(8), json!(0), json!(u64::MAX)] {
        assert_refused("not older", |it| it["parent"]["generation"] = not_older.clone());
    }
    assert_refused("invalid value", |it| it["files"][0]["bytes"] = (-1).into());
    assert_refused("invalid type", |it| it["files"][0]["bytes"] = 1e30.into());
    assert_refused("too large", |it| {
        it["files"][0]["bytes"] = u64::MAX.into();
    });
    assert_refused("too large", |it| it["files"][1]["rows"] = u64::MAX.into());
    assert_refused("no size", |it| it["files"][0]["bytes"] = 0.into());
    assert_refused("root", |it| it["source"] = "another".into());
    assert_refused("root", |it| it["position"] = Value::Null);
    assert_refused("root", |it| {
        it["schema"]["file"]["objects"][0]["sql"] = "CREATE TABLE trades (b, a)".into();
    });
    assert_refused("table trades is there twice", |it| {
        it["schema"]["tables"][1]["source"] = "trades".into();
    });
    assert_refused("of no table", |it| it["schema"]["tables"][0]["source"] = "x".into());
    assert_refused("blake3", |it| it["files"][0]["digest"] = "../../x".into());
}

#[test]
fn files_cannot_lie_elsewhere_nor_be_there_twice() {
    for path in ["../x", "/etc/passwd", "tables/trades/rows/x.parquet", "", "tables\\..\\x", "a\0"]
    {
        assert_refused("not where such a file can be", |it| it["files"][0]["path"] = path.into());
    }
    assert_refused("not where", |it| it["files"][0]["table"] = "../../x".into());
    assert_refused("not where", |it| {
        it["files"][0]["blake3"] = ContentHash::of(b"other").to_string().into();
    });
    assert_refused("twice", |it| {
        let first = it["files"][0].clone();
        it["files"].as_array_mut().unwrap().insert(0, first);
    });
    assert_refused("not in its place", |it| it["files"].as_array_mut().unwrap().reverse());
    assert_refused("a chunk that is there twice", |it| {
        let files = it["files"].as_array_mut().unwrap();
        let rows = files.iter_mut().filter(|file| file["kind"] == "rows");
        rows.for_each(|file| file["chunk"] = 0.into());
    });
    let a = file(FileKind::Rows, "trades", 0, None).0;
    let twice = Manifest::new(1, None, contents(vec![a.clone(), a]), None);
    assert_eq!(twice.unwrap_err().class(), Class::Internal);
}

#[test]
fn a_digest_is_of_the_rows_that_are_loaded() {
    let stored = crate::store::parquet::place::tests::stored(b"x");
    let sum = |rows| Some(DigestSum::from_parts(rows, [1; 32]));
    let new = |kind, digest| ArchiveFile::new(kind, "trades", 0, stored, digest, None);
    assert!(new(FileKind::Rows, sum(1)).is_ok() && new(FileKind::Forms, None).is_ok());
    for (kind, digest) in
        [(FileKind::Rows, sum(2)), (FileKind::Rows, None), (FileKind::Rejected, sum(1))]
    {
        assert_eq!(new(kind, digest).unwrap_err().class(), Class::Internal);
    }
}

proptest! {
    #[test]
    fn generations_that_hold_the_same_have_the_same_root(
        mut chunks in proptest::collection::hash_set(0_u64..1000, 0..20),
        source in "\\PC*",
        position in any::<Option<i64>>(),
        written in any::<u64>(),
    ) {
        let extra = 1000;
        let made = |chunks: Vec<u64>, generation, written| {
            let files = chunks.into_iter().map(|chunk| file(FileKind::Rows, "trades", chunk, None).0);
            let contents = Contents { source: source.clone(), position, written, ..contents(files.collect()) };
            Manifest::new(generation, None, contents, None).unwrap()
        };
        let there: Vec<u64> = chunks.iter().copied().collect();
        let manifest = made(there.clone(), 1, written);
        let (bytes, hash) = manifest.to_bytes(None).unwrap();
        prop_assert_eq!(Manifest::parse(&bytes, None).unwrap(), (manifest.clone(), hash));
        let other = made(there.into_iter().rev().collect(), 2, 5);
        prop_assert_eq!(manifest.root, other.root);
        prop_assert_ne!(hash, other.to_bytes(None).unwrap().1);
        chunks.insert(extra);
        prop_assert_ne!(manifest.root, made(chunks.into_iter().collect(), 1, written).root);
    }
}
