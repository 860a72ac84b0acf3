//! The event stream: what it tells is known at once, what it does not tell is polled for, and a
//! stream that is not to be trusted is not.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fronius_smartmeter::simulator::Dialect;
use tokio::{
    sync::broadcast,
    task::JoinSet,
    time::{interval, timeout},
};

use crate::harness::openhab::{
    Answer, BOUND, ENERGY, Fault, LISTEN, POWER, READ, RawServer, Running, Task, alive, anywhere,
    config, event, house, power_changed, same, serve, simulator, state, status, stream_head,
    wait_for,
};

/// So rare that nothing a test sees comes from a poll.
const NO_POLLS: &str = "poll_interval: 600s\nstale_after: 1200s";

/// Polls that are soon seen, and room for signs of life every second.
const QUICK: &str = "poll_interval: 100ms\nstale_after: 3s";

const CHANGED: &str = "ItemStateChangedEvent";

fn events() -> broadcast::Sender<Vec<u8>> {
    broadcast::Sender::new(1024)
}

/// Signs of life that promise the next within a second, and come well before.
fn keep_alive(events: &broadcast::Sender<Vec<u8>>) -> Task {
    let events = events.clone();
    Task::spawn(async move {
        let mut ticks = interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            // Nobody may be listening yet.
            let _ = events.send(alive(1));
        }
    })
}

/// A house whose polls see a power that the test can change.
fn changing_house(
    power: &Arc<Mutex<String>>,
    events: &broadcast::Sender<Vec<u8>>,
) -> impl FnMut(&str) -> Answer + Send + use<> {
    let (power, events) = (Arc::clone(power), events.clone());
    move |request| house(&power.lock().unwrap(), Some(&events))(request)
}

#[tokio::test]
async fn a_pushed_state_needs_no_read() {
    let events = events();
    let power = Arc::new(Mutex::new("800 W".to_owned()));
    let mut openhab = RawServer::start(changing_house(&power, &events)).await;
    let mut source = Running::start(config(openhab.address, NO_POLLS));
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(800.0).await;
    events.send(alive(1)).unwrap();
    for watts in 801..=850 {
        let now = format!("{watts} W");
        power.lock().unwrap().clone_from(&now);
        events.send(power_changed(&now)).unwrap();
        source.power(watts.into()).await;
    }
    // At the start, once connected, and once alive; of two items.
    assert!(openhab.count(READ) <= 3 * 2, "{} reads", openhab.count(READ));
    assert_eq!(openhab.count(LISTEN), 1);
}

#[tokio::test]
async fn group_items_tell_under_the_topic_of_a_member() {
    let events = events();
    let mut openhab = RawServer::start(house("NULL", Some(&events))).await;
    let mut source = Running::start(config(openhab.address, NO_POLLS));
    openhab.asked_in_all(LISTEN, 1).await;
    source.energy(12_345_678.0).await;
    let head = openhab.heads().into_iter().find(|head| head.starts_with(LISTEN)).unwrap();
    for topic in ["openhab/items/P/*statechanged", "openhab/items/P/*stateupdated"] {
        assert!(head.contains(topic), "{head}");
    }
    for (place, kind, watts) in [
        ("P/Roof_East/statechanged", "GroupItemStateChangedEvent", 1234),
        ("P/Roof_West/stateupdated", "GroupStateUpdatedEvent", 1235),
        ("P/stateupdated", "ItemStateUpdatedEvent", 1236),
        ("P/statechanged", CHANGED, 1237),
    ] {
        events.send(event(place, kind, &format!("{watts} W"))).unwrap();
        source.power(watts.into()).await;
    }
}

#[tokio::test]
async fn what_was_posted_and_what_others_have_is_not_believed() {
    let events = events();
    let mut openhab = RawServer::start(house("800 W", Some(&events))).await;
    let mut source = Running::start(config(openhab.address, NO_POLLS));
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(800.0).await;
    for (place, kind) in [
        ("P/state", "ItemStateEvent"),
        ("P/statepredicted", "ItemStatePredictedEvent"),
        ("P/command", "ItemCommandEvent"),
        ("P2/statechanged", CHANGED),
        ("Roof/P/statechanged", "GroupItemStateChangedEvent"),
    ] {
        events.send(event(place, kind, "5000 W")).unwrap();
    }
    // Events are taken in order: once the last has had its effect, the others have had theirs.
    for (kilowatt_hours, expected) in [("12346 kWh", 12_346_000.0), ("12347 kWh", 12_347_000.0)] {
        events.send(event("E/statechanged", CHANGED, kilowatt_hours)).unwrap();
        source.energy(expected).await;
        assert_eq!(source.value(POWER), Some(800.0));
    }
}

