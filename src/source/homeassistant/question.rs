//! What Home Assistant is asked now and then, beside its entities.

use serde::Deserialize;

use super::message::Rendered;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Has it started completely? While it starts, entities appear one after another.
    HasStarted,
    /// Which entities are there? For the names that are like one that is not.
    Names,
    /// How long ago was each wanted entity reported? The same value once more is no event.
    Reports,
}

/// The template that answers [`Question::Names`].
pub(super) const NAMES: &str = "{{ states | map(attribute='entity_id') | join(' ') }}";

/// The template that answers [`Question::Reports`]. The ids have no character that needs quoting.
/// Before Home Assistant 2024.3 there is no `last_reported`.
pub(super) fn reports(ids: &[String]) -> String {
    format!(
        "{{% set ages = namespace(of=[]) %}}{{% for id in ['{}'] %}}{{% set s = states[id] %}}\
         {{% set ages.of = ages.of + [(now() - (s.last_reported | default(s.last_updated)))\
         .total_seconds() if s else none] %}}{{% endfor %}}{{{{ ages.of }}}}",
        ids.join("','")
    )
}

/// The answer to [`Question::HasStarted`].
pub(super) fn has_started(result: &str) -> bool {
    #[derive(Deserialize)]
    struct Core {
        state: String,
    }
    serde_json::from_str(result).is_ok_and(|core: Core| core.state == "RUNNING")
}

/// The answer to [`Question::Names`].
pub(super) fn names(event: &str) -> Option<Vec<String>> {
    let text: String = rendered(event)?;
    Some(text.split_whitespace().map(str::to_owned).collect())
}

/// The answer to [`Question::Reports`]: ages in seconds, in the order of the ids.
pub(super) fn ages(event: &str) -> Option<Vec<Option<f64>>> {
    rendered(event)
}

fn rendered<T: for<'de> Deserialize<'de>>(event: &str) -> Option<T> {
    let rendered: Rendered<'_> = serde_json::from_str(event).ok()?;
    serde_json::from_str(rendered.result.get()).ok()
}

/// The entity that was probably meant.
pub(super) fn nearest(id: &str, all: &[String]) -> Option<String> {
    let limit = id.len().div_ceil(3);
    // One of the same name is there, but not shown to us.
    all.iter()
        .filter(|known| *known != id)
        .map(|known| (strsim::damerau_levenshtein(id, known), known))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, known)| known.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_is_near() {
        let all = ["sensor.roof_power", "sensor.roof_energy", "sun.sun"].map(str::to_owned);
        assert_eq!(nearest("sensor.rof_power", &all).as_deref(), Some("sensor.roof_power"));
        assert_eq!(nearest("sensor.garage_temperature", &all), None);
        assert_eq!(nearest("sun.sun", &all), None);
    }

    #[test]
    fn answers_are_read_as_home_assistant_gives_them() {
        assert!(has_started(r#"{"state":"RUNNING","version":"2025.4.4"}"#));
        assert!(!has_started(r#"{"state":"NOT_RUNNING"}"#) && !has_started("null"));
        let event = r#"{"result":"sensor.a sensor.b","listeners":{"all":true}}"#;
        assert_eq!(names(event).unwrap(), ["sensor.a", "sensor.b"]);
        assert_eq!(ages(r#"{"result":[1.5,null]}"#), Some(vec![Some(1.5), None]));
        assert_eq!(ages(r#"{"error":"x","level":"ERROR"}"#), None);
    }
}
