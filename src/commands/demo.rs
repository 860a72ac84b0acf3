//! Everything in one process: a simulated openHAB with a solar day, the meter, and a client that
//! shows what an inverter would see.

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
};

/// An hour of the day passes in ten seconds.
const TEN_SECONDS_PER_HOUR: u32 = 360;

/// Why the demonstration cannot be given.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No socket for the simulated openHAB.
    #[error("cannot start the simulated openHAB: {0}")]
    Simulator(io::Error),
    /// Its own configuration is wrong.
    #[error("the configuration of the demo is wrong: {0:?}")]
    Config(Vec<Problem>),
    /// The meter does not run.
    #[error("{0}\nChoose another place with --listen; 127.0.0.1:0 is always free.")]
    Daemon(#[from] DaemonError),
    /// The meter does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The terminal is gone.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs the demonstration until SIGINT or SIGTERM, with the meter at `listen`.
///
/// # Errors
/// Where a part of it does not run.
pub async fn demo(listen: SocketAddr) -> Result<(), DemoError> {
    let openhab =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(DemoError::Simulator)?;
    let openhab_address = openhab.local_addr().map_err(DemoError::Simulator)?;
    let config = Config::parse(&format!(
        "openhab_host: {openhab_address}\n\
         modbus_listen: '{listen}'\n\
         energy_counter_out: inverter_energy\n\
         current_power: inverter_power\n\
         current_voltage: inverter_voltage\n\
         current_current: inverter_current\n\
         current_frequency: inverter_frequency\n"
    ))
    .map_err(DemoError::Config)?;
    let simulator = Simulator::new(house::items(), Dialect::Current, None);
    let daemon = Daemon::start(config, Vec::new()).await?;
    let mut images = daemon.images();
    let listen = daemon.addresses().first().copied().unwrap_or(listen);

    writeln!(
        io::stdout(),
        "A simulated openHAB at http://{openhab_address} plays a solar day.\n\
         An hour of it takes 10 s; the energy counter counts in real time.\n\
         The meter is at {listen}, for any Modbus TCP or SunSpec client.\n\
         What a generator gives is negative power to an inverter.\n\
         Ctrl-C ends both.\n"
    )?;
    let watch = async {
        // The channel closes only with the daemon, which ends all this anyway.
        let _ = images.wait_for(|image| image.measurements.is_some()).await;
        watch(listen).await
    };
    tokio::select! {
        ended = daemon.run() => Ok(ended?),
        ended = watch => ended,
        ended = simulator.serve(openhab) => ended.map_err(DemoError::Simulator),
        () = house::play(&simulator, TEN_SECONDS_PER_HOUR) => Ok(()),
    }
}

/// Polls the meter every second, as an inverter does, and shows what it says.
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

/// Hours and minutes of a time of day.
fn clock(time: Duration) -> String {
    let minutes = time.as_secs().checked_div(60).unwrap_or_default();
    let (hours, minutes) = (minutes.div_euclid(60), minutes.rem_euclid(60));
    format!("{:02}:{minutes:02}", hours.rem_euclid(24))
}

/// The values that matter most, in one line.
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
