//! What the log says of openHAB: what happened, once; and never a secret.

use std::{collections::HashSet, time::Duration};

use tokio::time::sleep;
use tracing::Level;

use crate::harness::tls::{Front, Identity};
use crate::harness::{
    clock::FastClock,
    files::{Secrets, assert_no_secret},
    log::Log,
    openhab::{
        HOUSE, HOUSE_ENERGY, OpenHab,
        answers::{
            Answer, Events, LISTEN, READ, alive, events, house, moved, power_changed, state, status,
        },
        raw::RawOpenHab,
    },
    source::{POWER, QUICK, RunningMeter, RunningSource, config, source},
};

/// An openHAB whose power is 700 W, its event stream, and a source that has read it and listens.
pub(super) async fn connected_house() -> (RawOpenHab, Events, RunningSource) {
    let stream = events();
    let mut openhab = RawOpenHab::start(house("700 W", Some(&stream)));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    source.power(700.0).await;
    source.energy(HOUSE_ENERGY).await;
    openhab.asked_in_all(LISTEN, 1).await;
    (openhab, stream, source)
}

#[track_caller]
pub(super) fn assert_each_once(lines: &[String], expected: &[&str]) {
    let start = &lines[..lines.len().min(10)];
    for text in expected {
        let times = lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!(times, 1, "{text:?} in {start:#?}");
    }
    assert_eq!(lines.len(), expected.len(), "{start:#?}");
}

#[tokio::test]
async fn a_long_outage_is_logged_once_and_so_is_its_end() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut openhab = OpenHab::start(&HOUSE);
    openhab.stop().await;

    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    sleep(Duration::from_mins(2)).await;
    assert_each_once(&log.source_lines("WARN"), &["trying again"]);
    assert_each_once(&log.source_lines("INFO"), &[]);

    log.clear();
    openhab.restart();
    source.power(800.0).await;
    // An event may be faster than the rest of the round.
    source.energy(HOUSE_ENERGY).await;
    openhab.set("P", "801 W");
    source.power(801.0).await;
    source.energy(HOUSE_ENERGY).await;
    // Who looks at warnings alone sees the end as well.
    assert_each_once(&log.source_lines("WARN"), &["openHAB at"]);
    let mut lines = log.source_lines("INFO");
    lines.retain(|line| !line.contains("event stream"));
    assert_each_once(&lines, &["energy_counter_out: E", "current_power: P"]);
}

#[tokio::test]
async fn an_outage_of_a_running_service_is_logged_once() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut openhab = RawOpenHab::start(house("800 W", None));
    let mut meter = RunningMeter::start(config(openhab.address, QUICK)).await;
    meter.is_live().await;
    openhab.asked(LISTEN, 1).await;
    log.clear();

    // Each read fails, in two ways that come again and again. (A status would be an item's matter.)
    let mut ways = 0;
    openhab.behave(move |_| {
        ways += 1;
        Answer::Close(if ways % 2 == 0 { Vec::new() } else { b"SSH-2.0".to_vec() })
    });
    openhab.asked(READ, 4).await;
    meter.is_stale().await;
    let lines = log.source_lines("WARN");
    let distinct: HashSet<_> =
        lines.iter().map(|line| line.split_once("WARN").unwrap().1).collect();
    assert!(!lines.is_empty() && distinct.len() == lines.len(), "{lines:#?}");
    assert_eq!(log.text().matches("data is stale").count(), 1, "{}", log.text());

    log.clear();
    openhab.behave(house("800 W", None));
    meter.is_live().await;
    openhab.asked(READ, 4).await;
    assert_each_once(&log.source_lines("WARN"), &["openHAB at"]);
    assert_eq!(
        log.text().matches(" WARN fronius_smartmeter::daemon::log: data is live").count(),
        1
    );
}

#[tokio::test]
async fn a_stream_that_is_refused_is_logged_once_and_so_is_the_one_that_is_not() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut openhab = RawOpenHab::start(house("800 W", None));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    source.power(800.0).await;
    openhab.asked(LISTEN, 4).await;
    assert_each_once(&log.source_lines("WARN"), &["no events: openHAB answers 404"]);
    log.clear();
    let events = events();
    openhab.behave(house("900 W", Some(&events)));
    openhab.asked(LISTEN, 1).await;
    events.send(power_changed("950 W")).unwrap();
    source.power(950.0).await;
    assert_each_once(&log.source_lines("WARN"), &["event stream of"]);
}

#[tokio::test]
async fn a_stream_that_has_lived_and_comes_again_at_once_is_not_worth_a_line() {
    let _clock = FastClock::start();
    let (mut openhab, stream, mut source) = connected_house().await;
    let log = Log::start(Level::INFO);
    sleep(Duration::from_secs(65)).await;
    let events = events();
    openhab.behave(house("800 W", Some(&events)));
    drop(stream);
    openhab.asked(LISTEN, 1).await;
    source.power(800.0).await;
    openhab.asked(READ, 40).await;
    assert_each_once(&log.source_lines("WARN"), &[]);
    assert_each_once(&log.source_lines("INFO"), &[]);
}

