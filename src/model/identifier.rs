//! Names and strings as they stand in SQL: the only place where quotes are put, for both stores alike.
//!
//! Names keep their case. What PostgreSQL would cut or refuse is refused here, because it cuts with a notice only,
//! and two names may become one.

use std::fmt;

/// The longest name that PostgreSQL keeps whole, in bytes.
pub const NAME_BYTES_MAX: usize = 63;

/// Columns that every PostgreSQL table has already.
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// Why a name or a text cannot stand in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, lower case.
    pub reason: String,
}

/// A name of 1 to 63 bytes without NUL; prints quoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(String);

/// A relation's name with its schema; prints as `"schema"."name"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qualified {
    /// The schema.
    pub schema: Ident,
    /// The name in the schema.
    pub name: Ident,
}

impl Ident {
    /// A name as PostgreSQL keeps it, or why it does not.
    pub fn new(name: impl Into<String>) -> Result<Self, Refusal> {
        let name = name.into();
        if name.is_empty() {
            return Err(Refusal::new("the name is empty"));
        }
        if name.contains('\0') {
            return Err(Refusal::new(format!("the name {name:?} contains a NUL character")));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(Refusal::new(format!(
                "the name {name:?} has {} bytes, and PostgreSQL keeps {NAME_BYTES_MAX}",
                name.len()
            )));
        }
        Ok(Self(name))
    }

    /// A column's name: the names of system columns are refused as well.
    pub fn for_column(name: impl Into<String>) -> Result<Self, Refusal> {
        let ident = Self::new(name)?;
        if SYSTEM_COLUMNS.contains(&ident.as_str()) {
            return Err(Refusal::new(format!("{ident} is a system column of every table")));
        }
        Ok(ident)
    }

    /// The name without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Qualified {
    /// A relation's name in a schema, or why one of them cannot be.
    pub fn new(schema: &str, name: &str) -> Result<Self, Refusal> {
        Ok(Self { schema: Ident::new(schema)?, name: Ident::new(name)? })
    }
}

/// A name that was found legal before, quoted.
pub fn quoted(name: &str) -> String {
    Ident(name.to_owned()).to_string()
}

impl Refusal {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// A string constant, right while `standard_conforming_strings` is on, as it is by default.
pub fn literal(text: &str) -> Result<String, Refusal> {
    if text.contains('\0') {
        return Err(Refusal::new("the text contains a NUL character"));
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// The name that `name` becomes where it must be short enough and not `taken`: itself where it can, else cut at a
/// character's boundary and followed by `_1`, `_2`, ….
pub fn shortened(name: &str, taken: &dyn Fn(&str) -> bool) -> String {
    let name = if name.is_empty() { "_".to_owned() } else { name.replace('\0', "_") };
    let mut number = 0_u64;
    let mut candidate = cut(&name, NAME_BYTES_MAX).to_owned();
    while (number == 0 && name.len() > NAME_BYTES_MAX) || taken(&candidate) {
        number += 1;
        let suffix = format!("_{number}");
        candidate = format!("{}{suffix}", cut(&name, NAME_BYTES_MAX - suffix.len()));
    }
    candidate
}

/// As many whole characters as `bytes` hold.
fn cut(name: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl fmt::Display for Qualified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::{Ident, Qualified, literal, shortened};

    #[test]
    fn a_name_prints_quoted_whatever_it_holds() {
        for (name, quoted) in [
            ("Users", "\"Users\""),
            ("a\"b", "\"a\"\"b\""),
            ("\"); DROP TABLE x; --", "\"\"\"); DROP TABLE x; --\""),
            ("two\nlines", "\"two\nlines\""),
            ("it's", "\"it's\""),
        ] {
            assert_eq!(Ident::new(name).unwrap().to_string(), quoted);
        }
        let table =
            Qualified { schema: Ident::new("public").unwrap(), name: Ident::new("a.b").unwrap() };
        assert_eq!(table.to_string(), "\"public\".\"a.b\"");
    }

    #[test]
    fn a_name_that_postgresql_would_cut_or_refuse_is_refused() {
        assert!(Ident::new("").is_err());
        assert!(Ident::new("a\0b").is_err());
        assert!(Ident::new("n".repeat(63)).is_ok());
        assert!(Ident::new("n".repeat(64)).is_err());
        assert!(Ident::new("ü".repeat(32)).is_err());
    }

    #[test]
    fn a_system_column_is_refused_as_a_column_only() {
        assert!(Ident::for_column("xmin").is_err());
        assert!(Ident::for_column("tableoid").is_err());
        assert!(Ident::for_column("oid").is_ok());
        assert!(Ident::new("xmin").is_ok());
    }

    #[test]
    fn a_string_has_its_quotes_doubled_and_its_backslashes_kept() {
        assert_eq!(literal("it's a \\ \"x\"\n").unwrap(), "'it''s a \\ \"x\"\n'");
        assert!(literal("a\0b").is_err());
    }

    #[test]
    fn a_shortened_name_is_unique_and_ends_at_a_character() {
        assert_eq!(shortened("orders", &|_| false), "orders");
        assert_eq!(shortened("orders", &|name| name == "orders"), "orders_1");
        assert_eq!(shortened("orders", &|name| ["orders", "orders_1"].contains(&name)), "orders_2");
        let long = shortened(&"ü".repeat(40), &|_| false);
        assert_eq!(long, format!("{}_1", "ü".repeat(30)));
        assert!(Ident::new(shortened("", &|_| false)).is_ok());
        assert!(Ident::new(shortened("a\0b", &|_| false)).is_ok());
    }

    #[test]
    fn two_long_names_with_one_beginning_stay_apart() {
        let (one, two) = (format!("{}one", "n".repeat(70)), format!("{}two", "n".repeat(70)));
        let first = shortened(&one, &|_| false);
        let second = shortened(&two, &|name| name == first);
        assert_ne!(first, second);
        assert!(first.len() <= 63 && second.len() <= 63);
    }
}
