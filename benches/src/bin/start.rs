//! Starts a server and measures the time until it is of use.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use fronius_smartmeter_benches::{BASE, Query, request};
use serde_json::json;

/// Nothing may take longer than this.
const LIMIT: Duration = Duration::from_secs(20);

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_micros(50);

/// Starts a server and prints, in ms since then: when it first answered, when the measured
/// registers had values, and when it was READY, if it says so
#[derive(Debug, Parser)]
struct Arguments {
    /// Address that the server listens on
    address: SocketAddr,
    /// Listen on this Unix socket for READY=1
    #[arg(long, value_name = "PATH")]
    notify: Option<PathBuf>,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// A process that is killed when this is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads once, and returns whether the answer has registers rather than an exception.
fn read(stream: &mut TcpStream, (start, count): (u16, u16)) -> Result<bool> {
    stream.write_all(&request(1, start, count))?;
    let mut frame = [0; 260];
    stream.read_exact(&mut frame[..6])?;
    let length = usize::from(u16::from_be_bytes([frame[4], frame[5]]));
    ensure!((3..=254).contains(&length), "not a frame");
    stream.read_exact(&mut frame[6..6 + length])?;
    Ok(frame[7] == 3)
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let [program, rest @ ..] = arguments.command.as_slice() else { unreachable!("it is required") };
    let mut command = Command::new(program);
    command.args(rest);
    let notified = match &arguments.notify {
        Some(path) => {
            command.env("NOTIFY_SOCKET", path);
            let socket = UnixDatagram::bind(path).with_context(|| path.display().to_string())?;
            socket.set_nonblocking(true)?;
            Some(socket)
        }
        None => None,
    };

    let begin = Instant::now();
    let mut server = Server(command.spawn().with_context(|| program.clone())?);
    let mut stream = None;
    let (mut answered, mut values, mut ready) = (None, None, None);
    while answered.is_none() || values.is_none() || (ready.is_none() && notified.is_some()) {
        ensure!(begin.elapsed() < LIMIT, "not ready within {LIMIT:?}");
        ensure!(server.0.try_wait()?.is_none(), "{program} has ended");
        let mut message = [0; 512];
        if let Some(socket) = &notified
            && let Ok(length) = socket.recv(&mut message)
            && message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
        {
            ready = ready.or(Some(begin.elapsed()));
        }
        match &mut stream {
            None => {
                stream = TcpStream::connect(arguments.address).ok();
                if let Some(stream) = &stream {
                    stream.set_read_timeout(Some(LIMIT))?;
                }
            }
            Some(stream) if answered.is_none() => {
                ensure!(read(stream, (BASE, 2))?, "an exception instead of SunS");
                answered = Some(begin.elapsed());
            }
            Some(stream) if values.is_none() => {
                values = read(stream, Query::Poll.range())?.then(|| begin.elapsed());
            }
            Some(_) => {}
        }
        if stream.is_none() || answered.is_some() {
            sleep(PAUSE);
        }
    }
    let milliseconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
    let figures = json!({
        "first_answer_ms": milliseconds(answered),
        "first_values_ms": milliseconds(values),
        "ready_ms": milliseconds(ready),
    });
    println!("{figures}");
    Ok(())
}
