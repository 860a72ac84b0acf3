#![expect(clippy::float_cmp, reason = "values pass through unchanged")]

use super::{sunspec::Identity, units::Quantity, *};

const STALE: Duration = Duration::from_secs(30);

fn point(measurand: Measurand, phase: Phase) -> Point {
    Point { measurand, phase }
}

fn config() -> MeterConfig {
    MeterConfig {
        role: Role::Producer,
        identity: Identity {
            manufacturer: "Fronius".to_owned(),
            model: "Smart Meter IP".to_owned(),
            options: String::new(),
            version: "1".to_owned(),
            serial_number: "1".to_owned(),
            address: 1,
        },
        on_stale: OnStale::Zero,
        min_energy_wh: 100.0,
    }
}

const FRESHNESS: Freshness = Freshness { stale_after: STALE, item_max_age: None };

/// A meter with items for these points, and nothing remembered.
fn meter(config: MeterConfig, freshness: Freshness, points: &[Point]) -> Meter {
    let unit = Quantity::Energy.default_unit();
    let binding =
        |point: &Point| Binding { point: *point, item: "I".to_owned(), unit: unit.clone() };
    let mut meter = Meter::new(config, freshness, &points.iter().map(binding).collect::<Vec<_>>());
    meter.restore(&[], Duration::ZERO, Instant::now());
    meter
}

fn single_phase(config: MeterConfig, freshness: Freshness) -> Meter {
    let points = [Measurand::EnergyOut, Measurand::Power, Measurand::Voltage, Measurand::Current];
    meter(config, freshness, &points.map(|measurand| point(measurand, Phase::L1)))
}

fn example(now: Instant) -> Reading {
    let mut reading = Reading::default();
    reading.update(point(Measurand::EnergyOut, Phase::L1), 12_345_678.0, now);
    reading.update(point(Measurand::Power, Phase::L1), 800.0, now);
    reading.update(point(Measurand::Voltage, Phase::L1), 231.4, now);
    reading.update(point(Measurand::Current, Phase::L1), 3.46, now);
    reading
}

fn served(meter: &mut Meter, reading: &Reading, now: Instant) -> Image {
    meter.observe(reading, now).0
}

#[track_caller]
fn assert_near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-6, "{value}, expected {expected}");
}

#[test]
fn a_single_phase_producer_is_filled_in_to_three_phases() {
    let now = Instant::now();
    let image = served(&mut single_phase(config(), FRESHNESS), &example(now), now);
    assert_eq!((image.availability, image.condition), (Availability::Registers, Condition::Live));
    let m = image.measurements.unwrap();
    assert_eq!(m.current, ThreePhase { total: 3.46, phases: [3.46, 0.0, 0.0] });
    assert_eq!(m.voltage.phases, [231.4; 3]);
    assert_near(m.voltage.total, 231.4);
    assert_near(m.line_voltage.total, 231.4 * 3_f64.sqrt());
    assert_near(m.frequency, 50.0);
    assert_eq!(m.power, ThreePhase { total: -800.0, phases: [-800.0, 0.0, 0.0] });
    assert_near(m.apparent_power.total, 231.4 * 3.46);
    assert_near(m.reactive_power.total.powi(2) + 800.0_f64.powi(2), (231.4_f64 * 3.46).powi(2));
    assert_near(m.power_factor.total, -800.0 / (231.4 * 3.46));
    assert_eq!(m.power_factor.phases[1].to_bits(), 0.0_f64.to_bits());
    assert_near(m.exported.total, 12_345_678.0);
    assert_near(m.exported.phases[0], 12_345_678.0);
    assert_near(m.imported.total, 0.0);
}

#[test]
fn without_voltage_and_current_the_nominal_ones_follow_from_the_power() {
    let now = Instant::now();
    let points = [point(Measurand::EnergyOut, Phase::L2), point(Measurand::Power, Phase::L2)];
    let mut reading = Reading::default();
    reading.update(points[0], 5000.0, now);
    reading.update(points[1], 690.0, now);
    let m = served(&mut meter(config(), FRESHNESS, &points), &reading, now).measurements.unwrap();
    assert_eq!(m.voltage.phases, [230.0; 3]);
    assert_eq!(m.current.phases, [0.0, 3.0, 0.0]);
    assert_eq!(m.exported.phases, [0.0, 5000.0, 0.0]);
}

