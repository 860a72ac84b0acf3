//! Reading one item from openHAB.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Number, value::RawValue};

use super::state::ItemStateError;
use crate::{
    meter::binding::LimitError,
    source::http::{Client, HttpError},
};

/// What to ask for about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// The state of an item alone.
    State,
    /// Also when it was last updated, which openHAB reports from version 5.0 on.
    LastUpdate,
}

/// What openHAB answers about an item.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemReply {
    /// The state, as [`super::state::parse_state`] takes it.
    pub(crate) state: String,
    /// The time of the last update by openHAB's clock, in milliseconds since 1970. It is optional: an
    /// invalid value counts as none.
    #[serde(default, deserialize_with = "milliseconds")]
    pub(crate) last_state_update: Option<u64>,
    /// It is a group, whose state openHAB makes of those of its members.
    #[serde(skip)]
    pub(crate) is_group: bool,
}

/// What tells such a group from other items.
#[derive(Deserialize)]
struct Group {
    #[serde(rename = "function")]
    _function: IgnoredAny,
}

impl ItemReply {
    /// When the item was last updated, by openHAB's clock.
    pub(super) fn updated(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.last_state_update?))
    }
}

/// A whole number that may be written as a float, such as `1.79E12`.
fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(deserializer)?;
    let Ok(number) = raw.get().parse::<Number>() else { return Ok(None) };
    // A float becomes an integer as the whole seconds of a duration, which checks its range.
    let float = number.as_f64().map(Duration::try_from_secs_f64).and_then(Result::ok);
    Ok(number.as_u64().or_else(|| float.map(|float| float.as_secs())))
}

/// Why an item gives no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ItemProblem {
    /// openHAB has it, but its state is not a value.
    #[error(transparent)]
    State(#[from] ItemStateError),
    /// openHAB answers with a status other than 200.
    #[error("openHAB answers {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
    /// openHAB's answer is too large to be a state, not UTF-8, or not the expected JSON.
    #[error("openHAB's answer is not a state")]
    NotAState,
    /// There was a connection, but no answer, or one that cannot be read.
    #[error("{0}")]
    Unanswered(String),
}

/// What a status may mean for an item, and what to do about it.
fn hint(status: StatusCode) -> &'static str {
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

impl ItemProblem {
    /// Whether waiting may help. It does not if the configuration names the wrong item.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::State(error) => {
                matches!(
                    error,
                    ItemStateError::NoValue(_)
                        | ItemStateError::Sentinel(_)
                        | ItemStateError::Implausible { .. }
                        | ItemStateError::Limit(LimitError::Power { .. })
                )
            }
            Self::Status(status) => *status != StatusCode::NOT_FOUND,
            Self::NotAState => false,
            Self::Unanswered(_) => true,
        }
    }

    /// Whether it is of the same kind as another, and so is not logged again.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        use std::mem::discriminant;
        match (self, other) {
            (Self::State(one), Self::State(other)) => discriminant(one) == discriminant(other),
            (one, other) => one == other,
        }
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
            return Ok(Err(ItemProblem::Unanswered(error.to_string())));
        }
        answer => answer?,
    };
    if status != StatusCode::OK {
        return Ok(Err(ItemProblem::Status(status)));
    }
    let reply = body.and_then(|body| match detail {
        Detail::State => Some(ItemReply { state: body, ..ItemReply::default() }),
        Detail::LastUpdate => serde_json::from_str(&body).ok().map(|reply| ItemReply {
            is_group: serde_json::from_str::<Group>(&body).is_ok(),
            ..reply
        }),
    });
    Ok(reply.ok_or(ItemProblem::NotAState))
}
