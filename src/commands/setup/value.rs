//! What is given for a key of the configuration.

use std::{convert::Infallible, fmt, str::FromStr};

use crate::source::SourceKind;

/// An item, several whose sum is meant, or one for each phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Items {
    One(String),
    Sum(Vec<String>),
    /// By the names of the phases, `l1` to `l3`.
    Phases(Vec<(String, String)>),
}

impl Items {
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::One(name) => vec![name],
            Self::Sum(names) => names.iter().map(String::as_str).collect(),
            Self::Phases(phases) => phases.iter().map(|(_, name)| name.as_str()).collect(),
        }
    }
}

/// Items, and the unit of those whose states have none.
///
/// On the command line: `roof_power`, `roof_power:kW`, `roof_power,garage_power`, or
/// `l1=power_1,l2=power_2,l3=power_3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) items: Items,
    pub(super) unit: Option<String>,
}

/// Whether the names are right is for the configuration to say.
impl FromStr for Value {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (items, unit) = match text.split_once(':') {
            Some((items, unit)) => (items, Some(unit.to_owned())),
            None => (text, None),
        };
        let parts: Vec<_> = items.split(',').map(str::trim).collect();
        let phases = parts.iter().map(|part| {
            let (phase, name) = part.split_once('=')?;
            Some((phase.to_ascii_lowercase(), name.to_owned()))
        });
        let items = match (phases.collect(), parts.as_slice()) {
            (Some(phases), _) => Items::Phases(phases),
            (None, [one]) => Items::One((*one).to_owned()),
            (None, several) => Items::Sum(several.iter().map(|&name| name.to_owned()).collect()),
        };
        Ok(Self { items, unit })
    }
}

impl Value {
    /// As the configuration has it, with the items of such a source.
    pub(super) fn yaml(&self, source: SourceKind) -> String {
        let noun = source.noun();
        let item = |name: &str| match &self.unit {
            Some(unit) => format!("{{{noun}: {}, unit: {}}}", scalar(name), scalar(unit)),
            None => scalar(name),
        };
        match &self.items {
            Items::One(name) => item(name),
            Items::Sum(names) => {
                let names: Vec<_> = names.iter().map(|name| item(name)).collect();
                format!("[{}]", names.join(", "))
            }
            Items::Phases(phases) => {
                let phases: Vec<_> = phases
                    .iter()
                    .map(|(phase, name)| format!("{}: {}", scalar(phase), item(name)))
                    .collect();
                format!("{{{}}}", phases.join(", "))
            }
        }
    }
}

impl fmt::Display for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = match self {
            Self::Sum(_) => " + ",
            Self::One(_) | Self::Phases(_) => ", ",
        };
        f.write_str(&self.names().join(separator))
    }
}

/// A text as a YAML scalar: in quotes unless it is a plain word.
pub(super) fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    // Some words mean something else, such as `null`.
    let read = serde_yaml::from_str(text);
    let is_itself = matches!(read, Ok(serde_yaml::Value::String(read)) if read == text);
    if is_itself && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        // JSON's strings are YAML's, and this one cannot fail.
        serde_json::to_string(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_yaml(text: &str, source: SourceKind, yaml: &str) {
        let value: Value = text.parse().unwrap();
        assert_eq!(value.yaml(source), yaml);
    }

    #[test]
    fn a_value_is_written_as_the_configuration_takes_it() {
        let source = SourceKind::OpenHab;
        assert_yaml("roof", source, "roof");
        assert_yaml("roof:Wh", source, "{item: roof, unit: Wh}");
        assert_yaml("roof, garage", source, "[roof, garage]");
        assert_yaml("L1=a,l2=b,l3=c", source, "{l1: a, l2: b, l3: c}");
        assert_yaml("l1=a:V·A", source, "{l1: {item: a, unit: \"V·A\"}}");
        let source = SourceKind::HomeAssistant;
        assert_yaml("sensor.a:kW", source, "{entity: sensor.a, unit: kW}");
        assert_yaml("null", source, "\"null\"");
        assert_yaml("true,-", source, "[\"true\", \"-\"]");
        assert_yaml("123: x", source, "{entity: \"123\", unit: \" x\"}");
    }
}
