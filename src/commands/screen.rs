//! Output that is renewed again and again: in place on a terminal, line by line elsewhere.

use std::io::{self, IsTerminal, Write};

/// Standard output, and how much of it the last picture takes up.
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
    /// Whether what is shown replaces what was shown before.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Shows a text that ends with a line break; on a terminal in place of the last one.
    ///
    /// # Errors
    /// Where there is nowhere to print to.
    pub fn show(&mut self, text: &str) -> io::Result<()> {
        if self.is_terminal && self.lines > 0 {
            // Up to the first line of the picture before, and everything from there away.
            write!(self.out, "\x1b[{}A\x1b[J", self.lines)?;
        }
        self.lines = text.lines().count();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
