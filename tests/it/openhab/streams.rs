//! An event stream may be alive, silent, broken or none at all: what of it is trusted, and polling
//! where it is not.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::harness::{
    clock::FastClock,
    openhab::{
        Dialect, HOUSE, HOUSE_ENERGY, OpenHab,
        answers::{
            Answer, Fault, LISTEN, READ, alive, changing_house, events, house, keep_alive,
            power_changed, status, stream_head,
        },
        raw::RawOpenHab,
    },
    source::{
        ENERGY, NO_POLLS, POWER, QUICK, QUICKLY_STALE, RunningSource, config, confirmed, same,
    },
    within,
};

/// Waits for values that were confirmed so long after the last read: by the stream alone.
async fn reads_rest(source: &mut RunningSource, openhab: &RawOpenHab, time: Duration) {
    source
        .shows(|reading| {
            [POWER, ENERGY].into_iter().all(|point| {
                reading.get(point).is_some()
                    && confirmed(reading, point) > openhab.last(READ) + time
            })
        })
        .await;
}

#[tokio::test]
async fn signs_of_life_keep_a_constant_value_fresh_without_reads() {
    let _clock = FastClock::start();
    let events = events();
    let openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    let _alive = keep_alive(&events);
    // As long as twenty polls would take.
    reads_rest(&mut source, &openhab, QUICKLY_STALE.mul_f64(0.7)).await;
    assert_eq!(source.value(POWER), Some(800.0));
}

#[tokio::test]
async fn what_a_living_stream_does_not_tell_is_read_before_it_would_be_stale() {
    let _clock = FastClock::start();
    let events = events();
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    let _alive = keep_alive(&events);
    reads_rest(&mut source, &openhab, Duration::from_secs(1)).await;
    // No event for it comes.
    openhab.behave(house("900 W", Some(&events)));
    let changed = Instant::now();
    source.power(900.0).await;
    assert!(changed.elapsed() < QUICKLY_STALE, "read after {:?}", changed.elapsed());
    openhab.asked_in_all(LISTEN, 1).await;
}

#[tokio::test]
async fn what_a_living_stream_tells_is_not_read() {
    let _clock = FastClock::start();
    let events = events();
    let openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    let _alive = keep_alive(&events);
    reads_rest(&mut source, &openhab, Duration::from_secs(1)).await;
    let reads =
        || openhab.heads().iter().filter(|head| head.starts_with("GET /rest/items/P/")).count();
    let before = reads();
    for watts in 0..20 {
        events.send(power_changed(&format!("{watts} W"))).unwrap();
        source.power(watts.into()).await;
        sleep(QUICKLY_STALE / 2).await;
    }
    assert_eq!(reads(), before);
}

#[tokio::test]
async fn a_stream_may_be_written_in_all_ways_of_the_standards() {
    for (media_type, end) in [
        ("Text/Event-Stream", "\r"),
        ("text/event-stream;charset=UTF-8", "\r\n"),
        ("TEXT/EVENT-STREAM ; charset=utf-8", "\n"),
    ] {
        let events = events();
        let sender = events.clone();
        let mut reads = house("800 W", None);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n\r\n");
        let mut openhab = RawOpenHab::start(move |request: &str| {
            if request.starts_with(LISTEN) {
                Answer::Dictated(head.clone().into_bytes(), events.subscribe())
            } else {
                reads(request)
            }
        });
        let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
        source.power(800.0).await;
        openhab.asked_in_all(LISTEN, 1).await;
        let event = String::from_utf8(power_changed("900 W")).unwrap().replace('\n', end);
        sender.send(event.into_bytes()).unwrap();
        source.power(900.0).await;
    }
}

