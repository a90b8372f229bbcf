//! What comes after the load: primary keys, UNIQUE constraints, indexes and CHECKs.

use super::expression::{self, ColumnRef, ExprType};
use super::limits::{self, Content, INDEX_COLUMNS_MAX, KeyPart, Wanted};
use super::names::Names;
use super::unique::{Folding, UniqueKey};
use super::{LeftBehind, Step, StepKind, follow, offenders};
use crate::model::identifier::{Ident, Qualified, quoted};
use crate::model::{
    BoolForm, CellShape, Column, ColumnEvidence, DateForm, DateOrder, IndexOrigin, IsoForm, Mark,
    Padding, PgType, Recast, SourceIndex, SourceIndexColumn, SourceTable, TableEvidence,
    TableSchema,
};

/// Keys, indexes and checks of one table.
pub(super) fn steps(
    target: &Qualified,
    source: &SourceTable,
    schema: &TableSchema,
    evidence: &TableEvidence,
    names: &mut Names,
    left_behind: &mut Vec<LeftBehind>,
) -> Vec<Step> {
    let table = TableKeys { target, source, schema, evidence };
    let mut steps = Vec::new();
    let mut left = |kind: &str, name: String, reason, sql: &str| {
        left_behind.push(LeftBehind { kind: kind.into(), name, reason, sql: sql.into() });
    };
    match table.primary_key(names) {
        Ok(step) => steps.extend(step),
        Err(reason) => left("primary key", format!("of table {}", source.name), reason, ""),
    }
    match table.carried_key(names) {
        Ok(step) => steps.extend(step),
        Err(reason) => left("primary key", format!("of table {}", source.name), reason, ""),
    }
    let mut constrained = vec![table.sorted_key()];
    for index in &source.indexes {
        let step = match index.origin {
            IndexOrigin::PrimaryKey => table.folded_primary_key(index, names),
            IndexOrigin::Unique if table.is_plain(index) => {
                table.unique(index, &mut constrained, names)
            }
            IndexOrigin::Unique | IndexOrigin::Create => table.index(index, names).map(Some),
        };
        match step {
            Ok(step) => steps.extend(step),
            Err(reason) => {
                let sql = index.sql.clone().unwrap_or_else(|| declared(index, source));
                left("index", index.name.clone(), reason, &sql);
            }
        }
    }
    for check in &source.checks {
        match table.check(check.name.as_deref(), &check.expression, names) {
            Ok(step) => steps.push(step),
            Err(reason) => {
                let name = check.name.clone();
                let name = name.unwrap_or_else(|| format!("of table {}", source.name));
                left("check", name, reason, &check.expression);
            }
        }
    }
    steps
}

struct TableKeys<'a> {
    target: &'a Qualified,
    source: &'a SourceTable,
    schema: &'a TableSchema,
    evidence: &'a TableEvidence,
}

