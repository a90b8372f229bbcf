//! What each expression becomes, and why others become nothing.

use super::{ColumnRef, ExprType, translate_predicate, translate_scalar};
use crate::model::PgType;
use crate::model::identifier::Ident;

/// Columns by type; u is NOCASE, z has a collation of the application, epoch was converted on the way.
fn column(name: &str) -> Option<ColumnRef> {
    let name = name.to_ascii_lowercase();
    let kind = match name.as_str() {
        "i" | "j" => PgType::Int8,
        "f" | "g" => PgType::Float8,
        "n" => PgType::Numeric(None),
        "s" | "u" | "z" | "two\nlines\"; --" => PgType::Text,
        "v" => PgType::Varchar(9),
        "b" => PgType::Bool,
        "d" => PgType::Date,
        "t" | "t2" => PgType::Timestamp,
        "x" => PgType::Bytea,
        "epoch" => PgType::Timestamptz,
        _ => return None,
    };
    let collation = match name.as_str() {
        "u" => "NOCASE",
        "z" => "UNICASE",
        _ => "BINARY",
    };
    Some(ColumnRef {
        target: Ident::new(&name).unwrap(),
        kind,
        collation: collation.into(),
        as_stored: name != "epoch",
    })
}

fn predicate(sql: &str) -> String {
    translate_predicate(sql, &column).unwrap_or_else(|reason| panic!("{sql}: {reason}"))
}

fn refusal(sql: &str) -> String {
    match translate_predicate(sql, &column) {
        Ok(translated) => panic!("{sql}: {translated}"),
        Err(untranslatable) => untranslatable.to_string(),
    }
}

#[track_caller]
fn translates(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(predicate(sql), *expected, "{sql}");
    }
}

#[track_caller]
fn refuses(cases: &[(&str, &str)]) {
    for (sql, reason) in cases {
        assert!(refusal(sql).contains(reason), "{sql}: {}", refusal(sql));
    }
}

