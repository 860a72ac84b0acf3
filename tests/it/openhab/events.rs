//! The event stream: what it says is known at once, and newer than what was asked for before.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::harness::{
    clock::FastClock,
    openhab::{
        Dialect, OpenHab,
        answers::{
            Answer, Events, LISTEN, READ, alive, changing_house, event, events, house, keep_alive,
            power_changed, state, status,
        },
        raw::RawOpenHab,
    },
    source::{ENERGY, NO_POLLS, POWER, QUICK, RunningSource, config, confirmed, same},
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
async fn one_topic_stands_for_all_events_of_an_item() {
    let events = events();
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let _source = RunningSource::start(&config(openhab.address, NO_POLLS));
    openhab.asked_in_all(LISTEN, 1).await;
    let head = openhab.heads().into_iter().find(|head| head.starts_with(LISTEN)).unwrap();
    assert!(head.contains("?topics=openhab/items/E/*,openhab/items/P/* HTTP"), "{head}");
}

/// What is told of an item, but not how it is.
const REASONS: [(&str, &str); 6] = [
    ("P/Roof_East/statechanged", "GroupItemStateChangedEvent"),
    ("P/Roof_West/stateupdated", "GroupStateUpdatedEvent"),
    // Posted to a group itself, as nothing else says.
    ("P/state", "ItemStateEvent"),
    ("P/added", "ItemAddedEvent"),
    ("P/updated", "ItemUpdatedEvent"),
    ("P/removed", "ItemRemovedEvent"),
];

#[tokio::test]
async fn an_event_without_the_state_is_a_reason_to_read_it_and_no_value() {
    let events = events();
    let power = Arc::new(Mutex::new("800 W".to_owned()));
    let mut openhab = RawOpenHab::start(changing_house(&power, &events));
    let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(800.0).await;
    for (watts, (place, kind)) in (801_u32..).zip(REASONS) {
        power.lock().unwrap().replace_range(.., &format!("{watts} W"));
        events.send(event(place, kind, "5000 W")).unwrap();
        source
            .shows(|reading| {
                let power = reading.get(POWER).unwrap().value;
                assert!(power < 5000.0, "{kind} is a value");
                same(power, watts.into())
            })
            .await;
    }
}

#[tokio::test]
async fn an_item_that_is_deleted_is_not_confirmed_by_signs_of_life() {
    let _clock = FastClock::start();
    let events = events();
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
    let _alive = keep_alive(&events);
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(800.0).await;
    let read = Instant::now() + Duration::from_secs(1);
    source.shows(|reading| confirmed(reading, POWER) > read).await;
    // What was just told need not be read, but for this reason.
    events.send(power_changed("801 W")).unwrap();
    source.power(801.0).await;
    // The clock moves in steps, and the reason comes later.
    sleep(Duration::from_millis(20)).await;
    let mut healthy = house("800 W", Some(&events));
    openhab.behave(move |request| {
        if request.starts_with(READ_POWER) { status("404 Not Found") } else { healthy(request) }
    });
    events.send(event("P/removed", "ItemRemovedEvent", "")).unwrap();
    openhab.asked(READ_POWER, 1).await;
    let removed = Instant::now() + Duration::from_secs(1);
    source.shows(|reading| confirmed(reading, ENERGY) > removed).await;
    assert!(source.confirmed(POWER) < removed);
}

#[tokio::test]
async fn while_a_read_is_under_way_further_reasons_lead_to_one_more() {
    let (events, answers) = (events(), events());
    let (mut openhab, mut source) = heard_while_it_asks(&events, &answers).await;
    for _ in 0..10 {
        events.send(event("P/Roof/stateupdated", "GroupStateUpdatedEvent", "5000 W")).unwrap();
    }
    // Events are taken in order.
    events.send(event("E/statechanged", CHANGED, "12346 kWh")).unwrap();
    source.energy(12_346_000.0).await;
    assert_eq!(openhab.count(READ_POWER), 1, "one is under way");
    answers.send(dictation(state("700 W"))).unwrap();
    openhab.asked_in_all(READ_POWER, 2).await;
    answers.send(dictation(state("701 W"))).unwrap();
    source.power(701.0).await;
}

#[tokio::test]
async fn what_was_posted_and_what_others_have_is_not_believed() {
    let events = events();
    let mut openhab = RawOpenHab::start(house("800 W", Some(&events)));
    let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
    openhab.asked_in_all(LISTEN, 1).await;
    source.power(800.0).await;
    // An item that says itself what it has accepted is asked for nothing.
    events.send(power_changed("800 W")).unwrap();
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