impl TableKeys<'_> {
    fn step(&self, kind: StepKind, name: String, sql: String) -> Step {
        Step {
            kind,
            name,
            table: self.schema.target.clone(),
            sql,
            validate: None,
            offenders: None,
            instead: Vec::new(),
            note: None,
            key: None,
        }
    }

    fn column(&self, position: usize) -> String {
        self.schema.columns.get(position).map(|column| quoted(&column.target)).unwrap_or_default()
    }

    fn columns(&self, positions: &[usize]) -> String {
        positions.iter().map(|&position| self.column(position)).collect::<Vec<_>>().join(", ")
    }

    fn resolve(&self, name: &str) -> Option<ColumnRef> {
        resolve(self.source, self.schema, self.evidence, name)
    }

    /// The primary key; a UNIQUE constraint where the source's key holds NULLs, which PostgreSQL's cannot.
    fn primary_key(&self, names: &mut Names) -> Result<Option<Step>, String> {
        let key = once_each(self.source.primary_key.iter().copied());
        if key.is_empty() {
            return Ok(None);
        }
        let nullable = self.schema.key.is_empty() || self.carried_rowid().is_some();
        let (kind, words, suffix) = if nullable {
            (StepKind::Unique, "UNIQUE", "key")
        } else {
            (StepKind::PrimaryKey, "PRIMARY KEY", "pkey")
        };
        let name = names.make(&self.schema.target, None, suffix);
        let mut step = self.constraint(kind, words, &key, name)?;
        if nullable {
            let nulls = "the source's primary key holds NULLs, which PostgreSQL's cannot: it becomes UNIQUE";
            step.note = joined([Some(nulls.into()), step.note]);
        } else if !step.instead.is_empty() {
            let columns = key.iter().map(|&position| self.column(position));
            let not_null = columns.map(|column| format!("ALTER COLUMN {column} SET NOT NULL"));
            let not_null = not_null.collect::<Vec<_>>().join(", ");
            step.instead.insert(0, format!("ALTER TABLE {} {not_null}", self.target));
        }
        Ok(Some(step))
    }

    fn carried_rowid(&self) -> Option<usize> {
        follow::carried_rowid(self.source, self.schema)
    }

    /// The key of a column that was made for the rowid.
    fn carried_key(&self, names: &mut Names) -> Result<Option<Step>, String> {
        let Some(position) = self.carried_rowid() else { return Ok(None) };
        let name = names.make(&self.schema.target, Some("liteferry"), "pkey");
        self.constraint(StepKind::PrimaryKey, "PRIMARY KEY", &[position], name).map(Some)
    }

    /// The columns of the primary key, by position.
    fn sorted_key(&self) -> Vec<usize> {
        let mut key = once_each(self.source.primary_key.iter().copied());
        key.sort_unstable();
        key
    }

    /// A constraint whose index is a B-tree over these columns.
    fn constraint(
        &self,
        kind: StepKind,
        words: &str,
        positions: &[usize],
        name: String,
    ) -> Result<Step, String> {
        let parts: Vec<_> = positions.iter().map(|&position| self.part(position)).collect();
        check_parts(&parts)?;
        let (table, columns) = (self.target.to_string(), self.columns(positions));
        let sql =
            format!("ALTER TABLE {table} ADD CONSTRAINT {} {words} ({columns})", quoted(&name));
        let (parts, predicate) = (parts.as_slice(), "");
        let key = Some(UniqueKey::of_columns(positions));
        let step = Step { key, ..self.step(kind, name, sql) };
        Ok(self.with_instead(step, parts, predicate, true))
    }

    /// The step with what is made instead where keys are too long.
    fn with_instead(&self, step: Step, parts: &[KeyPart], predicate: &str, unique: bool) -> Step {
        let (table, name) = (self.target.to_string(), quoted(&step.name));
        let wanted = Wanted { table: &table, name: &name, parts, predicate, unique };
        match limits::instead(wanted) {
            Some((sql, note)) => {
                Step { instead: sql.into_iter().collect(), note: Some(note), ..step }
            }
            None => Step { instead: self.instead_of_unseen(wanted), ..step },
        }
    }

    /// What is made instead where only keys that a sample missed are too long: not worth a note while there are none.
    fn instead_of_unseen(&self, wanted: Wanted<'_>) -> Vec<String> {
        if self.evidence.sample.is_none() {
            return Vec::new();
        }
        let unseen: u64 = self.evidence.columns.iter().map(ColumnEvidence::bytes_bound).sum();
        let parts: Vec<_> = wanted.parts.iter().map(|part| part.of_bytes(unseen)).collect();
        let made = limits::instead(Wanted { parts: &parts, ..wanted });
        made.and_then(|(sql, _note)| sql).into_iter().collect()
    }

    /// A column as a part of a key.
    fn part(&self, position: usize) -> KeyPart {
        let bytes_max = self.evidence.columns.get(position).map_or(0, |seen| seen.bytes_max);
        let kind = self.schema.columns.get(position).map(|column| column.pg);
        let content = kind.map_or(Content::Short, |kind| Content::of(kind, bytes_max));
        KeyPart { sql: self.column(position), descending: false, content }
    }

    /// A key that is unique without regard to case needs an index beside the primary key, which is exact.
    fn folded_primary_key(
        &self,
        index: &SourceIndex,
        names: &mut Names,
    ) -> Result<Option<Step>, String> {
        if self.is_plain(index) { Ok(None) } else { self.index(index, names).map(Some) }
    }

    /// Whether all key columns are columns in their plain order, as a constraint wants them.
    fn is_plain(&self, index: &SourceIndex) -> bool {
        index.columns.iter().all(|column| match &column.key {
            Ok(position) => {
                !self.is_json(*position)
                    && (column.collation == "BINARY" || !self.is_text(*position))
            }
            Err(_expression) => false,
        })
    }

    fn is_json(&self, position: usize) -> bool {
        self.schema.columns.get(position).is_some_and(|column| column.pg == PgType::Json)
    }

    fn is_text(&self, position: usize) -> bool {
        self.schema.columns.get(position).is_some_and(|column| column.pg.is_text())
    }

    /// A UNIQUE constraint, unless the same columns are `constrained` already.
    fn unique(
        &self,
        index: &SourceIndex,
        constrained: &mut Vec<Vec<usize>>,
        names: &mut Names,
    ) -> Result<Option<Step>, String> {
        let keys = index.columns.iter().filter_map(|column| column.key.as_ref().ok().copied());
        let positions = once_each(keys);
        let mut sorted = positions.clone();
        sorted.sort_unstable();
        if constrained.contains(&sorted) {
            return Ok(None);
        }
        constrained.push(sorted);
        let name = self.name_of(index, names);
        self.constraint(StepKind::Unique, "UNIQUE", &positions, name).map(Some)
    }

    fn index(&self, index: &SourceIndex, names: &mut Names) -> Result<Step, String> {
        let mut foreign = None;
        let mut parts: Vec<KeyPart> = Vec::with_capacity(index.columns.len());
        for column in &index.columns {
            let part = self.index_key(column, index.unique, &mut foreign)?;
            // What stands in the key already neither orders nor tells apart any more.
            if parts.iter().all(|before| before.sql != part.sql) {
                parts.push(part);
            }
        }
        check_parts(&parts)?;
        let predicate = match &index.predicate {
            Some(predicate) => {
                let translated =
                    expression::translate_predicate(predicate, &|name| self.resolve(name))
                        .map_err(|untranslatable| untranslatable.to_string())?;
                format!(" WHERE {translated}")
            }
            None => String::new(),
        };
        let (kind, unique) =
            if index.unique { (StepKind::Unique, "UNIQUE ") } else { (StepKind::Index, "") };
        let name = self.name_of(index, names);
        let keys: Vec<_> = parts.iter().map(KeyPart::sorted).collect();
        let sql = format!(
            "CREATE {unique}INDEX {} ON {} ({}){predicate}",
            quoted(&name),
            self.target,
            keys.join(", ")
        );
        let key = index.unique.then(|| self.key(index));
        let step = Step { key, ..self.step(kind, name, sql) };
        let step = self.with_instead(step, &parts, &predicate, index.unique);
        let note = joined([foreign, step.note]);
        Ok(Step { note, ..step })
    }

    /// What must differ by a unique index.
    fn key(&self, index: &SourceIndex) -> UniqueKey {
        let mut key = UniqueKey { predicate: index.predicate.clone(), ..UniqueKey::default() };
        for column in &index.columns {
            let folding = Folding::of_collation(&column.collation);
            match &column.key {
                Ok(at) if self.is_text(*at) => key.columns.push((*at, folding)),
                Ok(at) => key.columns.push((*at, Folding::Nothing)),
                Err(sql) => key.expressions.push((sql.clone(), folding)),
            }
        }
        key
    }

    /// A column or an expression of an index; `foreign` is told of a collation that the target does not know.
    fn index_key(
        &self,
        column: &SourceIndexColumn,
        unique: bool,
        foreign: &mut Option<String>,
    ) -> Result<KeyPart, String> {
        let position = match &column.key {
            Ok(position) => *position,
            Err(sql) => {
                let (translated, kind) =
                    expression::translate_scalar(sql, &|name| self.resolve(name))
                        .map_err(|untranslatable| untranslatable.to_string())?;
                return Ok(KeyPart {
                    sql: format!("({translated})"),
                    descending: column.descending,
                    content: self.content(kind),
                });
            }
        };
        let mut part = KeyPart { descending: column.descending, ..self.part(position) };
        match column.collation.as_str() {
            // The text of json is kept as it is, and has the order that json has not.
            "BINARY" if self.is_json(position) => {
                part.sql = format!("({}::text COLLATE \"C\")", part.sql);
                part.content = self.content(ExprType::Text);
            }
            "BINARY" => {}
            _ if !self.is_text(position) => {}
            "NOCASE" => part.sql = folded(&part.sql),
            "RTRIM" => part.sql = format!("rtrim({}, ' ')", part.sql),
            collation if unique => {
                return Err(format!("PostgreSQL does not know the collation {collation}"));
            }
            collation => {
                *foreign = Some(format!(
                    "PostgreSQL does not know the collation {collation}: the index is on the plain values"
                ));
            }
        }
        Ok(part)
    }

    /// What an expression may hold: as much as all of the table's long columns.
    fn content(&self, kind: ExprType) -> Content {
        let long = self.schema.columns.iter().zip(&self.evidence.columns);
        let long = long.filter(|(column, _)| column.pg.is_text() || column.pg == PgType::Bytea);
        let bytes = long.map(|(_, seen)| seen.bytes_max).sum();
        match kind {
            ExprType::Text => Content::Text(bytes),
            ExprType::Bytes => Content::Bytes(bytes),
            _ => Content::Short,
        }
    }

    /// An index keeps its name; one behind a constraint gets a name as PostgreSQL would give it.
    fn name_of(&self, index: &SourceIndex, names: &mut Names) -> String {
        if index.origin == IndexOrigin::Create {
            return names.index(&self.source.name, &index.name);
        }
        let columns = index
            .columns
            .iter()
            .filter_map(|column| self.schema.columns.get(*column.key.as_ref().ok()?));
        let columns: Vec<_> = columns.map(|column| column.target.as_str()).collect();
        names.make(&self.schema.target, Some(&columns.join("_")), "key")
    }

    fn check(&self, name: Option<&str>, sql: &str, names: &mut Names) -> Result<Step, String> {
        let translated = expression::translate_predicate(sql, &|name| self.resolve(name))
            .map_err(|untranslatable| untranslatable.to_string())?;
        let name = match name {
            Some(name) => names.check(self.schema, name),
            None => names.make(&self.schema.target, None, "check"),
        };
        let quoted = quoted(&name);
        let sql = format!(
            "ALTER TABLE {} ADD CONSTRAINT {quoted} CHECK ({translated}) NOT VALID",
            self.target
        );
        let validate = Some(format!("ALTER TABLE {} VALIDATE CONSTRAINT {quoted}", self.target));
        let offenders =
            Some(offenders::of_check(&self.target.to_string(), self.schema, &translated));
        Ok(Step { validate, offenders, ..self.step(StepKind::Check, name, sql) })
    }
}

