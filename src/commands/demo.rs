//! `demo`: everything in one process. A simulated openHAB plays a solar day, the meter serves it,
//! and a client shows what an inverter would see.

use std::{
    convert::Infallible,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::watch,
    time::{Instant, interval},
};

use crate::{
    client::report::Report,
    commands::{
        poll::{Polled, poll},
        screen::Screen,
    },
    config::{Config, Problem},
    daemon::{Daemon, DaemonError},
    meter::{Condition, Image},
    simulator::{Dialect, Simulator},
    system::systemd::InheritedSockets,
};

mod curve;
mod day;
mod picture;
mod plant;
mod story;

use curve::Curve;
use day::Moment;
use picture::Scene;
use plant::{ITEMS, MAX_POWER, Plant};
use story::Story;

/// How often openHAB's items are updated. An hour of the day has 18 of these.
const TICK: Duration = Duration::from_millis(250);

/// The pause between two polls: as inverters have it, and for a picture that moves.
const POLL_PAUSE: Duration = Duration::from_secs(1);
const QUICK_POLL_PAUSE: Duration = Duration::from_millis(250);

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
    /// Standard output cannot be written.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs the demo until SIGINT or SIGTERM, with the meter at `listen`: as a picture on a terminal, else
/// as plain lines.
///
/// # Errors
/// Returns an error if a part of it fails.
pub async fn demo(listen: SocketAddr) -> Result<(), DemoError> {
    let openhab =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(DemoError::Simulator)?;
    let address = openhab.local_addr().map_err(DemoError::Simulator)?;
    let config = Config::parse(&config(address, listen)).map_err(DemoError::Config)?;
    let items = ITEMS.map(|item| (item.to_owned(), "NULL".to_owned()));
    let simulator = Simulator::new(items, Dialect::Current, None);
    let daemon = Daemon::start(config, InheritedSockets::default()).await?;
    let meter = daemon.address().unwrap_or(listen).to_string();
    let page = daemon.status_address().map(|page| page.to_string());
    let (polls, polled) = watch::channel(Polled::default());
    let show = Show {
        start: Instant::now(),
        simulator: simulator.clone(),
        images: daemon.images(),
        polled,
        meter: meter.clone(),
        page: page.unwrap_or_default(),
    };
    let screen = Screen::open()?;
    let pause = if screen.is_some() { QUICK_POLL_PAUSE } else { POLL_PAUSE };
    tokio::select! {
        ended = daemon.run() => Ok(ended?),
        ended = simulator.serve(openhab) => ended.map_err(DemoError::Simulator),
        never = play(&simulator, show.start) => match never {},
        never = poll(&meter, 1, pause, &polls) => match never {},
        ended = show.run(screen) => Ok(ended?),
    }
}

/// The configuration of the meter. The day is short, so old data is soon old.
fn config(openhab: SocketAddr, listen: SocketAddr) -> String {
    format!(
        "openhab_host: {openhab}\n\
         modbus_listen: '{listen}'\n\
         status_listen: 127.0.0.1:0\n\
         energy_counter_out: [roof_energy, balcony_energy]\n\
         current_power: [roof_power, balcony_power]\n\
         current_voltage: grid_voltage\n\
         current_frequency: grid_frequency\n\
         max_power: {MAX_POWER}\n\
         stale_after: 2s\n\
         poll_interval: 500ms\n"
    )
}

/// Lets one day after another pass in openHAB, and never returns.
async fn play(simulator: &Simulator, start: Instant) -> Infallible {
    let mut plant = Plant::new();
    let mut ticks = interval(TICK);
    let mut before = start;
    loop {
        // The first is at once, so that nobody reads NULL.
        let now = ticks.tick().await;
        let moment = Moment::after(now.saturating_duration_since(start));
        plant.advance(moment, now.saturating_duration_since(before), simulator);
        simulator.set_away(moment.is_outage());
        before = now;
    }
}

/// Shows it.
struct Show {
    start: Instant,
    simulator: Simulator,
    images: Option<watch::Receiver<Arc<Image>>>,
    polled: watch::Receiver<Polled>,
    meter: String,
    page: String,
}

impl Show {
    /// Returns with an error alone.
    async fn run(self, screen: Option<Screen>) -> io::Result<()> {
        match screen {
            Some(screen) => self.draw(screen).await,
            None => self.print().await,
        }
    }

    async fn draw(mut self, mut screen: Screen) -> io::Result<()> {
        let mut curve = Curve::default();
        loop {
            self.note(&mut curve);
            self.scene(&mut screen, &curve)?;
            tokio::select! {
                _ = self.polled.changed() => {}
                () = screen.resized() => {}
            }
        }
    }

    /// Notes what was polled.
    fn note(&self, curve: &mut Curve) {
        let polled = self.polled.borrow();
        let power = polled.last.as_ref().and_then(|(report, _)| report.value("W"));
        if let Some(power) = power {
            curve.note(self.now(), self.condition(), power);
        }
    }

    fn scene(&mut self, screen: &mut Screen, curve: &Curve) -> io::Result<()> {
        let (moment, condition) = (self.now(), self.condition());
        let is_away = self.simulator.is_away();
        let states = ITEMS.map(|item| self.simulator.state(item).unwrap_or_default());
        let polled = self.polled.borrow_and_update();
        let scene = Scene {
            moment,
            story: Story::of(moment, is_away, condition),
            states,
            is_away,
            condition,
            report: polled.last.as_ref().map(|(report, _)| report),
            curve,
            meter: &self.meter,
            page: &self.page,
        };
        screen.draw(&scene.draw(screen.size()))
    }

    /// A line for each poll that was answered.
    async fn print(mut self) -> io::Result<()> {
        let mut out = io::stdout();
        writeln!(
            out,
            "See what it does at http://{}/\n\n\
             A simulated openHAB plays a solar day in a minute, with an outage at 10:30.\n\
             The energy counts in real time, not in that of the day.\n\
             The meter is at {}, for any Modbus TCP or SunSpec client.\n\
             To an inverter, the power of a generator is negative.\n\
             Press Ctrl-C to stop.\n",
            self.page, self.meter
        )?;
        while self.polled.changed().await.is_ok() {
            let (clock, condition) = (self.now().clock(), self.condition());
            if let Polled { last: Some((report, _)), error: None } =
                &*self.polled.borrow_and_update()
            {
                writeln!(out, "{clock}  {}   {condition}", line(report))?;
            }
        }
        Ok(())
    }

    fn now(&self) -> Moment {
        Moment::after(self.start.elapsed())
    }

    fn condition(&self) -> Condition {
        self.images.as_ref().map_or(Condition::Waiting, |images| images.borrow().condition)
    }
}

/// The most important values, in one line of a terminal.
fn line(report: &Report) -> String {
    let value = |point| report.value(point).unwrap_or(f64::NAN);
    format!(
        "{:8.1} W   {:5.2} A   {:5.1} V   {:5.2} Hz   {:.0} Wh",
        value("W"),
        value("A"),
        value("PhV"),
        value("Hz"),
        value("TotWhExp"),
    )
}
