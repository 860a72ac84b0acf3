//! What a source says about one item, and why that may be no value.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::StatusCode;

use super::{http::HttpError, openhab::status_hint, state::ItemStateError};
use crate::meter::binding::LimitError;

/// What a source answers about an item.
#[derive(Clone, Debug, Default)]
pub(crate) struct ItemReply {
    /// The state, as [`super::state::parse_state`] takes it.
    pub(crate) state: String,
    /// The time of the last update by the source's clock, in milliseconds since 1970, if it is known.
    pub(crate) last_state_update: Option<u64>,
    /// It is a group, whose state the source makes of those of its members.
    pub(crate) is_group: bool,
}

impl ItemReply {
    /// When the item was last updated, by the source's clock.
    pub(super) fn updated(&self) -> Option<SystemTime> {
        UNIX_EPOCH.checked_add(Duration::from_millis(self.last_state_update?))
    }
}

/// Why an item gives no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ItemProblem {
    /// The source has it, but its state is not a value.
    #[error(transparent)]
    State(#[from] ItemStateError),
    /// openHAB answers with a status other than 200.
    #[error("openHAB answers {0}{hint}", hint = status_hint(*.0))]
    Status(StatusCode),
    /// What the source answers is too large to be a state, not UTF-8, or not the expected JSON.
    #[error("the answer is not a state")]
    NotAState,
    /// There was a connection, but no answer, or one that cannot be read.
    #[error("{0}")]
    Unanswered(String),
    /// Home Assistant has no such entity; this one is meant, perhaps.
    #[error("Home Assistant has no such entity{hint}", hint = did_you_mean(.0.as_deref()))]
    NoEntity(Option<String>),
}

/// A server was reached, and said nothing that can be read.
impl From<HttpError> for ItemProblem {
    fn from(error: HttpError) -> Self {
        Self::Unanswered(error.to_string())
    }
}

fn did_you_mean(entity: Option<&str>) -> String {
    entity.map(|entity| format!("; did you mean {entity}?")).unwrap_or_default()
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
                        | ItemStateError::UnitLost
                        | ItemStateError::Sentinel(_)
                        | ItemStateError::Implausible { .. }
                        | ItemStateError::Limit(LimitError::Power { .. })
                )
            }
            Self::Status(status) => *status != StatusCode::NOT_FOUND,
            Self::NotAState | Self::NoEntity(_) => false,
            Self::Unanswered(_) => true,
        }
    }

    /// Whether it is of the same kind as another, and so is not logged again.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        use std::mem::discriminant;
        match (self, other) {
            (Self::State(one), Self::State(other)) => discriminant(one) == discriminant(other),
            (Self::NoEntity(_), Self::NoEntity(_)) => true,
            (one, other) => one == other,
        }
    }
}
