//! The thread that writes the log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{Dispatch, level_filters::LevelFilter};
use tracing_subscriber::{Registry, layer::SubscriberExt};

use super::{Gather, output::Output, quota::Quota, record::Record};
use crate::system::outbox::{Inbox, Taken};

/// The time between two lines that say how many are lost.
const LOST_PAUSE: Duration = Duration::from_secs(12);

/// Writes what was put into the outbox.
pub(super) struct Writer {
    output: Arc<Output>,
    /// Writes what this thread has to say itself. The outbox may be full.
    direct: Dispatch,
    quota: Quota,
    /// How many lines are lost, beside those that were said to be.
    lost: u64,
    /// When that may be said.
    may_say_lost: Instant,
}

impl Writer {
    pub(super) fn new(output: Output) -> Self {
        let output = Arc::new(output);
        let direct = Arc::clone(&output);
        let direct = Gather(move |record: Record| direct.write(&record));
        Self {
            output,
            direct: Registry::default().with(direct).with(LevelFilter::WARN).into(),
            quota: Quota::default(),
            lost: 0,
            may_say_lost: Instant::now(),
        }
    }

    /// Writes until the outbox is closed and empty.
    pub(super) fn run(mut self, inbox: &Inbox<Record>) {
        loop {
            let taken = inbox.take(self.next_due());
            let now = Instant::now();
            self.quota.ended(now).iter().for_each(|count| self.output.write(count));
            match taken {
                Taken::Item(record) => {
                    if let Some(record) = self.quota.admit(record, now) {
                        self.output.write(&record);
                    }
                }
                Taken::Lost(lost) => self.lost = self.lost.saturating_add(lost),
                Taken::Late => {}
                Taken::Closed => break,
            }
            if now >= self.may_say_lost {
                self.say_lost(now);
            }
        }
        self.quota.finish().iter().for_each(|count| self.output.write(count));
        self.say_lost(Instant::now());
    }

    /// When there is something to say without a further line.
    fn next_due(&self) -> Option<Instant> {
        let lost = (self.lost > 0).then_some(self.may_say_lost);
        self.quota.next_due().into_iter().chain(lost).min()
    }

    fn say_lost(&mut self, now: Instant) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            self.may_say_lost = now.checked_add(LOST_PAUSE).unwrap_or(now);
            tracing::dispatcher::with_default(&self.direct, || {
                tracing::warn!(lost, "log lines lost because they were not read in time: {lost}");
            });
        }
    }
}