#[test]
fn comparisons_and_connectives_are_printed_anew() {
    translates(&[
        ("I == 1 and not J != 2", r#"(("i" = 1) AND (NOT ("j" <> 2)))"#),
        ("[i]>=(0) OR `j` < -1", r#"(("i" >= 0) OR ("j" < (-1)))"#),
        ("tab.i BETWEEN 1 AND f", r#"(("i" >= 1) AND ("i" <= "f"))"#),
        ("i NOT IN (9, 19, NULL)", r#"("i" NOT IN (9, 19, NULL))"#),
        ("i IN ()", "false"),
        ("s ISNULL OR s NOTNULL", r#"(("s" IS NULL) OR ("s" IS NOT NULL))"#),
        ("s IS NOT NULL", r#"("s" IS NOT NULL)"#),
        ("s IS 'a'", r#"("s" IS NOT DISTINCT FROM 'a')"#),
        ("i IS NOT j", r#"("i" IS DISTINCT FROM "j")"#),
        ("x = x'00fF'", r#"("x" = '\x00ff'::bytea)"#),
        ("d >= '2024-01-31'", r#"("d" >= '2024-01-31'::date)"#),
        ("t <= t2", r#"("t" <= "t2")"#),
        ("CASE i WHEN 1 THEN f > 0 END", r#"(CASE WHEN ("i" = 1) THEN ("f" > 0) END)"#),
        ("CASE WHEN i THEN NULL END", "NULL::boolean"),
        ("coalesce(NULL, NULL) OR b", r#"(NULL::boolean OR "b")"#),
    ]);
}

#[test]
fn zero_and_one_are_false_and_true_beside_a_boolean_only() {
    translates(&[
        ("b", r#""b""#),
        ("b = 1", r#"("b" = true)"#),
        ("0 <> b", r#"(false <> "b")"#),
        ("b IN (0, 1)", r#"("b" IN (false, true))"#),
        ("coalesce(b, 0) = FALSE", r#"(coalesce("b", false) = false)"#),
        ("b IS NOT TRUE", r#"("b" IS NOT TRUE)"#),
        ("i IS FALSE", r#"(("i" <> 0) IS FALSE)"#),
        ("i = TRUE", r#"("i" = 1)"#),
    ]);
    refuses(&[("b = 2", "differently"), ("b + 1 > 0", "no number"), ("b = i", "differently")]);
}

#[test]
fn a_number_is_a_condition_and_a_text_is_none() {
    translates(&[
        ("i", r#"("i" <> 0)"#),
        ("f AND 1", r#"(("f" <> 0) AND true)"#),
        ("NULL", "NULL::boolean"),
    ]);
    refuses(&[("s", "no condition"), ("'1'", "no condition"), ("NOT x", "no condition")]);
}

#[test]
fn what_sqlite_would_convert_is_refused() {
    refuses(&[
        ("s = 1", "differently"),
        ("i = '1'", "differently"),
        ("x = 'a'", "differently"),
        ("d > '2024'", "differently"),
        ("t > '2024-01-01 00:00:00'", "differently"),
        ("s || 1 = 'a1'", "where text is needed"),
        ("s + 1 = 2", "no number"),
        ("i + 'a' > 0", "no number"),
        ("coalesce(s, 0) = 0", "text or bigint"),
    ]);
}

#[test]
fn a_converted_column_can_only_be_asked_for_null() {
    translates(&[
        ("epoch IS NULL", r#"("epoch" IS NULL)"#),
        ("z IS NOT NULL", r#"("z" IS NOT NULL)"#),
    ]);
    refuses(&[
        ("epoch > epoch", "converted"),
        ("z = 'a'", "converted"),
        ("coalesce(epoch, 0)", "converted"),
    ]);
}

#[test]
fn arithmetic_gives_null_where_sqlite_does_and_stays_as_wide() {
    translates(&[
        ("i / j = 1", r#"(("i" / nullif("j", 0)) = 1)"#),
        ("i % 2 = 0", r#"(("i" % 2) = 0)"#),
        ("i / 0", r#"(("i" / nullif(0, 0)) <> 0)"#),
        ("2000000000 + 2000000000 > i", r#"((2000000000::bigint + 2000000000) > "i")"#),
        ("i * 0.1 > f", r#"(nullif("i"::double precision * 0.1::double precision, 'NaN') > "f")"#),
        ("-i < -9223372036854775808", r#"((-"i") < '-9223372036854775808'::bigint)"#),
        ("(i & 4) = 4", r#"(("i" & 4) = 4)"#),
    ]);
    refuses(&[
        ("n / 2 > 1", "row by row"),
        ("(n + 1) / 2 > 1", "row by row"),
        ("f % 2 = 0", "integers"),
        ("i << 1", "shifts"),
        ("~i", "~"),
    ]);
}

#[test]
fn texts_are_ordered_by_bytes_and_nocase_folds_both_sides() {
    let fold = |text: &str| {
        format!("translate({text}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')")
    };
    let (s, u, a) = (fold(r#""s""#), fold(r#""u""#), fold("'A'"));
    translates(&[
        ("s < v", r#"(("s" COLLATE "C") < "v")"#),
        ("s || v <> ''", r#"(("s" || "v") <> '')"#),
        ("s = 'A' COLLATE NOCASE", &format!("({s} = {a})")),
        ("u = s", &format!("({u} = {s})")),
        ("s = u", r#"("s" = "u")"#),
        ("u COLLATE BINARY = s", r#"("u" = "s")"#),
        ("u < 'A'", &format!(r#"(({u} COLLATE "C") < {a})"#)),
        ("u IN ('A', NULL)", &format!("({u} IN ({a}, NULL))")),
        ("s = v COLLATE RTRIM", r#"(rtrim("s", ' ') = rtrim("v", ' '))"#),
    ]);
    refuses(&[
        ("s = 'a' COLLATE UNICASE", "UNICASE"),
        ("lower(s COLLATE NOCASE) = v", "COLLATE stands within"),
        ("CASE WHEN s = 'a' COLLATE NOCASE THEN s ELSE v END = 'x'", "COLLATE stands within"),
    ]);
}

#[test]
fn patterns_are_written_anew() {
    translates(&[
        ("s LIKE 'a%_'", r#"("s" COLLATE "C" ILIKE 'a%_')"#),
        (r"s NOT LIKE 'a\b%'", r#"("s" COLLATE "C" NOT ILIKE 'a\\b%')"#),
        ("s LIKE '50!%!!' ESCAPE '!'", r#"("s" COLLATE "C" ILIKE '50\%!')"#),
        ("s GLOB 'a*?_%'", r#"("s" COLLATE "C" LIKE 'a%_\_\%')"#),
    ]);
    refuses(&[
        ("s LIKE v", "no constant"),
        ("s LIKE 'a!' ESCAPE '!'", "ends in its ESCAPE"),
        ("s LIKE 'a' ESCAPE 'xy'", "one character"),
        ("s GLOB '[0-9]*'", "sets"),
        ("s REGEXP 'a'", "application"),
        ("i LIKE '1%'", "text is needed"),
    ]);
}

#[test]
fn functions_have_one_meaning_on_both_sides() {
    translates(&[
        ("length(s) > 3", r#"(char_length("s")::bigint > 3)"#),
        ("length(x) > 3", r#"(octet_length("x")::bigint > 3)"#),
        ("LOWER(s) = upper(v)", r#"(lower("s" COLLATE "C") = upper("v" COLLATE "C"))"#),
        ("trim(s) <> ltrim(s, 'x')", r#"(btrim("s") <> ltrim("s", 'x'))"#),
        ("substr(s, 1, 3) = 'abc'", r#"(substr("s", 1, 3) = 'abc')"#),
        ("instr(s, '@') > 1", r#"(strpos("s", '@')::bigint > 1)"#),
        ("replace(s, '-', '') = s", r#"(replace("s", '-', '') = "s")"#),
        ("abs(i) < 5", r#"(abs("i") < 5)"#),
        ("ifnull(f, 0) >= 0", r#"(coalesce("f", 0::double precision) >= 0)"#),
        ("nullif(s, '') IS NULL", r#"(nullif("s", '') IS NULL)"#),
        ("CAST(f AS INT) = 1", r#"(trunc("f")::bigint = 1)"#),
        ("CAST(b AS INTEGER) + 1 > i", r#"(("b"::integer::bigint + 1) > "i")"#),
    ]);
    refuses(&[
        ("typeof(i) = 'integer'", "typeof"),
        ("max(i, j) > 0", "NULL"),
        ("round(f, 2) = f", "round"),
        ("date(d) = d", "dates"),
        ("substr(s, -1) = 'a'", "constant place"),
        ("substr(s, i) = 'a'", "constant place"),
        ("replace(s, v, '') = s", "no counterpart"),
        ("random() > 0", "no counterpart"),
        ("nullif(u, 'a') = 'b'", "another way"),
        ("CAST(s AS INTEGER) > 0", "CAST"),
        ("CAST(f AS TEXT) = '1.0'", "CAST"),
        ("length(s, 1)", "no counterpart"),
    ]);
}

#[test]
fn the_key_of_an_index_comes_with_its_type() {
    let scalar = |sql| translate_scalar(sql, &column).unwrap();
    assert_eq!(scalar("lower(s)"), (r#"lower("s" COLLATE "C")"#.into(), ExprType::Text));
    assert_eq!(scalar("i + 1"), (r#"("i" + 1)"#.into(), ExprType::Integer));
    assert!(scalar("s COLLATE NOCASE").0.starts_with(r#"translate("s""#));
    assert!(scalar("u").0.starts_with(r#"translate("u""#));
    assert!(translate_scalar("epoch", &column).is_err());
}

#[test]
fn nothing_of_the_source_reaches_the_target_unread() {
    translates(&[
        ("i > 0 -- '; DROP TABLE x", r#"("i" > 0)"#),
        ("i /* ); DROP TABLE x; -- */ > 0", r#"("i" > 0)"#),
        ("s = '''; DROP TABLE x; --'", r#"("s" = '''; DROP TABLE x; --')"#),
        ("s = 'a\nb\\'", "(\"s\" = 'a\nb\\')"),
        ("\"TWO\nlines\"\"; --\" IS NULL", "(\"two\nlines\"\"; --\" IS NULL)"),
    ]);
    refuses(&[
        ("pg_read_file('/etc/passwd') = ''", "no counterpart"),
        ("\"lower\"(s, 1)", "no counterpart"),
        ("1); DROP TABLE x; --", "cannot be parsed"),
        ("\"); DROP TABLE x; --\" = 1", "no column"),
        ("\"dq\" = s", "no column"),
        ("ctid = 1", "no column"),
        ("EXISTS (SELECT 1)", "subqueries"),
        ("i IN (SELECT 1)", "subqueries"),
        ("i IN pg_shadow", "subqueries"),
        ("i = ?1", "parameters"),
        ("i = $1", "parameters"),
        ("count(*) > 0", "aggregates"),
        ("sum(i) OVER () > 0", "aggregates"),
        ("RAISE(IGNORE)", "RAISE"),
        ("(i, j) = (1, 2)", "row values"),
        ("pg_catalog.t.i = 1", "another database"),
        ("", "cannot be parsed"),
    ]);
}

#[test]
fn hostile_size_is_refused_without_exhausting_the_stack() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    refuses(&[
        (&nested("NOT ", "i", "", 2000), "deeper"),
        (&nested("", "i", " + 1", 2000), "deeper"),
        (&nested("(", "i", ")", 3000), "nested"),
        (&nested("(", "i > 0", " BETWEEN 0 AND 1)", 40), "longer"),
        (&format!("s = '{}'", "x".repeat(20_000)), "longer"),
    ]);
    assert!(refusal(&format!("{} = 1", nested("lower(", "s", ")", 50))).len() < 400);
}
