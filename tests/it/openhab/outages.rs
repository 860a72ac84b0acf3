//! openHAB goes away, comes back without its states, and answers all there is but what it should:
//! the source gets over it by itself, and no value is made up meanwhile.

use std::net::SocketAddr;

use fronius_smartmeter::meter::Condition;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::harness::{
    clock::FastClock,
    openhab::{
        HOUSE, HOUSE_ENERGY, OpenHab,
        answers::{Answer, Fault, LISTEN, READ, house, state, status},
        raw::RawOpenHab,
    },
    source::{
        ENERGY, POWER, QUICK, QUICKLY_STALE, RunningMeter, RunningSource, config, exported, power,
        same, value,
    },
    within,
};

#[tokio::test]
async fn values_age_while_openhab_is_away_and_recover_when_it_is_back() {
    let _clock = FastClock::start();
    let mut openhab = OpenHab::start(&HOUSE);
    let mut meter = RunningMeter::start(config(openhab.address, QUICK)).await;
    meter.is_live_at(-800.0).await;

    openhab.stop().await;
    meter.is_stale().await;
    let image = meter.image();
    let age = Instant::from_std(image.confirmed.unwrap()).elapsed();
    assert!(age >= QUICKLY_STALE, "stale after {age:?} already");
    assert!(same(power(&image), 0.0), "a producer's default is zero");
    assert!(same(exported(&image), HOUSE_ENERGY), "{}", exported(&image));

    openhab.set("P", "900 W");
    openhab.restart();
    meter.is_live_at(-900.0).await;
}

#[tokio::test]
async fn items_without_a_state_after_a_restart_age_until_they_have_one() {
    let _clock = FastClock::start();
    let mut openhab = OpenHab::start(&HOUSE);
    let address = openhab.address;
    let mut source = RunningSource::start(&config(address, QUICK));
    let mut meter = RunningMeter::start(config(address, QUICK)).await;
    source.power(800.0).await;
    meter.is_live().await;

    openhab.stop().await;
    let _restarted = OpenHab::start_at(address, &[("E", "NULL"), ("P", "UNDEF")]);
    meter
        .shows(|image| {
            assert!(same(exported(image), HOUSE_ENERGY), "energy {}", exported(image));
            let live = image.condition == Condition::Live;
            // What the policy serves then is not the source's doing.
            assert!(!live || same(power(image), -800.0), "power {}", power(image));
            !live
        })
        .await;
    assert_eq!(source.value(POWER), Some(800.0));

    // The counter alone does not make the meter live.
    put(address, "E", "12345.7 kWh").await;
    source.energy(12_345_700.0).await;
    meter
        .shows(|image| {
            assert_eq!(image.condition, Condition::Stale);
            same(exported(image), 12_345_700.0)
        })
        .await;
    put(address, "P", "0 W").await;
    meter.is_live_at(0.0).await;
}

/// Updates an item as a user would with curl.
async fn put(address: SocketAddr, item: &str, state: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = state.len();
    let request = format!(
        "PUT /rest/items/{item}/state HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{state}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

/// Answers without a value.
fn refusals() -> Vec<Fault> {
    vec![
        ("401", || status("401 Unauthorized")),
        ("403", || status("403 Forbidden")),
        ("404", || status("404 Not Found")),
        ("500", || status("500 Internal Server Error")),
        ("503 and closed", || {
            Answer::Close(b"HTTP/1.1 503 Service Unavailable\r\n\r\n<html>starting".to_vec())
        }),
        ("204 without a state", || status("204 No Content")),
        ("an empty state", || state("")),
        ("a state that is no number", || state("ON")),
    ]
}

/// Answers that are hardly HTTP.
fn broken_answers() -> Vec<Fault> {
    vec![
        ("another protocol", || Answer::Close(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())),
        ("noise", || Answer::Close(vec![0, 255, 13, 10, 0, 13, 10, 13, 10])),
        ("not a byte", || Answer::Close(Vec::new())),
        ("a reset", || Answer::Reset),
        ("half a line", || Answer::Close(b"HTTP/1.1 20".to_vec())),
    ]
}

/// Answers that never end, or too soon.
fn wrong_lengths() -> Vec<Fault> {
    vec![
        ("an endless header", || {
            Answer::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1024])
        }),
        ("endless headers", || {
            Answer::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: x\r\n".repeat(100))
        }),
        ("an endless body", || {
            Answer::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'1'; 1024])
        }),
        ("an endless chunked body", || {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            Answer::Endless(head, [b"400\r\n", &[b'1'; 1024][..], b"\r\n"].concat())
        }),
        ("a body that is no text", || {
            Answer::Keep(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1\xff\xfe1".to_vec())
        }),
        ("a body that is cut off", || {
            Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1".to_vec())
        }),
        ("a chunk that is cut off", || {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            Answer::Close(format!("{head}5\r\n1").into_bytes())
        }),
    ]
}

