//! What the ledger keeps of single rows is forgotten when they are touched, in time that does not grow with all that it keeps.

use super::{Stage, begin_migration};
use liteferry::store::postgres::ledger;

#[test]
fn rows_are_forgotten_by_their_names_without_reading_all_that_is_kept() {
    let stage = Stage::new("CREATE TABLE t (id bigint PRIMARY KEY)", &["id bigint"], 1);
    let lease = begin_migration(&stage.session, "gecko");
    let migration = lease.migration;
    // Larger than an index takes as they are.
    stage.now(&format!(
        "INSERT INTO liteferry.chunk (migration, table_name, chunk, epoch) VALUES ({migration}, 't', 0, 1), ({migration}, 'u', 0, 1);
         INSERT INTO liteferry.reject
            (migration, table_name, chunk, row_key, row_name, column_name, storage_class, value, reason, policy)
         SELECT {migration}, t, 0, int4send(n), n, 'id', 'text', '', 'odd', 'reject'
         FROM generate_series(1, 100000) AS n, unnest(ARRAY['t', 'u']) AS t;
         UPDATE liteferry.reject SET row_key = decode(repeat('5a', 9000), 'hex') WHERE row_name = '7';
         INSERT INTO liteferry.form_exception (migration, table_name, chunk, row_key, column_name, storage_class, value)
         SELECT migration, table_name, chunk, row_key, column_name, storage_class, value FROM liteferry.reject"
    ));
    let name = |number: i32| number.to_be_bytes().to_vec();
    for (analyzed, names) in [(false, vec![name(5), vec![0x5a; 9000]]), (true, vec![name(6)])] {
        if analyzed {
            stage.now("ANALYZE liteferry.reject, liteferry.form_exception");
        }
        let read = stage.session.transaction(|session| {
            let counted = || -> liteferry::Result<(i64, i64)> {
                let sql = "SELECT coalesce(sum(seq_tup_read), 0)::bigint, coalesce(sum(n_tup_del), 0)::bigint
                           FROM pg_stat_xact_user_tables WHERE relname IN ('reject', 'form_exception')";
                let rows = session.query("count", sql, &[])?;
                Ok((rows[0].get(0), rows[0].get(1)))
            };
            // What transactions before it did may still be counted with it.
            let before = counted()?;
            ledger::forget_rows(session, lease, "t", &names)?;
            let after = counted()?;
            Ok((after.0 - before.0, after.1 - before.1))
        });
        let deleted = i64::try_from(names.len() * 2).unwrap();
        assert_eq!(read.unwrap(), (0, deleted), "rows read one by one, and rows forgotten");
    }
    let left = "SELECT string_agg(row_name || table_name, ' ' ORDER BY row_name, table_name) FROM liteferry.reject WHERE row_name::int < 8";
    assert_eq!(stage.env.value(left), "1t 1u 2t 2u 3t 3u 4t 4u 5u 6u 7u");
    assert_eq!(stage.env.value("SELECT count(*) FROM liteferry.form_exception"), "199997");
}
