//! What the code of this process logs.

use std::{
    io::{self, Write},
    sync::{Arc, LazyLock, Mutex},
    thread,
};

use tracing::{
    Dispatch, Level,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::util::SubscriberInitExt;

use super::files::assert_no_secret;

/// Where there is but one subscriber, tracing asks the thread that comes first to a line of the code
/// whether it is to be logged, and takes the answer for all threads. Where there are two it asks both.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// The log of one test: its runtime has one thread, and this is the log of that thread.
pub(crate) struct Log {
    bytes: Bytes,
    _guard: DefaultGuard,
}

impl Log {
    #[must_use]
    pub(crate) fn start(level: Level) -> Self {
        LazyLock::force(&ANOTHER);
        let bytes = Bytes::default();
        let writer = bytes.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { bytes, _guard: subscriber.set_default() }
    }

    pub(crate) fn text(&self) -> String {
        let text = String::from_utf8(self.bytes.0.lock().unwrap().clone()).unwrap();
        assert_no_secret(&text);
        text
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// The lines of a level that are the source's.
    pub(crate) fn source_lines(&self, level: &str) -> Vec<String> {
        let ours = format!("{level} fronius_smartmeter::source");
        self.lines().into_iter().filter(|line| line.contains(&ours)).collect()
    }

    pub(crate) fn clear(&self) {
        self.text();
        self.bytes.0.lock().unwrap().clear();
    }
}

/// What no test has looked at shows no secret either.
impl Drop for Log {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.text();
        }
    }
}

#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
