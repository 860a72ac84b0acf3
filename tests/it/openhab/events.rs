//! The event stream: what it says is known at once, and newer than what was asked for before.

use std::sync::{Arc, Mutex};

use crate::harness::{
    clock::FastClock,
    openhab::{
        Dialect, HOUSE_ENERGY, OpenHab,
        answers::{
            Answer, Events, LISTEN, READ, alive, changing_house, event, events, house, keep_alive,
            power_changed, state, status,
        },
        raw::RawOpenHab,
    },
    source::{NO_POLLS, POWER, QUICK, RunningSource, config, confirmed},
};

const CHANGED: &str = "ItemStateChangedEvent";

/// The requests for the power.
const READ_POWER: &str = "GET /rest/items/P/";

#[tokio::test]
async fn a_pushed_state_needs_no_read() {
    let events = events();
    let power = Arc::new(Mutex::new("800 W".to_owned()));
    let mut openhab = RawOpenHab::start(changing_house(&power, &events));
    let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
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
async fn group_items_report_under_the_topic_of_a_member() {
    let events = events();
    let mut openhab = RawOpenHab::start(house("NULL", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
    openhab.asked_in_all(LISTEN, 1).await;
    source.energy(HOUSE_ENERGY).await;
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
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
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

/// A source that has heard of 900 W while it still waits for the answer of a read. The test gives
/// that by the second channel.
async fn heard_while_it_asks(events: &Events, answers: &Events) -> (RawOpenHab, RunningSource) {
    let (mut healthy, asked) = (house("800 W", Some(events)), answers.clone());
    let mut openhab = RawOpenHab::start(move |request: &str| {
        if request.starts_with(READ_POWER) {
            Answer::Dictated(Vec::new(), asked.subscribe())
        } else {
            healthy(request)
        }
    });
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    openhab.asked_in_all(LISTEN, 1).await;
    openhab.asked_in_all(READ_POWER, 1).await;
    events.send(power_changed("900 W")).unwrap();
    source.power(900.0).await;
    (openhab, source)
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
    let (mut openhab, mut source) = heard_while_it_asks(&events, &answers).await;
    answers.send(dictation(state("800 W"))).unwrap();
    // The next question shows that this answer was taken in, and is newer than the event.
    openhab.asked_in_all(READ_POWER, 2).await;
    assert_eq!(source.value(POWER), Some(900.0));
    answers.send(dictation(state("700 W"))).unwrap();
    source.power(700.0).await;
}

#[tokio::test]
async fn an_event_beats_the_refusal_of_an_older_question() {
    let (events, answers) = (events(), events());
    let (mut openhab, mut source) = heard_while_it_asks(&events, &answers).await;
    answers.send(dictation(status("500 Internal Server Error"))).unwrap();
    openhab.asked_in_all(READ_POWER, 2).await;
    let refused = openhab.last(READ_POWER);
    let _alive = keep_alive(&events);
    source.shows(|reading| confirmed(reading, POWER) > refused).await;
}

#[tokio::test]
async fn an_item_refused_while_the_stream_lives_is_asked_for_again_soon() {
    let _clock = FastClock::start();
    let events = events();
    let mut healthy = house("800 W", Some(&events));
    let mut refusals = 4;
    let openhab = RawOpenHab::start(move |request: &str| {
        if request.contains("/P/state ") && refusals > 0 {
            refusals -= 1;
            return status("500 Internal Server Error");
        }
        healthy(request)
    });
    let mut source = RunningSource::start(&config(openhab.address, QUICK));
    let _alive = keep_alive(&events);
    source.power(800.0).await;
}

#[tokio::test]
async fn the_events_of_both_dialects_are_understood() {
    for dialect in [Dialect::Current, Dialect::Legacy] {
        let openhab = OpenHab::start_as(dialect, &[("E", "12345.678 kWh"), ("P", "0 W")]);
        let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
        source.power(0.0).await;
        // Some may come from reads: at the start, once connected, and once alive. There are no more
        // reads than that, so ten come from events alone.
        for watts in 1..=13 {
            openhab.set("P", &format!("{watts} W"));
            source.power(watts.into()).await;
        }
    }
}
