//! The entries of a map, taken out one by one; what does not fit is noted.
//!
//! There is no list of the keys: those that are asked for are known, and at the end what nobody
//! took is unknown. The root and the maps inside it are read alike.

use super::{
    causes,
    document::{Document, Node, Part, Path, Position},
    entry::{self, Entry},
    error::Problem,
    masked::Masked,
    notes::{Note, Notes},
    sections, unknown,
};
use crate::text::excerpt;

/// Reads a file by taking the entries of its root. Also gives the file as people may see it.
pub(super) fn read<T>(
    text: &str,
    is_private: bool,
    reader: impl FnOnce(&mut Entries<'_>) -> T,
) -> Result<(T, Masked), Vec<Problem>> {
    read_root(text, is_private, reader).map_err(|mut problems| {
        problems.extend(causes::foreign_character(text));
        problems.sort();
        problems
    })
}

fn read_root<T>(
    text: &str,
    is_private: bool,
    reader: impl FnOnce(&mut Entries<'_>) -> T,
) -> Result<(T, Masked), Vec<Problem>> {
    let whole = |position, message| vec![Problem::of_file(position, message)];
    let (document, root) =
        Document::parse(text).map_err(|(position, message)| whole(position, message))?;
    if matches!(root, Node::Scalar(_) | Node::List(_)) {
        let cause = causes::of_syntax_error(text, text.lines().count());
        let message = format!("expected lines of the form key: value{cause}");
        return Err(whole(Position::START, message));
    }
    let shown = Masked::of(&root);
    let mut notes = Notes::new(is_private);
    let mut entries = Entries::of(Entry::root(root), &mut notes);
    entries.left = entries.left.into_iter().flat_map(Entry::flattened).collect();
    let value = reader(&mut entries);
    entries.finish();
    let problems = notes.into_problems(document);
    if problems.is_empty() { Ok((value, shown)) } else { Err(problems) }
}

/// A map that is being read: the entries that were not taken yet.
pub(super) struct Entries<'a> {
    notes: &'a mut Notes,
    /// Of the map itself; empty for the root.
    path: Path,
    shown: String,
    left: Vec<Entry>,
    /// The names that were asked for.
    asked: Vec<&'static str>,
}

impl<'a> Entries<'a> {
    fn of(map: Entry, notes: &'a mut Notes) -> Self {
        let (path, shown) = (map.path.clone(), map.shown.clone());
        Self { notes, path, shown, left: map.children(), asked: Vec::new() }
    }

    /// Takes an entry out. One without a value counts as absent: a form writes every field.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Entry> {
        self.take_even_empty(name).filter(|entry| !entry.is_empty())
    }

    /// Takes an entry out that must be there and have a value.
    pub(super) fn require(&mut self, name: &'static str, expected: &str) -> Option<Entry> {
        let entry = self.take_even_empty(name);
        self.required(entry, name, expected)
    }

    /// Notes that an entry that must be there and have a value is not, or has none.
    pub(super) fn required(
        &mut self,
        entry: Option<Entry>,
        name: &str,
        expected: &str,
    ) -> Option<Entry> {
        match entry {
            Some(entry) if entry.is_empty() => {
                self.note(&entry, Part::Key, format!("has no value, expected {expected}"));
                None
            }
            Some(entry) => Some(entry),
            None => {
                self.missing(name, expected);
                None
            }
        }
    }

    /// Notes that an entry is missing.
    pub(super) fn missing(&mut self, name: &str, expected: &str) {
        let key = entry::joined(&self.shown, name);
        self.note_own(key, format!("missing, expected {expected}"));
    }

    /// Takes an entry out, whatever its value. A second one of the same name is noted.
    pub(super) fn take_even_empty(&mut self, name: &'static str) -> Option<Entry> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        let mut taken = self.left.extract_if(.., |entry| entry.name() == Some(name));
        let first = taken.next()?;
        for again in taken {
            self.notes.push(Note {
                path: again.path,
                part: Part::Key,
                key: again.shown,
                message: "duplicate key".to_owned(),
                // In a map inside the root it is close by.
                first: self.path.is_empty().then(|| first.path.clone()),
            });
        }
        Some(first)
    }

    /// Takes a plain value out and reads it. None where it is absent, or wrong, which is noted.
    pub(super) fn value<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let entry = self.take(name)?;
        self.parse(&entry, expected, parse)
    }

    /// Reads a plain value. None where it is wrong, which is noted.
    pub(super) fn parse<T>(
        &mut self,
        entry: &Entry,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.scalar(entry, expected)?;
        let value = parse(text);
        if value.is_none() {
            self.wrong(entry, text, expected);
        }
        value
    }

    /// Reads a plain value with which people may give a secret, though they should not. None where
    /// it is wrong, which is noted without it.
    pub(super) fn parse_unshown<T>(
        &mut self,
        entry: &Entry,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = parse(self.scalar(entry, expected)?);
        if value.is_none() {
            self.note(entry, Part::Value, format!("expected {expected}"));
        }
        value
    }

    /// Reads a map by taking its entries; those that are left are unknown. None where there is no
    /// map or nothing in it, which is noted.
    pub(super) fn map<T>(
        &mut self,
        entry: Entry,
        expected: &str,
        reader: impl FnOnce(&mut Entries<'_>) -> T,
    ) -> Option<T> {
        if !entry.is_map() {
            self.mismatch(&entry, expected);
            return None;
        }
        if entry.keys().next().is_none() {
            self.note(&entry, Part::Value, format!("found nothing, expected {expected}"));
            return None;
        }
        let mut entries = Entries::of(entry, self.notes);
        let value = reader(&mut entries);
        entries.finish();
        Some(value)
    }

    /// The text of a plain value; anything else is noted.
    pub(super) fn scalar<'e>(&mut self, entry: &'e Entry, expected: &str) -> Option<&'e str> {
        match &entry.node {
            Node::Scalar(text) => Some(text),
            _ => {
                self.mismatch(entry, expected);
                None
            }
        }
    }

    /// Notes that the value of an entry is of another kind than was expected.
    fn mismatch(&mut self, entry: &Entry, expected: &str) {
        let found = match &entry.node {
            Node::Null => "nothing",
            Node::Scalar(_) => "a plain value",
            Node::List(_) => "a list",
            Node::Map(_) => "a map",
        };
        self.note(entry, Part::Value, format!("found {found}, expected {expected}"));
    }

    /// Notes that the value of an entry is not what was expected.
    pub(super) fn wrong(&mut self, entry: &Entry, found: &str, expected: &str) {
        let found = excerpt(found);
        self.note(entry, Part::Value, format!("found {found:?}, expected {expected}"));
    }

    /// Notes a problem of an entry.
    pub(super) fn note(&mut self, entry: &Entry, part: Part, message: String) {
        let (path, key) = (entry.path.clone(), entry.shown.clone());
        self.notes.push(Note { path, part, key, message, first: None });
    }

    /// Notes a problem of the map itself.
    pub(super) fn note_whole(&mut self, message: &str) {
        self.note_own(self.shown.clone(), message.to_owned());
    }

    fn note_own(&mut self, key: String, message: String) {
        let path = self.path.clone();
        self.notes.push(Note { path, part: Part::Key, key, message, first: None });
    }

    /// Whether nobody else can read the file.
    pub(super) fn is_private(&self) -> bool {
        self.notes.is_private
    }

    /// Whether a text in the entries of such names, at any depth, is one.
    pub(super) fn any_text(
        &self,
        names: impl Fn(&str) -> bool,
        is_one: impl Fn(&str) -> bool,
    ) -> bool {
        let entries = self.left.iter().filter(|entry| entry.name().is_some_and(&names));
        entries.map(|entry| &entry.node).any(|node| node.any_text(&is_one))
    }

    /// The names that were asked for.
    pub(super) fn asked(&self) -> Vec<&'static str> {
        self.asked.clone()
    }

    /// Takes the entries of these names out, and notes that those with a value stand in the wrong place.
    pub(super) fn misplaced(&mut self, names: &[&'static str], message: &str) {
        let is_one = |entry: &mut Entry| entry.name().is_some_and(|name| names.contains(&name));
        let misplaced: Vec<_> = self.left.extract_if(.., is_one).collect();
        for entry in misplaced.into_iter().filter(|entry| !entry.is_empty()) {
            self.note(&entry, Part::Key, message.to_owned());
        }
    }

    /// Notes that the entries that nobody took are unknown.
    fn finish(mut self) {
        for entry in std::mem::take(&mut self.left) {
            let message = unknown::message(&entry.key, &self.known_beside(&entry));
            let key = if unknown::is_shown(&entry.key) { entry.shown } else { self.shown.clone() };
            self.notes.push(Note { path: entry.path, part: Part::Key, key, message, first: None });
        }
    }

    /// The keys that could have been meant by an unknown one.
    fn known_beside(&self, entry: &Entry) -> Vec<&'static str> {
        match entry.section {
            Some(section) => sections::keys(section)
                .filter(|(_, name)| self.asked.contains(name))
                .map(|(key, _)| key)
                .collect(),
            None => self.asked.iter().copied().filter(|name| !name.contains('.')).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
