//! A session that is used for long is exchanged for a new one, and the migration is held all the while.

use super::{begin_migration, open};
use crate::environment::{Environment, wait_until};
use liteferry::pipeline::Stop;
use liteferry::pipeline::progress::Silent;
use liteferry::store::postgres::conninfo::{Conninfo, Origin};
use liteferry::store::postgres::ledger;
use liteferry::store::postgres::link::Link;

#[test]
fn a_session_is_renewed_without_its_temp_tables_and_with_its_lease() {
    let environment = Environment::new();
    let lease = begin_migration(&open(&environment), "gecko");
    let conninfo = Conninfo::decide(&environment.url(), &|_| None, Origin::Argument).unwrap();
    let stop = Stop::default();
    let mut link = Link::open(&conninfo, &stop, &Silent).unwrap();
    let taken = link.take(lease.migration).unwrap();
    let pid = |link: &mut Link<'_>| -> i32 {
        let rows = link.with(|session| session.query("ask", "SELECT pg_backend_pid()", &[]));
        rows.unwrap()[0].get(0)
    };
    let first = pid(&mut link);
    link.with(|session| session.batch("make", "CREATE TEMP TABLE kept AS SELECT 1")).unwrap();
    link.renew().unwrap();
    let second = pid(&mut link);
    assert_ne!(first, second);
    let holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    wait_until("the end of the first session", || {
        environment.column(holders) == [second.to_string()]
    });
    let temporary = "SELECT count(*) FROM pg_class WHERE relname = 'kept'";
    assert_eq!(environment.value(temporary), "0");
    // What it writes is still this run's.
    link.with(|session| ledger::guard(session, taken)).unwrap();
}
