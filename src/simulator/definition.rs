//! What somebody said that an item is, in openHAB's JSON.

use serde::{Deserialize, Serialize};

/// An item without its state: the fields of openHAB's `ItemDTO`, in its order.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Definition {
    /// The type of a group's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group_type: Option<String>,
    /// How a group's state follows from those of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function: Option<Function>,
    pub(super) r#type: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) group_names: Vec<String>,
}

/// The function of a group, of which only `SUM` is simulated.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Function {
    pub(super) name: String,
}

impl Definition {
    pub(super) fn is_group(&self) -> bool {
        self.r#type == "Group"
    }

    pub(super) fn is_sum(&self) -> bool {
        self.is_group() && self.function.as_ref().is_some_and(|function| function.name == "SUM")
    }

    /// The type of its state.
    pub(super) fn state_type(&self) -> &str {
        self.group_type.as_deref().unwrap_or(&self.r#type)
    }

    /// The unit that its states have unless they say otherwise.
    pub(super) fn unit(&self) -> Option<&'static str> {
        match self.state_type() {
            "Number:Power" => Some("W"),
            "Number:Energy" => Some("kWh"),
            "Number:ElectricPotential" => Some("V"),
            "Number:ElectricCurrent" => Some("A"),
            "Number:Frequency" => Some("Hz"),
            _ => None,
        }
    }
}
