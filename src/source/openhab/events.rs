//! The event stream of openHAB: from bytes to updates of items.
//!
//! Pure: bytes go in, [`Event`]s come out.

use std::{borrow::Cow, mem, str, time::Duration};

use hyper::body::Bytes;
use memchr::memchr2;
use serde::Deserialize;

/// Largest line or event, in bytes. openHAB sends none that is longer.
const MAX_EVENT: usize = 64 * 1024;

/// Something that openHAB reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A sign of life, with the time until the next.
    Alive(Duration),
    /// An item has a state: a new one, or the same again.
    State {
        /// The item's name.
        item: String,
        /// Its state, as [`crate::source::state::parse_state`] takes it.
        state: String,
    },
    /// Something was posted to an item. If it accepts that, it says so itself, unless it is a group.
    Posted {
        /// The item's name.
        item: String,
    },
    /// An item may have another state now, and only a read tells which.
    Touched {
        /// The item's name.
        item: String,
    },
}

/// Why a stream is not an event stream.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Too long to be an event.
    #[error("an event of more than {MAX_EVENT} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("an event that is not text")]
    NotText,
}

/// Reads server-sent events as they arrive, in pieces of any size. A line ends with a line feed, a
/// carriage return, or both.
#[derive(Debug, Default)]
pub struct EventReader {
    /// The start of a line.
    line: Vec<u8>,
    /// The last byte was a carriage return. A line feed that follows belongs to it.
    returned: bool,
    data: String,
    started: bool,
}

impl EventReader {
    /// Adds what was received, and returns the events that are complete now.
    ///
    /// # Errors
    /// Returns an error if the stream is not an event stream. It cannot be read any further then.
    pub fn push(&mut self, bytes: &Bytes) -> Result<Vec<Event>, EventError> {
        let mut events = Vec::new();
        let mut left: &[u8] = bytes;
        while !left.is_empty() {
            let length = memchr2(b'\r', b'\n', left).unwrap_or(left.len());
            let (text, rest) = left.split_at(length);
            if self.line.len().saturating_add(text.len()) > MAX_EVENT {
                return Err(EventError::TooLong);
            }
            self.line.extend_from_slice(text);
            let Some((end, rest)) = rest.split_first() else { break };
            left = rest;
            let is_rest_of_end = mem::replace(&mut self.returned, *end == b'\r')
                && *end == b'\n'
                && self.line.is_empty();
            if !is_rest_of_end {
                let mut line = mem::take(&mut self.line);
                events.extend(self.line(str::from_utf8(&line).map_err(|_| EventError::NotText)?)?);
                line.clear();
                self.line = line;
            }
        }
        Ok(events)
    }

    /// Takes one line. The name of an event adds nothing to its data, so only the data is kept.
    fn line(&mut self, line: &str) -> Result<Option<Event>, EventError> {
        let first = !mem::replace(&mut self.started, true);
        let line = line.strip_prefix('\u{feff}').filter(|_| first).unwrap_or(line);
        if line.is_empty() {
            let event = event(&self.data);
            self.data.clear();
            return Ok(event);
        }
        let (field, data) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            if self.data.len().saturating_add(data.len()) > MAX_EVENT {
                return Err(EventError::TooLong);
            }
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        Ok(None)
    }
}

/// Parses the data of an event. What is not for us, or cannot be parsed, is ignored: it is no
/// reason to give up the stream.
fn event(data: &str) -> Option<Event> {
    /// openHAB's envelope; the payload is JSON again, inside a string.
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
        #[serde(borrow, default)]
        topic: Cow<'a, str>,
        #[serde(default)]
        payload: String,
        #[serde(default)]
        interval: u64,
    }
    let envelope: Envelope<'_> = serde_json::from_str(data).ok()?;
    if envelope.r#type == "ALIVE" {
        return Some(Event::Alive(Duration::from_secs(envelope.interval)));
    }
    let item = envelope.topic.split('/').nth(2)?.to_owned();
    match &*envelope.r#type {
        "ItemStateUpdatedEvent" | "ItemStateChangedEvent" => {
            let state = state(&envelope.payload)?;
            Some(Event::State { item, state })
        }
        "ItemStateEvent" => Some(Event::Posted { item }),
        // A group's events come under the topic of the member that changed. openHAB sends them from
        // several threads, so the last to come need not have the last state. An item that is edited,
        // retyped, deleted or added loses its state, and no event says so.
        "GroupStateUpdatedEvent"
        | "GroupItemStateChangedEvent"
        | "ItemAddedEvent"
        | "ItemRemovedEvent"
        | "ItemUpdatedEvent" => Some(Event::Touched { item }),
        _ => None,
    }
}

