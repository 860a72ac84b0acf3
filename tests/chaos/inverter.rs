//! The client in the middle. It polls as an inverter does, and beside the meter a control: a
//! server that does nothing but answer, which shows what the machine itself adds to every poll.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{runtime, sync::watch, time::sleep};

use crate::{
    harness::{
        client::{Client, NO_TARGET, floats, frame},
        net::anywhere,
    },
    judge::Latencies,
    source::{OTHER_POWER_W, POWER_W, Truth},
};

/// From one poll to the next.
const INTERVAL: Duration = Duration::from_millis(50);

/// How far a float32 of this size may be from a counter.
pub(crate) const HALF_WH: f64 = 0.5;

/// What a poll has shown; none if a part of it was refused.
pub(crate) type Seen = Option<Values>;

#[derive(Clone, Copy)]
pub(crate) struct Values {
    /// In W.
    pub(crate) power: f32,
    /// In Wh.
    pub(crate) energy: f32,
}

pub(crate) struct Inverter {
    pub(crate) seen: watch::Receiver<Seen>,
    polling: JoinHandle<Latencies>,
    stop: Arc<AtomicBool>,
}

impl Inverter {
    /// Polls from a thread of its own, so that nothing else the test does is taken for a delay.
    pub(crate) fn start(meter: SocketAddr, truth: Truth) -> Self {
        let (sender, seen) = watch::channel(None);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let polling = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(poll(meter, &truth, &sender, &stopped))
        });
        Self { seen, polling, stop }
    }

    /// What it has measured; all else would have failed by now.
    pub(crate) fn stop(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        self.polling.join().unwrap()
    }
}

async fn poll(
    meter: SocketAddr,
    truth: &Truth,
    seen: &watch::Sender<Seen>,
    stop: &AtomicBool,
) -> Latencies {
    let mut meter = Client::connect(meter).await;
    let mut control = Client::connect(start_control()).await;
    let mut latencies = Latencies::default();
    let mut last = 0.0;
    while !stop.load(Ordering::Relaxed) {
        let mut answers = Vec::new();
        for (start, count) in [(40_071, 58), (40_129, 32)] {
            let asked = Instant::now();
            let answer = meter.read(start, count).await;
            latencies.meter.push(asked.elapsed());
            let asked = Instant::now();
            control.read(start, count).await.unwrap();
            latencies.control.push(asked.elapsed());
            answers.push(answer.map(|words| floats(&words)));
        }
        let power = answers[0].as_ref().map(|values| power(values));
        let energy = answers[1].as_ref().map(|values| energy(values, last, truth));
        assert!([power.err(), energy.err()].into_iter().flatten().all(|code| *code == NO_TARGET));
        last = energy.unwrap_or(last);
        seen.send_replace(power.and_then(|power| Ok(Values { power, energy: energy? })).ok());
        sleep(INTERVAL).await;
    }
    latencies
}

/// The power, from the registers between the current and the power factor.
fn power(values: &[f32]) -> f32 {
    let (voltages, frequency, power) = (&values[4..8], values[12], values[13]);
    assert!(voltages.iter().all(|volts| (200.0..250.0).contains(volts)), "{voltages:?} V");
    assert!((49.0..51.0).contains(&frequency), "{frequency} Hz");
    assert!([-POWER_W, -OTHER_POWER_W].contains(&power), "{power} W, which nobody has shown");
    for place in 13..17 {
        let (p, s, q) = (values[place], values[place + 4], values[place + 8]);
        assert!((s * s - p * p - q * q).abs() <= 1e-5 * s * s + 0.01, "{s} VA, {p} W, {q} var");
    }
    power
}

/// The counter never falls and is never ahead of the truth.
fn energy(values: &[f32], last: f32, truth: &Truth) -> f32 {
    let energy = values[0];
    assert!(energy >= last, "{energy} Wh after {last} Wh");
    assert!(f64::from(energy) <= truth.energy() + HALF_WH, "{energy} Wh of {} Wh", truth.energy());
    energy
}

/// A server for one client, which takes every request for one that reads registers.
fn start_control() -> SocketAddr {
    let listener = TcpListener::bind(anywhere()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        while answer(&mut client).is_ok() {}
    });
    address
}

fn answer(client: &mut TcpStream) -> std::io::Result<()> {
    let mut request = [0; 12];
    client.read_exact(&mut request)?;
    let transaction = u16::from_be_bytes([request[0], request[1]]);
    let bytes = 2 * request[11];
    let registers = vec![0; bytes.into()];
    client.write_all(&frame(
        transaction,
        request[6],
        &[&[request[7], bytes][..], &registers].concat(),
    ))
}
