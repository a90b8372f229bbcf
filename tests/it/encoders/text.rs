//! Which text is a UUID or an address, and what it says, asked of a server; and whether the types are called what the
//! server calls them.

use super::values::{TYPES, address};
use super::{check, literal};
use crate::environment::{Environment, Session};
use liteferry::model::PgType;
use liteferry::row::inet;
use liteferry::row::uuid::{self, UuidForm, UuidShape};
use proptest::prelude::*;

/// Texts asked about at once.
const TEXTS: usize = 300;

/// A session that says what a text is by the hex of its binary form, or nothing where it is none.
fn judge(env: &Environment) -> Session {
    let session = env.connect();
    for kind in ["inet", "cidr", "uuid"] {
        session.query(&format!(
            "CREATE FUNCTION as_{kind}(t text) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN RETURN encode({kind}_send(t::{kind}), 'hex'); EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$"
        ));
    }
    session
}

fn asked(session: &Session, what: &str, texts: &[String]) -> Vec<Option<String>> {
    let literals: Vec<_> = texts.iter().map(|text| literal(text)).collect();
    let sql = format!(
        "SELECT {what} FROM unnest(ARRAY[{}]::text[]) WITH ORDINALITY AS texts (t, n) ORDER BY n",
        literals.join(", ")
    );
    session.query(&sql).into_iter().map(|mut row| row.swap_remove(0)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn written_address() -> impl Strategy<Value = String> {
    prop_oneof![
        address().prop_map(|(address, bits)| format!("{address}/{bits}")),
        address().prop_map(|(address, _)| address.to_string()),
    ]
}

/// Addresses, and what looks like them.
fn address_text() -> impl Strategy<Value = String> {
    let octets = proptest::collection::vec("0{0,2}[0-9]{1,3}", 1..6);
    let v4 = (octets, "\\.?", "(/0{0,2}[0-9]{1,2})?")
        .prop_map(|(octets, point, bits)| octets.join(".") + &point + &bits);
    let v6 = "(::|:)?([0-9a-fA-F]{1,4}(:|::)){0,7}([0-9a-f]{1,5}|[0-9]{1,3}(\\.[0-9]{1,3}){3})?(/[0-9]{1,3})?";
    prop_oneof![written_address(), v4, v6, "[0-9a-f:./ ]{0,7}"]
}

#[test]
fn the_server_reads_the_same_addresses_and_networks_from_the_same_texts() {
    let env = Environment::new();
    let session = judge(&env);
    check(&proptest::collection::vec(address_text(), TEXTS), |texts| {
        for (text, inet) in texts.iter().zip(asked(&session, "as_inet(t)", &texts)) {
            let parsed = inet::parse(text).map(|(body, _)| hex(&body));
            // In IPv6 the server overlooks a colon before the bits, and what octets with points lack.
            let overlooked = parsed.is_none()
                && text.contains(':')
                && (text.contains(":/") || text.contains('.'));
            prop_assert!(parsed == inet || overlooked, "{} is {:?}, not {:?}", text, inet, parsed);
        }
        for (text, cidr) in texts.iter().zip(asked(&session, "as_cidr(t)", &texts)) {
            // The server also fills up what is abbreviated.
            if let Some((body, _)) = inet::parse_cidr(text) {
                prop_assert_eq!(cidr, Some(hex(&body)), "{}", text);
            }
        }
        Ok(())
    });
}

#[test]
fn the_server_shows_an_exact_address_as_the_very_text() {
    let env = Environment::new();
    let session = env.connect();
    check(&proptest::collection::vec(written_address(), TEXTS), |texts| {
        for (text, shown) in texts.iter().zip(asked(&session, "t::inet", &texts)) {
            let (body, exact) = inet::parse(text).unwrap();
            prop_assert_eq!(exact, shown.as_ref() == Some(text), "{}", text);
            prop_assert_eq!(inet::show(&body), shown);
        }
        Ok(())
    });
}

#[test]
fn the_server_reads_the_same_uuid_from_whatever_is_read_here() {
    let env = Environment::new();
    let session = judge(&env);
    let form = (0..3_usize, any::<bool>()).prop_map(|(shape, upper)| {
        let shapes = [UuidShape::Hyphenated, UuidShape::Plain, UuidShape::Braced];
        UuidForm { shape: shapes[shape], upper }
    });
    let texts = prop_oneof![
        (any::<[u8; 16]>(), form).prop_map(|(bytes, form)| form.write(bytes)),
        "\\{?[0-9a-f]{8}-?[0-9a-f]{4}-[0-9a-fA]{4}-[0-9a-f]{4}-?[0-9a-f]{12}\\}?",
        "[0-9a-f-]{30,38}",
    ];
    check(&proptest::collection::vec(texts, TEXTS), |texts| {
        for (text, server) in texts.iter().zip(asked(&session, "as_uuid(t)", &texts)) {
            // The server also reads other hyphens and mixed cases.
            if let Some((bytes, _)) = uuid::parse(text) {
                prop_assert_eq!(Some(hex(&bytes)), server, "{}", text);
            }
        }
        Ok(())
    });
}

#[test]
fn the_server_knows_every_type_by_its_name_and_its_oid() {
    let env = Environment::new();
    for (_, pg) in TYPES.into_iter().filter(|(_, pg)| *pg != PgType::Enum) {
        let sql = format!("SELECT '{pg}'::regtype::oid, format_type('{pg}'::regtype, NULL)");
        let shown = env.query(&sql).swap_remove(0);
        assert_eq!(pg.oid().map(|oid| oid.to_string()), shown[0], "{pg}");
        // The name that catalogs show is read as the type again.
        let name = pg.to_string();
        let (_, size) = name.split_at(name.find('(').unwrap_or(name.len()));
        let named = format!("{}{size}", shown[1].as_ref().unwrap());
        assert_eq!(PgType::parse(&named), Some(pg), "{named}");
    }
    assert_eq!(PgType::Enum.oid(), None);
}
