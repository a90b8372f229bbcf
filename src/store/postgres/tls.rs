//! Encryption: what is asked of the server's certificate, decided from libpq's parameters, and the connector that
//! asks it, with rustls.
//!
//! The rule of the house: over a network the default is `verify-full`, and `prefer` and `allow`, which anyone on the
//! way can turn into plain text, are refused. On loopback the default is `prefer`; a Unix socket is never encrypted.
//! As in libpq, `require` with a root certificate checks the chain as `verify-ca` does, and without one it encrypts
//! without knowing to whom. A handshake that fails is never followed by plain text.

use std::error::Error as StdError;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::Parameters;
use crate::error::{Class, Error, Result};

/// How encryption is used, by libpq's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Plain text.
    Disable,
    /// Encrypted if the server can; for loopback only.
    Prefer,
    /// Encrypted; the chain is checked if there is a root certificate.
    Require,
    /// Encrypted, and the certificate comes from a root that is trusted.
    VerifyCa,
    /// As `VerifyCa`, and it is made out to the host that was asked for.
    VerifyFull,
}

impl SslMode {
    /// The word in a connection string.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// Those in this PEM file; a server's own certificate may stand there too.
    File(PathBuf),
    /// Those of the operating system.
    System,
}

/// The certificate and key by which liteferry shows who it is: two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, with its intermediates after it.
    pub certificate: PathBuf,
    /// Its private key, not encrypted, which others may not read.
    pub key: PathBuf,
}

/// Encryption, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// How it is used.
    pub mode: SslMode,
    /// Who is trusted; none when nothing is checked.
    pub roots: Option<Roots>,
    /// Who liteferry is, if the server is to know it by a certificate.
    pub identity: Option<Identity>,
}

/// How far away the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A Unix socket.
    Socket,
    /// This machine, over TCP.
    Loopback,
    /// Anything else.
    Network,
}

impl Tls {
    /// Decides from what was given and from the files in `~/.postgresql`.
    ///
    /// Errors are of [`Class::Usage`]: a mode that the reach forbids, or a check with nothing to check against.
    pub(super) fn decide(given: &Parameters, reach: Reach, home: Option<&Path>) -> Result<Self> {
        let words = [
            ("disable", Some(SslMode::Disable)),
            ("allow", None),
            ("prefer", Some(SslMode::Prefer)),
            ("require", Some(SslMode::Require)),
            ("verify-ca", Some(SslMode::VerifyCa)),
            ("verify-full", Some(SslMode::VerifyFull)),
        ];
        let written = given.choice("sslmode", &words)?;
        let system = given.get("sslrootcert") == Some("system");
        let mode = match (reach, written) {
            (Reach::Socket, _) => SslMode::Disable,
            (Reach::Network, Some(None | Some(SslMode::Prefer))) => {
                return Err(weak(given, "can be turned into plain text on the way"));
            }
            (Reach::Loopback, Some(None)) => return Err(weak(given, "begins in plain text")),
            (_, Some(Some(mode))) => mode,
            (Reach::Loopback, None) if !system => SslMode::Prefer,
            (_, None) => SslMode::VerifyFull,
        };
        if mode == SslMode::Disable {
            return Ok(Self { mode, roots: None, identity: None });
        }
        if system && mode != SslMode::VerifyFull {
            let why = "trusts every public authority: only the host's name tells servers apart";
            return Err(given.invalid("sslrootcert=system", why).todo("write sslmode=verify-full"));
        }
        let folder = home.map(|home| home.join(".postgresql"));
        let folder = folder.as_deref();
        let roots = decide_roots(given, mode, folder)?;
        Ok(Self { mode, roots, identity: decide_identity(given, folder)? })
    }
}

fn weak(given: &Parameters, why: &str) -> Error {
    given.invalid("sslmode", why).todo(
        "write sslmode=verify-full (or verify-ca, require); \
         sslmode=prefer on loopback; sslmode=disable where the network itself is trusted",
    )
}

fn decide_roots(given: &Parameters, mode: SslMode, folder: Option<&Path>) -> Result<Option<Roots>> {
    if let Some(written) = given.get("sslrootcert") {
        let system = written == "system";
        return Ok(Some(if system { Roots::System } else { Roots::File(written.into()) }));
    }
    let file = folder.map(|folder| folder.join("root.crt")).filter(|file| file.exists());
    match (mode, file) {
        (SslMode::Disable | SslMode::Prefer, _) | (SslMode::Require, None) => Ok(None),
        (_, Some(file)) => Ok(Some(Roots::File(file))),
        (SslMode::VerifyFull, None) => Ok(Some(Roots::System)),
        (SslMode::VerifyCa, None) => Err(given
            .invalid("sslmode=verify-ca", "needs the certificate of the authority that is trusted")
            .todo("write sslrootcert=FILE, or put it in ~/.postgresql/root.crt")),
    }
}

