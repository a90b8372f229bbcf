//! Random expressions of SQLite over the columns of [`super::judge`], most of them of sensible types, some of none.

use super::Dice;

/// Texts with everything that a quoting may get wrong.
pub(crate) const TEXTS: [&str; 24] = [
    "",
    " ",
    "a",
    "A",
    "abc",
    "ABC ",
    "aBc",
    "ab%c",
    "a_c",
    "a\\c",
    "it's",
    "\"q\"",
    "ä",
    "Ä",
    "ß🐸",
    "a  ",
    " a",
    "10",
    "9",
    "-1.5",
    "2025-01-31",
    "a\nb",
    "'); DROP TABLE t; --",
    "/* $1 \\' */",
];

const WHOLE: [&str; 12] =
    ["0", "1", "-1", "2", "3", "7", "10", "0x10", "1_000", "65536", "-2147483648", "TRUE"];
const WIDE: [&str; 5] = [
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "-9007199254740993",
    "9223372036854775806",
];
const BROKEN: [&str; 9] = ["0.5", "-0.25", "1.0", "1e3", ".1", "2.5e-3", "-0.0", "100.125", "1e15"];

/// Writes expressions; `wide` has integers of all sizes, and then nothing that is no integer.
pub(crate) struct Writer<'d> {
    pub(crate) dice: &'d mut Dice,
    pub(crate) wide: bool,
}