#[test]
fn a_three_phase_grid_meter_imports_with_plus_and_sums_its_phases() {
    let now = Instant::now();
    let points = [Measurand::EnergyOut, Measurand::EnergyIn, Measurand::Power, Measurand::Voltage]
        .map(|measurand| Phase::ALL.map(|phase| point(measurand, phase)));
    let config = MeterConfig { role: Role::Grid, ..config() };
    let mut reading = Reading::default();
    for (phase, factor) in Phase::ALL.into_iter().zip([1.0, 2.0, -4.0]) {
        reading.update(point(Measurand::EnergyOut, phase), 1000.0, now);
        reading.update(point(Measurand::EnergyIn, phase), 3000.0, now);
        reading.update(point(Measurand::Power, phase), 100.0 * factor, now);
        reading.update(point(Measurand::Voltage, phase), 230.0 + factor, now);
    }
    let m = served(&mut meter(config, FRESHNESS, points.as_flattened()), &reading, now)
        .measurements
        .unwrap();
    assert_eq!(m.power, ThreePhase { total: -100.0, phases: [100.0, 200.0, -400.0] });
    assert_near(m.voltage.total, 230.0 - 1.0 / 3.0);
    assert_near(m.exported.total, 3000.0);
    assert_near(m.imported.total, 9000.0);
    let [a, b, _] = m.voltage.phases;
    assert_near(m.line_voltage.phases[0], (a * a + b * b + a * b).sqrt());
}

#[test]
fn nothing_is_served_before_the_first_valid_counter() {
    let now = Instant::now();
    let energy = point(Measurand::EnergyOut, Phase::L1);
    for policy in [OnStale::Zero, OnStale::Exception, OnStale::Hold, OnStale::Disconnect] {
        let mut meter = single_phase(MeterConfig { on_stale: policy, ..config() }, FRESHNESS);
        let mut reading = Reading::default();
        assert_eq!(served(&mut meter, &reading, now).availability, Availability::Exception);
        reading = example(now);
        reading.update(energy, 0.0, now);
        let image = served(&mut meter, &reading, now);
        assert_eq!(
            (image.availability, image.condition),
            (Availability::Exception, Condition::Waiting)
        );
        let later = now + Duration::from_secs(2);
        reading.update(energy, 5000.0, later);
        assert_eq!(served(&mut meter, &reading, later).condition, Condition::Live);
    }
}

fn restored(certain: bool) -> CounterSnapshot {
    CounterSnapshot { served: 12_345_678.0, offset: 0.0, former: None, lower: None, certain }
}

#[test]
fn remembered_counters_are_served_before_anything_is_read() {
    let now = Instant::now();
    let energy = point(Measurand::EnergyOut, Phase::L1);
    let snapshot = restored(true);
    let mut meter = single_phase(config(), FRESHNESS);
    meter.restore(&[(energy, snapshot)], Duration::from_secs(60), now);
    assert_eq!(meter.snapshots(), [(energy, snapshot)]);
    let image = served(&mut meter, &Reading::default(), now);
    assert_eq!((image.availability, image.condition), (Availability::Registers, Condition::Stale));
    let m = image.measurements.unwrap();
    assert_eq!((m.power.total, m.exported.total), (0.0, 12_345_678.0));
}

#[test]
fn after_a_crash_a_remembered_counter_waits_for_the_source() {
    let now = Instant::now();
    let energy = point(Measurand::EnergyOut, Phase::L1);
    let snapshot = restored(false);
    let mut meter = single_phase(config(), FRESHNESS);
    meter.restore(&[(energy, snapshot)], Duration::from_secs(60), now);
    assert_eq!(served(&mut meter, &Reading::default(), now).condition, Condition::Waiting);
    let mut reading = example(now);
    reading.update(energy, 12_000_000.0, now);
    assert_eq!(served(&mut meter, &reading, now).condition, Condition::Waiting, "a glitch");
    let [(_, CounterSnapshot { served: remembered, certain, .. })] = meter.snapshots()[..] else {
        panic!()
    };
    assert_eq!((remembered, certain), (snapshot.served, false), "not forgotten meanwhile");
    let later = now + Duration::from_secs(2);
    reading.update(energy, 12_345_679.0, later);
    let image = served(&mut meter, &reading, later);
    assert_eq!(image.measurements.unwrap().exported.total, 12_345_679.0);
}

