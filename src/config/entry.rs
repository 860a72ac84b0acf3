//! One entry of a map, or one element of a list.

use super::{
    document::{Node, Path},
    sections,
};

/// A key and its value, not yet understood.
#[derive(Clone)]
pub(super) struct Entry {
    /// The section that it is in, if any.
    pub(super) section: Option<&'static str>,
    pub(super) key: String,
    /// The path of keys, as messages show it.
    pub(super) shown: String,
    pub(super) path: Path,
    pub(super) node: Node,
}

impl Entry {
    /// The whole file, which has no key.
    pub(super) fn root(node: Node) -> Self {
        Self { section: None, key: String::new(), shown: String::new(), path: Path::new(), node }
    }

    /// The name by which it is taken, if there can be one: without a section, none has a dot.
    pub(super) fn name(&self) -> Option<&str> {
        match self.section {
            Some(section) => {
                sections::keys(section).find(|(key, _)| *key == self.key).map(|(_, name)| name)
            }
            None => (!self.key.contains('.')).then_some(&self.key),
        }
    }

    /// Where it stands, without its value.
    pub(super) fn place(&self) -> Self {
        Self {
            section: self.section,
            key: self.key.clone(),
            shown: self.shown.clone(),
            path: self.path.clone(),
            node: Node::Null,
        }
    }

    /// Whether it has no value: nothing, an empty text or an empty list.
    pub(super) fn is_empty(&self) -> bool {
        match &self.node {
            Node::Null => true,
            Node::Scalar(text) => text.is_empty(),
            Node::List(nodes) => nodes.is_empty(),
            Node::Map(_) => false,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node, Node::Map(_))
    }

    /// The keys of a map.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let children = match &self.node {
            Node::Map(children) => children.as_slice(),
            _ => &[],
        };
        children.iter().map(|(key, _)| key.as_str())
    }

    /// The elements of a list, or the one value in place of a list.
    pub(super) fn elements(self) -> Vec<Self> {
        if matches!(self.node, Node::List(_)) { self.children() } else { vec![self] }
    }

    /// The elements of a list, which in a form is a text with commas.
    pub(super) fn listed(self) -> Vec<Self> {
        match &self.node {
            Node::Scalar(text) if text.contains(',') => {
                let parts = text.split(',').map(|part| Node::Scalar(part.trim().to_owned()));
                parts.map(|node| Self { node, ..self.place() }).collect()
            }
            _ => self.elements(),
        }
    }

    /// The entries of a section, or the entry itself. A section may be empty.
    pub(super) fn flattened(self) -> Vec<Self> {
        let section = sections::named(&self.key);
        if section.is_some() && matches!(self.node, Node::Map(_) | Node::Null) {
            let entries = self.children().into_iter();
            return entries.map(|entry| Self { section, ..entry }).collect();
        }
        vec![self]
    }

    /// The entries of a map or the elements of a list.
    pub(super) fn children(self) -> Vec<Self> {
        let nodes: Vec<_> = match self.node {
            Node::Map(children) => children,
            Node::List(nodes) => {
                let keys = (0..).map(|place: usize| place.to_string());
                keys.zip(nodes).collect()
            }
            Node::Null | Node::Scalar(_) => Vec::new(),
        };
        let child = |(place, (key, node)): (usize, (String, Node))| {
            let mut path = self.path.clone();
            path.push(place);
            Self { section: None, shown: joined(&self.shown, &key), key, path, node }
        };
        nodes.into_iter().enumerate().map(child).collect()
    }
}

/// A path of keys with one more.
pub(super) fn joined(shown: &str, key: &str) -> String {
    if shown.is_empty() { key.to_owned() } else { format!("{shown}.{key}") }
}
