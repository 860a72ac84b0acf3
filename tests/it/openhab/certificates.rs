//! Which certificates are trusted, and what is said of those that are not.

use std::{fs, net::SocketAddr};

use fronius_smartmeter::config::Config;
use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use tracing::Level;

use crate::harness::tls::{Authority, Front, Identity};
use crate::harness::{
    clock::FastClock,
    files::Secrets,
    log::Log,
    openhab::{
        HOUSE, OpenHab,
        answers::{READ, house},
        raw::RawOpenHab,
    },
    service::Service,
    source::{POWER, QUICK, RunningSource, config, failure},
    wait_for,
};

const EACH_VERSION: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Of the server at `address`, with the certificates in `pem`.
fn trusting(secrets: &Secrets, pem: &str, address: SocketAddr) -> Config {
    let ca = secrets.key("openhab_ca_file", pem);
    config(format!("https://{address}"), &format!("{QUICK}{ca}"))
}

#[tokio::test]
async fn a_certificate_on_file_is_trusted_whatever_is_in_it() {
    let secrets = Secrets::new();
    let openhab = OpenHab::start(&HOUSE);
    let expired = Authority::new().certify_for(2000..2001, &["elsewhere"]);
    for identity in [Identity::self_signed(), Identity::version_1(), expired] {
        for version in EACH_VERSION {
            let front = Front::speaking(&[version], identity.clone(), openhab.address);
            // What else is in the file does not matter.
            let pem = format!("{}{}{}", Authority::new().pem, identity.pem, Authority::new().pem);
            RunningSource::start(&trusting(&secrets, &pem, front.address)).power(800.0).await;
        }
    }
}

#[tokio::test]
async fn who_shows_a_trusted_certificate_without_its_key_is_refused() {
    let secrets = Secrets::new();
    let openhab = OpenHab::start(&HOUSE);
    let authority = Authority::new();
    let certified = authority.certify(&["127.0.0.1"]);
    let (own, old) = (Identity::self_signed(), Identity::version_1());
    for (pem, identity) in [(&own.pem, &own), (&old.pem, &old), (&authority.pem, &certified)] {
        for version in EACH_VERSION {
            let mut front = Front::speaking(&[version], identity.impostor(), openhab.address);
            let config = trusting(&secrets, pem, front.address);
            let failure = failure(&config).await;
            assert!(
                failure.contains("cannot prove that it has the key of its certificate"),
                "{version:?}: {failure}"
            );
            let source = RunningSource::start(&config);
            wait_for(&mut front.handshakes, |(_, refused)| *refused >= 4).await;
            assert_eq!(front.handshakes.borrow().0, 0);
            assert_eq!(source.value(POWER), None);
        }
    }
}

#[tokio::test]
async fn a_refused_certificate_is_explained() {
    let secrets = Secrets::new();
    let openhab = OpenHab::start(&HOUSE);
    let authority = Authority::new();
    let here = ["127.0.0.1"];
    let many = ["one", "two", "127.0.0.2", "three"];
    for (identity, reason) in [
        (
            Identity::self_signed(),
            "its certificate is self-signed; put it into openhab_ca_file to trust exactly",
        ),
        (
            Identity::version_1(),
            "its certificate has an old form (X.509 version 1); put it into openhab_ca_file",
        ),
        (
            Authority::new().certify(&here),
            "its certificate is signed by an unknown authority; put that authority's certificate, or the server's",
        ),
        (
            authority.certify(&["elsewhere"]),
            "its certificate names elsewhere, not 127.0.0.1; put it into",
        ),
        (
            authority.certify(&many),
            "its certificate names one, two, 127.0.0.2, …, not 127.0.0.1; put it into",
        ),
        (authority.certify(&[]), "its certificate names nobody, not 127.0.0.1; put it into"),
        (
            authority.certify_for(2000..2001, &here),
            "a certificate that it shows expired on 2001-01-01; renew",
        ),
        (
            authority.certify_for(3000..4000, &here),
            "its certificate is valid only from 3000-01-01 on; is the",
        ),
    ] {
        let front = Front::start(identity, openhab.address);
        let failure = failure(&trusting(&secrets, &authority.pem, front.address)).await;
        let start = format!("cannot connect to https://{}: ", front.address);
        assert!(failure.starts_with(&(start + reason)), "{failure}");
    }
    let failure = failure(&trusting(&secrets, &authority.pem, openhab.address)).await;
    assert!(failure.contains("does not speak TLS; should the address begin"), "{failure}");
}

#[tokio::test]
async fn a_renewed_certificate_comes_into_use_without_a_restart() {
    let _clock = FastClock::start();
    let log = Log::start(Level::WARN);
    let secrets = Secrets::new();
    let openhab = OpenHab::start(&HOUSE);
    let [first, second] = [(); 2].map(|()| Identity::self_signed());
    let mut front = Front::start(first.clone(), openhab.address);
    let config = trusting(&secrets, &first.pem, front.address);
    let ca_file = secrets.path(0);
    let mut source = RunningSource::start(&config);
    source.power(800.0).await;

    // Renewed on the server, and still being written on this side.
    fs::write(&ca_file, &second.pem[..second.pem.len() / 2]).unwrap();
    front.show(second.clone());
    openhab.set("P", "801 W");
    wait_for(&mut front.handshakes, |(_, refused)| *refused >= 6).await;
    assert_eq!(source.value(POWER), Some(800.0));
    let kept = "openhab_ca_file: no usable certificate";
    let lines = log.source_lines("WARN");
    let lines: Vec<_> = lines.iter().filter(|line| line.contains(kept)).collect();
    assert_eq!(lines.len(), 1, "{}", log.text());
    assert!(lines[0].contains("what was read before stays in use"), "{lines:?}");

    // It is still good for a server that shows the old one.
    front.show(first);
    source.power(801.0).await;

    front.show(second.clone());
    fs::write(&ca_file, &second.pem).unwrap();
    openhab.set("P", "802 W");
    source.power(802.0).await;
}

#[tokio::test]
async fn it_is_said_once_that_names_and_dates_do_not_count() {
    const SAID: &str = "whatever its names and dates";
    let secrets = Secrets::new();
    let mut openhab = RawOpenHab::start(house("800 W", None));
    let own = Identity::self_signed();
    let front = Front::start(own.clone(), openhab.address);
    let ca = secrets.key("openhab_ca_file", &own.pem);
    let mut service = Service::start(&format!(
        "openhab_host: https://{}\nenergy_counter_out: E\ncurrent_power: P\n{QUICK}{ca}\n",
        front.address
    ));
    service.logs(SAID).await;
    front.show(own);
    openhab.asked(READ, 4).await;
    let lines = service.stop().await;
    assert!(lines.iter().all(|line| !line.contains(SAID)), "{lines:#?}");
}