#[test]
fn what_is_remembered_late_raises_a_counter_and_lowers_none() {
    let now = Instant::now();
    let energy = point(Measurand::EnergyOut, Phase::L1);
    for (shown, served_then) in [(1000.0, 12_345_678.0), (99_999_999.0, 99_999_999.0)] {
        let mut meter = single_phase(config(), FRESHNESS);
        let mut reading = example(now);
        reading.update(energy, shown, now);
        let image = served(&mut meter, &reading, now);
        assert_eq!(image.measurements.unwrap().exported.total, shown);
        meter.restore(&[(energy, restored(true))], Duration::from_secs(60), now);
        let image = served(&mut meter, &reading, now);
        assert_eq!(image.measurements.unwrap().exported.total, served_then);
    }
    // What the source shows already is weighed at once.
    let mut meter = single_phase(config(), FRESHNESS);
    let mut reading = example(now);
    reading.update(energy, 1000.0, now);
    served(&mut meter, &reading, now);
    let snapshot = CounterSnapshot { offset: 12_345_000.0, ..restored(false) };
    meter.restore(&[(energy, snapshot)], Duration::from_secs(60), now);
    let image = served(&mut meter, &reading, now);
    assert_eq!(image.measurements.unwrap().exported.total, 12_346_000.0);
}

/// Of two phases and two directions one counter begins anew, and only that one gets an offset.
#[test]
fn a_reset_of_one_counter_touches_no_other() {
    let start = Instant::now();
    let [out, other, drawn] = [
        point(Measurand::EnergyOut, Phase::L1),
        point(Measurand::EnergyOut, Phase::L2),
        point(Measurand::EnergyIn, Phase::L2),
    ];
    let config = MeterConfig { role: Role::Grid, ..config() };
    let points = [out, other, drawn, point(Measurand::Power, Phase::L1)];
    let mut meter = meter(config, FRESHNESS, &points);
    let mut reading = Reading::default();
    let mut totals = (0.0, 0.0);
    let mut events = Vec::new();
    for minute in 0..30_u32 {
        let now = start + Duration::from_secs(60) * minute;
        let grown = 10.0 * f64::from(minute);
        // From the tenth minute on the second phase counts from 1 kWh.
        let second = if minute < 10 { 3e6 + grown } else { 1000.0 + grown - 90.0 };
        reading.update(point(Measurand::Power, Phase::L1), 800.0, now);
        reading.update(out, 5e6 + grown, now);
        reading.update(other, second, now);
        reading.update(drawn, 4e6 + grown, now);
        let (image, news) = meter.observe(&reading, now);
        events.extend(news.into_iter().map(|event| (event.point, event.outcome)));
        let m = image.measurements.unwrap();
        assert!(m.exported.total >= totals.0 && m.imported.total >= totals.1, "minute {minute}");
        totals = (m.exported.total, m.imported.total);
        assert_eq!(m.exported.phases[0], 5e6 + grown);
        assert_eq!(m.imported.phases, [0.0, 4e6 + grown, 0.0]);
        assert_eq!(m.exported.total, m.exported.phases.iter().sum::<f64>());
    }
    let outcomes = [CounterOutcome::Fallen, CounterOutcome::Reset, CounterOutcome::Taken];
    assert_eq!(events, outcomes.map(|outcome| (other, outcome)));
    // The step between the last of the old counter and the first of the new one is unknown.
    assert_near(totals.0, 5e6 + 290.0 + 3e6 + 290.0 - 10.0);
    let offsets: Vec<_> = meter.snapshots().iter().map(|(_, snapshot)| snapshot.offset).collect();
    assert_eq!(offsets, [0.0, 3e6 + 90.0 - 1010.0, 0.0]);
}

#[test]
fn signs_of_life_do_not_confirm_a_jump() {
    let start = Instant::now();
    let energy = point(Measurand::EnergyOut, Phase::L1);
    let mut meter = single_phase(config(), FRESHNESS);
    let mut reading = example(start);
    served(&mut meter, &reading, start);
    let mut now = start + Duration::from_secs(10);
    reading.update(energy, 99_999_999.0, now);
    for _ in 0..10 {
        let image = served(&mut meter, &reading, now);
        assert_eq!(image.measurements.unwrap().exported.total, 12_345_678.0);
        now += Duration::from_secs(10);
        reading.confirm_all(now);
    }
}

