//! Fitting a source table to a table of the target that exists: which it is, which column goes where, and every reason
//! why it cannot be.

use super::Facts;
use crate::config::ExistingPolicy;
use crate::error::{Class, Error, Result};
use crate::model::{
    ConstraintKind, SourceColumn, SourceTable, TargetColumn, TargetKind, TargetTable,
};

/// A source table and the table that it fits itself to.
#[derive(Debug, Clone)]
pub(super) struct Fit<'t> {
    /// The table that exists.
    pub(super) table: &'t TargetTable,
    /// The target's column of each source column.
    pub(super) columns: Vec<&'t TargetColumn>,
    /// Columns that the source does not have.
    pub(super) extra: Vec<&'t TargetColumn>,
}

/// The table of the target that has a source table's name: exactly, else but for the case of ASCII letters.
///
/// # Errors
///
/// [`Class::Undecided`] where there are several.
pub fn table<'t>(name: &str, target: &'t [TargetTable]) -> Result<Option<&'t TargetTable>> {
    by_name(name, target, |table| &table.name, "tables")
}

/// The column of a target's table that has a source column's name, by the same rule.
///
/// # Errors
///
/// [`Class::Undecided`] where there are several.
pub fn column<'t>(name: &str, table: &'t TargetTable) -> Result<Option<&'t TargetColumn>> {
    by_name(name, &table.columns, |column| &column.name, "columns")
}

fn by_name<'t, T>(
    name: &str,
    all: &'t [T],
    name_of: impl Fn(&T) -> &str,
    what: &str,
) -> Result<Option<&'t T>> {
    if let Some(exact) = all.iter().find(|one| name_of(one) == name) {
        return Ok(Some(exact));
    }
    let alike: Vec<_> = all.iter().filter(|one| name_of(one).eq_ignore_ascii_case(name)).collect();
    match alike.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let names: Vec<_> = several.iter().map(|one| name_of(one)).collect();
            let what = format!("the target has several {what} of this name: {}", names.join(", "));
            Err(Error::new(Class::Undecided, what).todo(
                "rename those that are not meant, or give another `schema` in the pipeline file",
            ))
        }
    }
}

/// Fits a source table to the table that exists, if there is one.
///
/// # Errors
///
/// Every reason why it cannot be.
pub(super) fn find<'t>(
    facts: &Facts<'t>,
    source: &SourceTable,
) -> Result<Option<Fit<'t>>, Vec<Error>> {
    let names = facts.pipeline.target.identifiers;
    let found = table(&names.fold(&source.name), facts.target).map_err(|error| vec![error])?;
    let Some(target) = found else { return Ok(None) };
    let mut refusals = not_usable(target);
    refusals.extend(not_empty(facts, source, target));
    let (mut columns, mut missing) = (Vec::new(), Vec::new());
    for wanted in &source.columns {
        match column(&names.fold(&wanted.name), target) {
            Ok(Some(found)) => {
                refusals.extend(not_writable(wanted, found));
                columns.push(found);
            }
            Ok(None) => missing.push(wanted.name.as_str()),
            Err(error) => refusals.push(error.at(format!("column {}", wanted.name))),
        }
    }
    if !missing.is_empty() && target.kind == TargetKind::Table {
        let what = format!(
            "the target's table {} lacks columns that the source has: {}",
            target.name,
            missing.join(", ")
        );
        refusals.push(refused(what, "add them to the target's table"));
    }
    let taken = |column: &TargetColumn| columns.iter().any(|taken| taken.name == column.name);
    let extra: Vec<_> = target.columns.iter().filter(|column| !taken(column)).collect();
    refusals.extend(extra.iter().filter_map(|column| not_filled(column)));
    if refusals.is_empty() {
        Ok(Some(Fit { table: target, columns, extra }))
    } else {
        Err(refusals)
    }
}

fn refused(what: impl Into<String>, todo: &str) -> Error {
    Error::new(Class::Undecided, what).todo(todo)
}

