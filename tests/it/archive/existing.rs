//! Restoring into tables that are there: empty ones that fit keep what they are, all others are named and not touched.

use super::Archived;
use crate::environment::{Done, Environment};

const SOURCE: &str = "
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, score REAL);
INSERT INTO users VALUES (1, 'a', 1.5), (7, 'b', NULL);
DELETE FROM users WHERE id = 9;
CREATE TABLE orders (id INTEGER PRIMARY KEY, user INTEGER REFERENCES users, total NUMERIC);
INSERT INTO orders VALUES (1, 7, 10), (2, 1, 2.5);
CREATE INDEX orders_user ON orders (\"user\");
CREATE TABLE notes (line TEXT);
INSERT INTO notes VALUES ('x'), ('x');
";

/// Makes the tables of an application.
const TARGET: &str = "
CREATE TABLE users (id bigserial PRIMARY KEY, name text NOT NULL, score double precision,
                    made timestamptz NOT NULL DEFAULT now(), UNIQUE (name));
CREATE TABLE orders (id bigint PRIMARY KEY, total numeric, \"user\" bigint REFERENCES users ON DELETE CASCADE);
CREATE INDEX by_total ON orders (total);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse();
";

fn restore(archived: &Archived, node: &Environment) -> Done {
    let (place, target) = (archived.place(), node.url());
    node.liteferry(&[
        "restore",
        "--archive",
        place.to_str().unwrap(),
        "--target",
        &target,
        "--json",
    ])
}

#[test]
fn rows_go_into_empty_tables_that_fit() {
    let archived = Archived::of(SOURCE);
    archived.run(&[]).expect(0);
    let node = Environment::new();
    node.query(TARGET);
    restore(&archived, &node).expect(0);
    assert_eq!(
        node.value(
            "SELECT string_agg(id || name || made::date::text, ',' ORDER BY id) FROM users
                           WHERE made > now() - interval '1 day'"
        ),
        node.value("SELECT '1a' || now()::date || ',7b' || now()::date")
    );
    assert_eq!(
        node.value(
            "SELECT string_agg(id || '/' || \"user\" || '/' || total, ',' ORDER BY id) FROM orders"
        ),
        "1/7/10,2/1/2.5"
    );
    assert_eq!(node.value("SELECT count(*) FROM notes"), "2");
    assert_eq!(node.value("SELECT nextval('users_id_seq')"), "8");
    // What was put aside for the load is there again, and nothing else was made.
    assert_eq!(node.value("SELECT string_agg(indexname, ',' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'orders'"), "by_total,orders_pkey");
    assert_eq!(
        node.value("SELECT confdeltype FROM pg_constraint WHERE conname = 'orders_user_fkey'"),
        "c"
    );
    assert_eq!(node.value("SELECT tgenabled FROM pg_trigger WHERE tgname = 'refuse'"), "O");
    // Once more, it proves.
    restore(&archived, &node).expect(0);
}

#[test]
fn tables_that_do_not_fit_are_all_named_and_not_touched() {
    let archived = Archived::of(SOURCE);
    archived.run(&[]).expect(0);
    let node = Environment::new();
    node.query(
        "CREATE TABLE users (id bigint, name text, score real);
                  CREATE TABLE orders (id bigint, \"user\" bigint, more text NOT NULL);
                  CREATE TABLE notes (line text); INSERT INTO notes VALUES ('mine')",
    );
    restore(&archived, &node).expect(78).saying(&[
        "users: column score",
        "double precision",
        "real",
        "orders: column total",
        "lacks the column",
        "more",
        "notes holds rows already",
    ]);
    assert_eq!(node.value("SELECT string_agg(line, '') FROM notes"), "mine");
    assert_eq!(node.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'liteferry'"), "0");
}

#[test]
fn what_was_loaded_into_an_applications_tables_is_restored_into_its_tables() {
    let archived = Archived::of(SOURCE);
    archived.environment.query(TARGET);
    archived.run(&[]).expect(0);
    let node = Environment::new();
    restore(&archived, &node).expect(78).saying(&["users", "orders", "make it first"]);
    // Other names for the same.
    node.query(&TARGET.replace("by_total", "total_index"));
    restore(&archived, &node).expect(0);
    assert_eq!(node.value("SELECT count(*) FROM orders JOIN users ON users.id = orders.user"), "2");
    assert_eq!(node.value("SELECT nextval('users_id_seq')"), "8");
    assert_eq!(node.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'total_index'"), "1");
}

#[test]
fn a_node_is_brought_forward_beside_tables_that_refer_to_its_own() {
    let archived = Archived::of(
        "PRAGMA journal_mode = WAL; CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
         INSERT INTO users VALUES (1, 'a'), (2, 'b'), (3, 'c');",
    );
    let place = archived.place();
    let follow = |command: &str, more: &[&str]| {
        let more = [&["--archive", place.to_str().unwrap()], more].concat();
        let environment = &archived.environment;
        environment.liteferry(&environment.ends(command, &more)).expect(0);
    };
    follow("run", &[]);
    let node = Environment::new();
    node.query(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text UNIQUE);
         CREATE TABLE sessions (id bigint PRIMARY KEY, of bigint REFERENCES users ON DELETE CASCADE)",
    );
    restore(&archived, &node).expect(0);
    node.query("INSERT INTO sessions VALUES (1, 1), (2, 2)");
    // Names are swapped: rows are taken out and come again.
    archived.environment.sqlite(
        "UPDATE users SET name = 'x' WHERE id = 1; UPDATE users SET name = 'a' WHERE id = 2;
         UPDATE users SET name = 'b' WHERE id = 1; DELETE FROM users WHERE id = 3;",
    );
    follow("follow", &["--until-caught-up"]);
    restore(&archived, &node).expect(0);
    assert_eq!(node.value("SELECT string_agg(id || name, ',' ORDER BY id) FROM users"), "1b,2a");
    assert_eq!(node.value("SELECT count(*) FROM sessions"), "2");
    let action = "SELECT confdeltype FROM pg_constraint WHERE conname = 'sessions_of_fkey'";
    assert_eq!(node.value(action), "c");
}
