//! A process and what it took: seconds, processor time, peak memory, and what it said meanwhile. Processor time and
//! memory come from /proc, on Linux only.

use anyhow::{Context, Result, bail, ensure};
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::io::{BufRead as _, BufReader, Read as _, Result as Io};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

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
    /// What it said meanwhile, on stderr.
    pub(crate) said: Vec<Said>,
    /// When it began, by the wall clock.
    pub(crate) began: SystemTime,
}

impl Measured {
    /// Processor seconds, the kernel's included.
    pub(crate) fn processor(&self) -> f64 {
        self.user + self.system
    }
}

/// A line that a process said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Processor seconds that it had taken by then, the kernel's included.
    pub(crate) processor: f64,
    /// The words.
    pub(crate) line: String,
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<Measured> {
    let (began, start) = (SystemTime::now(), Instant::now());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let pid = child.id();
    let (Some(mut stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("a process without output")
    };
    let (open, ended) = bounded::<()>(0);
    let (printed, said, peak_bytes) = thread::scope(|scope| {
        let printed = scope.spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_bytes| text)
        });
        let said = scope.spawn(move || {
            let said = listen(stderr, pid);
            drop(open);
            said
        });
        let peak_bytes = watch(pid, &ended);
        (printed.join(), said.join(), peak_bytes)
    });
    let (user, system) = processor_seconds(&child)?;
    let status = child.wait()?;
    let seconds = start.elapsed().as_secs_f64();
    let (Ok(printed), Ok(said)) = (printed, said) else { bail!("a reader panicked") };
    let said = said.context("cannot read what a process said")?;
    let words = || said.iter().map(|said| said.line.as_str()).collect::<Vec<_>>().join("\n");
    ensure!(status.success(), "{command:?} failed ({status}): {}", words());
    let stdout = printed.context("cannot read what a process printed")?;
    Ok(Measured { seconds, user, system, peak_bytes, stdout, said, began })
}

/// Notes each line, and what the process had taken when it came.
fn listen(stderr: ChildStderr, pid: u32) -> Io<Vec<Said>> {
    let heard = |line: Io<String>| {
        let processor = ticks(pid).map_or(f64::NAN, |(user, system)| user + system);
        Ok(Said { processor, line: line? })
    };
    BufReader::new(stderr).lines().map(heard).collect()
}

/// Runs two commands at once, to the end of the later one.
pub(crate) fn run_both(mut commands: [Command; 2]) -> Result<Measured> {
    let start = Instant::now();
    let [first, second] = &mut commands;
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| run(first));
        let second = run(second);
        (first.join(), second)
    });
    let seconds = start.elapsed().as_secs_f64();
    let Ok(first) = first else { bail!("a reader panicked") };
    let (first, second) = (first?, second?);
    Ok(Measured {
        seconds,
        user: first.user + second.user,
        system: first.system + second.system,
        peak_bytes: first.peak_bytes.max(second.peak_bytes),
        stdout: String::new(),
        said: Vec::new(),
        began: first.began,
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
    Ok(ticks(child.id()).unwrap_or((f64::NAN, f64::NAN)))
}

/// Processor seconds of a process so far, the kernel's included; none where there is no such process.
pub(crate) fn processor_of(pid: u32) -> Option<f64> {
    ticks(pid).map(|(user, system)| user + system)
}

/// Processor seconds of a process, its own and the kernel's; none where there is no /proc.
fn ticks(pid: u32) -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets and may hold anything. Ticks are fields 14 to 17: its own, and those of the
    // processes that it waited for.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, system, user_below, system_below] = ticks[..] else { return None };
    Some(((user + user_below) / TICKS_PER_SECOND, (system + system_below) / TICKS_PER_SECOND))
}
