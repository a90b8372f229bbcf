//! The manifest of a generation: which files it is made of, and what they hold.
//!
//! One line of JSON, [sealed](seal) by a hash of its own: `{"format":1,"generation":…,"parent":…,"source":…,
//! "position":…,"nonce":…,"written":…,"schema":{"tables":[…],"plan":"…","file":{…}},"files":[…],"root":…,"hash":…}`. It
//! is read strictly: what this program would not have written is refused, and nothing of it is looked at before its hash
//! is that of its bytes.

pub mod seal;

use super::facts::check_format;
use super::file::Stored;
use super::hash::ContentHash;
use super::key::Key;
use super::place::Name;
use crate::error::{Class, Error, Result};
use crate::model::{DigestSum, OriginalFile, TableSchema};
use seal::Sealed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

/// What this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;
/// A manifest is in memory whole: bytes, at most. It names half a million files then.
pub const MANIFEST_MAX: u64 = 256 * 1024 * 1024;

/// What a file of an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// The rows of a chunk.
    Rows,
    /// Rows that are new or have changed since the base.
    Deltas,
    /// The keys of rows that are gone since the base.
    DeletedKeys,
    /// The exact bytes of cells of a chunk.
    Forms,
    /// Rows that were set aside.
    Rejected,
    /// All rows of a table that no plan has.
    Whole,
}

impl FileKind {
    const ALL: [Self; 6] =
        [Self::Rows, Self::Deltas, Self::DeletedKeys, Self::Forms, Self::Rejected, Self::Whole];

    /// The folder of such files within their table's.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Deltas => "deltas",
            Self::DeletedKeys => "deleted_keys",
            Self::Forms => "forms",
            Self::Rejected => "rejected",
            Self::Whole => "whole",
        }
    }

    /// Whether its rows have digests.
    fn has_digest(self) -> bool {
        matches!(self, Self::Rows | Self::Deltas)
    }

    /// Whether a name is that of a file of some kind.
    pub fn is_named(name: &Name) -> bool {
        name.is_of_file(&Self::ALL.map(Self::folder))
    }
}

/// A sum of rows' digests; as text 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Sum(ContentHash);

/// One file of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveFile {
    path: Name,
    /// What it holds.
    pub kind: FileKind,
    /// The source's name of the table.
    pub table: String,
    /// Its number among those of its table and kind.
    pub chunk: u64,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The hash of all its bytes, which names it.
    pub blake3: ContentHash,
    /// The sum of its rows' digests, where they have any.
    digest: Option<Sum>,
}

impl ArchiveFile {
    /// A file that was written for a table. `digest` is the sum of its rows' digests, where it holds rows as they are
    /// loaded; `key` is the archive's, and hides the table's name.
    ///
    /// # Errors
    ///
    /// [`Class::Internal`]: a digest that is missing, of other rows than the file's, or of what has none.
    pub fn new(
        kind: FileKind,
        table: &str,
        chunk: u64,
        stored: Stored,
        digest: Option<DigestSum>,
        key: Option<&Key>,
    ) -> Result<Self> {
        let fits = digest.is_some() == kind.has_digest()
            && digest.is_none_or(|digest| digest.rows == stored.rows);
        if !fits {
            return Err(Error::internal(format!("table {table}: a file has another's digest")));
        }
        let digest = digest.and_then(|sum| ContentHash::parse(&sum.to_string())).map(Sum);
        let path = Name::of_file(table, kind.folder(), stored.hash, key);
        let Stored { hash: blake3, bytes, rows } = stored;
        let table = table.to_owned();
        Ok(Self { path, kind, table, chunk, bytes, rows, blake3, digest })
    }

    /// Where it is in the archive.
    pub fn name(&self) -> &Name {
        &self.path
    }

    /// By what it is found and checked.
    pub fn stored(&self) -> Stored {
        Stored { hash: self.blake3, bytes: self.bytes, rows: self.rows }
    }

