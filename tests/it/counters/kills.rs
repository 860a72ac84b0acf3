//! The service is killed again and again.

use std::{convert::Infallible, time::Duration};

use tokio::time::{sleep, timeout};

use super::{Plant, remembered};
use crate::harness::{client::floats, openhab::OpenHab, service::Service, until, within};

/// A counter that grows all the time. Now and then openHAB lies at the wrong moment.
async fn grow(openhab: &OpenHab) -> Infallible {
    let mut step = 0_u32;
    loop {
        let state = match step % 40 {
            20 => "0 kWh".to_owned(),
            21 => "1000 kWh".to_owned(),
            22 => "NULL".to_owned(),
            _ => format!("{:.4} kWh", 5000.0 + f64::from(step) * 0.002),
        };
        openhab.set("E", &state);
        step += 1;
        sleep(Duration::from_millis(3)).await;
    }
}

/// What an inverter has seen: the last counter, and how often one came.
#[derive(Default)]
struct Seen {
    counter: f32,
    times: u32,
}

impl Seen {
    /// Polls, up to the first counter if that `suffices`, else without an end.
    async fn poll(&mut self, service: &Service, suffices: bool) {
        let mut client = service.client().await;
        loop {
            if let Ok(words) = client.read(40_129, 2).await {
                let counter = floats(&words)[0];
                assert!(counter >= self.counter, "{counter} after {}", self.counter);
                self.counter = counter;
                self.times += 1;
                if suffices {
                    return;
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Kills the service so many times, at any moment: before it has read the file, while it writes it,
/// or later.
async fn assert_never_falls(kills: u32, shift: u32) {
    let plant = Plant::new("5000 kWh");
    let mut seen = Seen::default();
    let lives = async {
        // A counter is served a moment before it is on the disk for the first time.
        let first = plant.start();
        until(async || remembered(plant.directory.path()).is_some()).await;
        first.kill().await;
        for kill in 0..kills {
            let service = plant.start();
            // A busy machine may answer nothing in a short life, so some last until it does.
            if kill % 4 == 0 {
                within(seen.poll(&service, true)).await;
            } else {
                let life = Duration::from_millis(u64::from((kill * 7 + shift) % 60));
                let _ = timeout(life, seen.poll(&service, false)).await;
            }
            service.kill().await;
            remembered(plant.directory.path());
        }
    };
    tokio::select! {
        never = grow(&plant.openhab) => match never {},
        () = lives => {}
    }
    assert!(seen.times >= kills / 4, "only {} answers, so nothing was tried", seen.times);
    assert!(seen.counter > 5_000_000.0);
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
