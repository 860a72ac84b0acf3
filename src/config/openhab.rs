//! The keys of the source.

use std::time::Duration;

use super::{
    document::Part,
    entries::{Entries, ItemEntry},
    values,
};
use crate::{
    meter::{
        binding::Binding,
        reading::{Freshness, Measurand, Phase, Point},
        units::Unit,
    },
    source::{
        endpoint::Endpoint,
        openhab::{self, OpenHabConfig, Update, credentials::Credentials},
    },
};

const POLL_INTERVAL: Duration = Duration::from_secs(2);
const STALE_AFTER: Duration = Duration::from_secs(30);

/// Takes the keys of openHAB and its items.
pub(super) fn read(entries: &mut Entries<'_>) -> (OpenHabConfig, Freshness) {
    openhab_alone(entries);
    let endpoint = endpoint(entries).unwrap_or_else(|| Endpoint::localhost(8080));
    let update =
        values::choice(entries, "update", &[("events", Update::Events), ("poll", Update::Poll)]);
    let poll_interval =
        values::duration(entries, "poll_interval", 100, 600).unwrap_or(POLL_INTERVAL);
    let stale_after = stale_after(entries, poll_interval);
    let item_max_age = values::duration(entries, "item_max_age", 10_000, 604_800);
    let credentials = credentials(entries);
    let ca_file = values::path(entries, "openhab_ca_file");
    let bindings = bindings(entries);
    let openhab = OpenHabConfig {
        endpoint,
        update: update.unwrap_or(Update::Events),
        poll_interval,
        credentials,
        ca_file,
        bindings,
    };
    (openhab, Freshness { stale_after, item_max_age })
}

/// What the add-on can do with Home Assistant as its source, and we cannot.
fn openhab_alone(entries: &mut Entries<'_>) {
    entries.value("source", "openhab, the only source there is", |text| {
        (text == "openhab").then_some(())
    });
    // The add-on has this for Home Assistant, and with openHAB never looked at it.
    entries.take("access_token");
}

fn endpoint(entries: &mut Entries<'_>) -> Option<Endpoint> {
    const EXPECTED: &str = "host, host:port, [v6]:port or http(s)://host[:port][/path]";
    let Some(entry) = entries.take("openhab_host") else {
        entries.missing("openhab_host", EXPECTED);
        return None;
    };
    let text = entries.scalar(&entry, EXPECTED)?;
    if text.contains('@') {
        let message = "a name and password do not belong into the address; use \
                       openhab_username and openhab_password_file";
        entries.note(&entry, Part::Value, message.to_owned());
        return None;
    }
    let endpoint = openhab::parse_host(&text).ok();
    if endpoint.is_none() {
        entries.wrong(&entry, &text, EXPECTED);
    }
    endpoint
}

/// Polled values must be able to stay fresh.
fn stale_after(entries: &mut Entries<'_>, poll_interval: Duration) -> Duration {
    let least = poll_interval.saturating_mul(2).max(Duration::from_secs(1));
    let millis = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
    values::duration(entries, "stale_after", millis, 86_400).unwrap_or(STALE_AFTER.max(least))
}

fn credentials(entries: &mut Entries<'_>) -> Credentials {
    let token_file = values::path(entries, "openhab_token_file");
    let username = entries.take("openhab_username");
    let username = username.and_then(|entry| {
        let name = entries.scalar(&entry, "a name")?;
        if name.is_empty() || name.contains(':') {
            entries.wrong(&entry, &name, "a name without a colon");
            return None;
        }
        Some((entry, name))
    });
    let password_file = values::path(entries, "openhab_password_file");
    if let (Some((entry, _)), None) = (&username, &password_file) {
        let message = "needs openhab_password_file beside it".to_owned();
        entries.note(entry, Part::Key, message);
    }
    if username.is_none() && password_file.is_some() {
        entries.missing("openhab_username", "the name that belongs to openhab_password_file");
    }
    Credentials { token_file, login: username.map(|(_, name)| name).zip(password_file) }
}

/// All configured items, each with its point.
fn bindings(entries: &mut Entries<'_>) -> Vec<Binding> {
    let connected = values::choice(
        entries,
        "connected_phase",
        &[("1", Phase::L1), ("2", Phase::L2), ("3", Phase::L3)],
    );
    let connected = connected.unwrap_or(Phase::L1);
    let mut bindings = Vec::new();
    for measurand in Measurand::ALL {
        let Some(found) = entries.items(measurand.key()) else {
            if measurand.is_required() {
                entries.missing(measurand.key(), "the name of an item");
            }
            continue;
        };
        for (phase, entry) in found {
            let phase = phase.and_then(|place| Phase::ALL.get(place)).copied();
            let point = Point { measurand, phase: phase.unwrap_or(connected) };
            bindings.extend(binding(entries, point, entry));
        }
    }
    bindings
}

fn binding(entries: &mut Entries<'_>, point: Point, found: ItemEntry) -> Option<Binding> {
    const NAME: &str = "an item name of letters, digits and _";
    let ItemEntry { entry, name, unit } = found;
    if name.is_empty() && !point.measurand.is_required() {
        return None;
    }
    // openHAB's own rule; anything else would never reach its items.
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 255 || !name.chars().all(valid) {
        entries.wrong(&entry, &name, NAME);
        return None;
    }
    let quantity = point.measurand.quantity();
    let unit = match unit {
        None => quantity.default_unit(),
        Some((entry, symbol)) => match Unit::parse(quantity, &symbol) {
            Ok(unit) => unit,
            Err(error) => {
                entries.note(&entry, Part::Value, error.to_string());
                return None;
            }
        },
    };
    Some(Binding { point, item: name, unit })
}
