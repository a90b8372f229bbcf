//! The programs that liteferry is measured beside, fetched by `peers.sh` when they are first needed.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file in this folder.
pub(crate) fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures").join(name)
}

/// The folder of a peer, which is fetched where it is not there yet. It stays for the next time.
pub(crate) fn fetch(peer: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers").join(peer);
    if !folder.join("complete").exists() {
        crate::table::say(&format!("fetching {peer} into {}", folder.display()));
    }
    let script = here("peers.sh");
    let output = Command::new(&script).arg(peer).arg(&folder).output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{peer} cannot be fetched; leave it out by --no-peers: {}",
        said.trim()
    );
    Ok(folder)
}
