//! A YAML (or JSON) text as a tree whose nodes can be asked where they stand.
//!
//! `serde_yaml` tells positions only in its errors, so [`Document::locate`] walks to a node and
//! raises one there. A configuration is small and an error rare; the second pass costs nothing.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A node. The text of a scalar is got by [`Document::text`], as it was written: `2.10` is not 2.1.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Scalar,
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
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

    fn of(error: &serde_yaml::Error) -> Self {
        error.location().map_or(Self::START, |at| Self { line: at.line(), column: at.column() })
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
        match Node::deserialize(serde_yaml::Deserializer::from_str(text)) {
            Ok(root) => Ok((Self { text }, root)),
            Err(error) => {
                let position = Position::of(&error);
                let message = error.to_string();
                // The position is told apart; libyaml appends it too.
                let message = message.split(" at line ").next().unwrap_or_default();
                let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or_default();
                let hint = if line.contains(": [") {
                    "; an address with [ ] must be in quotes"
                } else if line.contains('\t') {
                    "; YAML is indented with spaces, not with tabs"
                } else {
                    ""
                };
                Err((position, format!("{message}{hint}")))
            }
        }
    }

    /// The text of a scalar, as written.
    pub(super) fn text(self, path: &[usize]) -> String {
        let walk = Walk { path, goal: Goal::Text };
        walk.deserialize(serde_yaml::Deserializer::from_str(self.text))
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Where a value stands, or the key before it.
    pub(super) fn locate(self, path: &[usize], part: Part) -> Position {
        let walk = Walk { path, goal: Goal::Position(part) };
        match walk.deserialize(serde_yaml::Deserializer::from_str(self.text)) {
            Ok(_) => Position::START,
            Err(error) => Position::of(&error),
        }
    }
}

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
                Ok(Node::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_str<E>(self, _: &str) -> Result<Node, E> {
                Ok(Node::Scalar)
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

/// Of an entry of a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    Key,
    Value,
}

/// What to get at the end of a [`Walk`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    Text,
    Position(Part),
}

struct Walk<'p> {
    path: &'p [usize],
    goal: Goal,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match (self.path, self.goal) {
            ([], Goal::Text) => String::deserialize(deserializer).map(Some),
            ([], _) => deserializer.deserialize_any(Stop),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a map on the way")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Some((&place, path)) = self.path.split_first() else { return Ok(None) };
        for _ in 0..place {
            list.next_element::<IgnoredAny>()?;
        }
        let found = list.next_element_seed(Walk { path, goal: self.goal })?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found.flatten())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((&place, path)) = self.path.split_first() else { return Ok(None) };
        for _ in 0..place {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if path.is_empty() && self.goal == Goal::Position(Part::Key) {
            map.next_key_seed(Walk { path, goal: self.goal })?;
            return Ok(None);
        }
        if map.next_key::<IgnoredAny>()?.is_none() {
            return Ok(None);
        }
        let found = map.next_value_seed(Walk { path, goal: self.goal })?;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// Refuses whatever stands here, so that the error carries the position.
struct Stop;

impl Visitor<'_> for Stop {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}
