//! A process and what it took: seconds, processor time, peak memory. The latter two come from /proc, on Linux only.

use anyhow::{Context, Result, bail, ensure};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often the peak is looked at; it only ever grows.
const LOOK: Duration = Duration::from_millis(10);
/// The unit of processor time in /proc, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process took, or several at once.
#[derive(Debug)]
pub(crate) struct Measured {
    /// From its start to its end.
    pub(crate) seconds: f64,
    /// Processor seconds of its own code.
    pub(crate) user: f64,
    /// Processor seconds of the kernel for it.
    pub(crate) system: f64,
    /// The most memory that was resident.
    pub(crate) peak_bytes: u64,
    /// What it printed.
    pub(crate) stdout: String,
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<Measured> {
    let began = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let pid = child.id();
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("a process without output")
    };
    let (open, ended) = bounded::<()>(0);
    let (said, complaint, peak_bytes) = thread::scope(|scope| {
        let said = scope.spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_bytes| text)
        });
        let complaint = scope.spawn(move || {
            let mut text = String::new();
            let read = stderr.read_to_string(&mut text).map(|_bytes| text);
            drop(open);
            read
        });
        let peak_bytes = watch(pid, &ended);
        (said.join(), complaint.join(), peak_bytes)
    });
    let (user, system) = processor_seconds(&child)?;
    let status = child.wait()?;
    let seconds = began.elapsed().as_secs_f64();
    let text = |read: thread::Result<std::io::Result<String>>| match read {
        Ok(read) => read.context("cannot read what a process said"),
        Err(_panic) => bail!("a reader panicked"),
    };
    let complaint = text(complaint)?;
    ensure!(status.success(), "{command:?} failed ({status}): {complaint}");
    Ok(Measured { seconds, user, system, peak_bytes, stdout: text(said)? })
}

/// Runs two commands at once, to the end of the later one.
pub(crate) fn run_both(mut commands: [Command; 2]) -> Result<Measured> {
    let began = Instant::now();
    let [first, second] = &mut commands;
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| run(first));
        let second = run(second);
        (first.join(), second)
    });
    let seconds = began.elapsed().as_secs_f64();
    let Ok(first) = first else { bail!("a reader panicked") };
    let (first, second) = (first?, second?);
    Ok(Measured {
        seconds,
        user: first.user + second.user,
        system: first.system + second.system,
        peak_bytes: first.peak_bytes.max(second.peak_bytes),
        stdout: String::new(),
    })
}

/// The number behind a name in a text like /proc/PID/status, in bytes.
pub(crate) fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// Looks at the peak of a process until its output has ended.
fn watch(pid: u32, ended: &Receiver<()>) -> u64 {
    let mut peak = 0;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        peak = peak.max(kilobytes(&status, "VmHWM:").unwrap_or(0));
        if ended.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
            return peak;
        }
    }
}

/// Waits for the end of a process without forgetting it, and reads the processor time that it took.
fn processor_seconds(child: &Child) -> Result<(f64, f64)> {
    let pid = Pid::from_child(child);
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return Ok((f64::NAN, f64::NAN));
    };
    // The program's name stands in brackets and may hold anything. Ticks are fields 14 to 17: its own, and those of the
    // processes that it waited for.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, system, user_below, system_below] = ticks[..] else {
        bail!("no processor time in {stat}")
    };
    Ok(((user + user_below) / TICKS_PER_SECOND, (system + system_below) / TICKS_PER_SECOND))
}
