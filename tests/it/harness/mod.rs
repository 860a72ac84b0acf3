//! What the tests share: the service as a process and within this one, its clients, and whoever
//! plays openHAB.
#![allow(dead_code, reason = "several programs use this, each a part of it")]

use std::{panic::Location, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod expected;
pub(crate) mod files;
pub(crate) mod homeassistant;
pub(crate) mod log;
pub(crate) mod net;
pub(crate) mod openhab;
pub(crate) mod program;
pub(crate) mod recording;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod source;
pub(crate) mod task;
pub(crate) mod tls;

/// Longer than anything here may take, even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Turns what would hang into a failure.
#[track_caller]
pub(crate) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = Location::caller();
    async move {
        let Ok(output) = timeout(LIMIT, future).await else {
            panic!("no progress within {LIMIT:?} at {caller}");
        };
        output
    }
}

/// Waits for a value that meets a condition.
#[track_caller]
pub(crate) fn wait_for<T>(
    receiver: &mut watch::Receiver<T>,
    condition: impl FnMut(&T) -> bool,
) -> impl Future<Output = ()> {
    let found = within(receiver.wait_for(condition));
    async { assert!(found.await.is_ok(), "nobody is left to send it") }
}

/// Waits for what can only be asked for, by asking again and again.
#[track_caller]
pub(crate) fn until(mut condition: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    within(async move {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    })
}
