use super::*;
use crate::{
    meter::{Availability, Condition},
    status::{sample, snapshot::Polls},
};

/// The verdicts on a snapshot, as `level code text`.
#[track_caller]
fn assert_verdicts(snapshot: &Snapshot, language: Language, expected: &[&str]) {
    let said: Vec<_> = verdicts(snapshot, language)
        .into_iter()
        .map(|Verdict { level, code, text }| {
            format!("{level:?} {code} {text}").replace('\u{a0}', " ")
        })
        .collect();
    assert_eq!(said, expected);
}

#[track_caller]
fn assert_english(snapshot: &Snapshot, expected: &[&str]) {
    assert_verdicts(snapshot, Language::English, expected);
}

const ASKS: &str =
    "Good inverter_asks The inverter at 192.168.1.5 asked 1 s ago and gets −812 W (generation).";
const ANSWERS: &str = "Good source_answers openHAB at http://192.168.1.31:8080 answers.";

#[test]
fn all_is_well() {
    let snapshot = sample::well();
    assert_english(
        &snapshot,
        &[
            "Good works Everything works: the inverter at 192.168.1.5 asked 1 s ago and gets −812 W \
           (generation).",
        ],
    );
    assert_verdicts(
        &snapshot,
        Language::German,
        &["Good works Alles läuft: Der Wechselrichter unter 192.168.1.5 hat vor 1 s gefragt und \
           bekommt −812 W (Erzeugung)."],
    );
}

#[test]
fn the_source_is_away() {
    let mut snapshot = sample::well();
    snapshot.sources[0].state = SourceState::Away;
    snapshot.sources[0].since_s = 35.0;
    snapshot.sources[0].fault = Some("connection refused".to_owned());
    // While the values are fresh, the inverter does not suffer. Its items are not blamed as well.
    snapshot.meters[0].values[1].problem = Some("connection refused".to_owned());
    let away = "source_away openHAB at http://192.168.1.31:8080 has not answered for 35 s: \
                connection refused.";
    assert_english(&snapshot, &[&format!("Warning {away}"), ASKS]);

    let meter = &mut snapshot.meters[0];
    (meter.condition, meter.age_s) = (Condition::Stale, Some(35.0));
    meter.overdue = vec!["current_power L1".to_owned()];
    meter.served.as_mut().unwrap().power_w.total = 0.0;
    assert_english(
        &snapshot,
        &[
            &format!("Fault {away}"),
            "Fault stale The data is old (current_power L1 not confirmed for 35 s); an inverter \
             gets 0 W.",
            "Good inverter_asks The inverter at 192.168.1.5 asked 1 s ago and gets 0 W.",
        ],
    );
}

#[test]
fn the_source_was_not_reached_yet() {
    let mut snapshot = sample::well();
    snapshot.sources[0].state = SourceState::Unknown;
    snapshot.uptime_s = 2.0;
    assert_english(
        &snapshot,
        &["Warning source_unknown openHAB at http://192.168.1.31:8080 has not answered yet.", ASKS],
    );
}

#[test]
fn no_inverter_has_asked() {
    let mut snapshot = sample::well();
    snapshot.meters[0].polls = Polls::default();
    let never = "Fault inverter_never_asked No inverter has asked yet. Add a Smart Meter IP in the \
                 inverter, with the address of this machine,";
    assert_english(&snapshot, &[&format!("{never} port 502 and Modbus address 1."), ANSWERS]);

    snapshot.meters[0].listens = vec!["127.0.0.1:1502".to_owned()];
    let unreachable = "It can only be reached from this machine itself: change modbus_listen.";
    assert_english(
        &snapshot,
        &[&format!("{never} port 1502 and Modbus address 1. {unreachable}"), ANSWERS],
    );

    snapshot.meters[0].listens = vec!["0.0.0.0:5020".to_owned()];
    let refused = "But an inverter only accepts the ports 502 and 1502: change modbus_listen.";
    assert_english(
        &snapshot,
        &[&format!("{never} port 5020 and Modbus address 1. {refused}"), ANSWERS],
    );

    snapshot.uptime_s = 12.0;
    assert_english(
        &snapshot,
        &[
            "Warning inverter_expected No inverter has asked yet; the service started 12 s ago.",
            ANSWERS,
        ],
    );
}

