//! The answers: from the command line, or from whoever sits at the terminal.

use std::fmt;

use super::{
    args::{Host, SetupArgs, option},
    ask,
    candidate::{Candidate, Wanted, candidates},
    connection::Connection,
    error::SetupError,
    value::{Items, Value},
};
use crate::{
    meter::{Role, reading::Measurand, sunspec::MeterModel, units::Quantity},
    modbus,
};

/// The most candidates that an error lists.
const MAX_SHOWN: usize = 20;

/// What the meter that is written has without `max_power`.
pub(super) const DEFAULT_MAX_POWER_W: f64 = MeterModel::Float.default_max_power_w();

/// All that the configuration is made of.
pub(super) struct Answers {
    pub(super) role: Role,
    /// In the order in which they are asked for.
    pub(super) values: Vec<(Measurand, Value)>,
    /// Of items that are given without one.
    pub(super) phase: Option<u8>,
    /// In W.
    pub(super) max_power: Option<u32>,
    /// Where the meter listens, if systemd does not.
    pub(super) port: Option<u16>,
}

/// What is asked for one measurand may also be answered so.
enum Choice {
    Candidate(Candidate),
    Without(&'static str),
    Other,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Candidate(candidate) => candidate.fmt(f),
            Self::Without(fallback) => write!(f, "none: {fallback}"),
            Self::Other => f.write_str("another one, by its name"),
        }
    }
}

impl Answers {
    /// Collects all answers.
    pub(super) async fn collect(
        args: &SetupArgs,
        host: Host,
        connection: &Connection,
    ) -> Result<Self, SetupError> {
        let role = match args.role {
            Some(role) => role.into(),
            None if args.yes => Role::Producer,
            None => ask_for_role()?,
        };
        let mut questions = Questions { args, connection, role, values: Vec::new() };
        for measurand in ORDER {
            questions.ask(measurand)?;
        }
        let phase = questions.phase()?;
        let max_power = questions.max_power().await?;
        let port = match host {
            Host::User => Some(args.port.unwrap_or(modbus::SECOND_PORT)),
            Host::System | Host::SystemLater => args.port,
        };
        Ok(Self { role, values: questions.values, phase, max_power, port })
    }
}

/// What a meter needs first.
const ORDER: [Measurand; 6] = [
    Measurand::EnergyOut,
    Measurand::Power,
    Measurand::EnergyIn,
    Measurand::Voltage,
    Measurand::Current,
    Measurand::Frequency,
];

fn ask_for_role() -> Result<Role, SetupError> {
    const PRODUCER: &str = "a generator, such as another inverter";
    let role =
        ask::choose("What does the meter measure?", vec![PRODUCER, "the grid connection"], 0)?;
    Ok(if role == PRODUCER { Role::Producer } else { Role::Grid })
}

/// The questions about one meter, and the answers so far.
struct Questions<'a> {
    args: &'a SetupArgs,
    connection: &'a Connection,
    role: Role,
    values: Vec<(Measurand, Value)>,
}

impl Questions<'_> {
    fn ask(&mut self, measurand: Measurand) -> Result<(), SetupError> {
        let value = match self.args.value(measurand) {
            Some(value) => Some(value.clone()),
            // A generator has no other counter.
            None if measurand == Measurand::EnergyIn && self.role == Role::Producer => None,
            None => self.choose(measurand)?,
        };
        self.values.extend(value.map(|value| (measurand, value)));
        Ok(())
    }

    /// Lets one of the candidates be chosen, or takes the only one.
    fn choose(&mut self, measurand: Measurand) -> Result<Option<Value>, SetupError> {
        if self.args.yes && !measurand.is_required() {
            return Ok(None);
        }
        let chosen = self.values.last().map(|(_, value)| &value.items);
        let kind = self.connection.kind;
        let wanted = Wanted { measurand, role: self.role, source: kind, chosen };
        let mut candidates = candidates(&self.connection.items, wanted);
        candidates.retain(|candidate| !self.is_taken(measurand, &candidate.items));
        if candidates.is_empty() && (self.args.yes || !measurand.is_required()) {
            let quantity = measurand.quantity();
            let nothing = SetupError::NothingFits { source_kind: kind, quantity };
            return if measurand.is_required() { Err(nothing) } else { Ok(None) };
        }
        let chosen = if self.args.yes {
            Choice::Candidate(only(measurand, &candidates)?)
        } else {
            ask_for(measurand, self.role, candidates)?
        };
        let (items, is_plain, now) = match chosen {
            Choice::Without(_) => return Ok(None),
            Choice::Other => (Items::One(ask::text("Its name:")?), false, None),
            Choice::Candidate(candidate) => (candidate.items, candidate.is_plain, candidate.value),
        };
        let unit = if is_plain && !self.args.yes { ask_for_unit(measurand, now)? } else { None };
        Ok(Some(Value { items, unit }))
    }

    /// Whether an item counts for the other energy already.
    fn is_taken(&self, measurand: Measurand, items: &Items) -> bool {
        let same = |other: Measurand| other.quantity() == measurand.quantity();
        let taken = self.values.iter().filter(|(other, _)| same(*other));
        taken.flat_map(|(_, value)| value.items.names()).any(|name| items.names().contains(&name))
    }

    fn phase(&self) -> Result<Option<u8>, SetupError> {
        let has_phases = |value: &Value| matches!(value.items, Items::Phases(_));
        let needs_none = self.values.iter().all(|(_, value)| has_phases(value));
        if self.args.phase.is_some() || self.args.yes || needs_none {
            return Ok(self.args.phase);
        }
        let question = "Phase it is connected to (1 if you do not know):";
        Ok(Some(ask::choose(question, vec![1, 2, 3], 0)?))
    }

    async fn max_power(&self) -> Result<Option<u32>, SetupError> {
        if self.args.max_power.is_some() || self.args.yes {
            return Ok(self.args.max_power);
        }
        let power = self.values.iter().find(|(measurand, _)| *measurand == Measurand::Power);
        let highest = match power {
            Some((_, value)) => self.connection.highest_power(value).await,
            None => None,
        };
        let highest = match highest {
            Some(watts) => format!("; {watts:.0} W reached in the last month"),
            None => String::new(),
        };
        let (question, size) = match self.role {
            Role::Producer => ("Maximum power of the device, in W:", "the size of the inverter"),
            Role::Grid => ("Maximum power, in W:", "3 × 35 A are 24150 W"),
        };
        let help = format!("{size}{highest}; Enter alone: {DEFAULT_MAX_POWER_W}");
        ask::number(question, &help, 100..=10_000_000)
    }
}

