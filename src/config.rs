//! The configuration: from the text of a file to values that need no further check.
//!
//! The file is flat YAML, or JSON, which is YAML. It may also have the sections of the Home
//! Assistant add-on. A fault is reported with its place, and all faults of a file at once.

use std::{
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use chrono_tz::Tz;
use tracing::Level;

use crate::{
    meter::{self, OnStale, Role, registers::Identity},
    modbus::{self, UnitIds},
    reading::{Measurand, Phase, Point},
    source::openhab::{self, Item, Update, credentials::Credentials, endpoint::Endpoint},
    units::Unit,
};

mod document;
mod entries;
mod error;

use document::{Document, Part};
use entries::{Entries, ItemEntry};
pub use error::{ConfigError, Problem};

/// A larger file is none of ours.
const MAX_SIZE: u64 = 64 * 1024;

/// Everything the service needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The least important level that is logged.
    pub log_level: Level,
    /// Of the timestamps in the log.
    pub time_zone: Tz,
    /// Where the values come from.
    pub openhab: openhab::Settings,
    /// What is made of them.
    pub meter: meter::Settings,
    /// How they are served.
    pub modbus: modbus::Settings,
    /// Where the last good counters are kept; `$STATE_DIRECTORY` where it is not given.
    pub state_dir: Option<PathBuf>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Where the file cannot be read, or is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_SIZE.saturating_add(1)).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_SIZE {
            let message = format!("larger than {MAX_SIZE} bytes");
            return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, message)));
        }
        Self::parse(&text)
            .map_err(|problems| ConfigError::Invalid { path: path.to_owned(), problems })
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(text).map_err(|(position, message)| {
            vec![Problem { position, key: String::new(), message }]
        })?;
        let mut entries = Entries::new(document);
        let config = read(&mut entries);
        match (config, entries.into_problems()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }
}

/// Takes all entries. None where something required is missing or wrong.
fn read(entries: &mut Entries<'_>) -> Option<Config> {
    let log_level = log_level(entries);
    let time_zone = entries.value("time_zone", "an IANA name such as Europe/Berlin", parse);
    openhab_alone(entries);

    let endpoint = endpoint(entries);
    let update = entries.value("update", "events or poll", |text| match text {
        "events" => Some(Update::Events),
        "poll" => Some(Update::Poll),
        _ => None,
    });
    let poll_interval = duration(entries, "poll_interval", 100, 600).unwrap_or(POLL_INTERVAL);
    let stale_after = stale_after(entries, poll_interval);
    let credentials = credentials(entries);
    let ca_file = path(entries, "openhab_ca_file");

    let role = entries.value("role", "producer or grid", |text| match text {
        "producer" => Some(Role::Producer),
        "grid" => Some(Role::Grid),
        _ => None,
    });
    let role = role.unwrap_or(Role::Producer);
    let on_stale =
        entries.value("on_stale", "zero, exception, hold or disconnect", |text| match text {
            "zero" => Some(OnStale::Zero),
            "exception" => Some(OnStale::Exception),
            "hold" => Some(OnStale::Hold),
            "disconnect" => Some(OnStale::Disconnect),
            _ => None,
        });
    let threshold = entries.value("min_energy_threshold", "kWh, 0 or more", |text| {
        parse(text).filter(|kwh: &f64| (0.0..=1e6).contains(kwh))
    });
    let items = items(entries);
    let address = entries
        .value("modbus_tcp_address", "a number from 0 to 247", |text| {
            parse(text).filter(|address| *address <= 247)
        })
        .unwrap_or(1);
    let identity = identity(entries, role, address, &items);
    let modbus = modbus(entries, &identity, address);
    let state_dir = path(entries, "state_dir");

    Some(Config {
        log_level,
        time_zone: time_zone.unwrap_or_else(system_time_zone),
        meter: meter::Settings {
            role,
            identity,
            stale_after,
            on_stale: on_stale.unwrap_or(match role {
                Role::Producer => OnStale::Zero,
                Role::Grid => OnStale::Exception,
            }),
            min_energy: threshold.unwrap_or(0.1) * 1000.0,
            points: items.iter().map(|item| item.point).collect(),
        },
        openhab: openhab::Settings {
            endpoint: endpoint?,
            update: update.unwrap_or(Update::Events),
            poll_interval,
            stale_after,
            credentials,
            ca_file,
            items,
        },
        modbus,
        state_dir,
    })
}

const POLL_INTERVAL: Duration = Duration::from_secs(2);
const STALE_AFTER: Duration = Duration::from_secs(30);
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn log_level(entries: &mut Entries<'_>) -> Level {
    // The script wrote the name in capitals before it used it, so either case was right.
    let level = entries.value("loglevel", "debug, info, warning or error", |text| {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Some(Level::DEBUG),
            "info" => Some(Level::INFO),
            "warning" => Some(Level::WARN),
            "error" => Some(Level::ERROR),
            _ => None,
        }
    });
    // The add-on's switch to log each request, which we do at this level.
    let requests = entries.value("modbus_requests", "true or false", parse);
    if requests == Some(true) { Level::DEBUG } else { level.unwrap_or(Level::INFO) }
}

/// What the add-on can do with Home Assistant as its source, and we cannot.
fn openhab_alone(entries: &mut Entries<'_>) {
    entries.value("source", "openhab, the only source there is", |text| {
        (text == "openhab").then_some(())
    });
    if let Some(entry) = entries.take("access_token") {
        let empty = entries.scalar(&entry, "nothing").is_some_and(|token| token.is_empty());
        if !empty {
            let message = "secrets do not belong here; put it into a file and name that by \
                           openhab_token_file";
            entries.note(&entry, Part::Value, message.to_owned());
        }
    }
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
    let endpoint = parse(&text);
    if endpoint.is_none() {
        entries.wrong(&entry, &text, EXPECTED);
    }
    endpoint
}

