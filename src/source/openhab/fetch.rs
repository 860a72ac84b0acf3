//! Reading one item of openHAB.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;
use serde::Deserialize;

use super::state::ItemStateError;
use crate::source::http::{Client, HttpError};

/// What of an item is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Its state alone.
    State,
    /// Also when that was last updated, which openHAB knows from version 5.0 on.
    LastUpdate,
}

/// What openHAB says of an item.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemReply {
    /// As [`super::state::parse_state`] takes it.
    pub(super) state: String,
    /// In milliseconds since 1970, by openHAB's clock.
    pub(super) last_state_update: Option<u64>,
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
    /// openHAB does not give its state.
    #[error("openHAB answers {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
    /// What openHAB gives is larger than a state can be, or not UTF-8.
    #[error("what openHAB answers is no state")]
    NotAState,
}

/// What a status may mean to the user.
pub(super) fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => {
            " (it wants other credentials: openhab_token_file, or basic authentication allowed in \
             openHAB; while it starts it may refuse good ones)"
        }
        StatusCode::FORBIDDEN => " (the credentials do not permit this)",
        StatusCode::NOT_FOUND => " (no such item, or openHAB is still starting)",
        _ => "",
    }
}

impl ItemProblem {
    /// Whether waiting may help, as it does not where the configuration names a wrong item.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::State(error) => {
                matches!(error, ItemStateError::NoValue(_) | ItemStateError::Implausible { .. })
            }
            Self::Status(status) => *status != StatusCode::NOT_FOUND,
            Self::NotAState => false,
        }
    }

    /// Whether it is of the same kind as another, and so not worth another line.
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
/// The outer error concerns openHAB as a whole: it cannot be reached. The inner one concerns this
/// item.
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
