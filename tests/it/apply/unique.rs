//! Unique values that rows pass on to one another.

use super::Stage;
use liteferry::Class;
use liteferry::store::postgres::apply::Merged;

fn table_of(more: &str) -> Stage {
    Stage::new(
        &format!("CREATE TABLE t (id bigint PRIMARY KEY, u text COLLATE \"C\", v bigint); {more}"),
        &["id bigint", "u text", "v bigint"],
        1,
    )
}

/// What can be unique, and that the second value is not in the way of the first.
const KEYS: [&str; 7] = [
    "ALTER TABLE t ADD UNIQUE (u)",
    "ALTER TABLE t ADD UNIQUE (u) DEFERRABLE INITIALLY DEFERRED",
    "CREATE UNIQUE INDEX ON t (u) INCLUDE (v)",
    "CREATE UNIQUE INDEX ON t (u) WHERE u <> 'none' AND v > 0",
    "CREATE UNIQUE INDEX ON t (lower(u), (length(u) + 1))",
    "CREATE UNIQUE INDEX ON t (translate(u, 'ABC', 'abc') COLLATE \"POSIX\" text_pattern_ops DESC)",
    "CREATE UNIQUE INDEX ON t (v, (u || 'x'), id)",
];

#[test]
fn rows_swap_unique_values_in_one_delta() {
    for key in KEYS {
        let stage = table_of(key);
        stage.now("INSERT INTO now SELECT g, 'u' || g, g FROM generate_series(1, 10) g").settle();
        stage.now("UPDATE now SET u = 'u' || (id % 10 + 1); DELETE FROM now WHERE id = 5");
        let merged = stage.apply("SELECT id FROM t");
        assert_eq!((merged.written, merged.displaced), (9, 0), "{key}");
        stage.assert_equal();
    }
}

#[test]
fn a_log_that_is_cut_displaces_the_rows_whose_touches_are_still_to_come() {
    for (key, displaced) in KEYS.into_iter().zip([1, 1, 1, 1, 1, 1, 0]) {
        let stage = table_of(key);
        // The log: A is touched, then B, then A. A took what B had, and B something new.
        stage.now("INSERT INTO now VALUES (1, 'a', 1), (2, 'x', 2), (3, 'c', 3)").settle();
        stage.now("UPDATE now SET u = 'z' WHERE id = 2; UPDATE now SET u = 'x' WHERE id = 1");
        let merged = stage.apply("VALUES (1)");
        assert_eq!(merged.displaced, displaced, "{key}");
        stage.apply("VALUES (2)");
        stage.apply("VALUES (1)");
        stage.assert_equal();
    }
}

#[test]
fn only_what_the_index_is_about_is_in_the_way() {
    let stage = table_of("CREATE UNIQUE INDEX ON t (u) WHERE v > 0");
    stage
        .now(
            "INSERT INTO now VALUES (1, 'a', 1), (2, 'a', -1), (3, NULL, 1), (4, 'b', 1), (5, 'c', 1), (6, 'b', -1), (7, 'd', 1)",
        )
        .settle();
    // 5 takes what 4 had, and 6 has outside of the index; 8 has outside of it what 7 has, and 9 a NULL like 3.
    stage.now(
        "UPDATE now SET u = 'b' WHERE id = 5; UPDATE now SET u = 'e' WHERE id = 4;
         INSERT INTO now VALUES (8, 'd', -1), (9, NULL, 1)",
    );
    let merged = stage.apply("VALUES (5), (8), (9)");
    assert_eq!(merged, Merged { deleted: 1, written: 3, displaced: 1 });
    stage.apply("VALUES (4)");
    stage.assert_equal();
}

#[test]
fn values_are_equal_as_the_index_has_it() {
    let stage = table_of(
        "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE UNIQUE INDEX ON t (u COLLATE folding)",
    );
    stage.now("INSERT INTO now VALUES (1, 'a', 1), (2, 'x', 2)").settle();
    stage.now("UPDATE now SET u = 'z' WHERE id = 2; UPDATE now SET u = 'X' WHERE id = 1");
    assert_eq!(stage.apply("VALUES (1)"), Merged { deleted: 1, written: 1, displaced: 1 });
    stage.apply("VALUES (2)");
    stage.assert_equal();
}