/// The only candidate, apart from parts of itself.
fn only(measurand: Measurand, candidates: &[Candidate]) -> Result<Candidate, SetupError> {
    let mut others = candidates.iter().skip(1);
    let first = candidates.first();
    let names = first.map(|first| first.items.names()).unwrap_or_default();
    if others.all(|other| other.items.names().iter().all(|name| names.contains(name)))
        && let Some(first) = first
    {
        return Ok(first.clone());
    }
    let shown = candidates.iter().take(MAX_SHOWN).map(|candidate| format!("  {candidate}"));
    let more = candidates.len().saturating_sub(MAX_SHOWN);
    let more = (more > 0).then(|| format!("  and {more} more"));
    let lines: Vec<_> = shown.chain(more).collect();
    Err(SetupError::Ambiguous { option: option(measurand), candidates: lines.join("\n") })
}

fn ask_for(
    measurand: Measurand,
    role: Role,
    candidates: Vec<Candidate>,
) -> Result<Choice, SetupError> {
    let is_likely = candidates.first().is_some_and(Candidate::is_likely);
    let candidates = candidates.into_iter().map(Choice::Candidate);
    let (question, without) = question(measurand, role);
    match without {
        None => ask::choose(question, candidates.chain([Choice::Other]).collect(), 0),
        Some(without) => {
            let options = [Choice::Without(without)].into_iter().chain(candidates);
            ask::choose(question, options.collect(), usize::from(is_likely))
        }
    }
}

/// What is asked, and what happens without an answer, where there may be none.
fn question(measurand: Measurand, role: Role) -> (&'static str, Option<&'static str>) {
    match (measurand, role) {
        (Measurand::EnergyOut, Role::Producer) => ("Energy generated so far:", None),
        (Measurand::EnergyOut, Role::Grid) => ("Energy exported so far:", None),
        (Measurand::EnergyIn, _) => ("Energy imported so far:", Some("the meter shows 0")),
        (Measurand::Power, Role::Producer) => ("Power generated now:", None),
        (Measurand::Power, Role::Grid) => ("Power now, where import is positive:", None),
        (Measurand::Voltage, _) => ("Voltage:", Some("230 V")),
        (Measurand::Current, _) => ("Current:", Some("power / voltage")),
        (Measurand::Frequency, _) => ("Frequency:", Some("50 Hz")),
    }
}

/// A number without a unit says nothing of its size.
fn ask_for_unit(measurand: Measurand, now: Option<f64>) -> Result<Option<String>, SetupError> {
    /// No counter of a house is at so many kWh.
    const SURELY_WH: f64 = 200_000e3;
    let (units, likely) = match measurand.quantity() {
        Quantity::Energy => {
            (vec!["kWh", "Wh", "MWh"], usize::from(now.is_some_and(|wh| wh > SURELY_WH)))
        }
        Quantity::Power => (vec!["W", "kW"], 0),
        _ => return Ok(None),
    };
    let unit = ask::choose("Its state has no unit. In which is it?", units, likely)?;
    Ok((unit != measurand.quantity().default_unit().to_string()).then(|| unit.to_owned()))
}
