//! TLS: which certificates to trust, and what to say where a handshake fails.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_rustls::TlsConnector;

mod handshake;
mod verifier;

pub(super) use handshake::HandshakeError;
use verifier::{Trusted, Verifier};

/// Largest file with certificates, in bytes: those of a whole system are a quarter of it.
const MAX_FILE: u64 = 1024 * 1024;

/// Why TLS cannot be set up.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsError {
    /// The configured file has no usable certificates.
    #[error("{}: no usable certificate: {reason}", path.display())]
    CaFile {
        /// Path of the file.
        path: PathBuf,
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
pub(super) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusted = match ca_file {
        Some(path) => on_file(path)?,
        None => of_the_system()?,
    };
    let verifier = Verifier::new(trusted, &provider).map_err(TlsError::Setup)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates of a file: servers' own, and authorities'.
fn on_file(path: &Path) -> Result<Trusted, TlsError> {
    let unusable = |reason: String| TlsError::CaFile { path: path.to_owned(), reason };
    let mut trusted = Trusted::nobody();
    let pem = read(path).map_err(|error| unusable(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        trusted.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if trusted.authorities.is_empty() {
        return Err(unusable("expected PEM, with a line BEGIN CERTIFICATE".to_owned()));
    }
    Ok(trusted)
}

/// Reads no more than a file of certificates may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut pem = Vec::new();
    File::open(path)?.take(MAX_FILE.saturating_add(1)).read_to_end(&mut pem)?;
    if pem.len() as u64 > MAX_FILE {
        let message = format!("larger than {MAX_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(pem)
}

fn of_the_system() -> Result<Trusted, TlsError> {
    let mut trusted = Trusted::nobody();
    let certificates = rustls_native_certs::load_native_certs().certs;
    trusted.authorities.add_parsable_certificates(certificates);
    if trusted.authorities.is_empty() { Err(TlsError::SystemRoots) } else { Ok(trusted) }
}
