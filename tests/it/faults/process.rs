//! A run of the program, watched from outside.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A process that is killed with the test that started it.
pub(super) struct Process {
    child: Child,
    lines: Receiver<String>,
    stderr: String,
}

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) stderr: String,
}

impl Process {
    pub(super) fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, stderr: String::new() }
    }

    /// The next line of stderr; none at its end.
    pub(super) fn line(&mut self) -> Option<String> {
        let line = self.lines.recv().ok()?;
        self.note(&line);
        Some(line)
    }

    /// Reads stderr for so long; false where it ended before.
    pub(super) fn speaks_for(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.note(&line),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn note(&mut self, line: &str) {
        self.stderr.push_str(line);
        self.stderr.push('\n');
    }

    /// Waits for a line of stderr that contains `text`.
    pub(super) fn wait_for(&mut self, text: &str) {
        while let Some(line) = self.line() {
            if line.contains(text) {
                return;
            }
        }
        panic!("it ended without saying {text:?}:\n{}", self.stderr);
    }

    /// Waits until the process stands still at a step.
    pub(super) fn wait_stopped(&mut self) {
        self.wait_for("LITEFERRY_FAIL: ");
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::Pid(self.pid()), options).unwrap().unwrap();
        assert!(status.stopped(), "it ended");
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(super) fn end(mut self) -> Ended {
        while self.line().is_some() {}
        let status = self.child.wait().unwrap();
        let stderr = std::mem::take(&mut self.stderr);
        Ended { code: status.code(), signal: status.signal(), stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, but where the test failed.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

impl Ended {
    pub(super) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "signal {:?}\n{}", self.signal, self.stderr);
        self
    }

    /// It died as by `kill -9`.
    pub(super) fn expect_killed(self) -> Self {
        assert_eq!(self.signal, Some(9), "code {:?}\n{}", self.code, self.stderr);
        self
    }
}
