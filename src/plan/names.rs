//! The target's names: every name of the source gets one, no two the same one, the same in every run.
//!
//! A name stays as it is, or is folded where the pipeline file asks for that, unless PostgreSQL does not take it or
//! something else has it. Tables and indexes of the source come first, so that they keep their names whatever liteferry
//! makes beside them. Tables, indexes, sequences and constraints share one space, columns have one in each table.

use super::Rename;
use crate::config::Identifiers;
use crate::model::identifier::{Ident, Refusal, made, replacements};
use crate::model::{IndexOrigin, SourceSchema, SourceTable, TableSchema};
use std::collections::{BTreeMap, BTreeSet};

/// The names of one plan.
#[derive(Debug)]
pub(super) struct Names {
    identifiers: Identifiers,
    tables: BTreeMap<String, Given>,
    indexes: BTreeMap<String, Given>,
    taken: BTreeSet<String>,
    renames: Vec<Rename>,
}

/// A name of the target, and why it is not the one that was asked for.
#[derive(Debug, Clone)]
struct Given {
    name: String,
    because: Option<String>,
}

impl Names {
    /// Names for the source's tables and indexes.
    pub(super) fn new(schema: &SourceSchema, identifiers: Identifiers) -> Self {
        let tables: Vec<_> = schema.tables.iter().map(|table| table.name.as_str()).collect();
        let indexes = schema.tables.iter().flat_map(|table| &table.indexes);
        let indexes = indexes.filter(|index| index.origin == IndexOrigin::Create);
        let indexes: Vec<_> = indexes.map(|index| index.name.as_str()).collect();
        let mut taken = BTreeSet::new();
        let all = [tables.as_slice(), &indexes].concat();
        let mut given =
            give(&all, identifiers, &is_legal, &mut |name| taken.insert(name.to_owned()));
        let of_indexes = given.split_off(tables.len());
        let named = |names: Vec<&str>, given: Vec<Given>| {
            names.into_iter().map(str::to_owned).zip(given).collect()
        };
        Self {
            identifiers,
            tables: named(tables, given),
            indexes: named(indexes, of_indexes),
            taken,
            renames: Vec::new(),
        }
    }

    /// The name of a table.
    pub(super) fn table(&mut self, source: &str) -> String {
        let given = self.tables.get(source).cloned();
        self.told("table", source, source, given)
    }

    /// The names of a table's columns, in order.
    pub(super) fn columns(&mut self, table: &SourceTable) -> Vec<String> {
        let names: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let legal = |name: &str| Ident::for_column(name).map(drop);
        let mut taken = BTreeSet::new();
        let given =
            give(&names, self.identifiers, &legal, &mut |name| taken.insert(name.to_owned()));
        let columns = names.into_iter().zip(given);
        columns.map(|(name, given)| self.told("column", &table.name, name, Some(given))).collect()
    }

    /// The name of an index that was made by CREATE INDEX.
    pub(super) fn index(&mut self, table: &str, source: &str) -> String {
        let given = self.indexes.get(source).cloned();
        self.told("index", table, source, given)
    }

    /// The name of a CHECK that has one in the source.
    pub(super) fn check(&mut self, table: &TableSchema, source: &str) -> String {
        // Newer servers name NOT NULL constraints too, and no two constraints of a table have one name.
        let not_null = |name: &str| {
            let mut columns = table.columns.iter();
            columns.any(|column| made(&table.target, Some(&column.target), "not_null") == name)
        };
        let taken = &mut self.taken;
        let mut take = |name: &str| !not_null(name) && taken.insert(name.into());
        let given = give(&[source], self.identifiers, &is_legal, &mut take).pop();
        self.told("check", &table.source, source, given)
    }

    /// A name for what has none in the source: as PostgreSQL itself would make it.
    pub(super) fn make(&mut self, table: &str, columns: Option<&str>, label: &str) -> String {
        let mut name = made(table, columns, label);
        let mut number = 0_u64;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = made(table, columns, &format!("{label}{number}"));
        }
        name
    }

    /// What has another name in the target than was asked for.
    pub(super) fn into_renames(self) -> Vec<Rename> {
        self.renames
    }

    /// The name as given, noted where it is not the one that was asked for.
    fn told(&mut self, kind: &str, table: &str, source: &str, given: Option<Given>) -> String {
        // Nothing has a name here that was not in the schema.
        let Some(Given { name, because }) = given else { return self.make(source, None, kind) };
        self.renames.extend(because.map(|reason| Rename {
            kind: kind.into(),
            table: table.into(),
            source: source.into(),
            target: name.clone(),
            reason,
        }));
        name
    }
}

