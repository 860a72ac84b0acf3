//! The metrics, as Prometheus reads them (text format 0.0.4).
//!
//! Base units, and signs as in the registers. There is a series for each phase and none for the total,
//! which is their sum. A value that is stale is left out, so that it does not look alive.

use std::fmt::{self, Write};

use super::snapshot::{MeterSnapshot, Phases, Served, Snapshot, SourceState};

/// The content type of the text.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

const JOULES_IN_WH: f64 = 3600.0;

/// A family: its name without the prefix of the program, its type, and what it is.
struct Family(&'static str, &'static str, &'static str);

const BUILD: Family = Family("build_info", "gauge", "Version of the running program.");
const START: Family =
    Family("start_time_seconds", "gauge", "When the service started, in seconds since 1970.");
const SOURCE: Family = Family("source_up", "gauge", "1 while the source answers.");
const LIVE: Family = Family("meter_live", "gauge", "1 while live values are served.");
const ENERGY: Family = Family("energy_joules_total", "counter", "Energy served, by direction.");
const POWER: Family = Family("power_watts", "gauge", "Active power; import is positive.");
const VOLTAGE: Family = Family("voltage_volts", "gauge", "Voltage between line and neutral.");
const CURRENT: Family = Family("current_amperes", "gauge", "Current.");
const FREQUENCY: Family = Family("frequency_hertz", "gauge", "Grid frequency.");
const AGE: Family =
    Family("value_age_seconds", "gauge", "Time since the source last confirmed a value.");
const STANDING: Family =
    Family("counters_standing", "gauge", "Counters that do not follow their item at present.");
const SAVED: Family =
    Family("counters_saved", "gauge", "1 while counters are on disk before they are served.");
const REQUESTS: Family =
    Family("modbus_requests_total", "counter", "Modbus requests, by how they were answered.");
const POLL: Family = Family(
    "modbus_last_poll_timestamp_seconds",
    "gauge",
    "When values were last read, in seconds since 1970.",
);
const CONNECTIONS: Family =
    Family("modbus_connections", "gauge", "Open connections to the port of the meter.");

/// The text of all metrics.
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    let mut text = Text(String::new());
    text.family(&BUILD, [([("version", snapshot.version)], 1.0)]);
    text.family(&START, [([], snapshot.time_s - snapshot.uptime_s)]);
    let sources = snapshot.sources.iter();
    let sources = sources.map(|source| {
        let answers = source.state == SourceState::Answers;
        ([("source", source.kind.key())], flag(answers))
    });
    text.family(&SOURCE, sources);
    let meters = || snapshot.meters.iter().map(|meter| (meter.label(), meter));
    text.family(&LIVE, meters().map(|(name, meter)| ([("meter", name)], flag(meter.is_live()))));
    text.family(&ENERGY, meters().flat_map(|(name, meter)| energies(name, meter)));
    let live = || meters().filter(|(_, meter)| meter.is_live());
    let live = || live().filter_map(|(name, meter)| Some((name, meter.served?)));
    for (family, phases) in [
        (&POWER, (|served| served.power_w) as fn(Served) -> Phases),
        (&VOLTAGE, |served| served.voltage_v),
        (&CURRENT, |served| served.current_a),
    ] {
        let lines = live().flat_map(|(name, served)| {
            let lines = lines_of(phases(served));
            lines.map(|(phase, value)| ([("meter", name), ("phase", phase)], value))
        });
        text.family(family, lines);
    }
    let frequencies = live().map(|(name, served)| ([("meter", name)], served.frequency_hz));
    text.family(&FREQUENCY, frequencies);
    text.family(&AGE, meters().flat_map(|(name, meter)| ages(name, meter)));
    text.family(
        &STANDING,
        meters().map(|(name, meter)| ([("meter", name)], count(meter.guard.len()))),
    );
    text.family(&SAVED, meters().map(|(name, meter)| ([("meter", name)], flag(meter.is_saved))));
    text.family(&REQUESTS, meters().flat_map(|(name, meter)| requests(name, meter)));
    text.family(
        &POLL,
        meters().filter_map(|(name, meter)| {
            let last = meter.polls.last.as_ref()?;
            Some(([("meter", name)], snapshot.time_s - last.age_s))
        }),
    );
    text.family(
        &CONNECTIONS,
        meters().map(|(name, meter)| ([("meter", name)], count(meter.polls.connections))),
    );
    text.0
}

/// A counter that stands is still what it was.
fn energies<'m>(
    name: &'m str,
    meter: &'m MeterSnapshot,
) -> impl Iterator<Item = ([(&'static str, &'m str); 3], f64)> {
    let directions = meter
        .served
        .into_iter()
        .flat_map(|served| [("export", served.exported_wh), ("import", served.imported_wh)]);
    directions.flat_map(move |(direction, phases)| {
        lines_of(phases).map(move |(phase, wh)| {
            ([("meter", name), ("phase", phase), ("direction", direction)], wh * JOULES_IN_WH)
        })
    })
}

fn ages<'m>(
    name: &'m str,
    meter: &'m MeterSnapshot,
) -> impl Iterator<Item = ([(&'static str, &'m str); 4], f64)> {
    meter.values.iter().filter_map(move |value| {
        let labels = [
            ("meter", name),
            ("key", value.key),
            ("phase", value.phase.as_str()),
            ("item", value.item.as_str()),
        ];
        Some((labels, value.age_s?))
    })
}

fn requests<'m>(
    name: &'m str,
    meter: &'m MeterSnapshot,
) -> impl Iterator<Item = ([(&'static str, &'m str); 2], f64)> {
    let of = move |result, count| ([("meter", name), ("result", result)], number(count));
    let refused = meter.polls.refused.iter().map(|refused| (result(refused.code), refused.count));
    std::iter::once(("ok", meter.polls.answered))
        .chain(refused)
        .map(move |(result, count)| of(result, count))
}

/// The names of the exceptions in the specification of Modbus.
fn result(code: u8) -> &'static str {
    match code {
        1 => "illegal_function",
        2 => "illegal_address",
        3 => "illegal_value",
        _ => "no_value",
    }
}

fn lines_of(phases: Phases) -> [(&'static str, f64); 3] {
    [("L1", phases.l1), ("L2", phases.l2), ("L3", phases.l3)]
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2⁵³")]
fn number(count: u64) -> f64 {
    count as f64
}

fn count(count: usize) -> f64 {
    number(count as u64)
}

struct Text(String);

impl Text {
    /// Writes a family, unless it has no series.
    fn family<'l, const N: usize>(
        &mut self,
        Family(name, kind, help): &Family,
        series: impl IntoIterator<Item = ([(&'static str, &'l str); N], f64)>,
    ) {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return;
        }
        let name = format!("fronius_smartmeter_{name}");
        let text = &mut self.0;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in series {
            let _ = writeln!(text, "{name}{} {value}", Labels(&labels));
        }
    }
}

struct Labels<'l>(&'l [(&'static str, &'l str)]);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "{" } else { "," })?;
            write!(f, "{name}=\"{}\"", Escaped(value))?;
        }
        f.write_str(if self.0.is_empty() { "" } else { "}" })
    }
}

struct Escaped<'v>(&'v str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}