/// Why the relation cannot be loaded at all.
pub(super) fn not_usable(target: &TargetTable) -> Vec<Error> {
    let name = &target.name;
    if target.kind != TargetKind::Table {
        let what = format!(
            "in the target {name} is {}, and only ordinary tables are loaded",
            target.kind.name()
        );
        return vec![refused(what, "rename it, or give another `schema` in the pipeline file")];
    }
    let role = &target.role;
    let mut refusals = Vec::new();
    let mut forbidden = |what: String, todo: String| {
        refusals.push(Error::new(Class::Access, what).todo(todo));
    };
    if !target.owned {
        forbidden(
            format!(
                "the role {role} may not change the target's table {name}: its owner is {}",
                target.owner
            ),
            format!("connect as {0}, or grant {0} to {role}", target.owner),
        );
    }
    if target.owned && !target.may_create && puts_indexes_aside(target) {
        forbidden(
            format!("the role {role} may not make the indexes of the target's table {name} again"),
            format!("grant CREATE on the schema {} to {role}", target.schema),
        );
    }
    if target.row_security {
        forbidden(
            format!(
                "row level security hides rows of the target's table {name} from the role {role}"
            ),
            format!("disable it for the migration, or grant BYPASSRLS to {role}"),
        );
    }
    for key in target.constraints.iter().filter(|key| !key.owned && target.owned) {
        forbidden(
            format!(
                "the role {role} may not put aside the foreign key {} of the table {}.{}: its owner is {}",
                key.name, key.schema, key.table, key.owner
            ),
            format!("connect as a role that owns both, or grant {} to {role}", key.owner),
        );
    }
    for column in target.columns.iter().filter(|column| !column.may_set) {
        let sequence = column.sequence.clone().unwrap_or_default();
        forbidden(
            format!(
                "the role {role} may not set the sequence {sequence} of the target's table {name}"
            ),
            format!("grant ALL on the sequence to {role}"),
        );
    }
    refusals
}

fn puts_indexes_aside(target: &TargetTable) -> bool {
    target.indexes.iter().any(|index| !index.pinned)
        || target.constraints.iter().any(|key| key.index.is_some() && !key.pinned)
}

/// Why the rows that are there may not go.
fn not_empty(facts: &Facts<'_>, source: &SourceTable, target: &TargetTable) -> Vec<Error> {
    if !target.has_rows {
        return Vec::new();
    }
    if facts.pipeline.existing(&source.name) == ExistingPolicy::Refuse {
        let what = format!("the target's table {} holds rows already", target.name);
        return vec![refused(
            what,
            "empty it, or say `existing = \"truncate\"` under [target] or under the table in the pipeline file",
        )];
    }
    let names = facts.pipeline.target.identifiers;
    let moved = |schema: &str, name: &str| {
        let same = |found: Option<&TargetTable>| found.is_some_and(|table| table.name == name);
        let found = |source: &SourceTable| table(&names.fold(&source.name), facts.target);
        schema == target.schema
            && facts.schema.tables.iter().any(|source| found(source).is_ok_and(same))
    };
    let dangling = target
        .constraints
        .iter()
        .filter(|key| key.kind == ConstraintKind::ForeignKey && !moved(&key.schema, &key.table));
    dangling
        .map(|key| {
            let what = format!(
                "the target's table {} cannot be emptied: {}.{} references it by {}, and is not part of the migration",
                target.name, key.schema, key.table, key.name
            );
            refused(what, "drop that foreign key, or empty the table by hand")
        })
        .collect()
}

/// What both sides compute is left out of the load, and compared.
fn not_writable(source: &SourceColumn, target: &TargetColumn) -> Option<Error> {
    (target.generated && source.generated.is_none()).then(|| {
        let what = format!(
            "the target computes the column {} itself, and the source has values for it",
            target.name
        );
        refused(what, "drop its expression in the target (ALTER COLUMN … DROP EXPRESSION)")
    })
}

pub(super) fn not_filled(column: &TargetColumn) -> Option<Error> {
    let filled = column.default.is_some() || column.identity || column.generated;
    (column.not_null && !filled).then(|| {
        let what = format!(
            "the target's column {} is NOT NULL without a default, and the source does not have it",
            column.name
        );
        refused(what, "give it a default in the target, or let it be NULL")
    })
}

#[cfg(test)]
mod tests {
    use super::by_name;

    fn found<'t>(name: &str, all: &'t [&'t str]) -> Result<Option<&'t str>, String> {
        by_name(name, all, |one| one, "tables")
            .map(Option::<&&str>::copied)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_is_found_exactly_else_uniquely_by_case() {
        assert_eq!(found("Users", &["users", "Users", "USERS"]), Ok(Some("Users")));
        assert_eq!(found("Users", &["USERS", "pools"]), Ok(Some("USERS")));
        assert_eq!(found("Users", &["pools"]), Ok(None));
        assert!(found("Users", &["users", "USERS"]).unwrap_err().contains("users, USERS"));
    }

    #[test]
    fn only_the_letters_of_ascii_lose_their_case() {
        assert_eq!(found("Ä", &["ä"]), Ok(None));
        assert_eq!(found("äA", &["äa"]), Ok(Some("äa")));
    }
}
