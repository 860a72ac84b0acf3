//! The energy guard: what of an energy counter may be served.

use std::fmt;

/// A counter on its way to the inverter, which records it for good: it has no value before a valid
/// one came, and never falls.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    threshold: f64,
    served: Option<f64>,
}

/// What became of a value offered to a [`Counter`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It is the served value now.
    Taken,
    /// It is below the threshold: the source does not have the counter yet.
    BelowThreshold,
    /// It is below the served value, which stays.
    Fallen,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Taken => "taken",
            Self::BelowThreshold => "below min_energy_threshold, so it is not there yet",
            Self::Fallen => "lower than before, so the higher value stays",
        })
    }
}

impl Counter {
    /// A counter without a value. Values below `threshold`, in Wh, are not believed.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        Self { threshold, served: None }
    }

    /// The source shows `value`, in Wh.
    pub fn offer(&mut self, value: f64) -> Verdict {
        if value < self.threshold {
            Verdict::BelowThreshold
        } else if self.served.is_some_and(|served| value < served) {
            Verdict::Fallen
        } else {
            self.served = Some(value);
            Verdict::Taken
        }
    }

    /// The value to serve, in Wh; none before the first valid one.
    #[must_use]
    pub fn served(&self) -> Option<f64> {
        self.served
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_below_the_threshold_is_not_there_yet() {
        let mut counter = Counter::new(100.0);
        assert_eq!(counter.offer(0.0), Verdict::BelowThreshold);
        assert_eq!(counter.offer(99.9), Verdict::BelowThreshold);
        assert_eq!(counter.served(), None);
        assert_eq!(counter.offer(100.0), Verdict::Taken);
        assert_eq!(counter.offer(0.0), Verdict::BelowThreshold);
        assert_eq!(counter.served(), Some(100.0));
    }

    proptest! {
        #[test]
        fn it_never_falls(values in proptest::collection::vec(0.0..1e9_f64, 1..50)) {
            let mut counter = Counter::new(100.0);
            let mut last = 0.0;
            for value in values {
                counter.offer(value);
                let served = counter.served().unwrap_or_default();
                prop_assert!(served >= last);
                prop_assert!([last.to_bits(), value.to_bits()].contains(&served.to_bits()));
                last = served;
            }
        }
    }
}