fn decide_identity(given: &Parameters, folder: Option<&Path>) -> Result<Option<Identity>> {
    let usual = |name: &str| folder.map(|folder| folder.join(name));
    let found = || usual("postgresql.crt").filter(|file| file.exists());
    let Some(certificate) = given.path("sslcert").or_else(found) else { return Ok(None) };
    let key = given.path("sslkey").or_else(|| usual("postgresql.key"));
    let key = key.ok_or_else(|| {
        given.invalid("sslcert", "has no key with it").todo("write sslkey=FILE too")
    })?;
    Ok(Some(Identity { certificate, key }))
}

/// Builds the connector. Certificates or keys that cannot be read or used are errors of [`Class::Access`].
pub(super) fn connector(tls: &Tls) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Verifier::new(tls, &provider)?);
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("cannot set TLS up").because(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &tls.identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let certificates = read_certificates(&identity.certificate)?;
            let key = read_key(&identity.key)?;
            config
                .with_client_auth_cert(certificates, key)
                .map_err(|error| unusable(&identity.certificate, error))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(file, error))?;
    if certificates.is_empty() {
        return Err(unusable(file, "it holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// As in libpq, a key that others may read is refused; one that root owns may be read by its group.
fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let metadata = std::fs::metadata(file).map_err(|error| unusable(file, error))?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & forbidden != 0 {
        let why = format!("others have access to the key (mode {mode:04o})");
        return Err(unusable(file, why).todo(format!("chmod 0600 {}", file.display())));
    }
    PrivateKeyDer::from_pem_file(file).map_err(|error| {
        unusable(file, error).todo("give the key in PEM form and without a passphrase")
    })
}

fn unusable(file: &Path, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(Class::Access, format!("cannot use {} for TLS", file.display())).because(cause)
}

/// What is asked of the server's certificate. That the server holds its key is checked in every case, so that channel
/// binding means something even where the certificate itself is not checked.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trusted: Option<Trusted>,
    name: bool,
}

#[derive(Debug)]
struct Trusted {
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let certificates = match &tls.roots {
            None => None,
            Some(Roots::File(file)) => Some(read_certificates(file)?),
            Some(Roots::System) => Some(system_certificates()?),
        };
        let trusted = certificates.map(|certificates| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates.iter().cloned());
            Trusted { roots, certificates }
        });
        if tls.roots.is_some() && trusted.as_ref().is_none_or(|trusted| trusted.roots.is_empty()) {
            return Err(Error::new(Class::Access, "no trusted certificate can be understood")
                .todo("give the authority's certificate with sslrootcert=FILE"));
        }
        let name = tls.mode == SslMode::VerifyFull;
        Ok(Self { provider: Arc::clone(provider), trusted, name })
    }
}

fn system_certificates() -> Result<Vec<CertificateDer<'static>>> {
    let mut found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let error = Error::new(Class::Access, "the operating system trusts no authority")
            .todo("install ca-certificates, or write sslrootcert=FILE");
        return Err(match found.errors.pop() {
            Some(cause) => error.because(cause),
            None => error,
        });
    }
    Ok(found.certs)
}

impl Trusted {
    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), rustls::Error> {
        let algorithms = provider.signature_verification_algorithms.all;
        let chain = verify_server_cert_signed_by_trust_anchor(
            parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        );
        chain.or_else(|error| {
            let itself = self.certificates.contains(certificate) && is_own_authority(&error);
            if itself { Ok(()) } else { Err(error) }
        })
    }
}

