//! The service is killed again and again.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{Plant, becomes, energy, remembered};
use crate::harness::{client::floats, openhab::OpenHab, service::Service, until, within};

/// The ceiling on the disk is no further ahead, in Wh.
const MAX_LEAD_WH: f32 = 500.0;

/// The precision of a float at 5000 kWh, in Wh.
const PRECISION_WH: f32 = 1.0;

/// A counter that grows all the time. Now and then openHAB lies at the wrong moment.
#[derive(Default)]
struct Counter {
    step: AtomicU32,
}

impl Counter {
    /// What it truly shows, in kWh.
    fn kwh(&self) -> f64 {
        5000.0 + f64::from(self.step.load(Ordering::Relaxed)) * 0.0005
    }

    /// Grows until it is dropped.
    async fn grow(&self, openhab: &OpenHab) {
        loop {
            let step = self.step.fetch_add(1, Ordering::Relaxed);
            let state = match step % 40 {
                20 => "0 kWh".to_owned(),
                21 => "1000 kWh".to_owned(),
                22 => "NULL".to_owned(),
                // As openHAB restores it from a database that is a little behind.
                23 => format!("{:.4} kWh", self.kwh() - 0.3),
                _ => format!("{:.4} kWh", self.kwh()),
            };
            openhab.set("E", &state);
            sleep(Duration::from_millis(3)).await;
        }
    }
}

/// What an inverter has seen: the last counter, and how often one came.
#[derive(Default)]
struct Seen {
    counter: f32,
    times: u32,
}

impl Seen {
    /// Polls, up to the first answer if that `suffices`, else without an end.
    async fn poll(&mut self, service: &Service, truth: &Counter, suffices: bool) {
        let mut client = service.client().await;
        loop {
            // A remembered counter is served at once, so there is never an exception.
            let words = client.read(40_129, 2).await.unwrap();
            let counter = floats(&words)[0];
            assert!(counter >= self.counter, "{counter} after {}", self.counter);
            #[expect(clippy::cast_possible_truncation, reason = "as in the register")]
            let shown = (truth.kwh() * 1000.0) as f32;
            assert!(counter <= shown + MAX_LEAD_WH + PRECISION_WH, "{counter} above {shown}");
            self.counter = counter;
            self.times += 1;
            if suffices {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Kills the service so many times, at any moment: before it has read the file, while it writes it,
/// or later. At the end what is served is what the source shows.
async fn assert_never_falls(kills: u32, shift: u32) {
    let plant = Plant::new("5000 kWh");
    let truth = Counter::default();
    let mut seen = Seen::default();
    let lives = async {
        // What is served is on the disk before, from the first value on.
        let first = plant.start();
        until(async || energy(&first).await.is_some()).await;
        first.kill().await;
        assert!(remembered(plant.directory.path()).is_some());
        for kill in 0..kills {
            let service = plant.start();
            // A busy machine may answer nothing in a short life, so some last until it does.
            if kill % 4 == 0 {
                within(seen.poll(&service, &truth, true)).await;
            } else {
                let life = Duration::from_millis(u64::from((kill * 7 + shift) % 60));
                let _ = timeout(life, seen.poll(&service, &truth, false)).await;
            }
            service.kill().await;
            remembered(plant.directory.path());
        }
    };
    tokio::select! {
        () = truth.grow(&plant.openhab) => {}
        () = lives => {}
    }
    assert!(seen.times >= kills / 4, "only {} answers, so nothing was tried", seen.times);
    assert!(seen.counter > 5_000_000.0);

    let service = plant.start_live().await;
    plant.openhab.set("E", &format!("{:.4} kWh", truth.kwh() + 0.6));
    #[expect(clippy::cast_possible_truncation, reason = "as in the register")]
    becomes(&service, ((truth.kwh() + 0.6) * 1000.0) as f32).await;
    service.stop().await;
}

/// Two hundred times, in four plants side by side: most of a life is waiting.
#[tokio::test]
async fn a_counter_never_falls_however_often_the_service_is_killed() {
    tokio::join!(
        assert_never_falls(50, 0),
        assert_never_falls(50, 2),
        assert_never_falls(50, 4),
        assert_never_falls(50, 6),
    );
}
