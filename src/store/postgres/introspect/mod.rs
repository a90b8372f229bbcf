//! The target's tables that exist: what a plan must know to load them, and to put back what stands in the way.
//!
//! Definitions are read as the server prints them, under a search path that makes it qualify every name.

mod kind;

use super::ledger::column;
use super::session::Session;
use crate::error::{Error, Place, Result};
use crate::model::identifier::quoted;
use crate::model::{
    ConstraintKind, EnumType, PgType, TargetColumn, TargetConstraint, TargetIndex, TargetKind,
    TargetTable, TargetTrigger,
};
use tokio_postgres::Row;

const RELATIONS: &str = "
SELECT c.oid, c.relname::text, c.relkind::text, c.relpersistence::text, c.relispartition,
       EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
       pg_get_userbyid(c.relowner)::text, current_user::text, pg_has_role(c.relowner, 'USAGE'),
       has_schema_privilege(n.oid, 'CREATE'), row_security_active(c.oid),
       c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname::text = $1 AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
  AND (c.relname::text = ANY ($2) OR lower(c.relname::text COLLATE \"C\") = ANY ($2)) ORDER BY 2";

const COLUMNS: &str = "
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typtype::text, a.attnotnull OR u.not_null,
       pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '', a.attgenerated <> '',
       (SELECT quote_ident(cn.nspname) || '.' || quote_ident(o.collname) FROM pg_collation o
        JOIN pg_namespace cn ON cn.oid = o.collnamespace WHERE o.oid = a.attcollation),
       s.name, coalesce(s.may_set, true), tn.nspname::text, t.typname::text,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
       format_type(u.oid, u.typmod), u.oid <> a.atttypid
FROM pg_attribute a
JOIN LATERAL (
    -- Below all domains: the last one says the size.
    WITH RECURSIVE chain AS (
        SELECT t.oid, a.atttypmod AS typmod, t.typtype, t.typbasetype, t.typtypmod, t.typnotnull
        FROM pg_type t WHERE t.oid = a.atttypid
        UNION ALL
        SELECT b.oid, c.typtypmod, b.typtype, b.typbasetype, b.typtypmod, b.typnotnull
        FROM chain c JOIN pg_type b ON b.oid = c.typbasetype WHERE c.typtype = 'd')
    SELECT c.oid, c.typmod, EXISTS (SELECT FROM chain d WHERE d.typtype = 'd' AND d.typnotnull) AS not_null
    FROM chain c WHERE c.typtype <> 'd') u ON true
JOIN pg_type t ON t.oid = u.oid JOIN pg_namespace tn ON tn.oid = t.typnamespace
LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
LEFT JOIN LATERAL (
    SELECT quote_ident(sn.nspname) || '.' || quote_ident(sc.relname) AS name,
           has_sequence_privilege(sc.oid, 'UPDATE') AND has_sequence_privilege(sc.oid, 'USAGE, SELECT') AS may_set
    FROM pg_depend x JOIN pg_class sc ON sc.relkind = 'S' JOIN pg_namespace sn ON sn.oid = sc.relnamespace
    JOIN pg_sequence q ON q.seqrelid = sc.oid AND q.seqincrement > 0
    WHERE (x.classid, x.objid, x.refclassid, x.refobjid) = ('pg_attrdef'::regclass, d.oid, 'pg_class'::regclass, sc.oid)
       OR (x.classid, x.objid, x.refclassid, x.refobjid, x.refobjsubid, x.deptype)
        = ('pg_class'::regclass, sc.oid, 'pg_class'::regclass, a.attrelid, a.attnum, 'i')
    ORDER BY 1 LIMIT 1) s ON true
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// What an index says of itself, as `i` and `x` (its pg_class row). Before PostgreSQL 15 there is no `indnullsnotdistinct`.
const INDEX: &str = "x.relname::text, pg_get_indexdef(i.indexrelid), i.indisunique,
       CASE WHEN i.indpred IS NULL AND i.indexprs IS NULL THEN
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1]) ORDER BY a.attnum)
       ELSE '{}' END,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
       obj_description(i.indexrelid, 'pg_class'),
       i.indisreplident OR i.indisclustered OR NOT i.indisvalid
       OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND coalesce(a.attstattarget, -1) <> -1)
       OR EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indexrelid
                  AND d.deptype IN ('n', 'x') AND d.classid <> 'pg_constraint'::regclass)";

