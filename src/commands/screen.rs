//! A picture on the terminal that is drawn again and again. It has the alternate screen to itself, and
//! whatever ends it, the terminal is as it was before, with the last picture below.

use std::{
    env,
    io::{self, Write},
    panic,
    sync::{Mutex, Once, PoisonError},
    thread,
};

use rustix::{
    process::getpgrp,
    termios::{
        LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
        tcgetpgrp, tcsetattr,
    },
};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub mod line;

use line::Line;

use super::terminal;

/// The alternate screen, without cursor, and without a second line for what is too long.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";

/// Back to what was there before.
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The size where the terminal names none.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// No picture is larger: what belongs together would be too far apart.
const MAX: Size = Size { columns: 100, rows: 34 };

/// How the terminal was set before, while there is a picture on it. Here, so that a panic finds it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// How much fits on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// In characters.
    pub columns: usize,
    /// In lines.
    pub rows: usize,
}

/// The terminal, while there is a picture on it.
#[derive(Debug)]
pub struct Screen {
    resized: Signal,
    has_colours: bool,
    last: String,
}

impl Screen {
    /// Whether standard output is a terminal that can be drawn on, and it is for this program: not
    /// while it is in the background.
    #[must_use]
    pub fn is_possible() -> bool {
        let out = io::stdout();
        // An error means that this terminal has neither foreground nor background.
        terminal::is_drawable(&out) && tcgetpgrp(&out).map_or(true, |group| group == getpgrp())
    }

    /// Takes the terminal, if that is possible.
    ///
    /// # Errors
    /// Returns an error if the terminal cannot be set up.
    pub fn open() -> io::Result<Option<Self>> {
        if !Self::is_possible() {
            return Ok(None);
        }
        let resized = signal(SignalKind::window_change())?;
        let has_colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        take()?;
        Ok(Some(Self { resized, has_colours, last: String::new() }))
    }

    /// How large a picture may be now.
    #[must_use]
    pub fn size(&self) -> Size {
        terminal::window().map_or(USUAL, |size| Size {
            columns: usize::from(size.ws_col).min(MAX.columns),
            rows: usize::from(size.ws_row).min(MAX.rows),
        })
    }

    /// Waits until the window has another size.
    pub async fn resized(&mut self) {
        self.resized.recv().await;
    }

    /// Draws a picture in place of the one before. What does not fit is cut off.
    ///
    /// # Errors
    /// Returns an error if standard output cannot be written.
    pub fn draw(&mut self, picture: &[Line]) -> io::Result<()> {
        let size = self.size();
        let lines: Vec<_> = picture
            .iter()
            .take(size.rows)
            .map(|line| line.clone().cut(size.columns).paint(self.has_colours))
            .collect();
        // Each line is erased before: at the last column, erasing afterwards takes the last character.
        let rows = lines.iter().zip(1..).map(|(line, row)| format!("\x1b[{row};1H\x1b[2K{line}"));
        let drawn: String = rows.collect();
        self.last = lines.join("\n");
        let mut out = io::stdout();
        out.write_all(drawn.as_bytes())?;
        if lines.len() < size.rows {
            write!(out, "\x1b[{};1H\x1b[J", lines.len().saturating_add(1))?;
        }
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        // The report of a panic is read better without.
        if !thread::panicking() && !self.last.is_empty() {
            let _ = writeln!(io::stdout(), "{}", self.last);
        }
    }
}

/// Makes the terminal ready for a picture: what is typed meanwhile is not shown.
fn take() -> io::Result<()> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            report(panic);
        }));
    });
    let out = io::stdout();
    let before = tcgetattr(&out)?;
    let mut ours = before.clone();
    ours.local_modes.remove(LocalModes::ECHO);
    // Stopped by Ctrl-Z, it would leave the shell without a cursor.
    ours.special_codes[SpecialCodeIndex::VSUSP] = 0;
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    tcsetattr(&out, OptionalActions::Now, &ours)?;
    (&out).write_all(ENTER.as_bytes())?;
    (&out).flush()
}

/// Makes the terminal what it was. Where that cannot be done, there is nobody left to tell.
fn give_back() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        let out = io::stdout();
        let _ = (&out).write_all(LEAVE.as_bytes());
        let _ = (&out).flush();
        // What was typed meanwhile is not for the shell.
        let _ = tcflush(&out, QueueSelector::IFlush);
        let _ = tcsetattr(&out, OptionalActions::Now, &before);
    }
}
