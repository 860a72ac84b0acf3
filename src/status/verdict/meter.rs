//! What there is to say of one meter.

use super::{Level, START_S, Verdict, waiting};
use crate::{
    meter::{Availability, Condition, Role},
    modbus,
    status::{
        language::Language,
        snapshot::{GuardSnapshot, MeterSnapshot, Snapshot, SourceState, ValueSnapshot},
    },
};

/// An inverter asks every second. One that has been silent for this long has stopped.
const STOPPED_S: f64 = 60.0;

/// What there is to say of `meter`, without its name.
pub(super) fn verdicts(
    snapshot: &Snapshot,
    meter: &MeterSnapshot,
    language: Language,
) -> Vec<Verdict> {
    let mut all = vec![inverter(snapshot, meter, language)];
    all.extend(condition(snapshot, meter, language));
    // While the source is away, no item has a value, and that is said already.
    if snapshot.source_state(meter) == SourceState::Answers {
        all.extend(meter.values.iter().filter_map(|item| value(snapshot, meter, item, language)));
    }
    let held = |held: &GuardSnapshot| {
        Verdict::new(Level::Warning, "counter_held", format!("{}.", held.text))
    };
    all.extend(meter.guard.iter().map(held));
    if !meter.is_saved {
        let text = language.pick(
            "The counters cannot be saved: a crash may forget what was served since they were last \
             saved. Check state_dir and its disk.",
            "Die Zähler lassen sich nicht speichern: Nach einem Absturz kann fehlen, was seit dem \
             letzten Speichern geliefert wurde. state_dir und seine Platte prüfen.",
        );
        all.push(Verdict::new(Level::Warning, "counters_not_saved", text.to_owned()));
    }
    all
}

fn inverter(snapshot: &Snapshot, meter: &MeterSnapshot, language: Language) -> Verdict {
    let Some(last) = &meter.polls.last else { return never_asked(snapshot, meter, language) };
    let (client, ago) = (&last.client, language.ago(last.age_s));
    if last.age_s > STOPPED_S {
        let text = language.pick(
            format!("The inverter has stopped asking: its last request came {ago}, from {client}."),
            format!("Der Wechselrichter fragt nicht mehr: zuletzt {ago}, von {client}."),
        );
        return Verdict::new(Level::Fault, "inverter_stopped", text);
    }
    let gets = gets(meter, language);
    let text = language.pick(
        format!("The inverter at {client} asked {ago} and gets {gets}."),
        format!("Der Wechselrichter unter {client} hat {ago} gefragt und bekommt {gets}."),
    );
    Verdict::new(Level::Good, "inverter_asks", text)
}

fn never_asked(snapshot: &Snapshot, meter: &MeterSnapshot, language: Language) -> Verdict {
    if snapshot.uptime_s <= START_S {
        let ago = language.ago(snapshot.uptime_s);
        let text = language.pick(
            format!("No inverter has asked yet; the service started {ago}."),
            format!("Noch hat kein Wechselrichter gefragt; der Dienst läuft erst seit Kurzem ({ago} gestartet)."),
        );
        return Verdict::new(Level::Warning, "inverter_expected", text);
    }
    let ports: Vec<_> = meter.listens.iter().filter_map(|at| at.rsplit(':').next()).collect();
    let port = ports.iter().find(|port| is_accepted(port)).or(ports.first()).unwrap_or(&"502");
    let unit = meter.unit;
    let mut text = language.pick(
        format!(
            "No inverter has asked yet. Add a Smart Meter IP in the inverter, with the address of \
             this machine, port {port} and Modbus address {unit}."
        ),
        format!(
            "Noch hat kein Wechselrichter gefragt. Im Wechselrichter einen Smart Meter IP \
             hinzufügen, mit der Adresse dieses Geräts, Port {port} und Modbus-Adresse {unit}."
        ),
    );
    text.push_str(unreachable(meter, port, language));
    Verdict::new(Level::Fault, "inverter_never_asked", text)
}

fn is_accepted(port: &str) -> bool {
    port.parse().is_ok_and(modbus::is_accepted)
}

