//! How the program comes to a server that asks who it is, and how it makes sure of the server: passwords, libpq's
//! variables, TLS and certificates. The server is a real one, and its own log is the judge.

mod certificates;
mod server;

use crate::environment::wait_until;
use certificates::{Authority, Papers};
use rustix::process::Signal;
use server::{ANNA, BERT, CARL, Guarded, PASSWORD, SHARED, User};

/// The variable that gives the right password.
const RIGHT: (&str, &str) = ("PGPASSWORD", PASSWORD);

/// Fails the test unless all of these connections were encrypted, or none was.
#[track_caller]
fn expect_encrypted(connections: &[String], encrypted: bool) {
    for line in connections {
        assert_eq!(line.contains("SSL enabled (protocol=TLSv1."), encrypted, "{line}");
    }
}

/// A line of a password file with the right password.
fn line(host: &str, user: &User<'_>) -> String {
    let password = PASSWORD.replace('\\', r"\\").replace(':', r"\:");
    format!("{host}:{}:{}:{ANNA}:{password}\n", user.port(), user.database)
}

/// Parameters for papers that are put into the user's folder.
fn identity(user: &User<'_>, papers: &Papers, mode: u32) -> String {
    let certificate = user.file("papers.crt", &papers.certificate, 0o644);
    let key = user.file("papers.key", &papers.key, mode);
    format!("sslcert={certificate} sslkey={key}")
}

#[test]
fn a_password_opens_the_door_wherever_it_may_come_from() {
    let user = User::of(&SHARED);
    let target = user.target(ANNA, "");
    user.arrives(&target, &[RIGHT]);

    let file = user.file("passwords", &line("127.0.0.1", &user), 0o600);
    user.arrives(&target, &[("PGPASSFILE", &file)]);
    user.arrives(&user.target(ANNA, &format!("passfile={file}")), &[]);
    user.arrives(&target, &[("PGPASSFILE", "/nonexistent"), RIGHT]);

    let socket = user.socket();
    user.file(".pgpass", &line(&socket, &user), 0o600);
    let over_the_socket = user.target_at(&format!("host={socket}"), ANNA, "");
    expect_encrypted(&user.arrives(&over_the_socket, &[]), false);

    let service = format!("[mine]\nhost=127.0.0.1\nuser={ANNA}\npassword={PASSWORD}\n");
    let services = user.file("services", &service, 0o600);
    let written = format!("service=mine port={} dbname={}", user.port(), user.database);
    user.arrives(&written, &[("PGSERVICEFILE", &services)]);
}

#[test]
fn a_variable_in_a_pipeline_file_gives_the_password_as_it_is() {
    let user = User::of(&SHARED);
    let url = format!("postgresql://{ANNA}:${{PW}}@127.0.0.1:{}/{}", user.port(), user.database);
    let pipeline = format!("[source]\npath = 'source.db'\n[target]\nurl = '{url}'\n");
    user.file("pipeline.toml", &pipeline, 0o644);
    let arguments = ["run", "--no-capture", "pipeline.toml"];
    user.call(&arguments, &[("PW", PASSWORD)]).expect(0);
    assert!(!user.connections().is_empty());
    user.call(&arguments, &[("PW", "wrong")]).expect(77);
}

#[test]
fn without_the_right_password_nobody_is_let_in_and_the_reason_is_told() {
    let user = User::of(&SHARED);
    let target = user.target(ANNA, "");
    let wrong = user.refused(&target, &[("PGPASSWORD", "wrong")], 77);
    wrong.saying(&["password authentication failed", "PGPASSWORD"]);
    let none = user.refused(&target, &[], 77);
    none.saying(&["the server asks for a password", ".pgpass does not exist"]);

    let right = line("127.0.0.1", &user);
    let open = user.file("open", &right, 0o640);
    let file = [("PGPASSFILE", open.as_str())];
    user.refused(&target, &file, 77).saying(&["mode 0640", "must be 0600"]);
    let other = user.file("other", &line("db.test", &user), 0o600);
    let file = [("PGPASSFILE", other.as_str())];
    user.refused(&target, &file, 77).saying(&["has no line for 127.0.0.1:"]);
    let closed = user.file("closed", &right, 0o600);
    user.refused(&target, &[("PGPASSFILE", &closed), ("PGPASSWORD", "wrong")], 77);
}

#[test]
fn even_the_right_password_is_refused_in_an_argument_before_anything_is_asked() {
    let user = User::of(&SHARED);
    let password = PASSWORD.replace('\\', r"\\").replace('\'', r"\'");
    let target = user.target(ANNA, &format!("password='{password}'"));
    user.refused(&target, &[], 64).saying(&["PGPASSFILE"]);
}

