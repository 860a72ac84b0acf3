//! The service as a process, as systemd or a shell would start it.

use std::{
    fmt::Display,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::NamedTempFile;
use tokio::process::Command;

use super::{
    client::Client,
    files::{file, text},
    net::anywhere,
    program::{PROGRAM, RunningProgram, command, program},
};

/// Gives a process its standard input as systemd would give it a socket: as descriptor 3. The shell
/// is replaced by the program, so the process id is the program's.
const WITH_SOCKET: &str = r#"export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@" 3<&0 </dev/null"#;

/// The items of the old README's example.
pub(crate) const ITEMS: [(&str, &str); 4] = [
    ("inverter2_PV_E_total", "12345.678 kWh"),
    ("inverter2_Grid_U", "231.4 V"),
    ("inverter2_Grid_I", "3.46 A"),
    ("inverter2_Grid_P", "800 W"),
];

/// The old README's example; only openHAB is somewhere else.
pub(crate) fn example(openhab: impl Display) -> String {
    let text = include_str!("../../fixtures/config/valid/old-readme.yaml");
    text.replace("192.168.1.31", &openhab.to_string())
}

/// The same, with another log level than `debug`.
pub(crate) fn example_at(level: &str, openhab: impl Display) -> String {
    example(openhab).replace("loglevel: debug", &format!("loglevel: {level}"))
}

/// The service, and where it is polled.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) running: RunningProgram,
    _config: NamedTempFile,
}

impl Service {
    /// On a socket that it inherits.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, |_| {})
    }

    /// On a socket that it inherits, and with what else `adapt` gives it.
    pub(crate) fn start_with(config: &str, adapt: impl FnOnce(&mut Command)) -> Self {
        let socket = std::net::TcpListener::bind(anywhere()).unwrap();
        let address = socket.local_addr().unwrap();
        let config = file(config);
        let mut command = command("sh");
        command
            .args(["-c", WITH_SOCKET, PROGRAM, "run", "--config"])
            .arg(config.path())
            .stdin(OwnedFd::from(socket));
        adapt(&mut command);
        Self { address, running: RunningProgram::start(command), _config: config }
    }

    /// On a socket that it opens by itself, at an address of the configuration.
    pub(crate) async fn listening(config: &str) -> Self {
        let config = file(&format!("{config}modbus_listen: {}\n", anywhere()));
        let mut running = RunningProgram::start(program(&["--config", text(config.path())]));
        let address = listening_on(&mut running).await;
        Self { address, running, _config: config }
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub(crate) fn logs(&mut self, text: &str) -> impl Future<Output = String> {
        self.running.err.find(text)
    }

    #[track_caller]
    pub(crate) fn is_live(&mut self) -> impl Future<Output = String> {
        self.logs("data is live")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Ends it as systemd does, and gives what it has logged since the last line that was waited for.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.stop_by(Signal::TERM).await
    }

    pub(crate) async fn stop_by(mut self, signal: Signal) -> Vec<String> {
        let stopped = Instant::now();
        self.running.signal(signal);
        assert_eq!(self.running.exit_code().await, Some(0));
        assert!(stopped.elapsed() < Duration::from_secs(5), "it took {:?}", stopped.elapsed());
        self.running.err.rest().await
    }

    /// Ends it as a power cut does.
    pub(crate) async fn kill(mut self) {
        self.running.signal(Signal::KILL);
        assert_eq!(self.running.exit_code().await, None);
    }
}

/// The next address where the service says that it listens.
pub(crate) async fn listening_on(running: &mut RunningProgram) -> SocketAddr {
    let line = running.err.find("listening on").await;
    let (_, address) = line.rsplit_once(' ').unwrap();
    address.parse().unwrap()
}