#[tokio::test]
async fn a_bad_item_is_logged_once_for_each_thing_that_is_wrong_with_it() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut openhab = RawOpenHab::start(house("800 W", None));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    source.power(800.0).await;
    // The line about the stream that there is not comes before the next attempt.
    openhab.asked_in_all(LISTEN, 2).await;
    log.clear();
    for (power, shown) in [("NULL", "NULL"), ("ON", "ON"), ("5 kWh", "kWh"), ("231,4 W", "231,4")] {
        openhab.behave(house(power, None));
        openhab.asked(READ, 8).await;
        let lines = log.source_lines("WARN");
        assert!(lines.last().unwrap().contains(shown), "{power}: {lines:#?}");
        assert_eq!(
            lines.iter().filter(|line| line.contains("current_power: P ")).count(),
            lines.len()
        );
    }
    assert_eq!(log.source_lines("WARN").len(), 4, "{:#?}", log.source_lines("WARN"));
    log.clear();
    openhab.behave(house("900 W", None));
    source.power(900.0).await;
    openhab.asked(READ, 8).await;
    assert_each_once(&log.source_lines("INFO"), &[]);
    assert_each_once(&log.source_lines("WARN"), &["current_power: P has the state 900 W"]);
}

/// Closes connections in this way while a request is under way, as openHAB may where it finds one
/// idle.
async fn breaks(end: fn() -> Answer, over_tls: bool) {
    let log = Log::start(Level::INFO);
    let secrets = Secrets::new();
    let mut healthy = house("800 W", None);
    let mut reads = 0;
    let mut openhab = RawOpenHab::start(move |request: &str| {
        reads += usize::from(request.starts_with(READ));
        if request.starts_with(READ) && reads % 4 == 0 { end() } else { healthy(request) }
    });
    let own = Identity::self_signed();
    let front = Front::start(own.clone(), openhab.address);
    let config = if over_tls {
        let ca = secrets.key("openhab_ca_file", &own.pem);
        config(format!("https://{}", front.address), &format!("{QUICK}{ca}"))
    } else {
        config(openhab.address, QUICK)
    };
    let mut source = RunningSource::start(&config);
    source.power(800.0).await;
    openhab.asked(READ, 12).await;
    let lines = log.source_lines("WARN");
    assert!(lines.iter().all(|line| line.contains("polling until they come")), "{lines:#?}");
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_no_outage() {
    let _clock = FastClock::start();
    for over_tls in [false, true] {
        breaks(|| Answer::Close(Vec::new()), over_tls).await;
        breaks(|| Answer::Reset, over_tls).await;
    }
}

const TOKEN: &str = "oh.meter.Zq7canary";
const PASSWORD: &str = "Xk3canary";
/// "me:Xk3canary", as it goes over the wire.
const BASIC: &str = "bWU6WGszY2FuYXJ5";

/// All that there is to log: refusals, noise, redirects, streams that come and go.
async fn misbehave(openhab: &mut RawOpenHab, source: &mut RunningSource) {
    let elsewhere = RawOpenHab::start_at(([127, 0, 0, 2], 0).into(), house("800 W", None));
    let to = format!("http://{}", elsewhere.address);
    openhab.asked(READ, 2).await;
    assert!(openhab.heads()[0].contains(TOKEN) && openhab.heads()[0].contains(BASIC));
    openhab.behave(|_| Answer::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
    openhab.asked(READ, 1).await;
    openhab.behave(move |request| moved(request, &to));
    source.power(800.0).await;
    elsewhere.behave(|_| status("404 Not Found"));
    let events = events();
    openhab.behave(house("900 W", Some(&events)));
    drop(elsewhere);
    openhab.asked(LISTEN, 1).await;
    source.power(900.0).await;
    events.send(alive(1)).unwrap();
    events.send(power_changed("950 W")).unwrap();
    openhab.behave(|_| state("NULL"));
    drop(events);
    openhab.asked(READ, 4).await;
    assert!(source.value(POWER).is_some());
}

#[tokio::test]
async fn secrets_are_in_no_line() {
    let _clock = FastClock::start();
    let log = Log::start(Level::TRACE);
    let secrets = Secrets::new();
    let keys = format!("{QUICK}{}{}", secrets.token(TOKEN), secrets.login(PASSWORD));
    let mut openhab = RawOpenHab::start(|_: &str| status("401 Unauthorized"));
    let config = config(openhab.address, &keys);
    assert_no_secret(&format!("{config:?}"));
    assert_no_secret(&format!("{:?}", source(&config).unwrap()));
    let mut source = RunningSource::start(&config);
    misbehave(&mut openhab, &mut source).await;
    assert!(log.text().contains("401"), "{}", log.text());
}

#[test]
fn secrets_that_cannot_be_used_are_in_no_error() {
    let secrets = Secrets::new();
    let mut failures = 0;
    for text in ["oh.canary\nsecond canary", "c\u{e4}nary canary", "me:canary"] {
        for keys in [secrets.token(text), secrets.login(text)] {
            if let Err(error) = source(&config("localhost", &keys)) {
                assert_no_secret(&format!("{error} {error:?}"));
                failures += 1;
            }
        }
    }
    assert!(failures > 2, "only {failures} of the secrets were refused");
}
