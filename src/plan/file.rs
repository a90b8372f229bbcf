//! The pipeline file that says what a plan does: every choice with its reason and its evidence, commented out, so that
//! the file changes nothing until somebody edits it.

use super::{ColumnReport, Plan, PlannedTable};
use crate::config::Census;
use crate::model::Column;
use std::fmt::Write as _;

/// Writes the file. `source` and `target` stand in it as they are; `census` is what the plan was made by, and `refused` are
/// the tables that cannot be followed, each with the reason.
pub fn pipeline_file(
    plan: &Plan,
    source: &str,
    target: &str,
    census: Census,
    refused: &[(String, String)],
) -> String {
    let why_not = |table: &PlannedTable| {
        let mut refused = refused.iter();
        refused.find(|(name, _)| *name == table.schema.source).map(|(_, why)| why.as_str())
    };
    let mut text = String::from(HEAD);
    if let Some(words) = plan.sample_in_words() {
        say(&mut text, format_args!("# {}.\n", comment(&words)));
    }
    let undecided: usize = plan.tables.iter().map(|table| open(table).count()).sum();
    let undecided = undecided + refused.len();
    if undecided > 0 {
        say(&mut text, format_args!("# {undecided} to decide: each is marked by `decide:`.\n"));
    }
    say(&mut text, format_args!("name = {}\n", string(&plan.name)));
    say(&mut text, format_args!("\n[source]\npath = {}\n", string(source)));
    if census == Census::Sample {
        say(&mut text, format_args!("census = \"sample\"\n"));
    }
    let schema = string(&plan.target_schema);
    say(&mut text, format_args!("\n[target]\nurl = {}\n# schema = {schema}\n", string(target)));
    let (first, others): (Vec<_>, Vec<_>) =
        plan.tables.iter().partition(|of| open(of).next().is_some() || why_not(of).is_some());
    for written in first.into_iter().chain(others) {
        if let Some(why) = why_not(written) {
            not_followed(&mut text, &written.schema.source, why);
        }
        table(&mut text, written);
    }
    text
}

/// A table's or a column's name as a key.
pub fn key(name: &str) -> String {
    let line = toml::Table::from_iter([(name.to_owned(), toml::Value::Boolean(true))]).to_string();
    line.trim_end().strip_suffix(" = true").map(Into::into).unwrap_or_default()
}

const HEAD: &str = "\
# What liteferry does with this source, as its census saw it. A line that is commented out says what is done anyway:
# take its `#` away and edit it to have something else done. `liteferry plan FILE` shows what comes of it.
# Where the target has a table already, its types are kept.
";

/// A text as a value.
pub fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Text from the source must not leave its comment, nor hold what a comment may not.
fn comment(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line
}

fn say(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(arguments);
}

/// The columns that should be decided.
fn open(table: &PlannedTable) -> impl Iterator<Item = &ColumnReport> {
    table.columns.iter().filter(|report| report.hint.as_ref().is_some_and(|hint| hint.open))
}

/// A table that cannot be followed, and what can be done about it.
fn not_followed(text: &mut String, table: &str, why: &str) {
    say(
        text,
        format_args!("\n[tables.{}]\n# decide: cannot be followed: {}\n", key(table), comment(why)),
    );
    let reason = "it is copied as a whole, and once more when the application moves over";
    say(text, format_args!("# {COPIED:56} # instead: {reason}\n"));
}

/// What leaves a table to a copy.
pub const COPIED: &str = "capture = \"copy\"";

fn table(text: &mut String, table: &PlannedTable) {
    let schema = &table.schema;
    say(text, format_args!("\n[tables.{}.columns]\n", key(&schema.source)));
    let rows = table.rows_in_words();
    say(text, format_args!("# {rows}, {} bytes of values\n", schema.bytes));
    for (column, report) in schema.columns.iter().zip(&table.columns) {
        if let Some(hint) = report.hint.as_ref().filter(|hint| hint.open) {
            say(text, format_args!("# decide: {}\n", comment(&hint.reason)));
            alternative(text, column, hint.line.as_deref(), "not decided yet");
            default(text, column, report);
        }
    }
    for (column, report) in schema.columns.iter().zip(&table.columns) {
        match &report.hint {
            Some(hint) if hint.open => {}
            hint => {
                default(text, column, report);
                if let Some(hint) = hint {
                    alternative(text, column, hint.line.as_deref(), &hint.reason);
                }
            }
        }
    }
}

/// What is done anyway.
fn default(text: &mut String, column: &Column, report: &ColumnReport) {
    let ColumnReport { declared, reason, evidence, .. } = report;
    let line = format!("{} = {{ type = \"{}\" }}", key(&column.source), column.pg);
    let declared = if declared.is_empty() { "no type" } else { declared };
    let why = comment(&format!("{declared}: {reason} ({evidence})"));
    say(text, format_args!("# {line:56} # {why}\n"));
}

/// What could be done instead.
fn alternative(text: &mut String, column: &Column, line: Option<&str>, reason: &str) {
    match line {
        Some(line) => say(text, format_args!("# {line:56} # instead: {}\n", comment(reason))),
        None => say(text, format_args!("# {}: {}\n", key(&column.source), comment(reason))),
    }
}

#[cfg(test)]
mod tests {
    use super::{comment, key, string};

    #[test]
    fn a_key_and_a_string_read_back_as_what_they_were() {
        for name in [
            "id",
            "a.b",
            "a b",
            "",
            "\"",
            "'",
            "'\"",
            "a\nb",
            "\\",
            "é",
            "\u{0}\u{7f}\r",
            "a = true",
            "#",
            "]",
        ] {
            let text = format!("[tables.{}.columns]\n{} = 1", key(name), key(name));
            let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(table["tables"][name]["columns"][name].as_integer(), Some(1), "{text}");
            let table: toml::Table = format!("s = {}", string(name)).parse().unwrap();
            assert_eq!(table["s"].as_str(), Some(name));
            assert!(!key(name).contains('\n'));
        }
    }

    #[test]
    fn no_text_leaves_its_comment() {
        let text = format!("# {}", comment("a\nb = 1\r\u{0}\u{7f}\u{85} c"));
        assert_eq!(text.lines().count(), 1);
        assert!(text.parse::<toml::Table>().unwrap().is_empty());
    }
}