impl Writer<'_> {
    /// A condition.
    pub(crate) fn condition(&mut self, depth: usize) -> String {
        if self.dice.once_in(40) {
            return self.anything(depth);
        }
        let Some(depth) = depth.checked_sub(1) else {
            let atoms = ["b", "b = 1", "0 = b", "i", "s IS NULL", "NOT b", "NULL", "true", "f"];
            // Whole numbers beyond 2^53 are compared with doubles in another way.
            let atoms = &atoms[..atoms.len() - usize::from(self.wide)];
            return self.dice.pick(atoms).into();
        };
        match self.dice.below(16) {
            0 => format!("{} AND {}", self.condition(depth), self.condition(depth)),
            1 => format!("({} OR {})", self.condition(depth), self.condition(depth)),
            2 => format!("NOT ({})", self.condition(depth)),
            3 | 4 => self.comparison(|writer| writer.number(depth)),
            5 | 6 => self.comparison(|writer| writer.text(depth)),
            7 => {
                let not = self.not();
                format!(
                    "{} {not}BETWEEN {} AND {}",
                    self.number(depth),
                    self.number(depth),
                    self.number(depth)
                )
            }
            8 => {
                let not = self.not();
                format!(
                    "({}) {not}BETWEEN {} AND {}",
                    self.text(depth),
                    self.text(depth),
                    self.text(depth)
                )
            }
            9 => self.list(depth),
            10 | 11 => self.pattern(depth),
            12 => {
                let test = self.dice.pick(&["IS NULL", "IS NOT NULL", "ISNULL", "NOTNULL"]);
                format!("{} {test}", self.anything(depth))
            }
            13 => {
                let test = self.dice.pick(&["IS TRUE", "IS FALSE", "IS NOT TRUE", "IS NOT FALSE"]);
                format!("({}) {test}", self.condition(depth))
            }
            14 => self.case(depth, Self::condition),
            _ => self.dates(),
        }
    }

    /// A number.
    pub(crate) fn number(&mut self, depth: usize) -> String {
        if self.dice.once_in(40) {
            return self.anything(depth);
        }
        let Some(depth) = depth.checked_sub(1) else { return self.number_atom() };
        match self.dice.below(12) {
            0..4 => {
                let operator = self.dice.pick(&["+", "-", "*", "/", "%", "&", "|"]);
                format!("({} {operator} {})", self.number(depth), self.number(depth))
            }
            4 => format!("-({})", self.number(depth)),
            5 => format!("abs({})", self.number(depth)),
            6 => format!("length({})", self.text(depth)),
            7 => {
                let function = self.dice.pick(&["coalesce", "ifnull", "nullif"]);
                format!("{function}({}, {})", self.number(depth), self.number(depth))
            }
            8 => {
                // Whole numbers beyond 2^53 are compared with doubles in another way.
                let kinds: &[&str] = if self.wide {
                    &["INTEGER", "INT"]
                } else {
                    &["INTEGER", "REAL", "INT", "NUMERIC", "DOUBLE"]
                };
                let kind = self.dice.pick(kinds);
                format!("CAST({} AS {kind})", self.number(depth))
            }
            9 => format!("instr({}, {})", self.text(depth), self.text(depth)),
            10 => self.case(depth, Self::number),
            _ => self.number_atom(),
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, depth: usize) -> String {
        if self.dice.once_in(40) {
            return self.anything(depth);
        }
        let Some(depth) = depth.checked_sub(1) else { return self.text_atom() };
        match self.dice.below(14) {
            0 => format!("{} || {}", self.text(depth), self.text(depth)),
            1 | 2 => {
                let function = self.dice.pick(&["lower", "upper", "trim", "ltrim", "rtrim"]);
                format!("{function}({})", self.text(depth))
            }
            3 => {
                let function = self.dice.pick(&["trim", "ltrim", "rtrim"]);
                format!("{function}({}, {})", self.text(depth), self.text(depth))
            }
            4 => {
                format!("replace({}, {}, {})", self.text(depth), self.text_atom(), self.text(depth))
            }
            5 | 6 => {
                let place = self.dice.pick(&["1", "2", "3", "0", "-1", "i", "2147483647"]);
                let length =
                    self.dice.pick(&["", ", 0", ", 1", ", 3", ", -1", ", 2147483647", ", NULL"]);
                format!("substr({}, {place}{length})", self.text(depth))
            }
            7 => format!("coalesce({}, {})", self.text(depth), self.text(depth)),
            8 => format!("nullif({}, {})", self.text(depth), self.text(depth)),
            9 => {
                let collation = self.dice.pick(&["NOCASE", "BINARY", "RTRIM", "nocase", "UNICASE"]);
                format!("({} COLLATE {collation})", self.text(depth))
            }
            10 => format!(
                "CAST({} AS TEXT)",
                if self.dice.once_in(2) { self.text(depth) } else { self.number(depth) }
            ),
            11 => self.case(depth, Self::text),
            _ => self.text_atom(),
        }
    }

    /// Something that may make no sense, or is on no whitelist.
    fn anything(&mut self, depth: usize) -> String {
        let depth = depth.saturating_sub(1);
        match self.dice.below(12) {
            0 => self.condition(depth),
            1 | 2 => self.number(depth),
            3 | 4 => self.text(depth),
            5 => self
                .dice
                .pick(&["NULL", "x", "d", "e", "x'00fF'", "x''", "CURRENT_DATE", "b"])
                .into(),
            6 => {
                let function = self.dice.pick(&[
                    "typeof", "hex", "round", "quote", "unicode", "sign", "date", "likely",
                ]);
                format!("{function}({})", self.number(depth))
            }
            7 => format!("max({}, {})", self.number(depth), self.number(depth)),
            8 => format!(
                "iif({}, {}, {})",
                self.condition(depth),
                self.number(depth),
                self.number(depth)
            ),
            9 => format!("({}) << {}", self.number(depth), self.number(depth)),
            10 => format!("~({})", self.number(depth)),
            _ => self
                .dice
                .pick(&[
                    "(SELECT 1)",
                    "EXISTS (SELECT 1)",
                    "random()",
                    "\"no such\"",
                    "rowid",
                    "?1",
                ])
                .into(),
        }
    }

    fn number_atom(&mut self) -> String {
        let column = self.dice.once_in(2);
        match (column, self.wide) {
            (true, true) => self.dice.pick(&["i", "j", "k", "\"I\"", "t.j"]).into(),
            (true, false) => {
                self.dice.pick(&["i", "j", "k", "f", "g", "n", "[i]", "`F`", "t.n"]).into()
            }
            (false, true) if self.dice.once_in(2) => self.dice.pick(&WIDE).into(),
            (false, false) if self.dice.once_in(2) => self.dice.pick(&BROKEN).into(),
            (false, _) => self.dice.pick(&WHOLE).into(),
        }
    }

    fn text_atom(&mut self) -> String {
        if self.dice.once_in(3) {
            return literal(TEXTS[self.dice.below(TEXTS.len())]);
        }
        self.dice.pick(&["s", "s2", "u", "r", "v", "\"S\"", "t.u", "[two\nlines]"]).into()
    }

    fn comparison(&mut self, mut operand: impl FnMut(&mut Self) -> String) -> String {
        let operator = self.dice.pick(&[
            "=",
            "==",
            "<>",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            "IS",
            "IS NOT",
            "IS DISTINCT FROM",
        ]);
        format!("{} {operator} {}", operand(self), operand(self))
    }

    fn list(&mut self, depth: usize) -> String {
        let not = self.not();
        let texts = self.dice.once_in(2);
        let count = self.dice.below(4);
        let elements: Vec<_> = (0..count)
            .map(|_| match self.dice.below(12) {
                0 => "NULL".to_owned(),
                1 => self.anything(0),
                _ if texts => literal(TEXTS[self.dice.below(TEXTS.len())]),
                _ if self.wide => (*self.dice.pick(&WIDE)).to_owned(),
                _ => (*self.dice.pick(&WHOLE)).to_owned(),
            })
            .collect();
        let value = if texts { self.text(depth) } else { self.number(depth) };
        format!("({value}) {not}IN ({})", elements.join(", "))
    }

    fn pattern(&mut self, depth: usize) -> String {
        let not = self.not();
        let mut pattern = String::new();
        for _ in 0..self.dice.below(5) {
            pattern.push_str(self.dice.pick(&[
                "%", "_", "a", "B", "*", "?", "\\", "!", "ä", "[a-c]", "it's", "%%", "\n",
            ]));
        }
        let operator = self.dice.pick(&["LIKE", "LIKE", "GLOB", "REGEXP"]);
        let escape = match operator {
            "LIKE" if self.dice.once_in(3) => self.dice.pick(&[
                " ESCAPE '!'",
                " ESCAPE '\\'",
                " ESCAPE '%'",
                " ESCAPE 'xy'",
                " ESCAPE 'a'",
            ]),
            _ => "",
        };
        format!("({}) {not}{operator} {}{escape}", self.text(depth), literal(&pattern))
    }

    fn dates(&mut self) -> String {
        let operator = self.dice.pick(&["=", "<", ">=", "<>", "IS"]);
        let other = self.dice.pick(&[
            "'2025-01-31'",
            "d",
            "'2025-1-31'",
            "NULL",
            "'0001-01-01'",
            "coalesce(d, '2024-02-29')",
            "e",
        ]);
        format!("d {operator} {other}")
    }

    fn case(&mut self, depth: usize, mut result: impl FnMut(&mut Self, usize) -> String) -> String {
        let base =
            if self.dice.once_in(3) { format!(" {}", self.number(0)) } else { String::new() };
        let when = if base.is_empty() { self.condition(depth) } else { self.number(0) };
        let otherwise = if self.dice.once_in(2) {
            format!(" ELSE {}", result(self, depth))
        } else {
            String::new()
        };
        format!("CASE{base} WHEN {when} THEN {}{otherwise} END", result(self, depth))
    }

    fn not(&mut self) -> &'static str {
        if self.dice.once_in(3) { "NOT " } else { "" }
    }
}

/// A string of SQLite.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
