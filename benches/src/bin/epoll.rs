//! `epoll ADDRESS FILE`: the limit of what is possible. It answers reads of the block in the file
//! with bytes prepared once, in one read and one write for all requests that arrived together, and
//! can do nothing else.

use std::{
    collections::HashMap,
    env,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
};

use anyhow::{Context, Result, bail, ensure};
use fronius_smartmeter_benches::block::Block;
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
};

const LISTENER: u64 = u64::MAX;
const REQUEST: usize = 12;

struct Connection {
    stream: TcpStream,
    /// Part of a request.
    input: Vec<u8>,
}

struct Answers {
    block: Block,
    /// Answers so far, by their request from the unit id on.
    made: Vec<([u8; 6], Vec<u8>)>,
}

impl Answers {
    fn append(&mut self, request: &[u8], output: &mut Vec<u8>) -> Result<()> {
        let made = self.made.iter().position(|(made, _)| *made == request[6..]);
        let place = if let Some(place) = made {
            place
        } else {
            let [_, 3, s1, s2, c1, c2] = request[6..] else { bail!("not a read") };
            let (start, count) = (u16::from_be_bytes([s1, s2]), u16::from_be_bytes([c1, c2]));
            let answer = self.block.answer(start, count).context("not in the block")?;
            self.made.push((request[6..].try_into()?, answer));
            self.made.len() - 1
        };
        output.extend_from_slice(&request[..2]);
        output.extend_from_slice(&self.made[place].1[2..]);
        Ok(())
    }
}

impl Connection {
    /// Answers the requests that have arrived. Fails if the connection is to be dropped.
    fn serve(
        &mut self,
        answers: &mut Answers,
        input: &mut [u8],
        output: &mut Vec<u8>,
    ) -> Result<()> {
        let count = self.stream.read(input)?;
        ensure!(count > 0, "closed");
        output.clear();
        let mut rest = &input[..count];
        if !self.input.is_empty() {
            let missing = rest.len().min(REQUEST - self.input.len());
            self.input.extend_from_slice(&rest[..missing]);
            rest = &rest[missing..];
            if self.input.len() < REQUEST {
                return Ok(());
            }
            answers.append(&self.input, output)?;
            self.input.clear();
        }
        let requests = rest.chunks_exact(REQUEST);
        self.input.extend_from_slice(requests.remainder());
        for request in requests {
            answers.append(request, output)?;
        }
        // No client of the comparison leaves more unread than a socket takes.
        Ok(self.stream.write_all(output)?)
    }
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().context("no address")?;
    let file = arguments.next().map(PathBuf::from).context("no file")?;
    let mut answers = Answers { block: Block::load(&file)?, made: Vec::new() };
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;

    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut next = 0;
    let mut events = Vec::with_capacity(1024);
    let (mut input, mut output) = (vec![0; 16 * 1024], Vec::new());
    loop {
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let id = event.data.u64();
            if let Some(connection) = connections.get_mut(&id) {
                if connection.serve(&mut answers, &mut input, &mut output).is_err() {
                    connections.remove(&id);
                }
                continue;
            }
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(next), EventFlags::IN)?;
            connections.insert(next, Connection { stream, input: Vec::new() });
            next += 1;
        }
    }
}
