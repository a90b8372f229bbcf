//! Foreign keys: with their actions where PostgreSQL has them, broken ones by key, the others with the reason.

use super::Moved;
use crate::environment::Environment;

#[test]
fn every_action_does_what_it_did() {
    let moved = Moved::new(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE, a INTEGER, b TEXT, UNIQUE (b, a));
         INSERT INTO p VALUES (0, 'zero', 0, 'z'), (1, 'one', 1, 'x'), (2, 'two', 2, 'x'), (3, 'three', 3, 'y'), (4, 'four', 4, 'y'), (5, 'five', 5, 'y');
         CREATE TABLE cascading (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE);
         CREATE TABLE nulling (id INTEGER PRIMARY KEY, p TEXT REFERENCES p (code) ON DELETE SET NULL ON UPDATE SET NULL);
         CREATE TABLE defaulting (id INTEGER PRIMARY KEY, p INTEGER DEFAULT 0 REFERENCES p (id) ON DELETE SET DEFAULT);
         CREATE TABLE restricting (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE RESTRICT);
         CREATE TABLE composite (id INTEGER PRIMARY KEY, a INTEGER, b VARCHAR(9), FOREIGN KEY (a, b) REFERENCES p (a, b) ON DELETE CASCADE);
         CREATE TABLE deferred (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree ON DELETE CASCADE);
         CREATE TABLE late (other INTEGER, id INTEGER PRIMARY KEY); CREATE TABLE implicit (id INTEGER PRIMARY KEY, late INTEGER REFERENCES late);
         INSERT INTO late VALUES (1, 7), (1, 8); INSERT INTO implicit VALUES (1, 7);
         INSERT INTO cascading VALUES (1, 1), (2, 2); INSERT INTO nulling VALUES (1, 'one'), (2, 'two'), (3, 'three');
         INSERT INTO defaulting VALUES (1, 1), (2, 3); INSERT INTO restricting VALUES (1, 4), (2, NULL);
         INSERT INTO composite VALUES (1, 1, 'x'), (2, NULL, 'nowhere'), (3, 3, 'y'); INSERT INTO deferred VALUES (1, 5);
         INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 4);",
    );
    moved.is_silent_of(&["foreign key of", "NOT VALID"]);
    let both = moved.both();
    both.take(&[
        "DELETE FROM p WHERE id = 1",
        "UPDATE p SET id = 20, code = 'twenty' WHERE id = 2",
        "DELETE FROM p WHERE id = 3",
        "DELETE FROM tree WHERE id = 1",
        "BEGIN; INSERT INTO deferred VALUES (2, 99); INSERT INTO p (id) VALUES (99); COMMIT",
    ]);
    both.refuse(&[
        "DELETE FROM p WHERE id = 4",
        "DELETE FROM p WHERE id = 5",
        "INSERT INTO cascading VALUES (9, 77)",
        "INSERT INTO composite VALUES (9, 4, 'x')",
        "INSERT INTO tree VALUES (9, 8)",
        "INSERT INTO implicit VALUES (2, 1)",
        "BEGIN; INSERT INTO deferred VALUES (3, 77); COMMIT",
    ]);
    both.assert_equal();
}

#[test]
fn rows_that_refer_to_nothing_are_named_and_the_key_stays_not_valid() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1);
         CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);
         INSERT INTO c VALUES (1, 1), (2, NULL), (3, 7);
         WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 29) INSERT INTO c SELECT i, 100 + i FROM n;
         CREATE TABLE keyless (a INTEGER, b TEXT, FOREIGN KEY (a) REFERENCES p); INSERT INTO keyless VALUES (5, 'x'), (1, 'y');",
    );
    let moved = Moved::of(env, &[]);
    moved.says(&[
        "table c: foreign key c_p_fkey stays NOT VALID, because rows break it: 21 rows: id = 3, p = 7; id = 10, p = 110; id = 11, p = 111",
        "id = 18, p = 118; …",
        "table keyless: foreign key keyless_a_fkey stays NOT VALID, because rows break it: 1 rows: a = 5",
    ]);
    moved.is_silent_of(&["p = 119"]);
    assert_eq!(moved.constraints("c", 'f'), ["!FOREIGN KEY (p) REFERENCES p(id)"]);
    let again = moved.env.run(&[]).expect(0);
    assert!(again.says("21 rows: id = 3, p = 7"), "{again}");
    let both = moved.both();
    both.refuse(&["INSERT INTO c VALUES (50, 8)"]);
    both.take(&["INSERT INTO c VALUES (50, 1)"]);
}

