//! How wide a text may be.

use std::io::{self, IsTerminal};

use rustix::termios::tcgetwinsize;

/// What every terminal has, and what is used where there is none.
const USUAL: usize = 80;

/// The columns of the terminal that standard output is, of which a narrow one is left to wrap lines
/// itself; 80 elsewhere.
pub(super) fn of_stdout() -> usize {
    let stdout = io::stdout();
    let columns = tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
    columns.filter(|columns| stdout.is_terminal() && *columns > USUAL).unwrap_or(USUAL)
}
