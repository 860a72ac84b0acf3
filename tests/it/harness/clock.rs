//! Time that passes as fast as the work allows.

use std::{thread, time::Duration};

use tokio::{
    task::yield_now,
    time::{advance, pause},
};

use super::task::Task;

/// How far time moves at once.
const STEP: Duration = Duration::from_millis(10);

/// A larger step, where minutes have to pass.
pub(crate) const LEAP: Duration = Duration::from_millis(100);

/// How often every task gets its turn between two steps: enough for some words over a socket.
const TURNS: usize = 8;

/// The kernel and other threads get theirs.
const NAP: Duration = Duration::from_micros(100);

/// The clock of a test whose tasks all run in this process: of its client, its server and its time
/// limits.
///
/// tokio's own paused clock leaps to the next timer as soon as every task waits, even for bytes that
/// have arrived already. This one moves in small steps, and every task gets several turns between
/// two of them. So what a time limit measures is what the code does, however busy the machine is.
pub(crate) struct FastClock(Task);

impl FastClock {
    /// From here on time belongs to this clock.
    #[must_use]
    pub(crate) fn start() -> Self {
        Self::start_by(STEP)
    }

    /// The same in other steps: in larger ones if there is so much to do in each that many would take
    /// too long.
    #[must_use]
    pub(crate) fn start_by(step: Duration) -> Self {
        pause();
        Self(Task::spawn(async move {
            loop {
                for _ in 0..TURNS {
                    yield_now().await;
                }
                thread::sleep(NAP);
                advance(step).await;
            }
        }))
    }
}
