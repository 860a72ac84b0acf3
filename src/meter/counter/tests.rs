#![expect(
    clippy::arithmetic_side_effects,
    clippy::float_cmp,
    reason = "the clock is a test's own, and served values pass through unchanged"
)]

use super::*;
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);
const KWH: f64 = 1000.0;

/// A counter, and a clock that a test turns.
struct Bench {
    counter: Counter,
    now: Instant,
}

impl Bench {
    fn serving(kwh: f64) -> Self {
        let mut bench = Self { counter: Counter::new(100.0), now: Instant::now() };
        assert_eq!(bench.shows(kwh), CounterOutcome::Taken);
        bench
    }

    /// A minute passes, and the source shows this.
    fn shows(&mut self, kwh: f64) -> CounterOutcome {
        self.now += MINUTE;
        self.counter.offer(kwh * KWH, self.now)
    }

    fn served(&self) -> f64 {
        self.counter.served().unwrap() / KWH
    }

    /// The service restarts; it was away for so long, as its clock says. Whether it ended in order.
    fn restarts(&mut self, age: Duration, certain: bool) {
        let snapshot = CounterSnapshot { certain, ..self.counter.snapshot().unwrap() };
        self.counter = Counter::restored(100.0, snapshot, age, self.now);
    }
}

#[test]
fn a_value_below_the_threshold_is_not_there_yet() {
    let mut counter = Counter::new(100.0);
    let now = Instant::now();
    assert_eq!(counter.offer(0.0, now), CounterOutcome::BelowThreshold);
    assert_eq!(counter.offer(99.9, now), CounterOutcome::BelowThreshold);
    assert_eq!(counter.served(), None);
    assert_eq!(counter.offer(100.0, now), CounterOutcome::Taken);
    assert_eq!(counter.offer(0.0, now), CounterOutcome::Fallen, "from now on it is a fall");
    assert_eq!(counter.served(), Some(100.0));
}

#[test]
fn a_glitch_downwards_is_passed_over() {
    let mut bench = Bench::serving(5000.0);
    for _ in 0..30 {
        assert_eq!(
            bench.shows(1.0),
            CounterOutcome::Fallen,
            "it does not grow, so it is no counter"
        );
    }
    assert_eq!(bench.served(), 5000.0);
    assert_eq!(bench.shows(5000.5), CounterOutcome::Taken);
    assert_eq!(bench.served(), 5000.5);
}

#[test]
fn a_new_counter_goes_on_where_the_old_one_ended_without_loss() {
    let mut bench = Bench::serving(5000.0);
    for minute in 0..10 {
        assert_eq!(bench.shows(1.0 + 0.1 * f64::from(minute)), CounterOutcome::Fallen);
        assert_eq!(bench.served(), 5000.0);
    }
    assert_eq!(bench.shows(2.0), CounterOutcome::Reset);
    assert_eq!(bench.served(), 5001.0, "what it counted since it was first seen");
    assert_eq!(bench.shows(2.5), CounterOutcome::Taken);
    assert_eq!(bench.served(), 5001.5);
}

#[test]
fn a_reset_that_was_none_is_taken_back() {
    let mut bench = Bench::serving(5000.0);
    for minute in 0..=10 {
        bench.shows(3000.0 + 0.1 * f64::from(minute));
    }
    assert_eq!(bench.served(), 5001.0);
    assert_eq!(bench.shows(5001.05), CounterOutcome::Jumped);
    assert_eq!(bench.shows(5001.15), CounterOutcome::Jumped);
    assert_eq!(bench.shows(5001.25), CounterOutcome::Restored);
    assert_eq!(bench.served(), 5001.25);
    assert_eq!(bench.shows(5001.5), CounterOutcome::Taken);
    assert_eq!(bench.served(), 5001.5);
}

