#![expect(clippy::float_cmp, reason = "values pass through unchanged")]

use std::time::{Duration, UNIX_EPOCH};

use super::{
    sunspec::{Identity, MeterModel},
    *,
};

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
        model: MeterModel::Float,
        on_stale: OnStale::Zero,
        min_energy_wh: 100.0,
        max_power_w: 50_000.0,
    }
}

const FRESHNESS: Freshness = Freshness { stale_after: STALE, item_max_age: None };

/// A meter with items for these points, and nothing remembered.
fn meter(config: MeterConfig, freshness: Freshness, points: &[Point]) -> Meter {
    let now = Instant::now();
    let mut meter = Meter::new(config, freshness, &bindings(points), now);
    meter.restore(NOTHING, false, now);
    meter
}

const NOTHING: Restored = Restored::nothing();

/// One for each point; the same again is a further member of its list.
fn bindings(points: &[Point]) -> Vec<Binding> {
    let binding = |(place, point): (usize, &Point)| {
        let member = points[..place].iter().filter(|earlier| *earlier == point).count();
        Binding {
            point: *point,
            member,
            item: format!("{point} {member}"),
            unit: point.measurand.quantity().default_unit(),
            factor: 1.0,
            max_power_w: 50_000.0,
        }
    };
    points.iter().enumerate().map(binding).collect()
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
    meter.observe(reading, now, UNIX_EPOCH).0
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

/// What a meter served and was stopped with.
fn record(meter: &Meter, now: Instant) -> Restored {
    Restored { record: meter.last_record(now, UNIX_EPOCH), ..NOTHING }
}

/// A meter that goes on from what is remembered.
fn restored(restored: Restored, points: &[Point], now: Instant) -> Meter {
    let mut meter = Meter::new(config(), FRESHNESS, &bindings(points), now);
    meter.restore(restored, false, now);
    meter
}

const ENERGY: Point = Point { measurand: Measurand::EnergyOut, phase: Phase::L1 };
const POWER: Point = Point { measurand: Measurand::Power, phase: Phase::L1 };

#[test]
fn remembered_counters_are_served_before_anything_is_read() {
    let now = Instant::now();
    let mut before = single_phase(config(), FRESHNESS);
    served(&mut before, &example(now), now);
    let mut meter = restored(record(&before, now), &[ENERGY, POWER], now);
    let image = served(&mut meter, &Reading::default(), now);
    assert_eq!(
        (image.availability, image.condition),
        (Availability::Registers, Condition::Waiting)
    );
    let m = image.measurements.unwrap();
    assert_eq!((m.power.total, m.exported.total), (0.0, 12_345_678.0));
    assert_eq!(image.overdue, [POWER.to_string()], "and nothing else is missing");
}

#[test]
fn before_it_is_known_what_was_served_nothing_is() {
    let now = Instant::now();
    let mut meter = Meter::new(config(), FRESHNESS, &bindings(&[ENERGY, POWER]), now);
    let image = served(&mut meter, &example(now), now);
    assert_eq!(
        (image.availability, image.condition),
        (Availability::Exception, Condition::Waiting)
    );
}

#[test]
fn what_is_remembered_late_raises_a_counter_and_lowers_none() {
    let now = Instant::now();
    let mut before = single_phase(config(), FRESHNESS);
    served(&mut before, &example(now), now);
    let record = record(&before, now);
    for (shown, served_then) in [(1000.0, 12_345_678.0), (99_999_999.0, 99_999_999.0)] {
        let mut meter = single_phase(config(), FRESHNESS);
        let mut reading = example(now);
        reading.update(ENERGY, shown, now);
        let image = served(&mut meter, &reading, now);
        assert_eq!(image.measurements.unwrap().exported.total, shown);
        meter.restore(record.clone(), true, now);
        let image = served(&mut meter, &reading, now);
        assert_eq!(image.measurements.unwrap().exported.total, served_then);
    }
}

/// Whatever changes in the configuration, the totals go on without a step.
#[test]
fn a_corrected_phase_or_another_item_makes_no_step() {
    let start = Instant::now();
    let later = start + Duration::from_secs(60);
    let mut before = single_phase(config(), FRESHNESS);
    served(&mut before, &example(start), start);
    let record = record(&before, start);
    let elsewhere = Point { phase: Phase::L2, ..ENERGY };
    let same = Binding { point: elsewhere, ..bindings(&[ENERGY])[0].clone() };
    let other = Binding { item: "other".to_owned(), ..same.clone() };
    for (binding, shown, then) in [(same, 12_345_688.0, 12_345_688.0), (other, 10.0, 12_345_678.0)]
    {
        let mut meter = Meter::new(config(), FRESHNESS, &[binding], start);
        meter.restore(record.clone(), false, start);
        let mut reading = Reading::default();
        reading.update(elsewhere, shown, start);
        served(&mut meter, &reading, start);
        assert_eq!(meter.energy_wh(Measurand::EnergyOut), Some(then));
        reading.update(elsewhere, shown + 5.0, later);
        served(&mut meter, &reading, later);
        assert_eq!(meter.energy_wh(Measurand::EnergyOut), Some(then + 5.0));
    }
}

/// What is read twice, since the directory could not be written at first, counts once.
#[test]
fn the_share_of_a_former_item_is_no_second_one_when_it_is_read_again() {
    let start = Instant::now();
    let mut before = single_phase(config(), FRESHNESS);
    served(&mut before, &example(start), start);
    let record = record(&before, start);
    let other = Binding { item: "other".to_owned(), ..bindings(&[ENERGY])[0].clone() };
    let mut meter = Meter::new(config(), FRESHNESS, &[other], start);
    for has_disk in [false, true] {
        meter.restore(record.clone(), has_disk, start);
        assert_eq!(meter.energy_wh(Measurand::EnergyOut), Some(12_345_678.0));
    }
}

/// The threshold is for the sum of what is generated, and for nothing else.
#[test]
fn the_threshold_is_for_the_sum_alone() {
    let now = Instant::now();
    let out = Phase::ALL.map(|phase| point(Measurand::EnergyOut, phase));
    let drawn = point(Measurand::EnergyIn, Phase::L1);
    let mut meter = meter(config(), FRESHNESS, &[out[0], out[1], out[2], drawn, POWER]);
    let mut reading = Reading::default();
    for (point, wh) in [(out[0], 5000.0), (out[1], 4000.0), (drawn, 0.0)] {
        reading.update(point, wh, now);
    }
    reading.update(POWER, 800.0, now);
    let image = served(&mut meter, &reading, now);
    assert_eq!((image.condition, image.overdue), (Condition::Waiting, vec![out[2].to_string()]));
    reading.update(out[2], 20.0, now);
    let image = served(&mut meter, &reading, now);
    assert_eq!(image.condition, Condition::Live);
    assert_eq!(image.measurements.unwrap().exported.total, 9020.0);
}

/// An old energy makes nothing stale, and is said once.
#[test]
fn an_old_energy_stands_beside_a_live_power() {
    let start = Instant::now();
    let mut meter = single_phase(config(), FRESHNESS);
    let mut reading = example(start);
    served(&mut meter, &reading, start);
    reading.invalidate(ENERGY);
    let mut said = Vec::new();
    for minutes in 1..30 {
        let now = start + Duration::from_secs(60) * minutes;
        reading.update(POWER, 5000.0, now);
        let (image, events) = meter.observe(&reading, now, UNIX_EPOCH);
        assert_eq!(image.condition, Condition::Live);
        let m = image.measurements.unwrap();
        assert_eq!((m.power.total, m.exported.total), (-5000.0, 12_345_678.0));
        said.extend(events);
    }
    assert!(matches!(said[..], [CounterEvent { news: News::Silent { .. }, .. }]), "{said:?}");
    let now = start + Duration::from_secs(60) * 30;
    reading.update(ENERGY, 12_345_700.0, now);
    let image = served(&mut meter, &reading, now);
    assert_eq!(image.measurements.unwrap().exported.total, 12_345_700.0);
}

/// The voltage of a sleeping device is not that of the grid.
#[test]
fn a_voltage_below_50_v_is_not_measured() {
    let now = Instant::now();
    let mut reading = example(now);
    reading.update(point(Measurand::Voltage, Phase::L1), 2.3, now);
    let m = served(&mut single_phase(config(), FRESHNESS), &reading, now).measurements.unwrap();
    assert_eq!(m.voltage.phases, [230.0; 3]);
}

/// A grid meter's currents have the signs of their phases' powers.
#[test]
fn currents_of_a_grid_meter_have_a_sign() {
    let now = Instant::now();
    let config = MeterConfig { role: Role::Grid, ..config() };
    let powers = Phase::ALL.map(|phase| point(Measurand::Power, phase));
    let mut meter = meter(config, FRESHNESS, &[ENERGY, powers[0], powers[1], powers[2]]);
    let mut reading = Reading::default();
    reading.update(ENERGY, 1000.0, now);
    for (power, watts) in powers.into_iter().zip([2300.0, -2300.0, 0.0]) {
        reading.update(power, watts, now);
    }
    let m = served(&mut meter, &reading, now).measurements.unwrap();
    assert_eq!(m.current, ThreePhase { total: 0.0, phases: [10.0, -10.0, 0.0] });
}

#[test]
fn more_power_than_the_plant_can_have_is_none() {
    let now = Instant::now();
    let powers = Phase::ALL.map(|phase| point(Measurand::Power, phase));
    let mut meter = meter(config(), FRESHNESS, &[ENERGY, powers[0], powers[1], powers[2]]);
    let mut reading = Reading::default();
    reading.update(ENERGY, 1000.0, now);
    for (power, watts) in powers.into_iter().zip([20_000.0, 20_000.0, 10_001.0]) {
        reading.update(power, watts, now);
    }
    assert_eq!(served(&mut meter, &reading, now).condition, Condition::Stale);
    reading.update(powers[2], 10_000.0, now);
    assert_eq!(served(&mut meter, &reading, now).condition, Condition::Live);
}

/// Of two phases and two directions one counter is exchanged, and only that one gets an offset.
#[test]
fn an_exchange_of_one_counter_touches_no_other() {
    let start = Instant::now();
    let [out, other, drawn] = [
        point(Measurand::EnergyOut, Phase::L1),
        point(Measurand::EnergyOut, Phase::L2),
        point(Measurand::EnergyIn, Phase::L2),
    ];
    let config = MeterConfig { role: Role::Grid, ..config() };
    let mut meter = meter(config, FRESHNESS, &[out, other, drawn, POWER]);
    let mut reading = Reading::default();
    let mut totals = (0.0, 0.0);
    for minute in 0..30_u32 {
        let now = start + Duration::from_secs(60) * minute;
        let grown = 10.0 * f64::from(minute);
        // From the tenth minute on the second phase counts from 1 kWh.
        let second = if minute < 10 { 3e6 + grown } else { 1000.0 + grown - 100.0 };
        reading.update(POWER, 800.0 + f64::from(minute), now);
        reading.update(out, 5e6 + grown, now);
        reading.update(other, second, now);
        reading.update(drawn, 4e6 + grown, now);
        let m = served(&mut meter, &reading, now).measurements.unwrap();
        assert!(m.exported.total >= totals.0 && m.imported.total >= totals.1, "minute {minute}");
        totals = (m.exported.total, m.imported.total);
        assert_eq!(m.exported.phases[0], 5e6 + grown);
        assert_eq!(m.imported.phases, [0.0, 4e6 + grown, 0.0]);
    }
    // The step between the last of the old counter and the first of the new one is unknown.
    assert_near(totals.0, 5e6 + 290.0 + 3e6 + 290.0 - 10.0);
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
        assert_eq!((image.condition, image.next_expiry), (Condition::Live, Some(after)));
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
    assert_eq!((image.condition, image.next_expiry), (Condition::Live, Some(start + max_age)));
    let image = served(&mut meter, &reading, start + max_age);
    assert_eq!(image.condition, Condition::Stale);
    assert_eq!(image.overdue, [POWER.to_string()]);
    // Read again it is not newer; updated again it is.
    reading.refresh(POWER, 800.0, start + max_age);
    assert_eq!(served(&mut meter, &reading, start + max_age).overdue, [POWER.to_string()]);
    reading.update(POWER, 800.0, start + max_age);
    assert_eq!(served(&mut meter, &reading, start + max_age).overdue, Vec::<String>::new());
}

#[test]
fn an_old_power_makes_the_meter_stale_another_value_its_fallback() {
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

/// Lists: three roofs, each with an energy and a power of its own.
const ROOFS: [Point; 6] = [ENERGY, ENERGY, ENERGY, POWER, POWER, POWER];

fn roof(point: Point, member: usize) -> Channel {
    Channel { point, member }
}

/// All three roofs have these energies in Wh and powers in W; none for one without a value.
fn roofs(values: [(Option<f64>, Option<f64>); 3], now: Instant) -> Reading {
    let mut reading = Reading::default();
    for (member, (energy, power)) in values.into_iter().enumerate() {
        for (point, value) in [(ENERGY, energy), (POWER, power)] {
            if let Some(value) = value {
                reading.update(roof(point, member), value, now);
            }
        }
    }
    reading
}

#[test]
fn a_list_is_the_sum_of_its_items() {
    let now = Instant::now();
    let mut meter = meter(config(), FRESHNESS, &ROOFS);
    let values = [(1000.0, 100.0), (2000.0, 200.0), (3000.0, 300.0)];
    let reading = roofs(values.map(|(wh, watts)| (Some(wh), Some(watts))), now);
    let values = served(&mut meter, &reading, now).measurements.unwrap();
    assert_eq!(values.exported.phases, [6000.0, 0.0, 0.0]);
    assert_eq!(values.power.phases, [-600.0, 0.0, 0.0]);
}

#[test]
fn voltages_of_a_list_are_averaged_and_currents_summed() {
    let now = Instant::now();
    let [volts, amperes] =
        [Measurand::Voltage, Measurand::Current].map(|measurand| point(measurand, Phase::L1));
    let mut meter = meter(config(), FRESHNESS, &[ENERGY, POWER, volts, volts, amperes, amperes]);
    let mut reading = example(now);
    for (point, member, value) in [(volts, 0, 230.0), (volts, 1, 232.0), (amperes, 1, 1.5)] {
        reading.update(roof(point, member), value, now);
    }
    let values = served(&mut meter, &reading, now).measurements.unwrap();
    assert_eq!(values.voltage.phases, [231.0; 3]);
    assert_eq!(values.current.phases, [3.46 + 1.5, 0.0, 0.0]);
}

#[test]
fn a_part_that_is_silent_counts_nothing_in_a_producer_and_makes_the_grid_stale() {
    let start = Instant::now();
    let later = start + STALE;
    for (role, condition, watts) in
        [(Role::Producer, Condition::Live, -300.0), (Role::Grid, Condition::Stale, 0.0)]
    {
        let mut meter = meter(MeterConfig { role, ..config() }, FRESHNESS, &ROOFS);
        let mut reading = roofs([(Some(1000.0), Some(100.0)); 3], start);
        served(&mut meter, &reading, start);
        reading.update(roof(POWER, 2), 300.0, later);
        let image = served(&mut meter, &reading, later);
        assert_eq!(image.condition, condition, "{role:?}");
        assert_eq!(image.measurements.unwrap().power.total, watts, "{role:?}");
        let is_overdue = role == Role::Grid;
        assert_eq!(image.overdue == [POWER.to_string()], is_overdue, "{role:?}");
        // With all of them silent, a producer is stale too.
        assert_eq!(served(&mut meter, &reading, later + STALE).condition, Condition::Stale);
    }
}

#[test]
fn a_list_has_its_first_value_once_every_item_has_one() {
    let start = Instant::now();
    let mut meter = meter(config(), FRESHNESS, &ROOFS);
    let awake = (Some(5000.0), Some(100.0));
    // The second is below min_energy_threshold, though all three together are not.
    let reading = roofs([awake, (Some(50.0), Some(0.0)), (None, None)], start);
    let image = served(&mut meter, &reading, start);
    let missing = |member| format!("{ENERGY} ({ENERGY} {member})");
    assert_eq!(
        (image.condition, image.overdue),
        (Condition::Waiting, vec![missing(1), missing(2)])
    );
    let reading = roofs([awake, (Some(120.0), Some(0.0)), (Some(800.0), Some(0.0))], start);
    let image = served(&mut meter, &reading, start);
    assert_eq!(image.measurements.unwrap().exported.total, 5920.0);
}

#[test]
fn after_a_day_a_list_is_served_without_an_item_that_never_had_a_value() {
    let start = Instant::now();
    let mut meter = meter(config(), FRESHNESS, &ROOFS);
    let awake = (Some(5000.0), Some(100.0));
    let mut reading = roofs([awake, awake, (None, None)], start);
    assert_eq!(served(&mut meter, &reading, start).condition, Condition::Waiting);
    // The time in which the source is away does not count.
    let back = start + Duration::from_hours(30);
    let mut steps = 0;
    let (day, image, events) = loop {
        let now = back + Duration::from_secs(5 * steps);
        steps += 1;
        reading.confirm_all(now);
        let (image, events) = meter.observe(&reading, now, UNIX_EPOCH);
        if image.condition != Condition::Waiting {
            break (now, image, events);
        }
    };
    assert!(day.duration_since(back).abs_diff(Duration::from_hours(24)) <= FRESHNESS.stale_after);
    assert_eq!(image.measurements.unwrap().exported.total, 10_000.0);
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert!(event.to_string().contains(&format!("{ENERGY} 2 has had no value for a day")));
    // From then on it brings what it counts.
    reading.update(roof(ENERGY, 2), 9000.0, day);
    assert_eq!(served(&mut meter, &reading, day).measurements.unwrap().exported.total, 10_000.0);
    let later = day + Duration::from_secs(60);
    reading.update(roof(ENERGY, 2), 9010.0, later);
    assert_eq!(served(&mut meter, &reading, later).measurements.unwrap().exported.total, 10_010.0);
}

/// One that is exchanged, or jumps, is judged by its own power and changes nothing for the others.
#[test]
fn each_item_of_a_list_has_a_guard_and_a_power_of_its_own() {
    let start = Instant::now();
    let mut meter = meter(config(), FRESHNESS, &ROOFS);
    let mut reading = roofs([(Some(10_000.0), Some(0.0)); 3], start);
    reading.update(roof(POWER, 0), 6000.0, start);
    served(&mut meter, &reading, start);
    let later = start + Duration::from_secs(20);
    // 20 s at 6 kW explain 67 Wh of the first; 1.1 kWh of the second are nobody's.
    reading.update(roof(ENERGY, 0), 10_030.0, later);
    reading.update(roof(ENERGY, 1), 11_100.0, later);
    let image = served(&mut meter, &reading, later);
    assert_eq!(image.measurements.unwrap().exported.total, 30_030.0);
}

#[test]
fn a_producer_that_consumes_is_said_once_and_a_grid_meter_never() {
    for (role, expected) in [(Role::Producer, 1), (Role::Grid, 0)] {
        let start = Instant::now();
        let mut meter = single_phase(MeterConfig { role, ..config() }, FRESHNESS);
        let mut reading = example(start);
        let mut said = Vec::new();
        for seconds in 0..300 {
            let now = start + Duration::from_secs(seconds);
            reading.update(point(Measurand::Power, Phase::L1), -800.0, now);
            said.extend(meter.observe(&reading, now, UNIX_EPOCH).1);
        }
        let lines: Vec<_> = said.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), expected, "{lines:?}");
        for line in lines {
            assert_eq!(
                line,
                "current_power L1: item current_power L1 0 has been negative for a minute, now -800 \
                 W, which is served as consumed; if the device generates that, give it factor: -1"
            );
        }
    }
}
