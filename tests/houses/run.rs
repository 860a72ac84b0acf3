//! A meter in a house.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fronius_smartmeter::meter::{
    Meter, MeterConfig, OnStale, Role,
    binding::Binding,
    reading::{Freshness, Measurand, Phase, Point, Reading},
    record::{MeterRecord, Restored},
    sunspec::{Identity, MeterModel},
};

use super::house::{DAY, Event, Fault, House, Life, Moment, noise};

const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L1 };
const POWER: Point = Point { measurand: Measurand::Power, phase: Phase::L1 };
const FRESHNESS: Freshness = Freshness { stale_after: Duration::from_secs(30), item_max_age: None };
const MAX_POWER_W: f64 = 50_000.0;

/// A power that stays the same for longer is in doubt, in s.
const DOUBTFUL_S: f64 = 3600.0;

/// Every life begins at noon, when all inverters are awake.
const BEGIN: f64 = DAY / 2.0;

/// How a house ended. All values are in Wh.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Above the truth, at the worst moment.
    pub(crate) above_wh: f64,
    /// Above the truth at the end.
    pub(crate) end_wh: f64,
    /// Of that, what came in the last twenty hours, when nothing went wrong any more.
    pub(crate) last_day_wh: f64,
    /// How often the disk was written.
    pub(crate) writes: u32,
}

/// The service in the house, as the daemon and its disk would have it.
struct Service {
    meter: Meter,
    reading: Reading,
    /// What is on disk, and when it was written.
    disk: Option<(MeterRecord, SystemTime)>,
    base: Instant,
    writes: u32,
}

impl Service {
    fn new() -> Self {
        let base = Instant::now();
        let mut this =
            Self { meter: meter(base), reading: Reading::default(), disk: None, base, writes: 0 };
        this.start(BEGIN);
        this
    }

    fn instant(&self, time: f64) -> Instant {
        self.base + Duration::from_secs_f64(time - BEGIN)
    }

    fn start(&mut self, time: f64) {
        let now = self.instant(time);
        self.meter = meter(now);
        self.reading = Reading::default();
        let restored = match self.disk.clone() {
            Some((record, saved)) => Restored { record: Some(record), saved, is_legacy: false },
            None => Restored::nothing(),
        };
        self.meter.restore(restored, true, now);
    }

    fn stop(&mut self, time: f64, clock: SystemTime) {
        if let Some(record) = self.meter.last_record(self.instant(time), clock) {
            self.disk = Some((record, clock));
        }
    }

    /// The source says this, and nothing else until `next`.
    fn read(&mut self, moment: Moment, time: f64, next: f64) {
        let (now, later) = (self.instant(time), self.instant(next));
        for (point, shown) in [(POWER, moment.shown_w), (ENERGY, moment.shown_wh)] {
            match shown.map(|value| binding(point).limit(value)) {
                Some(Ok(value)) => self.reading.update(point, value, now),
                _ => self.reading.invalidate(point),
            }
        }
        self.reading.confirm_all(later);
    }

    fn judge(&mut self, time: f64, clock: SystemTime) {
        let now = self.instant(time);
        self.meter.judge(&self.reading, now, clock);
        while let Some(record) = self.meter.unsaved(now, clock) {
            self.meter.saved(&record, now);
            self.disk = Some((record, clock));
            self.writes += 1;
        }
    }
}

fn binding(point: Point) -> Binding {
    Binding {
        point,
        member: 0,
        item: point.to_string(),
        unit: point.measurand.quantity().default_unit(),
        factor: 1.0,
        max_power_w: MAX_POWER_W,
    }
}

fn meter(now: Instant) -> Meter {
    let config = MeterConfig {
        role: Role::Producer,
        identity: Identity {
            manufacturer: String::new(),
            model: String::new(),
            options: String::new(),
            version: String::new(),
            serial_number: "SN".to_owned(),
            address: 1,
        },
        model: MeterModel::Float,
        on_stale: OnStale::Zero,
        min_energy_wh: 100.0,
        max_power_w: MAX_POWER_W,
    };
    Meter::new(config, FRESHNESS, &[ENERGY, POWER].map(binding), now)
}

/// What the rule lets a counter rise by: more is an error of the program, whatever the source says.
/// Stated here a second time, from the words of the documents.
#[derive(Debug)]
struct Allowance {
    peak_w: f64,
    watts: Option<f64>,
    same_since: f64,
    at: f64,
    /// Since the last rise.
    wh: f64,
}

