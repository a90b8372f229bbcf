//! What is known of an archive.

use super::{bytes, grid, json, line, numbers};
use crate::cli::Output;
use crate::error::{Error, Result, legible};
use crate::journey::archive::check::Checked;
use crate::journey::archive::copy::Brought;
use crate::status::ArchiveReport;
use crate::store::parquet::backup::{Named, Old};
use crate::store::parquet::generation::Opened;
use crate::store::parquet::prune::Pruned;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints its generations and its backups, the newest first.
pub(in crate::cli) fn listed(
    listed: &[(u64, Result<Opened>)],
    backups: &[(String, Result<Named>)],
    old: &[Old],
    output: Output,
) {
    if output.json {
        let is_whole = listed.iter().all(|(_, read)| read.is_ok())
            && backups.iter().all(|(_, read)| read.is_ok());
        let generations: Vec<_> =
            listed.iter().map(|(number, read)| generation_json(*number, read)).collect();
        let backups: Vec<_> = backups.iter().map(|(name, read)| backup_json(name, read)).collect();
        json(&json!({
            "command": "archive list",
            "ok": is_whole,
            "generations": generations,
            "backups": backups,
            "old_backups": old.iter().map(old_json).collect::<Vec<_>>(),
        }));
        return;
    }
    let mut table = grid(&["generation", "made", "touch", "tables", "files", "size", "root", ""]);
    for (number, read) in listed {
        table.add_row(generation_row(*number, read));
    }
    numbers(&mut table, &[0, 2, 3, 4, 5]);
    line(&table.to_string());
    if !backups.is_empty() {
        let mut table = grid(&["backup", "of", "made", "size", "unpacked", ""]);
        for (name, read) in backups {
            table.add_row(backup_row(name, read));
        }
        numbers(&mut table, &[3, 4]);
        line(&table.to_string());
    }
    if !old.is_empty() {
        let mut table = grid(&["SQLite file, for `restore --file`", "made", "size"]);
        for Old { path, bytes: size, modified } in old {
            let path = path.to_string_lossy();
            table.add_row([legible(&path).into_owned(), made(since_1970(*modified)), bytes(*size)]);
        }
        numbers(&mut table, &[2]);
        line(&table.to_string());
    }
}

fn old_json(old: &Old) -> Value {
    let Old { path, bytes, modified } = old;
    json!({ "file": path.to_string_lossy(), "written": since_1970(*modified), "bytes": bytes })
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn backup_row(name: &str, read: &Result<Named>) -> Vec<String> {
    match read {
        Ok(Named { backup, .. }) => vec![
            name.to_owned(),
            legible(&backup.source).into_owned(),
            made(backup.written),
            bytes(backup.bytes),
            bytes(backup.whole),
            String::new(),
        ],
        Err(error) => damaged_row(name.to_owned(), 4, error),
    }
}

fn backup_json(name: &str, read: &Result<Named>) -> Value {
    match read {
        Ok(Named { backup, .. }) => json!({
            "backup": name,
            "kind": backup.kind.name(),
            "source": backup.source,
            "written": backup.written,
            "bytes": backup.bytes,
            "unpacked": backup.whole,
            "blake3": backup.blake3.to_string(),
        }),
        Err(error) => json!({ "backup": name, "damaged": error.to_string() }),
    }
}

/// Prints what a backup is called.
pub(in crate::cli) fn backed_up(made: &Named, output: Output) {
    let Named { name, backup } = made;
    if output.json {
        json(&json!({
            "command": "backup",
            "ok": true,
            "backup": name,
            "kind": backup.kind.name(),
            "bytes": backup.bytes,
            "unpacked": backup.whole,
            "blake3": backup.blake3.to_string(),
        }));
        return;
    }
    let (size, whole) = (bytes(backup.bytes), bytes(backup.whole));
    line(&format!("backup {name}: {size}, {whole} unpacked"));
}

/// Prints where something was restored to.
pub(in crate::cli) fn restored(to: &str, output: Output) {
    if output.json {
        json(&json!({ "command": "restore", "ok": true, "restored": to }));
        return;
    }
    line(&format!("restored {}", legible(to)));
}

fn generation_row(number: u64, read: &Result<Opened>) -> Vec<String> {
    match read {
        Ok(Opened { manifest, .. }) => vec![
            number.to_string(),
            made(manifest.written),
            manifest.position.map_or_else(|| "-".into(), |position| position.to_string()),
            manifest.schema.tables.len().to_string(),
            manifest.files.len().to_string(),
            bytes(manifest.bytes()),
            manifest.root.to_string().chars().take(16).collect(),
            String::new(),
        ],
        Err(error) => damaged_row(number.to_string(), 6, error),
    }
}

/// What is damaged, so many empty cells, and how it is damaged.
fn damaged_row(name: String, empty: usize, error: &Error) -> Vec<String> {
    let nothing = std::iter::repeat_n(String::new(), empty);
    let damaged = format!("damaged: {}", legible(&error.to_string()));
    std::iter::once(name).chain(nothing).chain([damaged]).collect()
}

fn generation_json(number: u64, read: &Result<Opened>) -> Value {
    match read {
        Ok(Opened { manifest, hash }) => json!({
            "generation": number,
            "hash": hash.to_string(),
            "root": manifest.root.to_string(),
            "written": manifest.written,
            "position": manifest.position,
            "tables": manifest.schema.tables.len(),
            "files": manifest.files.len(),
            "bytes": manifest.bytes(),
        }),
        Err(error) => json!({ "generation": number, "damaged": error.to_string() }),
    }
}

/// A time as ISO 8601 has it, in UTC.
fn made(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|it| jiff::Timestamp::from_second(it).ok());
    time.map_or_else(String::new, |time| time.to_string())
}

