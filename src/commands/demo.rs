//! Everything in one process: a simulated openHAB with a solar day, the meter, and a client that
//! shows what an inverter would see.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    time::{Instant, interval, sleep},
};

use crate::{
    client::{ClientError, MeterClient, report::Report},
    commands::screen::Screen,
    config::{Config, Problem},
    daemon::{Daemon, DaemonError},
    simulator::{Dialect, Simulator, SolarDay},
};

/// An hour of the day passes in ten seconds.
const TEN_SECONDS_PER_HOUR: u32 = 360;

/// An hour of the day passes in a minute.
pub const MINUTE_PER_HOUR: u32 = 60;

/// The day begins at sunrise, so that there is something to see.
const SUNRISE: Duration = Duration::from_hours(6);

/// Items of the solar day, with the names that the Python script had by default.
const ITEMS: [&str; 5] = [
    "inverter_energy",
    "inverter_power",
    "inverter_voltage",
    "inverter_current",
    "inverter_frequency",
];

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

/// The items that [`play`] sets, before it does.
#[must_use]
pub fn items() -> Vec<(String, String)> {
    ITEMS.map(|item| (item.to_owned(), "NULL".to_owned())).to_vec()
}

/// Plays one solar day after the other on a simulator that has [`items`], for ever. The sun is
/// `speed` times as fast as ours; the energy counter counts what the power comes to in real time,
/// so that the two agree for whoever watches.
pub async fn play(simulator: &Simulator, speed: u32) {
    const START_KWH: f64 = 12_345.678;
    let day = SolarDay::new(5000.0, START_KWH);
    let at_sunrise = day.at(SUNRISE).energy_kwh;
    let start = Instant::now();
    let mut tick = interval(Duration::from_millis(500));
    // The first states are set without a wait, so that nobody reads the NULL of before.
    tick.reset();
    loop {
        let time = SUNRISE.saturating_add(start.elapsed().saturating_mul(speed));
        let sun = day.at(time);
        let energy = START_KWH + (sun.energy_kwh - at_sunrise) / f64::from(speed);
        let states = [
            format!("{energy:.6} kWh"),
            format!("{:.1} W", sun.power_w),
            format!("{:.1} V", sun.voltage_v),
            format!("{:.2} A", sun.current_a),
            format!("{:.2} Hz", sun.frequency_hz),
        ];
        for (item, state) in ITEMS.iter().zip(states) {
            simulator.set(item, &state);
        }
        tick.tick().await;
    }
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
    let simulator = Simulator::new(items(), Dialect::Current, None);
    let daemon = Daemon::start(config, Vec::new())?;
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
        () = play(&simulator, TEN_SECONDS_PER_HOUR) => Ok(()),
    }
}

/// Polls the meter every second, as an inverter does, and shows what it says.
async fn watch(meter: SocketAddr) -> Result<(), DemoError> {
    let start = Instant::now();
    let meter = MeterClient::connect(&meter.to_string(), 1).await?;
    let mut screen = Screen::default();
    loop {
        let report = meter.read().await?;
        let time = SUNRISE.saturating_add(start.elapsed().saturating_mul(TEN_SECONDS_PER_HOUR));
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
