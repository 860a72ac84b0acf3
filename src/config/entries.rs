//! The entries of a configuration file, taken out one by one; what does not fit is noted.

use super::{
    document::{Document, Node, Part, Path, Position},
    error::Problem,
};
use crate::text::excerpt;

/// The keys of the file, in the order of the manual.
const KEYS: [&str; 32] = [
    "loglevel",
    "openhab_host",
    "connected_phase",
    "energy_counter_out",
    "current_voltage",
    "current_current",
    "current_power",
    "current_frequency",
    "time_zone",
    "modbus_tcp_address",
    "min_energy_threshold",
    "role",
    "energy_counter_in",
    "update",
    "poll_interval",
    "stale_after",
    "item_max_age",
    "on_stale",
    "modbus_listen",
    "unit_ids",
    "max_connections",
    "idle_timeout",
    "manufacturer",
    "model",
    "options",
    "version",
    "serial_number",
    "openhab_token_file",
    "openhab_username",
    "openhab_password_file",
    "openhab_ca_file",
    "state_dir",
];

/// So many problems are told at once.
const MAX_PROBLEMS: usize = 50;

/// The sections into which the Home Assistant add-on sorts its options since its version 1.0.
const SECTIONS: [(&str, &[&str]); 6] = [
    ("data", &["source", "host", "access_token"]),
    ("modbus", &["modbus_tcp_address", "connected_phase"]),
    ("smartmeter_energy", &["energy_counter_out", "min_energy_threshold"]),
    (
        "smartmeter_livedata",
        &["current_voltage", "current_current", "current_power", "current_frequency"],
    ),
    ("general", &["loglevel", "time_zone"]),
    ("debug", &["modbus_requests"]),
];

/// Under which name a key of a section is taken out: our own, where it has one.
fn flat_name<'k>(section: &str, key: &'k str) -> &'k str {
    match (section, key) {
        ("data", "host") => "openhab_host",
        _ => key,
    }
}

/// A key and its value, not yet understood.
pub(super) struct Entry {
    /// The name by which it is taken out.
    name: &'static str,
    /// The path of keys, as the file has it.
    shown: String,
    path: Path,
    node: Node,
}

/// What an item key may hold: an item's name, and the unit of its state where that has none.
pub(super) struct ItemEntry {
    pub(super) entry: Entry,
    pub(super) name: String,
    pub(super) unit: Option<(Entry, String)>,
}

/// All entries that were not taken out yet, and all problems so far.
pub(super) struct Entries<'t> {
    document: Document<'t>,
    left: Vec<Entry>,
    /// Those that were to be taken out and have no value.
    empty: Vec<Entry>,
    problems: Vec<Problem>,
}

impl<'t> Entries<'t> {
    /// Sorts the root of a document into entries. Unknown and repeated keys become problems.
    pub(super) fn new(mut document: Document<'t>) -> Result<Self, Vec<Problem>> {
        let entries = match std::mem::replace(&mut document.root, Node::Null) {
            Node::Null => Vec::new(),
            Node::Map(entries) => entries,
            Node::Scalar | Node::List(_) => {
                return Err(vec![Problem {
                    position: Position::START,
                    key: String::new(),
                    message: "expected lines of the form key: value".to_owned(),
                }]);
            }
        };
        let mut this = Self { document, left: Vec::new(), empty: Vec::new(), problems: Vec::new() };
        this.sort(entries);
        Ok(this)
    }

    fn sort(&mut self, entries: Vec<(String, Node)>) {
        for (place, (key, node)) in entries.into_iter().enumerate() {
            let path = vec![place];
            let section = SECTIONS.iter().find(|(section, _)| *section == key);
            match (section, node) {
                (Some((section, keys)), Node::Map(entries)) => {
                    for (inner, (key, node)) in entries.into_iter().enumerate() {
                        let shown = format!("{section}.{key}");
                        let known = keys.iter().find(|known| **known == key);
                        let name = known.map(|known| flat_name(section, known));
                        self.add(name, shown, vec![place, inner], node, keys);
                    }
                }
                (Some(_), Node::Null) => {}
                (_, node) => {
                    let name = KEYS.into_iter().find(|known| *known == key);
                    self.add(name, key, path, node, &KEYS);
                }
            }
        }
    }