/// The state in the payload of an event.
fn state(payload: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Payload {
        value: String,
    }

    let Payload { value } = serde_json::from_str(payload).ok()?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written by openHAB 5.2.1's own classes, except for the names.
    const STREAM: &str = concat!(
        "event: alive\ndata: {\"type\":\"ALIVE\",\"interval\":10}\n\n",
        "event: message\n",
        r#"data: {"topic":"openhab/items/Voltage/statechanged","payload":"{\"type\":\"Quantity\",\"value\":\"231.4 V\",\"oldType\":\"Quantity\",\"oldValue\":\"231.1 V\",\"lastStateUpdate\":\"2026-11-22T07:00:00.123456789+01:00[Europe/Vienna]\"}","type":"ItemStateChangedEvent"}"#,
        "\n\n: comment\r\nevent: message\r\n",
        r#"data: {"topic":"openhab/items/Sum/Member/stateupdated","payload":"{\"type\":\"Quantity\",\"value\":\"1.23456789E7 Wh\"}","type":"GroupStateUpdatedEvent"}"#,
        "\r\n\r\n",
        r#"data: {"topic":"openhab/items/Power/state","payload":"{\"type\":\"Quantity\",\"value\":\"1.5 kW\"}","type":"ItemStateEvent"}"#,
        "\n\ndata: {broken\n\ndata:x\ndata:y\n\nid: 5\nretry: 10\n\n",
        r#"data: {"topic":"openhab/items/Freq/statechanged","payload":"{\"type\": \"UnDef\", \"value\": \"UNDEF\"}","type":"ItemStateChangedEvent"}"#,
        "\n\ndata: {\"type\":\"ItemStateChangedEvent\"",
    );

    fn state(item: &str, state: &str) -> Event {
        Event::State { item: item.to_owned(), state: state.to_owned() }
    }

    fn expected() -> Vec<Event> {
        vec![
            Event::Alive(Duration::from_secs(10)),
            state("Voltage", "231.4 V"),
            Event::Touched { item: "Sum".to_owned() },
            Event::Posted { item: "Power".to_owned() },
            state("Freq", "UNDEF"),
        ]
    }

    #[test]
    fn a_stream_with_all_that_openhab_sends() {
        let mut reader = EventReader::default();
        assert_eq!(reader.push(&Bytes::from(STREAM)).unwrap(), expected());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        let mut reader = EventReader::default();
        let text = "\u{feff}data: {\"type\":\"ALIVE\",\"interval\":10}\n\n";
        assert_eq!(reader.push(&Bytes::from(text)).unwrap().len(), 1);
    }

    #[test]
    fn an_endless_line_or_event_ends_the_stream() {
        let mut reader = EventReader::default();
        let result = (0..100).find_map(|_| reader.push(&Bytes::from("x".repeat(1024))).err());
        assert!(matches!(result, Some(EventError::TooLong)));
        let mut reader = EventReader::default();
        let line = format!("data: {}\n", "x".repeat(1024));
        let result = (0..100).find_map(|_| reader.push(&Bytes::from(line.clone())).err());
        assert!(matches!(result, Some(EventError::TooLong)));
        let mut reader = EventReader::default();
        let result = reader.push(&Bytes::from_static(b"data: \xff\xfe\n"));
        assert!(matches!(result, Err(EventError::NotText)));
    }

    /// One event, with each of the ends that a line may have.
    #[test]
    fn a_line_ends_with_either_byte_or_both() {
        let event = r#"data: {"type":"ALIVE","interval":10}"#;
        for end in ["\n", "\r", "\r\n"] {
            let stream = [event, end, end, ": comment", end, "data", end, end, event, end, end];
            let stream = stream.concat();
            for cut in 0..stream.len() {
                let mut reader = EventReader::default();
                let (start, rest) = stream.as_bytes().split_at(cut);
                let mut events = reader.push(&Bytes::copy_from_slice(start)).unwrap();
                events.extend(reader.push(&Bytes::copy_from_slice(rest)).unwrap());
                assert_eq!(events.len(), 2, "{end:?}, cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(cuts in proptest::collection::vec(0..STREAM.len(), 0..20)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let mut reader = EventReader::default();
            let mut events = Vec::new();
            for piece in cuts.windows(2) {
                let bytes = Bytes::copy_from_slice(&STREAM.as_bytes()[piece[0]..piece[1]]);
                events.extend(reader.push(&bytes).unwrap());
            }
            prop_assert_eq!(events, expected());
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = EventReader::default().push(&Bytes::from(bytes));
        }
    }
}