#[test]
fn a_jump_waits_for_two_readings_that_agree() {
    let mut bench = Bench::serving(5000.0);
    assert_eq!(bench.shows(9000.0), CounterOutcome::Jumped);
    assert_eq!(bench.shows(5000.1), CounterOutcome::Taken, "it was a glitch");
    assert_eq!(bench.shows(9000.0), CounterOutcome::Jumped);
    assert_eq!(bench.shows(7000.0), CounterOutcome::Jumped, "another glitch confirms nothing");
    assert_eq!(bench.shows(7000.1), CounterOutcome::Jumped);
    assert_eq!(bench.served(), 5000.1);
    assert_eq!(bench.shows(7000.2), CounterOutcome::Taken);
    assert_eq!(bench.served(), 7000.2);
}

#[test]
fn two_events_of_one_update_are_one_confirmation() {
    let mut bench = Bench::serving(5000.0);
    for _ in 0..2 {
        assert_eq!(bench.shows(9000.0), CounterOutcome::Jumped);
        assert_eq!(bench.counter.offer(9000.0 * KWH, bench.now), CounterOutcome::Jumped);
    }
    assert_eq!(bench.shows(9000.0), CounterOutcome::Taken);
}

#[test]
fn what_can_have_been_generated_meanwhile_is_no_jump() {
    let mut bench = Bench::serving(5000.0);
    bench.now += Duration::from_secs(3600);
    assert_eq!(bench.shows(5100.0), CounterOutcome::Taken);
}

#[test]
fn a_coarse_counter_is_taken_step_by_step() {
    let mut bench = Bench::serving(5000.0);
    for kwh in 5001..5010 {
        for _ in 0..12 {
            assert_eq!(bench.shows(f64::from(kwh)), CounterOutcome::Taken);
        }
    }
}

#[test]
fn rounding_is_no_fall() {
    let mut bench = Bench::serving(5000.0);
    assert_eq!(bench.shows(4999.9999), CounterOutcome::Taken);
    assert_eq!(bench.served(), 5000.0);
}

#[test]
fn a_remembered_counter_goes_on_and_its_time_away_counts() {
    let now = Instant::now();
    let snapshot = CounterSnapshot {
        served: 5000.0 * KWH,
        offset: 2000.0 * KWH,
        former: None,
        lower: None,
        certain: true,
    };
    let hour = Duration::from_secs(3600);
    let mut counter = Counter::restored(100.0, snapshot, hour, now);
    assert_eq!(counter.served(), Some(5000.0 * KWH));
    assert_eq!(counter.snapshot(), Some(snapshot));
    assert_eq!(counter.clone().offer(2999.0 * KWH, now), CounterOutcome::Fallen);
    assert_eq!(counter.clone().offer(3200.0 * KWH, now), CounterOutcome::Jumped);
    assert_eq!(counter.offer(3050.0 * KWH, now), CounterOutcome::Taken);
    assert_eq!(counter.served(), Some(5050.0 * KWH));
}

#[test]
fn a_wrong_clock_makes_no_jump_credible() {
    let now = Instant::now();
    let snapshot = CounterSnapshot {
        served: 5000.0 * KWH,
        offset: 0.0,
        former: None,
        lower: None,
        certain: true,
    };
    let since_1970 = Duration::from_secs(56 * 365 * 86_400);
    let mut counter = Counter::restored(100.0, snapshot, since_1970, now);
    assert_eq!(counter.offer(9000.0 * KWH, now), CounterOutcome::Jumped);
}

#[test]
fn long_after_a_reset_a_glitch_is_no_old_counter() {
    let mut bench = Bench::serving(5000.0);
    for minute in 0..=10 {
        bench.shows(1.0 + 0.1 * f64::from(minute));
    }
    assert_eq!(bench.served(), 5001.0);
    bench.now += Duration::from_secs(30 * 86_400);
    assert_eq!(bench.shows(3.0), CounterOutcome::Taken);
    assert_eq!(bench.shows(40_000.0), CounterOutcome::Jumped);
    assert_eq!(bench.shows(5000.5), CounterOutcome::Jumped, "another glitch, maybe");
    assert_eq!(bench.shows(3.1), CounterOutcome::Taken);
    assert_eq!(bench.served(), 5002.1);
}

