//! One state of a source that is written to, for several readers.
//!
//! Each reader's transaction sees what was committed when it first read. So that all see the same, nobody may commit
//! between the first of them and the last: the write lock is held meanwhile, which takes less than a millisecond.

use super::connection::{Refused, Source};
use super::read::Reader;
use crate::error::Result;
use rusqlite::Connection;

/// What holds the write lock of a source when several readers begin.
#[derive(Debug)]
pub struct Door {
    connection: Connection,
}

impl Door {
    /// A door to a source.
    ///
    /// # Errors
    ///
    /// A source that cannot be written to.
    pub fn new(source: &Source) -> Result<Self> {
        Ok(Self { connection: source.connect_to_write()? })
    }

    /// Lets all readers hold one state, the same for all.
    ///
    /// # Errors
    ///
    /// [`crate::Class::Temporary`] where somebody else keeps the write lock.
    pub fn let_in<'r>(&self, readers: impl IntoIterator<Item = &'r mut Reader>) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE").refused(|| "source".into())?;
        let held = readers.into_iter().try_for_each(Reader::hold);
        self.connection.execute_batch("ROLLBACK").refused(|| "source".into())?;
        held
    }
}

#[cfg(test)]
mod tests {
    use super::Door;
    use crate::pipeline::Stop;
    use crate::store::sqlite::connection::Source;
    use crate::store::sqlite::read::Reader;
    use rusqlite::Connection;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn seen(reader: &Reader) -> (i64, i64) {
        let sql = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)";
        reader.connection().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    #[test]
    fn all_readers_see_one_state_while_it_is_written_to() {
        for mode in ["WAL", "DELETE"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.db");
            let writer = Connection::open(&path).unwrap();
            writer.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
            writer
                .execute_batch(&format!(
                    "PRAGMA journal_mode = {mode}; CREATE TABLE a (x); CREATE TABLE b (x)"
                ))
                .unwrap();
            let source = Source::open(&path, false, &Stop::default()).unwrap();
            let door = Door::new(&source).unwrap();
            let mut readers: Vec<_> =
                (0..4).map(|_| Reader::of_moving(source.connect().unwrap())).collect();
            let ended = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let ended = &ended;
                scope.spawn(move || {
                    while !ended.load(Ordering::SeqCst) {
                        writer
                            .execute_batch(
                                "BEGIN IMMEDIATE; INSERT INTO a VALUES (1); INSERT INTO b VALUES (1); COMMIT",
                            )
                            .unwrap();
                    }
                });
                let mut last = (-1, -1);
                for _ in 0..20 {
                    door.let_in(&mut readers).unwrap();
                    let first = seen(&readers[0]);
                    assert_eq!(first.0, first.1, "{mode}: half a transaction");
                    assert!(readers.iter().all(|reader| seen(reader) == first), "{mode}");
                    assert!(first >= last);
                    last = first;
                    readers.iter().try_for_each(Reader::let_go).unwrap();
                }
                ended.store(true, Ordering::SeqCst);
            });
        }
    }

    #[test]
    fn what_is_held_stays_until_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE a (x); CREATE TABLE b (x)")
            .unwrap();
        let source = Source::open(&path, false, &Stop::default()).unwrap();
        let mut reader = Reader::of_moving(source.connect().unwrap());
        Door::new(&source).unwrap().let_in([&mut reader]).unwrap();
        writer.execute_batch("INSERT INTO a VALUES (1)").unwrap();
        assert_eq!(seen(&reader), (0, 0));
        reader.let_go().unwrap();
        assert_eq!(seen(&reader), (1, 0));
    }
}
