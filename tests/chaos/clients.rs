//! Clients that misbehave at random. Whatever becomes of them is right.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Instant,
};

use proptest::{prelude::RngExt, test_runner::TestRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, sink},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout_at},
};

use crate::{
    chance,
    harness::client::{READ_HOLDING, frame, read_request},
    millis,
};

/// How many attack at once. Many of them hold several connections, so that together they want more
/// than `max_connections`.
const ATTACKERS: u64 = 32;

/// How many addresses the attackers have.
const MACHINES: u64 = 6;

/// Connections of a storm.
const STORM: usize = 50;

/// Requests that are sent without waiting for an answer.
const PIPELINED: usize = 300;

/// Attacks the server until `end`, and closes all connections.
pub(crate) async fn attack(server: SocketAddr, end: Instant) {
    let attackers: JoinSet<()> =
        (0..ATTACKERS).map(|number| attacker(server, chance(1000 + number), number, end)).collect();
    attackers.join_all().await;
}

/// One of several on the same machine in the neighbourhood.
async fn attacker(server: SocketAddr, mut chance: TestRng, number: u64, end: Instant) {
    let from = Ipv4Addr::new(127, 0, 0, 2 + (number % MACHINES) as u8);
    while Instant::now() < end {
        let attack = async {
            match chance.random_range(0..8) {
                0 => storm(server, from).await,
                1 => half_a_frame(connect(server, from).await?, &mut chance).await,
                2 => noise(connect(server, from).await?, &mut chance).await,
                3 => flood(connect(server, from).await?).await,
                4 => never_read(connect(server, from).await?, &mut chance).await,
                5 => reset(connect(server, from).await?).await,
                6 => silence(connect(server, from).await?, &mut chance).await,
                _ => ask(connect(server, from).await?, &mut chance).await,
            }
        };
        // It may be closed at any moment.
        let _: Result<io::Result<()>, _> = timeout_at(end.into(), attack).await;
        sleep(millis(&mut chance, 20, 500)).await;
    }
}

async fn connect(server: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // So that a few answers that are not read are enough to hold the server up.
    socket.set_recv_buffer_size(4096)?;
    socket.bind((from, 0).into())?;
    socket.connect(server).await
}

/// A request of random length, like those of an inverter.
fn request(chance: &mut TestRng) -> Vec<u8> {
    let count = chance.random_range(1..126);
    frame(chance.random(), 1, &read_request(READ_HOLDING, 40_000, count))
}

async fn storm(server: SocketAddr, from: Ipv4Addr) -> io::Result<()> {
    let mut held = Vec::new();
    for _ in 0..STORM {
        held.push(connect(server, from).await?);
    }
    Ok(())
}

async fn half_a_frame(mut stream: TcpStream, chance: &mut TestRng) -> io::Result<()> {
    let request = request(chance);
    let half = chance.random_range(1..request.len());
    stream.write_all(&request[..half]).await?;
    stream.read_u8().await.map(drop)
}

async fn noise(mut stream: TcpStream, chance: &mut TestRng) -> io::Result<()> {
    let length = chance.random_range(1..600);
    let mut bytes: Vec<u8> = (0..length).map(|_| chance.random()).collect();
    if chance.random() {
        // A sound header before a request of any content.
        bytes = frame(chance.random(), chance.random(), &bytes[..length.min(250)]);
    }
    stream.write_all(&bytes).await?;
    copy(&mut stream, &mut sink()).await.map(drop)
}

async fn flood(mut stream: TcpStream) -> io::Result<()> {
    let request = frame(1, 1, &read_request(READ_HOLDING, 40_000, 125)).repeat(PIPELINED);
    let (mut answers, mut requests) = stream.split();
    let mut nowhere = sink();
    tokio::try_join!(requests.write_all(&request), copy(&mut answers, &mut nowhere)).map(drop)
}

async fn never_read(mut stream: TcpStream, chance: &mut TestRng) -> io::Result<()> {
    let request = request(chance);
    for _ in 0..PIPELINED {
        stream.write_all(&request).await?;
    }
    sleep(millis(chance, 0, 4000)).await;
    Ok(())
}

/// Breaks off in the middle of a request.
async fn reset(mut stream: TcpStream) -> io::Result<()> {
    stream.set_zero_linger()?;
    stream.write_all(&[0, 1, 0, 0, 0]).await
}

async fn silence(stream: TcpStream, chance: &mut TestRng) -> io::Result<()> {
    sleep(millis(chance, 0, 4000)).await;
    drop(stream);
    Ok(())
}

async fn ask(mut stream: TcpStream, chance: &mut TestRng) -> io::Result<()> {
    for _ in 0..20 {
        stream.write_all(&request(chance)).await?;
        // An exception is the shortest answer.
        stream.read_exact(&mut [0; 9]).await?;
    }
    Ok(())
}
