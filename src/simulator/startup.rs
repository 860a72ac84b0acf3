//! How openHAB starts: its parts come one after another, and each that is not there yet has an answer
//! of its own.

use std::time::Duration;

use tokio::time::Instant;

/// A start that takes its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Startup {
    began: Instant,
    time: Duration,
}

/// What is missing, and all that comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The web server has nothing to serve.
    Servlet,
    /// What serves the REST API has no API.
    Service,
    /// The API has no paths.
    Resource,
    Item,
}

impl Startup {
    /// One that begins now.
    pub(super) fn new(time: Duration) -> Self {
        Self { began: Instant::now(), time }
    }

    /// What is missing now. Each of the four takes as long to come.
    pub(super) fn missing(self) -> Option<Missing> {
        let share = self.began.elapsed().as_secs_f64() / self.time.as_secs_f64();
        [
            (Missing::Servlet, 0.25),
            (Missing::Service, 0.5),
            (Missing::Resource, 0.75),
            (Missing::Item, 1.0),
        ]
        .into_iter()
        .find_map(|(missing, until)| (share < until).then_some(missing))
    }
}
