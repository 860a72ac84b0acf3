//! Does an inverter ask?

use super::{View, heading, html::Html};
use crate::status::{
    language::Language,
    snapshot::{LastPoll, MeterSnapshot, Polls},
};

impl View<'_> {
    /// Who asks each meter.
    pub(super) fn inverters(&self, html: &mut Html) {
        for meter in &self.snapshot.meters {
            heading(html, meter.name.as_deref());
            self.inverter(html, meter);
        }
    }

    fn inverter(&self, html: &mut Html, meter: &MeterSnapshot) {
        let (language, polls) = (self.language, &meter.polls);
        let of_last = |show: &dyn Fn(&LastPoll) -> String| {
            polls.last.as_ref().map_or_else(|| "–".to_owned(), show)
        };
        html.raw("<dl>");
        for (term, value) in [
            (
                language.pick("Last read of values", "Letzte Abfrage der Werte"),
                of_last(&|last| language.ago(last.age_s)),
            ),
            (language.pick("From", "Von"), of_last(&|last| last.client.clone())),
            (
                language.pick("Registers asked for", "Gefragte Register"),
                of_last(&|last| registers(last.start, last.count)),
            ),
            (language.pick("Reads per minute", "Abfragen je Minute"), polls.per_minute.to_string()),
            (language.pick("Answered", "Beantwortet"), Language::count(polls.answered)),
            (language.pick("Refused", "Abgelehnt"), refused(polls)),
            (
                language.pick("Open connections", "Offene Verbindungen"),
                polls.connections.to_string(),
            ),
            (
                language.pick("Listens on", "Erreichbar unter"),
                format!(
                    "{}, {} {}",
                    meter.listens.join(", "),
                    language.pick("unit", "Modbus-Adresse"),
                    meter.unit
                ),
            ),
        ] {
            html.raw("<div><dt>").raw(term).raw("</dt><dd>").text(value).raw("</dd></div>");
        }
        html.raw("</dl>");
    }
}

fn refused(polls: &Polls) -> String {
    if polls.refused.is_empty() {
        return Language::count(0);
    }
    let counts = polls
        .refused
        .iter()
        .map(|refused| format!("{} × 0x{:02X}", Language::count(refused.count), refused.code));
    counts.collect::<Vec<_>>().join(", ")
}

fn registers(start: u16, count: u16) -> String {
    let end = u32::from(start).saturating_add(u32::from(count)).saturating_sub(1);
    format!("{start}–{end}")
}
