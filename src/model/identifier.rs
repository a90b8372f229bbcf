//! Names and strings as they stand in SQL: the only place where quotes are put, for both stores alike.
//!
//! What PostgreSQL would cut or refuse is refused here, because it cuts with a notice only, and two names may become
//! one; [`replacements`] are what such a name becomes instead. Reserved words are names like any other: all are quoted.

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
            return Err(Refusal::new("it is empty"));
        }
        if name.contains('\0') {
            return Err(Refusal::new("it contains a NUL character"));
        }
        if name.len() > NAME_BYTES_MAX {
            let reason = format!("it has {} bytes, PostgreSQL keeps {NAME_BYTES_MAX}", name.len());
            return Err(Refusal::new(reason));
        }
        Ok(Self(name))
    }

    /// A column's name: the names of system columns are refused as well.
    pub fn for_column(name: impl Into<String>) -> Result<Self, Refusal> {
        let ident = Self::new(name)?;
        if SYSTEM_COLUMNS.contains(&ident.as_str()) {
            return Err(Refusal::new("it is a system column of every table"));
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

/// What a name becomes that PostgreSQL does not take, or that something else has: the first of these that is free.
///
/// A system column gets a `_`, the empty name is `unnamed`. After that, and for every other name, what fits of `asked`
/// is followed by `_` and eight digits that depend on the whole of `source`: the same in every run, and never ending.
pub fn replacements(source: &str, asked: &str) -> impl Iterator<Item = String> {
    let stem = if asked.is_empty() { "unnamed".to_owned() } else { asked.replace('\0', "_") };
    let plain = if asked.is_empty() {
        Some(stem.clone())
    } else {
        SYSTEM_COLUMNS.contains(&asked).then(|| format!("{asked}_"))
    };
    let mut digits = blake3::Hasher::new().update(source.as_bytes()).finalize_xof();
    let digested = std::iter::repeat_with(move || {
        let mut four = [0; 4];
        digits.fill(&mut four);
        let suffix = format!("_{:08x}", u32::from_be_bytes(four));
        format!("{}{suffix}", cut(&stem, NAME_BYTES_MAX - suffix.len()))
    });
    plain.into_iter().chain(digested)
}

/// The name that PostgreSQL itself would make for something of a table and its columns: `orders_id_seq`. Where it is
/// too long, the longer of table and columns is cut first.
pub fn made(table: &str, columns: Option<&str>, label: &str) -> String {
    let joints = 1 + usize::from(columns.is_some());
    let room = NAME_BYTES_MAX.saturating_sub(label.len() + joints);
    let (mut table_bytes, mut columns_bytes) = (table.len(), columns.map_or(0, str::len));
    while table_bytes + columns_bytes > room {
        let longer =
            if table_bytes > columns_bytes { &mut table_bytes } else { &mut columns_bytes };
        *longer -= 1;
    }
    let parts = [Some(cut(table, table_bytes)), columns.map(|text| cut(text, columns_bytes))];
    parts.into_iter().flatten().chain([label]).collect::<Vec<_>>().join("_")
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
    use super::{Ident, Qualified, literal, made, replacements};

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

    fn first(name: &str) -> String {
        replacements(name, name).next().unwrap()
    }

    #[test]
    fn what_replaces_a_name_is_legal_the_same_every_time_and_depends_on_all_of_the_name() {
        assert_eq!(first(""), "unnamed");
        assert_eq!(first("xmin"), "xmin_");
        let long = "n".repeat(64);
        assert_eq!(first(&long), format!("{}_3a107d83", "n".repeat(54)));
        assert_ne!(first(&long), first(&(long.clone() + "n")));
        for name in ["", "xmin", "short", "a\0b", &long, &"ü".repeat(400), &"🦀".repeat(16)] {
            let some: Vec<_> = replacements(name, name).take(40).collect();
            assert_eq!(some, replacements(name, name).take(40).collect::<Vec<_>>());
            assert!(some.iter().all(|name| Ident::for_column(name).is_ok()), "{some:?}");
            assert_eq!(some.iter().collect::<std::collections::BTreeSet<_>>().len(), 40);
        }
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        // 54 bytes are left: 27 characters of two, 13 of four.
        assert!(first(&"ü".repeat(32)).starts_with(&("ü".repeat(27) + "_")));
        assert!(
            first(&format!("a{}", "ü".repeat(32))).starts_with(&format!("a{}_", "ü".repeat(26)))
        );
        assert!(first(&"🦀".repeat(16)).starts_with(&("🦀".repeat(13) + "_")));
    }

    #[test]
    fn made_names_are_those_of_postgresql() {
        assert_eq!(made("orders", Some("id"), "seq"), "orders_id_seq");
        assert_eq!(made("orders", None, "pkey"), "orders_pkey");
        let (long, longer) = ("t".repeat(63), "c".repeat(200));
        assert_eq!(made(&long, None, "pkey"), format!("{}_pkey", "t".repeat(58)));
        assert_eq!(made(&long, Some("id"), "seq"), format!("{}_id_seq", "t".repeat(56)));
        let both = made(&long, Some(&longer), "seq");
        assert_eq!(both, format!("{}_{}_seq", "t".repeat(29), "c".repeat(29)));
        assert_eq!(made(&"ü".repeat(31), None, "pkey"), format!("{}_pkey", "ü".repeat(29)));
    }
}
