//! The page: who of source, service and inverter is silent, at a glance.
//!
//! It is rendered here alone. Its script fetches it again each second and takes over what differs, so
//! that a value is written in one way whether it was there at first or came later, and the page says
//! the same without any script.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest::{SHA256, digest};

use self::html::Html;
use super::{
    language::Language,
    snapshot::Snapshot,
    verdict::{Level, Verdict, verdicts},
};

mod bug_report;
mod html;
mod inverters;
mod plot;
mod registers;
mod source;
#[cfg(test)]
mod tests;
mod values;

/// Everything that never changes. What is between `{{` and `}}` is filled in: the same text in two
/// languages, English first, or a name.
const SKELETON: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Its own style and script, its icon, and more of itself: nothing else.
static SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// The page, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The whole of it.
    pub html: String,
    /// For `Content-Security-Policy`.
    pub security_policy: String,
}

/// The page that shows `snapshot`. Without the history in it, the plots are left out.
#[must_use]
pub fn page(snapshot: &Snapshot, language: Language) -> Page {
    let view = View { snapshot, language, verdicts: verdicts(snapshot, language) };
    let mut html = Html::default();
    for part in SKELETON.split("{{") {
        let (name, rest) = part.split_once("}}").unwrap_or(("", part));
        match name.split_once('|') {
            Some((english, german)) => _ = html.raw(language.pick(english, german)),
            None => view.fill(&mut html, name),
        }
        html.raw(rest);
    }
    Page { html: html.into_string(), security_policy: SECURITY_POLICY.clone() }
}

/// What the parts of the page are made of.
struct View<'a> {
    snapshot: &'a Snapshot,
    language: Language,
    verdicts: Vec<Verdict>,
}

impl View<'_> {
    /// Writes the part of that name.
    fn fill(&self, html: &mut Html, name: &'static str) {
        match name {
            "style" => _ = html.raw(STYLE),
            "script" => _ = html.raw(SCRIPT),
            "version" => _ = html.text(self.snapshot.version),
            "uptime" => _ = html.text(self.language.span(self.snapshot.uptime_s)),
            "configuration" => _ = html.text_lines(&self.snapshot.configuration),
            "title" => self.title(html),
            "colour" => _ = html.raw(self.colour()),
            "verdicts" => self.verdicts(html),
            "inverters" => self.inverters(html),
            "values" => self.values(html),
            "source" => self.sources(html),
            "guard" => self.guard(html),
            "plots" => self.plots(html),
            "registers" => self.registers(html),
            "bug report" => _ = html.text_lines(bug_report::text(self.snapshot)),
            _ => {}
        }
    }

    fn level(&self) -> Level {
        self.verdicts.iter().map(|verdict| verdict.level).min().unwrap_or(Level::Good)
    }

    fn title(&self, html: &mut Html) {
        html.raw(self.level_word(self.level())).raw(" – fronius-smartmeter");
    }

    fn level_word(&self, level: Level) -> &'static str {
        match level {
            Level::Good => self.language.pick("Good", "Gut"),
            Level::Warning => self.language.pick("Warning", "Warnung"),
            Level::Fault => self.language.pick("Fault", "Fehler"),
        }
    }

    /// Of the icon.
    fn colour(&self) -> &'static str {
        match self.level() {
            Level::Good => "1a7f37",
            Level::Warning => "bf8700",
            Level::Fault => "cf222e",
        }
    }

    fn verdicts(&self, html: &mut Html) {
        for Verdict { level, code, text } in &self.verdicts {
            let class = match level {
                Level::Good => "good",
                Level::Warning => "warning",
                Level::Fault => "fault",
            };
            html.raw("<li class=\"").raw(class).raw("\" data-code=\"").text(code);
            html.raw("\"><b>").raw(self.level_word(*level)).raw("</b> <span>").text(text);
            html.raw("</span></li>");
        }
    }

    fn guard(&self, html: &mut Html) {
        let meters = self.snapshot.meters.iter();
        let held = meters.flat_map(|meter| meter.guard.iter().map(move |held| (meter, held)));
        let mut is_empty = true;
        for (meter, held) in held {
            html.raw(if is_empty { "<ul>" } else { "" }).raw("<li>");
            if let Some(name) = &meter.name {
                html.raw("<b>").text(name).raw("</b> ");
            }
            html.raw("<span lang=en>").text(&held.text).raw("</span></li>");
            is_empty = false;
        }
        html.raw(if is_empty {
            self.language.pick(
                "<p>Nothing: every counter follows its item.</p>",
                "<p>Nichts: Jeder Zähler folgt seinem Item.</p>",
            )
        } else {
            "</ul>"
        });
    }
}

/// The name of a meter, where there are several.
fn heading(html: &mut Html, name: Option<&str>) {
    if let Some(name) = name {
        html.raw("<h3>").text(name).raw("</h3>");
    }
}
