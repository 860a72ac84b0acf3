//! What was already said about an outage.

/// The faults that were logged since the source last answered: each once, in whatever order they
/// come again.
#[derive(Default)]
pub(super) struct Outage {
    logged: Vec<String>,
}

impl Outage {
    /// More than these would be noise: a server that fails in a new way each time is broken.
    const MAX: usize = 8;

    /// Whether this fault is worth a line.
    pub(super) fn is_news(&mut self, fault: &str) -> bool {
        let news = self.logged.len() < Self::MAX && self.logged.iter().all(|known| known != fault);
        if news {
            self.logged.push(fault.to_owned());
        }
        news
    }
}