    /// The sum of its rows' digests, where they have any.
    pub fn digest(&self) -> Option<DigestSum> {
        let Sum(sum) = self.digest?;
        Some(DigestSum::from_parts(self.rows, sum.bytes()))
    }
}

/// What the source said its tables are, and what became of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveSchema {
    /// The tables, without their chunks.
    pub tables: Vec<TableSchema>,
    /// The whole plan by which they were loaded, as its own JSON: what a restore makes, keys, indexes and sequences
    /// included.
    pub plan: String,
    /// The source's file but for its rows.
    pub file: OriginalFile,
}

/// What a generation holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// What names the source, wherever it lies.
    pub source: String,
    /// The highest touch of the state; none where the source is at rest.
    pub position: Option<i64>,
    /// What the source's changelog said of itself then: who goes on from here knows it by that.
    pub nonce: Option<String>,
    /// When it was made, in seconds since 1970.
    pub written: u64,
    /// The tables.
    pub schema: ArchiveSchema,
    /// The files, in any order.
    pub files: Vec<ArchiveFile>,
}

/// A generation, by its number and the hash of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// Its number; the first one is 1.
    pub generation: u64,
    /// The manifest's hash.
    pub hash: ContentHash,
}

/// The manifest of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The generation's number.
    pub generation: u64,
    /// The one that it was made from.
    pub parent: Option<Generation>,
    /// What names the source.
    pub source: String,
    /// The highest touch of the state; none where the source is at rest.
    pub position: Option<i64>,
    /// What the source's changelog said of itself then: who goes on from here knows it by that.
    pub nonce: Option<String>,
    /// When it was made, in seconds since 1970.
    pub written: u64,
    /// The tables.
    pub schema: ArchiveSchema,
    /// The files, by their names.
    pub files: Vec<ArchiveFile>,
    /// The hash of the source, the position, the schema and the files: generations that hold the same have the same.
    pub root: ContentHash,
}

impl Manifest {
    /// The manifest of a generation that is to be.
    ///
    /// # Errors
    ///
    /// [`Class::Internal`]: contents that could not be read again, such as a file that is named twice.
    pub fn new(
        generation: u64,
        parent: Option<Generation>,
        contents: Contents,
        key: Option<&Key>,
    ) -> Result<Self> {
        let Contents { source, position, nonce, written, mut schema, mut files } = contents;
        schema.tables.iter_mut().for_each(|table| table.chunks.clear());
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let root = root(&source, position, &schema, &files)?;
        let format = FORMAT;
        let manifest = Self {
            format,
            generation,
            parent,
            source,
            position,
            nonce,
            written,
            schema,
            files,
            root,
        };
        match manifest.check(key) {
            Ok(()) => Ok(manifest),
            Err(why) => Err(Error::internal(format!("a manifest cannot be: {why}"))),
        }
    }

    /// Its bytes, sealed with a key where there is one, and its hash.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: it has more than [`MANIFEST_MAX`] bytes.
    pub fn to_bytes(&self, key: Option<&Key>) -> Result<(Vec<u8>, ContentHash)> {
        let (bytes, hash) = seal::seal(self, Sealed::Manifest, key)?;
        if u64::try_from(bytes.len()).is_ok_and(|bytes| bytes <= MANIFEST_MAX) {
            return Ok((bytes, hash));
        }
        Err(Error::new(Class::Usage, "a generation has more files than a manifest can name")
            .todo("archive with larger chunks, or compact the archive"))
    }

