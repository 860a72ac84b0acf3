//! What an entity has been: the statistics that Home Assistant keeps of its measurements.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A day of the statistics in Home Assistant's JSON.
#[derive(Deserialize)]
struct Day {
    #[serde(default)]
    max: Option<f64>,
}

/// The highest number in the answer to `recorder/statistics_during_period`.
pub(super) fn highest(statistics: &str) -> Option<f64> {
    let statistics: BTreeMap<String, Vec<Day>> = serde_json::from_str(statistics).ok()?;
    statistics.into_values().flatten().filter_map(|day| day.max).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_all_days_is_found() {
        let days = r#"[{"start":1795713124000,"end":1795799524000,"max":640.5},{"max":null},
            {"max":812.25},{"start":5}]"#;
        assert_eq!(highest(&format!(r#"{{"sensor.p":{days}}}"#)), Some(812.25));
        for statistics in ["{}", r#"{"sensor.p":[]}"#, "[]", r#"{"sensor.p":[{"max":"1"}]}"#] {
            assert_eq!(highest(statistics), None, "{statistics}");
        }
    }
}
