//! `setup`: what it writes, and when it writes nothing.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tempfile::TempDir;

use super::{CONFIG, SUCCESS, UNAVAILABLE, USAGE, run};
use crate::{
    harness::{
        expected::assert_expected,
        files::{assert_no_secret, text},
        homeassistant::{
            Act, Heard, HomeAssistant,
            answers::{AUTH_REQUIRED, house, result, say},
            frames,
        },
        net::unused_address,
        openhab::{HOUSE, OpenHab},
        program::{Outcome, outcome, program},
    },
    openhab::simulator::define,
};

/// A directory to write to, and what `setup` did there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn config(&self) -> std::path::PathBuf {
        self.0.path().join("config.yaml")
    }

    async fn setup(&self, arguments: &[&str]) -> Outcome {
        let config = self.config();
        run(&[&["setup", "--config", text(&config)], arguments].concat()).await
    }

    /// The configuration that was written, with what differs from run to run replaced.
    fn written(&self, address: &str) -> String {
        let written = fs::read_to_string(self.config()).unwrap();
        written.replace(text(self.0.path()), "DIRECTORY").replace(address, "ADDRESS")
    }
}

#[tokio::test]
async fn the_only_items_that_fit_are_taken() {
    let openhab = OpenHab::start(&HOUSE);
    let address = openhab.address.to_string();
    let place = Place::new();
    let done = place.setup(&[&address, "--yes", "--port", "5502"]).await;
    assert_eq!((done.code, done.err.as_str()), (Some(SUCCESS), ""), "{done:?}");
    assert_expected("setup/config", &place.written(&address));
    let place_line = "place            secondary meter, for a producer";
    for line in [place_line, "port             5502", "has 2 items with numbers"] {
        assert!(done.out.contains(line), "{line}: {}", done.out);
    }
    assert_eq!(fs::metadata(place.config()).unwrap().permissions().mode() & 0o777, 0o644);
}

