//! Runs other programs and waits for them: no terminal, no pipe and no folder of the caller is left in their hands,
//! and when one fails, the end of what it said is the cause of the error.

use crate::error::{Class, Error, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// How many lines of a failed program's output are kept.
const TAIL_LINES: usize = 12;

/// `program` in the caller's environment (a package manager needs its proxies), but in plain English.
pub(super) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    command
}

/// `program` with nothing of the caller's environment but its PATH, so that no `PGDATA`, locale or working folder
/// of the caller changes what a server does.
pub(super) fn clean_program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs `command` to its end and gives its standard output.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let name = Path::new(command.get_program()).file_name().map_or_else(
        || command.get_program().to_string_lossy().into_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let output = command
        .output()
        .map_err(|cause| Error::new(Class::Server, format!("cannot run {name}")).because(cause))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let said = stdout + &String::from_utf8_lossy(&output.stderr);
    Err(Error::new(Class::Server, format!("{name} failed ({})", output.status))
        .because(tail(&said)))
}

/// The last lines of `text`.
pub(in crate::store::postgres) fn tail(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{clean_program, run, tail};
    use std::error::Error as _;

    #[test]
    fn a_failed_program_is_named_and_what_it_said_is_the_cause() {
        let error = run(clean_program("/bin/sh").args(["-c", "echo out; echo err >&2; exit 3"]))
            .unwrap_err();
        assert_eq!(error.to_string(), "sh failed (exit status: 3)");
        assert_eq!(error.source().unwrap().to_string(), "out\nerr");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let lines: Vec<String> = (0..40).map(|line| format!("line {line}\n")).collect();
        let kept = tail(&lines.join("\n"));
        assert!(kept.starts_with("line 28\n") && kept.ends_with("line 39"), "{kept}");
    }

    #[test]
    fn a_server_program_sees_neither_the_environment_nor_the_folder_of_the_caller() {
        let seen = run(clean_program("/bin/sh").args(["-c", "env; pwd"])).unwrap();
        assert!(!seen.contains("HOME="), "{seen}");
        assert!(seen.ends_with("/\n"), "{seen}");
    }
}