#[test]
fn libpqs_variables_give_what_is_not_written() {
    let user = User::of(&SHARED);
    user.root();
    let port = user.port().to_string();
    let variables = [
        ("PGHOST", "db.test"),
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGPORT", &port),
        ("PGUSER", BERT),
        ("PGDATABASE", &user.database),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "root.crt"),
        ("PGCHANNELBINDING", "require"),
        ("PGAPPNAME", "ferry_of_the_test"),
        RIGHT,
    ];
    let with = |name, value| [&variables[..], &[(name, value)]].concat();
    for line in user.arrives("postgresql://", &variables) {
        assert!(line.contains("application_name=ferry_of_the_test"), "{line}");
    }
    user.refused("postgresql://", &with("PGHOST", "other.test"), 77);
    user.refused("postgresql://", &with("PGUSER", "nobody"), 77);
    user.refused("postgresql://", &with("PGSSLMODE", "disable"), 77);
    user.refused("postgresql://", &with("PGDATABASE", "not_there"), 69);
    user.refused("postgresql://", &with("PGSSLROOTCERT", "not_there"), 77);
    user.refused("postgresql://", &with("PGSSLMODE", "maybe"), 2);
    let arguments = ["status", "--source", "source.db", "--target", "postgresql://"];
    let refused = user.call(&arguments, &with("PGOPTIONS", "-c no_such=1")).expect(69);
    refused.saying(&["no_such", "PGOPTIONS"]);
}

#[test]
fn verify_full_is_content_with_the_right_name_of_the_right_authority() {
    let user = User::of(&SHARED);
    let full = format!("sslmode=verify-full {}", user.root());
    expect_encrypted(&user.arrives(&user.target(BERT, &full), &[RIGHT]), true);
    let named = user.target_at("host=db.test hostaddr=127.0.0.1", BERT, &full);
    expect_encrypted(&user.arrives(&named, &[RIGHT]), true);

    for command in ["verify", "status", "plan"] {
        let before = user.connections().len();
        let ends = [command, "--source", "source.db", "--target", &named];
        user.call(&ends, &[RIGHT]).expect(0);
        let connections = user.connections().split_off(before);
        assert!(!connections.is_empty(), "{command} has not asked the server");
        expect_encrypted(&connections, true);
    }

    user.file(".postgresql/root.crt", &SHARED.authority.pem, 0o644);
    let usual = user.target(BERT, "sslmode=verify-full");
    expect_encrypted(&user.arrives(&usual, &[RIGHT]), true);
}

#[test]
fn a_certificate_for_another_name_or_of_another_authority_is_refused() {
    let user = User::of(&SHARED);
    let root = user.root();
    let at = |name: &str, more: &str| {
        user.target_at(&format!("host={name} hostaddr=127.0.0.1"), BERT, more)
    };
    let full = format!("sslmode=verify-full {root}");
    let misnamed = user.refused(&at("other.test", &full), &[RIGHT], 77);
    misnamed.saying(&["not valid for name", "subjectAltName", "sslmode=verify-ca"]);
    let unchecked = at("other.test", &format!("sslmode=verify-ca {root}"));
    expect_encrypted(&user.arrives(&unchecked, &[RIGHT]), true);

    for name in ["authority", "stranger"] {
        let other = user.file("other.crt", &Authority::new(name).pem, 0o644);
        for mode in ["verify-full", "verify-ca", "require"] {
            let target = at("db.test", &format!("sslmode={mode} sslrootcert={other}"));
            user.refused(&target, &[RIGHT], 77).saying(&["sslrootcert=FILE"]);
        }
    }
    user.refused(&at("db.test", "sslmode=verify-full"), &[RIGHT], 77).saying(&["sslrootcert=FILE"]);
    let anyone = at("other.test", "sslmode=require");
    expect_encrypted(&user.arrives(&anyone, &[RIGHT]), true);
}

#[test]
fn over_a_network_verify_full_holds_unless_the_user_says_otherwise() {
    let user = User::of(&SHARED);
    let root = user.root();
    let at = |name: &str, role, more: &str| {
        user.target_at(&format!("host={name} hostaddr=0.0.0.0"), role, more)
    };
    expect_encrypted(&user.arrives(&at("db.test", ANNA, &root), &[RIGHT]), true);
    let misnamed = user.refused(&at("other.test", ANNA, &root), &[RIGHT], 77);
    misnamed.saying(&["not valid for name"]);
    user.refused(&at("db.test", ANNA, ""), &[RIGHT], 77).saying(&["sslrootcert=FILE"]);
    user.refused(&at("db.test", ANNA, "sslmode=prefer"), &[RIGHT], 2).saying(&["sslmode"]);
    let encrypted = at("other.test", ANNA, "sslmode=require");
    expect_encrypted(&user.arrives(&encrypted, &[RIGHT]), true);
    let plain = at("other.test", ANNA, "sslmode=disable");
    expect_encrypted(&user.arrives(&plain, &[RIGHT]), false);
}

#[test]
fn on_loopback_a_server_that_can_encrypt_does_unless_the_user_says_otherwise() {
    let user = User::of(&SHARED);
    expect_encrypted(&user.arrives(&user.target(ANNA, ""), &[RIGHT]), true);
    let plain = |role| user.target(role, "sslmode=disable");
    expect_encrypted(&user.arrives(&plain(ANNA), &[RIGHT]), false);
    user.refused(&plain(BERT), &[RIGHT], 77).saying(&["pg_hba.conf", "encryption (sslmode)"]);
}

