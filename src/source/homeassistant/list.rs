//! All entities of Home Assistant at once: the answer to `get_states`.

use serde::Deserialize;

use super::{
    entities::{text, unit},
    is_entity_id,
    message::Attributes,
};
use crate::{meter::units::Quantity, source::ListedItem};

/// An entity in Home Assistant's JSON.
#[derive(Deserialize)]
struct State {
    entity_id: String,
    #[serde(rename = "state")]
    text: String,
    #[serde(default)]
    attributes: Named,
}

/// The attributes that matter here.
#[derive(Default, Deserialize)]
struct Named {
    #[serde(flatten)]
    attributes: Attributes,
    /// Anything but a text is no name.
    #[serde(default)]
    friendly_name: Option<serde_json::Value>,
}

/// The entities of an answer that have numbers.
pub(super) fn listed(states: &str) -> Option<Vec<ListedItem>> {
    let states: Vec<State> = serde_json::from_str(states).ok()?;
    let listed = states.into_iter().filter(|state| is_entity_id(&state.entity_id)).map(|state| {
        let unit = unit(state.attributes.attributes);
        let name = state.attributes.friendly_name;
        ListedItem {
            label: name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned(),
            quantity: unit.as_deref().and_then(Quantity::of_symbol),
            state: text(&state.text, unit.as_deref()),
            name: state.entity_id,
            members: Vec::new(),
        }
    });
    Some(listed.filter(ListedItem::is_number).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_with_numbers_are_listed_with_what_they_measure() {
        let states = r#"[
            {"entity_id":"sensor.roof_power","state":"800.5","last_changed":"2026-11-27T09:00:00Z",
             "attributes":{"unit_of_measurement":"W","friendly_name":"Roof","options":[1]}},
            {"entity_id":"sensor.roof_energy","state":"unavailable",
             "attributes":{"unit_of_measurement":"kWh","friendly_name":5}},
            {"entity_id":"sensor.plain","state":"7","attributes":{}},
            {"entity_id":"sensor.warm","state":"21","attributes":{"unit_of_measurement":"°C"}},
            {"entity_id":"sun.sun","state":"above_horizon","attributes":{}},
            {"entity_id":"Not an id","state":"5","attributes":{"unit_of_measurement":"W"}}]"#;
        let listed = listed(states).unwrap();
        let shown: Vec<_> = listed
            .iter()
            .map(|item| (item.name.as_str(), item.state.as_str(), item.quantity))
            .collect();
        assert_eq!(
            shown,
            [
                ("sensor.roof_power", "800.5 W", Some(Quantity::Power)),
                ("sensor.roof_energy", "unavailable", Some(Quantity::Energy)),
                ("sensor.plain", "7", None),
            ]
        );
        assert_eq!((listed[0].label.as_str(), listed[1].label.as_str()), ("Roof", ""));
        assert_eq!(super::listed(r#"{"a":{}}"#), None);
    }
}
