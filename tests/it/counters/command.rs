//! `counters`: what it shows, and what it forgets.

use super::{Plant, becomes, energy};
use crate::harness::{
    expected::{assert_all_expected, assert_expected, expected},
    files::{file, text},
    program::{outcome, program},
    service::example,
};

/// What the command prints, but for the directory, the time and the process.
async fn counters(plant: &Plant, arguments: &[&str]) -> String {
    let config = file(&plant.config());
    let mut command = program(&["counters", "--config", text(config.path())]);
    let transcript = outcome(command.args(arguments)).await.transcript();
    let lines = transcript.lines().map(|line| {
        if let Some((meter, _)) = line.split_once(", saved 2") {
            return format!("{meter}, saved TIME\n");
        }
        match line
            .split_once(", process ")
            .and_then(|(before, after)| Some((before, after.split_once(';')?)))
        {
            Some((before, (_, after))) => format!("{before}, process PID;{after}\n"),
            None => format!("{line}\n"),
        }
    });
    lines.collect::<String>().replace(text(plant.directory.path()), "STATE_DIR")
}

#[tokio::test]
async fn counters_are_shown_and_reset_on_purpose() {
    let plant = Plant::new("5000 kWh");
    let nothing = counters(&plant, &[]).await;

    let service = plant.start_live().await;
    let running = counters(&plant, &["--reset", "SN"]).await;
    service.stop().await;

    let shown = counters(&plant, &[]).await;
    let unknown = counters(&plant, &["--reset", "other"]).await;

    let lower = counters(&plant, &["--set", "SN=4999.9"]).await;
    let set = counters(&plant, &["--set", "SN=7000.5"]).await;
    let service = plant.start_live().await;
    assert_eq!(energy(&service).await, Some(7_000_500.0));
    plant.openhab.set("E", "5000.25 kWh");
    becomes(&service, 7_000_750.0).await;
    service.stop().await;
    let with_share = counters(&plant, &[]).await;

    plant.openhab.set("E", "10 kWh");
    let reset = counters(&plant, &["--reset", "SN"]).await;
    let service = plant.start_live().await;
    assert_eq!(energy(&service).await, Some(10_000.0));
    service.stop().await;

    assert_all_expected([
        (expected("counters/nothing"), nothing),
        (expected("counters/running"), running),
        (expected("counters/shown"), shown),
        (expected("counters/unknown"), unknown),
        (expected("counters/lower"), lower),
        (expected("counters/set"), set),
        (expected("counters/with-share"), with_share),
        (expected("counters/reset"), reset),
    ]);
}

#[tokio::test]
async fn without_a_directory_it_says_where_counters_would_be() {
    let config = file(&example("127.0.0.1"));
    let mut command = program(&["counters", "--config", text(config.path())]);
    assert_expected("counters/no-directory", &outcome(&mut command).await.transcript());
}
