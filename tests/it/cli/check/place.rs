//! What `check` says of the place: its sources, ports, and files.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::{
    super::{CONFIG, SUCCESS, UNAVAILABLE},
    COMPLETE, check_at, check_of, verdict,
};
use crate::harness::{
    files::{Secrets, file, text},
    net::{anywhere, listen},
    openhab::{OpenHab, answers, raw::RawOpenHab},
    program::{Outcome, outcome, program},
    server::{live, serve, server_config},
    service::{ITEMS, Service, example},
};

const GOOD: &str = "The inverter will get sensible values.";

#[tokio::test]
async fn only_openhab_passes_for_openhab() {
    for answer in [
        || answers::status("404 Not Found"),
        || answers::status("500 Internal Server Error"),
        || answers::state("<html>Welcome to nginx!</html>"),
    ] {
        let stranger = RawOpenHab::start(move |_: &str| answer());
        let checked = check_at(stranger.address, "", &[]).await;
        assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
        let verdict = verdict(&checked);
        let expected = "Not yet: http://ADDRESS answers, but not as openHAB does: ";
        assert!(verdict.starts_with(expected), "{verdict}");
        assert!(verdict.contains("correct openhab_host"), "{verdict}");
        assert!(!checked.out.contains("ADDRESS answers.\n"), "{checked:?}");
    }
    // All names may be wrong.
    let openhab = OpenHab::start(&[]);
    let checked = check_at(openhab.address, "", &[]).await;
    assert_eq!(checked.code, Some(CONFIG), "{checked:?}");
    assert!(checked.out.starts_with("openHAB at http://ADDRESS answers.\n"), "{checked:?}");
}

/// The example, on another address.
fn listening(openhab: &OpenHab, address: std::net::SocketAddr) -> String {
    let complete = COMPLETE.replace("0.0.0.0:0", &format!("{:?}", address.to_string()));
    format!("{}{complete}", example(openhab.address))
}

#[tokio::test]
async fn a_port_that_another_has_is_a_failure() {
    let openhab = OpenHab::start(&ITEMS);
    let meter = serve(&server_config(), live());
    let checked = check_of(&listening(&openhab, meter.address), openhab.address, &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    let expected = format!(
        "Not yet: another meter (Fronius Smart Meter IP, serial number 28491337002) already answers \
         at {}; stop it, or set modbus_listen to another address",
        meter.address
    );
    assert!(verdict(&checked).starts_with(&expected), "{checked:?}");

    // The old script has port 502 for IPv4 alone, and so not for us.
    let both = std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, meter.address.port()));
    let checked = check_of(&listening(&openhab, both), openhab.address, &[]).await;
    assert!(verdict(&checked).contains("serial number 28491337002"), "{checked:?}");

    let silent = listen(anywhere());
    let address = silent.local_addr().unwrap();
    let checked = check_of(&listening(&openhab, address), openhab.address, &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    let expected =
        format!("Not yet: another program listens at {address}, and does not answer as a meter");
    assert!(verdict(&checked).starts_with(&expected), "{checked:?}");
}

#[tokio::test]
async fn the_service_itself_may_have_the_port_and_the_counters() {
    let openhab = OpenHab::start(&ITEMS);
    let state = TempDir::new().unwrap();
    let more = format!("serial_number: OWN\nmax_power: 1000\nstate_dir: {}\n", text(state.path()));
    let mut service = Service::listening(&format!("{}{more}", example(openhab.address))).await;
    service.is_live().await;
    let listening = format!("modbus_listen: {}\n", service.address);
    let config = file(&format!("{}{more}{listening}", example(openhab.address)));
    let checked = outcome(&mut program(&["check", "--config", text(config.path())])).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    let words = words(&checked);
    let own = format!("note: the service runs already: its meter answers at {}", service.address);
    assert!(words.contains(&own), "{words}");
    assert!(words.contains("in use by another fronius-smartmeter, process"), "{words}");
    // It still has the lock, and saves.
    assert!(service.stop().await.iter().all(|line| !line.contains("WARN")));
}

