//! `counters`: what it shows, and what it forgets.

use super::{Plant, energy};
use crate::harness::{
    files::{file, text},
    program::{Outcome, outcome, program},
};

async fn counters(plant: &Plant, arguments: &[&str]) -> Outcome {
    let config = file(&plant.config());
    let mut command = program(&["counters", "--config", text(config.path())]);
    outcome(command.args(arguments)).await
}

#[tokio::test]
async fn counters_are_shown_and_reset_on_purpose() {
    let plant = Plant::new("5000 kWh");
    let empty = counters(&plant, &[]).await;
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), "Nothing is remembered yet.\n"));

    let service = plant.start_live().await;
    let running = counters(&plant, &["--reset", "SN"]).await;
    assert_eq!(running.code, Some(69), "{running:?}");
    assert!(running.err.contains("stop the service first"), "{}", running.err);
    service.stop().await;

    let shown = counters(&plant, &[]).await;
    assert!(shown.out.starts_with("meter SN, saved 20"), "{}", shown.out);
    assert!(shown.out.contains("energy_counter_out  L1  E "), "{}", shown.out);
    assert!(shown.out.contains(" 5000000 Wh served"), "{}", shown.out);

    let unknown = counters(&plant, &["--reset", "other"]).await;
    assert_eq!(unknown.code, Some(69), "{unknown:?}");
    assert!(unknown.err.contains("there are: SN"), "{}", unknown.err);

    plant.openhab.set("E", "10 kWh");
    let reset = counters(&plant, &["--reset", "SN"]).await;
    assert_eq!(reset.code, Some(0), "{reset:?}");
    let service = plant.start_live().await;
    assert_eq!(energy(&service).await, Some(10_000.0));
    service.stop().await;
}