/// The constraint behind an index in SQLite's words.
fn declared(index: &SourceIndex, source: &SourceTable) -> String {
    let words = match index.origin {
        IndexOrigin::PrimaryKey => "PRIMARY KEY",
        IndexOrigin::Unique | IndexOrigin::Create => "UNIQUE",
    };
    let columns = index.columns.iter().map(|column| {
        let position = column.key.as_ref().ok();
        let name = position.and_then(|&position| source.columns.get(position));
        let name = name.map(|column| quoted(&column.name)).unwrap_or_default();
        format!("{name} COLLATE {}", quoted(&column.collation))
    });
    format!("{words} ({})", columns.collect::<Vec<_>>().join(", "))
}

/// What a column's name means in an expression.
pub(super) fn resolve(
    source: &SourceTable,
    schema: &TableSchema,
    evidence: &TableEvidence,
    name: &str,
) -> Option<ColumnRef> {
    let mut columns = schema.columns.iter();
    let position = columns.position(|column| column.source.eq_ignore_ascii_case(name))?;
    let (column, declared) = (schema.columns.get(position)?, source.columns.get(position)?);
    Some(ColumnRef {
        target: Ident::new(&column.target).ok()?,
        kind: column.pg,
        collation: declared.collation.clone(),
        as_stored: is_as_stored(column, evidence.columns.get(position)?),
    })
}

