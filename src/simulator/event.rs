//! The events of openHAB's bus, as bytes on an event stream.

use hyper::body::Bytes;
use serde::Serialize;

use super::{gson, state};

/// What openHAB 3.4 and later send every 10 s, so that a dead stream differs from a quiet one.
const ALIVE: &[u8] = b"event: alive\ndata: {\"type\":\"ALIVE\",\"interval\":10}";

/// One event, ready to be sent to whoever wants its topic.
#[derive(Debug)]
pub(super) struct Event {
    /// Such as `openhab/items/inverter_power/statechanged`; `None` is for everyone.
    pub(super) topic: Option<String>,
    /// Up to the end of the JSON, which is where openHAB flushes; the blank line follows.
    pub(super) bytes: Bytes,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A state was posted; it is open whether it was accepted.
    Posted,
    /// A state was accepted, changed or not; since openHAB 4.0.
    Updated,
    /// A state was accepted that differs from the one before.
    Changed,
    /// A group has got a state from a member, changed or not; since openHAB 4.0.
    GroupUpdated,
    /// A group has got another state from a member.
    GroupChanged,
    /// There is an item that was not there.
    Added,
    /// An item is defined otherwise.
    Redefined,
    /// There is no such item any more.
    Removed,
}

impl Kind {
    fn topic(self) -> &'static str {
        match self {
            Self::Posted => "state",
            Self::Updated | Self::GroupUpdated => "stateupdated",
            Self::Changed | Self::GroupChanged => "statechanged",
            Self::Added => "added",
            Self::Redefined => "updated",
            Self::Removed => "removed",
        }
    }

    fn event_type(self) -> &'static str {
        match self {
            Self::Posted => "ItemStateEvent",
            Self::Updated => "ItemStateUpdatedEvent",
            Self::Changed => "ItemStateChangedEvent",
            Self::GroupUpdated => "GroupStateUpdatedEvent",
            Self::GroupChanged => "GroupItemStateChangedEvent",
            Self::Added => "ItemAddedEvent",
            Self::Redefined => "ItemUpdatedEvent",
            Self::Removed => "ItemRemovedEvent",
        }
    }
}

/// What an event says about its item, in the order of the JSON. Absent fields are left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload<'a> {
    r#type: &'static str,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_state_update: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_state_change: Option<String>,
}

impl<'a> Payload<'a> {
    /// A payload with nothing but the state.
    pub(super) fn new(value: &'a str) -> Self {
        Self {
            r#type: state::type_of(value),
            value,
            old_type: None,
            old_value: None,
            last_state_update: None,
            last_state_change: None,
        }
    }

    /// Adds the previous state.
    pub(super) fn old(mut self, value: &'a str) -> Self {
        self.old_type = Some(state::type_of(value));
        self.old_value = Some(value);
        self
    }

    /// Adds the zoned time of the previous update (openHAB sends the event before it records the
    /// new time).
    pub(super) fn last_update(mut self, time: Option<String>) -> Self {
        self.last_state_update = time;
        self
    }

    /// Adds the zoned time of the previous change.
    pub(super) fn last_change(mut self, time: Option<String>) -> Self {
        self.last_state_change = time;
        self
    }
}

#[derive(Serialize)]
struct Message<'a> {
    topic: &'a str,
    /// JSON in a JSON string.
    payload: String,
    r#type: &'static str,
}

impl Event {
    /// A sign of life.
    pub(super) fn alive() -> Self {
        Self { topic: None, bytes: Bytes::from_static(ALIVE) }
    }

    /// An event about the item of this name, or about a group by way of a member: `GROUP/MEMBER`.
    pub(super) fn new(kind: Kind, place: &str, payload: &impl Serialize) -> Self {
        let topic = format!("openhab/items/{place}/{}", kind.topic());
        let json = gson::to_string(&Message {
            topic: &topic,
            payload: gson::to_string(payload),
            r#type: kind.event_type(),
        });
        let bytes = Bytes::from(format!("event: message\ndata: {json}"));
        Self { topic: Some(topic), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: &str = "2026-11-22T07:00:00.123456789+01:00[Europe/Vienna]";
    const CHANGE: &str = "2026-11-22T06:59:55.123456789+01:00[Europe/Vienna]";

    #[track_caller]
    fn assert_bytes(kind: Kind, name: &str, payload: &Payload<'_>, json: &str) {
        let event = Event::new(kind, name, payload);
        assert_eq!(String::from_utf8_lossy(&event.bytes), format!("event: message\ndata: {json}"));
    }

    // These lines are what ItemEventFactory and Gson of openHAB 5.2.1 make of the same events.
    #[test]
    fn events_are_openhabs_bytes() {
        assert_bytes(
            Kind::Changed,
            "Meter_Voltage",
            &Payload::new("231.4 V")
                .old("231.1 V")
                .last_update(Some(UPDATE.to_owned()))
                .last_change(Some(CHANGE.to_owned())),
            r#"{"topic":"openhab/items/Meter_Voltage/statechanged","payload":"{\"type\":\"Quantity\",\"value\":\"231.4 V\",\"oldType\":\"Quantity\",\"oldValue\":\"231.1 V\",\"lastStateUpdate\":\"2026-11-22T07:00:00.123456789+01:00[Europe/Vienna]\",\"lastStateChange\":\"2026-11-22T06:59:55.123456789+01:00[Europe/Vienna]\"}","type":"ItemStateChangedEvent"}"#,
        );
        assert_bytes(
            Kind::Updated,
            "Meter_Voltage",
            &Payload::new("231.4 V"),
            r#"{"topic":"openhab/items/Meter_Voltage/stateupdated","payload":"{\"type\":\"Quantity\",\"value\":\"231.4 V\"}","type":"ItemStateUpdatedEvent"}"#,
        );
        assert_bytes(
            Kind::Posted,
            "Meter_Power",
            &Payload::new("1.5 kW"),
            r#"{"topic":"openhab/items/Meter_Power/state","payload":"{\"type\":\"Quantity\",\"value\":\"1.5 kW\"}","type":"ItemStateEvent"}"#,
        );
        assert_bytes(
            Kind::Changed,
            "Meter_Energy",
            &Payload::new("1.23456789E7 Wh").old("NULL").last_update(Some(UPDATE.to_owned())),
            r#"{"topic":"openhab/items/Meter_Energy/statechanged","payload":"{\"type\":\"Quantity\",\"value\":\"1.23456789E7 Wh\",\"oldType\":\"UnDef\",\"oldValue\":\"NULL\",\"lastStateUpdate\":\"2026-11-22T07:00:00.123456789+01:00[Europe/Vienna]\"}","type":"ItemStateChangedEvent"}"#,
        );
        assert_bytes(
            Kind::Changed,
            "Meter_Freq",
            &Payload::new("UNDEF").old("49.98"),
            r#"{"topic":"openhab/items/Meter_Freq/statechanged","payload":"{\"type\":\"UnDef\",\"value\":\"UNDEF\",\"oldType\":\"Decimal\",\"oldValue\":\"49.98\"}","type":"ItemStateChangedEvent"}"#,
        );
    }

    #[test]
    fn a_payload_is_escaped_twice() {
        assert_bytes(
            Kind::Posted,
            "Note",
            &Payload::new("a=\"b\""),
            r#"{"topic":"openhab/items/Note/state","payload":"{\"type\":\"String\",\"value\":\"a\\u003d\\\"b\\\"\"}","type":"ItemStateEvent"}"#,
        );
    }
}
