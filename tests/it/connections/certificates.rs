//! Certificate authorities of the tests, and what they sign.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

/// One who signs certificates.
pub(super) struct Authority {
    /// Its own certificate.
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both as PEM.
pub(super) struct Papers {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    /// A new one: two of the same name do not trust each other.
    pub(super) fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Papers of a server that is reached by these names and addresses.
    pub(super) fn server(&self, hosts: &[&str]) -> Papers {
        self.sign(&named("server", hosts))
    }

    /// The same, but of long ago.
    pub(super) fn expired_server(&self, hosts: &[&str]) -> Papers {
        let mut params = named("server", hosts);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(&params)
    }

    /// Papers of a role.
    pub(super) fn role(&self, name: &str) -> Papers {
        self.sign(&named(name, &[]))
    }

    fn sign(&self, params: &CertificateParams) -> Papers {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Papers { certificate, key: key.serialize_pem() }
    }
}

fn named(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
