//! An item: its state, the previous one, and when they were set.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::Dialect;
use super::definition::{Definition, Function};
use super::event::{Event, Kind, Payload};
use super::state::{type_of, unit_of};

/// An item with its current state and what openHAB 5 remembers of its past.
#[derive(Debug)]
pub(super) struct Item {
    state: String,
    last_state: Option<String>,
    last_update: Option<DateTime<Utc>>,
    last_change: Option<DateTime<Utc>>,
    /// The item's unit: that of the last state that had one.
    unit: Option<String>,
    /// `None` is an item that is what its states look like.
    definition: Option<Definition>,
}

/// An item in JSON: the fields of openHAB's `EnrichedItemDTO`, in its order, without those that
/// it leaves out for a plain item.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Description<'a> {
    /// Those of a group, which are never listed here.
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Function>,
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
    r#type: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    tags: Vec<String>,
    group_names: Vec<String>,
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
            definition: None,
        }
    }

    /// An item that is new or edited: it has no state, even if it had one.
    pub(super) fn defined(definition: Definition) -> Self {
        Self {
            state: "NULL".to_owned(),
            last_state: None,
            last_update: None,
            last_change: None,
            unit: definition.unit().map(str::to_owned),
            definition: Some(definition),
        }
    }

    /// What the item is; `name` is its name.
    pub(super) fn definition(&self, name: &str) -> Definition {
        self.definition.clone().unwrap_or_else(|| Definition {
            r#type: self.item_type().to_owned(),
            name: name.to_owned(),
            ..Definition::default()
        })
    }

    /// The groups that it is a member of.
    pub(super) fn groups(&self) -> &[String] {
        self.definition.as_ref().map_or(&[], |definition| &definition.group_names)
    }

    /// Whether its state is the sum of those of its members.
    pub(super) fn is_sum(&self) -> bool {
        self.definition.as_ref().is_some_and(Definition::is_sum)
    }

    fn is_group(&self) -> bool {
        self.definition.as_ref().is_some_and(Definition::is_group)
    }

    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// Sets a new state and returns its events, in openHAB's order. Of a group, none says that it has
    /// accepted it.
    pub(super) fn update(
        &mut self,
        name: &str,
        state: &str,
        dialect: Dialect,
        now: DateTime<Utc>,
    ) -> Vec<Event> {
        let mut events = vec![Event::new(Kind::Posted, name, &Payload::new(state))];
        let accepted = self.accept([Kind::Updated, Kind::Changed], name, state, dialect, now);
        if !self.is_group() {
            events.extend(accepted);
        }
        events
    }

    /// Sets the state of a group that follows from a member's, and returns its events. `place` is
    /// `GROUP/MEMBER`.
    pub(super) fn follow(
        &mut self,
        place: &str,
        state: &str,
        dialect: Dialect,
        now: DateTime<Utc>,
    ) -> Vec<Event> {
        self.accept([Kind::GroupUpdated, Kind::GroupChanged], place, state, dialect, now)
    }

    fn accept(
        &mut self,
        [updated, changed]: [Kind; 2],
        place: &str,
        state: &str,
        dialect: Dialect,
        now: DateTime<Utc>,
    ) -> Vec<Event> {
        let (last_update, last_change) = match dialect {
            Dialect::Current => (self.last_update.map(zoned), self.last_change.map(zoned)),
            Dialect::Legacy => (None, None),
        };
        let mut events = Vec::new();
        if dialect == Dialect::Current {
            let payload = Payload::new(state).last_update(last_update.clone());
            events.push(Event::new(updated, place, &payload));
        }
        if state != self.state {
            let payload = Payload::new(state)
                .old(&self.state)
                .last_update(last_update)
                .last_change(last_change);
            events.push(Event::new(changed, place, &payload));
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
    pub(super) fn describe(&self, name: &str, host: &str, dialect: Dialect) -> Description<'_> {
        let current = dialect == Dialect::Current;
        let epoch = |time: Option<DateTime<Utc>>| {
            time.filter(|_| current).map(|time| time.timestamp_millis())
        };
        let definition = self.definition(name);
        let has_past = current && !self.is_group();
        Description {
            members: self.is_group().then_some([]),
            group_type: definition.group_type,
            function: definition.function,
            link: format!("http://{host}/rest/items/{name}"),
            state: &self.state,
            presentation: current.then(|| self.presentation()),
            last_state: self.last_state.as_deref().filter(|_| has_past),
            last_state_update: epoch(self.last_update),
            last_state_change: epoch(self.last_change),
            unit_symbol: self.unit.as_deref().filter(|_| current),
            editable: true,
            r#type: definition.r#type,
            name: definition.name,
            label: definition.label,
            tags: definition.tags,
            group_names: definition.group_names,
        }
    }

    /// Whether a state can be put: an item for numbers takes no other text.
    pub(super) fn takes(&self, state: &str) -> bool {
        !self.item_type().starts_with("Number") || type_of(state) != "String"
    }

    fn presentation(&self) -> Presentation {
        let pattern = match self.item_type() {
            "Number" => "%.0f",
            number if number.starts_with("Number:") => "%.0f %unit%",
            _ => "%s",
        };
        Presentation { pattern, read_only: false, options: [] }
    }

    fn item_type(&self) -> &str {
        if let Some(definition) = &self.definition {
            return definition.state_type();
        }
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