#[tokio::test]
async fn phases_groups_and_a_grid_connection_are_recognised() {
    let openhab = OpenHab::start(&[]);
    for (name, definition) in [
        ("grid_export", r#""type":"Number:Energy""#),
        ("power_L1", r#""type":"Number:Power""#),
        ("power_L2", r#""type":"Number:Power""#),
        ("power_L3", r#""type":"Number:Power""#),
    ] {
        define(&openhab, name, definition).await;
    }
    let address = openhab.address.to_string();
    let place = Place::new();
    let done = place
        .setup(&["openhab", &address, "--yes", "--role", "grid", "--max-power", "24000"])
        .await;
    // None of them has a value yet, which may pass.
    assert_eq!(done.code, Some(SUCCESS), "{done:?}");
    assert_expected("setup/grid", &place.written(&address));
    assert!(done.out.contains("Modbus address   1\n"), "{}", done.out);
}

#[tokio::test]
async fn several_items_that_fit_must_be_chosen_from() {
    let items = [("roof_kwh", "5 kWh"), ("shed_kwh", "7 kWh"), ("P", "1 W")];
    let openhab = OpenHab::start(&items);
    let place = Place::new();
    let address = openhab.address.to_string();
    let done = place.setup(&["openhab", &address, "--yes"]).await;
    assert_eq!(done.code, Some(USAGE), "{done:?}");
    for part in ["--energy", "roof_kwh", "shed_kwh", "5 kWh", "7 kWh"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    assert!(!place.config().exists());

    let list = place.setup(&["openhab", &address, "--yes", "--energy", "roof_kwh,shed_kwh"]).await;
    assert_eq!(list.code, Some(SUCCESS), "{list:?}");
    let written = place.written(&address);
    assert!(written.contains("\nenergy_counter_out: [roof_kwh, shed_kwh]\n"), "{written}");
}

#[tokio::test]
async fn a_file_is_never_replaced_unasked() {
    let openhab = OpenHab::start(&HOUSE);
    let address = openhab.address.to_string();
    let place = Place::new();
    fs::write(place.config(), "mine").unwrap();
    let arguments = ["openhab", &address, "--yes", "--energy", "E", "--power", "P"];
    let refused = place.setup(&arguments).await;
    assert_eq!(refused.code, Some(UNAVAILABLE), "{refused:?}");
    assert_eq!(fs::read_to_string(place.config()).unwrap(), "mine");
    let replaced = place.setup(&[&arguments[..], &["--force"]].concat()).await;
    assert_eq!(replaced.code, Some(SUCCESS), "{replaced:?}");
    assert!(place.written(&address).contains("current_power: P"));
}

#[tokio::test]
async fn a_directory_is_refused_before_anything_is_asked() {
    let place = Place::new();
    fs::create_dir(place.config()).unwrap();
    let done = place.setup(&["openhab", "127.0.0.1:1", "--yes", "--force"]).await;
    assert_eq!(done.code, Some(USAGE), "{done:?}");
    assert!(done.err.contains("is a directory"), "{}", done.err);
}

#[tokio::test]
async fn a_strange_path_adds_nothing_to_the_configuration() {
    let openhab = OpenHab::start(&HOUSE);
    let address = openhab.address.to_string();
    let place = Place::new();
    let config = place.0.path().join("it's\nfrequency: 'x'\u{1b}[2J.yaml");
    let done = run(&["setup", "--config", text(&config), "openhab", &address, "--yes"]).await;
    assert_eq!(done.code, Some(SUCCESS), "{done:?}");
    let written = fs::read_to_string(&config).unwrap();
    assert!(written.contains("it'\\''s\u{fffd}frequency: "), "{written}");
    assert!(!done.transcript().contains('\u{1b}'), "{done:?}");
    let tried = run(&["check", "--offline", "--config", text(&config)]).await;
    assert_eq!(tried.code, Some(SUCCESS), "{tried:?}");
}

#[tokio::test]
async fn what_is_wrong_is_not_written() {
    let openhab = OpenHab::start(&HOUSE);
    let address = openhab.address.to_string();
    let place = Place::new();
    for (power, expected) in
        [("X", "no such item"), ("E", "not a unit of power"), ("a b", "item name")]
    {
        let done =
            place.setup(&["openhab", &address, "--yes", "--energy", "E", "--power", power]).await;
        assert_eq!(done.code, Some(CONFIG), "{done:?}");
        assert!(done.transcript().contains(expected), "{power}: {done:?}");
        assert!(!place.config().exists(), "{power}");
    }
}

#[tokio::test]
async fn without_a_terminal_it_says_what_to_do() {
    let place = Place::new();
    let done = place.setup(&["openhab", "127.0.0.1:1"]).await;
    assert_eq!(done.code, Some(USAGE), "{done:?}");
    assert!(done.err.contains("--yes"), "{}", done.err);
}

#[tokio::test]
async fn an_address_where_nothing_known_answers_says_why() {
    let (_reserved, address) = unused_address();
    let address = address.to_string();
    let done = Place::new().setup(&[&address, "--yes"]).await;
    assert_eq!(done.code, Some(UNAVAILABLE), "{done:?}");
    for part in ["openHAB: cannot connect", "Home Assistant: cannot connect"] {
        assert!(done.err.contains(part), "{part}: {}", done.err);
    }
    let words = Place::new().setup(&["domoticz", &address, "--yes"]).await;
    assert_eq!(words.code, Some(USAGE), "{words:?}");
}

#[tokio::test]
async fn a_token_is_used_and_not_copied_or_shown() {
    let openhab = OpenHab::locked("oh.meter.canary", &HOUSE);
    let address = openhab.address.to_string();
    let place = Place::new();
    let wanting = place.setup(&["openhab", &address, "--yes"]).await;
    assert_eq!(wanting.code, Some(USAGE), "{wanting:?}");
    assert!(wanting.err.contains("--token-file"), "{}", wanting.err);
    let token = place.0.path().join("token");
    fs::write(&token, "oh.meter.canary\n").unwrap();
    let done = place
        .setup(&[
            "openhab",
            &address,
            "--yes",
            "--token-file",
            text(&token),
            "--energy",
            "E",
            "--power",
            "P",
        ])
        .await;
    assert_eq!(done.code, Some(SUCCESS), "{done:?}");
    let written = place.written(&address);
    assert!(written.contains("\nopenhab_token_file: DIRECTORY/token\n"), "{written}");
    assert_no_secret(&format!("{written}{}", done.transcript()));
}

/// A Home Assistant that also answers what `setup` asks.
fn listing() -> impl FnMut(&Heard) -> Vec<Act> + Send + 'static {
    let mut usual = house();
    move |heard| match heard {
        // It is asked whether it is openHAB, too.
        Heard::Request(request) if !request.contains("websocket") => vec![Act::Close],
        Heard::Message(message) if message["type"] == "get_states" => {
            let unit = |unit: &str, name: &str| json!({"unit_of_measurement": unit, "friendly_name": name});
            let states = json!([
                {"entity_id": "sensor.e", "state": "12345.678", "attributes": unit("kWh", "Roof")},
                {"entity_id": "sensor.p", "state": "800", "attributes": unit("W", "Roof")},
                {"entity_id": "sun.sun", "state": "above_horizon", "attributes": {}},
            ]);
            let id = message["id"].as_u64().unwrap();
            vec![say(&result(id, &states.to_string()))]
        }
        _ => usual(heard),
    }
}

#[tokio::test]
async fn home_assistant_is_recognised_and_asked() {
    let homeassistant = HomeAssistant::start(listing());
    let address = homeassistant.address.to_string();
    let place = Place::new();
    let token = homeassistant.token_file();
    let done = place.setup(&[&address, "--yes", "--token-file", text(&token)]).await;
    assert_eq!((done.code, done.err.as_str()), (Some(SUCCESS), ""), "{done:?}");
    let written = place.written(&address).replace(text(&token), "TOKEN");
    assert_expected("setup/homeassistant", &written);
}

#[tokio::test]
async fn a_home_assistant_that_never_answers_is_not_waited_for() {
    let homeassistant = HomeAssistant::start(|heard: &Heard| match heard {
        Heard::Request(request) => vec![Act::Send(frames::switching(request)), say(AUTH_REQUIRED)],
        _ => vec![],
    });
    let token = homeassistant.token_file();
    let address = homeassistant.address.to_string();
    let place = Place::new();
    let done =
        place.setup(&["homeassistant", &address, "--yes", "--token-file", text(&token)]).await;
    assert_eq!(done.code, Some(UNAVAILABLE), "{done:?}");
    assert!(!Path::new(&place.config()).exists());
}

#[tokio::test]
async fn a_token_beside_the_configuration_is_used() {
    let openhab = OpenHab::locked("oh.meter.canary", &HOUSE);
    let address = openhab.address.to_string();
    let place = Place::new();
    let token = place.0.path().join("openhab_token");
    fs::write(&token, "oh.meter.canary\n").unwrap();
    let done = place.setup(&["openhab", &address, "--yes"]).await;
    assert_eq!(done.code, Some(SUCCESS), "{done:?}");
    let written = place.written(&address);
    assert!(written.contains("\nopenhab_token_file: DIRECTORY/openhab_token\n"), "{written}");
    assert_eq!(fs::read_to_string(&token).unwrap(), "oh.meter.canary\n");
}

#[tokio::test]
async fn what_the_system_service_needs_is_to_be_installed() {
    let openhab = OpenHab::locked("oh.meter.canary", &HOUSE);
    let address = openhab.address.to_string();
    let place = Place::new();
    let [token, units] = ["token", "units"].map(|name| place.0.path().join(name));
    fs::write(&token, "oh.meter.canary\n").unwrap();
    fs::create_dir(&units).unwrap();
    fs::write(units.join("fronius-smartmeter.socket"), "").unwrap();
    let config = place.config();
    let arguments = [
        "setup",
        "openhab",
        &address,
        "--yes",
        "--config",
        text(&config),
        "--token-file",
        text(&token),
    ];
    let done = outcome(program(&arguments).env("SYSTEMD_UNIT_PATH", &units)).await;
    assert_eq!(done.code, Some(SUCCESS), "{done:?}");
    let copied = place.0.path().join("openhab_token");
    for (mode, from, to) in [(644, &config, "config.yaml"), (600, &copied, "openhab_token")] {
        let from = from.display();
        let line = format!("  sudo install -Dm {mode} {from} /etc/fronius-smartmeter/{to}\n");
        assert!(done.out.contains(&line), "{line}: {}", done.out);
    }
    assert_eq!(fs::metadata(&copied).unwrap().permissions().mode() & 0o777, 0o600);
    // systemd opens the port, and keeps the counters.
    let written = place.written(&address);
    assert!(!written.contains("modbus_listen") && !written.contains("state_dir"), "{written}");
    assert_no_secret(&format!("{written}{}", done.transcript()));
}
