//! Why a TLS handshake fails, in words for people.

use std::io;

use chrono::{DateTime, NaiveDate};
use rustls::{AlertDescription, CertificateError, Error, pki_types::UnixTime};

use crate::text::excerpt;

/// In place of the configuration key that names the file of certificates.
const CA_FILE: &str = "CA_FILE";

const PIN: &str = "put it into CA_FILE to trust exactly it";

/// Why there is no TLS with a server. The text stays the same as long as the fault does, so that it
/// is logged only once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error(
        "its certificate is signed by an unknown authority; put that authority's certificate, or \
         the server's own, into {CA_FILE}"
    )]
    Authority,
    #[error("its certificate is self-signed; {PIN}")]
    SelfSigned,
    #[error("its certificate names {names}, not {host}; {PIN}")]
    Name { names: String, host: String },
    #[error("a certificate that it shows expired on {0}; renew it, or {PIN}")]
    Expired(NaiveDate),
    #[error("its certificate is valid only from {0} on; is the clock of this machine right?")]
    NotYetValid(NaiveDate),
    #[error(
        "it cannot prove that it has the key of its certificate (an RSA key needs 2048 bits or more)"
    )]
    Key,
    #[error("its certificate has an old form (X.509 version 1); {PIN}")]
    OldForm,
    #[error("its certificate is refused ({0}); {PIN}")]
    Certificate(String),
    #[error("it does not speak TLS; should the address begin with http://?")]
    NotTls,
    #[error(
        "it shares no method with this program: TLS 1.2 or 1.3, with a key of RSA, P-256, P-384 or \
         Ed25519"
    )]
    NothingInCommon,
    #[error(transparent)]
    Other(Error),
}

impl HandshakeError {
    /// The same in words. `ca_file` is the configuration key that names the file of certificates.
    pub(crate) fn explain(&self, ca_file: &str) -> String {
        self.to_string().replacen(CA_FILE, ca_file, 1)
    }

    /// What TLS says of a failed connection, if it was TLS that failed.
    pub(crate) fn of(failure: &io::Error) -> Option<Self> {
        let error = failure.get_ref()?.downcast_ref::<Error>()?;
        Some(match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::InvalidMessage(_) => Self::NotTls,
            Error::AlertReceived(AlertDescription::HandshakeFailure) => Self::NothingInCommon,
            error => Self::Other(error.clone()),
        })
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::Authority,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(day(*not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(day(*not_before))
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                Self::Name { names: names(presented), host: expected.to_str().into_owned() }
            }
            CertificateError::BadSignature => Self::Key,
            CertificateError::Other(error) => match error.0.downcast_ref() {
                // An authority's certificate as a server's own: `openssl req -x509` makes such.
                Some(webpki::Error::CaUsedAsEndEntity) => Self::SelfSigned,
                Some(webpki::Error::UnsupportedCertVersion) => Self::OldForm,
                _ => Self::Certificate(error.0.to_string()),
            },
            error => Self::Certificate(error.to_string()),
        }
    }
}

fn day(time: UnixTime) -> NaiveDate {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC).date_naive()
}

/// The first few of the names in a certificate, which webpki lists as `DnsName("openhab")`.
fn names(presented: &[String]) -> String {
    const MAX: usize = 3;
    let name = |shown: &String| {
        let name = shown.split_once('(').map_or(shown.as_str(), |(_, name)| name);
        excerpt(name.trim_end_matches(')').trim_matches('"'))
    };
    let names: Vec<_> = presented.iter().take(MAX).map(name).collect();
    match (names.is_empty(), presented.len() > MAX) {
        (true, _) => "nobody".to_owned(),
        (false, true) => format!("{}, …", names.join(", ")),
        (false, false) => names.join(", "),
    }
}