/// Why no inverter can ask, where that is plain.
fn unreachable(meter: &MeterSnapshot, port: &str, language: Language) -> &'static str {
    let is_loopback = |at: &String| at.starts_with("127.") || at.starts_with("[::1]");
    if !meter.listens.is_empty() && meter.listens.iter().all(is_loopback) {
        language.pick(
            " It can only be reached from this machine itself: change modbus_listen.",
            " Er ist nur von diesem Gerät selbst zu erreichen: modbus_listen ändern.",
        )
    } else if is_accepted(port) {
        ""
    } else {
        language.pick(
            " But an inverter only accepts the ports 502 and 1502: change modbus_listen.",
            " Ein Wechselrichter nimmt aber nur die Ports 502 und 1502 an: modbus_listen ändern.",
        )
    }
}

/// What a read of values gets, as the object of a sentence.
fn gets(meter: &MeterSnapshot, language: Language) -> String {
    match (meter.answer, &meter.served) {
        (Availability::Registers, Some(served)) => {
            let power = served.power_w.total;
            let power_text = language.quantity(power, "W");
            match direction(meter.role, power, language) {
                "" => power_text,
                direction => format!("{power_text} ({direction})"),
            }
        }
        (Availability::Disconnect, _) => {
            language.pick("a closed connection", "eine geschlossene Verbindung").to_owned()
        }
        _ => language
            .pick("an exception in place of values", "statt der Werte eine Exception")
            .to_owned(),
    }
}

fn direction(role: Role, power_w: f64, language: Language) -> &'static str {
    match role {
        Role::Grid if power_w < 0.0 => language.pick("export", "Einspeisung"),
        Role::Grid if power_w > 0.0 => language.pick("import", "Bezug"),
        Role::Producer if power_w < 0.0 => language.pick("generation", "Erzeugung"),
        Role::Producer if power_w > 0.0 => language.pick("consumption", "Verbrauch"),
        _ => "",
    }
}

fn condition(snapshot: &Snapshot, meter: &MeterSnapshot, language: Language) -> Option<Verdict> {
    let overdue = meter.overdue.join(", ");
    match meter.condition {
        Condition::Waiting => {
            let text = language.pick(
                format!("Still waiting for the first value of {overdue}."),
                format!("Noch fehlt der erste Wert von {overdue}."),
            );
            Some(Verdict::new(waiting(snapshot), "waiting", text))
        }
        Condition::Stale => {
            Some(Verdict::new(Level::Fault, "stale", stale(meter, &overdue, language)))
        }
        Condition::Live => None,
    }
}

fn stale(meter: &MeterSnapshot, overdue: &str, language: Language) -> String {
    let gets = gets(meter, language);
    let mut why = language
        .pick("the powers add up to more than max_power", "zusammen mehr Leistung als max_power")
        .to_owned();
    if !overdue.is_empty() {
        let age = meter.age_s.map(|age_s| language.span(age_s));
        why = match age {
            Some(age) => language.pick(
                format!("{overdue} not confirmed for {age}"),
                format!("{overdue} seit {age} nicht bestätigt"),
            ),
            None => language
                .pick(format!("{overdue} has no value"), format!("{overdue} hat keinen Wert")),
        };
    }
    language.pick(
        format!("The data is old ({why}); an inverter gets {gets}."),
        format!("Die Daten sind veraltet ({why}); ein Wechselrichter bekommt {gets}."),
    )
}

/// What is wrong with an item.
fn value(
    snapshot: &Snapshot,
    meter: &MeterSnapshot,
    value: &ValueSnapshot,
    language: Language,
) -> Option<Verdict> {
    let ValueSnapshot { key, phase, item, problem, age_s, .. } = value;
    let point = format!("{key} {phase}");
    let is_needed = !meter.is_live() && meter.overdue.contains(&point);
    let level = if is_needed { Level::Fault } else { Level::Warning };
    let (code, what) = match (problem, age_s) {
        (Some(problem), _) => {
            let gives_none = language.pick("gives no value", "gibt keinen Wert");
            ("value_missing", format!("{gives_none}: {problem}"))
        }
        (None, Some(age_s)) if !value.is_fresh => {
            let span = language.span(*age_s);
            let what = language.pick(
                format!("has not been confirmed for {span}"),
                format!("ist seit {span} nicht bestätigt"),
            );
            ("value_old", what)
        }
        (None, None) if snapshot.uptime_s > START_S => {
            let what = language.pick("has given no value yet", "hat noch keinen Wert gegeben");
            ("value_missing", what.to_owned())
        }
        _ => return None,
    };
    Some(Verdict::new(level, code, format!("{point}: {item} {what}.")))
}
