//! The server's certificate: one that the user gives, or one that it makes for
//! itself to be tried with.

use super::options::{Certificate, ServerError};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};

/// What accepts connections over TLS; both versions of HTTP are offered.
pub(super) fn acceptor(certificate: &Certificate) -> Result<TlsAcceptor, ServerError> {
    let wrong = |path: &Path, flag, reason: String| ServerError::Certificate { path: path.to_owned(), flag, reason };
    let Certificate { chain, key } = certificate;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| wrong(chain, "--tls-cert", error.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, "--tls-key", error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions of TLS")
        .with_no_client_auth();
    let mut config = builder
        .with_single_cert(certificates, private)
        .map_err(|error| wrong(chain, "--tls-cert, --tls-key", error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A certificate of its own for this machine and a host, in two files beside a
/// database; those that are there are used again, so that a server that is
/// started anew is the same one.
///
/// # Errors
/// [`ServerError`] where they cannot be made.
pub fn self_signed(db: &Path, host: &str) -> Result<Certificate, ServerError> {
    let beside = |ending: &str| {
        let mut name = db.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let certificate = Certificate { chain: beside(".cert.pem"), key: beside(".key.pem") };
    if certificate.chain.exists() && certificate.key.exists() {
        return Ok(certificate);
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !names.iter().any(|name| name == host) {
        names.push(host.to_owned());
    }
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| ServerError::Certificate {
        path: certificate.chain.clone(),
        flag: "--tls, --host",
        reason: error.to_string(),
    })?;
    write(&certificate.key, &made.signing_key.serialize_pem())?;
    write(&certificate.chain, &made.cert.pem())?;
    Ok(certificate)
}

fn write(path: &Path, text: &str) -> Result<(), ServerError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|source| ServerError::File {
        path: path.to_owned(),
        flag: "--tls",
        source,
    })
}

/// For a client that only ever speaks plain HTTP.
pub(super) fn no_tls() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions of TLS")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}
