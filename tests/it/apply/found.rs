//! How the server finds the touched rows: what it did, by its own count.

use super::Stage;
use liteferry::proof::Summing;
use liteferry::store::postgres::apply::{merge, read_back};
use liteferry::store::postgres::stage::Staging;

/// A large table, its key without any order, with statistics or, as after a load, without.
fn large(statistics: bool) -> Stage {
    let stage = Stage::new(
        "CREATE TABLE t (id text COLLATE \"C\" NOT NULL, u text COLLATE \"C\", v bigint) WITH (autovacuum_enabled = off)",
        &["id text", "u text", "v bigint"],
        1,
    );
    stage.now("INSERT INTO now SELECT md5(g::text), 'u' || g, g FROM generate_series(1, 200000) g");
    stage.now("CREATE INDEX ON now (id); CREATE INDEX ON now (v); ANALYZE now");
    stage.settle().now("ALTER TABLE t ADD PRIMARY KEY (id); CREATE UNIQUE INDEX ON t (u) WHERE v > 0; CREATE INDEX ON t (v)");
    if statistics {
        stage.now("VACUUM ANALYZE t");
    }
    stage
}

/// How often merge and read-back read the table as a whole, and how often they looked into an index of it.
fn scans(stage: &Stage, keys: &str) -> (i64, i64) {
    let mut staging = Staging::of(&stage.session, &stage.table).unwrap();
    let scans = || {
        let sql = "SELECT pg_stat_get_xact_numscans('public.t'::regclass),
                          sum(pg_stat_get_xact_numscans(indexrelid))::bigint FROM pg_index WHERE indrelid = 'public.t'::regclass";
        let rows = stage.session.query("count", sql, &[]).unwrap();
        (rows[0].get::<_, i64>(0), rows[0].get::<_, i64>(1))
    };
    stage.session.batch("begin", "BEGIN").unwrap();
    stage.stage(&mut staging, keys).unwrap();
    let before = scans();
    merge(&staging, true).unwrap();
    read_back(&staging, &mut Summing::new(&stage.table)).unwrap();
    let after = scans();
    stage.session.batch("end", "ROLLBACK").unwrap();
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn a_small_delta_reads_no_table_as_a_whole() {
    for statistics in [false, true] {
        let stage = large(statistics);
        stage
            .now("DELETE FROM now WHERE v = 77; UPDATE now SET v = v + 1000000 WHERE v % 1000 = 5");
        for keys in [
            "SELECT md5('77')",
            "SELECT md5('5')",
            "SELECT md5(g::text) FROM generate_series(1, 2000) g",
            "SELECT md5(g::text) FROM generate_series(1, 200000) g WHERE g % 1000 = 5",
        ] {
            let (table, index) = scans(&stage, keys);
            assert_eq!(table, 0, "{keys}");
            assert!(index > 0, "{keys}");
        }
        // Neither does one in which unique values are swapped.
        stage
            .now("UPDATE now SET u = CASE v WHEN 11 THEN 'u12' ELSE 'u11' END WHERE v IN (11, 12)");
        let (table, index) = scans(&stage, "VALUES (md5('11')), (md5('12'))");
        assert_eq!(table, 0);
        assert!(index > 0);
    }
}

#[test]
fn a_huge_delta_looks_no_row_up_by_itself() {
    for statistics in [false, true] {
        let stage = large(statistics);
        stage.now("DELETE FROM now WHERE v % 10 = 0");
        let (table, index) = scans(&stage, "SELECT md5(g::text) FROM generate_series(1, 150000) g");
        assert!(table > 0, "{table} {index}");
        // The upsert itself asks the key's index for each row that is there.
        assert!(index < 135_100, "{table} {index}");
    }
}

#[test]
fn a_delta_without_any_index_reads_the_table_twice() {
    let stage = large(true);
    stage.now("ALTER TABLE t DROP CONSTRAINT t_pkey; DROP INDEX t_u_idx, t_v_idx");
    let mut staging = Staging::of(&stage.session, &stage.table).unwrap();
    stage.session.batch("begin", "BEGIN").unwrap();
    stage.stage(&mut staging, "SELECT md5(g::text) FROM generate_series(1, 3000) g").unwrap();
    merge(&staging, false).unwrap();
    read_back(&staging, &mut Summing::new(&stage.table)).unwrap();
    let rows = stage
        .session
        .query("count", "SELECT pg_stat_get_xact_numscans('public.t'::regclass)", &[])
        .unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 2);
    stage.session.batch("end", "ROLLBACK").unwrap();
}
