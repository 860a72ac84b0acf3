//! What several test files need: a Modbus client, a server in this process, and the program itself.
#![allow(dead_code, reason = "every test file is a program of its own and uses its part of this")]

use std::time::Duration;

use tokio::time::timeout;

pub(crate) mod client;
pub(crate) mod openhab;
pub(crate) mod program;
pub(crate) mod server;

/// Longer than anything here may take, even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Turns what would hang into a failure.
#[track_caller]
pub(crate) fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        let Ok(output) = timeout(LIMIT, future).await else {
            panic!("no progress within {LIMIT:?} at {caller}");
        };
        output
    }
}
