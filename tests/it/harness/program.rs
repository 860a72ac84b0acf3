//! The program as a process of its own.

use std::{process::Stdio, sync::Arc, thread};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::{Mutex, OwnedMutexGuard, mpsc},
};

use super::{files::assert_no_secret, within};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_fronius-smartmeter");

/// What systemd may say to the tests is not meant for the program.
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
    // Nor does it matter which units this machine has.
    command.env("SYSTEMD_UNIT_PATH", "");
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

impl Outcome {
    /// All of it as one text, to be compared with what is expected.
    pub(crate) fn transcript(&self) -> String {
        let err: String = self.err.lines().flat_map(|line| ["[stderr] ", line, "\n"]).collect();
        format!("{}{err}[exit code] {}\n", self.out, self.code.unwrap())
    }
}

#[track_caller]
pub(crate) fn outcome(command: &mut Command) -> impl Future<Output = Outcome> {
    let output = within(command.output());
    async {
        let output = output.await.unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| {
            let text = String::from_utf8(bytes).unwrap();
            assert_no_secret(&text);
            text
        });
        Outcome { code: output.status.code(), out, err }
    }
}

/// Whether a pipe is read at the moment.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<()>>);

impl Gate {
    /// Nothing is read until the guard is dropped.
    pub(crate) async fn close(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0).lock_owned().await
    }
}

/// Lines of a pipe. They are taken in as they come, lest the process waits for a reader.
pub(crate) struct Lines {
    received: mpsc::UnboundedReceiver<String>,
    gate: Gate,
}

impl Lines {
    fn of(pipe: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let (sender, received) = mpsc::unbounded_channel();
        let gate = Gate::default();
        let open = gate.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(line).is_err() {
                    break;
                }
                drop(open.close().await);
            }
        });
        Self { received, gate }
    }

    /// For a test that stops reading for a while.
    pub(crate) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// The next line; none at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let line = self.received.recv().await;
        line.inspect(|line| assert_no_secret(line))
    }

    /// The next line that contains `text`.
    #[track_caller]
    pub(crate) fn find(&mut self, text: &str) -> impl Future<Output = String> {
        let mut others = Vec::new();
        within(async move {
            while let Some(line) = self.next().await {
                if line.contains(text) {
                    return line;
                }
                others.push(line);
            }
            panic!("{text:?} did not come; {others:#?}");
        })
    }

    /// All lines up to the end of the process.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> impl Future<Output = Vec<String>> {
        within(async {
            let mut lines = Vec::new();
            while let Some(line) = self.next().await {
                lines.push(line);
            }
            lines
        })
    }
}

/// What no test has asked for shows no secret either.
impl Drop for Lines {
    fn drop(&mut self) {
        while !thread::panicking()
            && let Ok(line) = self.received.try_recv()
        {
            assert_no_secret(&line);
        }
    }
}

/// A process that runs until a signal ends it, or its owner does.
pub(crate) struct RunningProgram {
    child: Child,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl RunningProgram {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// With something else as its standard output, of which there are no lines then.
    pub(crate) fn start_with_stdout(mut command: Command, stdout: Stdio) -> Self {
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let err = Lines::of(child.stderr.take().unwrap());
        Self { child, out: Lines::of(tokio::io::empty()), err }
    }

    pub(crate) fn id(&self) -> Pid {
        let id = self.child.id().expect("the process has ended already");
        Pid::from_raw(id.try_into().unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> impl Future<Output = Option<i32>> {
        let ended = within(self.child.wait());
        async { ended.await.unwrap().code() }
    }
}
