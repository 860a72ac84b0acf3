//! The kept copy of the wanted entities, which differences are applied to.
//!
//! Pure.

use std::collections::BTreeMap;

use super::message::{Added, Attributes, Changed, EntitiesEvent, UNIT};

/// The states in which an entity has no value, with or without a unit.
const NO_VALUE: [&str; 2] = ["unavailable", "unknown"];

/// The most bytes of a state, and of a unit. Home Assistant itself allows 255 characters.
const MAX_TEXT: usize = 1024;

/// The wanted entities, as Home Assistant has them.
#[derive(Debug)]
pub struct Entities {
    known: BTreeMap<String, Known>,
}

/// What is known of an entity.
#[derive(Debug)]
enum Known {
    /// Home Assistant does not have it.
    Missing,
    /// It is there, but what was said of it cannot be read.
    Unreadable,
    There(Entity),
}

#[derive(Clone, Debug, PartialEq)]
struct Entity {
    state: String,
    unit: Option<String>,
    had_unit: bool,
}

/// What has become of an entity.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// It is there, with this state; it was updated at this time by Home Assistant's clock, in
    /// milliseconds since 1970.
    Found(String, Option<u64>),
    /// It was given this state.
    Updated(String),
    /// It has a state, and no unit any more.
    UnitLost,
    /// It is gone.
    Gone,
    /// What was said of it cannot be read.
    Unreadable,
}

impl Entities {
    /// The wanted entities, of which nothing is known yet.
    #[must_use]
    pub fn new(ids: impl IntoIterator<Item = String>) -> Self {
        Self { known: ids.into_iter().map(|id| (id, Known::Missing)).collect() }
    }

    /// Those that Home Assistant does not have.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = self.known.iter().filter(|(_, known)| matches!(known, Known::Missing));
        missing.map(|(id, _)| id.as_str())
    }

    /// Applies an event, as JSON. Returns what has become of which entity; none if it is no such event.
    #[must_use]
    pub fn apply(&mut self, event: &str) -> Option<Vec<(String, Change)>> {
        let event: EntitiesEvent<'_> = serde_json::from_str(event).ok()?;
        let mut changes = Vec::new();
        for (id, added) in &event.a {
            let Some(known) = self.known.get_mut(id) else { continue };
            changes.push((id.clone(), add(known, added.get())));
        }
        for (id, changed) in &event.c {
            let Some(known) = self.known.get_mut(id) else { continue };
            changes.extend(change(known, changed.get()).map(|change| (id.clone(), change)));
        }
        for id in &event.r {
            let Some(known) = self.known.get_mut(id) else { continue };
            *known = Known::Missing;
            changes.push((id.clone(), Change::Gone));
        }
        Some(changes)
    }
}

fn add(known: &mut Known, json: &str) -> Change {
    *known = Known::Unreadable;
    let Ok(Added { s, a, lc, lu }) = serde_json::from_str(json) else { return Change::Unreadable };
    let unit = unit(a);
    let entity = Entity { state: s, had_unit: unit.is_some(), unit };
    if !entity.is_short() {
        return Change::Unreadable;
    }
    let text = entity.text();
    *known = Known::There(entity);
    Change::Found(text, lu.or(lc).and_then(milliseconds))
}

/// An attribute alone, other than the unit, is not an update. An entity that had a unit has no value
/// without one: it would be read in another.
fn change(known: &mut Known, json: &str) -> Option<Change> {
    let Known::There(entity) = known else { return None };
    let Ok(Changed { more, less }) = serde_json::from_str(json) else {
        *known = Known::Unreadable;
        return Some(Change::Unreadable);
    };
    let before = entity.clone();
    let is_written = more.s.is_some() || more.lc.is_some();
    if less.a.iter().any(|name| name == UNIT) {
        entity.unit = None;
    }
    if more.a.unit_of_measurement.is_some() {
        entity.unit = unit(more.a);
    }
    if let Some(state) = more.s {
        entity.state = state;
    }
    entity.had_unit |= entity.unit.is_some();
    if !entity.is_short() {
        *known = Known::Unreadable;
        return Some(Change::Unreadable);
    }
    let lacks_unit = entity.had_unit && entity.unit.is_none() && entity.has_value();
    let change = if lacks_unit { Change::UnitLost } else { Change::Updated(entity.text()) };
    (is_written || *entity != before).then_some(change)
}

pub(super) fn unit(attributes: Attributes) -> Option<String> {
    let unit = attributes.unit_of_measurement?;
    unit.as_str().map(str::trim).filter(|unit| !unit.is_empty()).map(str::to_owned)
}

fn milliseconds(seconds: f64) -> Option<u64> {
    let time = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(time.as_millis()).ok()
}

/// A state with its unit, as [`crate::source::state::parse_state`] takes it.
pub(super) fn text(state: &str, unit: Option<&str>) -> String {
    let state = state.trim();
    match unit {
        Some(unit) if !NO_VALUE.contains(&state) => format!("{state} {unit}"),
        _ => state.to_owned(),
    }
}

impl Entity {
    fn is_short(&self) -> bool {
        self.state.len().max(self.unit.as_ref().map_or(0, String::len)) <= MAX_TEXT
    }

    fn has_value(&self) -> bool {
        !NO_VALUE.contains(&self.state.trim())
    }