impl Allowance {
    fn new(house: &House) -> Self {
        // Longer than a night without a power, 1.2 times the highest may have flowed.
        Self { peak_w: 1.2 * house.peak_w(), watts: None, same_since: BEGIN, at: BEGIN, wh: 0.0 }
    }

    /// Time passes until `time`, from when on the source shows this power.
    fn pass(&mut self, watts: Option<f64>, time: f64) {
        let hours = (time - self.at) / 3600.0;
        let is_sure = self.watts.is_some() && time - self.same_since < DOUBTFUL_S;
        let unknown_w = if is_sure { 0.0 } else { self.peak_w };
        self.wh += 2.0 * (self.watts.unwrap_or_default() + unknown_w) * hours;
        if watts != self.watts {
            self.same_since = time;
        }
        (self.watts, self.at) = (watts, time);
    }
}

impl Allowance {
    /// So much time may count as one without a power.
    fn forget(&mut self, seconds: f64) {
        self.wh += 2.0 * self.peak_w * seconds / 3600.0;
    }
}

/// Lives through a house.
pub(crate) fn run(house: &House) -> Outcome {
    let mut life = Life::new(house);
    let mut service = Service::new();
    let mut outcome = Outcome::default();
    let mut allowance = Allowance::new(house);
    let mut served = None;
    let mut base = 0.0;
    let (mut clock_step, mut clock_stepped) = (0.0, 0.0);
    let mut starts_at = None;
    let mut events = house.events.iter().peekable();
    let mut active: Option<(f64, Fault)> = None;
    let end = BEGIN + house.days * DAY;
    let mut time = BEGIN;
    for tick in 0.. {
        if time >= end {
            break;
        }
        active = active.filter(|(until, _)| *until >= time);
        if active.is_none()
            && let Some(Event { lasts, fault, .. }) = events.next_if(|event| event.at <= time)
        {
            active = Some((time + lasts, *fault));
            let back = time + lasts.min(600.0);
            match fault {
                Fault::Restart => {
                    service.stop(time, clock(time + clock_step));
                    starts_at = Some(back);
                }
                Fault::Crash => {
                    starts_at = Some(back);
                    // What the power explained since the file was written is forgotten.
                    allowance.forget(900.0 + 2.0 * house.interval + clock_stepped);
                }
                Fault::Clock(seconds) => {
                    clock_step += seconds;
                    // The file's time is that of the clock before.
                    clock_stepped = seconds.abs();
                }
                _ => {}
            }
        }
        let fault = active.map(|(_, fault)| fault);
        let truth = life.at(time);
        let moment = life.with(truth, fault);
        if starts_at.is_some_and(|at| at <= time) {
            service.start(time);
            starts_at = None;
            // What is served goes on from the ceiling at once, 0.5 kWh ahead at most.
            let ceiling = service.meter.energy_wh(Measurand::EnergyOut);
            assert!(ceiling >= served && ceiling <= served.map(|wh| wh + 501.0).or(ceiling));
            served = served.and(ceiling);
        }
        let next = time + house.interval * (0.9 + 0.2 * noise(house.seed, tick));
        let is_away = fault == Some(Fault::Away) || starts_at.is_some();
        allowance.pass(moment.shown_w.filter(|_| !is_away), time);
        if starts_at.is_none() {
            if !is_away {
                service.read(moment, time, next);
            }
            service.judge(time, clock(time + clock_step));
            if let Some(now) = service.meter.energy_wh(Measurand::EnergyOut) {
                let before = *served.get_or_insert_with(|| {
                    base = now - truth.true_wh;
                    now
                });
                assert!(now >= before, "fell from {before} to {now} at {time}: {house:?}");
                let most = 1001.0 + allowance.wh;
                assert!(now - before <= most, "rose by {} Wh at {time}: {house:?}", now - before);
                if now > before {
                    allowance.wh = 0.0;
                }
                served = Some(now);
                let above = now - truth.true_wh - base;
                outcome.above_wh = outcome.above_wh.max(above);
                outcome.end_wh = above;
                if time < end - 20.0 * 3600.0 {
                    outcome.last_day_wh = above;
                }
            }
        }
        time = next;
    }
    outcome.last_day_wh = outcome.end_wh - outcome.last_day_wh;
    outcome.writes = service.writes;
    outcome
}

/// The wall clock.
fn clock(time: f64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs_f64(1e9 + time)
}