#[tokio::test]
async fn one_source_gets_over_every_wrong_answer_in_turn() {
    let _clock = FastClock::start();
    let mut openhab = RawOpenHab::start(house("800 W", None));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    source.power(800.0).await;
    source.energy(HOUSE_ENERGY).await;
    // Those that take the whole time limit to notice have a test of their own.
    let faults = [refusals(), broken_answers(), wrong_lengths()].concat();
    for (watts, (fault, answer)) in (801_u32..).zip(faults) {
        println!("{fault}");
        openhab.behave(move |_| answer());
        openhab.asked(READ, 1).await;
        assert_eq!(source.value(POWER), Some(f64::from(watts) - 1.0), "during {fault}");
        assert_eq!(source.value(ENERGY), Some(HOUSE_ENERGY), "during {fault}");
        // A value that was never there before: it cannot come from anywhere but a good read.
        openhab.behave(house(&format!("{watts} W"), None));
        source.power(watts.into()).await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let _clock = FastClock::start();
    let silences: [fn() -> Vec<u8>; 4] = [
        Vec::new,
        || b"HTTP/1.1 20".to_vec(),
        || b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n".to_vec(),
        || b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n9".to_vec(),
    ];
    let mut cases = JoinSet::new();
    for silence in silences {
        cases.spawn(async move {
            let mut openhab = RawOpenHab::start(house("800 W", None));
            let mut source = RunningSource::start(&config(openhab.address, QUICK));
            source.power(800.0).await;
            openhab.behave(move |_| Answer::Silent(silence()));
            openhab.asked(READ, 1).await;
            openhab.behave(house("900 W", None));
            assert_eq!(source.value(POWER), Some(800.0));
            source.power(900.0).await;
        });
    }
    within(cases.join_all()).await;
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_polled_all_the_same() {
    let mut watts = 800;
    let mut openhab = RawOpenHab::start(move |request: &str| {
        if request.starts_with(LISTEN) {
            return status("404 Not Found");
        }
        watts += 1;
        let unit = if request.contains("/P/") { "W" } else { "kWh" };
        Answer::Close(format!("HTTP/1.0 200 OK\r\n\r\n{watts} {unit}").into_bytes())
    });
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    openhab.asked_in_all(READ, 6).await;
    source.shows(|reading| value(reading, POWER).is_some_and(|watts| watts >= 806.0)).await;
}

#[tokio::test]
async fn one_item_without_an_answer_does_not_hold_up_the_other() {
    let _clock = FastClock::start();
    let mut openhab = RawOpenHab::start(house("800 W", None));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    source.energy(HOUSE_ENERGY).await;
    for line in ["404 Not Found", "500 Internal Server Error"] {
        let mut counter = 12_345;
        openhab.behave(move |request| {
            if request.starts_with("GET /rest/items/E/") {
                counter += 1;
                state(&format!("{counter} kWh"))
            } else {
                status(line)
            }
        });
        source.shows(|reading| value(reading, ENERGY).is_some_and(|wh| wh >= 12_348_000.0)).await;
        openhab.behave(house("800 W", None));
        source.energy(HOUSE_ENERGY).await;
        openhab.asked(READ, 2).await;
    }
    assert_eq!(source.value(POWER), Some(800.0));
}