#[test]
fn a_server_that_does_not_encrypt_is_refused_where_encryption_is_wanted() {
    let server = Guarded::start(Authority::new("authority"), None);
    let user = User::of(&server);
    let root = user.root();
    for mode in ["verify-full", "verify-ca", "require"] {
        let target = user.target(ANNA, &format!("sslmode={mode} {root}"));
        user.refused(&target, &[RIGHT], 77).saying(&["does not support TLS", "ssl = on"]);
    }
    let afar = |more: &str| user.target_at("host=db.test hostaddr=0.0.0.0", ANNA, more);
    user.refused(&afar(&root), &[RIGHT], 77).saying(&["does not support TLS"]);
    expect_encrypted(&user.arrives(&user.target(ANNA, ""), &[RIGHT]), false);
    expect_encrypted(&user.arrives(&afar("sslmode=disable"), &[RIGHT]), false);
}

#[test]
fn a_servers_certificate_of_long_ago_is_refused() {
    let authority = Authority::new("authority");
    let papers = authority.expired_server(&["db.test", "127.0.0.1"]);
    let server = Guarded::start(authority, Some(&papers));
    let user = User::of(&server);
    for mode in ["verify-full", "verify-ca"] {
        let target = user.target(ANNA, &format!("sslmode={mode} {}", user.root()));
        user.refused(&target, &[RIGHT], 77).saying(&["renew the server's certificate"]);
    }
    expect_encrypted(&user.arrives(&user.target(ANNA, "sslmode=require"), &[RIGHT]), true);
}

#[test]
fn a_certificate_opens_the_door_without_a_password() {
    let user = User::of(&SHARED);
    let papers = SHARED.authority.role(CARL);
    let full = format!("sslmode=verify-full {}", user.root());
    let target = user.target(CARL, &format!("{full} {}", identity(&user, &papers, 0o600)));
    expect_encrypted(&user.arrives(&target, &[]), true);
    let bare = user.target(CARL, &full);
    let variables = [("PGSSLCERT", "papers.crt"), ("PGSSLKEY", "papers.key")];
    user.arrives(&bare, &variables);

    user.refused(&bare, &[], 77).saying(&["valid client certificate", "sslcert"]);
    user.file(".postgresql/postgresql.crt", &papers.certificate, 0o644);
    user.file(".postgresql/postgresql.key", &papers.key, 0o600);
    user.arrives(&bare, &[]);
}

#[test]
fn a_certificate_of_somebody_else_or_a_key_that_others_can_read_is_refused() {
    let user = User::of(&SHARED);
    let full = format!("sslmode=verify-full {}", user.root());
    let with = |papers: &Papers, mode| {
        let target = user.target(CARL, &format!("{full} {}", identity(&user, papers, mode)));
        user.refused(&target, &[RIGHT], 77)
    };
    let other_role = SHARED.authority.role(ANNA);
    with(&other_role, 0o600).saying(&["certificate authentication failed"]);
    for name in ["authority", "stranger"] {
        let stranger = Authority::new(name).role(CARL);
        with(&stranger, 0o600).saying(&["fatal alert", "ssl_ca_file", "sslcert=FILE"]);
    }
    let mine = SHARED.authority.role(CARL);
    with(&mine, 0o644).saying(&["mode 0644", "chmod 0600"]);
    let mismatched = Papers { certificate: mine.certificate, key: other_role.key };
    with(&mismatched, 0o600).saying(&["papers.crt"]);
}

#[test]
fn a_password_can_be_bound_to_the_encrypted_channel_and_to_no_other() {
    let user = User::of(&SHARED);
    let bound = |mode| user.target(ANNA, &format!("sslmode={mode} channel_binding=require"));
    expect_encrypted(&user.arrives(&bound("require"), &[RIGHT]), true);
    user.refused(&bound("disable"), &[RIGHT], 77)
        .saying(&["channel binding", "sslmode=verify-full"]);
}

#[test]
fn an_interrupt_stops_the_statement_over_an_encrypted_connection_too() {
    let user = User::of(&SHARED);
    let target = user.target(BERT, &format!("sslmode=verify-full {}", user.root()));
    let arguments = ["run", "--no-capture", "--source", "source.db", "--target", &target];
    user.call(&[&arguments[..], &["--until", "schema"]].concat(), &[RIGHT]).expect(0);
    let admin = user.admin();
    admin.query("BEGIN; LOCK public.trades IN SHARE MODE");
    let run = user.start(&arguments, &[RIGHT]);
    let sessions = |condition: &str| {
        let count = format!(
            "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
             WHERE datname = current_database() AND usename = '{BERT}' AND {condition}"
        );
        user.admin().query(&count)[0][0].clone().unwrap()
    };
    let waiting = "ssl AND wait_event_type = 'Lock' AND query LIKE 'COPY %'";
    wait_until("a COPY waits", || sessions(waiting) != "0");
    assert_eq!(sessions("NOT ssl"), "0");
    run.signal(Signal::INT);
    run.wait().expect(130);
    wait_until("the server has stopped the COPY", || {
        user.is_logged("canceling statement due to user request")
    });
    admin.query("ROLLBACK");
    user.arrives(&target, &[RIGHT]);
}
