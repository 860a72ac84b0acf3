//! The service as a process: what it serves, what it logs, and how it ends.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use chrono::{NaiveDateTime, TimeDelta, Utc};
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::{
    client::{Client, floats},
    files::{file, text},
    net::{anywhere, unused_address},
    openhab::OpenHab,
    program::{PROGRAM, RunningProgram, command, outcome, program},
    service::{ITEMS, Service, example, example_at, listening_on},
    until,
};

/// Reads all that the example makes of its items.
async fn assert_example_is_served(service: &mut Service) {
    service.is_live().await;
    let mut client = service.client().await;
    assert_eq!(client.read(40_000, 4).await.unwrap(), [0x5375, 0x6E53, 1, 65]);
    assert_eq!(client.read(40_068, 3).await.unwrap(), [2, 213, 124]);
    // It is live before the last items are read.
    until(async || floats(&client.read(40_071, 8).await.unwrap()) == [3.46, 0.0, 3.46, 0.0]).await;
    let values = floats(&client.read(40_071, 58).await.unwrap());
    assert_eq!(values[4..8], [231.4; 4], "PhV");
    assert_eq!(values[12..13], [50.0], "Hz");
    assert_eq!(values[13..17], [-800.0, 0.0, -800.0, 0.0], "W");
    let energies = floats(&client.read(40_129, 32).await.unwrap());
    assert_eq!(energies[0..4], [12_345_678.0, 0.0, 12_345_678.0, 0.0], "TotWhExp");
    assert_eq!(client.read(40_195, 2).await.unwrap(), [0xFFFF, 0]);
}

#[tokio::test]
async fn the_old_example_serves_its_items_and_ends_on_sigterm() {
    let openhab = OpenHab::start(&ITEMS);
    let mut service = Service::start(&example(openhab.address));
    assert_example_is_served(&mut service).await;
    service.stop().await;
}

#[tokio::test]
async fn a_hang_up_ends_it_as_well_and_reloads_nothing() {
    let openhab = OpenHab::start(&ITEMS);
    let mut service = Service::start(&example(openhab.address));
    service.is_live().await;
    let log = service.stop_by(Signal::HUP).await;
    assert!(log.iter().any(|line| line.ends_with("stopped by SIGHUP")), "{log:#?}");
}

/// As under `nohup`, and as a job that a script has put in the background.
#[tokio::test]
async fn a_signal_that_was_ignored_stays_ignored() {
    let openhab = OpenHab::start(&ITEMS);
    let (_held, address) = unused_address();
    let config = file(&format!("{}modbus_listen: {address}\n", example(openhab.address)));
    let mut command = command("sh");
    command
        .args(["-c", r#"trap '' HUP INT; exec "$0" "$@""#, PROGRAM, "run", "--config"])
        .arg(config.path());
    let mut running = RunningProgram::start(command);
    running.err.find("data is live").await;
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    for signal in [Signal::HUP, Signal::INT] {
        assert_eq!(ignored >> (signal.as_raw() - 1) & 1, 1, "{signal:?}");
        running.signal(signal);
    }
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code().await, Some(0));
    let log = running.err.rest().await;
    assert!(log.iter().any(|line| line.ends_with("stopped by SIGTERM")), "{log:#?}");
}

#[tokio::test]
async fn the_same_keys_work_as_json() {
    let openhab = OpenHab::start(&ITEMS);
    let config = json!({
        "connected_phase": 2,
        "energy_counter_out": "inverter2_PV_E_total",
        "current_voltage": "inverter2_Grid_U",
        "current_current": "inverter2_Grid_I",
        "current_power": "inverter2_Grid_P",
        "current_frequency": "",
        "openhab_host": openhab.address,
        "modbus_tcp_address": 2,
        "loglevel": "info",
        "time_zone": "Europe/Berlin",
    });
    let mut service = Service::start(&config.to_string());
    assert_example_is_served(&mut service).await;
}

#[tokio::test]
async fn the_sections_of_the_add_on_work_too() {
    let openhab = OpenHab::start(&ITEMS);
    let config = json!({
        "data": { "source": "openhab", "host": openhab.address, "access_token": "" },
        "modbus": { "modbus_tcp_address": 2, "connected_phase": 2 },
        "smartmeter_energy": {
            "energy_counter_out": "inverter2_PV_E_total",
            "min_energy_threshold": 0.1,
        },
        "smartmeter_livedata": {
            "current_voltage": "inverter2_Grid_U",
            "current_current": "inverter2_Grid_I",
            "current_power": "inverter2_Grid_P",
            "current_frequency": "",
        },
        "general": { "loglevel": "info", "time_zone": "Europe/Berlin" },
        "debug": { "modbus_requests": true },
    });
    let mut service = Service::start(&format!("{config:#}"));
    assert_example_is_served(&mut service).await;
    let log = service.stop().await;
    let asked_for = log.iter().any(|line| line.contains("Registers(40129, 32)"));
    assert!(asked_for, "modbus_requests shows them: {log:#?}");
}

#[tokio::test]
async fn connected_clients_are_closed_when_it_ends() {
    let openhab = OpenHab::start(&ITEMS);
    let service = Service::start(&example(openhab.address));
    let mut client = service.client().await;
    client.read(40_000, 2).await.unwrap();
    // This one is in the middle of a request.
    let mut busy = service.client().await;
    busy.send(&[0, 1, 0, 0, 0, 6, 1]).await.unwrap();
    let log = service.stop_by(Signal::INT).await;
    assert!(log.iter().any(|line| line.ends_with("stopped by SIGINT")), "{log:#?}");
    client.ended().await;
    busy.ended().await;
}

#[tokio::test]
async fn it_is_ready_while_openhab_is_away() {
    let (_held, nobody) = unused_address();
    let mut service = Service::start(&example(nobody));
    service.logs("cannot connect to").await;
    let mut client = service.client().await;
    assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    service.stop().await;
}

#[tokio::test]
async fn without_an_inherited_socket_it_listens_where_it_is_configured_to() {
    let (_held, openhab) = unused_address();
    let config =
        file(&format!("{}modbus_listen: ['127.0.0.1:0', '127.0.0.1:0']\n", example(openhab)));
    let mut running = RunningProgram::start(program(&["--config", text(config.path())]));
    for _ in 0..2 {
        let mut client = Client::connect(listening_on(&mut running).await).await;
        assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
    }
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code().await, Some(0));
}

