//! Everything misbehaves at once and at random: openHAB, other clients, and whoever reads the log.
//! In the middle one client polls as an inverter does. It keeps its connection, every answer is
//! right and in time, and once the chaos is over the meter is soon live again, and no larger.
//!
//! `CHAOS_SECONDS` says how long it lasts, `CHAOS_SEED` which chaos it is.
#![allow(clippy::restriction, reason = "a broken expectation is how a test fails")]

use std::{
    env,
    net::SocketAddr,
    time::{Duration, Instant},
};

use proptest::{
    prelude::RngExt,
    test_runner::{RngAlgorithm, TestRng},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

#[path = "../it/harness/mod.rs"]
mod harness;

mod clients;
mod inverter;
mod judge;
mod source;

use harness::{files::Secrets, program::Gate, service::Service, until, wait_for};
use inverter::{HALF_WH, Inverter, Seen};
use judge::{Footprint, Log};
use source::{POWER_W, Source};

/// From the first sound answer of the source to live data: after the longest wait between two
/// attempts (8 s) and the longest wait for an answer (5 s).
const RECOVERY: Duration = Duration::from_secs(20);

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The random choices of one part of the chaos.
fn chance(part: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&setting("CHAOS_SEED", 1).to_le_bytes());
    bytes[8..16].copy_from_slice(&part.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// A random time in milliseconds.
fn millis(chance: &mut TestRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(chance.random_range(from..to))
}

fn config(source: &Source, directory: &TempDir, secrets: &Secrets) -> String {
    format!(
        "openhab_host: {}\nenergy_counter_out: E\ncurrent_power: P\ncurrent_voltage: U\n\
         current_current: I\npoll_interval: 200ms\nstale_after: 2s\non_stale: exception\n\
         idle_timeout: 3s\nloglevel: debug\nstate_dir: {}{}{}\n",
        source.address,
        directory.path().display(),
        secrets.token("oh.meter.Zq7canary"),
        secrets.login("Xk3canary"),
    )
}

/// Reads no log for a while, again and again.
async fn forget_the_log(gate: Gate, mut chance: TestRng) {
    loop {
        sleep(millis(&mut chance, 500, 3000)).await;
        let closed = gate.close().await;
        sleep(millis(&mut chance, 500, 3000)).await;
        drop(closed);
    }
}

async fn chaos(source: &mut Source, server: SocketAddr, log: Gate, lasts: Duration) {
    let end = Instant::now() + lasts;
    let misbehaving = async {
        tokio::join!(source.misbehave(chance(1), end), clients::attack(server, end));
    };
    tokio::select! {
        () = misbehaving => {}
        () = forget_the_log(log, chance(0)) => {}
    }
}

/// Returns once the meter is live and its counter is true, after a source that behaves again.
async fn recovery(source: &mut Source, inverter: &mut Inverter) {
    // Away until it is noticed, so that what comes after can only be a recovery.
    source.stop().await;
    wait_for(&mut inverter.seen, Option::is_none).await;
    source.behave();
    let (back, energy) = (Instant::now(), source.truth.energy());
    let sound = |seen: &Seen| {
        seen.is_some_and(|v| v.power == -POWER_W && f64::from(v.energy) >= energy - HALF_WH)
    };
    let live = timeout(RECOVERY, wait_for(&mut inverter.seen, sound)).await;
    assert!(live.is_ok(), "not live {RECOVERY:?} after the source was");
    println!("live {:.1} s after the source was", back.elapsed().as_secs_f64());
}

#[tokio::test]
async fn an_inverter_is_served_whatever_all_others_do() {
    let lasts = Duration::from_secs(setting("CHAOS_SECONDS", 8));
    println!("CHAOS_SECONDS={} CHAOS_SEED={}", lasts.as_secs(), setting("CHAOS_SEED", 1));
    let (directory, secrets) = (TempDir::new().unwrap(), Secrets::new());
    let mut source = Source::start();
    let mut service = Service::listening(&config(&source, &directory, &secrets)).await;
    service.is_live().await;
    let (address, process) = (service.address, service.running.id());
    let lines = &mut service.running.err;
    let mut log = Log::default();

    let mut inverter = Inverter::start(address, source.truth.clone());
    wait_for(&mut inverter.seen, Option::is_some).await;
    let before = Footprint::of(process);
    let gate = lines.gate();
    log.take_during(lines, chaos(&mut source, address, gate, lasts)).await;
    let over = Instant::now();
    log.take_during(lines, recovery(&mut source, &mut inverter)).await;
    log.take_until(lines, over, "data is live").await;
    let closed = until(async || Footprint::of(process).descriptors <= before.descriptors);
    log.take_during(lines, closed).await;

    let after = Footprint::of(process);
    inverter.stop().judge();
    after.judge(&before);
    log.extend(service.stop().await);
    log.judge();
}
