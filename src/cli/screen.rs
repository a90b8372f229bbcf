//! Progress on stderr: bars on a terminal, plain lines elsewhere, JSON lines on request.

use super::text::{inert, inert_json, name as shown};
use crate::error::{Error, legible};
use crate::pipeline::progress::Phase;
use crate::pipeline::{Event, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two plain lines about the same table, so that a log stays readable.
const LINE_EVERY_SECONDS: f64 = 5.0;
/// Between two pictures of the spinner.
const SPIN_EVERY: Duration = Duration::from_millis(120);

/// What is told to the user while something happens.
#[derive(Debug)]
pub(super) struct Screen {
    verbose: bool,
    form: Form,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Form {
    Bars(MultiProgress),
    Lines,
    Json,
}

#[derive(Debug, Default)]
struct State {
    phase: Option<Phase>,
    tables: BTreeMap<String, Table>,
    bars: BTreeMap<String, ProgressBar>,
    step: Option<ProgressBar>,
}

/// How far a table is in the current phase.
#[derive(Debug)]
struct Table {
    rows: u64,
    bytes: u64,
    expected_rows: u64,
    /// Whether what is expected is an estimate.
    about: bool,
    began: Instant,
    told: Instant,
}

impl Default for Table {
    fn default() -> Self {
        let now = Instant::now();
        Self { rows: 0, bytes: 0, expected_rows: 0, about: false, began: now, told: now }
    }
}

impl Screen {
    pub(super) fn new(verbose: bool, json: bool) -> Self {
        let form = if json {
            Form::Json
        } else if std::io::stderr().is_terminal() {
            Form::Bars(MultiProgress::new())
        } else {
            Form::Lines
        };
        Self { verbose, form, state: Mutex::default() }
    }

    /// Says one line.
    pub(super) fn say(&self, line: &str) {
        self.line("info", line, &json!({}));
    }

    /// Says what went wrong, why, and what to do.
    pub(super) fn failed(&self, error: &Error) {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        if let Form::Json = self.form {
            self.line(
                "error",
                &error.to_string(),
                &json!({ "causes": causes, "advice": error.advice() }),
            );
            return;
        }
        let mut text = format!("error: {error}");
        // What only says once more what led to it, with its number before, tells nothing.
        causes.dedup_by(|cause, before| cause.ends_with(before.as_str()));
        causes.iter().for_each(|cause| text.push_str(&format!("\n  because: {cause}")));
        if let Some(advice) = error.advice() {
            text.push_str(&format!("\n  what to do: {advice}"));
        }
        self.line("error", &text, &json!({}));
    }

    /// Takes the bars away.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        if let Some(step) = state.step.take() {
            step.finish_and_clear();
        }
        std::mem::take(&mut state.bars).into_values().for_each(|bar| bar.finish_and_clear());
        state.tables.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, level: &str, line: &str, more: &Value) {
        match &self.form {
            Form::Bars(bars) => bars.suspend(|| write_line(&inert(line))),
            Form::Lines => write_line(&inert(line)),
            Form::Json => {
                let mut object = json!({ "level": level, "message": line });
                if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
                    more.iter()
                        .for_each(|(name, value)| drop(object.insert(name.clone(), value.clone())));
                }
                write_line(&inert_json(&object));
            }
        }
    }

    fn begin(&self, phase: Phase) {
        self.finish();
        self.state().phase = Some(phase);
        if !matches!(self.form, Form::Bars(_)) || self.verbose {
            self.line("info", phase.name(), &json!({ "phase": phase.name() }));
        }
    }

    fn expect(&self, name: &str, rows: u64, about: bool) {
        let mut state = self.state();
        let table = state.tables.entry(name.into()).or_default();
        let was_about = std::mem::replace(&mut table.about, about);
        table.expected_rows = rows;
        if was_about && !about && table.rows == rows {
            self.show(name, state, true);
        }
    }

    fn passed(&self, name: &str, rows: u64, bytes: u64) {
        let mut state = self.state();
        let table = state.tables.entry(name.into()).or_default();
        table.rows = table.rows.saturating_add(rows);
        table.bytes = table.bytes.saturating_add(bytes);
        let done = rows > 0 && table.rows == table.expected_rows && !table.about;
        self.show(name, state, done);
    }

    /// Shows how far a table is, now and then, and when it is `done`.
    fn show(&self, name: &str, mut state: MutexGuard<'_, State>, done: bool) {
        let table = state.tables.entry(name.into()).or_default();
        let (rows_done, about, rate) = (table.rows, table.about, rate(table));
        let expected = if about { table.expected_rows.max(rows_done) } else { table.expected_rows };
        if let Form::Bars(bars) = &self.form {
            if expected == 0 {
                spin(&mut state, bars, &format!("{}: {rows_done} rows {rate}", shown(name)));
            } else {
                let bar = bar(&mut state, bars, name, expected);
                bar.set_length(expected);
                advance(bar, rows_done, expected, about, rate);
            }
            return;
        }
        if done || table.told.elapsed().as_secs_f64() >= LINE_EVERY_SECONDS {
            table.told = Instant::now();
            drop(state);
            let all = expected.max(rows_done);
            let about_words = if about { "about " } else { "" };
            let line = format!("{}: {rows_done} of {about_words}{all} rows {rate}", shown(name));
            let mut more = json!({ "table": name, "rows": rows_done, "expected": expected });
            if let (true, Some(more)) = (about, more.as_object_mut()) {
                more.insert("estimated".into(), true.into());
            }
            self.line("info", line.trim_end(), &more);
        }
    }

    fn again(&self, name: &str, rows: u64, bytes: u64) {
        let mut state = self.state();
        let State { tables, bars, .. } = &mut *state;
        let table = tables.entry(name.into()).or_default();
        table.rows = table.rows.saturating_sub(rows);
        table.bytes = table.bytes.saturating_sub(bytes);
        if let Some(bar) = bars.get(name) {
            bar.set_position(table.rows);
        }
    }

    fn step(&self, what: &str) {
        if let Form::Bars(bars) = &self.form {
            spin(&mut self.state(), bars, what);
            if !self.verbose {
                return;
            }
        }
        self.line("info", what, &json!({}));
    }
}

