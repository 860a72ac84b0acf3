//! A Modbus client that shares no code with the program: it puts bytes together and takes them
//! apart by itself.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::within;

/// The exception codes of the Modbus specification that the meter uses.
pub(crate) const ILLEGAL_FUNCTION: u8 = 1;
pub(crate) const ILLEGAL_ADDRESS: u8 = 2;
pub(crate) const ILLEGAL_VALUE: u8 = 3;
pub(crate) const NO_TARGET: u8 = 0x0B;

pub(crate) const READ_HOLDING: u8 = 3;
pub(crate) const READ_INPUT: u8 = 4;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    transaction: u16,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(address)).await.unwrap();
        Self::of(stream)
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, transaction: 0 }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.stream.write_all(bytes)).await
    }

    /// The next whole frame.
    pub(crate) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        within(async {
            let mut frame = vec![0; 6];
            self.stream.read_exact(&mut frame).await?;
            let length = usize::from(u16::from_be_bytes([frame[4], frame[5]]));
            assert!((2..=254).contains(&length), "no length of a frame: {length}");
            frame.resize(6 + length, 0);
            self.stream.read_exact(&mut frame[6..]).await?;
            Ok(frame)
        })
        .await
    }

    /// Function code and data of the answer to a request; the header must be the request's.
    pub(crate) async fn try_ask(&mut self, unit: u8, pdu: &[u8]) -> io::Result<Vec<u8>> {
        self.transaction = self.transaction.wrapping_add(1);
        self.send(&frame(self.transaction, unit, pdu)).await?;
        let answer = self.receive().await?;
        let header = frame(self.transaction, unit, &answer[7..]);
        assert_eq!(answer, header, "the header of the answer is not that of the request");
        Ok(answer[7..].to_vec())
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, unit: u8, pdu: &[u8]) -> impl Future<Output = Vec<u8>> {
        let caller = std::panic::Location::caller();
        async move {
            match self.try_ask(unit, pdu).await {
                Ok(answer) => answer,
                Err(error) => panic!("{pdu:02x?} is not answered: {error} ({caller})"),
            }
        }
    }

    /// Registers read by function code 3, or the code of the exception.
    #[track_caller]
    pub(crate) fn read(
        &mut self,
        start: u16,
        count: u16,
    ) -> impl Future<Output = Result<Vec<u16>, u8>> {
        self.read_by(READ_HOLDING, start, count)
    }

    /// The same of another unit than 1.
    #[track_caller]
    pub(crate) fn read_of(
        &mut self,
        unit: u8,
        start: u16,
        count: u16,
    ) -> impl Future<Output = Result<Vec<u16>, u8>> {
        self.read_with(unit, READ_HOLDING, start, count)
    }

    /// The same by another function code.
    #[track_caller]
    pub(crate) fn read_by(
        &mut self,
        function: u8,
        start: u16,
        count: u16,
    ) -> impl Future<Output = Result<Vec<u16>, u8>> {
        self.read_with(1, function, start, count)
    }

    #[track_caller]
    fn read_with(
        &mut self,
        unit: u8,
        function: u8,
        start: u16,
        count: u16,
    ) -> impl Future<Output = Result<Vec<u16>, u8>> {
        let request = read_request(function, start, count);
        let caller = std::panic::Location::caller();
        async move {
            let answer = match self.try_ask(unit, &request).await {
                Ok(answer) => answer,
                Err(error) => panic!("{start}/{count} is not answered: {error} ({caller})"),
            };
            if answer[0] == function | 0x80 {
                assert_eq!(answer.len(), 2, "an exception is a code and no more");
                return Err(answer[1]);
            }
            assert_eq!(answer[0], function);
            assert_eq!(usize::from(answer[1]), answer.len() - 2, "the byte count is wrong");
            assert_eq!(answer.len() - 2, usize::from(count) * 2, "too few or too many registers");
            let (words, _) = answer[2..].as_chunks();
            Ok(words.iter().map(|word| u16::from_be_bytes(*word)).collect())
        }
    }

    /// Waits for the other end to close, which must say nothing before.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> impl Future<Output = ()> {
        let end = within(async { self.stream.read(&mut [0]).await });
        async {
            match end.await {
                // Whatever was still on its way to a closed socket makes it answer by a reset.
                Ok(0) | Err(_) => {}
                Ok(_) => panic!("an answer came, where the connection was to be closed"),
            }
        }
    }
}

/// A whole frame of Modbus TCP.
pub(crate) fn frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap();
    let [t1, t2] = transaction.to_be_bytes();
    let [l1, l2] = length.to_be_bytes();
    let mut frame = vec![t1, t2, 0, 0, l1, l2, unit];
    frame.extend_from_slice(pdu);
    frame
}

pub(crate) fn read_request(function: u8, start: u16, count: u16) -> [u8; 5] {
    let [s1, s2] = start.to_be_bytes();
    let [c1, c2] = count.to_be_bytes();
    [function, s1, s2, c1, c2]
}

/// Pairs of registers as the floats they are.
pub(crate) fn floats(words: &[u16]) -> Vec<f32> {
    let (pairs, rest) = words.as_chunks();
    assert!(rest.is_empty(), "half a float");
    pairs
        .iter()
        .map(|[high, low]| f32::from_bits(u32::from(*high) << 16 | u32::from(*low)))
        .collect()
}
