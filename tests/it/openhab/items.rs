//! One item that fails, in whatever way, costs that item; and slow answers cost the power last.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tracing::Level;

use crate::harness::{
    clock::FastClock,
    log::Log,
    openhab::{
        HOUSE_ENERGY,
        answers::{
            Answer, Fault, LISTEN, READ, event, events, house, keep_alive, moved, power_changed,
            state, status,
        },
        raw::RawOpenHab,
    },
    source::{POWER, QUICK, QUICKLY_STALE, RunningMeter, RunningSource, config, value},
    task::Task,
    within,
};

/// What may be wrong with one item.
fn faults() -> Vec<Fault> {
    vec![
        ("silence", || Answer::Silent(Vec::new())),
        ("half a head", || Answer::Silent(b"HTTP/1.1 200 OK\r\nContent-".to_vec())),
        ("half a state", || {
            Answer::Silent(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n2".to_vec())
        }),
        ("an end", || Answer::Close(Vec::new())),
        ("an end in the body", || {
            Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n2".to_vec())
        }),
        ("a reset", || Answer::Reset),
        ("another protocol", || Answer::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        ("too much", || Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'1'; 1024])),
        ("302", || status("302 Found\r\nLocation: http://127.0.0.1:9/login")),
        ("304", || status("304 Not Modified")),
        ("401", || status("401 Unauthorized")),
        ("404", || status("404 Not Found")),
        ("500", || status("500 Internal Server Error")),
        ("503", || status("503 Service Unavailable")),
        ("no number", || state("ON")),
        ("nothing", || state("")),
    ]
}

/// `A` comes first in the alphabet and in the configuration.
const WITH_VOLTAGE: &str = "current_voltage: A";

/// The other items of the house are read, again and again, and the log names the one.
async fn assert_others_are_read(answer: fn() -> Answer, with_events: bool) {
    let events = events();
    let _alive = with_events.then(|| keep_alive(&events));
    let stream = with_events.then_some(&events);
    let mut healthy = house("800 W", stream);
    let mut openhab = RawOpenHab::start(move |request: &str| {
        if request.starts_with("GET /rest/items/A/") { answer() } else { healthy(request) }
    });
    let mut source =
        RunningSource::start(&config(openhab.address, &format!("{QUICK}\n{WITH_VOLTAGE}")));
    source.power(800.0).await;
    source.energy(HOUSE_ENERGY).await;
    openhab.asked("GET /rest/items/A/", 2).await;
    openhab.asked("GET /rest/items/P/", 2).await;
    openhab.asked("GET /rest/items/E/", 2).await;
    // Even if the stream is silent: that is what polling is for.
    let fresh = source.confirmed(POWER) + Duration::from_secs(1);
    source.shows(|reading| crate::harness::source::confirmed(reading, POWER) > fresh).await;
}

#[tokio::test]
async fn the_others_are_read_all_the_same() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut cases = JoinSet::new();
    for (fault, answer) in faults() {
        for with_events in [false, true] {
            cases.spawn(async move {
                let case = tokio::spawn(assert_others_are_read(answer, with_events));
                case.await.unwrap_or_else(|error| panic!("{fault}, {with_events}: {error}"));
            });
        }
    }
    within(cases.join_all()).await;
    let lines = log.source_lines("WARN");
    let named = lines.iter().filter(|line| line.contains("A gives no value")).count();
    assert_eq!(named, 2 * faults().len(), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("trying again")), "{lines:#?}");
}

#[tokio::test]
async fn a_redirect_of_one_item_is_that_items_matter() {
    let _clock = FastClock::start();
    let elsewhere = RawOpenHab::start(|_: &str| status("404 Not Found"));
    let elsewhere = format!("http://localhost:{}", elsewhere.address.port());
    for to in ["http://127.0.0.1:1", "https://127.0.0.1:1", &elsewhere] {
        let log = Log::start(Level::INFO);
        let (mut healthy, target) = (house("800 W", None), to.to_owned());
        let mut openhab = RawOpenHab::start(move |request: &str| {
            if request.starts_with("GET /rest/items/A/") {
                moved(request, &target)
            } else {
                healthy(request)
            }
        });
        let more = format!("{QUICK}\n{WITH_VOLTAGE}");
        let mut source = RunningSource::start(&config(openhab.address, &more));
        source.power(800.0).await;
        for _ in 0..4 {
            openhab.asked("GET /rest/items/A/", 1).await;
            openhab.asked("GET /rest/items/P/", 1).await;
            openhab.asked("GET /rest/items/E/", 1).await;
        }
        let fresh = source.confirmed(POWER) + QUICKLY_STALE;
        source.shows(|reading| crate::harness::source::confirmed(reading, POWER) > fresh).await;
        let lines = log.source_lines("WARN");
        let of_others = lines.iter().filter(|line| !line.contains("A gives no value"));
        let of_others: Vec<_> = of_others.filter(|line| !line.contains("no events")).collect();
        assert!(of_others.is_empty(), "{to}: {of_others:#?}");
    }
}