#[test]
fn null_is_in_the_way_where_it_is_as_one_more_value() {
    let stage = table_of("CREATE UNIQUE INDEX ON t (u, v) NULLS NOT DISTINCT");
    stage.now("INSERT INTO now VALUES (1, NULL, 1), (2, 'b', 2), (3, NULL, NULL)").settle();
    stage.now("UPDATE now SET u = NULL, v = 1 WHERE id = 2; UPDATE now SET u = 'z' WHERE id = 1");
    assert_eq!(stage.apply("VALUES (2)").displaced, 1);
    stage.apply("VALUES (1)");
    stage.assert_equal();
}

#[test]
fn a_default_of_the_targets_own_column_counts_for_its_index() {
    let stage = table_of(
        "ALTER TABLE t ADD tenant bigint DEFAULT 1, ADD joined text GENERATED ALWAYS AS (u || coalesce(tenant, 0)) STORED;
         CREATE UNIQUE INDEX ON t (u, tenant); CREATE UNIQUE INDEX ON t (joined)",
    );
    stage.now("INSERT INTO now VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)").settle();
    // A row of another tenant is not in the way, and one that nobody of ours wrote is untouched by the source.
    stage.now("INSERT INTO t (id, u, tenant) VALUES (100, 'b', 2); UPDATE now SET u = 'b' WHERE id = 1; UPDATE now SET u = 'a' WHERE id = 2");
    let merged = stage.apply("VALUES (1)");
    assert_eq!(merged, Merged { deleted: 1, written: 1, displaced: 1 });
    assert_eq!(stage.apply("VALUES (1), (2)").displaced, 0);
    assert_eq!(stage.env.value("SELECT count(*) FROM t WHERE id = 100"), "1");
    stage.now("DELETE FROM t WHERE id = 100");
    stage.assert_equal();
}

#[test]
fn keys_that_the_target_holds_equal_and_the_source_does_not_are_the_users_to_decide() {
    let stage = table_of("CREATE UNIQUE INDEX folded ON t (lower(u))");
    stage
        .now("INSERT INTO now VALUES (1, 'a', 1)")
        .settle()
        .now("INSERT INTO now VALUES (2, 'b', 1), (3, 'B', 1)");
    let refused = stage.try_apply("VALUES (2), (3)", true).unwrap_err();
    assert_eq!(refused.class(), Class::Undecided);
    assert!(refused.to_string().contains("(lower(u))=(b)"), "{refused}");
    // Nothing of it is there, and the session goes on.
    stage.now("DELETE FROM now WHERE id > 1").assert_equal();
    stage.now("INSERT INTO now VALUES (2, 'b', 1)").apply("VALUES (2)");
    stage.assert_equal();
}

#[test]
fn a_row_that_the_target_cannot_have_beside_an_untouched_one_is_told_by_what_it_displaced() {
    let stage = table_of("CREATE UNIQUE INDEX folded ON t (lower(u))");
    stage
        .now("INSERT INTO now VALUES (1, 'a', 1)")
        .settle()
        .now("INSERT INTO now VALUES (2, 'A', 1)");
    assert_eq!(stage.apply("VALUES (2)"), Merged { deleted: 0, written: 1, displaced: 1 });
}

#[test]
fn two_rows_of_one_key_are_the_users_to_decide() {
    let stage = Stage::new(
        "CREATE TABLE t (id bigint PRIMARY KEY, v bigint)",
        &["id bigint", "v bigint"],
        1,
    );
    stage.now("INSERT INTO now VALUES (1, 1), (1, 2)");
    let refused = stage.try_apply("VALUES (1)", true).unwrap_err();
    assert_eq!(refused.class(), Class::Undecided);
    assert!(refused.to_string().contains("two rows of the source have one key"), "{refused}");
}

#[test]
fn a_key_that_the_target_keeps_while_it_has_no_other_index_is_in_the_way_as_well() {
    let stage = table_of("ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE UNIQUE INDEX ON t (u)");
    stage.now("INSERT INTO now VALUES (1, 'a', 1), (2, 'x', 2), (3, 'c', 3)").settle();
    stage.now("UPDATE now SET u = 'z' WHERE id = 2; UPDATE now SET u = 'x' WHERE id = 1");
    let merged = stage.try_apply("VALUES (1)", false).unwrap();
    assert_eq!(merged, Merged { deleted: 1, written: 1, displaced: 1 });
    stage.try_apply("VALUES (2)", false).unwrap();
    stage.assert_equal();
}
