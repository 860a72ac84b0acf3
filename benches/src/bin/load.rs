//! A closed-loop load generator: every connection keeps a number of requests in flight, sends the
//! next as soon as one is answered, or after a pause, and checks every byte of every answer.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use fronius_smartmeter_benches::{Query, block::Block, process::Process, request};
use hdrhistogram::Histogram;
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, EventData, EventFlags},
    },
};
use serde_json::json;

/// Nothing may take longer than this.
const LIMIT: Duration = Duration::from_secs(10);

/// How long the loop runs before anything is counted.
const WARM_UP: Duration = Duration::from_millis(300);

/// Asks a Modbus TCP server for the same registers, as often as possible
#[derive(Debug, Parser)]
struct Arguments {
    /// The server
    address: SocketAddr,
    /// The registers that must come back, from 40000 on
    #[arg(long, value_name = "FILE")]
    expect: PathBuf,
    #[arg(long, value_name = "N", default_value_t = 1)]
    connections: usize,
    /// Milliseconds from an answer to the next request, which all connections wait for
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pause: u64,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    pipeline: usize,
    #[arg(long, value_enum, default_value_t = Query::Poll)]
    request: Query,
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
    /// The server's process, to measure what it costs
    #[arg(long)]
    pid: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The request, and the expected answer except for its transaction id.
struct Exchange {
    range: (u16, u16),
    answer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    next: u16,
    /// Ids of the requests in flight, and when each was sent.
    sent: VecDeque<(u16, Instant)>,
    /// Part of an answer.
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Connection {
    /// Connects, and makes sure that the server has noticed.
    fn open(address: SocketAddr, exchange: &Exchange) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut connection =
            Self { stream, next: 0, sent: VecDeque::new(), input: Vec::new(), output: Vec::new() };
        connection.ask(1, exchange)?;
        let mut buffer = [0; 512];
        while connection.take(exchange, &mut buffer, |_| ())? == 0 {}
        connection.stream.set_nonblocking(true)?;
        Ok(connection)
    }

    fn ask(&mut self, count: usize, exchange: &Exchange) -> Result<()> {
        let (start, registers) = exchange.range;
        self.output.clear();
        let now = Instant::now();
        for _ in 0..count {
            self.next = self.next.wrapping_add(1);
            self.output.extend_from_slice(&request(self.next, start, registers));
            self.sent.push_back((self.next, now));
        }
        // A few hundred bytes in flight always find room.
        self.stream.write_all(&self.output).context("cannot ask")
    }

    /// Takes the answers that have arrived, calls `took` with the time of each, and returns their
    /// number.
    fn take(
        &mut self,
        exchange: &Exchange,
        buffer: &mut [u8],
        mut took: impl FnMut(Duration),
    ) -> Result<usize> {
        let received = self.stream.read(buffer).context("no answer")?;
        ensure!(received > 0, "the server has closed a connection");
        let now = Instant::now();
        let joined;
        let mut rest = &buffer[..received];
        if !self.input.is_empty() {
            self.input.extend_from_slice(rest);
            joined = std::mem::take(&mut self.input);
            rest = &joined;
        }
        let mut count = 0;
        while let [t1, t2, body @ ..] = rest {
            let Some((id, sent)) = self.sent.front() else { bail!("an answer without a request") };
            let found = u16::from_be_bytes([*t1, *t2]);
            ensure!(found == *id, "wrong answer: transaction id {found}, expected {id}");
            let expected = &exchange.answer[2..];
            let length = body.len().min(expected.len());
            ensure!(body[..length] == expected[..length], "wrong answer: {:02x?}", &body[..length]);
            if length < expected.len() {
                break;
            }
            took(now - *sent);
            self.sent.pop_front();
            count += 1;
            rest = &body[length..];
        }
        self.input.extend_from_slice(rest);
        Ok(count)
    }
}

/// The part of a run that counts, from its start.
struct Window {
    start: Instant,
    cpu: Duration,
    latencies: Histogram<u64>,
}

struct Load {
    exchange: Exchange,
    pause: Duration,
    process: Option<Process>,
    connections: Vec<Connection>,
}

impl Load {
    fn cpu(&self) -> Result<Duration> {
        self.process.as_ref().map_or(Ok(Duration::ZERO), Process::cpu)
    }

    /// Lets every connection ask again and again, and returns what happened in the time that counts.
    fn run(&mut self, pipeline: usize, time: Duration) -> Result<serde_json::Value> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        for (place, connection) in (0..).zip(&mut self.connections) {
            connection.ask(pipeline, &self.exchange)?;
            epoll::add(&epoll, &connection.stream, EventData::new_u64(place), EventFlags::IN)?;
        }
        let begin = Instant::now();
        let mut window = None;
        let mut events = Vec::with_capacity(1024);
        let mut buffer = vec![0; 64 * 1024];
        let limit = Timespec::try_from(LIMIT)?;
        loop {
            epoll::wait(&epoll, spare_capacity(&mut events), Some(&limit))?;
            ensure!(!events.is_empty(), "no answer within {LIMIT:?}");
            for event in events.drain(..) {
                let connection = &mut self.connections[usize::try_from(event.data.u64())?];
                let count = connection.take(&self.exchange, &mut buffer, |took| {
                    if let Some(Window { latencies, .. }) = &mut window {
                        latencies
                            .saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                    }
                })?;
                if count > 0 {
                    if !self.pause.is_zero() {
                        thread::sleep(self.pause);
                    }
                    connection.ask(count, &self.exchange)?;
                }
            }
            match &window {
                None if begin.elapsed() >= WARM_UP => {
                    let latencies = Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?;
                    let cpu = self.cpu()?;
                    window = Some(Window { start: Instant::now(), cpu, latencies });
                }
                Some(window) if window.start.elapsed() >= time => return self.sum_up(window),
                _ => {}
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^53 of anything")]
    fn sum_up(&self, window: &Window) -> Result<serde_json::Value> {
        let seconds = window.start.elapsed().as_secs_f64();
        let cpu = self.cpu()?.saturating_sub(window.cpu).as_secs_f64();
        let latencies = &window.latencies;
        let requests = latencies.len() as f64;
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let quantile = |quantile| microseconds(latencies.value_at_quantile(quantile));
        let pss = self.process.as_ref().map(Process::pss_kib).transpose()?;
        Ok(json!({
            "requests": latencies.len(),
            "seconds": seconds,
            "requests_per_second": requests / seconds,
            "p50_us": quantile(0.5),
            "p99_us": quantile(0.99),
            "p999_us": quantile(0.999),
            "max_us": microseconds(latencies.max()),
            "cpu_us_per_request": self.process.as_ref().map(|_| cpu * 1e6 / requests),
            "pss_kib": pss,
        }))
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let range = arguments.request.range();
    let block = Block::load(&arguments.expect)?;
    let answer = block.answer(range.0, range.1).context("not in the block")?;
    let exchange = Exchange { range, answer };
    let connections: Result<_> = (0..arguments.connections)
        .map(|_| Connection::open(arguments.address, &exchange))
        .collect();
    let process = arguments.pid.map(Process::new);
    let pause = Duration::from_millis(arguments.pause);
    let mut load = Load { exchange, pause, process, connections: connections? };
    let time = Duration::try_from_secs_f64(arguments.seconds)?;
    let figures = load.run(arguments.pipeline, time)?;
    if arguments.json {
        println!("{figures}");
    } else {
        println!("{figures:#}");
    }
    Ok(())
}
