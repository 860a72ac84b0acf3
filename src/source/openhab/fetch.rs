//! Reading one item from openHAB.

use std::time::Duration;

use hyper::StatusCode;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Number, value::RawValue};

use crate::source::{
    http::{Client, HttpError},
    item::{ItemProblem, ItemReply},
};

/// What to ask for about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The state of an item alone.
    State,
    /// Also when it was last updated, which openHAB reports from version 5.0 on.
    LastUpdate,
}

/// An item in openHAB's JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    state: String,
    /// The time of the last update by openHAB's clock, in milliseconds since 1970. It is optional: an
    /// invalid value counts as none.
    #[serde(default, deserialize_with = "milliseconds")]
    last_state_update: Option<u64>,
}

/// What tells such a group from other items.
#[derive(Deserialize)]
struct Group {
    #[serde(rename = "function")]
    _function: IgnoredAny,
}

/// A whole number that may be written as a float, such as `1.79E12`.
fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(deserializer)?;
    let Ok(number) = raw.get().parse::<Number>() else { return Ok(None) };
    // A float becomes an integer as the whole seconds of a duration, which checks its range.
    let float = number.as_f64().map(Duration::try_from_secs_f64).and_then(Result::ok);
    Ok(number.as_u64().or_else(|| float.map(|float| float.as_secs())))
}

/// What a status may mean for an item, and what to do about it.
pub(crate) fn status_hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => " (no such item, or openHAB is still starting)",
        other => access_hint(other),
    }
}

/// The same for whatever else openHAB was asked for.
pub(super) fn access_hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            " (check openhab_token_file, or allow basic authentication in openHAB; while it is \
             starting, openHAB may refuse valid credentials)"
        }
        StatusCode::FORBIDDEN => " (the credentials do not permit this)",
        _ => "",
    }
}

/// Asks openHAB for an item, once.
///
/// # Errors
/// Returns an outer error if openHAB cannot be reached, and an inner one if this item has no state,
/// or no answer.
pub(super) async fn fetch(
    client: &mut Client,
    item: &str,
    detail: Detail,
) -> Result<Result<ItemReply, ItemProblem>, HttpError> {
    let (path, accept) = match detail {
        Detail::State => (format!("/rest/items/{item}/state"), "text/plain"),
        Detail::LastUpdate => {
            (format!("/rest/items/{item}?metadata=&recursive=false"), "application/json")
        }
    };
    let (status, body) = match client.text(&path, accept).await {
        Err(error) if !error.is_unreachable() => {
            return Ok(Err(error.into()));
        }
        answer => answer?,
    };
    if status != StatusCode::OK {
        return Ok(Err(ItemProblem::Status(status)));
    }
    let reply = body.and_then(|body| match detail {
        Detail::State => Some(ItemReply { state: body, ..ItemReply::default() }),
        Detail::LastUpdate => {
            let Item { state, last_state_update } = serde_json::from_str(&body).ok()?;
            let is_group = serde_json::from_str::<Group>(&body).is_ok();
            Some(ItemReply { state, last_state_update, is_group })
        }
    });
    Ok(reply.ok_or(ItemProblem::NotAState))
}
