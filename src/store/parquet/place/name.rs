//! What things in an archive are called: paths of few letters that cannot lead out of it.

use crate::store::parquet::hash::ContentHash;
use crate::store::parquet::key::Key;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a whole name, as S3 has it, and of the part between two slashes, as file systems have it.
const NAME_MAX: usize = 1024;
const PART_MAX: usize = 255;
/// A table's part is cut above so many bytes, to so many of them and a hash.
const TABLE_MAX: usize = 160;
const TABLE_CUT: usize = 100;
/// Hexadecimal digits of that hash.
const TABLE_HASH: usize = 32;
/// Digits of a generation's number, at least.
const DIGITS: usize = 6;
const GENERATIONS: &str = "generations";

/// What something in an archive is called: parts of ASCII letters, digits and `-_.~` between slashes, none of which
/// begins with a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Reads a name; none where it could lead anywhere else, or could mean two things.
    pub fn parse(text: &str) -> Option<Self> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let is_part = |part: &str| {
            (1..=PART_MAX).contains(&part.len())
                && !part.starts_with('.')
                && part.bytes().all(is_letter)
        };
        let is_name = text.len() <= NAME_MAX && text.split('/').all(is_part);
        is_name.then(|| Self(text.to_owned()))
    }

    /// The manifest of a generation.
    pub fn generation(number: u64) -> Self {
        Self(format!("{GENERATIONS}/{number:0DIGITS$}.json"))
    }

    /// The folder of the manifests.
    pub fn generations() -> Self {
        Self(GENERATIONS.into())
    }

    /// What points to the newest generation.
    pub fn latest() -> Self {
        Self("latest.json".into())
    }

    /// The folder of the markers of those who are in an archive.
    pub(super) fn locks() -> Self {
        Self("locks".into())
    }

    /// The folder of the tables.
    pub fn tables() -> Self {
        Self("tables".into())
    }

    /// A file of a table: `tables/TABLE/FOLDER/HASH.parquet`, so that `tables/TABLE/FOLDER/*.parquet` are those of one
    /// kind. With a key `TABLE` says nothing of the table's name.
    pub(in crate::store::parquet) fn of_file(
        table: &str,
        folder: &str,
        hash: ContentHash,
        key: Option<&Key>,
    ) -> Self {
        let table = key.map_or_else(|| table_part(table), |key| key.table_part(table));
        Self(format!("tables/{table}/{folder}/{}", hash.file_name()))
    }

    /// Whether it is built as [`Self::of_file`] does, for some table.
    pub(in crate::store::parquet) fn is_of_file(&self, folders: &[&str]) -> bool {
        let parts: Vec<&str> = self.0.split('/').collect();
        let ["tables", _, folder, file] = parts.as_slice() else { return false };
        let hash = file.strip_suffix(".parquet").and_then(ContentHash::parse);
        folders.contains(folder) && hash.is_some()
    }

    /// Which generation's manifest it is.
    pub fn generation_number(&self) -> Option<u64> {
        let digits = self.0.strip_prefix(GENERATIONS)?.strip_prefix('/')?.strip_suffix(".json")?;
        let number = digits.parse().ok()?;
        (Self::generation(number) == *self && number > 0).then_some(number)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders above, from the outermost one, and the last part.
    pub(super) fn split(&self) -> (Vec<&str>, &str) {
        let mut parts: Vec<&str> = self.0.split('/').collect();
        let last = parts.pop().unwrap_or_default();
        (parts, last)
    }
}

impl From<Name> for String {
    fn from(Name(name): Name) -> Self {
        name
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not where such a file can be")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table's name as a part: what is no ASCII letter, digit, `-` or `_` is `~` and two hexadecimal digits a byte.
///
/// Nothing undoes it on the way, as web servers and readers of Parquet do with `%`. A table without a name is `~`.
fn table_part(table: &str) -> String {
    let mut part = String::with_capacity(table.len());
    for byte in table.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("~{byte:02x}"));
        }
    }
    if part.is_empty() {
        return "~".into();
    }
    if part.len() <= TABLE_MAX {
        return part;
    }
    // Never what a shorter name becomes: behind a `~` there is a digit.
    let hash: String = blake3::hash(table.as_bytes()).to_hex().chars().take(TABLE_HASH).collect();
    part.truncate(TABLE_CUT);
    format!("{part}~~{hash}")
}

#[cfg(test)]
mod tests {
    use super::{Name, table_part};
    use crate::store::parquet::hash::ContentHash;
    use proptest::prelude::*;

    #[test]
    fn a_name_cannot_lead_out_of_the_archive() {
        for good in ["a", "a/b.json", "tables/A~c3~a9/rows/x.parquet", "a..b"] {
            assert_eq!(Name::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(256);
        let deep = "a/".repeat(600) + "a";
        for wrong in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "../a",
            "a/..",
            "./a",
            ".drafts/a",
            "a/.b",
            "a\\b",
            "C:a",
            "a\0b",
            "a b",
            "a\nb",
            "é",
            "%2e%2e/a",
            "a?b",
            "a*",
            "a:b",
            &long,
            &deep,
        ] {
            assert_eq!(Name::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn manifests_are_counted() {
        assert_eq!(Name::generation(1).as_str(), "generations/000001.json");
        assert_eq!(Name::generation(u64::MAX).generation_number(), Some(u64::MAX));
        for wrong in ["000000", "1", "0000001", "+00001", "00001x", "99999999999999999999999"] {
            let name = Name::parse(&format!("generations/{wrong}.json"))
                .map(|name| name.generation_number());
            assert_eq!(name.flatten(), None, "{wrong}");
        }
        assert_eq!(Name::parse("other/000001.json").unwrap().generation_number(), None);
    }

    #[test]
    fn a_file_is_known_by_its_name() {
        let hash = ContentHash::of(b"x");
        let name = Name::of_file("my table", "rows", hash, None);
        assert_eq!(name.as_str(), format!("tables/my~20table/rows/{hash}.parquet"));
        assert!(name.is_of_file(&["rows"]) && !name.is_of_file(&["deltas"]));
        let foreign = Name::parse("tables/a/rows/notes.parquet").unwrap();
        assert!(!foreign.is_of_file(&["rows"]));
    }

    proptest! {
        #[test]
        fn tables_have_names_of_their_own(a in "\\PC{0,90}", b in "[a~.é/%0-9]{0,90}") {
            for table in [&a, &b] {
                let name = Name::of_file(table, "rows", ContentHash::of(b"x"), None);
                prop_assert_eq!(Name::parse(name.as_str()), Some(name));
            }
            prop_assert_eq!(a == b, table_part(&a) == table_part(&b));
        }
    }
}
