//! What `json` and `jsonb` take, and what `jsonb` makes of it, asked of a server, document by document.

use super::documents::{Kind, document, nearly};
use super::{check, decoded, encoded, literal, load, read_back};
use crate::environment::{Environment, Session};
use arrow_array::{Int64Array, RecordBatch, StringArray};
use liteferry::model::{CellShape, Column, PgType, RowRange, TableSchema};
use liteferry::row::json::{self, DEPTH_MAX, JsonForm, canonical_jsonb, comparable_jsonb};
use liteferry::row::split_fields;
use proptest::prelude::*;
use std::sync::Arc;

/// Texts asked about at once.
const TEXTS: usize = 100;

/// A session that says of a text whether it is `json`, and what it is as `jsonb`.
fn judge(env: &Environment) -> Session {
    let session = env.connect();
    session.query(
        "CREATE FUNCTION is_json(t text) RETURNS boolean LANGUAGE plpgsql AS
             $$ BEGIN PERFORM t::json; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END $$;
         CREATE FUNCTION as_jsonb(t text) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN RETURN t::jsonb::text; EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$",
    );
    session
}

/// What the server says of each text.
fn judged(session: &Session, texts: &[String]) -> Vec<(bool, Option<String>)> {
    let literals: Vec<_> = texts.iter().map(|text| literal(text)).collect();
    let sql = format!(
        "SELECT is_json(t)::text, as_jsonb(t)
         FROM unnest(ARRAY[{}]::text[]) WITH ORDINALITY AS texts (t, n) ORDER BY n",
        literals.join(", ")
    );
    let rows = session.query(&sql);
    rows.into_iter().map(|row| (row[0].as_deref() == Some("true"), row[1].clone())).collect()
}

fn agrees(session: &Session, texts: &[String]) -> Result<(), TestCaseError> {
    for (text, (is_json, as_jsonb)) in texts.iter().zip(judged(session, texts)) {
        prop_assert_eq!(json::check(text), is_json, "json: {}", text);
        prop_assert_eq!(canonical_jsonb(text), as_jsonb, "jsonb: {}", text);
    }
    Ok(())
}

#[test]
fn the_server_takes_what_is_taken_here_and_refuses_what_is_refused() {
    let env = Environment::new();
    let session = judge(&env);
    let texts = prop_oneof![
        2 => document(Kind::Jsonb),
        1 => document(Kind::Json),
        4 => nearly(Kind::Jsonb),
        1 => nearly(Kind::Json),
        1 => "[\\[\\]{}:,\"0-2.eE+\\- \\\\utfalsenr]{0,10}",
    ];
    check(&proptest::collection::vec(texts, TEXTS), |texts| agrees(&session, &texts));
}

