//! An openHAB in this process: one that behaves, and [one that need not](raw).

use std::{net::SocketAddr, time::Duration};

pub(crate) use fronius_smartmeter::simulator::Dialect;
use fronius_smartmeter::simulator::Simulator;

use super::{
    files::assert_planted,
    net::{anywhere, listen},
    task::Task,
};

pub(crate) mod answers;
pub(crate) mod raw;

/// A small house: its energy and its power.
pub(crate) const HOUSE: [(&str, &str); 2] = [("E", "12345.678 kWh"), ("P", "800 W")];

/// The same, as the readings and registers show it, in Wh.
pub(crate) const HOUSE_ENERGY: f64 = 12_345_678.0;

/// An openHAB that behaves as the real one does.
pub(crate) struct OpenHab {
    pub(crate) address: SocketAddr,
    simulator: Simulator,
    serving: Option<Task>,
}

impl OpenHab {
    pub(crate) fn start(items: &[(&str, &str)]) -> Self {
        Self::start_as(Dialect::Current, items)
    }

    pub(crate) fn start_as(dialect: Dialect, items: &[(&str, &str)]) -> Self {
        Self::serve(anywhere(), dialect, items, None)
    }

    pub(crate) fn start_at(address: SocketAddr, items: &[(&str, &str)]) -> Self {
        Self::serve(address, Dialect::Current, items, None)
    }

    /// One that wants this token.
    #[track_caller]
    pub(crate) fn locked(token: &str, items: &[(&str, &str)]) -> Self {
        assert_planted(token);
        Self::serve(anywhere(), Dialect::Current, items, Some(token.to_owned()))
    }

    fn serve(
        address: SocketAddr,
        dialect: Dialect,
        items: &[(&str, &str)],
        token: Option<String>,
    ) -> Self {
        let items = items.iter().map(|&(name, state)| (name.to_owned(), state.to_owned()));
        let simulator = Simulator::new(items, dialect, token);
        let mut openhab = Self { address, simulator, serving: None };
        openhab.restart();
        openhab
    }

    /// Is not ready for this time.
    pub(crate) fn start_slowly(&self, time: Duration) {
        self.simulator.start_slowly(time);
    }

    /// Updates an item, as a binding does.
    #[track_caller]
    pub(crate) fn set(&self, item: &str, state: &str) {
        assert!(self.simulator.set(item, state), "there is no item {item}");
    }

    /// Closes all its connections, and the port.
    pub(crate) async fn stop(&mut self) {
        self.serving.take().expect("it has been stopped already").end().await;
    }

    /// Serves again at the same address, with the states it has.
    pub(crate) fn restart(&mut self) {
        let listener = listen(self.address);
        self.address = listener.local_addr().unwrap();
        let simulator = self.simulator.clone();
        self.serving = Some(Task::spawn(async move { simulator.serve(listener).await.unwrap() }));
    }
}
