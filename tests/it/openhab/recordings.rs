//! What real openHABs sent, read by this program: three versions, of which each had the same done to
//! its items.

use std::{
    collections::VecDeque,
    time::{Duration, UNIX_EPOCH},
};

use fronius_smartmeter::{
    meter::units::Quantity,
    source::{
        openhab::events::{Event, EventReader},
        state::parse_state,
    },
};
use hyper::body::Bytes;

use crate::harness::{
    openhab::{
        answers::{Answer, READ, status},
        raw::RawOpenHab,
    },
    recording::{Exchange, exchanges, text},
    source::{NO_POLLS, RunningSource, config, failure, source},
};

/// From openHAB 3, which does not tell updates that change nothing, to one that adds their times.
const VERSIONS: [&str; 3] = ["3.4.5", "4.3.11", "5.2.1"];

/// The content of an event stream, without its head and its chunks, in the pieces that came.
fn stream(pieces: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut line, mut left) = (Vec::new(), 0);
    let chunks = pieces[1..].iter().map(|piece| {
        let mut content = Vec::new();
        for &byte in piece {
            if left > 0 {
                content.push(byte);
                left -= 1;
            } else if byte == b'\n' {
                let size = String::from_utf8(std::mem::take(&mut line)).unwrap();
                // The end of a chunk is an empty line before the next size.
                left = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            } else {
                line.push(byte);
            }
        }
        content
    });
    chunks.collect()
}

/// Everything that the stream with all events of the items says.
fn events(version: &str) -> Vec<Event> {
    let recorded = exchanges(version, "events-all-items");
    let mut reader = EventReader::default();
    let pieces = stream(&recorded[0].pieces).into_iter();
    pieces.flat_map(|piece| reader.push(&Bytes::from(piece)).unwrap()).collect()
}

/// The values that an item had one after another, in base units; `None` is no value.
fn history(events: &[Event], name: &str, quantity: Quantity) -> Vec<Option<f64>> {
    let mut values: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::State { item, state } if item == name => Some(state),
            _ => None,
        })
        .map(|state| parse_state(state, &quantity.default_unit()).ok())
        .collect();
    values.dedup();
    values
}

/// The states that were read when nothing happened any more, item by item.
fn states_afterwards(version: &str) -> Vec<(String, String)> {
    let state = |exchange: &Exchange| {
        let name = exchange.wanted().strip_prefix("GET /rest/items/").unwrap();
        let answer = String::from_utf8(exchange.answer()).unwrap();
        let (_, state) = answer.split_once("\r\n\r\n").unwrap();
        (name.strip_suffix("/state").unwrap().to_owned(), state.to_owned())
    };
    exchanges(version, "item-state").iter().map(state).collect()
}

#[test]
fn every_version_tells_the_same_values() {
    for version in VERSIONS {
        let events = events(version);
        // 1234 W, 1.5 kW, 0.0015 MW, UNDEF, NULL and 777 were posted,
        assert_eq!(
            history(&events, "P", Quantity::Power),
            [Some(1234.0), Some(1500.0), None, Some(777.0)],
            "{version}"
        );
        // 12.5 kWh, 1.23456789E7 Wh, 44444444 J, 3.6 MJ and 12300000 Wh,
        let energies = history(&events, "E", Quantity::Energy);
        let expected = [12_500.0, 12_345_678.9, 44_444_444.0 / 3600.0, 1000.0, 12_300_000.0];
        assert_eq!(energies.len(), expected.len(), "{version}: {energies:?}");
        for (energy, expected) in energies.iter().zip(expected) {
            assert!((energy.unwrap() / expected - 1.0).abs() < 1e-12, "{version}: {energies:?}");
        }
        // and 5 and 5.000.
        assert_eq!(history(&events, "N", Quantity::Power), [Some(5.0)], "{version}");
        let alive = Event::Alive(Duration::from_secs(10));
        assert!(events.contains(&alive), "{version}");
    }
}

