//! `read`: prints the values of a meter.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    client::{ClientError, MeterClient, report::Report},
    commands::screen::Screen,
    text::printable_json,
};

/// Why the values of a meter cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The meter cannot be read.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Reads the meter at `address`, a host and port, and prints its values once.
///
/// # Errors
/// Returns an error if there is no meter, it cannot be read, or nothing can be printed.
pub async fn once(address: &str, unit: u8, json: bool) -> Result<(), ReadError> {
    let report = MeterClient::connect(address, unit).await?.read().await?;
    Ok(io::stdout().write_all(text(&report, json)?.as_bytes())?)
}

/// Reads and prints every second, and does not end by itself. Failures are printed and tried again,
/// since they are what one watches for.
///
/// # Errors
/// Returns an error if nothing can be printed.
pub async fn watch(address: &str, unit: u8, json: bool) -> Result<(), ReadError> {
    let mut screen = Screen::default();
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
        match read.await {
            Ok(report) => screen.show(&text(&report, json)?)?,
            Err(error) => {
                // Standard error may be closed; what is read still counts.
                let _ = writeln!(io::stderr(), "{error}");
                if !matches!(error, ClientError::Refused) {
                    meter = None;
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn text(report: &Report, json: bool) -> io::Result<String> {
    Ok(if json {
        printable_json(&serde_json::to_string(report)?) + "\n"
    } else {
        report.to_string()
    })
}
