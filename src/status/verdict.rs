//! What follows from a snapshot: who of source, service and inverter is silent, and what to do.

use serde::Serialize;

use super::{
    language::Language,
    snapshot::{MeterSnapshot, Snapshot, SourceSnapshot, SourceState},
};

mod meter;
#[cfg(test)]
mod tests;

/// So long after the start nobody needs to be worried yet.
const START_S: f64 = 60.0;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The inverter does not get what it should.
    Fault,
    /// It does, but somebody should look at something.
    Warning,
    /// All is well.
    Good,
}

/// One thing there is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How bad it is.
    pub level: Level,
    /// What it is, for programs.
    pub code: &'static str,
    /// The same for people, in whole sentences. Of several meters, those it is about come first.
    pub text: String,
}

impl Verdict {
    fn new(level: Level, code: &'static str, text: String) -> Self {
        Self { level, code, text }
    }
}

/// All there is to say, the worst first. There is always something.
#[must_use]
pub fn verdicts(snapshot: &Snapshot, language: Language) -> Vec<Verdict> {
    let sources = snapshot.sources.iter();
    let mut all: Vec<_> = sources.map(|one| source(snapshot, one, language)).collect();
    let meters = meters(snapshot, language);
    if all.iter().chain(&meters).all(|verdict| verdict.level == Level::Good) {
        return well(meters, language);
    }
    all.extend(meters);
    all.sort_by_key(|verdict| verdict.level);
    all
}

/// If all is well, the source need not be mentioned.
fn well(mut meters: Vec<Verdict>, language: Language) -> Vec<Verdict> {
    let works = language.pick("Everything works", "Alles läuft");
    match &mut meters[..] {
        [only] => {
            only.code = "works";
            only.text = format!("{works}: {}", language.pick(lower(&only.text), only.text.clone()));
        }
        _ => meters.insert(0, Verdict::new(Level::Good, "works", format!("{works}."))),
    }
    meters
}

fn lower(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().into_iter().flat_map(char::to_lowercase).chain(rest).collect()
}

fn source(snapshot: &Snapshot, source: &SourceSnapshot, language: Language) -> Verdict {
    let SourceSnapshot { kind, state, since_s, fault, .. } = source;
    let name = source_name(source, language);
    let why = fault.as_ref().map(|fault| format!(": {fault}")).unwrap_or_default();
    let mut meters = snapshot.meters.iter().filter(|meter| meter.source == *kind);
    let all_live = meters.all(MeterSnapshot::is_live);
    let (level, code, text) = match state {
        SourceState::Answers => {
            let text = language.pick(format!("{name} answers."), format!("{name} antwortet."));
            (Level::Good, "source_answers", text)
        }
        SourceState::Away => {
            let span = language.span(*since_s);
            let text = language.pick(
                format!("{name} has not answered for {span}{why}."),
                format!("{name} antwortet seit {span} nicht{why}."),
            );
            (if all_live { Level::Warning } else { Level::Fault }, "source_away", text)
        }
        SourceState::Unknown => {
            let text = language.pick(
                format!("{name} has not answered yet{why}."),
                format!("{name} hat noch nicht geantwortet{why}."),
            );
            (waiting(snapshot), "source_unknown", text)
        }
    };
    Verdict::new(level, code, text)
}

/// What the source is, and where, in the reader's language.
pub(super) fn source_name(source: &SourceSnapshot, language: Language) -> String {
    source.name.replacen(" at ", language.pick(" at ", " unter "), 1)
}

/// How bad it is that something has not happened yet.
fn waiting(snapshot: &Snapshot) -> Level {
    if snapshot.uptime_s > START_S { Level::Fault } else { Level::Warning }
}

/// What is the same for several meters is said once, with their names in front unless it is so for
/// all.
fn meters(snapshot: &Snapshot, language: Language) -> Vec<Verdict> {
    let mut all: Vec<(Verdict, Vec<&str>)> = Vec::new();
    for meter in &snapshot.meters {
        for verdict in meter::verdicts(snapshot, meter, language) {
            match all.iter_mut().find(|(other, _)| *other == verdict) {
                Some((_, names)) => names.push(meter.label()),
                None => all.push((verdict, vec![meter.label()])),
            }
        }
    }
    let with_names = |(mut verdict, names): (Verdict, Vec<&str>)| {
        if names.len() < snapshot.meters.len() {
            verdict.text = format!("{}: {}", names.join(", "), verdict.text);
        }
        verdict
    };
    all.into_iter().map(with_names).collect()
}
