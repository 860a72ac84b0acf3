//! A meter that is read again and again, as an inverter does.

use std::{convert::Infallible, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::client::{ClientError, MeterClient, report::Report};

/// What it has shown.
#[derive(Debug, Default)]
pub struct Polled {
    /// The last values, and when they were read.
    pub last: Option<(Report, Instant)>,
    /// Why there were none at the last attempt.
    pub error: Option<ClientError>,
}

impl Polled {
    /// How old the values are that are shown though newer ones were wanted.
    #[must_use]
    pub fn outdated(&self) -> Option<Duration> {
        self.error.as_ref().and(self.last.as_ref()).map(|(_, read)| read.elapsed())
    }
}

/// Reads the meter at `address`, with pauses of `pause`, and never returns. Failures are tried again,
/// since they are what one watches for.
pub async fn poll(
    address: &str,
    unit: u8,
    pause: Duration,
    polled: &watch::Sender<Polled>,
) -> Infallible {
    let mut meter = None;
    loop {
        let read = async {
            let connected = match meter.take() {
                Some(connected) => connected,
                None => MeterClient::connect(address, unit).await?,
            };
            let report = connected.read().await;
            meter = Some(connected);
            report
        };
        let read = read.await;
        if !matches!(read, Ok(_) | Err(ClientError::Refused)) {
            meter = None;
        }
        polled.send_modify(|polled| match read {
            Ok(report) => *polled = Polled { last: Some((report, Instant::now())), error: None },
            Err(error) => polled.error = Some(error),
        });
        sleep(pause).await;
    }
}