/// As after a wrong unit: 5000 kWh were shown as 5000 Wh, and days later somebody mends it.
#[test]
fn an_old_counter_that_comes_back_after_days_is_not_added_to_itself() {
    for restart in [false, true] {
        let mut bench = Bench::serving(5000.5);
        for minute in 0..=30 {
            bench.shows(5.0 + 0.001 * f64::from(minute));
        }
        assert_eq!(bench.served(), 5000.53);
        bench.now += Duration::from_secs(3 * 86_400);
        if restart {
            bench.restarts(MINUTE, true);
        }
        assert_eq!(bench.shows(5000.0), CounterOutcome::Jumped, "less exact than before");
        assert_eq!(bench.shows(5000.0), CounterOutcome::Jumped);
        assert_eq!(bench.shows(5000.0), CounterOutcome::Restored);
        assert_eq!(bench.served(), 5000.53);
        assert_eq!(bench.shows(5001.0), CounterOutcome::Taken);
        assert_eq!(bench.served(), 5001.0);
    }
}

#[test]
fn a_restart_makes_no_old_counter_recent_again() {
    let mut bench = Bench::serving(20.0);
    for minute in 0..=10 {
        bench.shows(1.0 + 0.1 * f64::from(minute));
    }
    bench.now += Duration::from_secs(2 * 86_400);
    assert_eq!(bench.shows(19.0), CounterOutcome::Taken);
    bench.restarts(60 * MINUTE, true);
    assert_eq!(bench.shows(20.5), CounterOutcome::Taken, "it grew past what the old one showed");
    assert_eq!(bench.served(), 39.5);
}

#[test]
fn a_reset_is_seen_by_a_service_that_restarts_again_and_again() {
    // The clock may stand, or be set from 1970 to now.
    for away in [0, 60, 56 * 365 * 86_400].map(Duration::from_secs) {
        let mut bench = Bench::serving(5000.0);
        let mut minutes = 0;
        loop {
            let outcome = bench.shows(1.0 + 0.1 * f64::from(minutes));
            if outcome == CounterOutcome::Reset {
                break;
            }
            assert_eq!(outcome, CounterOutcome::Fallen);
            minutes += 1;
            if minutes % 3 == 0 {
                bench.restarts(away, true);
            }
        }
        assert!((10..13).contains(&minutes), "{minutes} with {away:?} away");
        assert!((bench.served() - 5000.0 - 0.1 * f64::from(minutes)).abs() < 1e-9);
    }
}

#[test]
fn a_reset_must_be_confirmed_as_a_jump_must() {
    let mut bench = Bench::serving(5000.0);
    assert_eq!(bench.shows(1.0), CounterOutcome::Fallen);
    bench.now += RESET_AFTER;
    assert_eq!(bench.shows(1.1), CounterOutcome::Fallen, "one error and another are no counter");
    assert_eq!(bench.shows(1.2), CounterOutcome::Reset);
    assert!((bench.served() - 5000.2).abs() < 1e-9);
}

/// As an inverter does that is 0 at night, and knows at first no more than its day.
#[test]
fn what_follows_a_night_of_zeros_is_no_counter_that_grew() {
    for (wrong, readings) in [(300.0, 1), (300.0, 3), (15.0, 1), (15.0, 3), (0.5, 2), (2.0, 5)] {
        let mut bench = Bench::serving(5000.0);
        for _ in 0..600 {
            assert_eq!(bench.shows(0.0), CounterOutcome::Fallen);
        }
        for count in 0..readings {
            assert_eq!(bench.shows(wrong + 0.01 * f64::from(count)), CounterOutcome::Fallen);
        }
        assert_eq!(bench.shows(5000.1), CounterOutcome::Taken);
        assert_eq!(bench.served(), 5000.1);
    }
}

#[test]
fn a_step_that_nothing_explains_adds_nothing() {
    let mut bench = Bench::serving(5000.0);
    for _ in 0..600 {
        bench.shows(0.0);
    }
    for minute in 0..10 {
        assert_eq!(bench.shows(300.0 + 0.1 * f64::from(minute)), CounterOutcome::Fallen);
    }
    assert_eq!(bench.shows(301.0), CounterOutcome::Reset, "a new counter after all");
    assert_eq!(bench.served(), 5001.0, "counted since it was first seen");
}

