//! Whether a producer consumes, which is mostly a sign that is mistaken.

use std::time::{Duration, Instant};

/// What an inverter takes for itself at night is less, in W.
pub const OWN_USE_W: f64 = 50.0;

/// A power below that for this long is no glitch.
const PATIENCE: Duration = Duration::from_mins(1);

/// One power of a producer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Consumption {
    /// It has been consumed since then.
    since: Option<Instant>,
    /// That was said.
    said: bool,
}

impl Consumption {
    /// Takes the power at `now`, in W and only if it is fresh. Says the first time that it has been
    /// consumed for long.
    pub(super) fn watch(&mut self, watts: Option<f64>, now: Instant) -> bool {
        let consumed = watts.is_some_and(|watts| watts < -OWN_USE_W);
        self.since = consumed.then(|| self.since.unwrap_or(now));
        let is_long =
            self.since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE);
        is_long && !std::mem::replace(&mut self.said, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_is_said_and_only_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut consumption = Consumption::default();
        for (seconds, watts, news) in [
            (0, Some(-800.0), false),
            (59, Some(-800.0), false),
            (60, Some(800.0), false),
            (61, Some(-800.0), false),
            (120, None, false),
            (130, Some(-20.0), false),
            (200, Some(-800.0), false),
            (260, Some(-51.0), true),
            (320, Some(-800.0), false),
        ] {
            assert_eq!(consumption.watch(watts, at(seconds)), news, "{seconds}");
        }
    }
}
