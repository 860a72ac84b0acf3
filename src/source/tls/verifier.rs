//! Whether a server is the one that is meant.

use std::sync::{Arc, Once};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
};
use webpki::{RawPublicKeyEntity, anchor_from_trusted_cert, spki_for_anchor};

/// The certificates to trust.
#[derive(Debug)]
pub(super) struct Trusted {
    /// Each is trusted where a server shows exactly it, and has its key.
    pinned: Vec<Pinned>,
    /// What they sign is trusted for the names in it, while it is valid.
    pub(super) authorities: RootCertStore,
}

#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    key: SubjectPublicKeyInfoDer<'static>,
}

impl Trusted {
    pub(super) fn nobody() -> Self {
        Self { pinned: Vec::new(), authorities: RootCertStore::empty() }
    }

    /// Adds a certificate, whether it is a server's own or an authority's.
    pub(super) fn add(
        &mut self,
        certificate: CertificateDer<'static>,
    ) -> Result<(), webpki::Error> {
        let authority = anchor_from_trusted_cert(&certificate)?.to_owned();
        let key = spki_for_anchor(&authority);
        self.authorities.roots.push(authority);
        self.pinned.push(Pinned { certificate, key });
        Ok(())
    }
}

/// Trusts a pinned certificate whatever it says: at home most are self-signed, for a name that
/// nobody uses, and some have a form that webpki cannot even read. Leaves all others to webpki.
///
/// That a server has the key of its certificate is always verified: whoever connects sees the
/// certificate, and could show it too.
#[derive(Debug)]
pub(super) struct Verifier {
    pinned: Vec<Pinned>,
    webpki: Arc<WebPkiServerVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trusted: Trusted, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let Trusted { pinned, authorities } = trusted;
        let webpki = WebPkiServerVerifier::builder_with_provider(
            Arc::new(authorities),
            Arc::clone(provider),
        )
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { pinned, webpki, algorithms: provider.signature_verification_algorithms })
    }

    /// The key of a certificate, if that is pinned.
    fn pinned_key(&self, shown: &CertificateDer<'_>) -> Option<&SubjectPublicKeyInfoDer<'static>> {
        self.pinned.iter().find(|pinned| pinned.certificate == *shown).map(|pinned| &pinned.key)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        static SAID: Once = Once::new();
        if self.pinned_key(end_entity).is_none() {
            let verified = self.webpki.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
            return verified.map_err(|error| match error {
                // An authority of that name is known, but it has another key.
                Error::InvalidCertificate(CertificateError::BadSignature) => {
                    CertificateError::UnknownIssuer.into()
                }
                error => error,
            });
        }
        SAID.call_once(|| {
            tracing::info!(
                "the server shows a certificate of the configured file itself: it is trusted, \
                 whatever its names and dates"
            );
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.pinned_key(certificate) {
            Some(key) => {
                verify_tls12_signature_with_raw_key(message, key, signature, self.algorithms)
            }
            None => self.webpki.verify_tls12_signature(message, certificate, signature),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.pinned_key(certificate) {
            Some(key) => {
                verify_tls13_signature_with_raw_key(message, key, signature, &self.algorithms)
            }
            None => self.webpki.verify_tls13_signature(message, certificate, signature),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// As rustls does it for TLS 1.3. In TLS 1.2, one scheme stands for several algorithms.
fn verify_tls12_signature_with_raw_key(
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
    let (_, candidates) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == signature.scheme)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let fits = |algorithm: &&_| key.verify_signature(*algorithm, message, signature.signature());
    if candidates.iter().any(|algorithm| fits(algorithm).is_ok()) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}