#[test]
fn what_flips_to_and_fro_is_no_counter() {
    let mut bench = Bench::serving(5000.0);
    for minute in 0..20 {
        assert_eq!(bench.shows(9000.0), CounterOutcome::Jumped);
        assert_eq!(bench.shows(1.0 + 0.1 * f64::from(minute)), CounterOutcome::Fallen);
    }
    assert_eq!(bench.served(), 5000.0);
}

#[test]
fn a_reset_after_a_crash_goes_on_above_what_may_have_been_served() {
    let mut bench = Bench::serving(5000.0);
    bench.restarts(MINUTE, false);
    let shown = |minute| 1.0 + 0.01 * f64::from(minute);
    for minute in 0..=20 {
        assert_eq!(bench.shows(shown(minute)), CounterOutcome::Fallen);
        assert_eq!(bench.counter.served(), None);
    }
    assert_eq!(bench.shows(shown(21)), CounterOutcome::Reset);
    assert!((bench.served() - 5000.21).abs() < 1e-9);
}

#[test]
fn an_old_counter_that_comes_back_after_a_quiet_time_adds_nothing() {
    let mut bench = Bench::serving(5000.0);
    for minute in 0..=12 {
        bench.shows(4980.0 + 0.01 * f64::from(minute));
    }
    assert!((bench.served() - 5000.12).abs() < 1e-9);
    bench.now += Duration::from_secs(900);
    assert_eq!(bench.shows(5000.2), CounterOutcome::Restored);
    assert_eq!(bench.served(), 5000.2);
}

#[test]
fn a_reset_is_seen_whatever_the_step_of_the_counter() {
    for (step, every, update) in
        [(1.0, 20, 5_u32), (1.0, 20, 30), (0.5, 10, 10), (2.5, 15, 60), (5.0, 15, 900)]
    {
        let mut bench = Bench::serving(5000.0);
        let mut resets = 0;
        for seconds in (0..86_400 / update).map(|count| count * update) {
            bench.now += Duration::from_secs(update.into());
            let steps = f64::from(seconds / (every * 60));
            let at = bench.now;
            resets += u32::from(
                bench.counter.offer((1.0 + steps * step) * KWH, at) == CounterOutcome::Reset,
            );
        }
        assert_eq!(resets, 1, "{step} kWh every {every} min, updated every {update} s");
        let last = f64::from((86_400 - update) / (every * 60)) * step;
        assert!((bench.served() - 5000.0 - last).abs() < 1e-6, "{step}: {}", bench.served());
    }
}

#[test]
fn noise_hides_no_reset() {
    let mut bench = Bench::serving(5000.0);
    let shown = |minute: u32| 1.0 + 0.001 * f64::from(minute) - 0.0005 * f64::from(minute % 8 / 7);
    let resets =
        (0..60).filter(|minute| bench.shows(shown(*minute)) == CounterOutcome::Reset).count();
    assert_eq!(resets, 1);
}

#[test]
fn a_fall_by_little_is_waited_out() {
    let mut bench = Bench::serving(5000.0);
    for minute in 0..100 {
        let outcome = bench.shows(4999.95 + 0.0005 * f64::from(minute));
        assert!(matches!(outcome, CounterOutcome::Fallen | CounterOutcome::Taken), "{outcome:?}");
    }
    assert_eq!(bench.served(), 5000.0);
    assert_eq!(bench.shows(5000.01), CounterOutcome::Taken);
}

/// What happens to a counter between two readings.
#[derive(Clone, Debug)]
enum Event {
    /// It counts on, by W for some seconds.
    Counts(f64, u32),
    /// The source shows something else, once.
    Glitch(f64),
    /// Nothing is read for some seconds.
    Gap(u32),
    /// The service restarts. Its clock says that so many seconds have passed, which may be wrong.
    Restart(u32),
    /// The same after a crash, so that something higher may have been served.
    Crash(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0.0..50_000.0_f64, 1..120_u32).prop_map(|(w, s)| Event::Counts(w, s)),
        2 => (0.0..1e8_f64).prop_map(Event::Glitch),
        1 => (1..20_000_u32).prop_map(Event::Gap),
        1 => (0..1_000_000_u32).prop_map(Event::Restart),
        1 => (0..1_000_000_u32).prop_map(Event::Crash),
    ]
}

