//! A YAML (or JSON) text as a tree whose nodes can be located.
//!
//! `serde_yaml` gives positions only in its errors, so [`Document::locate`] walks to a node and
//! raises one there. A configuration is small and an error rare; another pass costs nothing.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::causes;

/// A node. A scalar has its text as it was written: `2.10` is not 2.1.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Whether one of its texts is such a one.
    pub(super) fn any_text(&self, is_one: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Null => false,
            Self::Scalar(text) => is_one(text),
            Self::List(nodes) => nodes.iter().any(|node| node.any_text(is_one)),
            Self::Map(entries) => entries.iter().any(|(_, node)| node.any_text(is_one)),
        }
    }
}

/// The way to a node: its place among its siblings, level by level.
pub(super) type Path = Vec<usize>;

/// A line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Position {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    pub(super) fn of(error: &serde_yaml::Error) -> Self {
        error.location().map_or(Self::START, |at| Self { line: at.line(), column: at.column() })
    }

    /// Reads `line 1 column 2`, as libyaml writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (line, column) = text.strip_prefix("line ")?.split_once(" column ")?;
        Some(Self { line: line.parse().ok()?, column: column.parse().ok()? })
    }
}

/// A text that is YAML.
#[derive(Clone, Copy)]
pub(super) struct Document<'t> {
    text: &'t str,
}

impl<'t> Document<'t> {
    /// Parses `text` to its root node, or says where and why it is not YAML.
    pub(super) fn parse(text: &'t str) -> Result<(Self, Node), (Position, String)> {
        let nodes = Node::deserialize(serde_yaml::Deserializer::from_str(text));
        let filled = nodes.and_then(|mut root| {
            Texts(&mut root).deserialize(serde_yaml::Deserializer::from_str(text))?;
            Ok(root)
        });
        match filled {
            Ok(root) => Ok((Self { text }, root)),
            Err(error) => Err(causes::explained(text, &error)),
        }
    }

    /// Where a value is, or the key before it.
    pub(super) fn locate(self, path: &[usize], part: Part) -> Position {
        let walk = Walk { path, part };
        match walk.deserialize(serde_yaml::Deserializer::from_str(self.text)) {
            Ok(()) => Position::START,
            Err(error) => Position::of(&error),
        }
    }
}

/// Reads the kinds of the nodes. Only a node that is known to be a scalar can be asked for its text
/// as written, so those are still empty; see [`Texts`].
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nodes;

        impl<'de> Visitor<'de> for Nodes {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a plain value, a list or a map")
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Scalar(String::new()))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Scalar(String::new()))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Scalar(String::new()))
            }

            fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
                Ok(Node::Scalar(String::new()))
            }

            fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
                Ok(Node::Scalar(String::new()))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Scalar(String::new()))
            }

            fn visit_str<E>(self, _: &str) -> Result<Node, E> {
                Ok(Node::Scalar(String::new()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = list.next_element()? {
                    nodes.push(node);
                }
                Ok(Node::List(nodes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Node::Map(entries))
            }
        }

        deserializer.deserialize_any(Nodes)
    }
}

/// Fills in the texts of all scalars.
struct Texts<'n>(&'n mut Node);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if let Node::Scalar(text) = self.0 {
            *text = String::deserialize(deserializer)?;
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what it was at first sight")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Node::List(nodes) = self.0 else { return Ok(()) };
        for node in nodes {
            list.next_element_seed(Texts(node))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Node::Map(entries) = self.0 else { return Ok(()) };
        for (_, node) in entries {
            map.next_key::<IgnoredAny>()?;
            map.next_value_seed(Texts(node))?;
        }
        Ok(())
    }
}

/// Of an entry of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    Key,
    Value,
}

/// The way that is left to a node, at whose end an error is raised.
struct Walk<'p> {
    path: &'p [usize],
    part: Part,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            return deserializer.deserialize_any(Stop);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a map on the way")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((&place, path)) = self.path.split_first() else { return Ok(()) };
        for _ in 0..place {
            list.next_element::<IgnoredAny>()?;
        }
        list.next_element_seed(Walk { path, ..self })?;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((&place, path)) = self.path.split_first() else { return Ok(()) };
        for _ in 0..place {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if path.is_empty() && self.part == Part::Key {
            map.next_key_seed(Walk { path, ..self })?;
        } else {
            map.next_key::<IgnoredAny>()?;
            map.next_value_seed(Walk { path, ..self })?;
        }
        Ok(())
    }
}

/// Refuses whatever is here, so that the error carries the position.
struct Stop;

impl Visitor<'_> for Stop {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_the_text_that_was_written() {
        let text = "- 2.10\n- &a 00123\n- {x: *a, y: [True, 'it''s', ~]}\n- \"\\t\"";
        let (document, root) = Document::parse(text).unwrap();
        let scalar = |text: &str| Node::Scalar(text.to_owned());
        let list = vec![scalar("True"), scalar("it's"), Node::Null];
        let map = vec![("x".to_owned(), scalar("00123")), ("y".to_owned(), Node::List(list))];
        assert_eq!(
            root,
            Node::List(vec![scalar("2.10"), scalar("00123"), Node::Map(map), scalar("\t")])
        );
        assert_eq!(document.locate(&[2, 1, 1], Part::Value), Position { line: 3, column: 21 });
        assert_eq!(document.locate(&[2, 1], Part::Key), Position { line: 3, column: 11 });
    }
}
