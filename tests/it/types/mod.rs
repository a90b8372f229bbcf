//! Every type that a pipeline file can ask for, and that each value can go back as SQLite wrote it.

mod times;

use crate::environment::{Done, Environment, Session};
use liteferry::model::{Column, Form};
use liteferry::row::form::{Cell, FormWriter, Value};
use liteferry::row::temporal::IsoText;
use rusqlite::types::Value as Stored;
use std::collections::BTreeMap;

/// Runs a pipeline file that says this of the columns of `t`.
fn run(env: &Environment, columns: &str) -> Done {
    let file = env.path("pipeline.toml");
    let text = format!(
        "name = 'file'\n[source]\npath = 'source.db'\n[target]\nurl = '{}'\n[tables.t.columns]\n{columns}",
        env.url()
    );
    std::fs::write(&file, text).unwrap();
    env.liteferry(&["run", "--no-capture", "--json", file.to_str().unwrap()])
}

/// A database whose settings bend what goes through texts: other days, fewer digits, another zone.
fn bent() -> Environment {
    let env = Environment::new();
    env.set(&[
        "TimeZone = 'Asia/Tokyo'",
        "DateStyle = 'SQL, DMY'",
        "extra_float_digits = 0",
        "bytea_output = 'escape'",
    ]);
    env
}

/// A session that shows values as they are.
fn shows(env: &Environment) -> Session {
    let session = env.connect();
    session.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 3; SET bytea_output = 'hex'");
    session
}

fn moved(values: &str, said: &str) -> Environment {
    let env = bent();
    env.sqlite(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t (v) VALUES {values}"
    ));
    run(&env, &format!("v = {{ {said} }}")).expect(0);
    env.liteferry(&["verify", env.path("pipeline.toml").to_str().unwrap()]).expect(0);
    env
}

/// What the target shows of values that are asked for as a type.
#[track_caller]
fn becomes(values: &str, said: &str, expected: &[&str]) {
    let env = moved(values, said);
    let rows = shows(&env).query("SELECT v::text FROM t ORDER BY id");
    let shown: Vec<_> =
        rows.iter().map(|row| row[0].clone().unwrap_or_else(|| "NULL".into())).collect();
    assert_eq!(shown, expected, "{said}");
    goes_back(&env);
}

/// Writes every value of the column back by its form, or as its exception is kept, and compares with the source.
#[track_caller]
fn goes_back(env: &Environment) {
    let column = planned(env);
    let exceptions = exceptions(env);
    let mut writer = FormWriter::new(column.form.clone()).unwrap();
    let source = rusqlite::Connection::open(env.source()).unwrap();
    let mut statement = source.prepare("SELECT id, v FROM t ORDER BY id").unwrap();
    let cells: Vec<(i64, Stored)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (id, cell) in cells {
        let back = match exceptions.get(&id) {
            Some(kept) => kept.clone(),
            None => written(env, &column, &mut writer, id),
        };
        assert_eq!(format!("{cell:?}"), format!("{back:?}"), "row {id}, form {:?}", column.form);
    }
}

fn planned(env: &Environment) -> Column {
    let plan: serde_json::Value =
        serde_json::from_str(&env.value("SELECT plan FROM liteferry.migration")).unwrap();
    serde_json::from_value(plan["tables"][0]["schema"]["columns"][1].clone()).unwrap()
}

/// The cells that are kept, by rowid.
fn exceptions(env: &Environment) -> BTreeMap<i64, Stored> {
    let rows = env.connect().query(
        "SELECT ('x' || right(encode(row_key, 'hex'), 16))::bit(64)::bigint, storage_class, encode(value, 'hex') FROM liteferry.form_exception",
    );
    let kept = rows.into_iter().map(|row| {
        let [id, class, hex] = row.try_into().unwrap();
        let (class, hex): (String, String) = (class.unwrap(), hex.unwrap());
        let bytes = bytes(&hex);
        let number = || u64::from_be_bytes(bytes.clone().try_into().unwrap());
        let cell = match class.as_str() {
            "integer" => Stored::Integer(number().cast_signed()),
            "real" => Stored::Real(f64::from_bits(number())),
            "text" => Stored::Text(String::from_utf8(bytes).unwrap()),
            _ => Stored::Blob(bytes),
        };
        (id.unwrap().parse().unwrap(), cell)
    });
    kept.collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap();
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).unwrap()).collect()
}

