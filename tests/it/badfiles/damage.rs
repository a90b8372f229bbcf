//! How the files of these tests are broken: whole databases first, then single pages of them.

use crate::environment::{Done, Environment};
use rusqlite::Connection;
use std::fs;

/// Bytes of a page in the files of these tests.
pub(super) const PAGE: usize = 1024;

/// Two tables of rows whose rowids count from 1, with an index and a key each.
pub(super) const ROWS: &str = "
    PRAGMA page_size = 1024;
    CREATE TABLE one (id INTEGER PRIMARY KEY, v TEXT UNIQUE, n INTEGER);
    CREATE INDEX one_n ON one (n);
    CREATE TABLE two (id INTEGER PRIMARY KEY, v TEXT UNIQUE, n INTEGER);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO one SELECT i, 'the value of row ' || i, -i FROM n;
    INSERT INTO two SELECT * FROM one;";

/// A page of a tree, and the rows on it, counted from 1 over all pages of its kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    number: usize,
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Page {
    /// Where it begins in the file.
    pub(super) fn offset(&self) -> usize {
        (self.number - 1) * PAGE
    }

    /// Its bytes.
    pub(super) fn slice<'f>(&self, file: &'f [u8]) -> &'f [u8] {
        &file[self.offset()..self.offset() + PAGE]
    }

    /// Its bytes, to be changed.
    pub(super) fn slice_mut<'f>(&self, file: &'f mut [u8]) -> &'f mut [u8] {
        &mut file[self.offset()..self.offset() + PAGE]
    }

    /// Lets every cell of an inner page lead to the same page.
    pub(super) fn lead_all_to(&self, child: Self, file: &mut [u8]) {
        let page = self.slice_mut(file);
        let child = u32::try_from(child.number).unwrap().to_be_bytes();
        let cells = usize::from(u16::from_be_bytes([page[3], page[4]]));
        page[8..12].copy_from_slice(&child);
        for cell in 0..cells {
            let pointer = 12 + 2 * cell;
            let at = usize::from(u16::from_be_bytes([page[pointer], page[pointer + 1]]));
            page[at..at + 4].copy_from_slice(&child);
        }
    }
}

/// The pages of a table or an index that are `leaf`, `internal` or `overflow`, in the order of their rows.
pub(super) fn pages(env: &Environment, name: &str, kind: &str) -> Vec<Page> {
    let connection = Connection::open(env.source()).unwrap();
    let mut statement = connection
        .prepare("SELECT pageno, ncell FROM dbstat WHERE name = ?1 AND pagetype = ?2 ORDER BY path")
        .unwrap();
    let read: Vec<(i64, i64)> = statement
        .query_map([name, kind], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!read.is_empty(), "{name} has no {kind} page");
    let mut last = 0;
    let page = |(number, cells): (i64, i64)| {
        last += cells;
        Page { number: usize::try_from(number).unwrap(), first: last - cells + 1, last }
    };
    read.into_iter().map(page).collect()
}

/// Changes the bytes of the file.
pub(super) fn edit(env: &Environment, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(env.source()).unwrap();
    edit(&mut bytes);
    fs::write(env.source(), bytes).unwrap();
}

/// Overwrites pages with nonsense.
pub(super) fn break_pages(env: &Environment, pages: &[Page]) {
    edit(env, |bytes| {
        for page in pages {
            page.slice_mut(bytes).fill(0xa5);
        }
    });
}

/// Writes at the beginning of a page.
pub(super) fn write_page(env: &Environment, page: Page, content: &[u8]) {
    edit(env, |bytes| {
        page.slice_mut(bytes)[..content.len()].copy_from_slice(content);
    });
}

/// Gives an object of the schema another declaration, unchecked.
pub(super) fn declare(env: &Environment, name: &str, sql: &str) {
    let connection = Connection::open(env.source()).unwrap();
    connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
    let changed =
        connection.execute("UPDATE sqlite_schema SET sql = ?1 WHERE name = ?2", [sql, name]);
    assert_eq!(changed.unwrap(), 1);
}

/// That a command ended so, with one clear line that has these words, and without a panic.
#[track_caller]
pub(super) fn says_in_one_line(done: &Done, code: i32, words: &[&str]) {
    assert_eq!(done.code(), code, "{done}");
    let errors: Vec<_> = done.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors.as_slice() else { panic!("{} lines of error\n{done}", errors.len()) };
    for word in words {
        assert!(error.contains(word), "`{word}` is not in `{error}`\n{done}");
    }
    assert!(!done.says("panicked"), "{done}");
    assert_eq!(done.json()["ok"], false, "{done}");
}

/// That neither `plan` nor `run` takes the source, and that nothing came to be in the target.
#[track_caller]
pub(super) fn is_refused(env: &Environment, code: i32, words: &[&str]) {
    is_refused_with(env, &[], code, words);
}

/// The same with more arguments.
#[track_caller]
pub(super) fn is_refused_with(env: &Environment, more: &[&str], code: i32, words: &[&str]) {
    let before = fs::read(env.source()).unwrap();
    says_in_one_line(
        &env.liteferry(&env.ends("plan", &[&["--no-capture"], more].concat())),
        code,
        words,
    );
    says_in_one_line(&env.run(more), code, words);
    nothing_came_to_be(env);
    assert!(fs::read(env.source()).unwrap() == before, "the file was written to");
}

/// That the target is as empty as it was.
#[track_caller]
pub(super) fn nothing_came_to_be(env: &Environment) {
    let made = env.column(
        "SELECT nspname FROM pg_namespace WHERE nspname = 'liteferry'
         UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    );
    assert!(made.is_empty(), "{made:?} came to be");
}
