//! What is decided from what was written, set and found, and what is refused.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Conninfo, Host, Origin, Secret};
use crate::error::{Class, Error};
use crate::store::postgres::tls::{Roots, SslMode};

/// A user who has set nothing but who they are.
pub(super) fn nothing(name: &str) -> Option<String> {
    variables(&[])(name)
}

fn variables<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
}

pub(super) fn decided(written: &str, set: &[(&str, &str)]) -> Conninfo {
    Conninfo::decide(written, &variables(set), Origin::PipelineFile).unwrap()
}

fn refused(written: &str, set: &[(&str, &str)], origin: Origin) -> Error {
    Conninfo::decide(written, &variables(set), origin).unwrap_err()
}

fn password(conninfo: &Conninfo) -> Option<&str> {
    conninfo.password.secret.as_ref().map(Secret::expose)
}

#[test]
fn a_password_in_an_argument_is_refused_with_the_ways_that_work_and_is_not_repeated() {
    let written = [
        "postgresql://u:hunter2@h/d",
        "postgresql://u@h/d?password=hunter2",
        "postgresql://u@h/d?pass%77ord=hunter2",
        "host=h password=hunter2",
        "host=h password = 'hunter2' colour=red",
        "postgresql://u:${hunter2}@h/d",
    ];
    for written in written {
        let error = refused(written, &[("hunter2", "x")], Origin::Argument);
        assert_eq!(error.class(), Class::Secret, "{written}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        let advice = error.advice().unwrap();
        for way in ["PGPASSWORD", "PGPASSFILE", ".pgpass", "service", "${NAME}", "passfile="] {
            assert!(advice.contains(way), "{way}");
        }
    }
}

#[test]
fn a_literal_password_in_a_pipeline_file_is_refused_too() {
    for written in ["postgresql://u:hunter2@h/d", "host=h password=hunter2${PW}"] {
        let error = refused(written, &[("PW", "x")], Origin::PipelineFile);
        assert_eq!(error.class(), Class::Secret, "{written}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_variable_in_a_pipeline_file_gives_any_part_and_changes_no_other() {
    let set = [("PW", "p@ss/?: '%41\\"), ("H", "db.example"), ("P", "6543")];
    let written = [
        "postgresql://u:${PW}@${H}:${P}/d",
        "postgresql://u@${H}/d?port=${P}&password=${PW}",
        "host=${H} port=${P} password=${PW} user=u dbname=d",
    ];
    for written in written {
        let conninfo = decided(written, &set);
        assert_eq!(password(&conninfo), Some("p@ss/?: '%41\\"), "{written}");
        assert_eq!(conninfo.host, Host::Tcp { name: "db.example".into(), address: None });
        assert_eq!((conninfo.port, conninfo.database.as_str()), (6543, "d"));
    }
}

#[test]
fn a_target_that_is_one_variable_is_a_whole_connection_string() {
    let set = [("DATABASE_URL", "postgresql://u:p%40w@localhost:7/d")];
    let conninfo = decided("${DATABASE_URL}", &set);
    assert_eq!((password(&conninfo), conninfo.port), (Some("p@w"), 7));
}

#[test]
fn in_an_argument_a_variable_is_text_and_in_a_pipeline_file_it_must_be_set() {
    let argument = Conninfo::decide("dbname=${D} host=h", &nothing, Origin::Argument).unwrap();
    assert_eq!(argument.database, "${D}");
    let error = refused("dbname=${D} host=h", &[], Origin::PipelineFile);
    assert_eq!(error.class(), Class::Usage);
    assert!(error.to_string().contains('D'));
}

#[test]
fn the_string_goes_before_the_service_the_service_before_variables_and_these_before_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services");
    let text = "[s]\nhost=service\nport=1\ndbname=service\npassword=fromservice\n";
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let set = [
        ("PGSERVICEFILE", file.as_str()),
        ("PGPORT", "2"),
        ("PGDATABASE", "variable"),
        ("PGUSER", "variable"),
        ("PGAPPNAME", "variable"),
        ("PGPASSWORD", "fromvariable"),
    ];
    let by_name = decided("service=s host=written", &set);
    let by_variable = decided("host=written", &[&set[..], &[("PGSERVICE", "s")]].concat());
    for conninfo in [by_name, by_variable] {
        assert_eq!(conninfo.host, Host::Tcp { name: "written".into(), address: None });
        assert_eq!((conninfo.port, conninfo.database.as_str()), (1, "service"));
        assert_eq!(conninfo.user, "variable");
        assert_eq!(conninfo.application_name, "variable");
        assert_eq!(password(&conninfo), Some("fromservice"));
    }
    let bare = decided("host=h user=u", &[]);
    assert_eq!((bare.database.as_str(), bare.application_name.as_str()), ("u", "liteferry"));
    assert_eq!(bare.port, 5432);
}

#[test]
fn pgpassword_goes_before_the_password_file_and_each_origin_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().display().to_string();
    let file = folder.path().join(".pgpass");
    std::fs::write(&file, "h:5432:d:u:fromfile\n").unwrap();
    let mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    let written = "postgresql://u@h/d";
    let from_file = decided(written, &[("HOME", &home)]);
    assert_eq!(password(&from_file), Some("fromfile"));
    assert!(from_file.password.origin.ends_with("/.pgpass"));
    let from_variable = decided(written, &[("HOME", &home), ("PGPASSWORD", "v")]);
    assert_eq!(password(&from_variable), Some("v"));
    assert!(from_variable.password.origin.contains("PGPASSWORD"));
    let elsewhere = file.display().to_string();
    assert_eq!(password(&decided(written, &[("PGPASSFILE", &elsewhere)])), Some("fromfile"));
    let named = decided(&format!("{written}?passfile={elsewhere}"), &[("PGPASSFILE", "/none")]);
    assert_eq!(password(&named), Some("fromfile"));
    mode(0o644);
    let ignored = decided(written, &[("HOME", &home)]);
    assert_eq!(password(&ignored), None);
    assert!(ignored.password.origin.contains("mode 0644"), "{}", ignored.password.origin);
}

#[test]
fn over_a_network_the_default_is_verify_full_on_loopback_prefer_and_on_a_socket_none() {
    let mode = |host: &str| decided(&format!("host={host}"), &[("PGUSER", "u")]).tls.mode;
    for host in ["db.example", "10.0.0.1", "2001:db8::1", "localhost.example", "127.1"] {
        assert_eq!(mode(host), SslMode::VerifyFull, "{host}");
    }
    for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(mode(host), SslMode::Prefer, "{host}");
    }
    assert_eq!(mode("/tmp"), SslMode::Disable);
    assert_eq!(mode("tunnel.example hostaddr=127.0.0.1"), SslMode::Prefer);
    assert_eq!(mode("localhost hostaddr=10.0.0.1"), SslMode::VerifyFull);
    assert_eq!(decided("host=h user=u", &[]).tls.roots, Some(Roots::System));
}

