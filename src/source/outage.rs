//! What was already logged about an outage.

use std::time::{Duration, Instant};

/// A source that restarts fails in several ways one after another, and gets its values back one by
/// one. What is over within this time is not logged.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// The faults seen since the source last answered. The first is logged at once, another only if it is
/// still there after [`PATIENCE`]; each once, in whatever order they come again.
#[derive(Default)]
pub(super) struct Outage {
    faults: Vec<Fault>,
}

struct Fault {
    text: String,
    since: Instant,
    is_logged: bool,
}

impl Outage {
    /// The most faults that are logged. More would be noise: a server that fails in a new way each
    /// time is broken.
    const MAX: usize = 8;

    /// Whether this fault is to be logged.
    pub(super) fn is_news(&mut self, text: &str, now: Instant) -> bool {
        self.is_news_after(PATIENCE, text, now)
    }

    /// The same for a fault that waiting will not mend.
    pub(super) fn is_news_at_once(&mut self, text: &str, now: Instant) -> bool {
        self.is_news_after(Duration::ZERO, text, now)
    }

    fn is_news_after(&mut self, patience: Duration, text: &str, now: Instant) -> bool {
        let known = self.faults.iter_mut().find(|fault| fault.text == text);
        let Some(fault) = known else {
            let is_logged =
                self.faults.is_empty() || patience.is_zero() && self.faults.len() < Self::MAX;
            if self.faults.len() < Self::MAX {
                let text = text.to_owned();
                self.faults.push(Fault { text, since: now, is_logged });
            }
            return is_logged;
        };
        let lasts = now.saturating_duration_since(fault.since) >= patience;
        lasts && !std::mem::replace(&mut fault.is_logged, true)
    }
}
