//! How openHAB is reached: with credentials, through TLS, below a path, by way of redirects; and
//! that the credentials go nowhere else.

use std::{fs, net::SocketAddr, sync::Arc};

use fronius_smartmeter::{
    config::Config,
    simulator::{Dialect, Simulator},
    source::{Probe, http::HttpError, openhab::ItemProblem},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::harness::openhab::{
    Answer, LISTEN, POWER, READ, RawServer, Running, Task, anywhere, config, house, serve,
    simulator, state, status, wait_for,
};

const QUICK: &str = "poll_interval: 100ms\nstale_after: 1s";

const TOKEN: &str = "oh.meter.Zq7canary";

/// A directory for secrets and certificates.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A configuration key with a file of its own that holds `text`.
    fn key(&self, key: &str, text: &str) -> String {
        let number = fs::read_dir(self.0.path()).unwrap().count();
        let path = self.0.path().join(number.to_string());
        fs::write(&path, text).unwrap();
        format!("\n{key}: {}", path.display())
    }

    fn token(&self, token: &str) -> String {
        self.key("openhab_token_file", token)
    }

    fn login(&self, password: &str) -> String {
        format!("\nopenhab_username: me{}", self.key("openhab_password_file", password))
    }
}

fn locked(token: &str) -> Simulator {
    let items = [("E", "12345.678 kWh"), ("P", "800 W")];
    let items = items.map(|(name, state)| (name.to_owned(), state.to_owned()));
    Simulator::new(items, Dialect::Current, Some(token.to_owned()))
}

/// A certificate authority of one's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// What a server of these names needs.
    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
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
struct Front {
    address: SocketAddr,
    /// Handshakes that succeeded, and that did not.
    handshakes: watch::Receiver<(usize, usize)>,
    _task: Task,
}

