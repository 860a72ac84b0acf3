//! The Home Assistant app: what its form has, the program knows, and the other way round.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_yaml::{Mapping, Value};

use fronius_smartmeter::config::Config;

use crate::harness::{
    expected::fixture,
    files::{directory, text},
    program::{outcome, program},
};

/// What stands in `config.yaml`. The Supervisor drops what it does not know without a word, so a key is
/// added here once it was looked up.
const KEYS: [&str; 17] = [
    "arch",
    "description",
    "homeassistant_api",
    "image",
    "ingress",
    "init",
    "name",
    "options",
    "panel_icon",
    "panel_title",
    "ports",
    "ports_description",
    "schema",
    "slug",
    "startup",
    "url",
    "version",
];

/// Keys of the program that the form does not have, each for its reason.
const NOT_IN_THE_FORM: [&str; 9] = [
    // The app sees no files but its own.
    "homeassistant_ca_file",
    "homeassistant_token_file",
    "openhab_ca_file",
    "openhab_password_file",
    "openhab_token_file",
    // Always /data.
    "state_dir",
    // The page is shown by ingress.
    "status_hosts",
    "status_listen",
    // The port of the one meter is that of the network section; a list has the field.
    "modbus_listen",
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn app() -> PathBuf {
    project().join("home-assistant/fronius-smartmeter")
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn config() -> Value {
    yaml(&app().join("config.yaml"))
}

fn keys(map: &Value) -> BTreeSet<String> {
    map.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// What the form may have for a type of the Supervisor's schema.
fn sample(key: &str, kind: &str) -> Value {
    let kind = kind.trim_end_matches('?');
    let (kind, detail) = kind.trim_end_matches(')').split_once('(').unwrap_or((kind, ""));
    match kind {
        "list" => detail.rsplit('|').next().unwrap().into(),
        "int" | "float" => detail.split(',').next_back().unwrap().parse().unwrap_or(7_i64).into(),
        "port" => 1502.into(),
        "password" | "str" => match key {
            "name" => "roof",
            "time_zone" => "Europe/Berlin",
            "item_max_age" => "2h",
            "poll_interval" => "5s",
            "stale_after" | "idle_timeout" => "20m",
            "serial_number" => "0815",
            "openhab_token" => "oh.canary",
            _ => key,
        }
        .into(),
        other => panic!("{key}: {other}"),
    }
}

/// What the Supervisor makes of a form that is filled in.
fn options(given: &[(&str, Value)]) -> String {
    let mut options: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in config()["options"].as_mapping().unwrap() {
        options.insert(key.as_str().unwrap().to_owned(), value.clone());
    }
    options.extend(given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    serde_json::to_string_pretty(&options).unwrap()
}

/// What the program says of such options inside the app.
async fn checked(options: &str) -> String {
    let data = directory("options.json", options);
    let path = data.path().join("options.json");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let mut check = program(&["check", "--offline", "--config", text(&path)]);
    let outcome = outcome(check.env("SUPERVISOR_TOKEN", "canary")).await;
    match outcome.code {
        Some(0) => String::new(),
        _ => outcome.err,
    }
}

#[test]
fn its_keys_are_ones_that_the_supervisor_knows() {
    let config = config();
    let unknown: Vec<_> = keys(&config).into_iter().filter(|key| !KEYS.contains(&&**key)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(config["version"], env!("CARGO_PKG_VERSION"));
    let dockerfile = fs::read_to_string(project().join("Dockerfile")).unwrap();
    assert!(dockerfile.contains(concat!("ARG BUILD_VERSION=", env!("CARGO_PKG_VERSION"), "\n")));
    let changes = fs::read_to_string(app().join("CHANGELOG.md")).unwrap();
    assert!(changes.contains(concat!("\n## ", env!("CARGO_PKG_VERSION"), "\n")));
    let image = config["image"].as_str().unwrap();
    assert!(!image.contains(':'), "the Supervisor appends the version");
    assert_eq!(keys(&config["ports"]), keys(&config["ports_description"]));
}

/// The Supervisor takes any file of such a name for an app, wherever it is in the repository.
#[test]
fn no_other_file_passes_for_an_app() {
    let mut found = Vec::new();
    let mut folders = vec![project().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_hidden = name.starts_with('.') || ["target", "node_modules"].contains(&name);
            if path.is_dir() && !path.is_symlink() && !is_hidden {
                folders.push(path);
            } else if ["config.yaml", "config.yml", "config.json"].contains(&name) {
                found.push(path);
            }
        }
    }
    assert_eq!(found, [app().join("config.yaml")], "rename all but the app's own");
}

#[test]
fn the_form_has_the_keys_of_the_program() {
    let schema = &config()["schema"];
    let of_meter = keys(&schema["meters"][0]);
    let known = |text: &str| match Config::parse(text) {
        Ok(_) => true,
        Err(problems) => !format!("{problems:?}").contains("unknown key"),
    };
    let form = keys(schema);
    for key in &form {
        assert!(known(&format!("{key}: [[]]")), "{key}");
    }
    for key in &of_meter {
        assert!(known(&format!("meters: [{{{key}: [[]]}}]")), "meters: {key}");
    }
    let shown: BTreeSet<_> = form.union(&of_meter).cloned().collect();
    let documented = crate::documents::keys();
    let left: BTreeSet<_> = documented.difference(&form).map(String::as_str).collect();
    let reasons: BTreeSet<_> = NOT_IN_THE_FORM.into_iter().collect();
    let missing: Vec<_> = left.difference(&reasons).collect();
    assert!(missing.is_empty(), "neither in the form nor in the list above: {missing:?}");
    let meter: Vec<_> = shown.difference(&form).map(String::as_str).collect();
    assert_eq!(meter, ["modbus_listen", "name"]);
}

#[test]
fn every_option_and_port_has_a_text_in_both_languages() {
    let config = config();
    for language in ["en", "de"] {
        let texts = yaml(&app().join(format!("translations/{language}.yaml")));
        assert_eq!(keys(&texts["configuration"]), keys(&config["schema"]), "{language}");
        let fields = &texts["configuration"]["meters"]["fields"];
        assert_eq!(keys(fields), keys(&config["schema"]["meters"][0]), "{language}");
        assert_eq!(keys(&texts["network"]), keys(&config["ports"]), "{language}");
        let all = texts["configuration"].as_mapping().unwrap().values();
        for text in all.chain(fields.as_mapping().unwrap().values()) {
            assert!(text["name"].as_str().is_some_and(|name| name.len() > 1), "{text:?}");
            assert!(text["description"].is_string(), "{text:?}");
        }
    }
}

#[test]
fn its_pictures_have_the_size_that_is_asked_for() {
    for (name, size) in [("icon", [128, 128]), ("logo", [250, 100])] {
        let png = fs::read(app().join(name).with_extension("png")).unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!([number(16), number(20)], size, "{name}");
        assert!(app().join(name).with_extension("svg").exists(), "its source");
    }
}

#[tokio::test]
async fn a_form_without_the_two_values_says_what_is_missing() {
    let said = checked(&options(&[])).await;
    for key in ["energy_counter_out", "current_power"] {
        assert!(said.contains(&format!("{key}: has no value, expected the ")), "{said}");
    }
}

#[tokio::test]
async fn a_form_that_is_filled_in_passes() {
    let config = config();
    // Everything at once that can stand beside each other: one value for all phases, or one for each.
    let by_phase = |key: &str| key.ends_with("_l1") || key.ends_with("_l2") || key.ends_with("_l3");
    let filled = |schema: &Mapping, phases: bool| {
        let given = schema.iter().filter_map(|(key, kind)| {
            let (key, kind) = (key.as_str().unwrap(), kind.as_str()?);
            let has_phases = schema.contains_key(format!("{key}_l1"));
            let skipped = if phases { has_phases } else { by_phase(key) };
            let elsewhere = key == "source" || key.starts_with("homeassistant_");
            (!skipped && !elsewhere).then(|| (key.to_owned(), sample(key, kind)))
        });
        given.collect::<BTreeMap<_, _>>()
    };
    let schema = config["schema"].as_mapping().unwrap();
    for phases in [false, true] {
        let given = filled(schema, phases);
        let given: Vec<_> = given.iter().map(|(key, value)| (&**key, value.clone())).collect();
        assert_eq!(checked(&options(&given)).await, "", "{given:?}");

        // Two meters, whose keys do not stand at the top.
        let of_meter = schema["meters"][0].as_mapping().unwrap();
        let meter = filled(of_meter, phases);
        let mut other = meter.clone();
        other.extend(["name", "serial_number"].map(|key| (key.to_owned(), "other".into())));
        other.insert("modbus_listen".to_owned(), 502.into());
        let meters = serde_yaml::to_value([meter, other]).unwrap();
        let shared = given.into_iter().filter(|(key, _)| !of_meter.contains_key(*key));
        let given: Vec<_> = shared.chain([("meters", meters)]).collect();
        assert_eq!(checked(&options(&given)).await, "", "{given:?}");
    }
}

#[tokio::test]
async fn the_options_of_the_old_add_on_pass() {
    for name in ["addon-0.json", "addon-1.json"] {
        let options = fs::read_to_string(fixture("config/valid").join(name)).unwrap();
        assert_eq!(checked(&options).await, "", "{name}");
    }
}