#[test]
fn the_last_event_has_the_state_that_is_read_afterwards() {
    for version in VERSIONS {
        let events = events(version);
        for (name, read) in states_afterwards(version) {
            let told = events.iter().rev().find_map(|event| match event {
                Event::State { item, state } if *item == name => Some(state.as_str()),
                _ => None,
            });
            // Of a group no event is believed.
            let expected = (name != "G").then_some(read.as_str());
            assert_eq!(told, expected, "{name} of {version}");
        }
    }
}

#[test]
fn what_was_edited_removed_or_added_is_to_be_read() {
    for version in VERSIONS {
        let events = events(version);
        // Its label was set, it was removed and added, and its type changed to String and back.
        let touched = Event::Touched { item: "N".to_owned() };
        assert_eq!(events.iter().filter(|&event| *event == touched).count(), 5, "{version}");
        let last = events.iter().rposition(|event| *event == touched).unwrap();
        let told = |event: &Event| matches!(event, Event::State { item, .. } if item == "N");
        assert!(!events[last..].iter().any(told), "{version} tells the state that is left");
    }
}

#[test]
fn the_events_of_a_group_say_only_that_it_is_to_be_read() {
    for version in VERSIONS {
        let recorded = text(version, "group-events-out-of-order");
        let mut misleading = 0;
        for burst in recorded.split("M1=").skip(1) {
            let (_, rest) = burst.split_once("GET /rest/items/G/state afterwards: ").unwrap();
            let (state, burst) = rest.split_once("; events of G").unwrap();
            // The sizes of the chunks, which are left in it, are lines that mean nothing.
            let events = EventReader::default().push(&Bytes::from(burst.to_owned())).unwrap();
            let said = burst.matches("event: message").count();
            assert_eq!(events, vec![Event::Touched { item: "G".to_owned() }; said], "{version}");
            let (_, last) = burst.rsplit_once(r#"\"value\":\""#).unwrap();
            misleading += usize::from(!last.starts_with(&format!(r#"{state}\""#)));
        }
        assert!(misleading > 0, "{version} would do as well with the values of the events");
    }
}

/// Answers requests as recorded, in the order of the recording where there are several of a kind.
fn replay(recorded: Vec<Exchange>) -> impl FnMut(&str) -> Answer + Send + 'static {
    let mut recorded = VecDeque::from(recorded);
    move |request| {
        let asked = |exchange: &Exchange| request.starts_with(&format!("{} ", exchange.wanted()));
        match recorded.iter().position(asked).and_then(|index| recorded.remove(index)) {
            Some(exchange) => Answer::Keep(exchange.answer()),
            None => status("404 Not Found"),
        }
    }
}

#[tokio::test]
async fn states_are_read_from_every_version() {
    for version in VERSIONS {
        let openhab = RawOpenHab::start(replay(exchanges(version, "item-state")));
        let mut source = RunningSource::start(&config(openhab.address, NO_POLLS));
        source.power(777.0).await;
        source.energy(12_300_000.0).await;
        assert!(openhab.count(READ) >= 2);
    }
}

#[tokio::test]
async fn an_item_tells_its_state_and_since_openhab_5_when_that_was_updated() {
    for (version, watts, updated) in
        [("3.4.5", 352.0, None), ("4.3.11", 777.0, None), ("5.2.1", 777.0, Some(1_795_710_318_594))]
    {
        let openhab = RawOpenHab::start(replay(exchanges(version, "item")));
        let config = config(openhab.address, NO_POLLS);
        let power = config.meters[0].bindings.iter().find(|binding| binding.item == "P").unwrap();
        let probe = &source(&config).unwrap().probe(&[power]).await.unwrap()[0];
        assert_eq!(probe.value, Ok(watts), "{version}");
        let updated = updated.map(|time| UNIX_EPOCH + Duration::from_millis(time));
        assert_eq!(probe.updated, updated, "{version}");
    }
}

#[tokio::test]
async fn an_item_that_is_missing_is_named_whatever_the_404() {
    for version in VERSIONS {
        for Exchange { pieces, .. } in exchanges(version, "404") {
            let answer = pieces.concat();
            let openhab = RawOpenHab::start(move |_: &str| Answer::Keep(answer.clone()));
            let error = failure(&config(openhab.address, NO_POLLS)).await;
            assert!(error.contains("404 Not Found"), "{version}: {error}");
        }
    }
}