fn words(checked: &Outcome) -> String {
    checked.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_address_that_the_machine_lacks_is_a_failure() {
    let openhab = OpenHab::start(&ITEMS);
    // Reserved for documentation.
    let config = listening(&openhab, "192.0.2.1:1502".parse().unwrap());
    let checked = check_of(&config, openhab.address, &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    let verdict = verdict(&checked);
    assert!(verdict.starts_with("Not yet: 192.0.2.1:1502 cannot be opened: "), "{verdict}");
    assert!(verdict.ends_with("set modbus_listen to an address that this machine has."));
}

#[tokio::test]
async fn an_inverter_must_be_able_to_reach_the_port() {
    for (address, expected) in [
        ("127.0.0.1:1502", "nobody but this machine can reach 127.0.0.1:1502"),
        ("0.0.0.0:15020", "ports 502 and 1502 only, not at 0.0.0.0:15020"),
    ] {
        let config = file(&format!("{}modbus_listen: {address}\n", example("oh")));
        let path = text(config.path());
        let checked = outcome(&mut program(&["check", "--offline", "--config", path])).await;
        assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
        assert!(words(&checked).contains(expected), "{checked:?}");
    }
}

/// `check` where systemd has these units.
async fn under_systemd(units: &Path, more: &str) -> Outcome {
    let openhab = OpenHab::start(&ITEMS);
    let config = file(&format!("{}max_power: 1000\n{more}", example(openhab.address)));
    let mut command = program(&["check", "--config", text(config.path())]);
    outcome(command.env("SYSTEMD_UNIT_PATH", units)).await
}

#[tokio::test]
async fn under_systemd_its_units_have_the_port_and_the_counters() {
    const SOCKET: &str = "fronius-smartmeter.socket";
    let units = TempDir::new().unwrap();
    fs::write(units.path().join(SOCKET), "[Socket]\n").unwrap();
    let modbus_listen = "modbus_listen: 192.0.2.1:502\n";
    let checked = under_systemd(units.path(), modbus_listen).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    let found = verdict(&checked);
    assert!(found.contains("let systemd open the port: systemctl enable --now"), "{found}");

    let wanted = units.path().join("sockets.target.wants");
    fs::create_dir(&wanted).unwrap();
    std::os::unix::fs::symlink(units.path().join(SOCKET), wanted.join(SOCKET)).unwrap();
    let checked = under_systemd(units.path(), modbus_listen).await;
    assert_eq!((checked.code, verdict(&checked).as_str()), (Some(SUCCESS), GOOD), "{checked:?}");
    let expected = "note: fronius-smartmeter.socket opens the port, so modbus_listen is not used";
    assert!(words(&checked).contains(expected), "{checked:?}");
}

#[tokio::test]
async fn a_state_dir_must_be_usable() {
    let openhab = OpenHab::start(&ITEMS);
    let checked = check_at(openhab.address, "state_dir: /proc/nope", &[]).await;
    assert_eq!(checked.code, Some(UNAVAILABLE), "{checked:?}");
    let found = verdict(&checked);
    assert!(found.starts_with("Not yet: /proc/nope: cannot be used: "), "{found}");
    assert!(found.contains("give state_dir a directory"), "{found}");

    let config = file(&format!("{}{COMPLETE}", example(openhab.address)));
    let none = outcome(&mut program(&["check", "--config", text(config.path())])).await;
    assert_eq!(none.code, Some(SUCCESS), "{none:?}");
    let expected =
        "The inverter will get values, but look at this first: there is no state_dir, so";
    assert!(verdict(&none).starts_with(expected), "{none:?}");
}

#[tokio::test]
async fn a_directory_that_is_not_there_yet_is_not_made() {
    let openhab = OpenHab::start(&ITEMS);
    let parent = TempDir::new().unwrap();
    let state = parent.path().join("new/state");
    let checked = check_at(openhab.address, &format!("state_dir: {}", state.display()), &[]).await;
    assert_eq!(verdict(&checked), GOOD, "{checked:?}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn damaged_counters_are_named_and_left_alone() {
    let openhab = OpenHab::start(&ITEMS);
    let state = TempDir::new().unwrap();
    let path = state.path().join("meter-27901134002.json");
    fs::write(&path, "{").unwrap();
    let more = format!("state_dir: {}", state.path().display());
    let checked = check_at(openhab.address, &more, &[]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    assert!(verdict(&checked).contains("damaged: "), "{checked:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{");
}

#[tokio::test]
async fn a_counter_that_shows_less_than_before_is_doubted() {
    let openhab = OpenHab::start(&ITEMS);
    let state = TempDir::new().unwrap();
    let more = format!("{COMPLETE}state_dir: {}\n", state.path().display());
    let config = format!("{}{more}", example(openhab.address));
    let mut service = Service::start(&config);
    service.is_live().await;
    service.stop().await;
    openhab.set("inverter2_PV_E_total", "12.345 kWh");
    let checked = check_of(&config, openhab.address, &[]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
    let expected = "energy_counter_out: item inverter2_PV_E_total shows 12.345 kWh, and has shown \
                    12 345.678 kWh before";
    assert!(verdict(&checked).contains(expected), "{checked:?}");
    // It begins anew each day; min_energy_threshold holds for the first value ever.
    openhab.set("inverter2_PV_E_total", "0 kWh");
    let checked = check_of(&config, openhab.address, &[]).await;
    assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
}

#[tokio::test]
async fn a_secret_that_everybody_may_read_is_named() {
    let secrets = Secrets::new();
    let key = secrets.token("oh.meter.canary");
    let openhab = OpenHab::locked("oh.meter.canary", &ITEMS);
    for (mode, expected) in [
        (
            0o644,
            "The inverter will get values, but look at this first: openhab_token_file: every user",
        ),
        (0o640, GOOD),
    ] {
        fs::set_permissions(secrets.path(0), fs::Permissions::from_mode(mode)).unwrap();
        let checked = check_at(openhab.address, &key, &[]).await;
        assert!(verdict(&checked).starts_with(expected), "{mode:o}: {checked:?}");
    }
}

#[tokio::test]
async fn under_systemd_each_further_meter_needs_a_socket() {
    let units = TempDir::new().unwrap();
    let wanted = units.path().join("sockets.target.wants");
    fs::create_dir(&wanted).unwrap();
    for unit in ["fronius-smartmeter.socket", "fronius-smartmeter@.socket"] {
        fs::write(units.path().join(unit), "[Socket]\n").unwrap();
    }
    fs::write(wanted.join("fronius-smartmeter.socket"), "").unwrap();
    let openhab = OpenHab::start(&ITEMS);
    let meter = |name: &str, address: &str| {
        format!(
            "  - name: {name}\n    energy_counter_out: inverter2_PV_E_total\n    \
             current_power: inverter2_Grid_P\n    serial_number: {name}\n    max_power: 1000\n    \
             modbus_listen: {address}\n"
        )
    };
    let meters = [meter("roof", "192.0.2.1:502"), meter("grid", "192.0.2.2:502")].concat();
    let config = file(&format!("openhab_host: {}\nmeters:\n{meters}", openhab.address));
    for (is_enabled, expected) in [
        (
            false,
            "The inverter will get values, but look at this first: grid: systemd opens no port",
        ),
        (true, GOOD),
    ] {
        if is_enabled {
            fs::write(wanted.join("fronius-smartmeter@grid.socket"), "").unwrap();
        }
        let mut command = program(&["check", "--config", text(config.path())]);
        let checked = outcome(command.env("SYSTEMD_UNIT_PATH", units.path())).await;
        assert_eq!(checked.code, Some(SUCCESS), "{checked:?}");
        assert!(verdict(&checked).starts_with(expected), "{checked:?}");
    }
}
