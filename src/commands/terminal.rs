//! What the terminal can do.

use std::{
    env,
    io::{self, IsTerminal},
};

use rustix::termios::{Winsize, tcgetwinsize};
use textwrap::{Options, WordSplitter};

/// The columns of most terminals, and of a text that goes elsewhere.
const USUAL_COLUMNS: usize = 80;

/// Whether a stream is a terminal on which the cursor can be moved.
pub(super) fn is_drawable(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// The size of the window that standard output goes to, if the window says it.
pub(super) fn window() -> Option<Winsize> {
    tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)
}

/// Lines of at most `width` columns, broken between words: one with a hyphen is mostly an option, or a
/// name to be copied.
pub(super) fn lines_of(width: usize) -> Options<'static> {
    Options::new(width).word_splitter(WordSplitter::NoHyphenation)
}

/// The columns for a text on standard output: those of a terminal, of which a narrow one is left to
/// wrap lines itself; 80 elsewhere.
pub(super) fn columns() -> usize {
    let columns = window().map(|size| usize::from(size.ws_col));
    columns
        .filter(|columns| io::stdout().is_terminal() && *columns > USUAL_COLUMNS)
        .unwrap_or(USUAL_COLUMNS)
}
