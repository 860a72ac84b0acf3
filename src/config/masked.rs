//! The configuration as people may see it: without secrets.

use std::fmt;

use serde::{Serialize, Serializer};

use super::document::Node;
use crate::source::openhab::credentials::is_openhab_token;

/// In place of a secret.
const MASK: &str = "***";

/// A file with `***` in place of each secret; shown as YAML.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked(Node);

impl Default for Masked {
    fn default() -> Self {
        Self(Node::Null)
    }
}

impl Masked {
    pub(super) fn of(root: &Node) -> Self {
        Self(masked(root))
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_yaml::to_string(&Yaml(&self.0)).map_err(|_| fmt::Error)?)
    }
}

fn masked(node: &Node) -> Node {
    let secret = || Node::Scalar(MASK.to_owned());
    match node {
        Node::Null => Node::Null,
        Node::Scalar(text) if is_openhab_token(text) => secret(),
        Node::Scalar(text) => Node::Scalar(text.clone()),
        Node::List(nodes) => Node::List(nodes.iter().map(masked).collect()),
        Node::Map(entries) => {
            let entries = entries.iter().map(|(key, node)| {
                let is_masked = *node != Node::Null && is_secret(key);
                (key.clone(), if is_masked { secret() } else { masked(node) })
            });
            Node::Map(entries.collect())
        }
    }
}

/// A node as it is written in YAML.
struct Yaml<'n>(&'n Node);

impl Serialize for Yaml<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Node::Null => serializer.serialize_unit(),
            Node::Scalar(text) => match plain(text) {
                Some(plain) => plain.serialize(serializer),
                None => serializer.serialize_str(text),
            },
            Node::List(nodes) => serializer.collect_seq(nodes.iter().map(Yaml)),
            Node::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, node)| (key, Yaml(node))))
            }
        }
    }
}

/// Keys whose value is a secret, wherever they stand. With `_file` it should only be where one is, but
/// people also put the secret itself there.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["token", "password", "secret"].iter().any(|word| key.contains(word))
}

/// A number or a truth value, which needs no quotes.
fn plain(text: &str) -> Option<serde_yaml::Value> {
    let value: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    let is_plain = value.is_number() || value.is_bool();
    let is_same = || serde_yaml::to_string(&value).is_ok_and(|again| again.trim() == text);
    (is_plain && is_same()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::{super::document::Document, *};

    #[test]
    fn everything_is_shown_but_secrets() {
        let given = "openhab_host: 192.168.1.31
connected_phase: 2
serial_number: '0012'
version: 2.10
openhab_token_file: /run/token
openhab_token: oh.secret.one
openhab_username: oh.secret.two
current_power:
- P1
- item: P2
  factor: -1
data:
  access_token: three
  host: '<b>'
options:
";
        let (_, root) = Document::parse(given).unwrap();
        let expected = "openhab_host: 192.168.1.31
connected_phase: 2
serial_number: '0012'
version: '2.10'
openhab_token_file: '***'
openhab_token: '***'
openhab_username: '***'
current_power:
- P1
- item: P2
  factor: -1
data:
  access_token: '***'
  host: <b>
options: null
";
        assert_eq!(Masked::of(&root).to_string(), expected);
    }
}
