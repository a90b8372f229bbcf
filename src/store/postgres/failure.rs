//! What a failure of PostgreSQL means: its class, whether the connection is gone, and an error that a user can read.
//!
//! The server's own text is the cause. Its DETAIL is left out where it quotes a row (data and constraint errors), and
//! its CONTEXT always, which quotes the COPY line: rows do not belong in logs.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::error::{Class, Error};

/// Whether a server was there before, when a connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nobody knows yet that there is a server: an absent one is [`Class::Server`].
    FirstConnect,
    /// It was there: it may be restarting, and an absent one is [`Class::Temporary`].
    Reconnect,
}

/// The class of a failure on an open connection, or of one that is opened again.
pub fn classify(error: &tokio_postgres::Error) -> Class {
    if let Some(refusal) = error.as_db_error() {
        return classify_code(code_of(refusal));
    }
    if error.is_closed() {
        return Class::Temporary;
    }
    match (of_tls(error), of_io(error), phase(error)) {
        (Some(rustls::Error::DecryptError), ..) => Class::Temporary,
        (Some(_), ..) | (None, None, Phase::Tls | Phase::Authentication) => Class::Access,
        (None, Some(failure), Phase::Connect) if is_forbidden(failure) => Class::Access,
        (None, Some(failure), Phase::Tls) if !is_broken(failure) => Class::Access,
        (None, _, Phase::Connect | Phase::Tls | Phase::Exchange) => Class::Temporary,
        (None, _, Phase::Authentication | Phase::Garbled | Phase::Other) => Class::Internal,
    }
}

/// The class of a failure to open a connection.
///
/// No statement of liteferry's has run yet: what would be its own fault later is the server's or its settings' here.
pub fn classify_connect(error: &tokio_postgres::Error, moment: Moment) -> Class {
    let absent =
        phase(error) == Phase::Connect || error.code() == Some(&SqlState::PROTOCOL_VIOLATION);
    match (classify(error), moment) {
        (Class::Temporary, Moment::FirstConnect) if absent => Class::Server,
        (Class::Internal | Class::Data, _) => Class::Server,
        (class, _) => class,
    }
}

/// Whether the connection cannot be used any more, whatever the class says about trying again.
pub fn is_connection_lost(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(refusal) => {
            matches!(refusal.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
                || refusal.code().code().starts_with("08")
        }
        None => error.is_closed() || !matches!(phase(error), Phase::Authentication | Phase::Other),
    }
}

/// An error that says `what` failed, with the class and the cause that belong to `error`.
pub fn failed(what: impl Into<String>, error: tokio_postgres::Error) -> Error {
    let class = classify(&error);
    let failed = Error::new(class, what);
    let failed = match error.as_db_error().and_then(|refusal| advice(code_of(refusal))) {
        Some(advice) => failed.todo(advice),
        None if class == Class::Internal => {
            failed.todo("this is a bug in liteferry: please report it")
        }
        None => failed,
    };
    because(failed, error)
}

/// Adds the cause, in words that do not repeat themselves.
pub(super) fn because(failed: Error, error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(refusal) => failed.because(Refusal::from(refusal)),
        None => failed.because(error),
    }
}

/// Whether the server asked for a password and there was none to send.
pub(super) fn is_password_missing(error: &tokio_postgres::Error) -> bool {
    phase(error) == Phase::Authentication
        && error.source().is_some_and(|cause| cause.to_string() == "password missing")
}

/// What an administrator can do about it, where the code alone tells.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "42501" => "grant the role what it needs",
        "2BP01" => "drop what depends on it, then run again",
        "25006" => "connect to the primary: this server only reads (a standby, or by its settings)",
        DISK_FULL => "make room on the server's disk, then run again",
        "53200" => "give the server more memory or fewer connections, then run again",
        "53300" => "raise max_connections, or end connections that are not needed, then run again",
        _ => return None,
    })
}

const DISK_FULL: &str = "53100";

