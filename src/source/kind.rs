//! Which sources there are, and what each calls things.

use serde::Serialize;

use super::{homeassistant, openhab};

/// The most bytes in the name of an item.
const MAX_NAME: usize = 255;

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// An openHAB server, which has items.
    OpenHab,
    /// Home Assistant, which has entities.
    HomeAssistant,
}

impl SourceKind {
    /// The word for it in configurations and metrics.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::OpenHab => "openhab",
            Self::HomeAssistant => "homeassistant",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::OpenHab => "openHAB",
            Self::HomeAssistant => "Home Assistant",
        }
    }

    /// What it calls an item, which is the key for its name in a configuration.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::OpenHab => "item",
            Self::HomeAssistant => "entity",
        }
    }

    /// Whether this can be the name of an item there. Anything else would never reach openHAB's
    /// items, and with one id that breaks its rule Home Assistant refuses them all.
    #[must_use]
    pub fn has_name(self, name: &str) -> bool {
        let is_rule_kept: fn(&str) -> bool = match self {
            Self::OpenHab => openhab::is_item_name,
            Self::HomeAssistant => homeassistant::is_entity_id,
        };
        name.len() <= MAX_NAME && is_rule_kept(name)
    }
}
