//! An archive in a bucket of a store that speaks S3: credentials from the environment, and TLS as for servers.
//!
//! Async does not leave this file: each call runs to its end. What must not be there yet is put on the condition that
//! nothing is (`If-None-Match: *`), <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>.

use super::lease::Lease;
use super::{Alone, Created, Draft, Entry, Name, Place, damaged, failed};
use crate::error::{Class, Error, Place as _, Result};
use crate::store::parquet::file::Stored;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::path::Path;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, WriteMultipart,
};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, Runtime};

/// Bytes of a part of a file that is put in parts; S3 takes none below 5 MiB but the last, and 10,000 of them.
const PART_BYTES: usize = 16 * 1024 * 1024;
/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 2;
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Without a byte for so long an answer is given up, and asked for again.
const READ_PATIENCE: Duration = Duration::from_secs(30);

/// An archive in a bucket.
#[derive(Debug)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    /// What every key begins with.
    prefix: Path,
    url: String,
    runtime: Runtime,
    /// While it is written to.
    writing: Mutex<Option<Lease>>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Bucket {
    /// Opens `BUCKET` or `BUCKET/PREFIX`; nothing is asked of the store yet.
    ///
    /// # Errors
    ///
    /// [`Class::Usage`]: no such bucket can be, or the environment has settings that cannot be understood.
    pub fn open(place: &str) -> Result<Self> {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_end_matches('/');
        let unusable = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Class::Usage, format!("no archive can be at s3://{place}"))
                .todo("name a bucket and a folder; AWS_REGION or AWS_ENDPOINT say where it is")
                .because(error)
        };
        if bucket.is_empty() || !(prefix.is_empty() || Name::parse(prefix).is_some()) {
            return Err(unusable("a bucket or its folder has an odd name".into()));
        }
        let store = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_http_connector(Connector)
            .build()
            .map_err(|error| unusable(error.into()))?;
        Self::over(Arc::new(store), Path::from(prefix), format!("s3://{place}"))
    }

    fn over(store: Arc<dyn ObjectStore>, prefix: Path, url: String) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::internal("cannot start an async runtime").because(error))?;
        Ok(Self { store, prefix, url, runtime, writing: Mutex::default() })
    }

    /// One in memory, that does what a bucket does.
    #[cfg(test)]
    pub(in crate::store::parquet) fn in_memory(prefix: &str) -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        Self::over(store, Path::from(prefix), "s3://memory".into()).unwrap()
    }

    /// The same bucket, as another process sees it.
    #[cfg(test)]
    pub(in crate::store::parquet) fn again(&self) -> Self {
        Self::over(Arc::clone(&self.store), self.prefix.clone(), self.url.clone()).unwrap()
    }

    /// Loses the marker of who writes, which was made new so long ago.
    #[cfg(test)]
    pub(super) fn lose_marker(&self, age: Duration) {
        let writing = self.writing.lock().unwrap();
        let lease = writing.as_ref().unwrap();
        lease.set_age(age);
        lease.end(self);
    }

    fn key(&self, name: &Name) -> Path {
        self.prefix.parts().chain(Path::from(name.as_str()).parts()).collect()
    }

    /// Waits for an answer; none where nothing has the name.
    fn ask<T>(
        &self,
        doing: &str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Option<T>> {
        match self.runtime.block_on(answer) {
            Ok(answer) => Ok(Some(answer)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(unanswered(doing, error)),
        }
    }

    fn must<T>(
        &self,
        doing: &str,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T> {
        self.runtime.block_on(answer).map_err(|error| unanswered(doing, error))
    }

    /// Fails where something of another size has the name.
    ///
    /// That one of the same size has the same bytes is not known: it is put once more, which harms nobody, and is as new
    /// for one who prunes.
    fn check_size(&self, name: &Name, stored: &Stored) -> Result<()> {
        let key = self.key(name);
        match self.ask("look at it", self.store.head(&key))? {
            Some(found) if found.size != stored.bytes => {
                let what = format!("it has {} bytes instead of {}", found.size, stored.bytes);
                Err(Error::new(Class::Damaged, what))
            }
            _ => Ok(()),
        }
    }

    fn upload(&self, file: &mut File, name: &Name) -> Result<()> {
        file.seek(SeekFrom::Start(0)).map_err(|error| failed("read a draft", error))?;
        let key = self.key(name);
        let first = piece(file)?;
        if first.len() < PART_BYTES {
            return self.must("put it", self.store.put(&key, first.into())).map(drop);
        }
        let parts = self.must("put it", self.store.put_multipart(&key))?;
        let mut parts = WriteMultipart::new_with_chunk_size(parts, PART_BYTES);
        let mut next = first;
        while !next.is_empty() {
            // Parts are sent by tasks, which are begun where the runtime is.
            let put = self.runtime.block_on(async {
                parts.wait_for_capacity(PARTS_AT_ONCE).await?;
                parts.put(std::mem::take(&mut next).into());
                Ok(())
            });
            let read = put.map_err(|error| unanswered("put it", error)).and_then(|()| piece(file));
            match read {
                Ok(read) => next = read,
                Err(error) => {
                    // The first failure is the one to tell; what stays behind is the store's to clear away.
                    drop(self.runtime.block_on(parts.abort()));
                    return Err(error);
                }
            }
        }
        self.must("put it", parts.finish()).map(drop)
    }

    fn at(&self, name: &Name) -> String {
        format!("archive {}: {name}", self.url)
    }
}

impl Place for Bucket {
    fn enter(&self) -> Result<()> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        match &*writing {
            Some(lease) => lease.keep(self)?,
            None => *writing = Some(Lease::shared(self)?),
        }
        Ok(())
    }

    fn leave(&self) {
        let lease = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(lease) = lease {
            lease.end(self);
        }
    }

    fn alone(&self) -> Result<Box<dyn Alone + '_>> {
        Ok(Box::new(Lease::alone(self).at(|| format!("archive {}", self.url))?))
    }

    fn draft(&self) -> Result<Draft> {
        self.enter()?;
        let file = tempfile::tempfile().map_err(|error| failed("make a draft", error))?;
        Ok(Draft { file, lies: None })
    }

    fn put(&self, mut draft: Draft, name: &Name, stored: &Stored) -> Result<()> {
        let mut put = || {
            draft.check(stored)?;
            self.enter()?;
            self.check_size(name, stored)?;
            self.upload(&mut draft.file, name)
        };
        put().at(|| self.at(name))
    }

    fn create(&self, name: &Name, bytes: &[u8]) -> Result<Created> {
        let key = self.key(name);
        let put = self.store.put_opts(&key, bytes.to_vec().into(), PutMode::Create.into());
        match self.runtime.block_on(put) {
            Ok(_) => Ok(Created::New),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                // An answer may have been lost, and asked for again: then it is what was put just now.
                let max = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let is_ours = match self.get(name, max) {
                    Ok(found) => found.as_deref() == Some(bytes),
                    Err(error) if error.class() == Class::Damaged => false,
                    Err(error) => return Err(error),
                };
                Ok(if is_ours { Created::New } else { Created::Exists })
            }
            Err(error @ (StoreError::NotImplemented { .. } | StoreError::NotSupported { .. })) => {
                Err(Error::new(Class::Access, "this store has no conditional writes")
                    .todo("use a store that has: without them two writers cannot be told apart")
                    .because(error))
            }
            Err(error) => Err(unanswered("create it", error)),
        }
        .at(|| self.at(name))
    }

    fn replace(&self, name: &Name, bytes: &[u8]) -> Result<()> {
        let key = self.key(name);
        let put = self.store.put(&key, bytes.to_vec().into());
        self.must("put it", put).map(drop).at(|| self.at(name))
    }

    fn get(&self, name: &Name, max: u64) -> Result<Option<Vec<u8>>> {
        let key = self.key(name);
        let get = || {
            let Some(found) = self.ask("read it", self.store.get(&key))? else { return Ok(None) };
            let mut bytes = Vec::new();
            let mut pieces = found.into_stream();
            // The size that a store states may be wrong: what comes is counted.
            while let Some(piece) = self.must("read it", pieces.try_next())? {
                bytes.extend_from_slice(&piece);
                if u64::try_from(bytes.len()).is_ok_and(|bytes| bytes > max) {
                    return Err(damaged(name, format!("it has more than {max} bytes")));
                }
            }
            Ok(Some(bytes))
        };
        get().at(|| self.at(name))
    }

    fn get_range(&self, name: &Name, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        let key = self.key(name);
        let get = || {
            let Some(found) = self.ask("look at it", self.store.head(&key))? else {
                return Ok(None);
            };
            if range.end > found.size || range.start > range.end {
                let what = format!("it ends after {} bytes", found.size);
                return Err(Error::new(Class::Damaged, what));
            }
            if range.is_empty() {
                return Ok(Some(Vec::new()));
            }
            let bytes = self.ask("read it", self.store.get_range(&key, range.clone()))?;
            let wanted = range.end.saturating_sub(range.start);
            match bytes {
                Some(bytes) if u64::try_from(bytes.len()).ok() != Some(wanted) => {
                    Err(Error::new(Class::Temporary, "the store gave other bytes than asked for"))
                }
                bytes => Ok(bytes.map(Into::into)),
            }
        };
        get().at(|| self.at(name))
    }

    fn fetch(&self, name: &Name, bytes: u64) -> Result<Option<File>> {
        let key = self.key(name);
        let fetch = || {
            let Some(found) = self.ask("read it", self.store.get(&key))? else { return Ok(None) };
            let mut file = tempfile::tempfile().map_err(|error| failed("make a copy", error))?;
            let mut pieces = found.into_stream();
            let mut copied = 0_u64;
            while let Some(piece) = self.must("read it", pieces.try_next())? {
                file.write_all(&piece).map_err(|error| failed("make a copy", error))?;
                copied = copied.saturating_add(piece.len().try_into().unwrap_or(u64::MAX));
                if copied > bytes {
                    break;
                }
            }
            Ok(Some(file))
        };
        fetch().at(|| self.at(name))
    }

    fn size(&self, name: &Name) -> Result<Option<u64>> {
        let key = self.key(name);
        let found = self.ask("look at it", self.store.head(&key)).at(|| self.at(name))?;
        Ok(found.map(|found| found.size))
    }

    fn list(&self, below: &Name) -> Result<Vec<Entry>> {
        let key = self.key(below);
        let list = self.store.list(Some(&key)).try_collect::<Vec<_>>();
        let found = self.must("list it", list).at(|| self.at(below))?;
        let mut entries: Vec<Entry> = found
            .into_iter()
            .filter_map(|found| {
                let rest: Path = found.location.prefix_match(&self.prefix)?.collect();
                let name = Name::parse(rest.as_ref())?;
                Some(Entry { name, bytes: found.size, modified: found.last_modified.into() })
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn delete(&self, name: &Name) -> Result<()> {
        let key = self.key(name);
        self.ask("take it away", self.store.delete(&key)).map(drop).at(|| self.at(name))
    }

    fn sweep(&self, _before: SystemTime) -> Result<u64> {
        // Drafts have no names, and parts of an upload that never ended are removed by a rule of the bucket.
        Ok(0)
    }
}

/// The next bytes of a file; fewer than asked for at its end.
fn piece(file: &mut File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(PART_BYTES).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes).map_err(|error| failed("read a draft", error))?;
    Ok(bytes)
}

/// What a store says, in our terms.
fn unanswered(doing: &str, error: StoreError) -> Error {
    let (class, todo) = match &error {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            (Class::Access, "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do")
        }
        _ => (Class::Temporary, "look at the bucket, AWS_REGION and AWS_ENDPOINT"),
    };
    Error::new(class, format!("cannot {doing}")).todo(todo).because(error)
}

/// Makes clients whose TLS trusts what the machine trusts, by the same library as connections to servers.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allow_http = options.get_config_value(&object_store::ClientConfigKey::AllowHttp);
        let client = client(allow_http.as_deref() == Some("true"));
        let client = client.map_err(|source| StoreError::Generic { store: "S3", source })?;
        Ok(HttpClient::new(client))
    }
}

fn client(
    allow_http: bool,
) -> Result<reqwest::Client, Box<dyn std::error::Error + Send + Sync + 'static>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(!allow_http)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_PATIENCE)
        .read_timeout(READ_PATIENCE)
        .build()?;
    Ok(client)
}
