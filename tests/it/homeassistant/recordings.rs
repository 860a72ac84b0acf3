//! What a real Home Assistant sent, message by message, and the readings that follow. The recordings
//! are in `tests/fixtures/homeassistant`, and beside each what is expected of it.

use std::{fmt::Write as _, fs, time::Instant};

use fronius_smartmeter::{
    config::Config,
    meter::{
        binding::Binding,
        reading::{Channel, Reading, Sample},
    },
};
use serde_json::Value;

use crate::harness::{
    expected::{assert_expected, fixture},
    homeassistant::{
        Act, Heard, HomeAssistant,
        answers::{RUNNING, result, say},
        frames,
    },
    source::RunningSource,
};

/// A line of a recording that matters here.
enum Line {
    Remark(String),
    /// A message of Home Assistant.
    Message(String),
}

fn recording(name: &str) -> Vec<Line> {
    let text = fs::read_to_string(fixture(&format!("homeassistant/{name}.txt"))).unwrap();
    // The first line says what the file is.
    let lines = text.lines().skip(1).filter_map(|line| {
        let (_, what) = line.trim_start().split_once(' ')?;
        let (kind, what) = what.split_once(' ')?;
        match kind {
            "#" => Some(Line::Remark(what.to_owned())),
            "S" => Some(Line::Message(what.to_owned())),
            _ => None,
        }
    });
    lines.collect()
}

/// Whether it is one that Home Assistant sends by itself later on, or an answer.
fn is_later(message: &str) -> bool {
    // Its own events have the id last.
    message.starts_with(r#"{"type":"event""#)
}

/// Gives the answers of a recording: those to a login, and those to the first command.
fn answering(lines: &[Line]) -> impl FnMut(&Heard) -> Vec<Act> + Send + 'static {
    let messages = lines.iter().filter_map(|line| match line {
        Line::Message(message) if !is_later(message) => Some(message.clone()),
        _ => None,
    });
    let messages: Vec<_> = messages.collect();
    let [required, ok, understood, entities] = &messages[..] else { panic!("{messages:#?}") };
    let answers = [required, ok, understood, entities].map(|message| say(message));
    let [mut required, mut ok, mut understood, mut entities] = answers.map(Some);
    move |heard| match (heard, heard.kind()) {
        (Heard::Request(head), _) => {
            vec![Act::Send(frames::switching(head)), required.take().unwrap()]
        }
        (_, "auth") => vec![ok.take().unwrap()],
        (_, "subscribe_entities") => vec![understood.take().unwrap(), entities.take().unwrap()],
        (Heard::Message(message), "get_config") => {
            vec![say(&result(message["id"].as_u64().unwrap(), RUNNING))]
        }
        _ => vec![],
    }
}

/// The bindings, and what the last line said of each.
struct Shown {
    bindings: Vec<Binding>,
    last: Vec<Option<Sample>>,
    held: Vec<bool>,
    text: String,
}

impl Shown {
    fn new(config: &Config) -> Self {
        let bindings = config.meters[0].bindings.clone();
        let (last, held) = (vec![None; bindings.len()], vec![false; bindings.len()]);
        Self { bindings, last, held, text: String::new() }
    }

    /// Notes what is different now.
    fn note(&mut self, reading: &Reading) {
        for (place, binding) in self.bindings.iter().enumerate() {
            let Channel { point, member } = binding.channel();
            let Some(sample) = reading.get(Channel { point, member }) else { continue };
            let holds = Some(sample.confirmed) == reading.alive();
            let same = |last: Sample| {
                last.value.to_bits() == sample.value.to_bits() && last.updated == sample.updated
            };
            if self.last[place].is_some_and(same) && self.held[place] == holds {
                continue;
            }
            let unit = point.measurand.quantity().base_symbol();
            let value = (sample.value * 1e9).round() / 1e9;
            let doubt = if holds { "" } else { " (not certain)" };
            writeln!(self.text, "  {}: {value} {unit}{doubt}", binding.item).unwrap();
            self.last[place] = Some(sample);
            self.held[place] = holds;
        }
    }
}