/// Whether all that is wrong is that a server shows a self-signed certificate that may also sign others, as
/// `openssl req -x509` makes them. webpki says so only after it has checked the dates.
fn is_own_authority(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other))
        if other.0.to_string() == "CaUsedAsEndEntity")
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trusted) = &self.trusted {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            trusted.verify(end_entity, &parsed, intermediates, now, &self.provider)?;
            if self.name {
                verify_server_name(&parsed, server_name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::sync::Arc;

    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
    };
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::{Identity, Roots, SslMode, Tls, Verifier, connector};
    use crate::error::Class;

    fn authority() -> (String, Issuer<'static, KeyPair>) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), Issuer::new(params, key))
    }

    fn signed(names: &[&str], by: &Issuer<'static, KeyPair>) -> CertificateDer<'static> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).unwrap();
        params.signed_by(&KeyPair::generate().unwrap(), by).unwrap().into()
    }

    /// What `openssl req -x509` makes: self-signed, and marked as an authority.
    fn own_authority(until: i32) -> (String, CertificateDer<'static>) {
        let mut params = CertificateParams::new(["db.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "db.test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        (certificate.pem(), certificate.into())
    }

    /// Whether a server with this certificate is accepted under `host`; the error's text if not.
    fn accepted(
        mode: SslMode,
        roots: Option<&str>,
        certificate: &CertificateDer<'_>,
        host: &str,
    ) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), roots.unwrap_or_default()).unwrap();
        let roots = roots.map(|_| Roots::File(file.path().into()));
        let tls = Tls { mode, roots, identity: None };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(&tls, &provider).unwrap();
        let host = ServerName::try_from(host).unwrap();
        let verified = verifier.verify_server_cert(certificate, &[], &host, &[], UnixTime::now());
        verified.map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn verify_full_wants_the_authority_and_the_name() {
        let (root, issuer) = authority();
        let server = signed(&["db.test", "10.0.0.1"], &issuer);
        let full = |root: &str, host| accepted(SslMode::VerifyFull, Some(root), &server, host);
        assert_eq!(full(&root, "db.test"), Ok(()));
        assert_eq!(full(&root, "10.0.0.1"), Ok(()));
        for other in ["other.test", "10.0.0.2"] {
            assert!(full(&root, other).unwrap_err().contains("not valid for name"), "{other}");
        }
        let namesake = full(&authority().0, "db.test");
        assert!(namesake.unwrap_err().contains("BadSignature"));
        let stranger = full(&own_authority(2999).0, "db.test");
        assert!(stranger.unwrap_err().contains("UnknownIssuer"));
    }

    #[test]
    fn verify_ca_and_require_with_a_root_want_the_authority_only() {
        let (root, issuer) = authority();
        let server = signed(&["db.test"], &issuer);
        for mode in [SslMode::VerifyCa, SslMode::Require] {
            assert_eq!(accepted(mode, Some(&root), &server, "other.test"), Ok(()));
            let namesake = accepted(mode, Some(&authority().0), &server, "db.test");
            assert!(namesake.unwrap_err().contains("BadSignature"));
        }
        assert_eq!(accepted(SslMode::Require, None, &server, "other.test"), Ok(()));
    }

    #[test]
    fn a_certificate_that_signed_itself_is_its_own_root_for_its_name_and_its_time() {
        let (root, server) = own_authority(2999);
        assert_eq!(accepted(SslMode::VerifyFull, Some(&root), &server, "db.test"), Ok(()));
        assert!(accepted(SslMode::VerifyFull, Some(&root), &server, "other.test").is_err());
        let (_, twin) = own_authority(2999);
        assert!(accepted(SslMode::VerifyCa, Some(&root), &twin, "db.test").is_err());
        let (root, expired) = own_authority(2001);
        let refused = accepted(SslMode::VerifyCa, Some(&root), &expired, "db.test");
        assert!(refused.unwrap_err().contains("expired"));
    }

    #[test]
    fn files_that_cannot_be_used_are_a_matter_of_access() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            file
        };
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        let certificate = write("certificate", &certificate, 0o644);
        let with = |key: &Path, roots: Option<&Path>| {
            let identity = Identity { certificate: certificate.clone(), key: key.into() };
            let roots = roots.map(|file| Roots::File(file.into()));
            connector(&Tls { mode: SslMode::Require, roots, identity: Some(identity) })
        };
        let closed = write("closed", &key.serialize_pem(), 0o600);
        assert!(with(&closed, Some(&certificate)).is_ok());
        let open = write("open", &key.serialize_pem(), 0o644);
        let other = write("other", &KeyPair::generate().unwrap().serialize_pem(), 0o600);
        let missing = folder.path().join("missing");
        for (key, roots) in [
            (&open, None),
            (&other, None),
            (&certificate, None),
            (&missing, None),
            (&closed, Some(missing.as_path())),
            (&closed, Some(closed.as_path())),
        ] {
            let error = with(key, roots).err().unwrap();
            assert_eq!(error.class(), Class::Access, "{error}");
        }
    }
}