#[tokio::test]
async fn both_wildcards_may_be_listed_in_either_order() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("NOT CHECKED: there is no IPv6 here");
        return;
    }
    let any = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    for order in [[0, 1], [1, 0]] {
        // A port that is free on every address: others may have it on one of them.
        let held = std::net::TcpListener::bind("[::]:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let here = (Ipv4Addr::LOCALHOST, port).into();
        let list = order.map(|place| SocketAddr::new(any[place], port).to_string());
        let config = file(&format!("{}modbus_listen: {list:?}\n", example("127.0.0.1")));
        drop(held);
        let mut running = RunningProgram::start(program(&["--config", text(config.path())]));
        for place in order {
            assert_eq!(listening_on(&mut running).await, SocketAddr::new(any[place], port));
        }
        for address in [here, (Ipv6Addr::LOCALHOST, port).into()] {
            let mut client = Client::connect(address).await;
            assert_eq!(client.read(40_000, 2).await.unwrap(), [0x5375, 0x6E53]);
        }
        running.signal(Signal::TERM);
        assert_eq!(running.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_port_in_use_is_reported_with_what_may_hold_it() {
    let held = TcpListener::bind(anywhere()).await.unwrap();
    let address = held.local_addr().unwrap();
    let config = file(&format!("{}modbus_listen: {address}\n", example("127.0.0.1")));
    let ended = outcome(&mut program(&["run", "--config", text(config.path())])).await;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    assert!(ended.err.contains(&format!("cannot listen on {address}")), "{ended:?}");
    assert!(ended.err.contains("another program listens there"), "{ended:?}");
}

#[tokio::test]
async fn log_lines_carry_the_time_of_the_configured_zone() {
    let openhab = OpenHab::start(&ITEMS);
    // India has no daylight saving time, and is nobody's default.
    let config = example(openhab.address).replace("Europe/Berlin", "Asia/Kolkata");
    let mut service = Service::start(&config);
    let line = service.is_live().await;
    let (time, rest) = line.split_once(" IST").unwrap();
    let time = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S%.3f").unwrap();
    let now = Utc::now().naive_utc() + TimeDelta::minutes(330);
    assert!((now - time).abs() < TimeDelta::minutes(1), "{line}");
    assert_eq!(rest.trim(), "INFO data is live");
}

#[tokio::test]
async fn without_a_time_zone_the_one_of_the_environment_counts() {
    let config = example("127.0.0.1").replace("time_zone: Europe/Berlin", "");
    let zone = async |tz: Option<&str>| {
        let mut service = Service::start_with(&config, |command| {
            match tz {
                Some(tz) => command.env("TZ", tz),
                None => command.env_remove("TZ"),
            };
        });
        let line = service.logs("fronius-smartmeter").await;
        line.split_whitespace().nth(2).unwrap().to_owned()
    };
    assert_eq!(zone(Some("Asia/Kolkata")).await, "IST");
    assert_eq!(zone(Some(":Asia/Kolkata")).await, "IST");
    assert_eq!(zone(Some("/usr/share/zoneinfo/Asia/Kolkata")).await, "IST");
    let system = zone(None).await;
    // Rules, nothing, and no name at all: none of them is an error.
    for tz in ["XST-5:30", "/etc/localtime", "", ":", "Asia/Kolkatta"] {
        assert_eq!(zone(Some(tz)).await, system, "{tz}");
    }
}

#[tokio::test]
async fn debug_shows_values_and_requests_once() {
    let openhab = OpenHab::start(&ITEMS);
    let mut service = Service::start(&example(openhab.address));
    assert_example_is_served(&mut service).await;
    let log = service.stop().await;
    let has = |words: &[&str]| log.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["DEBUG", "127.0.0.1:", "ReadHoldingRegisters(40071, 58)"]), "{log:#?}");
    assert!(!has(&["Accepted connection from"]), "what tokio-modbus repeats: {log:#?}");
    assert!(has(&["INFO", "client 127.0.0.1 polls"]), "{log:#?}");
}

#[tokio::test]
async fn info_shows_clients_and_no_requests() {
    let openhab = OpenHab::start(&ITEMS);
    let config = example_at("info", openhab.address);
    let mut service = Service::start(&config);
    assert_example_is_served(&mut service).await;
    let log = service.stop().await;
    assert!(log.iter().any(|line| line.contains("client 127.0.0.1 polls")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("DEBUG")), "{log:#?}");
}

#[tokio::test]
async fn error_is_silent_while_all_is_well() {
    let openhab = OpenHab::start(&ITEMS);
    let config = example_at("error", openhab.address);
    let service = Service::start(&config);
    let mut client = service.client().await;
    until(async || client.read(40_071, 58).await.is_ok()).await;
    assert_eq!(service.stop().await, Vec::<String>::new());
}