/// Gives each of `names` a legal one; `take` says whether one was free, and takes it.
///
/// A name that stays as it is comes before one that is folded, and both come before one that must be replaced.
fn give(
    names: &[&str],
    identifiers: Identifiers,
    legal: &dyn Fn(&str) -> Result<(), Refusal>,
    take: &mut dyn FnMut(&str) -> bool,
) -> Vec<Given> {
    let asked: Vec<_> = names.iter().map(|name| identifiers.fold(name)).collect();
    let pairs = || names.iter().copied().zip(&asked);
    let mut kept = |wanted: &dyn Fn(&str, &str) -> bool| -> Vec<bool> {
        pairs()
            .map(|(name, asked)| wanted(name, asked) && legal(asked).is_ok() && take(asked))
            .collect()
    };
    let as_it_is = kept(&|name, asked| name == asked);
    let folded = kept(&|name, asked| name != asked);
    let as_asked = as_it_is.into_iter().zip(folded).map(|(kept, folded)| kept || folded);
    pairs()
        .zip(as_asked)
        .map(|((name, asked), as_asked)| {
            if as_asked {
                return Given { name: asked.clone(), because: None };
            }
            let because = match legal(asked) {
                Ok(()) => "something else has that name".to_owned(),
                Err(refusal) => refusal.to_string(),
            };
            // They never end.
            let free = replacements(name, asked).find(|name| take(name)).unwrap_or_default();
            Given { name: free, because: Some(because) }
        })
        .collect()
}

fn is_legal(name: &str) -> Result<(), Refusal> {
    Ident::new(name).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Names, give, is_legal};
    use crate::config::Identifiers::{self, Lower, Preserve};
    use crate::model::identifier::{Ident, replacements};
    use crate::model::{CellShape, Column, PgType, SourceSchema, SourceTable, TableSchema};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn table(name: &str) -> SourceTable {
        SourceTable {
            name: name.into(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            rowid_alias: None,
            without_rowid: false,
            rowid_name: None,
            autoincrement: false,
            sequence: None,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn given(names: &[&str], identifiers: Identifiers) -> Vec<String> {
        let mut taken = BTreeSet::new();
        give(names, identifiers, &is_legal, &mut |name| taken.insert(name.to_owned()))
            .into_iter()
            .map(|given| given.name)
            .collect()
    }

    #[test]
    fn a_legal_name_is_kept_whatever_another_one_becomes() {
        let long = "n".repeat(70);
        let [one, two]: [String; 2] =
            replacements(&long, &long).take(2).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(given(&[&long, &one], Preserve), [two.clone(), one.clone()]);
        assert_eq!(given(&[&one, &long], Preserve), [one, two]);
        let empty = given(&["", "unnamed"], Preserve);
        assert_eq!(empty[1], "unnamed");
        assert!(empty[0].starts_with("unnamed_"), "{empty:?}");
    }

    #[test]
    fn lower_folds_the_letters_of_ascii_and_a_lower_name_keeps_its_own() {
        assert_eq!(given(&["Users", "ÄPFEL", "äpfel"], Lower), ["users", "Äpfel", "äpfel"]);
        let clash = given(&["Users", "users", "USERS"], Lower);
        assert_eq!(clash[1], "users");
        assert!(clash[0].starts_with("users_") && clash[2].starts_with("users_"), "{clash:?}");
        assert_ne!(clash[0], clash[2]);
        assert_eq!(given(&["Users", "users"], Preserve), ["Users", "users"]);
    }

    #[test]
    fn what_is_made_beside_the_source_never_takes_one_of_its_names() {
        let tables = ["a", "a_pkey", "a_pkey1"].map(table).to_vec();
        let schema = SourceSchema { tables, ..SourceSchema::default() };
        let mut names = Names::new(&schema, Preserve);
        assert_eq!(names.make("a", None, "pkey"), "a_pkey2");
        assert_eq!(names.table("a_pkey"), "a_pkey");
        assert!(names.into_renames().is_empty());
    }

    #[test]
    fn a_check_is_never_called_like_the_not_null_of_a_newer_server() {
        let schema = SourceSchema { tables: vec![table("t")], ..SourceSchema::default() };
        let column = |name: &str| Column {
            not_null: true,
            ..Column::new(name, CellShape::Integer, PgType::Int8)
        };
        let shape = TableSchema::new("t", vec![column("a"), column(&"b".repeat(63))]);
        let mut names = Names::new(&schema, Preserve);
        let cut = format!("t_{}_not_null", "b".repeat(52));
        for name in ["t_a_not_null", &cut] {
            let given = names.check(&shape, name);
            assert!(given != name && given.starts_with("t_"), "{given}");
        }
        assert_eq!(names.check(&shape, "t_c_not_null"), "t_c_not_null");
        assert_ne!(names.check(&shape, "t_c_not_null"), "t_c_not_null");
        assert_eq!(names.into_renames().len(), 3);
    }

    proptest! {
        #[test]
        fn every_set_of_names_is_mapped_one_to_one_to_legal_names(
            names in proptest::collection::btree_set("(\\PC{0,5}|[aA_]{60,66}|[üÜ]{30,34}|xmin_?|XMIN|unnamed)", 0..40),
            lower: bool,
        ) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let identifiers = if lower { Lower } else { Preserve };
            let targets = given(&names, identifiers);
            prop_assert_eq!(targets.iter().collect::<BTreeSet<_>>().len(), names.len());
            for (name, target) in names.iter().zip(&targets) {
                prop_assert!(Ident::new(target).is_ok());
                if Ident::new(*name).is_ok() && identifiers.fold(name) == *name {
                    prop_assert_eq!(name, target);
                }
            }
            prop_assert_eq!(given(&names, identifiers), targets);
        }
    }
}
