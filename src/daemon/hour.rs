//! What happened to a meter since its last summary, which comes once an hour.
//!
//! Pure: the clock is passed in.

use std::{
    fmt,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::meter::{Condition, Image, measurements::Measurements};

/// The clients that a summary names; more are counted.
const MAX_NAMED: usize = 4;

/// Nothing that holds it panics.
pub(super) fn lock(hour: &Mutex<Hour>) -> MutexGuard<'_, Hour> {
    hour.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is gathered from one summary to the next.
#[derive(Debug)]
pub(super) struct Hour {
    /// What was served at its beginning, once something was.
    first: Option<Measurements>,
    polls: u64,
    /// The oldest that data was.
    oldest: Option<Duration>,
    outages: u32,
    /// How long the data was stale, but for the present outage.
    stale: Duration,
    stale_since: Option<Instant>,
}

impl Hour {
    /// Begins when so many polls were counted.
    pub(super) fn begin(polls: u64) -> Self {
        Self {
            first: None,
            polls,
            oldest: None,
            outages: 0,
            stale: Duration::ZERO,
            stale_since: None,
        }
    }

    /// An image takes the place of another.
    pub(super) fn take(&mut self, old: &Image, new: &Image, now: Instant) {
        self.grow_old(old, now);
        self.first = self.first.or(new.measurements);
        match (new.condition == Condition::Stale, self.stale_since) {
            (true, None) => {
                self.stale_since = Some(now);
                self.outages = self.outages.saturating_add(1);
            }
            (false, Some(since)) => {
                self.stale = self.stale.saturating_add(now.saturating_duration_since(since));
                self.stale_since = None;
            }
            _ => {}
        }
    }

    /// Ends it with this image, and begins another. `polls` are all since the start.
    pub(super) fn end(&mut self, image: &Image, polls: u64, now: Instant) -> Ended {
        self.grow_old(image, now);
        let present = self.stale_since.map(|since| now.saturating_duration_since(since));
        let ended = Ended {
            exported_wh: self.grown(image, |values| values.exported.total),
            imported_wh: self.grown(image, |values| values.imported.total),
            oldest: self.oldest,
            outages: self.outages,
            stale: self.stale.saturating_add(present.unwrap_or_default()),
            polls: polls.saturating_sub(self.polls),
        };
        // An outage that goes on is one of the next hour, too.
        let goes_on = self.stale_since.map(|_| now);
        *self = Self {
            first: image.measurements.or(self.first),
            stale_since: goes_on,
            outages: u32::from(goes_on.is_some()),
            ..Self::begin(polls)
        };
        ended
    }

    fn grown(&self, image: &Image, energy_wh: impl Fn(&Measurements) -> f64) -> Option<f64> {
        Some(energy_wh(image.measurements.as_ref()?) - energy_wh(self.first.as_ref()?))
    }

    fn grow_old(&mut self, image: &Image, now: Instant) {
        let age = image.confirmed.map(|at| now.saturating_duration_since(at));
        self.oldest = self.oldest.max(age);
    }
}

/// What happened in an hour.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    /// Energy of this hour, if it is known.
    pub(super) exported_wh: Option<f64>,
    pub(super) imported_wh: Option<f64>,
    oldest: Option<Duration>,
    outages: u32,
    stale: Duration,
    polls: u64,
}

/// The hour in words, besides its energy.
pub(super) struct Course<'a> {
    pub(super) hour: &'a Ended,
    /// The clients that poll now.
    pub(super) clients: &'a [IpAddr],
}

impl fmt::Display for Course<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ended { oldest, outages, stale, polls, .. } = *self.hour;
        if let Some(oldest) = oldest {
            write!(f, "; data up to {} old", Rounded(oldest))?;
        }
        match outages {
            0 => {}
            1 => write!(f, "; stale once, for {}", Rounded(stale))?,
            _ => write!(f, "; stale {outages} times, for {} in all", Rounded(stale))?,
        }
        if polls == 0 {
            return f.write_str("; no polls");
        }
        write!(f, "; {polls} polls")?;
        if self.clients.is_empty() {
            return f.write_str(", but none in the last minute");
        }
        let named = self.clients.iter().take(MAX_NAMED).map(IpAddr::to_string);
        write!(f, " by {}", named.collect::<Vec<_>>().join(", "))?;
        match self.clients.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            others => write!(f, " and {others} more"),
        }
    }
}

/// A time in its largest unit that says enough: `0.4 s`, `17 s`, `12 min`, `3 h`.
pub(super) struct Rounded(pub(super) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0..10 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            seconds @ 10..120 => write!(f, "{seconds} s"),
            seconds @ 120..7200 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h", seconds / 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Availability, measurements::ThreePhase, sunspec::MeterModel};

    fn image(condition: Condition, exported_wh: f64, confirmed: Instant) -> Image {
        let exported = ThreePhase { total: exported_wh, ..ThreePhase::default() };
        Image {
            registers: [[0; 2]; _],
            model: MeterModel::Float,
            saturated: Vec::new(),
            availability: Availability::Registers,
            condition,
            confirmed: Some(confirmed),
            next_expiry: None,
            overdue: Vec::new(),
            measurements: Some(Measurements { exported, ..Measurements::default() }),
        }
    }

    fn course(hour: &Ended, clients: &[&str]) -> String {
        let clients: Vec<_> = clients.iter().map(|client| client.parse().unwrap()).collect();
        Course { hour, clients: &clients }.to_string()
    }

    #[test]
    fn an_hour_has_what_happened_in_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut hour = Hour::begin(0);
        let first = image(Condition::Live, 1000.0, start);
        let gone = image(Condition::Stale, 1200.0, at(5));
        let back = image(Condition::Live, 1250.0, at(605));
        hour.take(&first, &first, start);
        hour.take(&first, &gone, at(35));
        hour.take(&gone, &back, at(605));
        let ended = hour.end(&back, 3600, at(606));
        assert_eq!(ended.exported_wh, Some(250.0));
        assert_eq!(
            course(&ended, &["192.0.2.1"]),
            "; data up to 10 min old; stale once, for 9 min; 3600 polls by 192.0.2.1"
        );
        let quiet = hour.end(&back, 3600, at(607));
        assert_eq!(quiet.exported_wh, Some(0.0));
        assert_eq!(course(&quiet, &[]), "; data up to 2.0 s old; no polls");
    }

    #[test]
    fn an_outage_that_goes_on_counts_in_both_hours() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let gone = image(Condition::Stale, 1000.0, start);
        let mut hour = Hour::begin(7);
        hour.take(&gone, &gone, at(1));
        for end in [11, 21] {
            let ended = hour.end(&gone, 8, at(end));
            assert!(course(&ended, &[]).contains("; stale once, for 10 s"), "{ended:?}");
        }
    }

    #[test]
    fn a_time_is_in_the_unit_that_says_enough() {
        for (millis, text) in [
            (400, "0.4 s"),
            (9_999, "10.0 s"),
            (10_000, "10 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (7_199_000, "119 min"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(Rounded(Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn a_few_clients_are_named_and_the_others_counted() {
        let mut hour = Hour::begin(0);
        let now = Instant::now();
        let ended = hour.end(&image(Condition::Live, 0.0, now), 5, now);
        let all = ["::1", "::2", "::3", "::4", "::5", "::6"];
        let text = course(&ended, &all);
        assert!(text.ends_with("; 5 polls by ::1, ::2, ::3, ::4 and 2 more"), "{text}");
        let text = course(&ended, &[]);
        assert!(text.ends_with("; 5 polls, but none in the last minute"), "{text}");
    }
}