/// What the column's form writes for the target's value.
fn written(env: &Environment, column: &Column, writer: &mut FormWriter, id: i64) -> Stored {
    let value = |expression: &str| {
        let sql = format!("SELECT {expression} FROM t WHERE id = {id}");
        shows(env).query(&sql)[0][0].clone()
    };
    let micros = || value("(extract(epoch FROM v) * 1000000)::bigint::text");
    let number = |text: Option<String>| text.map(|text| text.parse::<i64>().unwrap());
    let (mut out, kind) = (String::new(), column.pg.to_string());
    let plain = match (&column.form, kind.as_str()) {
        (Form::Iso(_) | Form::Epoch { .. }, "date") => {
            number(value("(v - date '1970-01-01')::text"))
                .map(|days| Value::Time(IsoText::Date(days.try_into().unwrap())))
        }
        (Form::Iso(_), "time") => number(micros()).map(|at| Value::Time(IsoText::Time(at))),
        (Form::Iso(_) | Form::Epoch { .. }, "timestamp") => {
            number(micros()).map(|at| Value::Time(IsoText::Naive(at)))
        }
        (Form::Iso(_) | Form::Epoch { .. }, _) => {
            number(micros()).map(|at| Value::Time(IsoText::Instant(at)))
        }
        (Form::Bool(_), _) => value("v::text").map(|text| Value::Bool(text == "true")),
        (Form::Number(_), _) => {
            let text = value("trim_scale(v)::text");
            let Some(text) = text else { return Stored::Null };
            return stored(writer.cell(Value::Decimal(&text), &mut out), out);
        }
        (Form::Uuid(form), _) => {
            let Some(text) = value("v::text") else { return Stored::Null };
            let (bytes, _) = liteferry::row::uuid::parse(&text).unwrap();
            return Stored::Text(form.write(bytes));
        }
        (Form::Json(form), _) => {
            let Some(text) = value("v::text") else { return Stored::Null };
            return Stored::Text(form.write(&text));
        }
        (Form::UuidBytes, _) => {
            let Some(text) = value("v::text") else { return Stored::Null };
            return Stored::Blob(liteferry::row::uuid::parse(&text).unwrap().0.to_vec());
        }
        (Form::Plain, "bigint" | "integer" | "smallint") => {
            return number(value("v::text")).map_or(Stored::Null, Stored::Integer);
        }
        (Form::Plain, "double precision" | "real") => {
            let text = value("v::double precision::text");
            return text.map_or(Stored::Null, |text| Stored::Real(text.parse().unwrap()));
        }
        (Form::Plain, "bytea") => {
            let text = value("encode(v, 'hex')");
            return text.map_or(Stored::Null, |hex| Stored::Blob(bytes(&hex)));
        }
        // By the type's own output, which a cast of an address is not.
        (Form::Plain, _) => {
            let text = value("CASE WHEN v IS NOT NULL THEN format('%s', v) END");
            return text.map_or(Stored::Null, Stored::Text);
        }
    };
    plain.map_or(Stored::Null, |value| stored(writer.cell(value, &mut out), out))
}

fn stored(cell: Option<Cell>, text: String) -> Stored {
    match cell.expect("the form says every value") {
        Cell::Integer(value) => Stored::Integer(value),
        Cell::Real(value) => Stored::Real(value),
        Cell::Text => Stored::Text(text),
    }
}

#[test]
fn whole_numbers_have_the_size_that_is_asked_for() {
    becomes("(-32768), (32767), (NULL)", "type = 'int2'", &["-32768", "32767", "NULL"]);
    becomes("(-2147483648), (2147483647)", "type = 'int4'", &["-2147483648", "2147483647"]);
    becomes("(0.5), (-2.0), (7)", "type = 'float4'", &["0.5", "-2", "7"]);
}

#[test]
fn a_number_beyond_its_type_is_set_aside() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w, x, y);
         INSERT INTO t (v, w, x, y) VALUES (1, 0.5, 0.1, 1), (32768, 0.5, 1, 1), (2, 0.1, 1, 1), (3, 1, 9e999, 1), (4, 1, -9e999, 1),
            (5, 1, -0.0, 1), (6, 1, 1, 9007199254740993);",
    );
    let said = "v = { type = 'int2' }\nw = { type = 'float4' }\nx = { type = 'numeric' }\ny = { type = 'float8' }";
    run(&env, said).expect(65);
    assert_eq!(env.column("SELECT id FROM t ORDER BY id"), ["1"]);
    let reasons = env.column("SELECT row_name || ' ' || reason FROM liteferry.reject ORDER BY 1");
    assert_eq!(
        reasons,
        [
            "rowid 2 it is beyond the range of the target's type",
            "rowid 3 no value of the target's type is exactly this number",
            "rowid 4 no decimal is exactly this number",
            "rowid 5 no decimal is exactly this number",
            "rowid 6 no decimal is exactly this number",
            "rowid 7 no value of the target's type is exactly this number",
        ]
    );
}

#[test]
fn booleans_are_read_in_one_vocabulary() {
    for (values, shown) in [
        ("(1), (0), (NULL)", ["true", "false", "NULL"]),
        ("('t'), ('f'), (NULL)", ["true", "false", "NULL"]),
        ("('True'), ('False'), ('True')", ["true", "false", "true"]),
        ("('yes'), ('no'), ('yes')", ["true", "false", "true"]),
    ] {
        becomes(values, "type = 'bool'", &shown);
    }
}