/// What there is of two notes.
fn joined(notes: [Option<String>; 2]) -> Option<String> {
    let notes: Vec<_> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// The same, without what came before.
fn once_each(positions: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut seen = Vec::new();
    for position in positions {
        if !seen.contains(&position) {
            seen.push(position);
        }
    }
    seen
}

/// Refuses what no index of PostgreSQL can have.
fn check_parts(parts: &[KeyPart]) -> Result<(), String> {
    if let Some(part) = parts.iter().find(|part| part.content == Content::Unordered) {
        return Err(format!("{} is json, which has no order; jsonb has one", part.sql));
    }
    if parts.len() <= INDEX_COLUMNS_MAX {
        return Ok(());
    }
    Err(format!(
        "it has {} columns, and PostgreSQL's indexes {INDEX_COLUMNS_MAX} at most",
        parts.len()
    ))
}

/// Whether SQLite compares the stored values as PostgreSQL compares those of the target. Text that became decimals or
/// times does not: `'10' < '9'` holds in SQLite, and times without seconds sort before those with.
fn is_as_stored(column: &Column, seen: &ColumnEvidence) -> bool {
    match (&column.read, &column.recast) {
        (CellShape::Decimal, Recast::Keep) => column.numbers_only,
        (CellShape::IsoDate, Recast::Keep) => {
            let date = DateForm { order: DateOrder::Ymd, mark: Mark::Dash, padding: Padding::All };
            let plain = Some((IsoForm::Date(date), seen.dates.date));
            seen.dates.date == 0 || (seen.forms.iso.best() == plain && !seen.sampled)
        }
        (
            CellShape::Integer
            | CellShape::Bool(BoolForm::ZeroOne)
            | CellShape::Real
            | CellShape::Text
            | CellShape::Blob,
            Recast::Keep,
        ) => true,
        _ => false,
    }
}

/// Equal for texts that SQLite's NOCASE holds equal: only the letters of ASCII lose their case.
fn folded(column: &str) -> String {
    format!("translate({column}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')")
}
