//! What to copy into a bug report.

use std::fmt::{self, Write};

use crate::{
    status::{
        language::Language,
        snapshot::{MeterSnapshot, Snapshot, SourceSnapshot, ValueSnapshot},
        verdict::verdicts,
    },
    text::Decimal,
};

/// Everything a maintainer wants to know, in English. It has no secrets.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, snapshot);
    text
}

fn write(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let english = Language::English;
    let uptime = english.span(snapshot.uptime_s);
    writeln!(text, "fronius-smartmeter {}, up for {uptime}", snapshot.version)?;
    for verdict in verdicts(snapshot, english) {
        writeln!(text, "{:?}: {}", verdict.level, verdict.text)?;
    }
    for SourceSnapshot { kind, state, since_s, has_events, .. } in &snapshot.sources {
        let (kind, since) = (kind.key(), english.span(*since_s));
        writeln!(text, "source {kind}: {state:?} for {since}, events: {has_events}")?;
    }
    for meter in &snapshot.meters {
        meter_text(text, meter, english)?;
    }
    write!(text, "\n{}", snapshot.configuration)
}

fn meter_text(text: &mut String, meter: &MeterSnapshot, english: Language) -> fmt::Result {
    let MeterSnapshot { serial_number, role, unit, model, condition, answer, polls, .. } = meter;
    let name = meter.name.as_deref().unwrap_or("meter");
    writeln!(
        text,
        "\n{name} {serial_number}: {role}, unit {unit}, model {model}, at {}",
        meter.listens.join(", ")
    )?;
    let age = meter.age_s.map_or_else(|| "none".to_owned(), |age_s| english.span(age_s));
    writeln!(
        text,
        "  {condition} ({answer}), data age {age}, overdue: {}",
        meter.overdue.join(", ")
    )?;
    let refused: Vec<_> = polls
        .refused
        .iter()
        .map(|refused| format!("{}×{:#04x}", refused.count, refused.code))
        .collect();
    writeln!(
        text,
        "  connections {}, answered {}, refused {}, per minute {}",
        polls.connections,
        polls.answered,
        refused.join(" "),
        polls.per_minute
    )?;
    if let Some(served) = &meter.served {
        let [power, exported, imported] =
            [(served.power_w, "W"), (served.exported_wh, "Wh"), (served.imported_wh, "Wh")]
                .map(|(phases, unit)| english.quantity(phases.total, unit));
        writeln!(text, "  served {power}, {exported} exported, {imported} imported")?;
    }
    for value in &meter.values {
        value_text(text, value, english)?;
    }
    for held in &meter.guard {
        writeln!(text, "  {}", held.text)?;
    }
    Ok(())
}

fn value_text(text: &mut String, value: &ValueSnapshot, english: Language) -> fmt::Result {
    let ValueSnapshot { key, phase, item, state, value, unit, age_s, problem, .. } = value;
    let age = age_s.map_or_else(|| "never".to_owned(), |age_s| english.ago(age_s));
    let said = state.as_deref().unwrap_or("nothing");
    let value =
        value.map_or_else(|| "none".to_owned(), |value| format!("{} {unit}", Decimal(value)));
    write!(text, "  {key} {phase} {item}: said {said:?}, value {value}, {age}")?;
    if let Some(problem) = problem {
        write!(text, ", {problem}")?;
    }
    writeln!(text)
}
