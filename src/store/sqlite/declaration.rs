//! What only the SQL text of a table or an index tells: collations, AUTOINCREMENT, CHECKs, generated expressions,
//! deferrability, and the expressions of an index. No PRAGMA shows these.
//!
//! Expressions are handed on as SQL printed from the syntax tree, still in SQLite's dialect.

use crate::model::{Deferral, SourceCheck};
use crate::sql::{Unreadable, unquoted, with_statement};
use sqlite3_parser::ast::{
    ColumnConstraint, ColumnDefinition, CreateTableBody, DeferSubclause, ForeignKeyClause,
    IndexedColumn, InitDeferredPred, Name, NamedTableConstraint, Stmt, TableConstraint,
};

/// What a CREATE TABLE says beyond the PRAGMAs.
#[derive(Debug, Default)]
pub(super) struct TableDeclaration {
    /// One for each column, in order.
    pub columns: Vec<ColumnDeclaration>,
    /// CHECKs of the columns, then of the table.
    pub checks: Vec<SourceCheck>,
    /// Foreign keys of the columns, then of the table.
    pub foreign_keys: Vec<ForeignKeyDeclaration>,
    /// Whether the key is AUTOINCREMENT.
    pub autoincrement: bool,
}

/// What a column's declaration says beyond the PRAGMAs.
#[derive(Debug)]
pub(super) struct ColumnDeclaration {
    /// The name without quotes.
    pub name: String,
    /// The collation, upper case.
    pub collation: Option<String>,
    /// The expression of a generated column.
    pub generated: Option<String>,
}

/// A foreign key, by which the PRAGMA's row is recognised, and when it is checked.
#[derive(Debug)]
pub(super) struct ForeignKeyDeclaration {
    /// The child's columns.
    pub columns: Vec<String>,
    /// The parent table.
    pub parent: String,
    /// The parent's columns, where they are written.
    pub parent_columns: Vec<String>,
    /// When it is checked.
    pub deferral: Deferral,
}

/// What a CREATE INDEX says beyond the PRAGMAs.
#[derive(Debug)]
pub(super) struct IndexDeclaration {
    /// The key columns and expressions, in order.
    pub keys: Vec<String>,
    /// The WHERE of a partial index.
    pub predicate: Option<String>,
}

/// Reads a CREATE TABLE.
pub(super) fn table(sql: &str) -> Result<TableDeclaration, Unreadable> {
    with_statement(sql, |statement| match statement {
        Stmt::CreateTable {
            body: CreateTableBody::ColumnsAndConstraints { columns, constraints, .. },
            ..
        } => {
            let mut declared = TableDeclaration::default();
            for column in columns {
                declared.add_column(column);
            }
            for constraint in constraints.unwrap_or_default() {
                declared.add_constraint(constraint);
            }
            Ok(declared)
        }
        _ => Err(Unreadable::new("it is no CREATE TABLE with columns")),
    })?
}

/// Reads a CREATE INDEX.
pub(super) fn index(sql: &str) -> Result<IndexDeclaration, Unreadable> {
    with_statement(sql, |statement| match statement {
        Stmt::CreateIndex { columns, where_clause, .. } => Ok(IndexDeclaration {
            keys: columns.iter().map(|column| column.expr.to_string()).collect(),
            predicate: where_clause.as_ref().map(ToString::to_string),
        }),
        _ => Err(Unreadable::new("it is no CREATE INDEX")),
    })?
}

impl TableDeclaration {
    fn add_column(&mut self, definition: &ColumnDefinition<'_>) {
        let name = text(&definition.col_name);
        let mut column = ColumnDeclaration { name, collation: None, generated: None };
        for constraint in definition.constraints {
            match &constraint.constraint {
                ColumnConstraint::PrimaryKey { auto_increment, .. } => {
                    self.autoincrement |= auto_increment;
                }
                ColumnConstraint::Check(expression) => {
                    self.add_check(constraint.name.as_ref(), expression.to_string());
                }
                ColumnConstraint::Collate { collation_name } => {
                    column.collation = Some(text(collation_name).to_ascii_uppercase());
                }
                ColumnConstraint::Generated { expr, .. } => {
                    column.generated = Some(expr.to_string());
                }
                ColumnConstraint::ForeignKey { clause, defer_clause } => {
                    self.add_foreign_key(vec![column.name.clone()], clause, defer_clause.as_ref());
                }
                // As in SQLite, the clause belongs to the foreign key before it, wherever that stands.
                ColumnConstraint::Defer(clause) => {
                    if let Some(key) = self.foreign_keys.last_mut() {
                        key.deferral = deferral(Some(clause));
                    }
                }
                ColumnConstraint::NotNull { .. }
                | ColumnConstraint::Unique(_)
                | ColumnConstraint::Default(_) => {}
            }
        }
        self.columns.push(column);
    }