#[test]
fn old_data_meets_the_policy() {
    let start = Instant::now();
    let reading = example(start);
    let almost = start + Duration::from_millis(29_999);
    let after = start + STALE;
    for (policy, availability, watts) in [
        (OnStale::Zero, Availability::Registers, Some(0.0)),
        (OnStale::Hold, Availability::Registers, Some(-800.0)),
        (OnStale::Exception, Availability::Exception, None),
        (OnStale::Disconnect, Availability::Disconnect, None),
    ] {
        let mut meter = single_phase(MeterConfig { on_stale: policy, ..config() }, FRESHNESS);
        let image = served(&mut meter, &reading, almost);
        assert_eq!((image.condition, image.expiry), (Condition::Live, Some(after)));
        let image = served(&mut meter, &reading, after);
        assert_eq!((image.availability, image.condition), (availability, Condition::Stale));
        assert_eq!(image.measurements.map(|m| m.power.total), watts);
        if let Some(m) = image.measurements {
            assert_near(m.exported.total, 12_345_678.0);
        }
    }
}

#[test]
fn a_value_that_is_confirmed_but_never_updated_ages_too_where_that_is_asked_for() {
    let start = Instant::now();
    let max_age = Duration::from_secs(600);
    let freshness = Freshness { item_max_age: Some(max_age), ..FRESHNESS };
    let mut meter = single_phase(config(), freshness);
    let mut reading = example(start);
    reading.confirm_all(start + max_age);
    let almost = start + Duration::from_secs(599);
    let image = served(&mut meter, &reading, almost);
    assert_eq!((image.condition, image.expiry), (Condition::Live, Some(start + max_age)));
    let image = served(&mut meter, &reading, start + max_age);
    assert_eq!(image.condition, Condition::Stale);
    assert_eq!(
        image.overdue,
        [Measurand::EnergyOut, Measurand::Power].map(|m| point(m, Phase::L1))
    );
    // Read again it is not newer; updated again it is.
    reading.refresh(point(Measurand::EnergyOut, Phase::L1), 12_345_678.0, start + max_age);
    reading.update(point(Measurand::Power, Phase::L1), 800.0, start + max_age);
    let image = served(&mut meter, &reading, start + max_age);
    assert_eq!(image.overdue, [point(Measurand::EnergyOut, Phase::L1)]);
}

#[test]
fn hold_serves_nothing_where_nothing_was_live() {
    let start = Instant::now();
    let mut meter = single_phase(MeterConfig { on_stale: OnStale::Hold, ..config() }, FRESHNESS);
    let mut reading = example(start);
    reading.update(point(Measurand::EnergyOut, Phase::L1), 0.0, start);
    served(&mut meter, &reading, start);
    // The counter comes only when the power is old already.
    reading.update(point(Measurand::EnergyOut, Phase::L1), 5000.0, start + STALE);
    let image = served(&mut meter, &reading, start + STALE);
    assert_eq!((image.availability, image.condition), (Availability::Exception, Condition::Stale));
}

#[test]
fn a_counter_that_is_not_believed_is_news_once_until_it_is_again() {
    let energy = point(Measurand::EnergyOut, Phase::L1);
    let mut meter = single_phase(config(), FRESHNESS);
    let mut now = Instant::now();
    let mut outcomes = |wh| {
        now += Duration::from_secs(60);
        let mut reading = Reading::default();
        reading.update(energy, wh, now);
        meter.observe(&reading, now).1.iter().map(|event| event.outcome).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(0.0), [CounterOutcome::BelowThreshold]);
    assert_eq!(outcomes(50.0), []);
    assert_eq!(outcomes(5000.0), [CounterOutcome::Taken]);
    assert_eq!(outcomes(4000.0), [CounterOutcome::Fallen]);
    assert_eq!(outcomes(4500.0), []);
    assert_eq!(outcomes(5001.0), [CounterOutcome::Taken]);
    assert_eq!(outcomes(5002.0), []);
    assert_eq!(outcomes(4000.0), [CounterOutcome::Fallen]);
}

#[test]
fn one_old_required_value_makes_the_meter_stale_an_optional_one_its_fallback() {
    let start = Instant::now();
    let later = start + STALE;
    let mut meter = single_phase(config(), FRESHNESS);
    let mut reading = example(later);
    reading.update(point(Measurand::Voltage, Phase::L1), 240.0, start);
    let image = served(&mut meter, &reading, later);
    assert_eq!(image.condition, Condition::Live);
    assert_eq!(image.measurements.unwrap().voltage.phases, [230.0; 3]);
    reading.update(point(Measurand::Power, Phase::L1), 800.0, start);
    assert_eq!(served(&mut meter, &reading, later).condition, Condition::Stale);
}
