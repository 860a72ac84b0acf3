//! Every file in `fixtures/config`: the valid ones load, the invalid ones say what is wrong.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use fronius_smartmeter::{
    config::{Config, ConfigError},
    meter::{
        OnStale, Role,
        reading::{Measurand, Phase, Point},
        sunspec::MeterModel,
    },
    modbus::UnitIds,
    source::{
        SourceConfig,
        endpoint::Scheme,
        openhab::{OpenHabConfig, Update},
        secret::SecretSource,
    },
    status::{StatusAddress, StatusConfig},
};

use crate::harness::{
    expected::{assert_all_expected, fixture},
    files::{assert_no_secret, file},
    source::source,
};

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let files =
        fs::read_dir(fixture("config").join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().unwrap() != "expected").collect();
    files.sort();
    assert!(files.len() > 2);
    files
}

fn valid(name: &str) -> Config {
    let path = fixtures("valid").into_iter().find(|path| path.ends_with(name)).unwrap();
    Config::load(&path).unwrap()
}

fn secret_file(path: &str) -> SecretSource {
    SecretSource::File(path.into())
}

fn openhab(config: &Config) -> &OpenHabConfig {
    match &config.sources[..] {
        [SourceConfig::OpenHab(openhab)] => openhab,
        others => panic!("{others:?}"),
    }
}

#[test]
fn valid_files_load() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/example.yaml");
    for path in fixtures("valid").into_iter().chain([example]) {
        if let Err(error) = Config::load(&path) {
            panic!("{error}");
        }
    }
}

/// What people do with a secret, in place of what they should.
const MISUSED_SECRETS: [&str; 22] = [
    "openhab_token_file: oh.canary.Zq7",
    "openhab_token_file: oh.canary/Zq7==",
    "openhab_token_file: /dev/null/canary",
    "openhab_token_file: {oh.canary.Zq7: }",
    "openhab_token_file: !!int oh.canary.Zq7",
    "openhab_token_file: *canary",
    "openhab_token_file: !canary",
    "openhab_token_file: \"canary\\q\"",
    "openhab_token_file:\noh.canary.Zq7:",
    "openhab_token_file:\noh.canary.Zq7",
    "oh.canary.Zq7: !!int x",
    "oh.canary.Zq7: 1\noh.canary.Zq7: 2",
    "modbus: {oh.canary.Zq7: 1}",
    "data: {acess_token: oh.canary.Zq7}",
    "openhab_username: me\nopenhab_password_file: canary",
    "openhab_username: me:canary\nopenhab_password_file: /dev/null",
    "openhab_username: canary",
    "openhab_host: http://me:canary@oh",
    "openhab_host: me:canary",
    "openhab_host: http://oh/?accessToken=oh.canary.Zq7",
    "openhab_host: http://me%3acanary%40oh?",
    "openhab_host: [canary]",
];

#[test]
fn what_may_be_a_secret_is_in_no_message() {
    for misused in MISUSED_SECRETS {
        let host = if misused.contains("openhab_host") { "" } else { "openhab_host: oh\n" };
        let text = format!("energy_counter_out: E\ncurrent_power: P\n{host}{misused}\n");
        let message = match Config::load(file(&text).path()) {
            Err(error) => format!("{error} {error:?}"),
            Ok(config) => {
                let error = source(&config).expect_err(misused);
                format!("{config:?} {error} {error:?}")
            }
        };
        assert!(!message.contains("canary"), "{misused}: {message}");
    }
}

/// As the app's options.json is.
#[test]
fn a_secret_may_stand_in_a_file_that_only_its_owner_can_read() {
    for secret in [
        "openhab_host: oh\nopenhab_token: oh.canary.Zq7",
        "openhab_host: oh\nopenhab_username: me\nopenhab_password: canary",
        "homeassistant_host: ha\nhomeassistant_token: canary",
        "data: {source: homeassistant, host: ha, access_token: canary}",
    ] {
        let item = if secret.contains("homeassistant") { "sensor.x" } else { "X" };
        let text = format!("energy_counter_out: {item}1\ncurrent_power: {item}2\n{secret}\n");
        let file = file(&text);
        let config = Config::load(file.path()).unwrap_or_else(|error| panic!("{error}"));
        let shown = format!("{config:?} {}", config.shown);
        assert!(!shown.contains("canary"), "{shown}");
        fs::set_permissions(file.path(), Permissions::from_mode(0o640)).unwrap();
        let error = Config::load(file.path()).expect_err(secret).to_string();
        assert!(
            error.contains("others can read this file") && !error.contains("canary"),
            "{error}"
        );
    }
}

