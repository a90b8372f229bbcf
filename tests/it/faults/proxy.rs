//! A way to the server that breaks where the test says: it understands the protocol just so far.
//!
//! Messages are forwarded one by one. At the chosen ones of them both sides of the connection are closed, so that the
//! client cannot know whether the server has done what it asked for.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tempfile::TempDir;

/// Where a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// Before the server hears a COMMIT.
    BeforeCommit,
    /// After the server has committed, and before the client hears of it.
    AfterCommit,
    /// After the server has answered anything, and before the client hears that it has.
    BeforeReady,
}

/// A listening socket in a folder of its own; its threads end with the test's process.
pub(crate) struct Proxy {
    folder: TempDir,
    plan: Arc<Plan>,
}

/// Which of the places break.
struct Plan {
    at: Break,
    wanted: Box<dyn Fn(u64) -> bool + Send + Sync>,
    met: AtomicU64,
    broken: AtomicU64,
}

impl Proxy {
    /// Connections to the server behind `socket` that break at the places whose numbers, from 1, are `wanted`.
    pub(crate) fn start(
        socket: &Path,
        at: Break,
        wanted: impl Fn(u64) -> bool + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = socket.file_name().unwrap();
        let listener = UnixListener::bind(folder.path().join(name)).unwrap();
        let (met, broken) = (AtomicU64::new(0), AtomicU64::new(0));
        let plan = Arc::new(Plan { at, wanted: Box::new(wanted), met, broken });
        let (shared, socket) = (Arc::clone(&plan), socket.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Without a server the client is hung up on, as by the server itself.
                if let Ok(server) = UnixStream::connect(&socket) {
                    forward(&client, &server, &shared);
                }
            }
        });
        Self { folder, plan }
    }

    /// The folder of the socket.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How many places there were.
    pub(crate) fn met(&self) -> u64 {
        self.plan.met.load(Ordering::SeqCst)
    }

    /// How many connections broke.
    pub(crate) fn broken(&self) -> u64 {
        self.plan.broken.load(Ordering::SeqCst)
    }
}

impl Plan {
    /// Counts a place; true if the connection breaks there.
    fn meet(&self) -> bool {
        let breaks = (self.wanted)(self.met.fetch_add(1, Ordering::SeqCst) + 1);
        self.broken.fetch_add(breaks.into(), Ordering::SeqCst);
        breaks
    }
}

fn forward(client: &UnixStream, server: &UnixStream, plan: &Arc<Plan>) {
    // Set by the client's side: the next complete command of the server is the last that happens.
    let last = Arc::new(AtomicBool::new(false));
    let both = || (client.try_clone().unwrap(), server.try_clone().unwrap());
    let ((from, to), (to_client, from_server)) = (both(), both());
    let (up_plan, up_last) = (Arc::clone(plan), Arc::clone(&last));
    let down_plan = Arc::clone(plan);
    thread::spawn(move || closing(&from, &to, upwards(&from, &to, &up_plan, &up_last)));
    thread::spawn(move || {
        closing(&from_server, &to_client, downwards(&from_server, &to_client, &down_plan, &last));
    });
}

/// Whatever ended one direction ends both.
fn closing(from: &UnixStream, to: &UnixStream, _ended: io::Result<()>) {
    for side in [from, to] {
        // Already closed by the other direction, mostly.
        let _closed_already = side.shutdown(Shutdown::Both);
    }
}

/// From the client to the server, to the end of the connection or of its usefulness.
fn upwards(
    mut from: &UnixStream,
    mut to: &UnixStream,
    plan: &Plan,
    last: &AtomicBool,
) -> io::Result<()> {
    // The first message has no kind.
    to.write_all(&body(from)?)?;
    loop {
        let (kind, body) = message(&mut from)?;
        let commits = kind == b'Q' && body.get(4..) == Some(b"COMMIT\0");
        match plan.at {
            Break::BeforeCommit if commits && plan.meet() => return Ok(()),
            Break::AfterCommit if commits && plan.meet() => last.store(true, Ordering::SeqCst),
            _ => {}
        }
        to.write_all(&[kind])?;
        to.write_all(&body)?;
    }
}

/// From the server to the client.
fn downwards(
    mut from: &UnixStream,
    mut to: &UnixStream,
    plan: &Plan,
    last: &AtomicBool,
) -> io::Result<()> {
    loop {
        let (kind, body) = message(&mut from)?;
        let over = match kind {
            b'C' => last.load(Ordering::SeqCst) && body.get(4..) == Some(b"COMMIT\0"),
            b'Z' => plan.at == Break::BeforeReady && plan.meet(),
            _ => false,
        };
        if over {
            return Ok(());
        }
        to.write_all(&[kind])?;
        to.write_all(&body)?;
    }
}

fn message(from: &mut &UnixStream) -> io::Result<(u8, Vec<u8>)> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    Ok((kind[0], body(from)?))
}

/// The length, itself included, and what follows.
fn body(mut from: &UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let rest = usize::try_from(u32::from_be_bytes(length)).unwrap() - length.len();
    let mut body = length.to_vec();
    body.resize(length.len() + rest, 0);
    from.read_exact(&mut body[length.len()..])?;
    Ok(body)
}
