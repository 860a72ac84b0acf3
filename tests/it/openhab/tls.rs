//! A TLS proxy before openHAB, and the authority that certifies it.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{io::copy_bidirectional, net::TcpStream, sync::watch, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::harness::{
    net::{anywhere, listen},
    task::Task,
};

/// A certificate authority of one's own.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What a server of these names needs.
    pub(super) fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let certificate =
            CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate)];
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A TLS proxy, as nginx before openHAB.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    /// Handshakes that succeeded, and that did not.
    pub(super) handshakes: watch::Receiver<(usize, usize)>,
    _task: Task,
}

impl Front {
    pub(super) fn start(acceptor: TlsAcceptor, behind: SocketAddr) -> Self {
        let listener = listen(anywhere());
        let address = listener.local_addr().unwrap();
        let (count, handshakes) = watch::channel((0, 0));
        let task = Task::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, count) = (acceptor.clone(), count.clone());
                connections.spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        count.send_modify(|(_, refused)| *refused += 1);
                        return;
                    };
                    count.send_modify(|(accepted, _)| *accepted += 1);
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        Self { address, handshakes, _task: task }
    }
}