#[test]
fn the_server_agrees_on_what_applications_have_stored_as_json() {
    let env = Environment::new();
    let session = judge(&env);
    let mut texts: Vec<String> = [
        "",
        " ",
        "NaN",
        "[NaN]",
        "Infinity",
        "-Infinity",
        "None",
        "undefined",
        "{'a': 1}",
        r#"{"a": 1"#,
        "[1,",
        "[1,]",
        "{,}",
        "1 2",
        "\"",
        "\\",
        "null",
        "1e2",
        "1.10",
        "-0",
        "-0.0",
        "-0.00e5",
        "0.1e1",
        "01",
        "1.",
        "1E400000",
        "1e131071",
        "1e131072",
        "1e-16383",
        "1e-16384",
        "0e-16384",
        "0e1073741822",
        "0e1073741823",
        "1000000000000000000000000000000000000000000.0000000000000000000000000000000000001",
        r#""\u0000""#,
        r#"{"\u0000": 1}"#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud83d\ude00""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\/\b\f\u000b\u007f""#,
        "\"\t\"",
        "\u{feff}{}",
        "\u{b}1",
        "\u{a0}1",
        r#"{"a":1,"a":2,"A":3,"aa":4,"B":5}"#,
    ]
    .map(Into::into)
    .into();
    let nested = |text: &str| {
        let levels = DEPTH_MAX / 2;
        format!("{}{text}{}", r#"{"b":[],"a":["#.repeat(levels), "]}".repeat(levels))
    };
    texts.extend([nested("1"), nested("tru"), format!("[{}1]", "\"many\",".repeat(30_000))]);
    agrees(&session, &texts).unwrap();
}

#[test]
fn a_form_that_a_text_has_gives_that_text_again_from_what_the_server_holds() {
    let env = Environment::new();
    let session = judge(&env);
    check(&proptest::collection::vec(document(Kind::Jsonb), TEXTS), |texts| {
        for (_, canonical) in judged(&session, &texts) {
            let canonical = canonical.unwrap();
            let compact = JsonForm::Compact.write(&canonical);
            prop_assert_eq!(JsonForm::of(&canonical, &canonical), Some(JsonForm::Spaced));
            let same = compact == canonical;
            let form = if same { JsonForm::Spaced } else { JsonForm::Compact };
            prop_assert_eq!(JsonForm::of(&compact, &canonical), Some(form));
            prop_assert_eq!(canonical_jsonb(&compact), Some(canonical));
        }
        Ok(())
    });
}

/// One text as `json` and as `jsonb`.
fn table() -> TableSchema {
    let columns = [("position", PgType::Int8), ("json", PgType::Json), ("jsonb", PgType::Jsonb)];
    let columns = columns.map(|(name, pg)| Column::new(name, CellShape::Text, pg)).into();
    TableSchema { key: vec![0], chunks: vec![RowRange::All], ..TableSchema::new("sent", columns) }
}

fn prepared(env: &Environment) -> Session {
    let session = env.connect();
    session.query("CREATE TABLE sent (position bigint, json json, jsonb jsonb)");
    session
}

fn batch(table: &TableSchema, texts: &[String]) -> RecordBatch {
    let positions = Arc::new(Int64Array::from_iter_values(0..i64::try_from(texts.len()).unwrap()));
    let texts = Arc::new(StringArray::from_iter_values(texts));
    RecordBatch::try_new(table.write_schema(), vec![positions, Arc::clone(&texts) as _, texts])
        .unwrap()
}

#[test]
fn documents_come_back_as_the_very_bytes_that_were_sent() {
    let env = Environment::new();
    let (session, table) = (prepared(&env), table());
    check(&proptest::collection::vec(document(Kind::Jsonb), TEXTS), |texts| {
        session.query("TRUNCATE sent");
        let sent = encoded(&table, &batch(&table, &texts));
        load(&session, &sent);
        let back = decoded(&table, &read_back(&session, "sent"), 8192);
        prop_assert_eq!(&back.tuples, &sent.tuples);
        prop_assert_eq!(&back.rows, &sent.rows, "keys or digests differ");
        for (text, tuple) in texts.iter().zip(&back.tuples) {
            let tuple = tuple.as_ref().unwrap();
            let fields: Vec<_> = split_fields(tuple).map(|field| field.value.unwrap()).collect();
            prop_assert_eq!(fields[1], text.as_bytes());
            let canonical = canonical_jsonb(text).unwrap();
            prop_assert_eq!(fields[2], [b"\x01", canonical.as_bytes()].concat());
        }
        Ok(())
    });
}

#[test]
fn a_document_larger_than_a_piece_arrives_whole() {
    let env = Environment::new();
    let (session, table) = (prepared(&env), table());
    let members: Vec<_> =
        (0..40_000).rev().map(|n| format!(r#""name {n}" : [ {n}, "\u00e9" ]"#)).collect();
    let texts = ["{}".into(), format!("{{{}}}", members.join(" ,\n")), "[]".into()];
    let sent = encoded(&table, &batch(&table, &texts));
    load(&session, &sent);
    let back = decoded(&table, &read_back(&session, "sent"), 65_536);
    assert!(back.rows == sent.rows, "keys or digests differ");
    let shown = session.query("SELECT json, jsonb FROM sent WHERE position = 1");
    assert!(shown[0][0].as_ref() == Some(&texts[1]));
    assert!(shown[0][1] == canonical_jsonb(&texts[1]));
}

#[test]
fn the_server_holds_equal_what_is_comparable_alike_and_nothing_else() {
    let env = Environment::new();
    let session = judge(&env);
    let small = "(-?(0|1|10)(\\.0{0,2}1?0{1,2})?(e[01])?|\"-?1(\\.0)?\"|true|null)";
    let value = prop_oneof![
        2 => small,
        1 => (small, small).prop_map(|(one, other)| format!("[{one},{other}]")),
        1 => ("[ab\\\\]?1?\\.?0?", small).prop_map(|(key, one)| format!("{}", serde_json::json!({ key: "@" })).replace("\"@\"", &one)),
    ];
    check(&proptest::collection::vec(value, 40), |texts| {
        let texts: Vec<_> = texts.into_iter().filter(|text| json::check(text)).collect();
        let alike = |text: &String| comparable_jsonb(canonical_jsonb(text).unwrap().as_bytes());
        let literals: Vec<_> = texts.iter().map(|text| literal(text)).collect();
        let sql = format!(
            "WITH texts AS (SELECT t::jsonb AS d, n FROM unnest(ARRAY[{}]::text[]) WITH ORDINALITY AS texts (t, n))
             SELECT a.n - 1, b.n - 1, a.d = b.d FROM texts a JOIN texts b ON a.n < b.n",
            literals.join(", ")
        );
        for row in session.query(&sql) {
            let text = |at: usize| &texts[row[at].as_ref().unwrap().parse::<usize>().unwrap()];
            let (one, other) = (text(0), text(1));
            prop_assert_eq!(
                alike(one) == alike(other),
                row[2].as_deref() == Some("t"),
                "{} {}",
                one,
                other
            );
        }
        Ok(())
    });
}
