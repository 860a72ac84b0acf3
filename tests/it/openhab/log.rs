//! What the log says of openHAB: what happened, once; and never a secret.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use fronius_smartmeter::{
    daemon::Daemon, meter::Condition, simulator::Dialect, source::openhab::credentials::Credentials,
};
use tokio::{sync::broadcast, time::sleep};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::util::SubscriberInitExt;

use crate::harness::openhab::{
    Answer, LISTEN, POWER, READ, RawServer, Running, alive, anywhere, config, house, power_changed,
    serve, simulator, state, status, stream_head, wait_for,
};

const QUICK: &str = "poll_interval: 100ms\nstale_after: 1s";

/// The log of this test alone: its runtime has one thread, which is the one that listens here.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start(level: Level) -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, subscriber.set_default())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of a level that are the source's.
    fn lines(&self, level: &str) -> Vec<String> {
        let ours = format!("{level} fronius_smartmeter::source");
        self.text().lines().filter(|line| line.contains(&ours)).map(str::to_owned).collect()
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

#[track_caller]
fn assert_each_once(lines: &[String], expected: &[&str]) {
    let start = &lines[..lines.len().min(10)];
    for text in expected {
        let times = lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(times, 1, "{text:?} in {start:#?}");
    }
    assert_eq!(lines.len(), expected.len(), "{start:#?}");
}

// The clock of this runtime leaps over every pause in which nothing happens, so the outage may be
// a long one. Where it leaps too far, a read fails that would not have, during an outage.
#[tokio::test(start_paused = true)]
async fn a_long_outage_is_told_once_and_so_is_its_end() {
    let (log, _guard) = Log::start(Level::INFO);
    let openhab = simulator("12345.678 kWh", "800 W", Dialect::Current);
    let (address, server) = serve(&openhab, anywhere()).await;
    server.end().await;

    let mut source = Running::start(config(address, QUICK));
    sleep(Duration::from_secs(3600)).await;
    assert_each_once(&log.lines("WARN"), &["trying again"]);
    assert_each_once(&log.lines("INFO"), &[]);

    log.clear();
    let (_, _server) = serve(&openhab, address).await;
    source.power(800.0).await;
    tokio::time::resume();
    // Its own value was the last of the round; the next round has seen the whole of this one.
    openhab.set("P", "801 W");
    source.power(801.0).await;
    assert_each_once(&log.lines("WARN"), &[]);
    let told = log.lines("INFO");
    let told: Vec<_> = told.into_iter().filter(|line| !line.contains("event stream")).collect();
    assert_each_once(&told, &["openHAB at", "item E", "item P"]);
}

#[tokio::test]
async fn an_outage_of_a_running_service_is_told_once() {
    let (log, _guard) = Log::start(Level::INFO);
    let mut openhab = RawServer::start(house("800 W", None)).await;
    // Two seconds, lest a slow machine makes data stale that is not meant to be.
    let keys = "poll_interval: 100ms\nstale_after: 2s";
    let daemon = Daemon::start(config(openhab.address, keys), Vec::new()).await.unwrap();
    let mut images = daemon.images();
    wait_for(&mut images, "live data", |image| image.condition == Condition::Live).await;
    openhab.asked(LISTEN, 1).await;
    log.clear();

    // Each read fails, in two ways that come again and again. (A status would be an item's matter.)
    let mut ways = 0;
    openhab.behave(move |_| {
        ways += 1;
        Answer::Close(if ways % 2 == 0 { Vec::new() } else { b"SSH-2.0".to_vec() })
    });
    openhab.asked(READ, 4).await;
    wait_for(&mut images, "stale data", |image| image.condition == Condition::Stale).await;
    let told = log.lines("WARN");
    let distinct: HashSet<_> = told.iter().map(|line| line.split_once("WARN").unwrap().1).collect();
    assert!(!told.is_empty() && distinct.len() == told.len(), "{told:#?}");
    assert_eq!(log.text().matches("data is stale").count(), 1, "{}", log.text());

    log.clear();
    openhab.behave(house("800 W", None));
    wait_for(&mut images, "live data again", |image| image.condition == Condition::Live).await;
    openhab.asked(READ, 4).await;
    assert_each_once(&log.lines("INFO"), &["openHAB at"]);
    assert_eq!(log.text().matches("data is live").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_bad_item_is_told_once_for_each_thing_that_is_wrong_with_it() {
    let (log, _guard) = Log::start(Level::INFO);
    let mut openhab = RawServer::start(house("800 W", None)).await;
    let mut source = Running::start(config(openhab.address, QUICK));
    source.power(800.0).await;
    openhab.asked(READ, 4).await;
    log.clear();
    for (power, told) in [("NULL", "NULL"), ("ON", "ON"), ("5 kWh", "kWh"), ("231,4 W", "231,4")] {
        openhab.behave(house(power, None));
        openhab.asked(READ, 8).await;
        let lines = log.lines("WARN");
        assert!(lines.last().unwrap().contains(told), "{power}: {lines:#?}");
        assert_eq!(lines.iter().filter(|line| line.contains("item P")).count(), lines.len());
    }
    assert_eq!(log.lines("WARN").len(), 4, "{:#?}", log.lines("WARN"));
    log.clear();
    openhab.behave(house("900 W", None));
    source.power(900.0).await;
    openhab.asked(READ, 8).await;
    assert_each_once(&log.lines("INFO"), &["item P has the state 900 W"]);
    assert_each_once(&log.lines("WARN"), &[]);
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_no_outage() {
    for end in [(|| Answer::Close(Vec::new())) as fn() -> Answer, || Answer::Reset] {
        let (log, _guard) = Log::start(Level::INFO);
        let mut healthy = house("800 W", None);
        let mut reads = 0;
        // As when openHAB closes a connection it finds idle while a request is under way.
        let mut openhab = RawServer::start(move |request: &str| {
            reads += usize::from(request.starts_with(READ));
            if request.starts_with(READ) && reads % 4 == 0 { end() } else { healthy(request) }
        })
        .await;
        let mut source = Running::start(config(openhab.address, QUICK));
        source.power(800.0).await;
        openhab.asked(READ, 12).await;
        let told = log.lines("WARN");
        assert!(told.iter().all(|line| line.contains("polling until they come")), "{told:#?}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_line_and_in_no_error() {
    const TOKEN: &str = "oh.meter.Zq7canary";
    const PASSWORD: &str = "Xk3canary";
    // "me:Xk3canary", as it goes over the wire.
    const BASIC: &str = "bWU6WGszY2FuYXJ5";
    let assert_clean = |text: &str| {
        for secret in ["canary", BASIC] {
            assert!(!text.contains(secret), "{text}");
        }
    };

    let (log, _guard) = Log::start(Level::TRACE);
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let keys = format!(
        "{QUICK}\nopenhab_token_file: {}\nopenhab_username: me\nopenhab_password_file: {}",
        file("token", TOKEN).display(),
        file("password", PASSWORD).display()
    );
    let elsewhere = RawServer::start(house("800 W", None)).await;
    let to = format!("http://localhost:{}", elsewhere.address.port());
    let mut openhab = RawServer::start(|_: &str| status("401 Unauthorized")).await;
    let config = config(openhab.address, &keys);
    assert_clean(&format!("{config:?}"));
    assert_clean(&format!("{:?}", config.source.clone().build(config.freshness).unwrap()));

    // All that there is to log: refusals, noise, redirects, streams that come and go.
    let mut source = Running::start(config);
    openhab.asked(READ, 2).await;
    assert!(openhab.heads()[0].contains(TOKEN) && openhab.heads()[0].contains(BASIC));
    openhab.behave(|_| Answer::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
    openhab.asked(READ, 1).await;
    openhab.behave(move |request| {
        let path = request.split(' ').nth(1).unwrap();
        status(&format!("302 Found\r\nLocation: {to}{path}"))
    });
    source.power(800.0).await;
    elsewhere.behave(|_| status("404 Not Found"));
    let events = broadcast::Sender::new(16);
    let mut polled = house("900 W", None);
    let listened = events.clone();
    openhab.behave(move |request| {
        if request.starts_with(LISTEN) {
            Answer::Dictated(stream_head(), listened.subscribe())
        } else {
            polled(request)
        }
    });
    drop(elsewhere);
    openhab.asked(LISTEN, 1).await;
    source.power(900.0).await;
    events.send(alive(1)).unwrap();
    events.send(power_changed("950 W")).unwrap();
    openhab.behave(|_| state("NULL"));
    drop(events);
    openhab.asked(READ, 4).await;
    assert!(source.value(POWER).is_some());
    assert!(log.text().contains("401"), "{}", log.text());
    assert_clean(&log.text());

    // Secrets that cannot be used are not shown either.
    for text in ["oh.canary\nsecond canary", "c\u{e4}nary canary", "me:canary"] {
        let path = file("wrong", text);
        let login = Some(("me".to_owned(), path.clone()));
        let both = [
            Credentials { token_file: Some(path), login: None },
            Credentials { token_file: None, login },
        ];
        for credentials in both {
            if let Err(error) = credentials.headers() {
                assert_clean(&format!("{error} {error:?}"));
            }
        }
    }
}