/// Where the server says that it cannot make a file longer. Only what the system calls a full disk has a code of its own;
/// a quota or a limit that is used up is an internal error to it.
const EXTENDING: [&str; 3] = ["mdextend", "mdzeroextend", "BufFileDumpBuffer"];

/// The code of a refusal, as it should be.
fn code_of(refusal: &DbError) -> &str {
    let extends = |routine| EXTENDING.contains(&routine);
    match refusal.code().code() {
        "XX000" if refusal.routine().is_some_and(extends) => DISK_FULL,
        code => code,
    }
}

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>), the exceptions before their class.
fn classify_code(code: &str) -> Class {
    match code {
        "25006" | "25P03" | "25P04" | "55006" | "55P03" | "58030" => Class::Temporary,
        "3D000" | "57P04" => Class::Server,
        // Somebody else's views or foreign keys.
        "2BP01" => Class::Undecided,
        // No key to refer to: the rows did not allow it.
        "40002" | "42830" => Class::Data,
        "42501" => Class::Access,
        _ => match code.get(..2) {
            Some("08" | "40" | "53" | "57") => Class::Temporary,
            Some("28") => Class::Access,
            Some("22" | "23" | "54") => Class::Data,
            _ => Class::Internal,
        },
    }
}

/// Where in a connection's life a failure lies that the server did not report itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connect,
    Tls,
    Authentication,
    Exchange,
    Garbled,
    Other,
}

/// tokio-postgres keeps the kind of an error to itself; its text is the only thing that tells.
fn phase(error: &tokio_postgres::Error) -> Phase {
    match error.to_string().as_str() {
        "error connecting to server" => Phase::Connect,
        "error performing TLS handshake" => Phase::Tls,
        "authentication error" | "invalid configuration" => Phase::Authentication,
        "error communicating with the server" | "timeout waiting for server" => Phase::Exchange,
        "error parsing response from server" | "unexpected message from server" => Phase::Garbled,
        _ => Phase::Other,
    }
}

/// The failure of the operating system or of the stream.
fn of_io(error: &tokio_postgres::Error) -> Option<&io::Error> {
    error.source().and_then(|cause| cause.downcast_ref())
}

/// The operating system refuses, not the server: the socket's folder, say.
fn is_forbidden(failure: &io::Error) -> bool {
    failure.kind() == io::ErrorKind::PermissionDenied && failure.raw_os_error().is_some()
}

/// The stream broke; nothing is wrong with what went over it.
fn is_broken(failure: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    matches!(
        failure.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof
    )
}

/// The failure of TLS, which may also come after the handshake: a TLS 1.3 server judges the client's certificate then.
fn of_tls(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    of_io(error).and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref())
}

/// Whether the server cannot or will not encrypt.
pub(super) fn is_tls_missing(error: &tokio_postgres::Error) -> bool {
    phase(error) == Phase::Tls
        && error.source().is_some_and(|cause| cause.to_string() == "server does not support TLS")
}

/// Whether a password would have gone over a channel that it is not bound to.
pub(super) fn is_unbound(error: &tokio_postgres::Error) -> bool {
    phase(error) == Phase::Authentication
        && error.source().is_some_and(|cause| cause.to_string().ends_with("channel binding"))
}

/// The certificate's fault, if it is one.
pub(super) fn of_certificate(error: &tokio_postgres::Error) -> Option<&rustls::CertificateError> {
    match of_tls(error) {
        Some(rustls::Error::InvalidCertificate(fault)) => Some(fault),
        _ => None,
    }
}

/// Whether the server does not accept the certificate by which liteferry shows who it is. A signature that does not
/// fit the authority's key is told as an error of decryption.
pub(super) fn is_identity_refused(error: &tokio_postgres::Error) -> bool {
    use rustls::AlertDescription as Alert;
    matches!(
        of_tls(error),
        Some(rustls::Error::AlertReceived(
            Alert::AccessDenied
                | Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRequired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::DecryptError
                | Alert::UnknownCA
                | Alert::UnsupportedCertificate
        ))
    )
}

