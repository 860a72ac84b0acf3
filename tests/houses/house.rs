//! Random houses: what their inverters truly count, and what their source shows of that.

use proptest::{collection::vec, prelude::*, sample::select};

/// A day begins at midnight, in s.
pub(crate) const DAY: f64 = 86_400.0;

/// One inverter with a counter of its own.
#[derive(Clone, Debug)]
pub(crate) struct Inverter {
    peak_w: f64,
    start_wh: f64,
    sunrise: f64,
    sunset: f64,
}

/// What the source shows of an inverter that sleeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sleeper {
    LeftOut,
    Held,
    Zero,
}

/// What the source shows when all sleep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Night {
    Undef,
    NoPower,
    Hold,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The counter shows this, in Wh.
    Sentinel(f64),
    /// The counter shows so much more, and grows as it does.
    Shifted(f64),
    /// Neither power nor energy have a value.
    Undef,
    /// The source is away.
    Away,
    /// The counter is stuck.
    Stuck,
    /// The service is stopped for as long.
    Restart,
    /// The service is killed, and starts again after as long.
    Crash,
    /// The wall clock steps, in s.
    Clock(f64),
}

/// A fault, when it comes and how long it lasts, in s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) at: f64,
    pub(crate) lasts: f64,
    pub(crate) fault: Fault,
}

#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) inverters: Vec<Inverter>,
    pub(crate) sleeper: Sleeper,
    pub(crate) night: Night,
    /// Between two updates, in s.
    pub(crate) interval: f64,
    /// Of the counter that is shown, in Wh.
    pub(crate) resolution_wh: f64,
    pub(crate) seed: u64,
    pub(crate) events: Vec<Event>,
    pub(crate) days: f64,
}

impl House {
    /// More cannot flow, in W.
    pub(crate) fn peak_w(&self) -> f64 {
        self.inverters.iter().map(|inverter| inverter.peak_w).sum()
    }
}

/// A number from 0 to 1 that looks random.
pub(crate) fn noise(seed: u64, at: u64) -> f64 {
    let mut x = seed ^ at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

impl Inverter {
    fn power_w(&self, seed: u64, time: f64) -> f64 {
        let second = time.rem_euclid(DAY);
        if !(self.sunrise..self.sunset).contains(&second) {
            return 0.0;
        }
        let light = (second - self.sunrise) / (self.sunset - self.sunrise);
        // Clouds come and go in ten minutes.
        let clouds = 0.2 + 0.8 * noise(seed, (time / 600.0) as u64);
        self.peak_w * (light * std::f64::consts::PI).sin() * clouds
    }

    fn is_awake(&self, time: f64) -> bool {
        (self.sunrise..self.sunset).contains(&time.rem_euclid(DAY))
    }
}

/// What is shown and true at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    /// What all inverters have truly counted, in the resolution that is shown, in Wh.
    pub(crate) true_wh: f64,
    pub(crate) shown_wh: Option<f64>,
    pub(crate) shown_w: Option<f64>,
}

/// A house as time passes.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    house: &'a House,
    time: f64,
    counters: Vec<f64>,
    last: Moment,
    stuck: Option<f64>,
}

impl<'a> Life<'a> {
    /// Begins at noon, when every inverter has been seen.
    pub(crate) fn new(house: &'a House) -> Self {
        let counters = house.inverters.iter().map(|inverter| inverter.start_wh).collect();
        Self { house, time: DAY / 2.0, counters, last: Moment::default(), stuck: None }
    }

    /// Lets time pass.
    pub(crate) fn at(&mut self, time: f64) -> Moment {
        let house = self.house;
        let mut power = 0.0;
        while self.time < time {
            let step = (time - self.time).min(300.0);
            for (inverter, counter) in house.inverters.iter().zip(&mut self.counters) {
                *counter += inverter.power_w(house.seed, self.time + step / 2.0) * step / 3600.0;
            }
            self.time += step;
        }
        let mut shown = 0.0;
        let mut awake = false;
        for (inverter, counter) in house.inverters.iter().zip(&self.counters) {
            awake |= inverter.is_awake(time);
            power += inverter.power_w(house.seed, time);
            if inverter.is_awake(time) || house.sleeper == Sleeper::Held {
                shown += counter;
            }
        }
        let rounded = |wh: f64| (wh / house.resolution_wh).floor() * house.resolution_wh;
        let moment = Moment {
            true_wh: rounded(self.counters.iter().sum()),
            shown_wh: Some(rounded(shown)),
            shown_w: Some(power),
        };
        let moment = match house.night {
            _ if awake => moment,
            Night::Undef => Moment { shown_wh: None, shown_w: None, ..moment },
            Night::NoPower => moment,
            Night::Hold => Moment { true_wh: moment.true_wh, ..self.last },
        };
        self.last = moment;
        moment
    }

