//! A line of a picture: texts, each in a tone.

use std::{borrow::Cow, fmt::Write as _};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::commands::terminal::lines_of;

/// What a text means, which decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As anything else.
    #[default]
    Plain,
    /// What to look at first.
    Strong,
    /// What only explains the rest.
    Quiet,
    /// All is well.
    Good,
    /// Something is not as it should be.
    Odd,
    /// Something has failed.
    Bad,
}

impl Tone {
    /// Of the 16 colours that every terminal has, and its owner has chosen.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Strong => "1",
            Self::Quiet => "2",
            Self::Good => "32",
            Self::Odd => "33",
            Self::Bad => "31",
        }
    }
}

/// A line of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line of one tone.
    #[must_use]
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self(vec![(tone, text.into())])
    }

    /// The same with `text` behind it.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: impl Into<String>) -> Self {
        match self.0.last_mut() {
            Some((last, before)) if *last == tone => before.push_str(&text.into()),
            _ => self.0.push((tone, text.into())),
        }
        self
    }

    /// The same with `other` behind it.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The same with `end` at its end, so that both are `width` wide. Where there is no room for both,
    /// this is cut.
    #[must_use]
    pub fn spread(self, fill: char, end: Self, width: usize) -> Self {
        let line = self.cut(width.saturating_sub(end.width()));
        let room = width.saturating_sub(line.width().saturating_add(end.width()));
        line.and(Tone::Quiet, String::from(fill).repeat(room)).join(end)
    }

    /// The same, filled up to `width`.
    #[must_use]
    pub fn fill(self, width: usize) -> Self {
        let line = self.cut(width);
        let room = width.saturating_sub(line.width());
        line.and(Tone::Plain, " ".repeat(room))
    }

    /// How many columns it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).fold(0, usize::saturating_add)
    }

    /// The same, no wider than `width`.
    #[must_use]
    pub fn cut(mut self, width: usize) -> Self {
        if self.width() > width {
            let mut room = width.saturating_sub(1);
            for (_, text) in &mut self.0 {
                *text = beginning(text, &mut room);
            }
            if width > 0 {
                self = self.and(Tone::Quiet, "…");
            }
        }
        self
    }

    /// For the terminal.
    #[must_use]
    pub fn paint(&self, has_colours: bool) -> String {
        let mut painted = String::new();
        for (tone, text) in &self.0 {
            if has_colours && *tone != Tone::Plain {
                // Writing to a string cannot fail.
                let _ = write!(painted, "\x1b[{}m{text}\x1b[0m", tone.code());
            } else {
                painted.push_str(text);
            }
        }
        painted
    }
}

/// As much of the beginning of `text` as there is `room` for; it takes that away. After a character
/// that does not fit there is no room left.
fn beginning(text: &str, room: &mut usize) -> String {
    text.chars()
        .take_while(|c| {
            let left = room.checked_sub(c.width().unwrap_or(0));
            *room = left.unwrap_or(0);
            left.is_some()
        })
        .collect()
}

/// `text` in lines no wider than `width`, broken between words alone.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let lines = textwrap::wrap(text, lines_of(width).break_words(false));
    lines.into_iter().map(Cow::into_owned).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_its_window_ends() {
        let line = Line::new(Tone::Good, "live").and(Tone::Plain, ", 12 W");
        assert_eq!(line.width(), 10);
        assert_eq!(line.clone().cut(10), line);
        assert_eq!(line.clone().cut(9).paint(false), "live, 12…");
        assert_eq!(line.clone().cut(3).paint(false), "li…");
        assert_eq!(line.clone().cut(1).paint(false), "…");
        assert_eq!(line.cut(0).paint(false), "");
    }

    #[test]
    fn wide_characters_count_twice_and_combining_ones_not() {
        let line = Line::new(Tone::Plain, "電力a\u{301}");
        assert_eq!(line.width(), 5);
        let cut = line.cut(4);
        assert_eq!((cut.paint(false).as_str(), cut.width()), ("電…", 3));
    }

    #[test]
    fn both_ends_of_a_line_are_at_the_ends_of_its_width() {
        let spread = |width| {
            Line::new(Tone::Strong, "meter ")
                .spread('-', Line::new(Tone::Good, " live"), width)
                .paint(false)
        };
        assert_eq!(spread(15), "meter ---- live");
        assert_eq!(spread(10), "mete… live");
        for width in 6..20 {
            assert_eq!(spread(width).width(), width);
        }
    }

    #[test]
    fn without_colours_there_is_no_escape() {
        let line = Line::new(Tone::Bad, "away").and(Tone::Plain, " since noon");
        assert_eq!(line.paint(true), "\x1b[31maway\x1b[0m since noon");
        assert_eq!(line.paint(false), "away since noon");
    }

    #[test]
    fn a_text_breaks_between_words() {
        assert_eq!(wrap("openHAB is away now", 10), ["openHAB is", "away now"]);
        assert_eq!(wrap("a-very-long-word b", 4), ["a-very-long-word", "b"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
    }
}
