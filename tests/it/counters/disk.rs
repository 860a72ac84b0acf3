//! A directory that is slow, late, damaged, full or not there at all.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use super::{Plant, becomes, energy, remembered, start_live};
use crate::harness::{
    program::{command, outcome},
    service::Service,
};

#[tokio::test]
async fn a_directory_that_answers_late_is_waited_for() {
    let plant = Plant::new("5000 kWh");
    plant.start_live().await.stop().await;
    let path = plant.file();
    let saved = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // Lower than what is remembered: nobody may see it.
    plant.openhab.set("E", "1000 kWh");

    // To open a pipe that nobody writes to takes without end, as a dead network disk does.
    let made = outcome(command("mkfifo").arg(&path)).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut service = plant.start();
    service.logs("state_dir does not answer").await;
    service.logs("E has the state 1000 kWh").await;
    assert_eq!(energy(&service).await, None);
    fs::write(&path, saved).unwrap();
    service.logs("goes on from 5 000.000 kWh").await;
    service.is_live().await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    fs::remove_file(&path).unwrap();
    service.stop().await;
}

/// More may have been served before than the source shows now.
#[tokio::test]
async fn no_counter_is_served_before_what_was_served_can_be_read() {
    let plant = Plant::new("5000 kWh");
    let [mount, away] = ["mount", "away"].map(|name| plant.directory.path().join(name));
    fs::create_dir(&mount).unwrap();
    let config = plant.config_in(&mount);
    start_live(&config).await.stop().await;

    fs::rename(&mount, &away).unwrap();
    fs::write(&mount, "in the way").unwrap();
    plant.openhab.set("E", "1 kWh");
    let mut service = Service::start(&config);
    service.logs("no counter is served until it can be read").await;
    service.logs("E has the state 1 kWh").await;
    assert_eq!(energy(&service).await, None);
    service.stop().await;
    fs::remove_file(&mount).unwrap();
    fs::rename(&away, &mount).unwrap();
    let service = start_live(&config).await;
    becomes(&service, 5_000_000.0).await;
    service.stop().await;
    assert_eq!(remembered(&mount), Some(5_000_000.0));
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_the_service_goes_on() {
    let plant = Plant::new("5000 kWh");
    fs::write(plant.file(), "{\"version\":1,\"meters\":{\"SN\":{").unwrap();
    let mut service = plant.start();
    service.logs("set aside as").await;
    service.is_live().await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    service.stop().await;
    assert_eq!(remembered(plant.directory.path()), Some(5_000_000.0));
    assert!(plant.directory.path().join("meter-SN.json.damaged").exists());
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_the_memory_alone() {
    let plant = Plant::new("5000 kWh");
    // Every write fails, even root's: the new file's name is a directory's.
    fs::create_dir(plant.directory.path().join("meter-SN.json.new")).unwrap();
    let mut service = plant.start();
    service.logs("cannot be written").await;
    becomes(&service, 5_000_000.0).await;
    service.stop().await;

    let mut service = Service::start(&plant.config_in(Path::new("/proc/no/such/directory")));
    service.logs("cannot be used").await;
    service.is_live().await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    service.stop().await;
}

/// A full disk is said once, the service goes on, and nothing served falls while it runs. Once
/// there is room again, it falls in no restart either.
#[tokio::test]
async fn a_full_disk_is_said_and_survived() {
    let plant = Plant::new("5000 kWh");
    let mount = plant.directory.path().join("small");
    fs::create_dir(&mount).unwrap();
    let options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs"];
    let mounted = outcome(command("mount").args(options).arg(&mount)).await;
    if mounted.code != Some(0) {
        eprintln!("NOT CHECKED: a full disk, since nothing can be mounted here");
        return;
    }
    let config = plant.config_in(&mount);
    let mut service = start_live(&config).await;
    assert_eq!(energy(&service).await, Some(5_000_000.0));
    let filler = mount.join("filler");
    fill(&filler);
    plant.openhab.set("E", "5000.5 kWh");
    service.logs("cannot be written").await;
    becomes(&service, 5_000_500.0).await;
    plant.openhab.set("E", "5000.8 kWh");
    becomes(&service, 5_000_800.0).await;
    // Killed now, it goes on from what was written last.
    service.kill().await;
    let mut service = Service::start(&config);
    service.logs("goes on from 5 000.200 kWh").await;
    service.is_live().await;
    becomes(&service, 5_000_800.0).await;
    fs::remove_file(&filler).unwrap();
    service.stop().await;
    let mut service = Service::start(&config);
    service.logs("goes on from 5 000.800 kWh").await;
    service.stop().await;
    let unmounted = outcome(command("umount").arg(&mount)).await;
    assert_eq!(unmounted.code, Some(0), "{unmounted:?}");
}

/// Writes until there is no room left.
fn fill(path: &Path) {
    let mut filler = fs::File::create(path).unwrap();
    let full = loop {
        if let Err(error) = filler.write_all(b"x") {
            break error;
        }
    };
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
}