    fn text(&self) -> String {
        text(&self.state, self.unit.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entities() -> Entities {
        Entities::new(["sensor.p".to_owned(), "sensor.e".to_owned()])
    }

    #[track_caller]
    fn assert_changes(entities: &mut Entities, event: &str, expected: &[(&str, Change)]) {
        let changes = entities.apply(event).unwrap();
        let changes: Vec<_> = changes.iter().map(|(id, change)| (id.as_str(), change)).collect();
        assert_eq!(changes, expected.iter().map(|(id, change)| (*id, change)).collect::<Vec<_>>());
    }

    fn updated(text: &str) -> [(&'static str, Change); 1] {
        [("sensor.p", Change::Updated(text.to_owned()))]
    }

    const FOUND: &str = r#"{"a":{"sensor.p":{"s":"640.5","a":{"unit_of_measurement":"W","x":[1]},
        "c":"01M8","lc":1795713124.5}}}"#;

    #[test]
    fn differences_are_applied_to_what_is_known() {
        let mut entities = entities();
        let found = Change::Found("640.5 W".to_owned(), Some(1_795_713_124_500));
        assert_changes(&mut entities, FOUND, &[("sensor.p", found)]);
        assert_eq!(entities.missing().collect::<Vec<_>>(), ["sensor.e"]);
        for (event, text) in [
            (r#"{"+":{"s":"700","lc":1.5,"c":"01"}}"#, "700 W"),
            // The same once more, with force_update.
            (r#"{"+":{"lc":2.5,"c":{"id":"01","user_id":null}}}"#, "700 W"),
            (r#"{"+":{"lu":3.5,"a":{"unit_of_measurement":"kW"}}}"#, "700 kW"),
            (r#"{"+":{"s":"0.8","lc":4.5,"a":{"unit_of_measurement":"MW"}}}"#, "0.8 MW"),
            (r#"{"+":{"s":"unavailable","lc":5.5}}"#, "unavailable"),
            (r#"{"+":{"s":" 7 "},"-":{"a":["x"]}}"#, "7 MW"),
        ] {
            let event = format!(r#"{{"c":{{"sensor.p":{event}}}}}"#);
            assert_changes(&mut entities, &event, &updated(text));
        }
    }

    #[test]
    fn an_entity_that_loses_its_unit_has_no_value_until_it_is_back() {
        let mut entities = entities();
        let _ = entities.apply(FOUND);
        for (event, expected) in [
            (r#"{"-":{"a":["unit_of_measurement"]}}"#, Change::UnitLost),
            (r#"{"+":{"s":"7"}}"#, Change::UnitLost),
            (r#"{"+":{"s":"unavailable"}}"#, Change::Updated("unavailable".to_owned())),
            (r#"{"+":{"s":"8"}}"#, Change::UnitLost),
            (r#"{"+":{"a":{"unit_of_measurement":"W"}}}"#, Change::Updated("8 W".to_owned())),
        ] {
            let event = format!(r#"{{"c":{{"sensor.p":{event}}}}}"#);
            assert_changes(&mut entities, &event, &[("sensor.p", expected)]);
        }
        let without = r#"{"a":{"sensor.e":{"s":"5"}},"c":{"sensor.e":{"+":{"s":"6"}}}}"#;
        let found = ("sensor.e", Change::Found("5".to_owned(), None));
        assert_changes(
            &mut entities,
            without,
            &[found, ("sensor.e", Change::Updated("6".to_owned()))],
        );
    }

    #[test]
    fn another_attribute_alone_is_no_update() {
        let mut entities = entities();
        let _ = entities.apply(FOUND);
        let event = r#"{"c":{"sensor.p":{"+":{"lu":1.5,"a":{"x":2}},"-":{"a":["y"]}}}}"#;
        assert_changes(&mut entities, event, &[]);
    }

    #[test]
    fn what_was_not_asked_for_is_ignored() {
        let event = r#"{"a":{"sensor.x":{"s":"1"}},"c":{"sensor.x":{}},"r":["sensor.x"]}"#;
        assert_changes(&mut entities(), event, &[]);
        assert_changes(&mut entities(), r#"{"c":{"sensor.p":{"+":{"s":"1"}}}}"#, &[]);
    }

    #[test]
    fn an_entity_that_goes_is_missing() {
        let mut entities = entities();
        let _ = entities.apply(FOUND);
        assert_changes(&mut entities, r#"{"r":["sensor.p"]}"#, &[("sensor.p", Change::Gone)]);
        assert_eq!(entities.missing().count(), 2);
    }

    #[test]
    fn what_cannot_be_read_costs_that_entity_alone() {
        let mut entities = entities();
        let event = r#"{"a":{"sensor.p":{"s":5},"sensor.e":{"s":"5","lc":-1e300}}}"#;
        let found = Change::Found("5".to_owned(), None);
        let expected = [("sensor.e", found), ("sensor.p", Change::Unreadable)];
        assert_changes(&mut entities, event, &expected);
        let event = r#"{"c":{"sensor.e":{"+":{"s":null,"a":7}}}}"#;
        assert_changes(&mut entities, event, &[("sensor.e", Change::Unreadable)]);
        assert_eq!(entities.missing().count(), 0, "they are there");
    }

    #[test]
    fn a_state_or_unit_that_no_entity_has_is_not_kept() {
        let long = "1".repeat(MAX_TEXT + 1);
        for event in [
            format!(r#"{{"a":{{"sensor.p":{{"s":"{long}"}}}}}}"#),
            format!(r#"{{"a":{{"sensor.p":{{"s":"1","a":{{"unit_of_measurement":"{long}"}}}}}}}}"#),
        ] {
            let mut entities = entities();
            assert_changes(&mut entities, &event, &[("sensor.p", Change::Unreadable)]);
        }
        let mut entities = entities();
        let _ = entities.apply(FOUND);
        let event = format!(r#"{{"c":{{"sensor.p":{{"+":{{"s":"{long}"}}}}}}}}"#);
        assert_changes(&mut entities, &event, &[("sensor.p", Change::Unreadable)]);
    }
}
