//! Output that is updated repeatedly: in place on a terminal, otherwise one text after another.

use std::io::{self, IsTerminal, Write};

/// Standard output, and how many lines the last text takes up.
#[derive(Debug)]
pub struct Screen {
    out: io::Stdout,
    is_terminal: bool,
    lines: usize,
}

impl Default for Screen {
    fn default() -> Self {
        let out = io::stdout();
        Self { is_terminal: out.is_terminal(), out, lines: 0 }
    }
}

impl Screen {
    /// Whether each text replaces the one before.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows `text`, which ends with a line break. On a terminal it replaces the text before.
    ///
    /// # Errors
    /// Returns an error if standard output cannot be written.
    pub fn show(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal && self.lines > 0 {
            // Up to the first line of the text before, and clear everything from there.
            write!(self.out, "\x1b[{}A\x1b[J", self.lines)?;
        }
        self.lines = text.lines().count();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
