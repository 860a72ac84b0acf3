//! The messages of Home Assistant's WebSocket, as far as they are used here.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::SessionError;

/// A message from Home Assistant.
#[derive(Debug, Deserialize)]
pub struct Incoming<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    /// Of the command that it answers.
    #[serde(default)]
    pub(super) id: Option<u64>,
    /// Of a result.
    #[serde(default)]
    pub(super) success: Option<bool>,
    #[serde(default, borrow)]
    pub(super) result: Option<&'a RawValue>,
    /// Of an event.
    #[serde(default, borrow)]
    pub(super) event: Option<&'a RawValue>,
    /// Why a login failed.
    #[serde(default, borrow)]
    pub(super) message: Option<Cow<'a, str>>,
}

impl<'a> Incoming<'a> {
    /// # Errors
    /// Returns an error if the text is something else.
    pub fn parse(text: &'a str) -> Result<Self, SessionError> {
        serde_json::from_str(text).map_err(|_| SessionError::unexpected(text))
    }

    /// What happened, as JSON.
    #[must_use]
    pub fn event(&self) -> Option<&'a str> {
        self.event.map(RawValue::get)
    }
}

/// What has become of the entities, by their ids: `subscribe_entities` sends it.
#[derive(Debug, Deserialize)]
pub(super) struct EntitiesEvent<'a> {
    /// They are there now, with all they have.
    #[serde(default, borrow)]
    pub(super) a: BTreeMap<String, &'a RawValue>,
    /// They have changed.
    #[serde(default, borrow)]
    pub(super) c: BTreeMap<String, &'a RawValue>,
    /// They are gone.
    #[serde(default)]
    pub(super) r: Vec<String>,
}

/// All that an entity has.
#[derive(Debug, Deserialize)]
pub(super) struct Added {
    pub(super) s: String,
    #[serde(default)]
    pub(super) a: Attributes,
    /// When its state last changed, in seconds since 1970.
    #[serde(default)]
    pub(super) lc: Option<f64>,
    /// When it was last updated, if that was later.
    #[serde(default)]
    pub(super) lu: Option<f64>,
}

/// What of an entity is different now.
#[derive(Debug, Deserialize)]
pub(super) struct Changed {
    #[serde(rename = "+", default)]
    pub(super) more: More,
    #[serde(rename = "-", default)]
    pub(super) less: Less,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct More {
    /// Missing if it is the same.
    #[serde(default)]
    pub(super) s: Option<String>,
    #[serde(default)]
    pub(super) a: Attributes,
    /// The state was written, perhaps once more the same.
    #[serde(default)]
    pub(super) lc: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Less {
    #[serde(default)]
    pub(super) a: Vec<String>,
}

/// The attributes of an entity, of which only its unit matters.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Attributes {
    /// Anything but a text is no unit.
    #[serde(default)]
    pub(super) unit_of_measurement: Option<serde_json::Value>,
}

/// The name of that attribute.
pub(super) const UNIT: &str = "unit_of_measurement";

/// What a template is rendered to.
#[derive(Debug, Deserialize)]
pub(super) struct Rendered<'a> {
    #[serde(borrow)]
    pub(super) result: &'a RawValue,
}

/// A command to Home Assistant. Each has a higher id than those before.
#[derive(Debug, Serialize)]
pub(super) struct Command<'a> {
    pub(super) id: u64,
    #[serde(flatten)]
    pub(super) what: What<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum What<'a> {
    SubscribeEntities {
        entity_ids: &'a [String],
    },
    Ping,
    GetConfig,
    GetStates,
    #[serde(rename = "recorder/statistics_during_period")]
    Statistics {
        statistic_ids: [&'a str; 1],
        start_time: &'a str,
        period: &'a str,
        types: [&'a str; 1],
    },
    RenderTemplate {
        template: &'a str,
    },
    UnsubscribeEvents {
        subscription: u64,
    },
}
