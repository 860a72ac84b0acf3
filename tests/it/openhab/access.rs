//! How openHAB is reached: with credentials, through TLS, below a path.

use std::{fs, net::Ipv6Addr};

use tracing::Level;

use crate::harness::tls::{Authority, Front};
use crate::harness::{
    clock::FastClock,
    files::Secrets,
    log::Log,
    openhab::{
        HOUSE, OpenHab,
        answers::{LISTEN, READ, house, state, status},
        raw::RawOpenHab,
    },
    source::{POWER, QUICK, RunningSource, config, failure, source},
    wait_for,
};

const TOKEN: &str = "oh.meter.Zq7canary";

#[tokio::test]
async fn a_token_opens_openhab() {
    let secrets = Secrets::new();
    let openhab = OpenHab::locked(TOKEN, &HOUSE);
    let token = secrets.token(&format!("{TOKEN}\n"));
    let mut source = RunningSource::start(&config(openhab.address, &format!("{QUICK}{token}")));
    source.power(800.0).await;
    openhab.set("P", "900 W");
    source.power(900.0).await;
}

#[tokio::test]
async fn wrong_credentials_are_reported_and_tried_again_and_again() {
    let _clock = FastClock::start();
    let secrets = Secrets::new();
    let openhab = OpenHab::locked(TOKEN, &HOUSE);
    for credentials in
        [String::new(), secrets.token("oh.meter.other-canary"), secrets.login("other-canary")]
    {
        let failure = failure(&config(openhab.address, &format!("{QUICK}{credentials}"))).await;
        assert!(failure.contains("401") && failure.contains("openhab_token_file"), "{failure}");
    }

    // While it starts, openHAB refuses good credentials too.
    let mut starting = RawOpenHab::start(|_: &str| status("401 Unauthorized"));
    let keys = format!("{QUICK}{}", secrets.token(TOKEN));
    let mut source = RunningSource::start(&config(starting.address, &keys));
    starting.asked(READ, 4).await;
    assert_eq!(source.value(POWER), None);
    starting.behave(house("800 W", None));
    source.power(800.0).await;
}

#[tokio::test]
async fn a_replaced_secret_comes_into_use_without_a_restart() {
    let _clock = FastClock::start();
    for refusal in ["401 Unauthorized", "403 Forbidden"] {
        let log = Log::start(Level::WARN);
        let secrets = Secrets::new();
        let mut openhab = RawOpenHab::start(house("800 W", None));
        let keys = format!("{QUICK}{}", secrets.token(TOKEN));
        let mut source = RunningSource::start(&config(openhab.address, &keys));
        source.power(800.0).await;

        let mut healthy = house("900 W", None);
        openhab.behave(move |request| {
            let known = request.contains("authorization: Bearer oh.meter.renewed\r\n");
            if known { healthy(request) } else { status(refusal) }
        });
        // Being written: what was read before is all there is.
        let file = secrets.path(0);
        fs::write(&file, "").unwrap();
        openhab.asked(READ, 4).await;
        assert!(openhab.heads().last().unwrap().contains(TOKEN));
        let kept = "what was read before stays in use";
        assert_eq!(log.text().matches(kept).count(), 1, "{}", log.text());
        fs::write(&file, "oh.meter.renewed\n").unwrap();
        source.power(900.0).await;
    }
}