#[test]
fn the_inverter_has_stopped() {
    let mut snapshot = sample::well();
    snapshot.meters[0].polls.last.as_mut().unwrap().age_s = 725.0;
    assert_english(
        &snapshot,
        &[
            "Fault inverter_stopped The inverter has stopped asking: its last request came 12 min \
             ago, from 192.168.1.5.",
            ANSWERS,
        ],
    );
}

#[test]
fn an_item_has_no_value() {
    let mut snapshot = sample::well();
    let meter = &mut snapshot.meters[0];
    meter.values[2].problem = Some("it has no value (NULL)".to_owned());
    assert_english(
        &snapshot,
        &[
            "Warning value_missing current_voltage L1: inverter_voltage gives no value: it has \
             no value (NULL).",
            ANSWERS,
            ASKS,
        ],
    );
}

#[test]
fn the_first_value_is_missing() {
    let mut snapshot = sample::well();
    let meter = &mut snapshot.meters[0];
    (meter.condition, meter.answer, meter.served) =
        (Condition::Waiting, Availability::Exception, None);
    meter.overdue = vec!["energy_counter_out L1".to_owned()];
    let energy = &mut meter.values[0];
    (energy.value, energy.age_s, energy.is_fresh) = (None, None, false);
    let asks = "Good inverter_asks The inverter at 192.168.1.5 asked 1 s ago and gets an exception \
                in place of values.";
    let waiting = "waiting Still waiting for the first value of energy_counter_out L1.";
    assert_english(
        &snapshot,
        &[
            &format!("Fault {waiting}"),
            "Fault value_missing energy_counter_out L1: inverter_energy has given no value \
             yet.",
            ANSWERS,
            asks,
        ],
    );
    snapshot.uptime_s = 5.0;
    assert_english(&snapshot, &[&format!("Warning {waiting}"), ANSWERS, asks]);
}

#[test]
fn data_is_stale() {
    let mut snapshot = sample::well();
    let meter = &mut snapshot.meters[0];
    (meter.condition, meter.answer, meter.age_s) =
        (Condition::Stale, Availability::Disconnect, Some(45.0));
    meter.overdue = vec!["current_power L1".to_owned()];
    (meter.values[1].is_fresh, meter.values[1].age_s) = (false, Some(45.0));
    assert_english(
        &snapshot,
        &[
            "Fault stale The data is old (current_power L1 not confirmed for 45 s); an inverter \
             gets a closed connection.",
            "Fault value_old current_power L1: inverter_power has not been confirmed for 45 s.",
            ANSWERS,
            "Good inverter_asks The inverter at 192.168.1.5 asked 1 s ago and gets a closed \
             connection.",
        ],
    );
}

#[test]
fn a_counter_is_held_and_cannot_be_saved() {
    let mut snapshot = sample::well();
    snapshot.meters[0].guard = sample::trouble().meters[1].guard.clone();
    snapshot.meters[0].is_saved = false;
    assert_english(
        &snapshot,
        &[
            "Warning counter_held energy_counter_out L1: held back for an hour: \
             inverter_energy rose 12.300 kWh, power explains 0.400 kWh; the power is of a part \
             only, or a unit is mistaken; `counters --reset garage` serves what it shows.",
            "Warning counters_not_saved The counters cannot be saved: a crash may forget what was \
             served since they were last saved. Check state_dir and its disk.",
            ANSWERS,
            ASKS,
        ],
    );
}

#[test]
fn several_meters_are_named_where_they_differ() {
    let mut snapshot = sample::house();
    assert_english(
        &snapshot,
        &[
            "Good works Everything works.",
            "Good inverter_asks grid: The inverter at 192.168.1.5 asked 1 s ago and gets −812 W \
             (export).",
            "Good inverter_asks garage, roof: The inverter at 192.168.1.5 asked 1 s ago and gets \
             −812 W (generation).",
        ],
    );
    snapshot.meters[2].polls.last.as_mut().unwrap().age_s = 90.0;
    let said = verdicts(&snapshot, Language::English);
    assert_eq!(said[0].code, "inverter_stopped");
    assert!(said[0].text.starts_with("roof: The inverter has stopped"), "{}", said[0].text);
}