#[test]
fn decimals_go_back_as_numbers_or_as_the_texts_they_were() {
    becomes("(1), (2.5), (6.87e-06)", "type = 'numeric'", &["1", "2.5", "0.00000687"]);
    becomes("('1.10'), ('2.50'), ('3.00')", "type = 'numeric(10, 2)'", &["1.10", "2.50", "3.00"]);
    becomes("('1.1'), ('2.5'), ('0.30')", "type = 'numeric'", &["1.1", "2.5", "0.3"]);
    // More digits than a double has.
    let shown = ["12345678901234567.89", "-0.1234567890123456789", "100", "9007199254740993"];
    let values =
        "('12345678901234567.89'), ('-0.1234567890123456789'), ('100.00'), (9007199254740993)";
    becomes(values, "type = 'numeric'", &shown);
}

#[test]
fn values_of_several_classes_in_one_column_each_go_back_in_their_own() {
    becomes(
        "(1), ('1'), (1.0), ('1.0'), (-0.0), (9e999), (''), (NULL), (9007199254740993), (0.30000000000000004)",
        "type = 'text'",
        &[
            "1",
            "1",
            "1",
            "1.0",
            "-0.0",
            "Infinity",
            "",
            "NULL",
            "9007199254740993",
            "0.30000000000000004",
        ],
    );
    becomes(
        "(x'00ff'), ('text'), (7), (-0.5), (CAST(x'00' AS TEXT)), (x''), (NULL)",
        "misfits = 'widen'",
        &["\\x00ff", "\\x74657874", "\\x37", "\\x2d302e35", "\\x00", "\\x", "NULL"],
    );
    becomes(
        "(1.0), (2), (0.1), (9007199254740992)",
        "type = 'float8'",
        &["1", "2", "0.1", "9.007199254740992e+15"],
    );
}

#[test]
fn uuids_go_back_in_their_own_writing() {
    let shown = ["550e8400-e29b-41d4-a716-446655440000", "650e8400-e29b-41d4-a716-446655440000"];
    for values in [
        "('550e8400-e29b-41d4-a716-446655440000'), ('650e8400-e29b-41d4-a716-446655440000')",
        "('550E8400E29B41D4A716446655440000'), ('650E8400E29B41D4A716446655440000')",
        "('550e8400e29b41d4a716446655440000'), ('{650e8400-e29b-41d4-a716-446655440000}')",
        "(x'550e8400e29b41d4a716446655440000'), (x'650e8400e29b41d4a716446655440000')",
    ] {
        becomes(values, "type = 'uuid'", &shown);
    }
}

#[test]
fn addresses_and_documents_and_labels_are_read() {
    becomes(
        "('10.0.0.1'), ('::1'), ('10.0.0.0/8')",
        "type = 'inet'",
        &["10.0.0.1/32", "::1/128", "10.0.0.0/8"],
    );
    becomes(
        "('{\"b\":1, \"a\" : [1.10]}'), ('7')",
        "type = 'json'",
        &["{\"b\":1, \"a\" : [1.10]}", "7"],
    );
    becomes(
        "('{\"b\":1,\"a\":[1.10]}'), ('{\"a\":1,\"b\":2}'), ('{\"a\":1,\"a\":2}'), ('{\"a\":[1,2]}')",
        "type = 'jsonb'",
        &["{\"a\": [1.10], \"b\": 1}", "{\"a\": 1, \"b\": 2}", "{\"a\": 2}", "{\"a\": [1, 2]}"],
    );
    becomes(
        "('open'), ('it''s \"done\"'), (NULL)",
        "type = 'enum'",
        &["open", "it's \"done\"", "NULL"],
    );
}

#[test]
fn an_enum_is_dropped_with_its_table() {
    let env = moved("('a'), ('b')", "type = 'enum'");
    let types = "SELECT count(*) FROM pg_type WHERE typtype = 'e'";
    assert_eq!(env.value(types), "1");
    env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
    assert_eq!(env.value(types), "0");
}

#[test]
fn declared_kinds_become_their_types_where_every_value_is_of_them() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u UUID, j JSON, b JSONB, i INET, o BOOLEAN, h TIME, m JSON, w BOOLEAN);
         INSERT INTO t VALUES (1, '550e8400-e29b-41d4-a716-446655440000', '{}', '[1,2]', '10.0.0.1', 't', '12:00:00', '{', 't');
         INSERT INTO t VALUES (2, NULL, '[]', '{\"a\":1}', '::1', 'f', '12:00:01', 'NaN', 'maybe');",
    );
    env.run(&[]).expect(0);
    let types = "SELECT data_type FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position";
    assert_eq!(
        env.column(types),
        [
            "bigint",
            "uuid",
            "json",
            "jsonb",
            "inet",
            "boolean",
            "time without time zone",
            "text",
            "text"
        ]
    );
    env.verify().expect(0);
}
