//! What is said while something takes its time.

use std::{
    io::{self, Write},
    pin::pin,
    time::Duration,
};

use tokio::time::{Instant, interval_at};

use super::terminal;

/// What takes longer than this is talked about.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for `work`. If it takes longer than a second, a line on standard error says what is being
/// done, if that is a terminal; it goes away at the end.
pub async fn during<T>(doing: &str, work: impl Future<Output = T>) -> T {
    if !terminal::is_drawable(&io::stderr()) {
        return work.await;
    }
    let start = Instant::now();
    let mut seconds = interval_at(start.checked_add(PATIENCE).unwrap_or(start), PATIENCE);
    let mut work = pin!(work);
    let mut line = StatusLine::default();
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = seconds.tick() => line.show(&format!("{doing} … {} s", start.elapsed().as_secs())),
        }
    }
}

/// The last line of the terminal, as long as it is needed.
#[derive(Default)]
struct StatusLine {
    is_shown: bool,
}

impl StatusLine {
    /// Without a second line for what is too long, which could not be taken away.
    fn show(&mut self, text: &str) {
        self.is_shown = true;
        let _ = write!(io::stderr(), "\r\x1b[K\x1b[?7l{text}\x1b[?7h");
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