impl Front {
    async fn start(acceptor: TlsAcceptor, behind: SocketAddr) -> Self {
        let listener = TcpListener::bind(anywhere()).await.unwrap();
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

/// The URL that `request` wants, on another server.
fn moved(request: &str, to: &str) -> Answer {
    let path = request.split(' ').nth(1).unwrap();
    status(&format!("302 Found\r\nLocation: {to}{path}"))
}

/// What the source says of the first item.
async fn probe_first(config: &Config) -> Result<Probe, HttpError> {
    let mut source = config.source.clone().build(config.freshness).unwrap();
    source.probe(&config.source.bindings()[0]).await
}

#[tokio::test]
async fn a_token_opens_openhab() {
    let files = Files::new();
    let openhab = locked(TOKEN);
    let (address, _server) = serve(&openhab, anywhere()).await;
    let config = config(address, &format!("{QUICK}{}", files.token(&format!("{TOKEN}\n"))));
    let mut source = Running::start(config);
    source.power(800.0).await;
    openhab.set("P", "900 W");
    source.power(900.0).await;
}

#[tokio::test]
async fn wrong_credentials_are_told_and_tried_for_ever() {
    let files = Files::new();
    let (address, _server) = serve(&locked(TOKEN), anywhere()).await;
    for credentials in [String::new(), files.token("oh.meter.wrong"), files.login("wrong")] {
        let config = config(address, &format!("{QUICK}{credentials}"));
        let problem = probe_first(&config).await.unwrap().value.unwrap_err();
        assert!(matches!(&problem, ItemProblem::Status(status) if status.as_u16() == 401));
        assert!(problem.may_pass() && problem.to_string().contains("openhab_token_file"));
    }

    // While it starts, openHAB refuses good credentials too.
    let mut starting = RawServer::start(|_: &str| status("401 Unauthorized")).await;
    let config = config(starting.address, &format!("{QUICK}{}", files.token(TOKEN)));
    let mut source = Running::start(config);
    starting.asked(READ, 4).await;
    assert_eq!(source.value(POWER), None);
    starting.behave(house("800 W", None));
    source.power(800.0).await;
}

#[tokio::test]
async fn credentials_are_sent_in_the_headers_openhab_reads() {
    let files = Files::new();
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let basic = "authorization: Basic bWU6cHc=\r\n".to_owned();
    let own = format!("x-openhab-token: {TOKEN}\r\n");
    for (keys, wanted) in [
        (String::new(), vec![]),
        (files.token(TOKEN), vec![token]),
        (files.login("pw\n"), vec![basic.clone()]),
        (files.token(TOKEN) + &files.login("pw"), vec![basic, own]),
    ] {
        let mut openhab = RawServer::start(house("800 W", None)).await;
        let mut source = Running::start(config(openhab.address, &format!("{QUICK}{keys}")));
        source.power(800.0).await;
        openhab.asked_in_all(LISTEN, 1).await;
        for head in openhab.heads() {
            for header in &wanted {
                assert!(head.contains(header), "{header} is not in {head}");
            }
            let shown = ["\r\nauthorization:", "\r\nx-openhab-token:"];
            let shown: usize = shown.iter().map(|name| head.matches(name).count()).sum();
            assert_eq!(shown, wanted.len(), "{head}");
        }
    }
}

#[tokio::test]
async fn own_certificates_are_trusted_where_they_are_named_and_nowhere_else() {
    let files = Files::new();
    let openhab = simulator("12345.678 kWh", "800 W", Dialect::Current);
    let (address, _server) = serve(&openhab, anywhere()).await;
    let (own, other) = (Authority::new(), Authority::new());
    let ca = |authority: &Authority| files.key("openhab_ca_file", &authority.pem);

    for host in ["localhost", "127.0.0.1"] {
        let front = Front::start(own.acceptor(&["localhost", "127.0.0.1"]), address).await;
        let host = format!("https://{host}:{}", front.address.port());
        let mut source = Running::start(config(host, &format!("{QUICK}{}", ca(&own))));
        source.power(800.0).await;
    }

    for (case, names, keys) in [
        ("another authority", ["localhost", "127.0.0.1"], ca(&other)),
        ("another name", ["elsewhere", "127.0.0.2"], ca(&own)),
        ("the system's authorities", ["localhost", "127.0.0.1"], String::new()),
    ] {
        let mut front = Front::start(own.acceptor(&names), address).await;
        let config = config(format!("https://{}", front.address), &format!("{QUICK}{keys}"));
        if let Err(error) = config.source.clone().build(config.freshness) {
            // A system without any.
            assert_eq!(keys, "", "{error}");
            continue;
        }
        let refused = probe_first(&config).await.unwrap_err().to_string();
        assert!(refused.contains("certificate"), "{case}: {refused}");
        let source = Running::start(config);
        wait_for(&mut front.handshakes, case, |(_, refused)| *refused >= 4).await;
        assert_eq!(front.handshakes.borrow().0, 0, "{case}");
        assert_eq!(source.value(POWER), None, "{case}");
    }
}

#[tokio::test]
async fn an_openhab_below_a_path_is_found_there() {
    let mut openhab = RawServer::start(|request: &str| {
        // A proxy keeps what lies outside for other services.
        match request.strip_prefix("GET /smart/home") {
            Some(path) => house("800 W", None)(&format!("GET {path}")),
            None => state("1 W"),
        }
    })
    .await;
    for path in ["/smart/home", "/smart/home/", "/smart/home/rest/"] {
        let host = format!("http://{}{path}", openhab.address);
        let mut source = Running::start(config(host, QUICK));
        source.power(800.0).await;
        openhab.asked("GET /smart/home/rest/events?", 1).await;
    }
    for head in openhab.heads() {
        assert!(head.starts_with("GET /smart/home/rest/"), "{head}");
    }
}

#[tokio::test]
async fn a_redirect_to_https_on_the_same_host_is_followed_with_credentials() {
    let files = Files::new();
    let authority = Authority::new();
    let openhab = locked(TOKEN);
    let (address, _server) = serve(&openhab, anywhere()).await;
    let front = Front::start(authority.acceptor(&["127.0.0.1"]), address).await;
    let to = format!("https://{}", front.address);
    let plain = RawServer::start(move |request: &str| moved(request, &to)).await;
    let ca = files.key("openhab_ca_file", &authority.pem);
    let keys = format!("poll_interval: 600s\nstale_after: 1200s{ca}{}", files.token(TOKEN));
    let mut source = Running::start(config(plain.address, &keys));
    source.power(800.0).await;
    // More than reads can bring at this interval: the event stream came the same way.
    for watts in 900..910 {
        openhab.set("P", &format!("{watts} W"));
        source.power(watts.into()).await;
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_or_plain_port_is_followed_without_credentials() {
    let files = Files::new();
    let keys = format!("{QUICK}{}{}", files.token(TOKEN), files.login("Xk3canary"));
    for host in ["localhost", "127.0.0.1"] {
        let mut other = RawServer::start(house("800 W", None)).await;
        let to = format!("http://{host}:{}", other.address.port());
        let openhab = RawServer::start(move |request: &str| moved(request, &to)).await;
        let mut source = Running::start(config(openhab.address, &keys));
        source.power(800.0).await;
        other.asked_in_all(LISTEN, 1).await;
        for head in other.heads() {
            for secret in ["authorization", "token", "Basic", "canary"] {
                assert!(!head.contains(secret), "{head}");
            }
        }
        for head in openhab.heads() {
            assert!(head.contains(TOKEN), "{head}");
        }
    }
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused() {
    let files = Files::new();
    let authority = Authority::new();
    let plain = RawServer::start(house("800 W", None)).await;
    let to = format!("http://{}", plain.address);
    let mut secure = RawServer::start(move |request: &str| moved(request, &to)).await;
    let front = Front::start(authority.acceptor(&["127.0.0.1"]), secure.address).await;
    let keys = files.key("openhab_ca_file", &authority.pem) + &files.token(TOKEN);
    let source =
        Running::start(config(format!("https://{}", front.address), &format!("{QUICK}{keys}")));
    secure.asked(READ, 3).await;
    secure.asked_in_all(LISTEN, 2).await;
    assert_eq!(plain.heads(), Vec::<String>::new());
    assert_eq!(source.value(POWER), None);
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_ends() {
    // The address is known only once it listens; until then nobody asks.
    let openhab = RawServer::start(|_: &str| status("404 Not Found")).await;
    let here = format!("http://{}", openhab.address);
    let itself = here.clone();
    for (places, redirect) in [
        (
            4,
            Box::new(move |request: &str| moved(request, &itself))
                as Box<dyn FnMut(&str) -> _ + Send>,
        ),
        (1, Box::new(move |_: &str| status(&format!("302 Found\r\nLocation: {here}/login")))),
        (1, Box::new(|request: &str| moved(request, "ftp://127.0.0.1"))),
        (1, Box::new(|request: &str| moved(request, ""))),
        (1, Box::new(|_: &str| status("302 Found"))),
        (1, Box::new(|_: &str| status("302 Found\r\nLocation: \u{e4}\u{f6}"))),
    ] {
        openhab.behave(redirect);
        let before = openhab.count("");
        let config = config(openhab.address, QUICK);
        let error = probe_first(&config).await.unwrap_err();
        assert!(matches!(error, HttpError::Redirect { .. }), "{error}");
        assert_eq!(openhab.count("") - before, places, "{error}");
    }

    let itself = format!("http://{}", openhab.address);
    openhab.behave(move |request| moved(request, &itself));
    let mut openhab = openhab;
    let mut source = Running::start(config(openhab.address, QUICK));
    openhab.asked(READ, 8).await;
    openhab.behave(house("800 W", None));
    source.power(800.0).await;
}
