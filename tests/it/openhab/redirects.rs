//! Where openHAB sends us by redirects, and that the credentials go nowhere else.

use crate::harness::tls::{Authority, Front};
use crate::harness::{
    clock::FastClock,
    files::Secrets,
    openhab::{
        HOUSE, OpenHab,
        answers::{Answer, LISTEN, READ, house, moved, status},
        raw::RawOpenHab,
    },
    source::{NO_POLLS, POWER, QUICK, RunningSource, config, failure},
};

const TOKEN: &str = "oh.meter.Zq7canary";

#[tokio::test]
async fn a_redirect_to_https_on_the_same_host_is_followed_with_credentials() {
    let secrets = Secrets::new();
    let authority = Authority::new();
    let openhab = OpenHab::locked(TOKEN, &HOUSE);
    let front = Front::start(authority.certify(&["127.0.0.1"]), openhab.address);
    let to = format!("https://{}", front.address);
    let plain = RawOpenHab::start(move |request: &str| moved(request, &to));
    let ca = secrets.key("openhab_ca_file", &authority.pem);
    let keys = format!("{NO_POLLS}{ca}{}", secrets.token(TOKEN));
    let mut source = RunningSource::start(&config(plain.address, &keys));
    source.power(800.0).await;
    // More than reads can bring at this interval: the event stream came the same way.
    for watts in 900..910 {
        openhab.set("P", &format!("{watts} W"));
        source.power(watts.into()).await;
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_or_plain_port_is_followed_without_credentials() {
    let secrets = Secrets::new();
    let keys = format!("{QUICK}{}{}", secrets.token(TOKEN), secrets.login("Xk3canary"));
    for host in ["localhost", "127.0.0.1"] {
        let mut other = RawOpenHab::start(house("800 W", None));
        let to = format!("http://{host}:{}", other.address.port());
        let openhab = RawOpenHab::start(move |request: &str| moved(request, &to));
        let mut source = RunningSource::start(&config(openhab.address, &keys));
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
async fn who_is_sent_no_credentials_and_wants_some_is_named() {
    let secrets = Secrets::new();
    for line in ["401 Unauthorized", "403 Forbidden"] {
        let other = RawOpenHab::start(move |_: &str| status(line));
        let to = format!("http://localhost:{}", other.address.port());
        let target = to.clone();
        let openhab = RawOpenHab::start(move |request: &str| moved(request, &to));
        for keys in [String::new(), secrets.token(TOKEN)] {
            let failure = failure(&config(openhab.address, &format!("{QUICK}{keys}"))).await;
            let reason = format!(
                "{target} answers {line}: http://{} redirects there, and no credentials are sent",
                openhab.address
            );
            assert!(failure.starts_with(&reason), "{failure}");
        }
        // The server that is meant is asked first, the next time too.
        assert_eq!((openhab.count(READ), other.count(READ)), (2, 2));
    }
}

#[tokio::test]
async fn a_redirect_may_leave_out_what_stays_the_same() {
    let secrets = Secrets::new();
    let keys = format!("{QUICK}{}", secrets.token(TOKEN));
    for scheme in ["//", "HTTP://", ""] {
        let mut house = house("800 W", None);
        let openhab = RawOpenHab::start(move |request: &str| {
            let (_, host) = request.split_once("host: ").unwrap();
            let (host, _) = host.split_once("\r\n").unwrap();
            let to = if scheme.is_empty() { String::new() } else { format!("{scheme}{host}") };
            match request.strip_prefix("GET /moved") {
                Some(path) => house(&format!("GET {path}")),
                None => moved(request, &format!("{to}/moved")),
            }
        });
        let mut source = RunningSource::start(&config(openhab.address, &keys));
        source.power(800.0).await;
        for head in openhab.heads() {
            assert!(head.contains(TOKEN), "{head}");
        }
    }
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused() {
    let _clock = FastClock::start();
    let secrets = Secrets::new();
    let authority = Authority::new();
    let plain = RawOpenHab::start(house("800 W", None));
    let to = format!("http://{}", plain.address);
    let mut secure = RawOpenHab::start(move |request: &str| moved(request, &to));
    let front = Front::start(authority.certify(&["127.0.0.1"]), secure.address);
    let keys = secrets.key("openhab_ca_file", &authority.pem) + &secrets.token(TOKEN);
    let host = format!("https://{}", front.address);
    let source = RunningSource::start(&config(host, &format!("{QUICK}{keys}")));
    secure.asked(READ, 3).await;
    secure.asked_in_all(LISTEN, 2).await;
    assert_eq!(plain.heads(), Vec::<String>::new());
    assert_eq!(source.value(POWER), None);
}

/// One read is redirected, and fails after so many requests.
async fn assert_leads_nowhere(
    openhab: &RawOpenHab,
    redirect: impl FnMut(&str) -> Answer + Send + 'static,
    requests: usize,
) {
    openhab.behave(redirect);
    let before = openhab.count("");
    let failure = failure(&config(openhab.address, QUICK)).await;
    assert!(failure.starts_with("redirected from "), "{failure}");
    assert_eq!(openhab.count("") - before, requests, "{failure}");
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_ends() {
    let _clock = FastClock::start();
    // The address is known only once it listens; until then nobody asks.
    let mut openhab = RawOpenHab::start(|_: &str| status("404 Not Found"));
    let here = format!("http://{}", openhab.address);
    let login = format!("302 Found\r\nLocation: {here}/login");
    let itself = move |request: &str| moved(request, &here);
    assert_leads_nowhere(&openhab, itself.clone(), 4).await;
    assert_leads_nowhere(&openhab, move |_| status(&login), 1).await;
    assert_leads_nowhere(&openhab, |request| moved(request, "ftp://127.0.0.1"), 1).await;
    assert_leads_nowhere(&openhab, |request| moved(request, ""), 4).await;
    assert_leads_nowhere(&openhab, |_| status("302 Found"), 1).await;
    let no_url = "302 Found\r\nLocation: \u{e4}\u{f6}";
    assert_leads_nowhere(&openhab, move |_| status(no_url), 1).await;

    openhab.behave(itself);
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    openhab.asked(READ, 8).await;
    openhab.behave(house("800 W", None));
    source.power(800.0).await;
}
