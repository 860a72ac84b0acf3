//! The register map.

use super::{View, html::Html, values::open_table};
use crate::status::snapshot::RegisterSnapshot;

impl View<'_> {
    /// All that can be read of each meter.
    pub(super) fn registers(&self, html: &mut Html) {
        let language = self.language;
        for meter in &self.snapshot.meters {
            html.raw("<details><summary>");
            html.text(meter.name.as_deref().unwrap_or(language.pick("Show them", "Anzeigen")));
            html.raw("</summary>");
            let columns = [
                language.pick("Address", "Adresse"),
                "Name",
                language.pick("Value", "Wert"),
                language.pick("Words", "Worte"),
            ];
            open_table(html, language.pick("Register map", "Registerabbild"), &columns);
            for register in &meter.registers {
                row(html, register);
            }
            html.raw("</table></div></details>");
        }
    }
}

fn row(html: &mut Html, register: &RegisterSnapshot) {
    let RegisterSnapshot { address, name, value, words } = register;
    html.raw("<tr><td>").text(address).raw("<th scope=row>").text(name);
    html.raw("<td>").text(value.as_deref().unwrap_or("–")).raw("<td class=words>");
    let hex: Vec<_> = words.iter().map(|word| format!("{word:04X}")).collect();
    html.text(hex.join(" "));
}
