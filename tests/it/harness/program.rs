//! The program as a process of its own.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::Path,
    process::Stdio,
};

use tempfile::{NamedTempFile, TempDir};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpSocket,
    process::{Child, Command},
    sync::mpsc,
};

use super::within;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_fronius-smartmeter");

/// Gives a process its standard input as systemd would give it a socket: as descriptor 3. The shell
/// is replaced by the program, so the process id is the program's.
const WITH_SOCKET: &str = r#"exec "$0" "$@" 3<&0 </dev/null"#;

/// What systemd may have told the tests is not meant for the program.
const OF_SYSTEMD: [&str; 9] = [
    "CREDENTIALS_DIRECTORY",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "STATE_DIRECTORY",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    for variable in OF_SYSTEMD {
        command.env_remove(variable);
    }
    command
}

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = command(PROGRAM);
    command.args(arguments);
    command
}

/// What a command that ends by itself has left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

#[track_caller]
pub(crate) fn outcome(command: &mut Command) -> impl Future<Output = Outcome> {
    let output = within(command.output());
    async {
        let output = output.await.unwrap();
        Outcome {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Lines of a pipe. They are taken in as they come, lest the process waits for a reader.
pub(crate) struct Lines(mpsc::UnboundedReceiver<String>);

impl Lines {
    fn of(pipe: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    /// The next line that contains `text`.
    #[track_caller]
    pub(crate) fn find(&mut self, text: &str) -> impl Future<Output = String> {
        let mut passed = Vec::new();
        within(async move {
            while let Some(line) = self.0.recv().await {
                if line.contains(text) {
                    return line;
                }
                passed.push(line);
            }
            panic!("{text:?} did not come; {passed:#?}");
        })
    }

    /// All lines up to the end of the process.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> impl Future<Output = Vec<String>> {
        within(async {
            let mut lines = Vec::new();
            while let Some(line) = self.0.recv().await {
                lines.push(line);
            }
            lines
        })
    }
}

/// A process that runs until it is told to end, or dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Sends a signal such as TERM.
    pub(crate) async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("the process has ended already").to_string();
        let kill = outcome(command("sh").args(["-c", r#"kill -s "$0" "$1""#, signal, &id])).await;
        assert_eq!(kill.code, Some(0), "{kill:?}");
    }

    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> impl Future<Output = Option<i32>> {
        let ended = within(self.child.wait());
        async { ended.await.unwrap().code() }
    }
}

/// A simulated openHAB with these items.
pub(crate) struct OpenHab {
    /// Host and port.
    pub(crate) address: String,
    _running: Running,
}

impl OpenHab {
    pub(crate) async fn start(items: &[(&str, &str)]) -> Self {
        Self::start_with(items, &[]).await
    }

    pub(crate) async fn start_with(items: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = program(&["simulate", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        for (name, state) in items {
            command.arg("--item").arg(format!("{name}={state}"));
        }
        let mut running = Running::start(command);
        let line = running.out.find("http://").await;
        let (_, address) = line.split_once("http://").unwrap();
        Self { address: address.to_owned(), _running: running }
    }
}

/// The service on a socket that it inherits.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) running: Running,
    _config: NamedTempFile,
}

impl Service {
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with(config, |_| {})
    }

    pub(crate) fn start_with(config: &str, adapt: impl FnOnce(&mut Command)) -> Self {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let config = file(config);
        let mut command = command("sh");
        command
            .args(["-c", WITH_SOCKET, PROGRAM, "run", "--config"])
            .arg(config.path())
            .stdin(OwnedFd::from(socket))
            .env("LISTEN_FDS", "1");
        adapt(&mut command);
        Self { address, running: Running::start(command), _config: config }
    }
}

pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// A directory with one file.
pub(crate) fn directory(name: &str, text: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    directory
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An address where nobody listens. As long as the socket is held it is given to nobody else,
/// except to those who ask for it by name.
pub(crate) fn unused_address() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// The items of the old README's example.
pub(crate) const ITEMS: [(&str, &str); 4] = [
    ("inverter2_PV_E_total", "12345.678 kWh"),
    ("inverter2_Grid_U", "231.4 V"),
    ("inverter2_Grid_I", "3.46 A"),
    ("inverter2_Grid_P", "800 W"),
];

/// The old README's example; only openHAB is somewhere else.
pub(crate) fn example(openhab: &str) -> String {
    include_str!("../../fixtures/config/valid/old-readme.yaml").replace("192.168.1.31", openhab)
}
