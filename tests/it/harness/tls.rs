//! A TLS proxy before the server, and the certificates it shows.

use std::{
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{copy, split},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    net::{anywhere, listen},
    task::Task,
};

/// What a server shows, and what it has to prove that by.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    shown: CertifiedKey,
    pub(crate) pem: String,
}

impl Identity {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let der = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let chain = vec![certificate.der().clone()];
        let shown = CertifiedKey::new(chain, any_supported_type(&der).unwrap());
        Self { shown, pem: certificate.pem() }
    }

    /// As `openssl req -x509` makes it: that of an authority, and without a name that counts.
    pub(crate) fn self_signed() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self::new(&params.self_signed(&key).unwrap(), &key)
    }

    /// As OpenSSL makes it of a request without extensions, in X.509 version 1.
    pub(crate) fn version_1() -> Self {
        let pem = include_str!("../../fixtures/tls/version-1.pem");
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
        let shown = CertifiedKey::new(chain, any_supported_type(&key).unwrap());
        Self { shown, pem: pem.to_owned() }
    }

    /// Someone who has seen the certificate, and has a key of their own.
    pub(crate) fn impostor(&self) -> Self {
        let key = Self::self_signed().shown.key;
        Self { shown: CertifiedKey::new(self.shown.cert.clone(), key), pem: self.pem.clone() }
    }
}

/// A certificate authority of one's own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A server of these names.
    pub(crate) fn certify(&self, names: &[&str]) -> Identity {
        self.certify_for(2000..4000, names)
    }

    /// A server of these names, for so many years.
    pub(crate) fn certify_for(&self, years: Range<i32>, names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        Identity::new(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

/// What the server shows at the moment.
#[derive(Debug)]
struct Shown(Mutex<Identity>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::new(self.0.lock().unwrap().shown.clone()))
    }
}

/// A TLS proxy, as nginx before the server. Where the server behind it closes a connection, so does the
/// proxy, without the farewell of TLS.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// Handshakes that succeeded, and that did not.
    pub(crate) handshakes: watch::Receiver<(usize, usize)>,
    shown: Arc<Shown>,
    restarts: watch::Sender<()>,
    _task: Task,
}

impl Front {
    pub(crate) fn start(identity: Identity, behind: SocketAddr) -> Self {
        Self::speaking(rustls::ALL_VERSIONS, identity, behind)
    }

    /// One that speaks only these versions of TLS.
    pub(crate) fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        identity: Identity,
        behind: SocketAddr,
    ) -> Self {
        let shown = Arc::new(Shown(Mutex::new(identity)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as _);
        // Nobody goes on with an earlier session, without a look at the certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = listen(anywhere());
        let address = listener.local_addr().unwrap();
        let (count, handshakes) = watch::channel((0, 0));
        let restarts = watch::Sender::new(());
        let restarted = restarts.clone();
        let task = Task::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut restarted = restarted.subscribe();
                let (acceptor, count) = (acceptor.clone(), count.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = forward(stream, acceptor, count, behind) => {}
                        _ = restarted.changed() => {}
                    }
                });
            }
        });
        Self { address, handshakes, shown, restarts, _task: task }
    }

    /// Shows another certificate from now on. Those who are connected are cut off.
    pub(crate) fn show(&self, identity: Identity) {
        *self.shown.0.lock().unwrap() = identity;
        self.restarts.send_replace(());
    }
}

async fn forward(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    count: watch::Sender<(usize, usize)>,
    behind: SocketAddr,
) {
    stream.set_nodelay(true).unwrap();
    let Ok(stream) = acceptor.accept(stream).await else {
        count.send_modify(|(_, refused)| *refused += 1);
        return;
    };
    count.send_modify(|(accepted, _)| *accepted += 1);
    let (mut requests, mut answers) = split(stream);
    let mut behind = TcpStream::connect(behind).await.unwrap();
    behind.set_nodelay(true).unwrap();
    let (mut from_behind, mut to_behind) = behind.split();
    tokio::select! {
        _ = copy(&mut requests, &mut to_behind) => {}
        _ = copy(&mut from_behind, &mut answers) => {}
    }
}