    /// Reads bytes that [`Self::to_bytes`] gave, and their hash.
    ///
    /// # Errors
    ///
    /// [`Class::Damaged`]: anything else; [`Class::Usage`]: a later liteferry wrote it; [`Class::Access`]: it is sealed
    /// with a key, and none is given.
    pub fn parse(bytes: &[u8], key: Option<&Key>) -> Result<(Self, ContentHash)> {
        let (text, hash) = seal::unseal(bytes, Sealed::Manifest, key)?;
        let unread = |error| refused("it cannot be read").because(error);
        let value: Value = serde_json::from_slice(&text).map_err(unread)?;
        let format = value.get("format").and_then(Value::as_u64);
        check_format(format.ok_or_else(|| refused("it has no format"))?, FORMAT)?;
        // From the text: a value would have lost that a field stands there twice.
        let manifest: Self = serde_json::from_slice(&text).map_err(unread)?;
        let again = serde_json::to_value(&manifest).map_err(unread)?;
        if let Some(stray) = stray(&value, &again) {
            return Err(refused(&format!("nobody knows its {stray:?}")));
        }
        manifest.check(key).map_err(|why| refused(&why))?;
        Ok((manifest, hash))
    }

    /// Why this cannot be a manifest.
    fn check(&self, key: Option<&Key>) -> Result<(), String> {
        if self.generation == 0 {
            return Err("generations begin with 1".into());
        }
        if self.parent.is_some_and(|parent| !(1..self.generation).contains(&parent.generation)) {
            return Err("its parent is not older than it is".into());
        }
        let mut tables = HashSet::new();
        for table in &self.schema.tables {
            if !tables.insert(table.source.as_str()) {
                return Err(format!("table {} is there twice", table.source));
            }
        }
        tables.extend(self.schema.file.shadows().map(|shadow| shadow.name.as_str()));
        self.check_files(&tables, key)?;
        let root = root(&self.source, self.position, &self.schema, &self.files);
        if root.map_err(|error| error.to_string())? != self.root {
            return Err("its root is not that of what it names".into());
        }
        Ok(())
    }

    fn check_files(&self, tables: &HashSet<&str>, key: Option<&Key>) -> Result<(), String> {
        let (mut bytes, mut rows) = (0_u64, 0_u64);
        let mut chunks = HashSet::new();
        let mut last = None;
        for file in &self.files {
            let path = &file.path;
            // Only what the path must be: so it cannot lead anywhere else.
            if Name::of_file(&file.table, file.kind.folder(), file.blake3, key) != *path {
                return Err(format!("{path} is not where such a file can be"));
            }
            if last >= Some(path) {
                return Err(format!("{path} is there twice, or not in its place"));
            }
            if !tables.contains(file.table.as_str()) {
                return Err(format!("{path} is of no table"));
            }
            if !chunks.insert((file.kind, file.table.as_str(), file.chunk)) {
                return Err(format!("{path} is a chunk that is there twice"));
            }
            if file.bytes == 0 || file.digest.is_some() != file.kind.has_digest() {
                return Err(format!("{path} has no size, or no digest, or one too many"));
            }
            let sums = bytes.checked_add(file.bytes).zip(rows.checked_add(file.rows));
            (bytes, rows) = sums.ok_or_else(|| format!("{path} is too large"))?;
            last = Some(path);
        }
        Ok(())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }
}

/// The hash of what a generation holds.
fn root(
    source: &str,
    position: Option<i64>,
    schema: &ArchiveSchema,
    files: &[ArchiveFile],
) -> Result<ContentHash> {
    let text = serde_json::to_vec(&(FORMAT, source, position, schema, files))
        .map_err(|error| Error::internal("cannot write a manifest").because(error))?;
    Ok(ContentHash::of(&text))
}

/// The first field of `read` that `known` does not have: whoever wrote it meant something by it.
fn stray<'v>(read: &'v Value, known: &Value) -> Option<&'v str> {
    match (read, known) {
        (Value::Object(read), Value::Object(known)) => {
            read.iter().find_map(|(name, value)| match known.get(name) {
                Some(known) => stray(value, known),
                None => Some(name.as_str()),
            })
        }
        (Value::Array(read), Value::Array(known)) => {
            read.iter().zip(known).find_map(|(read, known)| stray(read, known))
        }
        _ => None,
    }
}

fn refused(why: &str) -> Error {
    Error::new(Class::Damaged, format!("the manifest is not what it should be: {why}"))
}

#[cfg(test)]
pub(super) mod tests;
