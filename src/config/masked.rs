//! The configuration as people may see it: without secrets.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use super::document::Node;
use crate::source::openhab::credentials::is_openhab_token;

/// In place of a secret.
const MASK: &str = "***";

/// The file as YAML, with [`MASK`] in place of each secret.
pub(super) fn text(root: &Node) -> String {
    serde_yaml::to_string(&Masked(root)).unwrap_or_default()
}

struct Masked<'n>(&'n Node);

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Node::Null => serializer.serialize_unit(),
            Node::Scalar(text) if is_openhab_token(text) => serializer.serialize_str(MASK),
            Node::Scalar(text) => match plain(text) {
                Some(plain) => plain.serialize(serializer),
                None => serializer.serialize_str(text),
            },
            Node::List(nodes) => {
                let mut list = serializer.serialize_seq(Some(nodes.len()))?;
                for node in nodes {
                    list.serialize_element(&Masked(node))?;
                }
                list.end()
            }
            Node::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, node) in entries {
                    match node {
                        Node::Null => map.serialize_entry(key, &())?,
                        _ if is_secret(key) => map.serialize_entry(key, MASK)?,
                        _ => map.serialize_entry(key, &Masked(node))?,
                    }
                }
                map.end()
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
        assert_eq!(text(&root), expected);
    }
}
