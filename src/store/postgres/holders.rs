//! The rows of a target table that hold a unique value of a staged row, found by the target's own unique indexes.
//!
//! An index may be on expressions and on a part of the rows. Its SQL says columns without their tables, so that it means
//! a row of the target where there is only that, and a staged row where there is only this one. A staged row is
//! completed for that: computed columns by their expressions, and those that are not loaded by their defaults.

use super::ledger::column;
use super::stage::Staging;
use super::write::{loaded, relation};
use crate::error::Result;
use crate::model::identifier::quoted;
use std::collections::BTreeSet;

/// The statements that delete such rows, one for each unique index.
///
/// # Errors
///
/// What the server says.
pub(super) fn delete(staging: &Staging<'_>) -> Result<Vec<String>> {
    let columns = columns(staging)?;
    let completed = completed(staging, &columns);
    let names: BTreeSet<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let indexes = indexes(staging)?;
    Ok(indexes.iter().map(|index| index.delete(staging, &completed, &names)).collect())
}

/// A column of the target.
pub(super) struct TargetColumn {
    name: String,
    /// Its type, as SQL.
    kind: String,
    /// What computes it, or gives it its value where it is not loaded.
    expression: Option<String>,
    computed: bool,
}

const COLUMNS: &str = "
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> ''
FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

pub(super) fn columns(staging: &Staging<'_>) -> Result<Vec<TargetColumn>> {
    let rows = staging.session.query(
        "look at the target's columns",
        COLUMNS,
        &[&relation(staging.table)],
    )?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            Ok(TargetColumn {
                name: column(row, 0)?,
                kind: column(row, 1)?,
                expression: column(row, 2)?,
                computed: column(row, 3)?,
            })
        })
        .collect()
}

/// The staged rows with all columns of the target, as SQL.
pub(super) fn completed(staging: &Staging<'_>, columns: &[TargetColumn]) -> String {
    let is_staged = |name: &str| loaded(staging.table).any(|column| column.target == name);
    let (computed, given): (Vec<_>, Vec<_>) = columns.iter().partition(|column| column.computed);
    let given = given
        .into_iter()
        .map(|column| if is_staged(&column.name) { quoted(&column.name) } else { column.value() });
    let given = given.collect::<Vec<_>>().join(", ");
    // What is computed may need what is given by default.
    let computed: String =
        computed.into_iter().map(|column| format!(", {}", column.value())).collect();
    format!(
        "(SELECT given.*{computed} FROM (SELECT {given} FROM {}) AS given) AS {}",
        staging.stage.rows,
        quoted(&staging.table.target)
    )
}

impl TargetColumn {
    /// What the server gives it, as SQL.
    fn value(&self) -> String {
        let expression = self.expression.as_deref().unwrap_or("NULL");
        format!("({expression})::{} AS {}", self.kind, quoted(&self.name))
    }
}

/// A unique index of the target.
struct UniqueIndex {
    /// What must differ: columns and expressions with their collations.
    parts: Vec<String>,
    /// How each is compared, as SQL.
    operators: Vec<String>,
    /// Which rows it is about, where that is not all of them.
    predicate: Option<String>,
    /// Whether NULL is as one more value, instead of differing from all others.
    nulls_are_one: bool,
}

/// Those that are not valid are kept unique all the same. Only B-trees can be unique, and 3 is their equality.
const INDEXES: &str = "
SELECT ARRAY(
           SELECT pg_get_indexdef(i.indexrelid, n, true)
                  || coalesce((SELECT format(' COLLATE %I.%I', s.nspname, c.collname)
                               FROM pg_collation c JOIN pg_namespace s ON s.oid = c.collnamespace
                               WHERE c.oid = (i.indcollation::oid[])[n - 1]), '')
           FROM generate_series(1, i.indnkeyatts) n ORDER BY n),
       ARRAY(
           SELECT format('OPERATOR(%I.%s)', s.nspname, p.oprname)
           FROM generate_series(1, i.indnkeyatts) n
           JOIN pg_opclass k ON k.oid = (i.indclass::oid[])[n - 1]
           JOIN pg_amop o ON (o.amopfamily, o.amopstrategy, o.amoplefttype, o.amoprighttype)
                             = (k.opcfamily, 3, k.opcintype, k.opcintype)
           JOIN pg_operator p ON p.oid = o.amopopr JOIN pg_namespace s ON s.oid = p.oprnamespace ORDER BY n),
       pg_get_expr(i.indpred, i.indrelid),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
FROM pg_index i WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indislive
ORDER BY i.indexrelid";

fn indexes(staging: &Staging<'_>) -> Result<Vec<UniqueIndex>> {
    let rows = staging.session.query(
        "look at the target's indexes",
        INDEXES,
        &[&relation(staging.table)],
    )?;
    rows.iter()
        .map(|row| {
            let row = Some(row);
            Ok(UniqueIndex {
                parts: column(row, 0)?,
                operators: column(row, 1)?,
                predicate: column(row, 2)?,
                nulls_are_one: column(row, 3)?,
            })
        })
        .collect()
}

impl UniqueIndex {
    /// Deletes the rows of the target that have the values of a staged row.
    fn delete(&self, staging: &Staging<'_>, completed: &str, taken: &BTreeSet<&str>) -> String {
        // The staged values get names that no column of the target has: all other names mean its columns then.
        let free = (1..).map(|number: u32| number.to_string());
        let names: Vec<_> = free
            .filter(|name| !taken.contains(name.as_str()))
            .take(self.parts.len())
            .map(|name| quoted(&name))
            .collect();
        let parts = self.parts.iter().zip(&names);
        let staged: Vec<_> =
            parts.clone().map(|(part, name)| format!("({part}) AS {name}")).collect();
        let same = parts.zip(&self.operators).map(|((part, name), operator)| {
            let equal = format!("({part}) {operator} staged.{name}");
            if self.nulls_are_one {
                format!("({equal} OR (({part}) IS NULL AND staged.{name} IS NULL))")
            } else {
                equal
            }
        });
        let both = self.predicate.iter().map(|predicate| format!("({predicate})"));
        let conditions: Vec<_> = same.chain(both.clone()).collect();
        let of_staged: String = both.map(|predicate| format!(" WHERE {predicate}")).collect();
        format!(
            "DELETE FROM {} USING (SELECT {} FROM {completed}{of_staged}) AS staged WHERE {}",
            relation(staging.table),
            staged.join(", "),
            conditions.join(" AND ")
        )
    }
}
