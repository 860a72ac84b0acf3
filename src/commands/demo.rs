//! `demo`: everything in one process. A simulated openHAB plays a solar day, the meter serves it,
//! and a client shows what an inverter would see.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::{
    client::{ClientError, MeterClient, report::Report},
    commands::screen::Screen,
    config::{Config, Problem},
    daemon::{Daemon, DaemonError},
    simulator::{Dialect, Simulator, house},
    system::systemd::InheritedSockets,
};

/// Speed of the simulated day: an hour passes in ten seconds.
const TEN_SECONDS_PER_HOUR: u32 = 360;

/// Why the demo cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No socket for the simulated openHAB.
    #[error("cannot start the simulated openHAB: {0}")]
    Simulator(io::Error),
    /// The built-in configuration is wrong, which is a bug.
    #[error("the configuration of the demo is wrong: {0:?}")]
    Config(Vec<Problem>),
    /// The meter does not start, or has ended.
    #[error("{0}\nChoose another address with --listen, such as 127.0.0.1:0 for any free port.")]
    Daemon(#[from] DaemonError),
    /// The meter cannot be read.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs the demo until SIGINT or SIGTERM, with the meter at `listen`.
///
/// # Errors
/// Returns an error if a part of it fails.
pub async fn demo(listen: SocketAddr) -> Result<(), DemoError> {
    let openhab =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(DemoError::Simulator)?;
    let openhab_address = openhab.local_addr().map_err(DemoError::Simulator)?;
    let config = Config::parse(&format!(
        "openhab_host: {openhab_address}\n\
         modbus_listen: '{listen}'\n\
         status_listen: 127.0.0.1:0\n\
         energy_counter_out: inverter_energy\n\
         current_power: inverter_power\n\
         current_voltage: inverter_voltage\n\
         current_current: inverter_current\n\
         current_frequency: inverter_frequency\n"
    ))
    .map_err(DemoError::Config)?;
    let simulator = Simulator::new(house::items(), Dialect::Current, None);
    let daemon = Daemon::start(config, InheritedSockets::default()).await?;
    let images = daemon.images();
    let listen = daemon.address().unwrap_or(listen);
    if let Some(page) = daemon.status_address() {
        writeln!(io::stdout(), "See what it does at http://{page}/\n")?;
    }
    writeln!(
        io::stdout(),
        "A simulated openHAB at http://{openhab_address} plays a solar day.\n\
         An hour of it takes 10 s, but the energy counter counts in real time.\n\
         The meter is at {listen}, for any Modbus TCP or SunSpec client.\n\
         To an inverter, the power of a generator is negative.\n\
         Press Ctrl-C to stop.\n"
    )?;
    let watch = async {
        if let Some(mut images) = images {
            // The channel closes only with the daemon, which ends all this anyway.
            let _ = images.wait_for(|image| image.measurements.is_some()).await;
        }
        watch(listen).await
    };
    tokio::select! {
        ended = daemon.run() => Ok(ended?),
        ended = watch => ended,
        ended = simulator.serve(openhab) => ended.map_err(DemoError::Simulator),
        () = house::play(&simulator, TEN_SECONDS_PER_HOUR) => Ok(()),
    }
}

/// Polls the meter every second, as an inverter does, and shows its values.
async fn watch(meter: SocketAddr) -> Result<(), DemoError> {
    let start = Instant::now();
    let meter = MeterClient::connect(&meter.to_string(), 1).await?;
    let mut screen = Screen::default();
    loop {
        let report = meter.read().await?;
        let time =
            house::SUNRISE.saturating_add(start.elapsed().saturating_mul(TEN_SECONDS_PER_HOUR));
        let clock = clock(time);
        screen.show(&if screen.is_terminal() {
            format!("{clock}\n{report}")
        } else {
            format!("{clock}  {}\n", line(&report))
        })?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// A time of day as hours and minutes.
fn clock(time: Duration) -> String {
    let minutes = time.as_secs().checked_div(60).unwrap_or_default();
    let (hours, minutes) = (minutes.div_euclid(60), minutes.rem_euclid(60));
    format!("{:02}:{minutes:02}", hours.rem_euclid(24))
}

/// The most important values, in one line.
fn line(report: &Report) -> String {
    let value = |point| report.value(point).unwrap_or(f64::NAN);
    format!(
        "W {:8.1} W   A {:5.2} A   PhV {:5.1} V   Hz {:5.2} Hz   TotWhExp {:.0} Wh",
        value("W"),
        value("A"),
        value("PhV"),
        value("Hz"),
        value("TotWhExp"),
    )
}