#[test]
fn a_foreign_key_that_postgresql_cannot_hold_is_listed_with_the_reason() {
    let moved = Moved::new(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, plain TEXT, part TEXT, low TEXT, folded TEXT, fit TEXT UNIQUE, g AS (id + 1));
         CREATE UNIQUE INDEX p_part ON p (part) WHERE id > 0; CREATE UNIQUE INDEX p_low ON p (lower(low));
         CREATE UNIQUE INDEX p_folded ON p (folded COLLATE NOCASE);
         CREATE TABLE keyless (a); CREATE TABLE two (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
         INSERT INTO p VALUES (1, 'x', 'x', 'x', 'x', 'x');
         CREATE TABLE c (
            id INTEGER PRIMARY KEY, a REFERENCES gone, b REFERENCES p (plain), c REFERENCES p (part), d REFERENCES p (low), e REFERENCES p (folded),
            f TEXT REFERENCES p, g INTEGER REFERENCES p (fit), h REFERENCES keyless, i INTEGER REFERENCES two, j REFERENCES p (nowhere),
            k INTEGER AS (id) REFERENCES p ON DELETE SET NULL, l INTEGER AS (id) REFERENCES p, kept TEXT REFERENCES p (fit));
         INSERT INTO c VALUES (1, 'x', 'x', 'x', 'x', 'x', '1', 5, 'x', 5, 'x', 'x');",
    );
    moved.says(&[
        "there is no table gone",
        "its parent's columns are not unique in p",
        "column f is text, its parent's is bigint",
        "column g is bigint, its parent's is text",
        "keyless has no primary key",
        "its columns and its parent's columns differ in number",
        "p has no column nowhere",
        "its action would write the generated column k",
    ]);
    let plan = moved.env.plan_in_words().expect(0);
    plan.saying(&["--     FOREIGN KEY (\"b\") REFERENCES \"p\" (\"plain\") ON UPDATE NO ACTION ON DELETE NO ACTION"]);
    assert_eq!(
        moved.constraints("c", 'f'),
        ["FOREIGN KEY (kept) REFERENCES p(fit)", "FOREIGN KEY (l) REFERENCES p(id)"]
    );
}

#[test]
fn a_parent_without_case_is_told_of() {
    let moved = Moved::new(
        "CREATE TABLE p (name TEXT PRIMARY KEY COLLATE NOCASE); INSERT INTO p VALUES ('Ada'), ('Bob');
         CREATE TABLE c (id INTEGER PRIMARY KEY, p TEXT REFERENCES p ON DELETE CASCADE);
         INSERT INTO c VALUES (1, 'Ada'), (2, 'bob'), (3, 'Bob');",
    );
    moved.says(&[
        "foreign key c_p_fkey: SQLite finds the parent by the collation NOCASE",
        "stays NOT VALID, because rows break it: 1 rows: id = 2, p = bob",
    ]);
    moved.env.query("DELETE FROM p WHERE name = 'Ada'");
    assert_eq!(moved.env.column("SELECT id FROM c ORDER BY id"), ["2", "3"]);
}

#[test]
fn a_foreign_key_to_a_key_that_no_index_holds_is_left_out_and_told() {
    let moved = Moved::new(
        "CREATE TABLE p (url TEXT PRIMARY KEY); INSERT INTO p VALUES (hex(randomblob(3000))), ('short');
         CREATE TABLE c (id INTEGER PRIMARY KEY, url TEXT REFERENCES p); INSERT INTO c VALUES (1, 'short');",
    );
    for _ in 0..2 {
        moved.says(&[
            "primary key p_pkey is made in another way",
            "foreign key c_url_fkey is left out",
        ]);
        moved.env.run(&[]).expect(0).saying(&["foreign key c_url_fkey is left out"]);
    }
    assert!(moved.constraints("c", 'f').is_empty());
}