#[tokio::test]
async fn signs_of_life_do_not_keep_an_item_fresh_that_lost_its_state() {
    let _clock = FastClock::start();
    let mut cases = JoinSet::new();
    for lost in ["NULL", "UNDEF", "ON", "5 kWh"] {
        cases.spawn(async move {
            let events = events();
            let power = Arc::new(Mutex::new("800 W".to_owned()));
            let mut openhab = RawOpenHab::start(changing_house(&power, &events));
            let mut source = RunningSource::start(&config(openhab.address, QUICK));
            source.power(800.0).await;
            source.energy(HOUSE_ENERGY).await;
            openhab.asked_in_all(LISTEN, 1).await;
            power.lock().unwrap().replace_range(.., lost);
            events.send(power_changed(lost)).unwrap();
            let _alive = keep_alive(&events);
            source
                .shows(|reading| {
                    let power = reading.get(POWER).unwrap().value;
                    assert!(same(power, 800.0), "{lost} became {power}");
                    confirmed(reading, ENERGY) > confirmed(reading, POWER) + Duration::from_secs(1)
                })
                .await;
            power.lock().unwrap().replace_range(.., "0 W");
            events.send(power_changed("0 W")).unwrap();
            source.power(0.0).await;
        });
    }
    within(cases.join_all()).await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up_and_polling_takes_over() {
    let _clock = FastClock::start();
    let events = events();
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    // So rarely, a living stream is not checked by reads.
    let rarely = "poll_interval: 100ms\nstale_after: 1200s";
    let mut source = RunningSource::start(&config(openhab.address, rarely));
    let alive = keep_alive(&events);
    reads_rest(&mut source, &openhab, Duration::from_secs(1)).await;
    // Who connects from here on gets an answer, but never an event.
    openhab.behave(house("900 W", Some(&self::events())));
    alive.end().await;
    let heard = source.confirmed(POWER);
    source.power(900.0).await;
    // Two and a half times what the last sign of life promised.
    let patience = source.confirmed(POWER).duration_since(heard);
    let around = Duration::from_millis(2400)..Duration::from_millis(3500);
    assert!(around.contains(&patience), "given up after {patience:?}");
    openhab.asked_in_all(LISTEN, 2).await;
    openhab.asked(READ, 6).await;
}

#[tokio::test]
async fn what_a_stream_that_lives_at_once_has_missed_is_read_at_once() {
    let _clock = FastClock::start();
    let first = events();
    let mut openhab = RawOpenHab::start(house("800 W", Some(&first)));
    let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
    let alive = keep_alive(&first);
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(800.0).await;
    source.energy(HOUSE_ENERGY).await;
    // The next stream comes with a sign of life in one piece.
    let (second, mut reads) = (events(), house("900 W", None));
    openhab.behave(move |request| {
        if request.starts_with(LISTEN) {
            let head = [stream_head(), self::alive(10)].concat();
            Answer::Dictated(head, second.subscribe())
        } else {
            reads(request)
        }
    });
    alive.end().await;
    drop(first);
    openhab.asked(LISTEN, 1).await;
    let connected = Instant::now();
    source.power(900.0).await;
    assert!(connected.elapsed() < Duration::from_secs(2), "{:?} later", connected.elapsed());
}

#[tokio::test]
async fn attempts_at_a_stream_cause_no_reads() {
    let _clock = FastClock::start();
    let openhab = RawOpenHab::start(house("800 W", None));
    let more = "poll_interval: 60s\nstale_after: 300s";
    let mut source = RunningSource::start(&config(openhab.address, more));
    source.energy(HOUSE_ENERGY).await;
    let reads = openhab.count(READ);
    sleep(Duration::from_secs(50)).await;
    assert!(openhab.count(LISTEN) > 4, "{} attempts", openhab.count(LISTEN));
    assert_eq!(openhab.count(READ), reads);
}

#[tokio::test]
async fn an_item_that_lost_its_value_by_an_event_is_read_until_it_has_one() {
    let _clock = FastClock::start();
    let events = events();
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    let _alive = keep_alive(&events);
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(800.0).await;
    reads_rest(&mut source, &openhab, Duration::from_secs(1)).await;
    events.send(power_changed("UNDEF")).unwrap();
    // It is restored, as openHAB does at its start, without an event.
    openhab.behave(house("900 W", Some(&events)));
    let lost = Instant::now();
    source.power(900.0).await;
    assert!(lost.elapsed() < QUICKLY_STALE, "{:?} later", lost.elapsed());
}

/// What a server may say instead of an event stream.
fn no_streams() -> Vec<Fault> {
    fn after_head(body: &[u8]) -> Answer {
        Answer::Close([&stream_head(), body].concat())
    }
    vec![
        ("404", || status("404 Not Found")),
        ("503", || status("503 Service Unavailable")),
        ("an end at once", || after_head(b"")),
        ("an end in an event", || after_head(b"event: message\ndata: {\"topic\":\"openh")),
        ("a broken chunk", || {
            Answer::Close(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                  Transfer-Encoding: chunked\r\n\r\n40\r\nevent: al"
                    .to_vec(),
            )
        }),
        ("an endless line", || Answer::Endless(stream_head(), vec![b'x'; 1024])),
        ("an endless event", || Answer::Endless(stream_head(), b"data: xxxxxxxxx\n".to_vec())),
        ("no text", || after_head(b"data: \xff\xfe\n\n")),
        ("a web page", || {
            Answer::Close(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n\
                  data: {\"type\":\"ALIVE\",\"interval\":1}\n\n"
                    .to_vec(),
            )
        }),
        ("no type at all", || Answer::Close(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())),
        ("not HTTP", || Answer::Close(b"event: alive\n\n".to_vec())),
        ("a reset", || Answer::Reset),
    ]
}

/// The stream of a running source ends, this comes instead, and then a stream again.
async fn assert_polled_meanwhile(answer: fn() -> Answer) {
    let events = events();
    let mut openhab = RawOpenHab::start(house("700 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(700.0).await;

    let mut polled = house("800 W", None);
    openhab.behave(
        move |request| {
            if request.starts_with(LISTEN) { answer() } else { polled(request) }
        },
    );
    // The stream ends with its sender.
    drop(events);
    openhab.asked(LISTEN, 1).await;
    source.power(800.0).await;
    openhab.asked(READ, 6).await;

    let events = self::events();
    openhab.behave(house("800 W", Some(&events)));
    openhab.asked(LISTEN, 1).await;
    let _alive = keep_alive(&events);
    reads_rest(&mut source, &openhab, Duration::from_secs(1)).await;
    events.send(power_changed("900 W")).unwrap();
    source.power(900.0).await;
}

#[tokio::test]
async fn without_a_stream_there_is_polling_until_it_comes_back() {
    let _clock = FastClock::start();
    // Side by side, so that the pauses between attempts are spent together.
    let mut cases = JoinSet::new();
    for (fault, answer) in no_streams() {
        cases.spawn(async move {
            let case = tokio::spawn(assert_polled_meanwhile(answer));
            case.await.unwrap_or_else(|error| panic!("{fault}: {error}"));
        });
    }
    within(cases.join_all()).await;
}

#[tokio::test]
async fn openhab_3_is_polled_because_its_silence_says_nothing() {
    let _clock = FastClock::start();
    let openhab = OpenHab::start_as(Dialect::Legacy, &HOUSE);
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    source.power(800.0).await;
    // A constant value stays fresh.
    let fresh = source.confirmed(POWER) + 2 * QUICKLY_STALE;
    source.shows(|reading| confirmed(reading, POWER) > fresh).await;
    openhab.set("P", "900 W");
    source.power(900.0).await;
}