    fn add(
        &mut self,
        name: Option<&'static str>,
        shown: String,
        path: Path,
        node: Node,
        keys: &[&str],
    ) {
        let entry = Entry { name: name.unwrap_or_default(), shown, path, node };
        if name.is_none() {
            let key = entry.shown.rsplit('.').next().unwrap_or_default();
            self.unknown(&entry, key, keys);
            return;
        }
        match self.left.iter().find(|earlier| earlier.name == entry.name) {
            None => self.left.push(entry),
            Some(first) => {
                let line = self.document.locate(&first.path, Part::Key).line;
                let message = format!("given a second time; the first is in line {line}");
                self.note(&entry, Part::Key, message);
            }
        }
    }

    /// Takes an entry out. One without a value counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Entry> {
        let place = self.left.iter().position(|entry| entry.name == name)?;
        let entry = self.left.swap_remove(place);
        if entry.node == Node::Null {
            self.empty.push(entry);
            return None;
        }
        Some(entry)
    }

    /// Takes a plain value out and reads it. None where it is absent, or wrong, which is noted.
    pub(super) fn value<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let entry = self.take(name)?;
        let text = self.scalar(&entry, expected)?;
        let value = parse(&text);
        if value.is_none() {
            self.wrong(&entry, &text, expected);
        }
        value
    }

    /// The same for an item key: for each phase given, or for none in particular, an item.
    pub(super) fn items(&mut self, name: &str) -> Option<Vec<(Option<usize>, ItemEntry)>> {
        const EXPECTED: &str =
            "the name of an item, {item: …, unit: …} or a map of l1, l2, l3 to such";
        const PHASES: [&str; 3] = ["l1", "l2", "l3"];
        let mut entry = self.take(name)?;
        let Node::Map(children) = &mut entry.node else {
            return Some(self.item(entry, EXPECTED).map(|item| (None, item)).into_iter().collect());
        };
        if children.iter().any(|(key, _)| key == "item" || key == "unit") {
            return Some(self.item(entry, EXPECTED).map(|item| (None, item)).into_iter().collect());
        }
        let mut found: Vec<(Option<usize>, ItemEntry)> = Vec::new();
        let children = std::mem::take(children);
        if children.is_empty() {
            self.note(&entry, Part::Value, format!("found nothing, expected {EXPECTED}"));
        }
        for (place, (key, node)) in children.into_iter().enumerate() {
            let child = entry.child(place, &key, node);
            let phase = PHASES.iter().position(|phase| *phase == key);
            if phase.is_none() {
                self.unknown(&child, &key, &PHASES);
            } else if found.iter().any(|(earlier, _)| *earlier == phase) {
                self.note(&child, Part::Key, "given a second time".to_owned());
            } else if let Some(item) = self.item(child, EXPECTED) {
                found.push((phase, item));
            }
        }
        Some(found)
    }

    fn item(&mut self, mut entry: Entry, expected: &str) -> Option<ItemEntry> {
        let Node::Map(children) = &mut entry.node else {
            let name = self.scalar(&entry, expected)?;
            return Some(ItemEntry { entry, name, unit: None });
        };
        let (mut name, mut unit) = (None, None);
        for (place, (key, node)) in std::mem::take(children).into_iter().enumerate() {
            let child = entry.child(place, &key, node);
            match key.as_str() {
                "item" if name.is_none() => {
                    let text = self.scalar(&child, "the name of an item")?;
                    name = Some((child, text));
                }
                "unit" if unit.is_none() => {
                    let text = self.scalar(&child, "a unit such as kWh")?;
                    unit = Some((child, text));
                }
                "item" | "unit" => {
                    self.note(&child, Part::Key, "given a second time".to_owned());
                }
                _ => self.unknown(&child, &key, &["item", "unit"]),
            }
        }
        let Some((child, name)) = name else {
            self.note(&entry, Part::Key, "the name of the item is missing".to_owned());
            return None;
        };
        Some(ItemEntry { entry: child, name, unit })
    }

    /// The elements of a list, or the one value that stands for a list of one.
    pub(super) fn list(&mut self, mut entry: Entry, expected: &str) -> Vec<(Entry, String)> {
        let elements = match &mut entry.node {
            Node::List(nodes) => std::mem::take(nodes)
                .into_iter()
                .enumerate()
                .map(|(place, node)| entry.child(place, &place.to_string(), node))
                .collect(),
            _ => vec![entry],
        };
        elements
            .into_iter()
            .filter_map(|element| {
                let text = self.scalar(&element, expected)?;
                Some((element, text))
            })
            .collect()
    }

    /// The text of a plain value; anything else is noted.
    pub(super) fn scalar(&mut self, entry: &Entry, expected: &str) -> Option<String> {
        let found = match &entry.node {
            Node::Scalar => return Some(self.document.text(&entry.path)),
            Node::Null => "nothing",
            Node::List(_) => "a list",
            Node::Map(_) => "a map",
        };
        self.note(entry, Part::Value, format!("found {found}, expected {expected}"));
        None
    }

    /// Notes that the value of an entry is not what was expected.
    pub(super) fn wrong(&mut self, entry: &Entry, found: &str, expected: &str) {
        let found = excerpt(found);
        self.note(entry, Part::Value, format!("found {found:?}, expected {expected}"));
    }

    fn unknown(&mut self, entry: &Entry, key: &str, keys: &[&str]) {
        let message = match closest(key, keys) {
            Some(known) => format!("unknown key; did you mean {known}?"),
            None if keys.len() > 4 => "unknown key".to_owned(),
            None => format!("unknown key; expected {}", keys.join(", ")),
        };
        self.note(entry, Part::Key, message);
    }

    /// Notes a problem of an entry.
    pub(super) fn note(&mut self, entry: &Entry, part: Part, message: String) {
        // To find a place costs another look at the text; nobody mends more than this at once.
        if self.problems.len() < MAX_PROBLEMS {
            let position = self.document.locate(&entry.path, part);
            self.problems.push(Problem { position, key: entry.shown.clone(), message });
        }
    }

    /// Notes that a key is not there, or has no value.
    pub(super) fn missing(&mut self, name: &str, expected: &str) {
        if let Some(place) = self.empty.iter().position(|entry| entry.name == name) {
            let entry = self.empty.swap_remove(place);
            self.note(&entry, Part::Key, format!("has no value, expected {expected}"));
            return;
        }
        self.problems.push(Problem {
            position: Position::START,
            key: name.to_owned(),
            message: format!("missing, expected {expected}"),
        });
    }

    /// All problems, in the order of the file.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems
    }
}

impl Entry {
    fn child(&self, place: usize, key: &str, node: Node) -> Self {
        let mut path = self.path.clone();
        path.push(place);
        Self { name: self.name, shown: format!("{}.{key}", self.shown), path, node }
    }
}

/// The known key that a misspelt one was probably meant to be: one that begins so, or the nearest.
fn closest<'k>(key: &str, keys: &[&'k str]) -> Option<&'k str> {
    let key = key.to_ascii_lowercase();
    if let Some(longer) = keys.iter().find(|known| known.starts_with(&key) && key.len() > 3) {
        return Some(longer);
    }
    keys.iter()
        .map(|known| (strsim::damerau_levenshtein(&key, known), *known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min()
        .map(|(_, known)| known)
}
