//! One item, and what is known about it.

use std::time::Instant;

use tokio::sync::watch;
use tracing::Span;

use super::{
    item::{ItemProblem, ItemReply},
    state,
};
use crate::{
    meter::{binding::Binding, reading::Reading},
    source::ItemReport,
    system::logging::log_end,
    text::excerpt,
};

/// An item, and what is known about it.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) binding: Binding,
    /// Those of its meter.
    pub(super) readings: watch::Sender<Reading>,
    /// That of its meter.
    pub(super) span: Span,
    /// The last problem with it, of a kind that was logged.
    pub(super) problem: Option<ItemProblem>,
    /// The last value, if it ever had one.
    pub(super) value: Option<f64>,
    /// When the event stream last had a state for it.
    pub(super) last_event: Option<Instant>,
    /// Its states come as events, as those of a group do not.
    pub(super) speaks: bool,
    /// What the source last answered about it.
    pub(super) last_reply: Option<ItemReply>,
}

impl Tracked {
    /// Whether the stream had no event for it after `time`.
    pub(super) fn is_older_than(&self, time: Instant) -> bool {
        self.last_event.is_none_or(|last_event| last_event <= time)
    }

    /// Whether `reply` has another state than the last one, or a later update to the same state.
    pub(super) fn is_updated_by(&self, reply: &ItemReply) -> bool {
        let Some(last) = &self.last_reply else { return true };
        last.state != reply.state
            || (last.last_state_update.is_some()
                && last.last_state_update != reply.last_state_update)
    }

    /// Takes a state, which was `updated` or only read again. Returns whether it is a value.
    pub(super) fn take(
        &mut self,
        state: &str,
        updated: bool,
        now: Instant,
        is_settled: bool,
    ) -> bool {
        let Binding { point, item, .. } = &self.binding;
        let value = match state::value(state, &self.binding) {
            Ok(value) => value,
            Err(error) => {
                self.invalidate();
                self.fail(ItemProblem::State(error), is_settled);
                return false;
            }
        };
        let channel = self.binding.channel();
        self.readings.send_modify(|reading| {
            if updated {
                reading.update(channel, value, now);
            } else {
                reading.refresh(channel, value, now);
            }
        });
        let had_problem = self.problem.take().is_some();
        let key = point.measurand.key();
        // Only where it is logged.
        let shown = || excerpt(state.trim());
        let before = self.value.replace(value);
        if had_problem || before.is_none() {
            log_end!(had_problem, parent: &self.span, item, key, "{key}: {item} has the state {}", shown());
        } else if before.map(f64::to_bits) != Some(value.to_bits()) {
            tracing::debug!(parent: &self.span, item, key, "{key}: {item} has the state {}", shown());
        }
        true
    }

    /// What the source said about it.
    pub(super) fn report(&self) -> ItemReport {
        let state = self.last_reply.as_ref().map(|reply| excerpt(reply.state.trim()));
        let problem = self.problem.as_ref().map(ItemProblem::to_string).or_else(|| {
            let reply = self.last_reply.as_ref()?;
            state::value(&reply.state, &self.binding).err().map(|error| error.to_string())
        });
        ItemReport { state, problem }
    }

    /// Its value is not certain any more, whatever signs of life there are.
    pub(super) fn invalidate(&self) {
        self.readings.send_modify(|reading| reading.invalidate(self.binding.channel()));
    }

    /// Takes a problem, and logs it once, however often it is seen. Another of the same kind is not
    /// logged either. Unless the source is settled, only what was logged before is taken.
    pub(super) fn fail(&mut self, problem: ItemProblem, is_settled: bool) {
        let same = self.problem.as_ref().is_some_and(|last| last.is_like(&problem));
        if !same && !is_settled {
            return;
        }
        if !same {
            let Binding { point, item, .. } = &self.binding;
            let key = point.measurand.key();
            tracing::warn!(parent: &self.span, item, key, "{key}: {item} gives no value: {problem}");
        }
        self.problem = Some(problem);
    }
}
