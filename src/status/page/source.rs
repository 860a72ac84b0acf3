//! How is the source?

use super::{View, html::Html};
use crate::status::{
    snapshot::{SourceSnapshot, SourceState},
    verdict::source_name,
};

impl View<'_> {
    /// How the sources are.
    pub(super) fn sources(&self, html: &mut Html) {
        for source in &self.snapshot.sources {
            self.source(html, source);
        }
    }

    fn source(&self, html: &mut Html, source: &SourceSnapshot) {
        let language = self.language;
        html.raw("<p><b>").text(source_name(source, language)).raw("</b> ");
        html.text(self.state(source)).raw(match (source.state, source.has_events) {
            (SourceState::Answers, true) => language
                .pick(" It reports changes by itself.", " Sie meldet Änderungen von selbst."),
            (SourceState::Answers, false) => {
                language.pick(" It is asked again and again.", " Sie wird immer wieder gefragt.")
            }
            _ => "",
        });
        html.raw("</p>");
        if let Some(fault) = &source.fault {
            html.raw("<p><em lang=en>").text(fault).raw("</em></p>");
        }
        if let Some(next_try_s) = source.next_try_s {
            let span = language.span(next_try_s);
            html.raw("<p>").text(language.pick(
                format!("The next attempt is in {span}."),
                format!("Der nächste Versuch ist in {span}."),
            ));
            html.raw("</p>");
        }
    }

    fn state(&self, source: &SourceSnapshot) -> String {
        let since = self.language.span(source.since_s);
        match source.state {
            SourceState::Unknown => self
                .language
                .pick("has not answered yet.", "hat noch nicht geantwortet.")
                .to_owned(),
            SourceState::Answers => self
                .language
                .pick(format!("has answered for {since}."), format!("antwortet seit {since}.")),
            SourceState::Away => self.language.pick(
                format!("has been silent for {since}."),
                format!("antwortet seit {since} nicht."),
            ),
        }
    }
}
