//! Every type that a pipeline file can ask for, and that each value can go back as SQLite wrote it.

use crate::environment::{Done, Environment};
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

fn moved(values: &str, said: &str) -> Environment {
    let env = Environment::new();
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
    let session = env.connect();
    session.query("SET TimeZone = 'UTC'");
    let rows = session.query("SELECT v::text FROM t ORDER BY id");
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
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap();
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).unwrap())
            .collect();
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

/// What the column's form writes for the target's value.
fn written(env: &Environment, column: &Column, writer: &mut FormWriter, id: i64) -> Stored {
    let value = |expression: &str| {
        let sql = format!("SELECT {expression} FROM t WHERE id = {id}");
        env.connect().query(&sql)[0][0].clone()
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
    env.sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w); INSERT INTO t (v, w) VALUES (1, 0.5), (32768, 0.5), (2, 0.1)");
    run(&env, "v = { type = 'int2' }\nw = { type = 'float4' }").expect(65);
    assert_eq!(env.column("SELECT id FROM t ORDER BY id"), ["1"]);
    let reasons = env.column("SELECT row_name || ' ' || reason FROM liteferry.reject ORDER BY 1");
    assert_eq!(
        reasons,
        [
            "rowid 2 it is beyond the range of the target's type",
            "rowid 3 no value of the target's type is exactly this number"
        ]
    );
}

#[test]
fn epochs_of_every_unit_become_instants() {
    for (from, value, shown) in [
        ("unix_s", "1758000000", "2025-09-16 05:20:00+00"),
        ("unix_ms", "1758000000123", "2025-09-16 05:20:00.123+00"),
        ("unix_us", "1758000000123456", "2025-09-16 05:20:00.123456+00"),
        ("unix_ns", "1758000000123456000", "2025-09-16 05:20:00.123456+00"),
        ("unix_s", "1758000000.5", "2025-09-16 05:20:00.5+00"),
        ("julian", "2460934.5", "2025-09-16 00:00:00+00"),
        ("core_data", "779692800", "2025-09-16 05:20:00+00"),
        ("webkit", "13402473600000000", "2025-09-16 05:20:00+00"),
    ] {
        becomes(
            &format!("({value}), (NULL)"),
            &format!("type = 'timestamptz', from = '{from}'"),
            &[shown, "NULL"],
        );
    }
}

#[test]
fn doubles_between_two_microseconds_are_kept_beside_the_nearest() {
    becomes(
        "(1758000000.1234565), (1758000000.25), (1758000001)",
        "type = 'timestamptz', from = 'unix_s'",
        &["2025-09-16 05:20:00.123456+00", "2025-09-16 05:20:00.25+00", "2025-09-16 05:20:01+00"],
    );
}

#[test]
fn texts_of_every_shape_become_the_same_instant() {
    becomes(
        "('2025-09-16 05:20:00'), ('2025-09-16T05:20:00'), ('2025-09-16T05:20:00Z'), ('2025-09-16 05:20:00+00:00'),
         ('2025-09-16T07:20:00.000+02:00'), ('2025-09-16 05:20:00.000000'), ('2025-09-16 05:20'), ('2025-09-16')",
        "type = 'timestamptz', zone = 'UTC'",
        &[
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 05:20:00+00",
            "2025-09-16 00:00:00+00",
        ],
    );
}

#[test]
fn wall_clocks_of_a_zone_become_instants_of_their_season() {
    becomes(
        "('2025-01-15 12:00:00'), ('2025-07-15 12:00:00.5'), (NULL)",
        "type = 'timestamptz', zone = 'America/Denver'",
        &["2025-01-15 19:00:00+00", "2025-07-15 18:00:00.5+00", "NULL"],
    );
}

#[test]
fn dates_in_an_order_and_in_digits_are_read_where_they_are_asked_for() {
    becomes(
        "('31/01/2025'), ('01/02/2025')",
        "type = 'date', from = 'dmy'",
        &["2025-01-31", "2025-02-01"],
    );
    becomes(
        "('01/31/2025'), ('01/02/2025')",
        "type = 'date', from = 'mdy'",
        &["2025-01-31", "2025-01-02"],
    );
    becomes(
        "('20250131'), ('20250201')",
        "type = 'date', from = 'yyyymmdd'",
        &["2025-01-31", "2025-02-01"],
    );
    becomes(
        "(20250131), (20250201)",
        "type = 'date', from = 'yyyymmdd'",
        &["2025-01-31", "2025-02-01"],
    );
    becomes("('12:34:56'), ('01:02:03.5')", "type = 'time'", &["12:34:56", "01:02:03.5"]);
}

#[test]
fn clocks_that_a_zone_never_showed_are_set_aside_however_they_are_written() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w);
         INSERT INTO t (v, w) VALUES ('30/03/2025 02:30', 20250330120000), ('26/10/2025 02:30', 20251026023000),
            ('31/03/2025 02:30', 20250330023000), (NULL, '20250331023000');",
    );
    let zone = "type = 'timestamptz', zone = 'Europe/Berlin'";
    let done =
        run(&env, &format!("v = {{ {zone}, from = 'dmy' }}\nw = {{ {zone}, from = 'yyyymmdd' }}"))
            .expect(65);
    assert!(
        done.says("column v: declared without type, becomes timestamptz: 1 times came twice"),
        "{done}"
    );
    assert!(
        done.says("column w: declared without type, becomes timestamptz: 1 times came twice"),
        "{done}"
    );
    let rejects =
        "SELECT row_name || ' ' || column_name || ' ' || reason FROM liteferry.reject ORDER BY 1";
    assert_eq!(
        env.column(rejects),
        [
            "rowid 1 v the zone's clocks never showed this time",
            "rowid 3 w the zone's clocks never showed this time"
        ]
    );
    let rows =
        "SELECT concat_ws(' ', id, v AT TIME ZONE 'UTC', w AT TIME ZONE 'UTC') FROM t ORDER BY id";
    assert_eq!(
        env.column(rows),
        ["2 2025-10-26 00:30:00 2025-10-26 00:30:00", "4 2025-03-31 00:30:00"]
    );
}

#[test]
fn what_numbers_or_wall_clocks_mean_must_be_said() {
    for (values, said, line) in [
        ("(1758000000)", "type = 'timestamptz'", "from = \"unix_s\""),
        ("('2025-09-16 05:20:00')", "type = 'timestamptz'", "zone = \"UTC\""),
        ("('01/02/2025')", "type = 'timestamptz', from = 'dmy'", "zone = \"UTC\""),
    ] {
        let env = Environment::new();
        env.sqlite(&format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t (v) VALUES {values}"
        ));
        run(&env, &format!("v = {{ {said} }}")).expect(78).saying(&["table t", "column v", line]);
    }
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
