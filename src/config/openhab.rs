//! The keys of openHAB.

use std::time::Duration;

use super::{document::Part, entries::Entries, values};
use crate::source::{
    endpoint::Endpoint,
    openhab::{
        self, OpenHabConfig, Update,
        credentials::{Credentials, is_openhab_token},
    },
};

const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Takes the keys of openHAB.
pub(super) fn read(entries: &mut Entries<'_>) -> OpenHabConfig {
    openhab_alone(entries);
    let endpoint = endpoint(entries).unwrap_or_else(|| Endpoint::localhost(8080));
    let update =
        values::choice(entries, "update", &[("events", Update::Events), ("poll", Update::Poll)]);
    let poll_interval = values::duration(entries, "poll_interval", 100, 600);
    let credentials = credentials(entries);
    let ca_file = values::path(entries, "openhab_ca_file");
    OpenHabConfig {
        endpoint,
        update: update.unwrap_or(Update::Events),
        poll_interval: poll_interval.unwrap_or(POLL_INTERVAL),
        credentials,
        ca_file,
    }
}

/// What the add-on can do with Home Assistant as its source, and we cannot.
fn openhab_alone(entries: &mut Entries<'_>) {
    entries.value("data.source", "openhab, the only source there is", |text| {
        (text == "openhab").then_some(())
    });
    // The add-on has this for Home Assistant, and with openHAB never looked at it.
    entries.take("data.access_token");
}

fn endpoint(entries: &mut Entries<'_>) -> Option<Endpoint> {
    const EXPECTED: &str = "host, host:port, [v6]:port or http(s)://host[:port][/path]";
    let entry = entries.require("openhab_host", EXPECTED)?;
    let text = entries.scalar(&entry, EXPECTED)?;
    if text.contains('@') {
        let message = "a name and password do not belong in the address; use \
                       openhab_username and openhab_password_file";
        entries.note(&entry, Part::Value, message.to_owned());
        return None;
    }
    entries.parse_unshown(&entry, EXPECTED, |text| openhab::parse_host(text).ok())
}

fn credentials(entries: &mut Entries<'_>) -> Credentials {
    let token_file = values::path(entries, "openhab_token_file");
    let password_file = values::path(entries, "openhab_password_file");
    let username = match password_file {
        Some(_) => {
            entries.require("openhab_username", "the name that belongs to openhab_password_file")
        }
        None => entries.take("openhab_username"),
    };
    let username = username.and_then(|entry| {
        let name = entries.parse_unshown(&entry, "a name without a colon", |name| {
            let fits = !name.is_empty() && !name.contains(|c: char| c == ':' || c.is_control());
            fits.then(|| name.to_owned())
        })?;
        if password_file.is_none() && !is_openhab_token(&name) {
            let message = "needs openhab_password_file beside it".to_owned();
            entries.note(&entry, Part::Key, message);
        }
        Some(name)
    });
    Credentials { token: token_file.map(Into::into), login: username.map(|name| (name, password_file.map(Into::into))) }
}
