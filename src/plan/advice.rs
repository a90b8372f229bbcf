//! What the application itself must change, derived from the schema: each line only where the schema has a cause.

mod quotes;
mod words;

pub use quotes::needs_quotes;

use super::follow::carried_rowid;
use super::{Plan, PlannedTable, Rename};
use crate::model::{Column, PgType, SourceSchema, SourceTable};
use serde::Serialize;
use std::collections::BTreeSet;
use words::{Word, words};

/// One thing that an application does otherwise on PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// A word for it, the same in every version.
    pub topic: &'static str,
    /// What to change.
    pub text: &'static str,
    /// The tables, columns or objects that are the cause; empty where all are.
    pub names: Vec<String>,
}

/// Everything that this schema gives a cause for.
pub fn advice(schema: &SourceSchema, plan: &Plan) -> Vec<Advice> {
    let causes = Causes::new(schema, plan);
    let mut advice = of_statements(&causes);
    advice.extend(of_values(&causes));
    advice.extend(of_sql(&causes));
    advice
}

/// Some advice where there is a cause.
fn caused(topic: &'static str, text: &'static str, names: Vec<String>) -> Option<Advice> {
    (!names.is_empty()).then_some(Advice { topic, text, names })
}

/// What there is to look through for causes.
struct Causes<'a> {
    schema: &'a SourceSchema,
    plan: &'a Plan,
    /// Tables that are in both.
    tables: Vec<(&'a SourceTable, &'a PlannedTable)>,
}

impl<'a> Causes<'a> {
    fn new(schema: &'a SourceSchema, plan: &'a Plan) -> Self {
        let planned = |source: &SourceTable| {
            plan.tables.iter().find(|planned| planned.schema.source == source.name)
        };
        let tables =
            schema.tables.iter().filter_map(|source| Some((source, planned(source)?))).collect();
        Self { schema, plan, tables }
    }

    fn tables(&self, is_cause: impl Fn(&SourceTable, &PlannedTable) -> bool) -> Vec<String> {
        let found = self.tables.iter().filter(|(source, planned)| is_cause(source, planned));
        found.map(|(_, planned)| planned.schema.target.clone()).collect()
    }

    fn columns(&self, is_cause: impl Fn(&Column) -> bool) -> Vec<String> {
        let columns = self.plan.tables.iter().flat_map(|table| {
            table.schema.columns.iter().map(move |column| (&table.schema.target, column))
        });
        let found = columns.filter(|(_, column)| is_cause(column));
        found.map(|(table, column)| format!("{table}.{}", column.target)).collect()
    }

    /// Every SQL text of the schema with what it belongs to.
    fn texts(&self) -> Vec<(String, &'a str)> {
        let mut texts: Vec<(String, &str)> = Vec::new();
        for (kind, name, sql) in &self.schema.left_behind {
            texts.push((format!("{kind} {name}"), sql));
        }
        for table in &self.schema.tables {
            for check in &table.checks {
                texts.push((format!("a check of {}", table.name), &check.expression));
            }
            for index in &table.indexes {
                texts
                    .extend(index.sql.as_deref().map(|sql| (format!("index {}", index.name), sql)));
            }
            for column in &table.columns {
                let place = |what: &str| format!("{what} of {}.{}", table.name, column.name);
                texts.extend(column.default.as_deref().map(|sql| (place("the default"), sql)));
                texts.extend(column.generated.as_deref().map(|sql| (place("the expression"), sql)));
            }
        }
        texts
    }

    /// The texts that hold such a word.
    fn texts_with(&self, is_cause: impl Fn(&Word) -> bool) -> Vec<String> {
        let texts = self.texts().into_iter();
        texts.filter(|(_, sql)| words(sql).iter().any(&is_cause)).map(|(place, _)| place).collect()
    }
}