    fn add_constraint(&mut self, named: &NamedTableConstraint<'_>) {
        match &named.constraint {
            TableConstraint::PrimaryKey { auto_increment, .. } => {
                self.autoincrement |= auto_increment;
            }
            TableConstraint::Check(expression, _) => {
                self.add_check(named.name.as_ref(), expression.to_string());
            }
            TableConstraint::ForeignKey { columns, clause, defer_clause } => {
                self.add_foreign_key(names(columns), clause, defer_clause.as_ref());
            }
            TableConstraint::Unique { .. } => {}
        }
    }

    fn add_check(&mut self, name: Option<&Name<'_>>, expression: String) {
        self.checks.push(SourceCheck { name: name.map(text), expression });
    }

    fn add_foreign_key(
        &mut self,
        columns: Vec<String>,
        clause: &ForeignKeyClause<'_>,
        defer_clause: Option<&DeferSubclause>,
    ) {
        self.foreign_keys.push(ForeignKeyDeclaration {
            columns,
            parent: text(&clause.tbl_name),
            parent_columns: clause.columns.map(names).unwrap_or_default(),
            deferral: deferral(defer_clause),
        });
    }
}

/// SQLite defers only what is DEFERRABLE INITIALLY DEFERRED; everything else it checks at each statement.
fn deferral(clause: Option<&DeferSubclause>) -> Deferral {
    match clause {
        Some(DeferSubclause {
            deferrable: true,
            init_deferred: Some(InitDeferredPred::InitiallyDeferred),
        }) => Deferral::Deferred,
        _ => Deferral::Immediate,
    }
}

fn names(columns: &[IndexedColumn<'_>]) -> Vec<String> {
    columns.iter().map(|column| text(&column.col_name)).collect()
}

fn text(name: &Name<'_>) -> String {
    unquoted(name.0)
}

#[cfg(test)]
mod tests {
    use super::{index, table};
    use crate::model::Deferral;

    #[test]
    fn what_no_pragma_shows_is_read_from_the_create_table() {
        let declared = table(
            "CREATE TABLE \"odd \"\"name\" (
                id INTEGER PRIMARY KEY AUTOINCREMENT, -- the key
                [a b] TEXT COLLATE nocase CONSTRAINT short CHECK (length([a b]) < 10),
                total GENERATED ALWAYS AS (id * 2) STORED,
                parent REFERENCES p DEFERRABLE INITIALLY DEFERRED,
                FOREIGN KEY (id, 'a b') REFERENCES q (x, y) DEFERRABLE,
                CHECK (id > 0)
            ) STRICT",
        )
        .unwrap();
        assert!(declared.autoincrement);
        let columns: Vec<_> = declared
            .columns
            .iter()
            .map(|c| (c.name.as_str(), c.collation.as_deref(), c.generated.as_deref()))
            .collect();
        assert_eq!(
            columns,
            [
                ("id", None, None),
                ("a b", Some("NOCASE"), None),
                ("total", None, Some("id * 2")),
                ("parent", None, None),
            ]
        );
        let checks: Vec<_> =
            declared.checks.iter().map(|c| (c.name.as_deref(), c.expression.as_str())).collect();
        assert_eq!(checks, [(Some("short"), "length ([a b]) < 10"), (None, "id > 0")]);
        let keys: Vec<_> = declared
            .foreign_keys
            .iter()
            .map(|key| (key.columns.join(","), key.parent.as_str(), key.deferral))
            .collect();
        assert_eq!(
            keys,
            [
                ("parent".to_owned(), "p", Deferral::Deferred),
                ("id,a b".to_owned(), "q", Deferral::Immediate),
            ]
        );
    }

    #[test]
    fn an_index_gives_its_expressions_and_its_predicate() {
        let declared =
            index("CREATE INDEX i ON t (lower(a) COLLATE NOCASE DESC, b) WHERE b IS NOT NULL")
                .unwrap();
        assert_eq!(declared.keys, ["lower (a) COLLATE NOCASE", "b"]);
        assert_eq!(declared.predicate.as_deref(), Some("b IS NOT NULL"));
    }

    #[test]
    fn a_statement_of_another_kind_is_unreadable() {
        assert!(table("CREATE INDEX i ON t (a)").is_err());
        assert!(table("CREATE TABLE t AS SELECT 1").is_err());
        assert!(table("CREATE TABLE t (a").is_err());
        assert!(index("CREATE TABLE t (a)").is_err());
    }

    #[test]
    fn the_longest_chain_that_sqlite_allows_is_printed_without_exhausting_the_stack() {
        let chain = format!("CREATE TABLE t (a CHECK ({}a))", "NOT ".repeat(1000));
        assert_eq!(table(&chain).unwrap().checks.len(), 1);
    }
}
