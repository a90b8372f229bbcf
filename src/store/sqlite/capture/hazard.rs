//! What triggers of the application do by which a row could change behind the log's back.

use crate::model::{ForeignKeyAction, SourceForeignKey, SourceIndexColumn, SourceTable};
use crate::sql::{unquoted, with_statement, words};
use sqlite3_parser::ast::{QualifiedName, Stmt, TriggerCmd, TriggerEvent, TriggerTime};

/// Why changes of a table could be missed because of these triggers; none where they could not.
pub(super) fn hazard(
    table: &SourceTable,
    tables: &[&SourceTable],
    triggers: &[String],
) -> Option<String> {
    fails_half_done(table, tables, triggers).or_else(|| changes_its_row(table, tables, triggers))
}

/// A foreign key changes the rows that refer to a row before the triggers of that row fire; what fails there with FAIL
/// keeps what was done, and they do not fire.
fn fails_half_done(
    table: &SourceTable,
    tables: &[&SourceTable],
    triggers: &[String],
) -> Option<String> {
    let child =
        tables.iter().find(|child| child.foreign_keys.iter().any(|key| acts(key, &table.name)))?;
    let names_fail = |sql: &String| {
        let words = words(sql).unwrap_or_default();
        words.iter().any(|word| word.eq_ignore_ascii_case("FAIL"))
    };
    triggers.iter().any(names_fail).then(|| {
        format!(
            "a foreign key changes rows of {} with it, and a trigger with FAIL may stop that half way",
            child.name
        )
    })
}

/// A trigger before an UPDATE that changes the very row: SQLite then updates a row that no trigger has seen, which it
/// leaves undefined. What that replaces is only known where one column decides about it.
fn changes_its_row(
    table: &SourceTable,
    tables: &[&SourceTable],
    triggers: &[String],
) -> Option<String> {
    let is_of_several = |part: &SourceIndexColumn| match &part.key {
        Ok(at) => table.columns.get(*at).is_none_or(|column| column.generated.is_some()),
        Err(_expression) => true,
    };
    let mut unique = table.indexes.iter().filter(|index| index.unique);
    let index =
        unique.find(|index| index.columns.len() > 1 || index.columns.iter().any(is_of_several))?;
    let written: Vec<_> = triggers.iter().map(|sql| Trigger::of(sql)).collect();
    let is_changed = |trigger: &Trigger| {
        trigger.is_before_update
            && trigger.is_on(&table.name)
            && reaches(&trigger.writes, &table.name, tables, &written)
    };
    written.iter().any(is_changed).then(|| {
        format!(
            "a trigger before its updates changes it too, so that what its unique index {} replaces is not known",
            index.name
        )
    })
}

/// A trigger: when it fires, and to which tables it writes.
struct Trigger {
    /// Its table; none where that could not be read.
    table: Option<String>,
    is_before_update: bool,
    writes: Vec<String>,
}

impl Trigger {
    /// What stands in the SQL; where it cannot be parsed it may be any trigger, and writes to all that it names.
    fn of(sql: &str) -> Self {
        let read = |statement: &Stmt<'_>| match statement {
            Stmt::CreateTrigger { time, event, tbl_name, commands, .. } => Some(Self {
                table: Some(name(tbl_name)),
                is_before_update: !matches!(
                    time,
                    Some(TriggerTime::After | TriggerTime::InsteadOf)
                ) && matches!(
                    event,
                    TriggerEvent::Update | TriggerEvent::UpdateOf(_)
                ),
                writes: commands.iter().filter_map(written).collect(),
            }),
            _ => None,
        };
        with_statement(sql, read).ok().flatten().unwrap_or_else(|| Self {
            table: None,
            is_before_update: true,
            writes: words(sql).unwrap_or_default().into_iter().collect(),
        })
    }

    fn is_on(&self, table: &str) -> bool {
        self.table.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(table))
    }
}

/// The table to which a command of a trigger writes.
fn written(command: &TriggerCmd<'_>) -> Option<String> {
    match command {
        TriggerCmd::Update { tbl_name, .. }
        | TriggerCmd::Insert { tbl_name, .. }
        | TriggerCmd::Delete { tbl_name, .. } => Some(name(tbl_name)),
        TriggerCmd::Select(_) => None,
    }
}

fn name(table: &QualifiedName<'_>) -> String {
    unquoted(table.name.0)
}

/// Whether what is written leads to writing to `table`, by triggers and by foreign keys.
fn reaches(writes: &[String], table: &str, tables: &[&SourceTable], triggers: &[Trigger]) -> bool {
    let mut reached: Vec<String> = writes.to_vec();
    let mut at = 0;
    while let Some(from) = reached.get(at).cloned() {
        at += 1;
        let by_trigger = triggers.iter().filter(|trigger| trigger.is_on(&from));
        let by_key =
            tables.iter().filter(|child| child.foreign_keys.iter().any(|key| acts(key, &from)));
        let next = by_trigger
            .flat_map(|trigger| trigger.writes.iter().cloned())
            .chain(by_key.map(|child| child.name.clone()));
        for name in next.collect::<Vec<_>>() {
            if !reached.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                reached.push(name);
            }
        }
    }
    reached.iter().any(|name| name.eq_ignore_ascii_case(table))
}

/// Whether a foreign key changes rows when those of `parent` change.
fn acts(key: &SourceForeignKey, parent: &str) -> bool {
    let acts = |action| !matches!(action, ForeignKeyAction::NoAction | ForeignKeyAction::Restrict);
    key.parent.eq_ignore_ascii_case(parent) && (acts(key.on_update) || acts(key.on_delete))
}