#[tokio::test]
async fn credentials_are_sent_in_the_headers_openhab_reads() {
    let secrets = Secrets::new();
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let basic = "authorization: Basic bWU6WGszY2FuYXJ5\r\n".to_owned();
    let own = format!("x-openhab-token: {TOKEN}\r\n");
    for (keys, wanted) in [
        (String::new(), vec![]),
        (secrets.token(TOKEN), vec![token]),
        (secrets.login("Xk3canary\n"), vec![basic.clone()]),
        (secrets.token(TOKEN) + &secrets.login("Xk3canary"), vec![basic, own]),
    ] {
        let mut openhab = RawOpenHab::start(house("800 W", None));
        let keys = format!("{QUICK}{keys}");
        let mut source = RunningSource::start(&config(openhab.address, &keys));
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

/// The names of the servers that are asked for here.
const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

#[tokio::test]
async fn own_certificates_are_trusted_where_they_are_named() {
    let secrets = Secrets::new();
    let openhab = OpenHab::start(&HOUSE);
    let own = Authority::new();
    let keys = format!("{QUICK}{}", secrets.key("openhab_ca_file", &own.pem));
    for host in HERE {
        let front = Front::start(own.certify(&HERE), openhab.address);
        let host = format!("https://{host}:{}", front.address.port());
        RunningSource::start(&config(host, &keys)).power(800.0).await;
    }
}

#[tokio::test]
async fn own_certificates_are_trusted_nowhere_else() {
    let secrets = Secrets::new();
    let openhab = OpenHab::start(&HOUSE);
    let own = Authority::new();
    let ca = |authority: &Authority| secrets.key("openhab_ca_file", &authority.pem);
    for (case, names, keys) in [
        ("another authority", HERE, ca(&Authority::new())),
        ("another name", ["elsewhere", "127.0.0.2"], ca(&own)),
        ("the system's authorities", HERE, String::new()),
    ] {
        let mut front = Front::start(own.certify(&names), openhab.address);
        let config = config(format!("https://{}", front.address), &format!("{QUICK}{keys}"));
        if let Err(error) = source(&config) {
            // A system without any.
            assert_eq!(keys, "", "{case}: {error}");
            continue;
        }
        let refused = failure(&config).await;
        assert!(refused.contains("certificate"), "{case}: {refused}");
        let source = RunningSource::start(&config);
        wait_for(&mut front.handshakes, |(_, refused)| *refused >= 4).await;
        assert_eq!(front.handshakes.borrow().0, 0, "{case}");
        assert_eq!(source.value(POWER), None, "{case}");
    }
}

#[tokio::test]
async fn an_openhab_below_a_path_is_found_there() {
    for path in ["/smart/home", "/smart/home/", "/smart/home/rest/"] {
        let mut openhab = RawOpenHab::start(|request: &str| {
            // A proxy keeps what lies outside for other services.
            match request.strip_prefix("GET /smart/home") {
                Some(path) => house("800 W", None)(&format!("GET {path}")),
                None => state("1 W"),
            }
        });
        let host = format!("http://{}{path}", openhab.address);
        let mut source = RunningSource::start(&config(host, QUICK));
        source.power(800.0).await;
        openhab.asked_in_all("GET /smart/home/rest/events?", 1).await;
        for head in openhab.heads() {
            assert!(head.starts_with("GET /smart/home/rest/"), "{head}");
        }
    }
}

/// Addresses of this machine that can be given with a zone, each with its zone: those that are valid on
/// one link only, and the loopback, to which the number of its interface may be added.
fn zoned_addresses() -> Vec<(Ipv6Addr, String)> {
    let table = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter_map(|fields| {
            let address = Ipv6Addr::from(u128::from_str_radix(fields[0], 16).unwrap());
            let number = u32::from_str_radix(fields[1], 16).unwrap();
            match address {
                Ipv6Addr::LOCALHOST => Some((address, number.to_string())),
                _ => address.is_unicast_link_local().then(|| (address, fields[5].to_owned())),
            }
        })
        .collect()
}

#[tokio::test]
async fn an_address_with_a_zone_is_reached_and_named_without_it() {
    if zoned_addresses().is_empty() {
        eprintln!("NOT CHECKED: there is no IPv6 here");
    }
    for (address, zone) in zoned_addresses() {
        for percent in ["%", "%25"] {
            let anywhere = (Ipv6Addr::UNSPECIFIED, 0).into();
            let mut openhab = RawOpenHab::start_at(anywhere, house("800 W", None));
            let port = openhab.address.port();
            let config = config(format!("'[{address}{percent}{zone}]:{port}'"), QUICK);
            RunningSource::start(&config).power(800.0).await;
            openhab.asked_in_all(READ, 1).await;
            let host = format!("\r\nhost: [{address}]:{port}\r\n");
            for head in openhab.heads() {
                assert!(head.contains(&host), "{head}");
            }
        }
    }
}