/// A number with a unit, such as `2s` or `10m`; without one it is seconds.
fn duration(
    entries: &mut Entries<'_>,
    name: &str,
    min_millis: u64,
    max_secs: u64,
) -> Option<Duration> {
    let range = Duration::from_millis(min_millis)..=Duration::from_secs(max_secs);
    let expected = format!(
        "a duration such as 2s or 10m, from {} to {}",
        humantime::format_duration(*range.start()),
        humantime::format_duration(*range.end()),
    );
    entries.value(name, &expected, |text| {
        let duration = match text.parse() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
            Err(_) => humantime::parse_duration(text).ok()?,
        };
        range.contains(&duration).then_some(duration)
    })
}

/// Polled values must be able to stay fresh.
fn stale_after(entries: &mut Entries<'_>, poll_interval: Duration) -> Duration {
    let least = poll_interval.saturating_mul(2).max(Duration::from_secs(1));
    let millis = u64::try_from(least.as_millis()).unwrap_or(u64::MAX);
    duration(entries, "stale_after", millis, 86_400).unwrap_or(STALE_AFTER.max(least))
}

fn path(entries: &mut Entries<'_>, name: &str) -> Option<PathBuf> {
    entries.value(name, "a path", |text| (!text.is_empty()).then(|| text.into()))
}

fn credentials(entries: &mut Entries<'_>) -> Credentials {
    let token_file = path(entries, "openhab_token_file");
    let username = entries.take("openhab_username");
    let username = username.and_then(|entry| {
        let name = entries.scalar(&entry, "a name")?;
        if name.is_empty() || name.contains(':') {
            entries.wrong(&entry, &name, "a name without a colon");
            return None;
        }
        Some((entry, name))
    });
    let password_file = path(entries, "openhab_password_file");
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
fn items(entries: &mut Entries<'_>) -> Vec<Item> {
    let connected = entries.value("connected_phase", "1, 2 or 3", |text| match text {
        "1" => Some(Phase::L1),
        "2" => Some(Phase::L2),
        "3" => Some(Phase::L3),
        _ => None,
    });
    let connected = connected.unwrap_or(Phase::L1);
    let mut items = Vec::new();
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
            items.extend(item(entries, point, entry));
        }
    }
    items
}

fn item(entries: &mut Entries<'_>, point: Point, found: ItemEntry) -> Option<Item> {
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
    Some(Item { name, point, unit })
}

fn identity(entries: &mut Entries<'_>, role: Role, address: u8, items: &[Item]) -> Identity {
    // As real meters have them; `Opt` is the place of the meter in the plant.
    let options = match role {
        Role::Producer => "<secondary>",
        Role::Grid => "<primary>",
    };
    let serial_number = text(entries, "serial_number", 1, 32);
    Identity {
        manufacturer: text(entries, "manufacturer", 1, 32).unwrap_or("Fronius".to_owned()),
        model: text(entries, "model", 1, 32).unwrap_or("Smart Meter IP".to_owned()),
        options: text(entries, "options", 0, 16).unwrap_or(options.to_owned()),
        version: text(entries, "version", 0, 16).unwrap_or("2.9".to_owned()),
        serial_number: serial_number.unwrap_or_else(|| default_serial(address, items)),
        address,
    }
}

/// A text that fits into its registers.
fn text(entries: &mut Entries<'_>, name: &str, min: usize, max: usize) -> Option<String> {
    let expected = format!("{min} to {max} printable ASCII characters");
    entries.value(name, &expected, |text| {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (printable && (min..=max).contains(&text.len())).then(|| text.to_owned())
    })
}

/// Eleven digits that stay the same over restarts and moves, and differ between two meters of a
/// plant: FNV-1a of the energy items' names, and the address.
fn default_serial(address: u8, items: &[Item]) -> String {
    let names = items
        .iter()
        .filter(|item| item.point.measurand == Measurand::EnergyOut)
        .flat_map(|item| item.name.bytes());
    let hash = names
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{:08}{address:03}", hash.checked_rem(100_000_000).unwrap_or_default())
}

fn modbus(entries: &mut Entries<'_>, identity: &Identity, address: u8) -> modbus::Settings {
    let unit_ids = entries.value("unit_ids", "any or strict", |text| match text {
        "any" => Some(UnitIds::Any),
        "strict" => Some(UnitIds::Only(address)),
        _ => None,
    });
    let max_connections = entries.value("max_connections", "a number from 1 to 1000", |text| {
        parse(text).filter(|count| (1..=1000).contains(count))
    });
    modbus::Settings {
        listen: listen(entries),
        unit_ids: unit_ids.unwrap_or(UnitIds::Any),
        max_connections: max_connections.unwrap_or(64),
        idle_timeout: duration(entries, "idle_timeout", 1000, 86_400).unwrap_or(IDLE_TIMEOUT),
        vendor: identity.manufacturer.clone(),
        product: identity.model.clone(),
    }
}

fn listen(entries: &mut Entries<'_>) -> Vec<SocketAddr> {
    const EXPECTED: &str = "address:port, such as 0.0.0.0:502 or [::]:502";
    let Some(entry) = entries.take("modbus_listen") else { return Vec::new() };
    let mut addresses = Vec::new();
    for (entry, text) in entries.list(entry, EXPECTED) {
        match text.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => entries.wrong(&entry, &text, EXPECTED),
        }
    }
    addresses
}

/// The system's time zone, or UTC where it has none.
fn system_time_zone() -> Tz {
    iana_time_zone::get_timezone().ok().and_then(|name| parse(&name)).unwrap_or(Tz::UTC)
}
