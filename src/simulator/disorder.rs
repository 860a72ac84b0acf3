//! Events that come in another order than what they tell.

use super::event::Event;

/// The events of groups that are due. openHAB sends them from several threads: those that an update
/// of one member causes stay in order, and those of several updates at once do not.
#[derive(Debug)]
pub(super) struct Disorder {
    updates: Vec<Vec<Event>>,
    /// The state of a xorshift generator: the same updates come in the same disorder in every run.
    random: u64,
}

impl Disorder {
    pub(super) fn new() -> Self {
        Self { updates: Vec::new(), random: 0x9E37_79B9_7F4A_7C15 }
    }

    /// Adds what one update has caused.
    pub(super) fn add(&mut self, events: Vec<Event>) {
        self.updates.push(events);
    }

    /// Takes all that is due, in some order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Event> + use<> {
        let mut updates = std::mem::take(&mut self.updates);
        updates.sort_by_cached_key(|_| self.random());
        updates.into_iter().flatten()
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