/// Says beside a spinner what is being done.
fn spin(state: &mut State, bars: &MultiProgress, what: &str) {
    let phase = state.phase.map_or("", Phase::name);
    let spinner = state.step.get_or_insert_with(|| {
        let spinner = bars.add(ProgressBar::new_spinner());
        spinner.enable_steady_tick(SPIN_EVERY);
        spinner
    });
    spinner.set_message(format!("{phase} {what}"));
}

/// The bar of a table; it appears when its first rows have passed.
fn bar<'s>(
    state: &'s mut State,
    bars: &MultiProgress,
    name: &str,
    expected: u64,
) -> &'s ProgressBar {
    let phase = state.phase.map_or("", Phase::name);
    state.bars.entry(name.into()).or_insert_with(|| {
        bars.add(
            ProgressBar::new(expected)
                .with_style(table_style())
                .with_prefix(format!("{phase} {}", shown(name))),
        )
    })
}

fn advance(bar: &ProgressBar, rows: u64, expected: u64, about: bool, rate: String) {
    bar.set_position(rows);
    bar.set_message(if about { format!("(about) {rate}") } else { rate });
    if rows >= expected && !about {
        bar.finish();
    }
}

impl Progress for Screen {
    fn tell(&self, event: Event) {
        match event {
            Event::Phase(phase) => self.begin(phase),
            Event::Expect { table, rows, about, .. } => self.expect(&table, rows, about),
            Event::Rows { table, rows, bytes } => self.passed(&table, rows, bytes),
            Event::Again { table, rows, bytes } => self.again(&table, rows, bytes),
            Event::Step(what) => self.step(&legible(&what)),
            Event::Note(what) => self.line("info", &legible(&what), &json!({})),
            Event::Warning(what) => {
                self.line("warning", &format!("warning: {}", legible(&what)), &json!({}));
            }
        }
    }
}

fn table_style() -> ProgressStyle {
    // The template is a constant; were it wrong, the default would do.
    ProgressStyle::with_template(
        "{prefix:28!} {bar:24} {human_pos:>12} / {human_len} {msg} {eta:>5} left",
    )
    .unwrap_or_else(|_wrong_template| ProgressStyle::default_bar())
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn rate(table: &Table) -> String {
    let seconds = table.began.elapsed().as_secs_f64();
    if table.bytes == 0 || seconds < 0.1 {
        return String::new();
    }
    format!("{:.1} MB/s", table.bytes as f64 / 1e6 / seconds)
}

fn write_line(line: &str) {
    // A closed stderr has nobody left to tell.
    let _nobody_listens = writeln!(std::io::stderr(), "{line}");
}
