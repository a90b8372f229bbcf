//! Text from outside on a terminal: names, values and what a server says may hold anything.

use crate::error::legible;

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

#[cfg(test)]
mod tests {
    use super::{inert, renamed};

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
