//! Snapshots to try the page and the verdicts with.

use crate::{
    meter::{Availability, Condition, Role},
    source::SourceKind,
};

use super::snapshot::{
    FORMAT, GuardSnapshot, HistorySnapshot, LastPoll, MeterSnapshot, Phases, Polls, Refused,
    RegisterSnapshot, Served, Snapshot, SourceSnapshot, SourceState, ValueSnapshot,
};

/// One generator, and all is well.
pub(super) fn well() -> Snapshot {
    Snapshot {
        format: FORMAT,
        version: "0.1.0",
        time_s: 1_795_744_800.0,
        uptime_s: 90_000.0,
        sources: vec![SourceSnapshot {
            kind: SourceKind::OpenHab,
            name: "openHAB at http://192.168.1.31:8080".to_owned(),
            state: SourceState::Answers,
            since_s: 89_998.0,
            has_events: true,
            fault: None,
            next_try_s: None,
        }],
        meters: vec![meter()],
        configuration: "openhab_host: 192.168.1.31\nopenhab_token: '***'\n\
                        energy_counter_out: inverter_energy\ncurrent_power: inverter_power\n\
                        current_voltage: inverter_voltage\n"
            .to_owned(),
    }
}

fn meter() -> MeterSnapshot {
    MeterSnapshot {
        name: None,
        serial_number: "01699275001".to_owned(),
        role: Role::Producer,
        source: SourceKind::OpenHab,
        unit: 1,
        model: 213,
        listens: vec!["[::]:502".to_owned()],
        condition: Condition::Live,
        answer: Availability::Registers,
        age_s: Some(0.4),
        overdue: Vec::new(),
        polls: Polls {
            connections: 1,
            answered: 90_123,
            refused: vec![Refused { code: 11, count: 12 }],
            per_minute: 60,
            last: Some(LastPoll {
                client: "192.168.1.5".to_owned(),
                age_s: 1.2,
                start: 40071,
                count: 58,
            }),
        },
        served: Some(served(-812.4)),
        values: vec![
            value("energy_counter_out", "inverter_energy", "12345.678 kWh", 12_345_678.0, "Wh"),
            value("current_power", "inverter_power", "812.4 W", 812.4, "W"),
            value("current_voltage", "inverter_voltage", "231.4 V", 231.4, "V"),
        ],
        guard: Vec::new(),
        is_saved: true,
        registers: registers(),
        history: Some(day()),
    }
}

fn value(
    key: &'static str,
    item: &str,
    state: &str,
    value: f64,
    unit: &'static str,
) -> ValueSnapshot {
    ValueSnapshot {
        key,
        phase: "L1".to_owned(),
        item: item.to_owned(),
        state: Some(state.to_owned()),
        value: Some(value),
        unit,
        age_s: Some(0.4),
        is_fresh: true,
        problem: None,
    }
}

fn served(power_w: f64) -> Served {
    let on_l1 = |total| Phases { total, l1: total, l2: 0.0, l3: 0.0 };
    Served {
        power_w: on_l1(power_w),
        voltage_v: Phases { total: 230.5, l1: 231.4, l2: 230.0, l3: 230.0 },
        current_a: on_l1(3.51),
        frequency_hz: 50.0,
        exported_wh: on_l1(12_345_678.0),
        imported_wh: on_l1(0.0),
    }
}

/// As many as a meter of model 213 has.
fn registers() -> Vec<RegisterSnapshot> {
    (40000..40075)
        .map(|address| RegisterSnapshot {
            address,
            name: "TotWhExpPhA".to_owned(),
            value: Some("12345678".to_owned()),
            words: vec![0x4B3C, 0x614E],
        })
        .collect()
}

/// A solar day with clouds, and with an hour in which nothing was known.
fn day() -> HistorySnapshot {
    let power = |minute: u32| {
        let height = (f64::from(minute) / 1440.0 * std::f64::consts::TAU).cos();
        let clouds = f64::from(minute.wrapping_mul(7919) % 997) / 1994.0;
        (!(600..660).contains(&minute)).then_some((3200.0 * height * (1.0 - clouds)).min(0.0))
    };
    let mut energy = 12_330_000.0;
    let mut exported = Vec::new();
    for minute in 0..1440 {
        let power = power(minute);
        energy -= power.unwrap_or_default() / 60.0;
        exported.push(power.map(|_| energy));
    }
    HistorySnapshot {
        start_s: 1_795_744_800.0 - 86_400.0,
        step_s: 60.0,
        power_w: (0..1440).map(power).collect(),
        exported_wh: exported,
        imported_wh: (0..1440).map(|minute| power(minute).map(|_| 0.0)).collect(),
    }
}

/// A house of three meters, all well.
pub(super) fn house() -> Snapshot {
    let mut snapshot = well();
    for (unit, name, role) in
        [(1, "grid", Role::Grid), (2, "garage", Role::Producer), (3, "roof", Role::Producer)]
    {
        let mut meter = meter();
        meter.name = Some(name.to_owned());
        meter.serial_number = format!("0169927500{unit}");
        (meter.unit, meter.role) = (unit, role);
        snapshot.meters.push(meter);
    }
    snapshot.meters.remove(0);
    snapshot
}

/// A house in which much goes wrong, and whose items have hostile texts.
pub(super) fn trouble() -> Snapshot {
    let mut snapshot = house();
    let [grid, garage, roof] = &mut snapshot.meters[..] else { panic!("three meters") };
    (grid.condition, grid.answer, grid.age_s) =
        (Condition::Stale, Availability::Exception, Some(45.0));
    grid.overdue = vec!["current_power L1".to_owned()];
    let power = &mut grid.values[1];
    power.state = Some("<script>alert(1)</script>\u{1b}[31m".to_owned());
    power.problem = Some("\"<script>alert(1)</script>\" is not a number".to_owned());
    (power.is_fresh, power.age_s) = (false, Some(45.0));
    garage.polls.last.as_mut().unwrap().age_s = 750.0;
    garage.polls.per_minute = 0;
    garage.guard = vec![GuardSnapshot {
        key: "energy_counter_out",
        phase: "L1".to_owned(),
        item: "inverter_energy".to_owned(),
        text: "energy_counter_out L1: held back for an hour: inverter_energy rose 12.300 kWh, \
               power explains 0.400 kWh; the power is of a part only, or a unit is mistaken; \
               `counters --reset garage` serves what it shows"
            .to_owned(),
    }];
    roof.condition = Condition::Waiting;
    roof.answer = Availability::Exception;
    roof.overdue = vec!["energy_counter_out L1".to_owned()];
    (roof.served, roof.age_s, roof.polls, roof.is_saved) = (None, None, Polls::default(), false);
    let energy = &mut roof.values[0];
    energy.item =
        "A_very_long_name_of_an_item_that_no_phone_can_show_in_one_line_Energy".to_owned();
    energy.state = Some("NULL".to_owned());
    energy.problem = Some("it has no value (NULL)".to_owned());
    (energy.value, energy.age_s, energy.is_fresh) = (None, None, false);
    snapshot
}
