//! An item: its state, the previous one, and when they were set.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::Dialect;
use super::event::{Event, Kind, Payload};

/// An item with its current state and what openHAB 5 remembers of its past.
#[derive(Debug)]
pub(super) struct Item {
    state: String,
    last_state: Option<String>,
    last_update: Option<DateTime<Utc>>,
    last_change: Option<DateTime<Utc>>,
    /// The item's unit: that of the last state that had one.
    unit: Option<String>,
}

/// An item in JSON: the fields of openHAB's `EnrichedItemDTO`, in its order, without those that
/// it leaves out for a plain item.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Description<'a> {
    link: String,
    state: &'a str,
    #[serde(rename = "stateDescription", skip_serializing_if = "Option::is_none")]
    presentation: Option<Presentation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_state_update: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_state_change: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_symbol: Option<&'a str>,
    editable: bool,
    r#type: &'static str,
    name: &'a str,
    tags: [&'static str; 0],
    group_names: [&'static str; 0],
}

/// How openHAB would show a state, unless somebody says otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Presentation {
    pattern: &'static str,
    read_only: bool,
    options: [&'static str; 0],
}

impl Item {
    /// An item whose state was restored at the start; `NULL` is an item that never had one.
    pub(super) fn new(state: &str, now: DateTime<Utc>) -> Self {
        let since = (state != "NULL").then_some(now);
        Self {
            state: state.to_owned(),
            last_state: None,
            last_update: since,
            last_change: since,
            unit: unit_of(state).map(str::to_owned),
        }
    }

    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// Sets a new state and returns its events, in openHAB's order.
    pub(super) fn update(
        &mut self,
        name: &str,
        state: &str,
        dialect: Dialect,
        now: DateTime<Utc>,
    ) -> Vec<Event> {
        let (last_update, last_change) = match dialect {
            Dialect::Current => (self.last_update.map(zoned), self.last_change.map(zoned)),
            Dialect::Legacy => (None, None),
        };
        let mut events = vec![Event::new(Kind::Posted, name, &Payload::new(state))];
        if dialect == Dialect::Current {
            let payload = Payload::new(state).last_update(last_update.clone());
            events.push(Event::new(Kind::Updated, name, &payload));
        }
        if state != self.state {
            let payload = Payload::new(state)
                .old(&self.state)
                .last_update(last_update)
                .last_change(last_change);
            events.push(Event::new(Kind::Changed, name, &payload));
            self.last_state = Some(std::mem::replace(&mut self.state, state.to_owned()));
            self.last_change = Some(now);
        }
        self.last_update = Some(now);
        if let Some(unit) = unit_of(state) {
            self.unit = Some(unit.to_owned());
        }
        events
    }

    /// The item as `GET /rest/items/NAME` returns it; `host` is the one in the request.
    pub(super) fn describe<'a>(
        &'a self,
        name: &'a str,
        host: &str,
        dialect: Dialect,
    ) -> Description<'a> {
        let current = dialect == Dialect::Current;
        let epoch = |time: Option<DateTime<Utc>>| {
            time.filter(|_| current).map(|time| time.timestamp_millis())
        };
        Description {
            link: format!("http://{host}/rest/items/{name}"),
            state: &self.state,
            presentation: current.then(|| self.presentation()),
            last_state: self.last_state.as_deref().filter(|_| current),
            last_state_update: epoch(self.last_update),
            last_state_change: epoch(self.last_change),
            unit_symbol: self.unit.as_deref().filter(|_| current),
            editable: true,
            r#type: self.item_type(),
            name,
            tags: [],
            group_names: [],
        }
    }

    /// Whether a state can be put: an item for numbers takes no other text.
    pub(super) fn takes(&self, state: &str) -> bool {
        self.item_type() == "String" || type_of(state) != "String"
    }

    fn presentation(&self) -> Presentation {
        let pattern = match self.item_type() {
            "String" => "%s",
            "Number" => "%.0f",
            _ => "%.0f %unit%",
        };
        Presentation { pattern, read_only: false, options: [] }
    }

    fn item_type(&self) -> &'static str {
        match self.unit.as_deref() {
            Some("W" | "kW" | "MW" | "mW" | "VA" | "var") => "Number:Power",
            Some("Wh" | "kWh" | "MWh" | "J" | "varh" | "VAh") => "Number:Energy",
            Some("V" | "mV" | "kV") => "Number:ElectricPotential",
            Some("A" | "mA" | "kA") => "Number:ElectricCurrent",
            Some("Hz" | "mHz" | "kHz") => "Number:Frequency",
            Some(_) => "Number:Dimensionless",
            None if type_of(&self.state) == "String" => "String",
            None => "Number",
        }
    }
}