/// Plays a recording to a source that wants these entities: powers and energies.
async fn assert_replayed(name: &str, powers: &[&str], energies: &[&str]) {
    let lines = recording(name);
    let mut homeassistant = HomeAssistant::start(answering(&lines));
    let values = format!(
        "current_power: [{}]\nenergy_counter_out: [{}]",
        powers.join(", "),
        energies.join(", ")
    );
    let config = homeassistant.config_of(homeassistant.address, &values);
    let mut source = RunningSource::start(&config);
    homeassistant.hears("get_config", 1).await;
    let mut shown = Shown::new(&config);
    let mut before = Instant::now();
    source.shows(|reading| reading.alive().is_some_and(|alive| alive > before)).await;
    for line in lines {
        match line {
            Line::Remark(remark) => writeln!(shown.text, "{remark}").unwrap(),
            Line::Message(message) => {
                if is_later(&message) {
                    before = Instant::now();
                    homeassistant.say(&message);
                    // Any message is a sign of life.
                    source
                        .shows(|reading| reading.alive().is_some_and(|alive| alive > before))
                        .await;
                }
                shown.note(&source.reading());
            }
        }
    }
    assert_expected(&format!("homeassistant/{name}"), &shown.text);
}

#[tokio::test]
async fn entities_change_and_lose_their_unit_and_go_and_come_back() {
    let powers = [
        "sensor.rec_power",
        "sensor.rec_power_two",
        "sensor.rec_forced",
        "sensor.roof_power",
        "sensor.tpl_err",
        "sensor.nope",
    ];
    assert_replayed("differences", &powers, &["sensor.rec_energy"]).await;
}

#[tokio::test]
async fn numbers_come_through_however_python_writes_them() {
    let powers = ["sensor.rec_power", "sensor.rec_plain"];
    assert_replayed("states", &powers, &["sensor.rec_energy", "sensor.rec_energy_wh"]).await;
}

#[tokio::test]
async fn several_changes_at_once_and_strange_attributes() {
    assert_replayed("quick", &["sensor.load_0", "sensor.rec_power"], &["sensor.nope"]).await;
}

#[tokio::test]
async fn after_a_restart_entities_come_one_by_one() {
    let powers = ["sensor.rec_power", "sensor.roof_power", "sensor.tpl_uid", "sensor.trg"];
    for name in ["before-restart", "after-restart"] {
        assert_replayed(name, &powers, &["sensor.rec_energy"]).await;
    }
}

#[tokio::test]
async fn recorded_commands_are_ours() {
    for name in ["differences", "before-restart"] {
        let text = fs::read_to_string(fixture(&format!("homeassistant/{name}.txt"))).unwrap();
        let recorded = text
            .lines()
            .find_map(|line| line.split_once(" C ")?.1.contains("\"id\":1,").then_some(line));
        let recorded: Value =
            serde_json::from_str(recorded.unwrap().split_once(" C ").unwrap().1).unwrap();
        let ids: Vec<_> = recorded["entity_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        let mut homeassistant = HomeAssistant::start(answering(&recording(name)));
        let values =
            format!("energy_counter_out: {}\ncurrent_power: [{}]", ids[0], ids[1..].join(", "));
        let _source =
            RunningSource::start(&homeassistant.config_of(homeassistant.address, &values));
        homeassistant.hears("get_config", 1).await;
        let (Heard::Message(ours), _) = &homeassistant.heard("subscribe_entities")[0] else {
            unreachable!()
        };
        let sorted = |command: &Value| {
            let mut ids: Vec<_> = command["entity_ids"].as_array().unwrap().clone();
            ids.sort_by_key(ToString::to_string);
            (command["id"].clone(), command["type"].clone(), ids)
        };
        assert_eq!(sorted(ours), sorted(&recorded));
        assert_eq!(ours.as_object().unwrap().len(), 3, "{ours}");
    }
}