proptest! {
    /// Whatever the source does, the served value never falls.
    #[test]
    fn it_never_falls(readings in proptest::collection::vec((0.0..1e9_f64, 0..3600_u32), 1..200)) {
        let mut counter = Counter::new(100.0);
        let mut now = Instant::now();
        let mut last = 0.0;
        for (value, seconds) in readings {
            now += Duration::from_secs(seconds.into());
            counter.offer(value, now);
            let served = counter.served().unwrap_or_default();
            prop_assert!(served >= last);
            last = served;
        }
    }

    /// Among single glitches, gaps and restarts of a sound counter, the served value never falls,
    /// never passes the true one, and has reached it again three readings later.
    #[test]
    fn a_sound_counter_is_served_as_it_is(events in proptest::collection::vec(event(), 1..100)) {
        let start = 5000.0 * KWH;
        let mut truth = start;
        let mut now = Instant::now();
        let mut counter = Counter::new(100.0);
        counter.offer(truth, now);
        let mut before = truth;
        let mut saved = counter.snapshot().unwrap();
        for (index, event) in events.into_iter().enumerate() {
            match event {
                Event::Counts(watts, seconds) => {
                    now += Duration::from_secs(seconds.into());
                    truth += watts * f64::from(seconds) / 3600.0;
                    counter.offer(truth, now);
                }
                Event::Glitch(value) => {
                    now += Duration::from_secs(2);
                    // What lies between here and what can have been generated passes for a value.
                    let passes = (before..before + credible(now - counter.served.unwrap().changed
                        + counter.served.unwrap().stood) + 1.0).contains(&value);
                    if !passes {
                        counter.offer(value, now);
                        // Two that agree would be no glitches any more.
                        now += Duration::from_secs(2);
                        counter.offer(truth, now);
                    }
                }
                Event::Gap(seconds) => now += Duration::from_secs(seconds.into()),
                Event::Restart(seconds) | Event::Crash(seconds) => {
                    let age = Duration::from_secs(seconds.into());
                    // After a crash the disk may be some events behind.
                    let snapshot = match event {
                        Event::Restart(_) => counter.snapshot().unwrap(),
                        _ => CounterSnapshot { certain: false, ..saved },
                    };
                    counter = Counter::restored(100.0, snapshot, age, now);
                }
            }
            if index % 5 == 0 {
                saved = counter.snapshot().unwrap();
            }
            let Some(served) = counter.served() else { continue };
            prop_assert!(served >= before);
            before = served;
            prop_assert!(served <= truth + ROUNDING, "{served} of {truth}");
        }
        for _ in 0..3 {
            now += Duration::from_secs(2);
            counter.offer(truth, now);
        }
        prop_assert!((counter.served().unwrap() - truth).abs() < ROUNDING);
    }

    /// After a real reset the served value goes on by what the new counter counts, whenever the
    /// service restarts.
    #[test]
    fn a_reset_loses_nothing(
        kwh in 10.0..1e5_f64,
        begins_at in 0.2..5.0_f64,
        watts in proptest::collection::vec(100.0..50_000.0_f64, 13..100),
        restart_every in 3..20_usize,
    ) {
        let mut bench = Bench::serving(kwh);
        let mut raw = begins_at;
        let mut resets = 0;
        bench.shows(raw);
        for (minute, watts) in watts.into_iter().enumerate() {
            if minute % restart_every == 0 {
                bench.restarts(Duration::ZERO, true);
            }
            raw += watts / 60.0 / KWH;
            resets += u32::from(bench.shows(raw) == CounterOutcome::Reset);
            if resets > 0 {
                prop_assert!((bench.served() - kwh - (raw - begins_at)).abs() < 1e-6);
            }
        }
        prop_assert_eq!(resets, 1);
    }
}
