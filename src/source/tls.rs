//! TLS: which certificates to trust, and what to say where a handshake fails.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig,
    client::Resumption,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};
use tokio_rustls::TlsConnector;

use super::file;

mod handshake;
mod verifier;

pub(super) use handshake::HandshakeError;
use verifier::{Trusted, Verifier};

/// Largest file with certificates, in bytes: those of a whole system are a quarter of it.
const MAX_FILE: u64 = 1024 * 1024;

/// The file with the certificates to trust instead of the system's.
#[derive(Clone, Debug)]
pub struct CaFile {
    /// The configuration key that names it.
    pub key: &'static str,
    /// None if the system's are trusted.
    pub path: Option<PathBuf>,
}

/// Why TLS cannot be set up.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsError {
    /// The configured file has no usable certificates.
    #[error("{key}: no usable certificate: {reason}")]
    CaFile {
        /// The configuration key that names it.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The system has no usable root certificates.
    #[error("the system has no usable root certificates")]
    SystemRoots,
    /// The TLS library supports none of the default protocol versions.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// A connector that trusts the certificates in `ca_file` or, without one, the system's.
pub(super) fn connector(ca_file: &CaFile) -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusted = match &ca_file.path {
        Some(path) => {
            on_file(path).map_err(|reason| TlsError::CaFile { key: ca_file.key, reason })?
        }
        None => of_the_system()?,
    };
    let verifier = Verifier::new(trusted, &provider).map_err(TlsError::Setup)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A resumed session shows no certificate, so whoever has the server's old tickets would pass.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates of a file: servers' own, and authorities'.
fn on_file(path: &Path) -> Result<Trusted, String> {
    let mut trusted = Trusted::nobody();
    let pem = file::read(path, MAX_FILE).map_err(|error| error.to_string())?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| damaged(&error))?;
        let added = trusted.add(certificate);
        added.map_err(|error| format!("one of them cannot be read ({error})"))?;
    }
    if trusted.authorities.is_empty() {
        return Err("expected PEM, with a line BEGIN CERTIFICATE".to_owned());
    }
    Ok(trusted)
}

fn damaged(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "the last one is cut off".to_owned(),
        _ => "expected PEM".to_owned(),
    }
}

fn of_the_system() -> Result<Trusted, TlsError> {
    let mut trusted = Trusted::nobody();
    let certificates = rustls_native_certs::load_native_certs().certs;
    trusted.authorities.add_parsable_certificates(certificates);
    if trusted.authorities.is_empty() { Err(TlsError::SystemRoots) } else { Ok(trusted) }
}