    /// The same with what goes wrong.
    pub(crate) fn with(&mut self, moment: Moment, fault: Option<Fault>) -> Moment {
        if fault != Some(Fault::Stuck) {
            self.stuck = None;
        }
        match fault {
            Some(Fault::Sentinel(wh)) => Moment { shown_wh: Some(wh), ..moment },
            Some(Fault::Shifted(wh)) => {
                let shown_wh = moment.shown_wh.map(|shown| (shown + wh).max(0.0));
                Moment { shown_wh, ..moment }
            }
            Some(Fault::Undef) => Moment { shown_wh: None, shown_w: None, ..moment },
            Some(Fault::Stuck) => {
                let stuck = *self.stuck.get_or_insert(moment.shown_wh.unwrap_or_default());
                Moment { shown_wh: Some(stuck), ..moment }
            }
            _ => moment,
        }
    }
}

fn inverter() -> impl Strategy<Value = Inverter> {
    let start = prop_oneof![1 => 3e3..1e4, 1 => 1e5..3e6, 1 => 3e6..2e7];
    (300.0..10_000.0, start, -1800.0..1800.0, -1800.0..1800.0).prop_map(
        |(peak_w, start_wh, rise, set): (f64, f64, f64, f64)| Inverter {
            peak_w,
            start_wh: start_wh.floor(),
            sunrise: 6.0 * 3600.0 + rise,
            sunset: 20.0 * 3600.0 + set,
        },
    )
}

fn fault(crashes: bool) -> impl Strategy<Value = Fault> {
    let sentinel = select(vec![4_294_967_295.0, 2_147_483_647.0, 4_294_967.295e3, 0.0, 0.0]);
    // From 0.5 kWh to 3 MWh, each order of magnitude as often.
    let amount = (500.0_f64.ln()..3e6_f64.ln()).prop_map(f64::exp);
    let shift = (amount, any::<bool>()).prop_map(|(wh, up): (f64, bool)| if up { wh } else { -wh });
    prop_oneof![
        2 => sentinel.prop_map(Fault::Sentinel),
        4 => shift.prop_map(Fault::Shifted),
        2 => Just(Fault::Undef),
        2 => Just(Fault::Away),
        1 => Just(Fault::Stuck),
        1 => Just(if crashes { Fault::Crash } else { Fault::Restart }),
        1 => Just(Fault::Restart),
        u32::from(crashes) => (-3600.0..3600.0).prop_map(Fault::Clock),
    ]
}

/// Houses with about a dozen faults of one update to three hours.
pub(crate) fn house(days: f64, faults: usize, crashes: bool) -> impl Strategy<Value = House> {
    let event = (
        0.0..(days - 1.0) * DAY,
        prop_oneof![Just(0.0), 0.0..600.0, 0.0..10_800.0],
        fault(crashes),
    )
        .prop_map(|(at, lasts, fault)| Event { at: DAY / 2.0 + 60.0 + at, lasts, fault });
    (
        vec(inverter(), 1..=4),
        select(vec![Sleeper::LeftOut, Sleeper::Held, Sleeper::Zero]),
        select(vec![Night::Undef, Night::NoPower, Night::Hold]),
        select(vec![5.0, 30.0, 60.0, 300.0, 900.0]),
        select(vec![1.0, 10.0, 100.0, 1000.0]),
        any::<u64>(),
        vec(event, 0..=faults),
    )
        .prop_map(
            move |(inverters, sleeper, night, interval, resolution_wh, seed, mut events)| {
                events.sort_by(|one, other| one.at.total_cmp(&other.at));
                House { inverters, sleeper, night, interval, resolution_wh, seed, events, days }
            },
        )
}
