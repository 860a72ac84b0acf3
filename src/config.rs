//! The configuration: from the text of a file to values that need no further check.
//!
//! The file is flat YAML, or JSON, which is YAML. It may also have the sections of the Home
//! Assistant add-on. A fault is reported with its place, and all faults of a file at once.

use std::{
    env,
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tracing::Level;

use crate::{
    meter::{MeterConfig, binding::Binding, reading::Freshness},
    modbus::ServerConfig,
    source::{SourceConfig, SourceKind},
    status::StatusConfig,
    time_zone::TimeZone,
};

mod app;
mod bindings;
mod causes;
mod document;
mod encoding;
mod entries;
mod entry;
mod error;
mod flat;
mod freshness;
mod homeassistant;
mod listen;
mod masked;
mod meter;
mod meters;
mod modbus;
mod notes;
mod openhab;
mod secret;
mod sections;
mod sources;
mod status;
mod unknown;
mod values;

use entries::Entries;
pub use error::{ConfigError, Problem};
pub use masked::Masked;

/// A larger file is refused: it must be something else.
const MAX_SIZE: u64 = 64 * 1024;

/// The bits of a file's mode that let others than its owner use it.
const OTHERS: u32 = 0o077;

/// Everything the service needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The least important level that is logged.
    pub log_level: Level,
    /// Of the timestamps in the log.
    pub time_zone: TimeZone,
    /// Where the values come from: each kind at most once, and at least one.
    pub sources: Vec<SourceConfig>,
    /// Until when they are fresh.
    pub freshness: Freshness,
    /// What is made of them: at least one meter.
    pub meters: Vec<ConfiguredMeter>,
    /// How they are served.
    pub modbus: ServerConfig,
    /// Where the service can be looked at.
    pub status: StatusConfig,
    /// Where the last good counters are kept; `$STATE_DIRECTORY` where it is not given.
    pub state_dir: Option<PathBuf>,
    /// The file as people may see it, without secrets.
    pub shown: Masked,
}

/// One of the meters.
#[derive(Clone, Debug)]
pub struct ConfiguredMeter {
    /// Its name, where there may be several.
    pub name: Option<String>,
    /// What it is.
    pub config: MeterConfig,
    /// Its serial number is not given, but made of the names of items and the unit id.
    has_default_serial: bool,
    /// Which source has the items.
    pub source: SourceKind,
    /// The items it is made of.
    pub bindings: Vec<Binding>,
    /// Where it listens if no socket is inherited; if empty, port 502 on all addresses.
    pub listen: Vec<SocketAddr>,
}

impl ConfiguredMeter {
    /// The items that another serial number comes with, if they are renamed.
    #[must_use]
    pub fn serial_items(&self) -> Vec<&str> {
        let items = self.has_default_serial.then(|| meter::serial_items(&self.bindings));
        items.into_iter().flatten().collect()
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        file.take(MAX_SIZE.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_SIZE {
            let message = format!("larger than {MAX_SIZE} bytes");
            return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, message)));
        }
        let text = encoding::decode(&bytes)
            .map_err(|(position, message)| vec![Problem::of_file(position, message)]);
        text.and_then(|text| Self::read(&text, mode & OTHERS == 0))
            .map_err(|problems| ConfigError::Invalid { path: path.to_owned(), problems })
    }

    /// Checks the text of a file that nobody else can read.
    ///
    /// # Errors
    /// Returns everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        Self::read(text, true)
    }

    fn read(text: &str, is_private: bool) -> Result<Self, Vec<Problem>> {
        let (config, shown) = entries::read(text, is_private, read)?;
        Ok(Self { shown, ..config })
    }
}

/// Takes all entries. What is wrong is noted, and a default stands in for it.
fn read(entries: &mut Entries<'_>) -> Config {
    let log_level = log_level(entries);
    let time_zone = entries.value("time_zone", "an IANA name such as Europe/Berlin", values::parse);
    let sources = sources::read(entries);
    let meters = meters::read(entries, &sources);
    let freshness = freshness::read(entries, sources.poll_interval());
    let is_used = |kind| meters.iter().any(|meter| meter.source == kind);
    let sources = sources.used(is_used);
    let modbus = modbus::read(entries);
    let status = status::read(entries, &meters);
    let state_dir = values::path(entries, "state_dir");
    Config {
        log_level,
        time_zone: time_zone.unwrap_or_else(default_time_zone),
        sources,
        freshness,
        meters,
        modbus,
        status,
        state_dir,
        shown: Masked::default(),
    }
}

fn log_level(entries: &mut Entries<'_>) -> Level {
    const LEVELS: [(&str, Level); 4] = [
        ("debug", Level::DEBUG),
        ("info", Level::INFO),
        ("warning", Level::WARN),
        ("error", Level::ERROR),
    ];
    // The script wrote the name in capitals before it used it, so either case was right.
    let level = entries.value("loglevel", &values::alternatives(&LEVELS), |text| {
        values::chosen(&LEVELS, &text.to_ascii_lowercase())
    });
    // The add-on's switch to log each request, which we do at this level.
    let requests =
        values::choice(entries, "debug.modbus_requests", &[("true", true), ("false", false)]);
    if requests == Some(true) { Level::DEBUG } else { level.unwrap_or(Level::INFO) }
}

/// The time zone of the environment, else that of the system, or UTC where neither is known by name:
/// `TZ` may also have rules instead of a name.
fn default_time_zone() -> TimeZone {
    let of_environment = env::var("TZ").ok();
    // A colon says that no rules follow, but a name or a path.
    let of_environment = of_environment.as_deref().map(|tz| {
        let tz = tz.strip_prefix(':').unwrap_or(tz);
        tz.split_once("/zoneinfo/").map_or(tz, |(_, name)| name)
    });
    of_environment
        .and_then(values::parse)
        .or_else(|| iana_time_zone::get_timezone().ok().and_then(|name| values::parse(&name)))
        .unwrap_or(TimeZone::UTC)
}
