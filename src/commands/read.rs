//! `read`: prints the values of a meter.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    client::{ClientError, MeterClient, report::Report},
    commands::{
        poll::{Polled, poll},
        progress,
        screen::Screen,
    },
    system::signals::ShutdownSignals,
    text::{printable, printable_json},
};

mod picture;

/// The pause between two readings.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the values of a meter cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The meter cannot be read.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Signal handlers cannot be installed.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Reads the meter at `address`, a host and port, and prints its values once.
///
/// # Errors
/// Returns an error if there is no meter, it cannot be read, or nothing can be printed.
pub async fn once(address: &str, unit: u8, json: bool) -> Result<(), ReadError> {
    let read = async { MeterClient::connect(address, unit).await?.read().await };
    let report = progress::during(&format!("reading {}", printable(address)), read).await?;
    Ok(io::stdout().write_all(text(&report, json)?.as_bytes())?)
}

/// Reads and shows a meter every second until SIGINT or SIGTERM: on a terminal in one place, else as
/// one text after another. Failures are shown, too.
///
/// # Errors
/// Returns an error if nothing can be shown.
pub async fn watch(address: &str, unit: u8, json: bool) -> Result<(), ReadError> {
    let mut signals = ShutdownSignals::install().map_err(ReadError::Signals)?;
    let (sender, polled) = watch::channel(Polled::default());
    let screen = if json { None } else { Screen::open()? };
    let show = async {
        match screen {
            Some(screen) => draw(screen, address, polled).await,
            None => print(polled, json).await,
        }
    };
    tokio::select! {
        never = poll(address, unit, PAUSE, &sender) => match never {},
        shown = show => Ok(shown?),
        _ = signals.requested() => Ok(()),
    }
}

/// Draws what was read, whenever that or the window is another. Returns with an error alone.
async fn draw(
    mut screen: Screen,
    address: &str,
    mut polled: watch::Receiver<Polled>,
) -> io::Result<()> {
    // Values become older while a meter keeps silent.
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        screen.draw(&picture::of(address, &polled.borrow_and_update(), screen.size()))?;
        tokio::select! {
            _ = ticks.tick() => {}
            _ = polled.changed() => {}
            () = screen.resized() => {}
        }
    }
}

/// Prints each reading. Returns with an error, or when there are no more.
async fn print(mut polled: watch::Receiver<Polled>, json: bool) -> io::Result<()> {
    while polled.changed().await.is_ok() {
        match &*polled.borrow_and_update() {
            Polled { error: Some(error), .. } => {
                // Standard error may be closed; what is read still counts.
                let _ = writeln!(io::stderr(), "{error}");
            }
            Polled { last: Some((report, _)), .. } => {
                let mut out = io::stdout();
                out.write_all(text(report, json)?.as_bytes())?;
                out.flush()?;
            }
            Polled { .. } => {}
        }
    }
    Ok(())
}

fn text(report: &Report, json: bool) -> io::Result<String> {
    Ok(if json {
        printable_json(&serde_json::to_string(report)?) + "\n"
    } else {
        report.to_string()
    })
}