#[tokio::test]
async fn items_that_fail_are_not_read_more_often_than_others() {
    let _clock = FastClock::start();
    for answer in [|| status("404 Not Found"), || Answer::Close(Vec::new())] as [fn() -> Answer; 2]
    {
        let mut healthy = house("800 W", None);
        let openhab = RawOpenHab::start(move |request: &str| {
            if request.starts_with("GET /rest/items/E/") { healthy(request) } else { answer() }
        });
        let more = format!("update: poll\npoll_interval: 2s\n{WITH_VOLTAGE}");
        let mut source = RunningSource::start(&config(openhab.address, &more));
        source.energy(HOUSE_ENERGY).await;
        let before = openhab.count(READ);
        sleep(Duration::from_secs(20)).await;
        // Each of the three every two seconds, and once more for each failure.
        let reads = openhab.count(READ) - before;
        assert!((20..=60).contains(&reads), "{reads} reads");
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_goes_stale_though_the_stream_lives() {
    let _clock = FastClock::start();
    let events = events();
    let _alive = keep_alive(&events);
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut meter = RunningMeter::start(config(openhab.address, QUICK)).await;
    meter.is_live().await;
    openhab.asked_in_all(LISTEN, 1).await;
    let mut healthy = house("800 W", Some(&events));
    openhab.behave(move |request| {
        if request.starts_with("GET /rest/items/P/") {
            Answer::Close(Vec::new())
        } else {
            healthy(request)
        }
    });
    meter.is_stale().await;
    events.send(power_changed("900 W")).unwrap();
    meter.is_live_at(-900.0).await;
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_away_and_its_items_are_not_blamed() {
    let _clock = FastClock::start();
    for (fault, answer) in faults() {
        let log = Log::start(Level::INFO);
        let mut openhab = RawOpenHab::start(move |_: &str| answer());
        let more = format!("update: poll\npoll_interval: 100ms\n{WITH_VOLTAGE}");
        let _source = RunningSource::start(&config(openhab.address, &more));
        openhab.asked(READ, 5).await;
        let lines = log.source_lines("WARN");
        if matches!(fault, "no number" | "nothing") {
            // It does answer.
            assert_eq!(lines.len(), 3, "{fault}: {lines:#?}");
        } else {
            assert_eq!(lines.len(), 1, "{fault}: {lines:#?}");
            assert!(lines[0].contains(" and all others; trying again"), "{fault}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn several_silent_items_are_no_outage() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let events = events();
    let _alive = keep_alive(&events);
    let mut healthy = house("800 W", Some(&events));
    let mut openhab = RawOpenHab::start(move |request: &str| {
        if request.starts_with("GET /rest/items/U") {
            Answer::Silent(Vec::new())
        } else {
            healthy(request)
        }
    });
    let more = "current_voltage: {l1: U1, l2: U2, l3: U3}";
    let _source = RunningSource::start(&config(openhab.address, more));
    // The others need no reads while events have their values.
    let _events = Task::spawn(async move {
        for watts in 0.. {
            let _ = events.send(power_changed(&format!("{watts} W")));
            let _ = events.send(event("E/stateupdated", "ItemStateUpdatedEvent", "12346 kWh"));
            sleep(Duration::from_secs(1)).await;
        }
    });
    // Each in turn takes the whole time limit, with little else to read in between.
    for _ in 0..3 {
        openhab.asked("GET /rest/items/U3/", 1).await;
    }
    let lines = log.source_lines("WARN");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines.iter().all(|line| line.contains("current_voltage: U")), "{lines:#?}");
}

#[tokio::test]
async fn where_answers_are_slow_the_power_is_read_in_between() {
    let _clock = FastClock::start();
    let log = Log::start(Level::INFO);
    let mut healthy = house("800 W", None);
    let openhab = RawOpenHab::start(move |request: &str| {
        if request.starts_with(LISTEN) {
            return status("404 Not Found");
        }
        let answer = match request.split('/').nth(3) {
            Some("E" | "P") => healthy(request),
            _ => state("1"),
        };
        let Answer::Keep(bytes) = answer else { panic!("{answer:?}") };
        Answer::Late(Duration::from_millis(3300), bytes)
    });
    // Ten items, one after another, take longer than the default of stale_after.
    let more = "current_voltage: {l1: U1, l2: U2, l3: U3}\ncurrent_frequency: F\n\
                current_current: {l1: I1, l2: I2, l3: I3}\nenergy_counter_in: Z";
    let mut meter = RunningMeter::start(config(openhab.address, more)).await;
    meter.is_live().await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_mins(2) {
        sleep(Duration::from_secs(1)).await;
        let age = Instant::from_std(meter.image().confirmed.unwrap()).elapsed();
        assert!(age < Duration::from_secs(15), "the power is {age:?} old");
    }
    let lines = log.source_lines("WARN");
    let said: Vec<_> = lines.iter().filter(|line| line.contains("reading all 10 items")).collect();
    assert_eq!(said.len(), 1, "{lines:#?}");
    assert!(said[0].contains("takes 33 s, longer than stale_after"), "{said:?}");
}

#[tokio::test]
async fn a_time_of_the_last_update_that_is_none_costs_nothing() {
    let _clock = FastClock::start();
    for time in
        ["\"2026-11-26T07:00:00+01:00\"", "1.79E12", "-1", "null", "[]", "18446744073709551615"]
    {
        let openhab = RawOpenHab::start(move |request: &str| {
            let state = if request.contains("/P?") { "800 W" } else { "12345.678 kWh" };
            let body = format!("{{\"state\":\"{state}\",\"lastStateUpdate\":{time}}}");
            self::state(&body)
        });
        let more = format!("{QUICK}\nitem_max_age: 1h");
        let mut source = RunningSource::start(&config(openhab.address, &more));
        source.shows(|reading| value(reading, POWER) == Some(800.0)).await;
    }
}
