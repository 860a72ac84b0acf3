//! HTML under way.

use std::fmt::{self, Display, Write};

/// HTML that only literals can bring tags into: everything else is escaped.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds HTML.
    pub(super) fn raw(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Adds a text, or a part of the value of an attribute in double quotes. Control characters are
    /// replaced.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        self.escape(text, false)
    }

    /// Adds a text, and keeps its line breaks.
    pub(super) fn text_lines(&mut self, text: impl Display) -> &mut Self {
        self.escape(text, true)
    }

    fn escape(&mut self, text: impl Display, keeps_lines: bool) -> &mut Self {
        // Writing to a string cannot fail.
        let _ = write!(Escape { html: &mut self.0, keeps_lines }, "{text}");
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

struct Escape<'a> {
    html: &'a mut String,
    keeps_lines: bool,
}

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                '\n' if self.keeps_lines => self.html.push('\n'),
                c if c.is_control() => self.html.push('\u{fffd}'),
                c => self.html.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_no_literal_is_escaped() {
        let mut html = Html::default();
        html.raw("<p title=\"").text("\"><script>").raw("\">").text("a & 'b'\n\u{9b}");
        assert_eq!(
            html.into_string(),
            "<p title=\"&quot;&gt;&lt;script&gt;\">a &amp; &#39;b&#39;\u{fffd}\u{fffd}"
        );
        let mut html = Html::default();
        html.text_lines("a:\n  <b>\r");
        assert_eq!(html.into_string(), "a:\n  &lt;b&gt;\u{fffd}");
    }
}