/// What openHAB calls the type of a state, judged by its looks.
pub(super) fn type_of(state: &str) -> &'static str {
    if matches!(state, "NULL" | "UNDEF") {
        "UnDef"
    } else if unit_of(state).is_some() {
        "Quantity"
    } else if is_number(state) {
        "Decimal"
    } else {
        "String"
    }
}

fn unit_of(state: &str) -> Option<&str> {
    let (number, unit) = state.split_once(' ')?;
    (is_number(number) && !unit.is_empty() && !unit.contains(char::is_whitespace)).then_some(unit)
}

fn is_number(text: &str) -> bool {
    // Rust reads "inf" and ".5" as numbers, too; openHAB prints neither.
    text.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit())
        && text.parse::<f64>().is_ok()
}

/// A time as Java's `ZonedDateTime` prints it.
fn zoned(time: DateTime<Utc>) -> String {
    format!("{}[UTC]", time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

#[cfg(test)]
mod tests {
    use super::super::gson;
    use super::*;

    fn time(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(milliseconds).unwrap()
    }

    fn topics(events: &[Event]) -> Vec<&str> {
        events.iter().filter_map(|event| event.topic.as_ref()?.rsplit('/').next()).collect()
    }

    #[test]
    fn a_state_shows_its_type() {
        for (state, expected) in [
            ("231.4 V", "Quantity"),
            ("1.0E-4 A", "Quantity"),
            ("20 °C", "Quantity"),
            ("49.98", "Decimal"),
            ("-3", "Decimal"),
            ("1E+7", "Decimal"),
            ("NULL", "UnDef"),
            ("UNDEF", "UnDef"),
            ("", "String"),
            ("inf", "String"),
            ("231,4 V", "String"),
            ("5 of 7", "String"),
            ("--1", "String"),
        ] {
            assert_eq!(type_of(state), expected, "{state}");
        }
    }

    #[test]
    fn current_has_events_for_updates_and_legacy_only_for_changes() {
        for (dialect, changed, same) in [
            (
                Dialect::Current,
                &["state", "stateupdated", "statechanged"][..],
                &["state", "stateupdated"][..],
            ),
            (Dialect::Legacy, &["state", "statechanged"], &["state"]),
        ] {
            let mut item = Item::new("1 W", time(0));
            assert_eq!(topics(&item.update("P", "2 W", dialect, time(1))), changed);
            assert_eq!(topics(&item.update("P", "2 W", dialect, time(2))), same);
        }
    }

    #[test]
    fn events_carry_the_times_of_the_update_before() {
        let mut item = Item::new("NULL", time(0));
        let first = item.update("P", "1 W", Dialect::Current, time(1_000));
        assert!(!String::from_utf8_lossy(&first[2].bytes).contains("lastState"));
        let second = item.update("P", "2 W", Dialect::Current, time(2_500));
        let text = String::from_utf8_lossy(&second[2].bytes);
        assert!(
            text.contains(r#"\"lastStateUpdate\":\"1970-01-01T00:00:01Z[UTC]\",\"lastStateChange\":\"1970-01-01T00:00:01Z[UTC]\""#),
            "{text}"
        );
    }

    #[test]
    fn json_has_the_past_in_version_5_only() {
        let mut item = Item::new("1 W", time(0));
        item.update("P", "2 W", Dialect::Current, time(1_000));
        item.update("P", "2 W", Dialect::Current, time(2_000));
        assert_eq!(
            gson::to_string(&item.describe("P", "h:8080", Dialect::Current)),
            r#"{"link":"http://h:8080/rest/items/P","state":"2 W","stateDescription":{"pattern":"%.0f %unit%","readOnly":false,"options":[]},"lastState":"1 W","lastStateUpdate":2000,"lastStateChange":1000,"unitSymbol":"W","editable":true,"type":"Number:Power","name":"P","tags":[],"groupNames":[]}"#
        );
        assert_eq!(
            gson::to_string(&item.describe("P", "h:8080", Dialect::Legacy)),
            r#"{"link":"http://h:8080/rest/items/P","state":"2 W","editable":true,"type":"Number:Power","name":"P","tags":[],"groupNames":[]}"#
        );
    }
}