#[test]
fn over_a_network_a_weaker_mode_must_be_said_and_one_that_decays_to_plain_text_is_refused() {
    let mode = |written: &str, set: &[(&str, &str)]| decided(written, set).tls.mode;
    assert_eq!(mode("postgresql://u@h/d?sslmode=disable", &[]), SslMode::Disable);
    assert_eq!(mode("postgresql://u@h/d", &[("PGSSLMODE", "require")]), SslMode::Require);
    for word in ["prefer", "allow"] {
        let error = refused("postgresql://u@h/d", &[("PGSSLMODE", word)], Origin::Argument);
        assert_eq!(error.class(), Class::Usage);
        assert!(error.to_string().contains("PGSSLMODE"), "{error}");
    }
    let allowed = "postgresql://u@localhost/d?sslmode=allow";
    assert_eq!(refused(allowed, &[], Origin::Argument).class(), Class::Usage);
}

#[test]
fn the_usual_certificates_are_found_and_a_check_needs_something_to_check_against() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().display().to_string();
    let certificates = folder.path().join(".postgresql");
    std::fs::create_dir(&certificates).unwrap();
    for name in ["root.crt", "postgresql.crt"] {
        std::fs::write(certificates.join(name), "").unwrap();
    }
    let tls = |written: &str| decided(written, &[("HOME", &home)]).tls;
    let root = Some(Roots::File(certificates.join("root.crt")));
    for mode in ["require", "verify-ca", "verify-full"] {
        assert_eq!(tls(&format!("host=h user=u sslmode={mode}")).roots, root, "{mode}");
    }
    let local = tls("host=localhost user=u");
    assert_eq!((local.mode, local.roots), (SslMode::Prefer, None));
    assert_eq!(local.identity.unwrap().key, certificates.join("postgresql.key"));
    assert_eq!(tls("host=h user=u sslrootcert=system").roots, Some(Roots::System));
    let refused = |written| refused(written, &[], Origin::Argument).class();
    assert_eq!(refused("host=h user=u sslmode=verify-ca"), Class::Usage);
    assert_eq!(refused("host=h user=u sslrootcert=system sslmode=require"), Class::Usage);
}

#[test]
fn what_cannot_be_understood_is_a_usage_error_that_names_the_parameter() {
    let written = [
        ("host=h port=0", "port"),
        ("host=h port=1,2", "port"),
        ("postgresql://a,b/d", "host"),
        ("host=h hostaddr=nowhere", "hostaddr"),
        ("host=h connect_timeout=soon", "connect_timeout"),
        ("host=h sslmode=maybe", "sslmode"),
        ("host=h target_session_attrs=standby", "target_session_attrs"),
        ("host=h replication=true", "replication"),
        ("postgresql://u:hunter2/x@h", "@"),
        ("postgresql://u:hunter2/x", "port"),
    ];
    for (written, named) in written {
        let error = refused(written, &[("PGUSER", "u")], Origin::Argument);
        assert_eq!(error.class(), Class::Usage, "{written}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn neither_debug_nor_display_show_the_password() {
    let conninfo = decided("postgresql://u@h/d", &[("PGPASSWORD", "hunter2")]);
    assert_eq!(password(&conninfo), Some("hunter2"));
    assert!(!format!("{conninfo:?}{}", conninfo.display()).contains("hunter2"));
}

#[test]
fn a_user_who_says_nothing_is_who_runs_the_process() {
    let conninfo = decided("host=h", &[]);
    let id = rustix::process::geteuid().as_raw().to_string();
    let accounts = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    assert!(accounts.lines().any(|line| {
        let fields: Vec<_> = line.split(':').collect();
        fields[0] == conninfo.user && fields[2] == id
    }));
}
