//! What does the inverter get, and what did the source say?

use super::{View, heading, html::Html};
use crate::{
    meter::{Availability, Condition, Role},
    status::{
        language::Language,
        snapshot::{MeterSnapshot, Phases, Served, ValueSnapshot},
    },
};

impl View<'_> {
    /// What each meter serves, and what it is made of.
    pub(super) fn values(&self, html: &mut Html) {
        for meter in &self.snapshot.meters {
            heading(html, meter.name.as_deref());
            self.condition(html, meter);
            html.raw("<div class=pair>");
            if let Some(served) = &meter.served {
                self.served(html, served, meter.answer == Availability::Registers);
            }
            self.said(html, &meter.values);
            html.raw("</div>");
        }
    }

    fn condition(&self, html: &mut Html, meter: &MeterSnapshot) {
        let language = self.language;
        html.raw("<p><b>").raw(match meter.condition {
            Condition::Live => language.pick("Live", "Aktuell"),
            Condition::Stale => language.pick("Old", "Veraltet"),
            Condition::Waiting => language.pick("Waiting", "Wartet"),
        });
        html.raw("</b>");
        if let Some(age_s) = meter.age_s {
            let age = language.span(age_s);
            html.text(language.pick(format!(", {age} old"), format!(", {age} alt")));
        }
        if !meter.overdue.is_empty() {
            let missing = language.pick("missing", "es fehlt");
            html.text(format!("; {missing}: {}", meter.overdue.join(", ")));
        }
        html.raw(match meter.answer {
            Availability::Registers => "",
            Availability::Disconnect => language.pick(
                "; reads of values end the connection",
                "; Abfragen der Werte beenden die Verbindung",
            ),
            Availability::Exception => language.pick(
                "; reads of values get exception 0x0B",
                "; Abfragen der Werte bekommen Exception 0x0B",
            ),
        });
        html.text(format!(". {}, {}", role(meter, language), meter.serial_number));
        html.text(format!(", SunSpec {}.", meter.model)).raw("</p>");
    }

    fn served(&self, html: &mut Html, served: &Served, is_given: bool) {
        let language = self.language;
        let title = if is_given {
            language.pick("What an inverter gets", "Was ein Wechselrichter bekommt")
        } else {
            language.pick("What no inverter gets now", "Was jetzt kein Wechselrichter bekommt")
        };
        open_table(html, title, &["", language.pick("total", "gesamt"), "L1", "L2", "L3"]);
        for (name, shown, unit, phases) in [
            (language.pick("Power", "Leistung"), "W", "W", served.power_w),
            (language.pick("Current", "Strom"), "A", "A", served.current_a),
            (language.pick("Voltage", "Spannung"), "V", "V", served.voltage_v),
            (language.pick("Exported", "Geliefert"), "kWh", "Wh", served.exported_wh),
            (language.pick("Imported", "Bezogen"), "kWh", "Wh", served.imported_wh),
        ] {
            html.raw("<tr><th scope=row>").raw(name).raw(" <small>").raw(shown);
            html.raw("</small></th>");
            let Phases { total, l1, l2, l3 } = phases;
            for value in [total, l1, l2, l3] {
                html.raw("<td>").text(language.bare(value, unit)).raw("</td>");
            }
            html.raw("</tr>");
        }
        html.raw("<tr><th scope=row>").raw(language.pick("Frequency", "Frequenz"));
        html.raw(" <small>Hz</small></th><td>").text(language.bare(served.frequency_hz, "Hz"));
        html.raw("</td><td></td><td></td><td></td></tr></table></div>");
    }

    fn said(&self, html: &mut Html, values: &[ValueSnapshot]) {
        let language = self.language;
        let title = language.pick("What the source said", "Was die Quelle sagte");
        let columns = [
            language.pick("its words", "ihre Worte"),
            language.pick("value", "Wert"),
            language.pick("age", "Alter"),
        ];
        open_table(html, title, &columns);
        for value in values {
            item(html, value, language);
        }
        html.raw("</table></div>");
    }
}

/// Two rows: the item has the first for itself, as a phone has no room for it beside its values.
fn item(html: &mut Html, value: &ValueSnapshot, language: Language) {
    html.raw("<tbody><tr><th scope=rowgroup colspan=3>").text(&value.item);
    html.raw(" <small>").text(value.key).raw(" ").text(&value.phase).raw("</small>");
    if let Some(problem) = &value.problem {
        html.raw("<em lang=en>").text(problem).raw("</em>");
    }
    let number = value.value.map(|number| language.quantity(number, value.unit));
    let age = value.age_s.map(|age_s| language.span(age_s));
    html.raw("</th></tr><tr class=said><td class=words><code>");
    html.text(value.state.as_deref().unwrap_or("–")).raw("</code></td><td>");
    html.text(number.as_deref().unwrap_or("–"));
    html.raw(if value.is_fresh { "</td><td>" } else { "</td><td class=old-value>" });
    html.text(age.as_deref().unwrap_or("–")).raw("</td></tr></tbody>");
}

/// Opens a table in a box of its own, which scrolls where the table is too wide.
pub(super) fn open_table(html: &mut Html, title: &'static str, columns: &[&'static str]) {
    html.raw("<div class=scroll tabindex=0 role=group aria-label=\"").raw(title);
    html.raw("\"><table><caption>").raw(title).raw("</caption><thead><tr>");
    for column in columns {
        match *column {
            "" => html.raw("<td></td>"),
            column => html.raw("<th scope=col>").raw(column).raw("</th>"),
        };
    }
    html.raw("</tr></thead>");
}

fn role(meter: &MeterSnapshot, language: Language) -> &'static str {
    match meter.role {
        Role::Grid => language.pick("Grid connection", "Netzanschluss"),
        Role::Producer => language.pick("Generator", "Erzeuger"),
    }
}
