//! The keys of openHAB.

use super::{document::Part, entries::Entries, entry::Entry, secret, values};
use crate::source::{
    endpoint::Endpoint,
    openhab::{
        self, OpenHabConfig, Update,
        credentials::{Credentials, is_openhab_token},
    },
};

/// What an address may be.
pub(super) const HOST: &str = "host, host:port, [v6]:port or http(s)://host[:port][/path]";

/// The keys that have a meaning for openHAB alone.
pub(super) const KEYS: [&str; 8] = [
    "update",
    "poll_interval",
    "openhab_token_file",
    "openhab_token",
    "openhab_username",
    "openhab_password_file",
    "openhab_password",
    "openhab_ca_file",
];

/// Takes the keys of openHAB, whose address is given by `host`.
pub(super) fn read(entries: &mut Entries<'_>, host: &Entry) -> OpenHabConfig {
    let endpoint = endpoint(entries, host).unwrap_or_else(|| Endpoint::localhost(8080));
    let default = OpenHabConfig::at(endpoint);
    let update =
        values::choice(entries, "update", &[("events", Update::Events), ("poll", Update::Poll)]);
    let poll_interval = values::duration(entries, "poll_interval", 100, 600);
    OpenHabConfig {
        update: update.unwrap_or(default.update),
        poll_interval: poll_interval.unwrap_or(default.poll_interval),
        credentials: credentials(entries),
        ca_file: values::path(entries, "openhab_ca_file"),
        ..default
    }
}

fn endpoint(entries: &mut Entries<'_>, host: &Entry) -> Option<Endpoint> {
    let text = entries.scalar(host, HOST)?;
    if text.contains('@') {
        let message = "a name and password do not belong in the address; use \
                       openhab_username and openhab_password_file";
        entries.note(host, Part::Value, message.to_owned());
        return None;
    }
    entries.parse_unshown(host, HOST, |text| openhab::parse_host(text).ok())
}

fn credentials(entries: &mut Entries<'_>) -> Credentials {
    let token = secret::read(entries, "openhab_token_file", "openhab_token");
    let password = secret::read(entries, "openhab_password_file", "openhab_password");
    let username = match password {
        Some(_) => entries.require("openhab_username", "the name that belongs to the password"),
        None => entries.take("openhab_username"),
    };
    let username = username.and_then(|entry| {
        let name = entries.parse_unshown(&entry, "a name without a colon", |name| {
            let fits = !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control());
            fits.then(|| name.to_owned())
        })?;
        if password.is_none() && !is_openhab_token(&name) {
            let message = "needs openhab_password_file beside it".to_owned();
            entries.note(&entry, Part::Key, message);
        }
        Some(name)
    });
    Credentials { token, login: username.map(|name| (name, password)) }
}