/// What comes before an index in a constraint's row.
const INDEX_AT: usize = 14;

fn constraints_sql() -> String {
    format!(
        "
SELECT n.nspname::text, t.relname::text, c.conname::text, c.contype::text, pg_get_constraintdef(c.oid),
       c.convalidated,
       CASE WHEN c.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE WHEN c.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) k JOIN pg_attribute a ON (a.attrelid, a.attnum) = (c.conrelid, k) ORDER BY 1),
       obj_description(c.oid, 'pg_constraint'),
       EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_constraint'::regclass AND d.refobjid = c.oid
               AND d.deptype IN ('n', 'x') AND d.classid <> 'pg_constraint'::regclass),
       pg_get_userbyid(t.relowner)::text, pg_has_role(t.relowner, 'USAGE'), t.relkind = 'p',
       i.indexrelid IS NOT NULL, {INDEX}
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.conindid AND c.contype IN ('p', 'u', 'x')
LEFT JOIN pg_class x ON x.oid = i.indexrelid
WHERE $1 IN (c.conrelid, c.confrelid) AND c.conparentid = 0 AND c.contype IN ('p', 'u', 'x', 'c', 'f')
ORDER BY 1, 2, 3"
    )
}

fn indexes_sql() -> String {
    format!(
        "SELECT {INDEX} FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
         WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint c
             WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')) ORDER BY 1"
    )
}

/// The guard of a table that is followed is liteferry's own.
const TRIGGERS: &str = "
SELECT tgname::text, pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger
WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D'
  AND tgfoid IS DISTINCT FROM to_regprocedure('liteferry.guard()') ORDER BY 1";

/// The relations of a schema that have one of these names, exactly or but for the case of ASCII letters.
///
/// # Errors
///
/// What the server says.
pub fn tables(session: &Session, schema: &str, names: &[String]) -> Result<Vec<TargetTable>> {
    let names: Vec<_> =
        names.iter().flat_map(|name| [name.clone(), name.to_ascii_lowercase()]).collect();
    let rows = session.query("look at the target's tables", RELATIONS, &[&schema, &names])?;
    let relation = |row: &Row| {
        let name: String = column(Some(row), 1)?;
        table(session, schema, &name, row).at(|| format!("table {name}"))
    };
    rows.iter().map(relation).collect()
}

fn table(session: &Session, schema: &str, name: &str, row: &Row) -> Result<TargetTable> {
    let row = Some(row);
    let oid: u32 = column(row, 0)?;
    let has_rows = column(row, 11)? && has_rows(session, schema, name)?;
    let of =
        |what: &str, sql: &str| session.query(&format!("look at a table's {what}"), sql, &[&oid]);
    let columns = of("columns", COLUMNS)?;
    let constraints = of("constraints", &constraints_sql())?;
    let indexes = of("indexes", &indexes_sql())?;
    let triggers = of("triggers", TRIGGERS)?;
    Ok(TargetTable {
        schema: schema.into(),
        name: name.into(),
        kind: relation_kind(
            &column::<String>(row, 2)?,
            &column::<String>(row, 3)?,
            column(row, 4)?,
            column(row, 5)?,
        )?,
        owner: column(row, 6)?,
        role: column(row, 7)?,
        owned: column(row, 8)?,
        may_create: column(row, 9)?,
        row_security: column(row, 10)?,
        has_rows,
        columns: columns.iter().map(target_column).collect::<Result<_>>()?,
        constraints: constraints.iter().map(constraint).collect::<Result<_>>()?,
        indexes: indexes.iter().map(|row| index(row, 0)).collect::<Result<_>>()?,
        triggers: triggers.iter().map(trigger).collect::<Result<_>>()?,
    })
}