/// An openHAB that answers for `P` when, and what, the test sends to the second channel.
async fn hesitant(
    events: &broadcast::Sender<Vec<u8>>,
    answers: &broadcast::Sender<Vec<u8>>,
) -> RawServer {
    let (mut healthy, answers) = (house("800 W", Some(events)), answers.clone());
    RawServer::start(move |request: &str| {
        if request.contains("/P/state ") {
            Answer::Dictated(Vec::new(), answers.subscribe())
        } else {
            healthy(request)
        }
    })
    .await
}

/// An answer as bytes. It asks for a new connection, as the old one listens to the test alone.
fn dictation(answer: Answer) -> Vec<u8> {
    let Answer::Keep(bytes) = answer else { panic!("{answer:?} is more than bytes") };
    let text = String::from_utf8(bytes).unwrap();
    text.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn an_event_beats_the_answer_to_an_older_question() {
    let (events, answers) = (events(), events());
    let mut openhab = hesitant(&events, &answers).await;
    let mut source = Running::start(config(openhab.address, QUICK));
    openhab.asked_in_all(LISTEN, 1).await;
    openhab.asked_in_all("GET /rest/items/P", 1).await;
    events.send(power_changed("900 W")).unwrap();
    source.power(900.0).await;
    answers.send(dictation(state("800 W"))).unwrap();
    // The next question shows that this answer was taken in, and is newer than the event.
    openhab.asked_in_all("GET /rest/items/P", 2).await;
    assert_eq!(source.value(POWER), Some(900.0));
    answers.send(dictation(state("700 W"))).unwrap();
    source.power(700.0).await;
}

#[tokio::test]
async fn an_event_beats_the_refusal_of_an_older_question() {
    let (events, answers) = (events(), events());
    let mut openhab = hesitant(&events, &answers).await;
    let mut source = Running::start(config(openhab.address, QUICK));
    openhab.asked_in_all(LISTEN, 1).await;
    openhab.asked_in_all("GET /rest/items/P", 1).await;
    events.send(power_changed("900 W")).unwrap();
    source.power(900.0).await;
    answers.send(dictation(status("500 Internal Server Error"))).unwrap();
    openhab.asked_in_all("GET /rest/items/P", 2).await;
    let refused = openhab.last("GET /rest/items/P");
    let _alive = keep_alive(&events);
    wait_for(&mut source.readings, "signs of life that confirm", |reading| {
        reading.get(POWER).is_some_and(|sample| sample.confirmed > refused)
    })
    .await;
}

#[tokio::test]
async fn signs_of_life_keep_a_constant_value_fresh_without_reads() {
    let events = events();
    let openhab = RawServer::start(house("800 W", Some(&events))).await;
    let mut source = Running::start(config(openhab.address, QUICK));
    let _alive = keep_alive(&events);
    // Longer than values live without a confirmation, and than thirty polls would take.
    wait_for(&mut source.readings, "signs of life that confirm", |reading| {
        [POWER, ENERGY].into_iter().all(|point| {
            reading.get(point).is_some_and(|sample| {
                let age = sample.confirmed.saturating_duration_since(openhab.last(READ));
                age > Duration::from_secs(4)
            })
        })
    })
    .await;
    assert_eq!(source.value(POWER), Some(800.0));
}

#[tokio::test]
async fn signs_of_life_do_not_keep_an_item_fresh_that_lost_its_state() {
    let mut cases = JoinSet::new();
    for lost in ["NULL", "UNDEF", "ON", "5 kWh"] {
        cases.spawn(async move {
            let events = events();
            let power = Arc::new(Mutex::new("800 W".to_owned()));
            let mut openhab = RawServer::start(changing_house(&power, &events)).await;
            let mut source = Running::start(config(openhab.address, QUICK));
            source.power(800.0).await;
            openhab.asked_in_all(LISTEN, 1).await;
            power.lock().unwrap().replace_range(.., lost);
            events.send(power_changed(lost)).unwrap();
            let _alive = keep_alive(&events);
            wait_for(&mut source.readings, "power that ages", |reading| {
                let [power, energy] = [POWER, ENERGY].map(|point| reading.get(point).unwrap());
                assert!(same(power.value, 800.0), "{lost} became {}", power.value);
                energy.confirmed.saturating_duration_since(power.confirmed) > Duration::from_secs(1)
            })
            .await;
            power.lock().unwrap().replace_range(.., "0 W");
            events.send(power_changed("0 W")).unwrap();
            source.power(0.0).await;
        });
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up_and_polling_takes_over() {
    let events = events();
    let mut openhab = RawServer::start(house("800 W", Some(&events))).await;
    let mut source = Running::start(config(openhab.address, QUICK));
    let alive = keep_alive(&events);
    wait_for(&mut source.readings, "reads that rest", |reading| {
        reading.get(POWER).is_some_and(|sample| {
            let age = sample.confirmed.saturating_duration_since(openhab.last(READ));
            age > Duration::from_secs(1)
        })
    })
    .await;
    // Who connects from here on gets an answer, but never an event.
    openhab.behave(house("900 W", Some(&broadcast::Sender::new(1))));
    alive.end().await;
    let heard = source.confirmed(POWER);
    source.power(900.0).await;
    let patience = source.confirmed(POWER).duration_since(heard);
    assert!(patience >= Duration::from_millis(2400), "given up after {patience:?}");
    openhab.asked_in_all(LISTEN, 2).await;
    openhab.asked(READ, 6).await;
}

#[tokio::test]
async fn an_item_refused_while_the_stream_lives_is_asked_for_again_soon() {
    let events = events();
    let mut healthy = house("800 W", Some(&events));
    let mut refusals = 4;
    let openhab = RawServer::start(move |request: &str| {
        if request.contains("/P/state ") && refusals > 0 {
            refusals -= 1;
            return status("500 Internal Server Error");
        }
        healthy(request)
    })
    .await;
    let mut source = Running::start(config(openhab.address, QUICK));
    let _alive = keep_alive(&events);
    source.power(800.0).await;
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

#[tokio::test]
async fn without_a_stream_there_is_polling_until_it_comes_back() {
    // Each has its own server and source, so that the pauses between attempts are spent together.
    let mut cases = JoinSet::new();
    for (fault, answer) in no_streams() {
        cases.spawn(async move {
            let events = events();
            let mut openhab = RawServer::start(house("700 W", Some(&events))).await;
            let mut source = Running::start(config(openhab.address, QUICK));
            openhab.asked_in_all(LISTEN, 1).await;
            source.power(700.0).await;

            // The stream ends with its sender; the new one is none.
            let mut polled = house("800 W", None);
            openhab.behave(
                move |request| {
                    if request.starts_with(LISTEN) { answer() } else { polled(request) }
                },
            );
            drop(events);
            openhab.asked(LISTEN, 1).await;
            source.power(800.0).await;
            openhab.asked(READ, 6).await;

            let events = self::events();
            openhab.behave(house("800 W", Some(&events)));
            openhab.asked(LISTEN, 1).await;
            let _alive = keep_alive(&events);
            // Reads rest again, so it is the stream that confirms, and tells.
            wait_for(&mut source.readings, fault, |reading| {
                let confirmed = reading.get(POWER).unwrap().confirmed;
                confirmed.saturating_duration_since(openhab.last(READ)) > Duration::from_secs(1)
            })
            .await;
            events.send(power_changed("900 W")).unwrap();
            source.power(900.0).await;
        });
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

#[tokio::test]
async fn openhab_3_is_polled_because_its_silence_says_nothing() {
    let openhab = simulator("12345.678 kWh", "800 W", Dialect::Legacy);
    let (address, _server) = serve(&openhab, anywhere()).await;
    let quick = "poll_interval: 100ms\nstale_after: 1s";
    let mut source = Running::start(config(address, quick));
    source.power(800.0).await;
    let start = source.confirmed(POWER);
    wait_for(&mut source.readings, "a constant value that stays fresh", |reading| {
        let confirmed = reading.get(POWER).unwrap().confirmed;
        confirmed.duration_since(start) > Duration::from_millis(2500)
    })
    .await;
    openhab.set("P", "900 W");
    source.power(900.0).await;
}

#[tokio::test]
async fn the_events_of_both_dialects_are_understood() {
    for dialect in [Dialect::Current, Dialect::Legacy] {
        let openhab = simulator("12345.678 kWh", "0 W", dialect);
        let (address, _server) = serve(&openhab, anywhere()).await;
        let mut source = Running::start(config(address, NO_POLLS));
        source.power(0.0).await;
        // Until the stream is connected nobody hears it, so it is said more than once.
        let mut watts = 0;
        for _ in 0..3 {
            let heard = async {
                loop {
                    watts += 1;
                    openhab.set("P", &format!("{watts} W"));
                    let heard = source.power(watts.into());
                    if timeout(Duration::from_millis(200), heard).await.is_ok() {
                        break;
                    }
                }
            };
            timeout(BOUND, heard).await.unwrap();
        }
        // Three rounds of reads are the most there are; from here on it is events alone.
        for further in 1..=10 {
            openhab.set("P", &format!("{} W", watts + further));
            source.power((watts + further).into()).await;
        }
    }
}
