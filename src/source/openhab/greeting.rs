//! Whether it is openHAB that answers.

use hyper::StatusCode;
use serde::{Deserialize, de::IgnoredAny};

use crate::source::http::Client;

/// The root of openHAB's REST API, which every version gives to everybody.
#[derive(Deserialize)]
struct Root {
    #[serde(rename = "runtimeInfo")]
    _runtime_info: IgnoredAny,
}

/// Asks for the root of the REST API. The error is what shows that it is something else.
pub(super) async fn greet(client: &mut Client) -> Result<(), String> {
    let answer = client.text("/rest/", "application/json").await;
    let (status, body) = answer.map_err(|error| error.to_string())?;
    let is_root = |body: &str| serde_json::from_str::<Root>(body).is_ok();
    match status {
        StatusCode::OK if body.as_deref().is_some_and(is_root) => Ok(()),
        StatusCode::OK => Err("what it has at /rest is something else".to_owned()),
        // It wants credentials, and others than those that it got.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(()),
        other => Err(format!("{other} for /rest")),
    }
}
