//! The sources: openHAB, Home Assistant, or both.

use std::time::Duration;

use super::{app, document::Part, entries::Entries, entry::Entry, homeassistant, openhab, values};
use crate::{
    meter::reading::Measurand,
    source::{
        SourceConfig, SourceKind, homeassistant::HomeAssistantConfig, openhab::OpenHabConfig,
    },
};

/// The words for the kinds.
fn kinds() -> [(&'static str, SourceKind); 2] {
    [SourceKind::OpenHab, SourceKind::HomeAssistant].map(|kind| (kind.key(), kind))
}

/// The sources that are configured.
pub(super) struct Sources {
    openhab: Option<OpenHabConfig>,
    homeassistant: Option<HomeAssistantConfig>,
    /// That of a meter which does not say.
    default: Option<SourceKind>,
}

/// Takes the keys of all sources.
pub(super) fn read(entries: &mut Entries<'_>) -> Sources {
    let old = old(entries);
    let openhab = host(entries, "openhab_host", old.host_of(SourceKind::OpenHab));
    let homeassistant = host(entries, "homeassistant_host", old.host_of(SourceKind::HomeAssistant));
    let is_asked_for = old.kind == Some(SourceKind::HomeAssistant);
    let supervisor = app::supervisor_token();
    let default = match (&openhab, &homeassistant) {
        (Some(_), Some(_)) => None,
        (Some(_), None) if !is_asked_for => Some(SourceKind::OpenHab),
        (None, None) if supervisor.is_none() && !is_asked_for => {
            entries.require("openhab_host", &format!("{}; or homeassistant_host", openhab::HOST));
            Some(SourceKind::OpenHab)
        }
        _ => Some(SourceKind::HomeAssistant),
    };
    let homeassistant = match (homeassistant, supervisor) {
        (Some(host), _) => Some(homeassistant::read(entries, &host, old.token.as_ref())),
        (None, Some(token)) => Some(HomeAssistantConfig::of_the_app(token)),
        (None, None) if is_asked_for => {
            let expected = "the address of Home Assistant";
            entries.require("homeassistant_host", expected);
            None
        }
        (None, None) => {
            without_host(entries, &homeassistant::KEYS, "homeassistant_host");
            None
        }
    };
    let openhab = match openhab {
        Some(host) => Some(openhab::read(entries, &host)),
        None => {
            without_host(entries, &openhab::KEYS, "openhab_host");
            None
        }
    };
    Sources { openhab, homeassistant, default }
}

/// Notes that the keys of a source are there without its address.
fn without_host(entries: &mut Entries<'_>, keys: &[&'static str], host: &str) {
    for key in keys {
        if let Some(entry) = entries.take(key) {
            entries.note(&entry, Part::Key, format!("needs {host} beside it"));
        }
    }
}

/// What the add-on for Home Assistant has in the section `data`.
struct Old {
    kind: Option<SourceKind>,
    host: Option<Entry>,
    token: Option<Entry>,
}

fn old(entries: &mut Entries<'_>) -> Old {
    Old {
        kind: values::choice(entries, "data.source", &kinds()),
        host: entries.take("data.host"),
        token: entries.take("data.access_token"),
    }
}

impl Old {
    /// The address, if it is that of such a source.
    fn host_of(&self, kind: SourceKind) -> Option<&Entry> {
        let own = self.kind.unwrap_or(SourceKind::OpenHab);
        self.host.as_ref().filter(|_| own == kind)
    }
}

/// The address of a source, by its own key or that of the add-on.
fn host(entries: &mut Entries<'_>, key: &'static str, old: Option<&Entry>) -> Option<Entry> {
    let entry = entries.take(key);
    if let (Some(entry), Some(_)) = (&entry, old) {
        let message = "data.host is given, too; give one of them";
        entries.note(entry, Part::Key, message.to_owned());
    }
    entry.or_else(|| old.cloned())
}

/// The source that the names of a meter's items look like, so that it is not said of each that it is
/// none of another source.
fn likely(entries: &Entries<'_>) -> SourceKind {
    let key = Measurand::EnergyOut.key();
    let is_entity = |text: &str| SourceKind::HomeAssistant.has_name(text);
    let found = entries.any_text(|name| name.starts_with(key), is_entity);
    if found { SourceKind::HomeAssistant } else { SourceKind::OpenHab }
}

impl Sources {
    /// Takes the key of a meter that says which of them is its source.
    pub(super) fn of_meter(&self, entries: &mut Entries<'_>) -> SourceKind {
        let entry = entries.take("source");
        let expected = values::alternatives(&kinds());
        let kind = entry.as_ref().and_then(|entry| {
            entries.parse(entry, &expected, |text| values::chosen(&kinds(), text))
        });
        let (Some(entry), Some(kind)) = (entry, kind) else {
            if self.default.is_none() {
                entries.missing("source", &format!("{expected}: both hosts are given"));
            }
            return self.default.unwrap_or_else(|| likely(entries));
        };
        let host = match kind {
            SourceKind::OpenHab if self.openhab.is_none() => "openhab_host",
            SourceKind::HomeAssistant if self.homeassistant.is_none() => "homeassistant_host",
            _ => return kind,
        };
        entries.note(&entry, Part::Value, format!("needs {host}, which is missing"));
        kind
    }

    /// The time between two polls of openHAB. Home Assistant is not polled.
    pub(super) fn poll_interval(&self) -> Duration {
        self.openhab.as_ref().map_or(Duration::ZERO, |openhab| openhab.poll_interval)
    }

    /// Those that a meter has.
    pub(super) fn used(self, is_used: impl Fn(SourceKind) -> bool) -> Vec<SourceConfig> {
        let openhab = self.openhab.map(SourceConfig::OpenHab);
        let homeassistant = self.homeassistant.map(SourceConfig::HomeAssistant);
        let all = openhab.into_iter().chain(homeassistant);
        all.filter(|source| is_used(source.kind())).collect()
    }
}