#[test]
fn invalid_files_say_all_that_is_wrong_with_them() {
    let texts = fixtures("invalid").into_iter().map(|path| {
        let Err(ConfigError::Invalid { problems, .. }) = Config::load(&path) else {
            panic!("{} is taken for valid", path.display());
        };
        let name = path.file_name().unwrap();
        let error = ConfigError::Invalid { path: name.into(), problems };
        let found = format!("{error}\n");
        assert_no_secret(&found);
        (path.with_extension("expected"), found)
    });
    assert_all_expected(texts);
}

#[test]
fn the_example_of_the_old_readme_means_what_it_meant() {
    let config = valid("old-readme.yaml");
    assert_eq!(config.log_level, tracing::Level::DEBUG);
    assert_eq!(config.time_zone, "Europe/Berlin".parse().unwrap());
    assert_eq!(openhab(&config).endpoint.to_string(), "http://192.168.1.31:8080");
    assert_eq!(openhab(&config).update, Update::Events);
    let items: Vec<_> = config.meters[0]
        .bindings
        .iter()
        .map(|binding| (binding.item.as_str(), binding.point))
        .collect();
    let on_l2 = |measurand| Point { measurand, phase: Phase::L2 };
    assert_eq!(
        items,
        [
            ("inverter2_PV_E_total", on_l2(Measurand::EnergyOut)),
            ("inverter2_Grid_P", on_l2(Measurand::Power)),
            ("inverter2_Grid_U", on_l2(Measurand::Voltage)),
            ("inverter2_Grid_I", on_l2(Measurand::Current)),
        ]
    );
    assert_eq!(config.meters[0].bindings[0].unit.to_string(), "kWh");
    assert_eq!(config.meters[0].config.role, Role::Producer);
    assert_eq!(config.meters[0].config.on_stale, OnStale::Zero);
    assert_eq!(config.freshness.stale_after, Duration::from_secs(30));
    assert_eq!(config.meters[0].config.min_energy_wh.to_bits(), 100_f64.to_bits());
    assert_eq!(config.meters[0].config.identity.address, 2);
    assert_eq!(config.modbus.unit_ids, UnitIds::Any);
    assert!(config.meters[0].listen.is_empty());
    assert_eq!(config.status, StatusConfig::default(), "there is no page");
}

#[test]
fn the_sections_of_the_add_on_are_the_flat_keys() {
    let (flat, sections) = (valid("addon-0.json"), valid("addon-1.json"));
    assert_eq!(
        format!("{:?}", openhab(&flat).endpoint),
        format!("{:?}", openhab(&sections).endpoint)
    );
    assert_eq!(flat.log_level, sections.log_level);
    assert_eq!(sections.meters[0].bindings[0].item, "smartmeter_energy");
    assert_eq!(sections.meters[0].bindings.len(), 4, "an empty frequency is none");
}

#[test]
fn a_form_gives_a_value_by_flat_keys() {
    let config = valid("flat.json");
    let shown = config.meters[0].bindings.iter().map(|binding| {
        let (item, member, point) = (&binding.item, binding.member, binding.point);
        format!("{point} {member}: {item} {} x {}", binding.unit, binding.factor)
    });
    // From L1 to L3 whatever the order of the file.
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "energy_counter_out L1 0: E1a Wh x 1",
            "energy_counter_out L1 1: E1b Wh x 1",
            "energy_counter_out L1 2: E1c Wh x 1",
            "energy_counter_out L3 0: E3 Wh x 1",
            "current_power L1 0: P1a W x 1",
            "current_power L1 1: P1b W x 1",
            "current_power L1 2: P1c W x 1",
            "current_power L3 0: P3 W x 1",
            "current_voltage L1 0: U1 V x 0.1",
            "current_voltage L1 1: U2 V x 0.1",
            "current_current L1 0: I1 mA x -1",
            "current_current L1 1: I2 mA x -1",
        ]
    );
}