/// Prints what a check has found.
pub(in crate::cli) fn checked(checked: &Checked, output: Output) {
    let Checked { generations, backups, files, bytes: size, waiting, damaged } = checked;
    if output.json {
        let damaged: Vec<_> = damaged.iter().map(Error::to_string).collect();
        json(&json!({
            "command": "archive check",
            "ok": damaged.is_empty(),
            "generations": generations,
            "backups": backups,
            "files": files,
            "bytes": size,
            "waiting": waiting,
            "damaged": damaged,
        }));
        return;
    }
    damaged.iter().for_each(|error| line(&format!("damaged: {}", legible(&error.to_string()))));
    if *waiting > 0 {
        line(&format!(
            "nothing can be restored yet: {waiting} files wait for the first generation, which a run publishes at its end"
        ));
        return;
    }
    let verdict = if damaged.is_empty() { "every part is there" } else { "NOT WHOLE" };
    line(&format!(
        "{verdict}: {generations} generations, {files} files, {}, {backups} backups",
        bytes(*size)
    ));
}

/// Prints what was copied, and how much of it had to be fetched.
pub(in crate::cli) fn copied(copied: &Brought, output: Output) {
    let Brought { archive, fetched, fetched_bytes } = copied;
    if output.json {
        json(&json!({
            "command": "archive copy",
            "ok": true,
            "archive": archive,
            "fetched_files": fetched,
            "fetched_bytes": fetched_bytes,
        }));
        return;
    }
    line(&brought(copied));
}

/// How much of a copy had to be fetched.
pub(in crate::cli) fn brought(copied: &Brought) -> String {
    let Brought { archive: ArchiveReport { generation, files, url, .. }, fetched, fetched_bytes } =
        copied;
    let size = bytes(*fetched_bytes);
    format!(
        "generation {generation} is in {url}: {fetched} of its {files} files were fetched, {size}"
    )
}

/// Prints which generation a compacted archive has.
pub(in crate::cli) fn compacted(report: &ArchiveReport, output: Output) {
    if output.json {
        json(&json!({ "command": "archive compact", "ok": true, "archive": report }));
        return;
    }
    let ArchiveReport { generation, files, bytes: size, .. } = report;
    let size = bytes(*size);
    line(&format!("generation {generation} is a base without changes: {files} files, {size}"));
}

/// Prints what was taken away.
pub(in crate::cli) fn pruned(pruned: Pruned, output: Output) {
    let Pruned { generations, backups, files, bytes: size } = pruned;
    if output.json {
        json(&json!({
            "command": "archive prune",
            "ok": true,
            "generations": generations,
            "backups": backups,
            "files": files,
            "bytes": size,
        }));
        return;
    }
    line(&format!(
        "taken away: {generations} generations, {backups} backups, {files} files, {}",
        bytes(size)
    ));
}
