//! Whether it is openHAB that answers.

use hyper::StatusCode;
use serde::{Deserialize, de::IgnoredAny};

use crate::source::{Stranger, http::Client};

/// The root of openHAB's REST API, which every version gives to everybody.
#[derive(Deserialize)]
struct Root {
    #[serde(rename = "version")]
    _version: IgnoredAny,
    #[serde(rename = "links")]
    _links: Vec<IgnoredAny>,
}

/// Asks for the root of the REST API.
pub(super) async fn greet(client: &mut Client) -> Result<(), Stranger> {
    let (status, body) = client
        .text("/rest/", "application/json")
        .await
        .map_err(|error| Stranger(error.to_string()))?;
    let is_root = |body: &str| serde_json::from_str::<Root>(body).is_ok();
    match status {
        StatusCode::OK if body.as_deref().is_some_and(is_root) => Ok(()),
        StatusCode::OK => Err(Stranger("what it sends is not openHAB's REST API".to_owned())),
        // It wants credentials, and others than those that it got.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(()),
        other => Err(Stranger(format!("it has no REST API ({other})"))),
    }
}
