//! What was already logged about an outage.

/// The faults logged since the source last answered: each once, in whatever order they come again.
#[derive(Default)]
pub(super) struct Outage {
    logged: Vec<String>,
}

impl Outage {
    /// The most faults that are logged. More would be noise: a server that fails in a new way each
    /// time is broken.
    const MAX: usize = 8;

    /// Whether this fault is to be logged.
    pub(super) fn is_news(&mut self, fault: &str) -> bool {
        let news = self.logged.len() < Self::MAX && self.logged.iter().all(|known| known != fault);
        if news {
            self.logged.push(fault.to_owned());
        }
        news
    }
}
