//! What names a row in the log, as SQL.

use crate::model::identifier::quoted;
use crate::model::{Affinity, IndexOrigin, SourceColumn, SourceTable, TouchKey};

/// The terms that name a row.
pub(super) struct Key {
    terms: Vec<Term>,
}

struct Term {
    /// A column or the rowid, as it stands behind `new.`.
    name: String,
    /// Whether equal values are the same bytes.
    exact: bool,
}

impl Key {
    /// The terms of a table's key, or why there are none.
    pub(super) fn of(table: &SourceTable, key: &TouchKey) -> Result<Self, String> {
        let terms = match key {
            TouchKey::Rowid => {
                let name = rowid(table).ok_or(
                    "it has no key, and columns of its own have all three names of the rowid",
                )?;
                vec![Term { name, exact: true }]
            }
            TouchKey::Columns(positions) => {
                if let Some(collation) = unknown_collation(table, positions) {
                    return Err(format!(
                        "its key is ordered by the collation {collation}, which only the application knows"
                    ));
                }
                positions
                    .iter()
                    .map(|at| {
                        let column =
                            table.columns.get(*at).ok_or("its key is not among its columns")?;
                        Ok(Term { name: quoted(&column.name), exact: is_exact(column) })
                    })
                    .collect::<Result<_, String>>()?
            }
        };
        Ok(Self { terms })
    }

    /// The values of a row: `new."a"`, `new."b"`.
    pub(super) fn of_row<'k>(&'k self, row: &'k str) -> impl Iterator<Item = String> {
        self.terms.iter().map(move |term| format!("{row}.{}", term.name))
    }

    /// Where two rows have different keys: one that is only written otherwise is another key.
    pub(super) fn differ(&self, one: &str, other: &str) -> String {
        let differ = self.terms.iter().map(|Term { name, exact }| {
            let differs = format!("{one}.{name} IS NOT {other}.{name}");
            if *exact {
                return differs;
            }
            format!("{differs} OR CAST({one}.{name} AS BLOB) IS NOT CAST({other}.{name} AS BLOB)")
        });
        differ.collect::<Vec<_>>().join(" OR ")
    }
}

/// The first collation of a key that is not one of SQLite's own: rows cannot be looked up by it here.
fn unknown_collation<'t>(table: &'t SourceTable, key: &[usize]) -> Option<&'t str> {
    let columns = key.iter().filter_map(|at| table.columns.get(*at));
    let primary = table.indexes.iter().filter(|index| index.origin == IndexOrigin::PrimaryKey);
    let parts = primary.flat_map(|index| &index.columns).map(|part| &part.collation);
    columns
        .map(|column| &column.collation)
        .chain(parts)
        .map(String::as_str)
        .find(|collation| !["BINARY", "NOCASE", "RTRIM"].contains(collation))
}

/// What the rowid is called; none where a table has none, or hides it.
pub(super) fn rowid(table: &SourceTable) -> Option<String> {
    let alias = table.rowid_alias.and_then(|at| table.columns.get(at));
    alias.map(|column| quoted(&column.name)).or_else(|| table.rowid_name.map(str::to_owned))
}

/// All names by which a statement can set the rowid, where it has no column.
pub(super) fn rowid_names(table: &SourceTable) -> impl Iterator<Item = &'static str> {
    let is_taken = |name: &str| table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().filter(move |name| !is_taken(name))
}

/// Whether equal values of a column are the same bytes: `a` and `A` are equal under a collation of its own, and a column
/// without a type keeps 1 and 1.0 apart.
pub(super) fn is_exact(column: &SourceColumn) -> bool {
    column.collation == "BINARY" && !column.any && Affinity::of(&column.declared) != Affinity::Blob
}
