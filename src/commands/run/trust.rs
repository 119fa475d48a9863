//! Whose certificates are believed.

use crate::cli::ReachArgs;
use crate::engine::Trust;
use anyhow::{Context, bail};
use std::path::Path;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Reads the authorities that the user names. Every error is the user's to mend.
pub fn trust(reach: &ReachArgs, own: Option<&Path>) -> anyhow::Result<Trust> {
    let mut authorities = Vec::new();
    for file in reach.ca.iter().map(|file| file.as_path()).chain(own) {
        authorities.extend(certificates(file).with_context(|| format!("--ca {}", file.display()))?);
    }
    Ok(Trust::new(authorities, reach.insecure))
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.context("no PEM file of certificates")?;
    if certificates.is_empty() {
        bail!("there is no certificate in it");
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).context("a certificate in it is broken")?;
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let reach = ReachArgs { ca: vec![file.clone()], ..ReachArgs::default() };
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, reason) in
            [(None, "No such file"), (Some("hello"), "no certificate in it"), (Some(broken), "is broken")]
        {
            text.iter().for_each(|text| std::fs::write(&file, text).unwrap());
            let error = format!("{:#}", trust(&reach, None).unwrap_err());
            assert!(error.starts_with("--ca ") && error.contains(reason), "{error}");
        }
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&file, key.cert.pem()).unwrap();
        assert!(!trust(&reach, None).unwrap().is_insecure());
    }
}