fn of_statements(causes: &Causes<'_>) -> Vec<Advice> {
    let has_key = |source: &SourceTable, _: &PlannedTable| {
        !source.primary_key.is_empty() || source.indexes.iter().any(|index| index.unique)
    };
    let has_lost_rowid = |source: &SourceTable, _: &PlannedTable| {
        !source.without_rowid && source.rowid_alias.is_none()
    };
    let schema = &causes.plan.target_schema;
    let elsewhere = (schema != "public").then(|| schema.clone());
    [
        caused(
            "placeholders",
            "parameters are not `?`: $1, $2, … for the server itself, %s in psycopg; drivers with `:name` keep it",
            causes.tables(|_, _| true),
        )
        .map(|advice| Advice { names: Vec::new(), ..advice }),
        caused(
            "schema",
            "the tables are not in the schema `public`: qualify their names, or set search_path for the role",
            elsewhere.into_iter().collect(),
        ),
        caused("renamed", "these have another name", renames(causes.plan)),
        caused(
            "names",
            "these names mean themselves only in double quotes, because of capitals, other characters, or because \
             PostgreSQL reserves the word",
            quoted_names(causes.plan),
        ),
        caused(
            "upserts",
            "INSERT OR REPLACE, REPLACE INTO and INSERT OR IGNORE become INSERT … ON CONFLICT (…) DO UPDATE SET … or DO \
             NOTHING",
            causes.tables(has_key),
        ),
        caused(
            "new_ids",
            "the id of a new row comes from INSERT … RETURNING, not from last_insert_rowid() or lastrowid",
            causes.tables(|source, planned| {
                planned.identity.is_some() && carried_rowid(source, &planned.schema).is_none()
            }),
        ),
        caused(
            "autoincrement",
            "AUTOINCREMENT becomes GENERATED BY DEFAULT AS IDENTITY, which goes on behind every id that was ever given \
             out",
            causes.tables(|source, _| source.autoincrement),
        ),
        caused("rowid", "there is no rowid: name rows by their key", causes.tables(has_lost_rowid)),
        caused(
            "foreign_keys",
            "foreign keys are always enforced; SQLite does so only after PRAGMA foreign_keys = ON",
            causes.tables(|source, _| !source.foreign_keys.is_empty()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn renames(plan: &Plan) -> Vec<String> {
    let told = |rename: &Rename| {
        let table =
            if rename.kind == "table" { String::new() } else { format!("{}.", rename.table) };
        format!("{} {table}{} is {}", rename.kind, rename.source, rename.target)
    };
    plan.renames.iter().map(told).collect()
}

fn quoted_names(plan: &Plan) -> Vec<String> {
    let mut names = Vec::new();
    for PlannedTable { schema, .. } in &plan.tables {
        names.extend(needs_quotes(&schema.target).then(|| schema.target.clone()));
        let columns = schema.columns.iter().filter(|column| needs_quotes(&column.target));
        names.extend(columns.map(|column| format!("{}.{}", schema.target, column.target)));
    }
    names
}

fn of_values(causes: &Causes<'_>) -> Vec<Advice> {
    let is_time = |column: &Column| {
        matches!(column.pg, PgType::Date | PgType::Time | PgType::Timestamp | PgType::Timestamptz)
    };
    let folded = causes.schema.tables.iter().flat_map(|table| {
        let columns = table.columns.iter().filter(|column| column.collation == "NOCASE");
        columns.map(move |column| format!("{}.{}", table.name, column.name))
    });
    [
        caused(
            "booleans",
            "these are booleans: compare them with TRUE and FALSE, not with 1 and 0, and bind booleans",
            causes.columns(|column| column.pg == PgType::Bool),
        ),
        caused(
            "times",
            "these are dates and times, not texts or numbers: drivers give date objects, `now()` stands for \
             datetime('now'), to_char() and extract() for strftime()",
            causes.columns(is_time),
        ),
        caused(
            "decimals",
            "these are exact decimals: drivers give Decimal or text, not floats; what SQLite rounded when it stored a number as a \
             double is lost, there and here",
            causes.columns(|column| matches!(column.pg, PgType::Numeric(_))),
        ),
        caused(
            "like",
            "LIKE minds the case of letters: ILIKE does not",
            causes.columns(|column| column.pg.is_text()),
        )
        .map(|advice| Advice { names: Vec::new(), ..advice }),
        caused(
            "nocase",
            "these were compared without regard to the case of ASCII letters (COLLATE NOCASE): compare lower(…) on both \
             sides",
            folded.collect(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Functions of SQLite, and what PostgreSQL has instead.
const FUNCTIONS: [(&str, &str); 16] = [
    ("changes", "the number of rows that the driver reports"),
    ("char", "chr"),
    ("date", "a cast to date"),
    ("datetime", "now(), and arithmetic with intervals"),
    ("group_concat", "string_agg"),
    ("hex", "encode(…, 'hex')"),
    ("ifnull", "coalesce"),
    ("instr", "strpos"),
    ("json_extract", "-> and ->>"),
    ("julianday", "extract(julian FROM …)"),
    ("last_insert_rowid", "RETURNING"),
    ("printf", "format"),
    ("randomblob", "gen_random_uuid()"),
    ("strftime", "to_char"),
    ("typeof", "pg_typeof"),
    ("unixepoch", "extract(epoch FROM …)"),
];

fn of_sql(causes: &Causes<'_>) -> Vec<Advice> {
    let calls = |word: &Word, name: &str| matches!(word, Word::Call(word) if word.eq_ignore_ascii_case(name));
    let is_glob = |word: &Word| {
        calls(word, "GLOB")
            || matches!(word, Word::Plain(word) if word.eq_ignore_ascii_case("GLOB"))
    };
    let mut functions = Vec::new();
    for (name, instead) in FUNCTIONS {
        let places = causes.texts_with(|word| calls(word, name));
        functions.extend(
            (!places.is_empty()).then(|| format!("{name}: {instead} ({})", places.join(", "))),
        );
    }
    let known = known_names(causes.schema);
    let is_string = |word: &Word| matches!(word, Word::Quoted(text) if !known.contains(&text.to_ascii_lowercase()));
    let of_kind = |wanted: &str| {
        let found = causes.schema.left_behind.iter().filter(|(kind, ..)| kind == wanted);
        found.map(|(_, name, _)| name.clone()).collect()
    };
    [
        caused(
            "strings",
            "a text in double quotes is a name, never a string: write 'text'",
            causes.texts_with(is_string),
        ),
        caused(
            "glob",
            "GLOB is not known: use LIKE, or ~ with a regular expression",
            causes.texts_with(is_glob),
        ),
        caused("functions", "functions that have another name or form", functions),
        caused("views", "views are to be written anew; their SQL is listed with what is not carried over", of_kind("view")),
        caused(
            "triggers",
            "triggers are to be written anew, each as a function and a trigger that calls it; their SQL is listed with \
             what is not carried over",
            of_kind("trigger"),
        ),
        caused(
            "virtual_tables",
            "these have no counterpart by themselves: full-text search is tsvector with a GIN index, R-trees are GiST \
             indexes or PostGIS",
            of_kind("virtual table"),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every name that double quotes may rightly hold, in lower case.
fn known_names(schema: &SourceSchema) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for table in &schema.tables {
        names.insert(table.name.to_ascii_lowercase());
        names.extend(table.columns.iter().map(|column| column.name.to_ascii_lowercase()));
        names.extend(table.indexes.iter().map(|index| index.name.to_ascii_lowercase()));
    }
    names.extend(schema.left_behind.iter().map(|(_, name, _)| name.to_ascii_lowercase()));
    // What follows AS is a name, too.
    for (_, _, sql) in &schema.left_behind {
        let words = words(sql);
        names.extend(words.windows(2).filter_map(|pair| match pair {
            [Word::Plain(word), Word::Quoted(name)] if word.eq_ignore_ascii_case("AS") => {
                Some(name.to_ascii_lowercase())
            }
            _ => None,
        }));
    }
    names
}
