//! Text from outside on a terminal: names, values and what a server says may hold anything.

use crate::error::{legible, steers};
use serde_json::Value;

/// A name as people read it in a line.
pub(super) fn name(name: &str) -> String {
    if name.is_empty() { "\"\"".into() } else { legible(name).into_owned() }
}

/// A name of the source, with the target's where that is another one.
pub(super) fn renamed(source: &str, target: &str) -> String {
    if source == target {
        name(source)
    } else {
        format!("{} \u{2192} {}", name(source), name(target))
    }
}

/// Lines that cannot steer a terminal, whatever stands in them.
pub(super) fn inert(text: &str) -> String {
    text.split('\n').map(legible).collect::<Vec<_>>().join("\n")
}

/// A JSON value on one line that cannot steer a terminal either: JSON lets through what is above ASCII's own controls.
pub(super) fn inert_json(value: &Value) -> String {
    let mut inert = String::new();
    // Such characters stand in strings only, and all of them have four digits.
    for char in value.to_string().chars() {
        if steers(char) {
            inert.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            inert.push(char);
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    use super::{inert, inert_json, renamed};

    #[test]
    fn json_means_the_same_without_what_steers() {
        let value =
            serde_json::json!({ "a\u{9b}": ["\u{202e}\n\u{7f}\u{85}", "größe 🐸 \\u0041"] });
        let line = inert_json(&value);
        assert_eq!(line, r#"{"a\u009b":["\u202e\n\u007f\u0085","größe 🐸 \\u0041"]}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn lines_stay_lines_and_nothing_else_gets_through() {
        assert_eq!(inert("a\n  b\u{1b}[31m\r\n"), "a\n  b\\u{1b}[31m\\r\n");
    }

    #[test]
    fn a_name_that_stays_is_shown_once() {
        assert_eq!(renamed("a", "a"), "a");
        assert_eq!(renamed("", "unnamed"), "\"\" \u{2192} unnamed");
        assert_eq!(renamed("a\nb", "a\nb"), "a\\nb");
    }
}
