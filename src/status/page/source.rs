//! How is the source?

use super::{View, html::Html};
use crate::status::{
    snapshot::{SourceSnapshot, SourceState},
    verdict::source_name,
};

impl View<'_> {
    /// How the source is.
    pub(super) fn source(&self, html: &mut Html) {
        let (language, source) = (self.language, &self.snapshot.source);
        html.raw("<dl><div><dt>").raw(language.pick("Where", "Wo")).raw("</dt><dd>");
        html.text(source_name(source, language)).raw("</dd></div><div><dt>");
        html.raw(language.pick("Condition", "Zustand")).raw("</dt><dd>").text(self.state(source));
        html.raw("</dd></div><div><dt>").raw(language.pick("Changes", "Änderungen"));
        html.raw("</dt><dd>").raw(if source.has_events {
            language.pick("come as events", "kommen als Ereignisse")
        } else {
            language.pick("are asked for again and again", "werden immer wieder erfragt")
        });
        html.raw("</dd></div>");
        if let Some(fault) = &source.fault {
            html.raw("<div><dt>").raw(language.pick("Fault", "Fehler"));
            html.raw("</dt><dd lang=en>").text(fault).raw("</dd></div>");
        }
        if let Some(next_try_s) = source.next_try_s {
            html.raw("<div><dt>").raw(language.pick("Next attempt in", "Nächster Versuch in"));
            html.raw("</dt><dd>").text(language.span(next_try_s)).raw("</dd></div>");
        }
        html.raw("</dl>");
    }

    fn state(&self, source: &SourceSnapshot) -> String {
        let since = self.language.span(source.since_s);
        match source.state {
            SourceState::Unknown => {
                self.language.pick("not reached yet", "noch nicht erreicht").to_owned()
            }
            SourceState::Answers => self
                .language
                .pick(format!("has answered for {since}"), format!("antwortet seit {since}")),
            SourceState::Away => {
                self.language.pick(format!("silent for {since}"), format!("seit {since} still"))
            }
        }
    }
}
