//! Nobody else writes to a table that is being filled.

use super::{Stage, begin_migration, open};
use crate::environment::{Environment, Session as Psql};
use liteferry::Class;
use liteferry::store::postgres::session::Session;
use liteferry::store::postgres::{guard, introspect, ledger};

fn guarded() -> (Stage, ledger::Lease) {
    let stage = Stage::of(
        Environment::new(),
        "o\"dd",
        "CREATE TABLE \"o\"\"dd\" (id bigint PRIMARY KEY, v text)",
        &["id bigint", "v text"],
        1,
    );
    let lease = begin_migration(&stage.session, "gecko");
    stage.session.transaction(|session| guard::raise(session, lease, [&stage.table])).unwrap();
    (stage, lease)
}

/// How the server refuses what somebody else says.
fn code(psql: &Psql, sql: &str) -> String {
    psql.try_query(sql).unwrap_err().code().unwrap().code().to_owned()
}

/// Whether the guard refuses a statement to a session of liteferry's.
fn is_refused(session: &Session, sql: &str) -> bool {
    let done = session.execute("try", sql, &[]);
    done.is_err_and(|error| {
        std::error::Error::source(&error).unwrap().to_string().contains("is being filled")
    })
}

#[test]
fn the_guard_refuses_every_statement_of_others_and_lets_ours_through() {
    let (stage, lease) = guarded();
    stage.now("INSERT INTO now VALUES (1, 'a'), (2, 'b')").apply("VALUES (1), (2)");
    stage.assert_equal();
    stage.now("CREATE ROLE stranger_of_guard; GRANT ALL ON \"o\"\"dd\" TO stranger_of_guard");
    for sql in [
        "INSERT INTO \"o\"\"dd\" VALUES (3, 'c')",
        "INSERT INTO \"o\"\"dd\" VALUES (1, 'c') ON CONFLICT DO NOTHING",
        "UPDATE \"o\"\"dd\" SET v = 'c'",
        "UPDATE \"o\"\"dd\" SET v = 'c' WHERE false",
        "DELETE FROM \"o\"\"dd\"",
        "TRUNCATE \"o\"\"dd\"",
        "MERGE INTO \"o\"\"dd\" t USING now n ON t.id = n.id WHEN MATCHED THEN DELETE",
        "SET session_replication_role = replica; DELETE FROM \"o\"\"dd\"",
        "SET ROLE stranger_of_guard; INSERT INTO \"o\"\"dd\" VALUES (3, 'c')",
        "SET liteferry.writer = ''; DELETE FROM \"o\"\"dd\"",
        "SET liteferry.writer = 'guessed'; DELETE FROM \"o\"\"dd\"",
        "COPY \"o\"\"dd\" FROM PROGRAM 'echo 3'",
    ] {
        let refused = stage.env.connect().try_query(sql).unwrap_err();
        let told = refused.as_db_error().unwrap_or_else(|| panic!("{sql}: {refused}"));
        assert_eq!(told.code().code(), "55000", "{sql}");
        assert!(told.message().contains("table o\"dd is being filled by liteferry"), "{told}");
        assert!(
            told.hint().unwrap().contains("until the migration gecko has been cut over"),
            "{told}"
        );
    }
    stage.assert_equal();
    // Another session of the run is let through as soon as it shares the lease.
    let other = open(&stage.env);
    let delete = "DELETE FROM public.\"o\"\"dd\" WHERE id = 1";
    assert!(is_refused(&other, delete));
    ledger::share(&other, lease).unwrap();
    assert_eq!(other.execute("delete", delete, &[]).unwrap(), 1);
    stage.now("DROP OWNED BY stranger_of_guard; DROP ROLE stranger_of_guard");
}

#[test]
fn a_transaction_that_began_before_the_guard_does_not_slip_under_it() {
    let stage = Stage::new("CREATE TABLE t (id bigint PRIMARY KEY)", &["id bigint"], 1);
    let lease = begin_migration(&stage.session, "gecko");
    let early = stage.env.connect();
    early.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM now");
    stage.session.transaction(|session| guard::raise(session, lease, [&stage.table])).unwrap();
    assert_eq!(code(&early, "INSERT INTO t VALUES (1)"), "55000");
}

#[test]
fn a_guard_is_raised_once_and_again_where_somebody_took_it_down() {
    let (stage, lease) = guarded();
    let raise =
        || stage.session.transaction(|session| guard::raise(session, lease, [&stage.table]));
    let identity =
        || stage.env.value("SELECT oid FROM pg_trigger WHERE tgname = 'liteferry_guard'");
    let is_on = || guard::is_guarded(&stage.session, lease.migration, &stage.table).unwrap();
    let first = identity();
    raise().unwrap();
    assert_eq!(identity(), first);
    for away in [
        "ALTER TABLE \"o\"\"dd\" DISABLE TRIGGER USER",
        "DROP TRIGGER liteferry_guard ON \"o\"\"dd\"",
    ] {
        assert!(is_on());
        stage.now(away);
        assert!(!is_on());
        raise().unwrap();
        assert_eq!(code(&stage.psql, "TRUNCATE \"o\"\"dd\""), "55000");
    }
    stage.session.batch("drop", &guard::drop_sql(&stage.table)).unwrap();
    stage.now("INSERT INTO \"o\"\"dd\" VALUES (3, 'c')");
}

#[test]
fn a_table_has_one_migration_that_fills_it() {
    let (stage, _) = guarded();
    let other = begin_migration(&open(&stage.env), "other");
    let refused = stage
        .session
        .transaction(|session| guard::raise(session, other, [&stage.table]))
        .unwrap_err();
    assert_eq!(refused.class(), Class::Undecided);
    assert!(refused.to_string().contains("another migration"), "{refused}");
}

#[test]
fn a_migration_that_is_gone_from_the_ledger_opens_nothing() {
    let (stage, _) = guarded();
    stage.now("DELETE FROM liteferry.migration");
    assert_eq!(code(&stage.psql, "DELETE FROM \"o\"\"dd\""), "55000");
    assert!(is_refused(&stage.session, "DELETE FROM public.\"o\"\"dd\""));
}

#[test]
fn a_table_that_existed_comes_out_from_under_the_guard_as_it_was() {
    let env = Environment::new();
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')");
    env.query(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text);
         CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER theirs AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION theirs()",
    );
    env.run(&[]).expect(0);
    let session = open(&env);
    let find = || introspect::tables(&session, "public", &["t".into()]).unwrap();
    let before = find();
    assert_eq!(before[0].triggers.len(), 1);
    let migration = ledger::migrations(&session).unwrap().remove(0);
    let lease = ledger::take(&session, migration.id).unwrap();
    let table = super::table("t", ["id bigint", "v text"].map(super::column).into(), 1);
    session.transaction(|session| guard::raise(session, lease, [&table])).unwrap();
    assert_eq!(code(&env.connect(), "DELETE FROM t"), "55000");
    // It is nothing that the application made.
    assert_eq!(find(), before);
    drop(session);
    env.run(&[]).expect(0);
    env.query(&migration.drop_sql);
    assert_eq!(env.value("SELECT count(*) FROM t"), "0");
    env.query("INSERT INTO t VALUES (7, 'theirs')");
    assert_eq!(env.column("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"), ["theirs"]);
}