#[test]
fn every_key_arrives() {
    let config = valid("three-phase-grid.yaml");
    assert_eq!(openhab(&config).endpoint.scheme, Scheme::Https);
    assert_eq!(openhab(&config).endpoint.to_string(), "https://home.example/openhab");
    assert_eq!(openhab(&config).update, Update::Poll);
    assert_eq!(openhab(&config).poll_interval, Duration::from_millis(500));
    assert_eq!(config.freshness.stale_after, Duration::from_secs(60));
    assert_eq!(config.freshness.item_max_age, Some(Duration::from_secs(3600)));
    let login = ("proxy".to_owned(), Some(secret_file("/etc/openhab-password")));
    assert_eq!(openhab(&config).credentials.login, Some(login));
    assert_eq!(openhab(&config).credentials.token, Some(secret_file("openhab_token")));
    assert_eq!(openhab(&config).ca_file, Some("/etc/ssl/own-ca.pem".into()));
    assert_eq!(config.meters[0].bindings.len(), 12, "no current");
    let unit = |name| {
        config.meters[0]
            .bindings
            .iter()
            .find(|binding| binding.item == name)
            .unwrap()
            .unit
            .to_string()
    };
    assert_eq!((unit("E_out_2").as_str(), unit("E_out_3").as_str()), ("kWh", "Wh"));
    let frequency = Point { measurand: Measurand::Frequency, phase: Phase::L3 };
    assert!(
        config.meters[0].bindings.iter().any(|binding| binding.point == frequency),
        "goes to the connected phase"
    );
    assert_eq!(config.meters[0].config.role, Role::Grid);
    assert_eq!(config.meters[0].config.on_stale, OnStale::Disconnect);
    assert_eq!(config.meters[0].config.min_energy_wh.to_bits(), 0_f64.to_bits());
    let identity = &config.meters[0].config.identity;
    assert_eq!(identity.address, 247);
    assert_eq!((identity.version.as_str(), identity.serial_number.as_str()), ("2.10", "00123"));
    assert_eq!(config.meters[0].config.model, MeterModel::Integer);
    assert_eq!(config.meters[0].config.max_power_w.to_bits(), 100_000_f64.to_bits());
    assert_eq!(config.modbus.unit_ids, UnitIds::Strict);
    assert_eq!(config.meters[0].listen.len(), 2);
    assert_eq!(config.modbus.max_connections, 8);
    assert_eq!(config.modbus.idle_timeout, Duration::from_secs(90));
    assert_eq!(config.state_dir, Some("/var/lib/fronius-smartmeter".into()));
    let listen = [
        StatusAddress::Loopback(8080),
        StatusAddress::Tcp("192.168.1.20:8080".parse().unwrap()),
        StatusAddress::Tcp("[::]:8081".parse().unwrap()),
        StatusAddress::Unix("/run/fronius-smartmeter/status.sock".into()),
    ];
    assert_eq!(config.status.listen, listen);
    let hosts = ["meter.example.org", "meter"].map(|name| name.parse().unwrap());
    assert_eq!(config.status.hosts, hosts);
}

#[test]
fn the_model_decides_the_default_of_max_power() {
    let meter = |more: &str| {
        let text = format!("openhab_host: oh\ncurrent_power: P\nenergy_counter_out: E\n{more}\n");
        let meter = Config::parse(&text).unwrap().meters.remove(0);
        let watts = meter.config.max_power_w;
        assert!(meter.bindings.iter().all(|one| one.max_power_w.to_bits() == watts.to_bits()));
        (meter.config.model, watts)
    };
    assert_eq!(meter(""), (MeterModel::Float, 50_000.0));
    assert_eq!(meter("sunspec_model: 213"), (MeterModel::Float, 50_000.0));
    assert_eq!(meter("sunspec_model: 203"), (MeterModel::Integer, 32_000.0));
    assert_eq!(meter("max_power: 40000\nsunspec_model: 203"), (MeterModel::Integer, 40_000.0));
}

#[test]
fn the_default_serial_number_is_stable_and_differs_between_meters() {
    let serial = |energy: &str, address: u8| {
        let text = format!(
            "{{openhab_host: oh, current_power: P, energy_counter_out: {energy}, \
             modbus_tcp_address: {address}}}"
        );
        Config::parse(&text).unwrap().meters[0].config.identity.serial_number.clone()
    };
    // Written down: were it ever to change, every inverter would take it for a new meter.
    assert_eq!(serial("inverter_energy", 1), "01699275001");
    // Of several phases in the order of the file.
    assert_eq!(serial("{l1: a, l2: b}", 1), "94271946001");
    assert_eq!(serial("{l2: b, l1: a}", 1), "09493708001");
    assert_ne!(serial("inverter_energy", 1), serial("inverter_energy", 2));
    assert_ne!(serial("inverter_energy", 1), serial("heatpump_energy", 1));
}
