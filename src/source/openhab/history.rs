//! What an item has been: openHAB's persistence, where there is one.

use std::time::Duration;

use chrono::SecondsFormat;
use hyper::StatusCode;
use serde::Deserialize;
use tokio::time::Instant;

use crate::source::{backoff::later, http::Client, listing::month_ago};

/// The largest history, in bytes: a month of a value each second has far more, and gives no hint.
const MAX_HISTORY: usize = 16 * 1024 * 1024;

/// The most time to wait for what is only a hint.
const LIMIT: Duration = Duration::from_secs(10);

/// The history of an item in openHAB's JSON.
#[derive(Deserialize)]
struct History {
    data: Vec<Datum>,
}

#[derive(Deserialize)]
struct Datum {
    state: String,
}

/// The highest number that the item has had in the last month, in its unit, as far as it is known.
pub(super) async fn highest(client: &mut Client, item: &str) -> Option<f64> {
    let start = month_ago().to_rfc3339_opts(SecondsFormat::Millis, true);
    let path = format!("/rest/persistence/items/{item}?starttime={start}");
    let deadline = later(Instant::now(), LIMIT);
    match client.text_within(MAX_HISTORY, deadline, &path, "application/json").await.ok()? {
        (StatusCode::OK, Some(body)) => highest_of(&body),
        _ => None,
    }
}

fn highest_of(body: &str) -> Option<f64> {
    let history: History = serde_json::from_str(body).ok()?;
    let number = |datum: &Datum| datum.state.split(' ').next()?.parse::<f64>().ok();
    let numbers = history.data.iter().filter_map(number).filter(|number| number.is_finite());
    numbers.max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_a_history_is_found() {
        let data = r#"[{"time":1,"state":"5.5"},{"time":2,"state":"NULL"},{"time":3,"state":"700 W"},
            {"time":4,"state":"NaN"},{"time":5,"state":"-1"}]"#;
        let body = format!(r#"{{"name":"P","datapoints":"5","data":{data}}}"#);
        assert_eq!(highest_of(&body), Some(700.0));
        for body in ["", "[]", r#"{"data":[]}"#, r#"{"data":[{"time":1,"state":"ON"}]}"#] {
            assert_eq!(highest_of(body), None, "{body}");
        }
    }
}