fn relation_kind(
    kind: &str,
    persistence: &str,
    partition: bool,
    inherits: bool,
) -> Result<TargetKind> {
    Ok(match (kind, persistence) {
        ("r", _) if partition => TargetKind::Partition,
        ("r", _) if inherits => TargetKind::Inheriting,
        ("r", "u") => TargetKind::Unlogged,
        ("r", _) => TargetKind::Table,
        ("p", _) => TargetKind::Partitioned,
        ("f", _) => TargetKind::Foreign,
        ("v", _) => TargetKind::View,
        ("m", _) => TargetKind::MaterializedView,
        _ => return Err(Error::internal(format!("a relation of the kind {kind}"))),
    })
}

fn has_rows(session: &Session, schema: &str, name: &str) -> Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT FROM ONLY {}.{})", quoted(schema), quoted(name));
    column(session.query("look for rows", &sql, &[])?.first(), 0)
}

fn target_column(row: &Row) -> Result<TargetColumn> {
    let row = Some(row);
    let (declared, domain): (String, bool) = (column(row, 1)?, column(row, 14)?);
    let base: String = column(row, 13)?;
    let pg = kind::pg(&base, &column::<String>(row, 2)?);
    let named = |_: PgType| {
        Ok(EnumType { schema: column(row, 10)?, name: column(row, 11)?, labels: column(row, 12)? })
    };
    Ok(TargetColumn {
        name: column(row, 0)?,
        pg,
        fraction: kind::fraction(&base),
        domain,
        enum_type: pg.filter(|&pg| pg == PgType::Enum).map(named).transpose()?,
        not_null: column(row, 3)?,
        default: column(row, 4)?,
        identity: column(row, 5)?,
        generated: column(row, 6)?,
        collation: column(row, 7)?,
        sequence: column(row, 8)?,
        may_set: column(row, 9)?,
        type_name: if domain { format!("{declared}, a domain over {base}") } else { declared },
    })
}

fn constraint(row: &Row) -> Result<TargetConstraint> {
    let own = Some(row);
    let index = if column(own, 13)? { Some(index(row, INDEX_AT)?) } else { None };
    Ok(TargetConstraint {
        schema: column(own, 0)?,
        table: column(own, 1)?,
        name: column(own, 2)?,
        kind: match column::<String>(own, 3)?.as_str() {
            "p" => ConstraintKind::PrimaryKey,
            "u" => ConstraintKind::Unique,
            "x" => ConstraintKind::Exclusion,
            "c" => ConstraintKind::Check,
            _ => ConstraintKind::ForeignKey,
        },
        definition: column(own, 4)?,
        validated: column(own, 5)?,
        deferral: column(own, 6)?,
        columns: column(own, 7)?,
        comment: column(own, 8)?,
        pinned: column::<bool>(own, 9)? || index.as_ref().is_some_and(|index| index.pinned),
        owner: column(own, 10)?,
        owned: column(own, 11)?,
        partitioned: column(own, 12)?,
        index,
    })
}

fn index(row: &Row, at: usize) -> Result<TargetIndex> {
    let row = Some(row);
    Ok(TargetIndex {
        name: column(row, at)?,
        definition: column(row, at + 1)?,
        unique: column(row, at + 2)?,
        columns: column(row, at + 3)?,
        nulls_are_one: column(row, at + 4)?,
        comment: column(row, at + 5)?,
        pinned: column(row, at + 6)?,
    })
}

fn trigger(row: &Row) -> Result<TargetTrigger> {
    let row = Some(row);
    Ok(TargetTrigger {
        name: column(row, 0)?,
        definition: column(row, 1)?,
        enabled: column(row, 2)?,
    })
}