/// The key that a server found in two rows when it made an index, in its words: what is left out elsewhere.
pub fn key_twice(error: &Error) -> Option<&str> {
    error.source()?.downcast_ref::<Refusal>()?.key.as_deref()
}

/// What the server said, where that is somewhere among the causes.
pub(super) fn refusal(error: &Error) -> Option<&Refusal> {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.find_map(|cause| cause.downcast_ref())
}

/// What the server said, without the rows that it quotes, and without control characters.
#[derive(Debug)]
pub(super) struct Refusal {
    text: String,
    /// Its SQLSTATE.
    pub(super) code: String,
    /// The constraint that it is about, or the index.
    pub(super) constraint: Option<String>,
    /// Its DETAIL where that is about a key.
    key: Option<String>,
}

impl From<&DbError> for Refusal {
    fn from(refusal: &DbError) -> Self {
        let code = refusal.code().code();
        let mut text = format!("{} {code}: {}", refusal.severity(), refusal.message());
        let quotes_rows = code.starts_with("22") || code.starts_with("23");
        let of_domain = || {
            refusal.datatype()?;
            // Of a COPY in binary form it says no value.
            let line = refusal.where_()?.lines().next()?.strip_prefix("COPY ")?;
            line.rsplit_once(", column ").map(|(_, column)| column)
        };
        let objects = [
            ("table", refusal.table()),
            ("column", refusal.column().or_else(of_domain)),
            ("constraint", refusal.constraint()),
            ("detail", refusal.detail().filter(|_| !quotes_rows)),
            ("hint", refusal.hint()),
        ];
        for (name, value) in objects {
            let Some(value) = value.filter(|value| !refusal.message().contains(value)) else {
                continue;
            };
            text.extend(["; ", name, ": ", value]);
        }
        let of_key = ["23505", "23P01"].contains(&code);
        let key = refusal.detail().filter(|_| of_key).map(printable);
        let constraint = refusal.constraint().map(printable);
        Self { text: printable(&text), code: code.into(), constraint, key }
    }
}

fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => printable.push(' '),
            character if character.is_control() => printable.extend(character.escape_unicode()),
            character => printable.push(character),
        }
    }
    printable
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Refusal {}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::future::Future;

    use tokio::io::AsyncWriteExt as _;
    use tokio_postgres::{Config, NoTls};

    use super::{
        Moment, classify, classify_connect, failed, is_connection_lost, is_password_missing,
        key_twice,
    };
    use crate::error::Class;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(future)
    }

    /// The error of a login to which a server answers with these bytes and then hangs up.
    fn answered(bytes: &[u8]) -> tokio_postgres::Error {
        wait(async {
            let (near, mut far) = tokio::io::duplex(4096);
            far.write_all(bytes).await.unwrap();
            far.shutdown().await.unwrap();
            Config::new().user("u").connect_raw(near, NoTls).await.err().unwrap()
        })
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    fn refused(severity: &str, code: &str, more: &[(char, &str)]) -> tokio_postgres::Error {
        let mut body = Vec::new();
        let fields = [('S', severity), ('V', severity), ('C', code)];
        for (field, value) in fields.iter().chain(more) {
            body.extend(format!("{field}{value}\0").bytes());
        }
        body.push(0);
        answered(&message(b'E', &body))
    }

    fn code(code: &str) -> Class {
        classify(&refused("ERROR", code, &[('M', "no")]))
    }

    #[test]
    fn what_the_server_reports_has_the_class_of_its_code() {
        let classes = [
            (Class::Access, ["28P01", "28000", "42501"].as_slice()),
            (Class::Server, &["3D000"]),
            (Class::Data, &["22P02", "22021", "23505", "23514", "54000"]),
            (Class::Internal, &["42P01", "42601", "0A000", "XX000"]),
            (
                Class::Temporary,
                &[
                    "57P01", "57P02", "57P03", "57014", "08006", "53300", "53100", "53200",
                    "40001", "40P01", "55P03", "58030",
                ],
            ),
        ];
        for (class, codes) in classes {
            for sqlstate in codes {
                assert_eq!(code(sqlstate), class, "{sqlstate}");
            }
        }
    }

    #[test]
    fn a_quota_that_is_used_up_is_a_full_disk() {
        let by = |routine| refused("ERROR", "XX000", &[('M', "File too large"), ('R', routine)]);
        for routine in ["mdextend", "mdzeroextend"] {
            assert_eq!(classify(&by(routine)), Class::Temporary);
            assert!(failed("cannot load", by(routine)).advice().unwrap().contains("disk"));
        }
        assert_eq!(classify(&by("ExecEvalStepOp")), Class::Internal);
    }

    #[test]
    fn an_absent_server_is_the_users_matter_at_first_and_a_passing_one_later() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Config::new().host_path(folder.path()).user("u").clone();
        let no_socket = wait(gone.connect(NoTls)).err().unwrap();
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let closed = Config::new().host("127.0.0.1").port(unused.port()).user("u").clone();
        let refused = wait(closed.connect(NoTls)).err().unwrap();
        for error in [no_socket, refused] {
            assert_eq!(classify_connect(&error, Moment::FirstConnect), Class::Server);
            assert_eq!(classify_connect(&error, Moment::Reconnect), Class::Temporary);
            assert!(is_connection_lost(&error));
        }
    }

    #[test]
    fn a_starting_server_is_a_passing_fault_from_the_first() {
        let starting = refused("FATAL", "57P03", &[('M', "the database system is starting up")]);
        assert_eq!(classify_connect(&starting, Moment::FirstConnect), Class::Temporary);
    }

    #[test]
    fn a_login_that_is_refused_for_its_settings_is_no_bug_and_is_not_tried_again() {
        for code in ["42704", "22023", "08P01"] {
            let error = refused("FATAL", code, &[('M', "unrecognized configuration parameter")]);
            assert_eq!(classify_connect(&error, Moment::FirstConnect), Class::Server, "{code}");
        }
    }

    #[test]
    fn a_connection_that_ends_is_lost_and_a_passing_fault() {
        let ended = answered(b"");
        assert_eq!(classify(&ended), Class::Temporary);
        assert!(is_connection_lost(&ended));
        assert!(is_connection_lost(&refused("FATAL", "57P01", &[('M', "no")])));
        assert!(!is_connection_lost(&refused("ERROR", "40001", &[('M', "no")])));
    }

    #[test]
    fn a_missing_password_is_told_from_other_failures_and_is_a_matter_of_access() {
        let asked = answered(&message(b'R', &3_u32.to_be_bytes()));
        assert!(is_password_missing(&asked));
        assert_eq!(classify(&asked), Class::Access);
        assert!(!is_password_missing(&answered(b"")));
    }

    #[test]
    fn the_servers_words_are_the_cause_and_are_not_repeated() {
        let hint = ('H', "Close one.");
        let error = refused("FATAL", "53300", &[('M', "too many"), ('D', "too many"), hint]);
        let error = failed("cannot load", error);
        assert_eq!(error.to_string(), "cannot load");
        assert_eq!(error.class(), Class::Temporary);
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "FATAL 53300: too many; hint: Close one.");
        assert!(cause.source().is_none());
    }

    #[test]
    fn rows_that_the_server_quotes_are_left_out_and_control_characters_are_shown() {
        let quoted = [
            ('M', "duplicate\x1b[2Jkey"),
            ('D', "Key (card)=(4111) already exists."),
            ('W', "COPY t, line 1: 4111"),
            ('t', "cards"),
            ('n', "cards_pkey"),
        ];
        let error = failed("cannot load", refused("ERROR", "23505", &quoted));
        let cause = error.source().unwrap().to_string();
        assert_eq!(
            cause,
            "ERROR 23505: duplicate\\u{1b}[2Jkey; table: cards; constraint: cards_pkey"
        );
        assert_eq!(key_twice(&error), Some("Key (card)=(4111) already exists."));
    }
}
