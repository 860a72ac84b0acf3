//! Reading one item from openHAB.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use serde::Deserialize;

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
    /// The time of the last update by openHAB's clock, in milliseconds since 1970.
    pub(crate) last_state_update: Option<u64>,
}

impl ItemReply {
    /// When the item was last updated, by openHAB's clock.
    pub(super) fn updated(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.last_state_update?))
    }
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
}

/// What a status may mean, and what to do about it.
pub(super) fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            " (check openhab_token_file, or allow basic authentication in openHAB; while it is \
             starting, openHAB may refuse valid credentials)"
        }
        StatusCode::FORBIDDEN => " (the credentials do not permit this)",
        StatusCode::NOT_FOUND => " (no such item, or openHAB is still starting)",
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
/// Returns an outer error if openHAB as a whole cannot be reached, and an inner one if this item
/// has no state.
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
    let (status, body) = client.text(&path, accept).await?;
    if status != StatusCode::OK {
        return Ok(Err(ItemProblem::Status(status)));
    }
    let reply = body.and_then(|body| match detail {
        Detail::State => Some(ItemReply { state: body, last_state_update: None }),
        Detail::LastUpdate => serde_json::from_str(&body).ok(),
    });
    Ok(reply.ok_or(ItemProblem::NotAState))
}
