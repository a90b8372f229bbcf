//! What others have put into the target's search path is neither called nor taken for what it is called like.

use crate::comparison::Comparison;
use crate::environment::Environment;

/// A schema whose functions, operators, types and relations hide those that the program means, and fail where they are used.
const TRAPS: &str = r"
    CREATE SCHEMA evil;
    CREATE TABLE evil.t (id bigint);
    CREATE VIEW evil.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false;
    CREATE VIEW evil.pg_namespace AS SELECT * FROM pg_catalog.pg_namespace WHERE false;
    CREATE FUNCTION evil.lower(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'lower is called'; END $$;
    CREATE FUNCTION evil.upper(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'upper is called'; END $$;
    CREATE FUNCTION evil.btrim(text, text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'btrim is called'; END $$;
    CREATE FUNCTION evil.char_length(text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'char_length is called'; END $$;
    CREATE FUNCTION evil.octet_length(text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'octet_length is called'; END $$;
    CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'now is called'; END $$;
    CREATE FUNCTION evil.setval(regclass, bigint, boolean) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE 'setval is called'; END $$;
    CREATE FUNCTION evil.differ(text, text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE '<> is called'; END $$;
    CREATE FUNCTION evil.are_equal(int8, int8) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE '= is called'; END $$;
    CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.differ);
    CREATE OPERATOR evil.= (LEFTARG = int8, RIGHTARG = int8, FUNCTION = evil.are_equal);
    CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false);
    CREATE DOMAIN evil.uuid AS pg_catalog.uuid CHECK (false);";

#[test]
fn nothing_in_the_search_path_is_called_or_written_to() {
    let env = Environment::new();
    env.sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT DEFAULT 'new' CHECK (lower(a) <> 'x' AND length(a) < 99),
            b TEXT AS (upper(a)) STORED, parent INTEGER REFERENCES t (id), token UUID, made TEXT DEFAULT CURRENT_TIMESTAMP,
            CHECK (parent = id OR parent IS NOT NULL OR a <> ''));
         CREATE INDEX trimmed ON t (trim(a)) WHERE length(a) > 1;
         INSERT INTO t (a, token) VALUES ('One', '550e8400-e29b-41d4-a716-446655440000'), ('two', NULL);
         UPDATE t SET parent = 1;",
    );
    env.query(TRAPS);
    let database = env.value("SELECT current_database()");
    env.query(&format!("ALTER DATABASE {database} SET search_path = evil, pg_catalog, public"));
    assert!(env.connect().try_query("SELECT 'a'::text <> lower('b')").is_err(), "no trap at all");
    env.liteferry(&env.ends("plan", &[])).expect(0);
    env.run(&[]).expect(0);
    env.verify().expect(0);
    env.query(&format!("ALTER DATABASE {database} RESET search_path"));
    Comparison::new().assert_equal(&env.source(), &env.connect());
    // What was made means the server's own functions, operators and types for ever.
    let hold = "SELECT count(*) FROM pg_depend WHERE refobjid IN (
                    SELECT oid FROM pg_proc WHERE pronamespace = 'evil'::regnamespace
                    UNION ALL SELECT oid FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace
                    UNION ALL SELECT oid FROM pg_type WHERE typnamespace = 'evil'::regnamespace)
                AND objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
                    UNION ALL SELECT oid FROM pg_constraint WHERE connamespace = 'public'::regnamespace
                    UNION ALL SELECT oid FROM pg_attrdef)";
    assert_eq!(env.value(hold), "0");
    let made = "SELECT count(*) || ' ' || min(b) FROM public.t";
    env.query("INSERT INTO public.t (parent) VALUES (1)");
    assert_eq!(env.value(made), "3 NEW");
    assert_eq!(env.value("SELECT count(*) FROM evil.t"), "0");
    env.query(&env.value("SELECT drop_sql FROM liteferry.migration"));
    assert_eq!(env.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    assert_eq!(env.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'evil'"), "1");
}
