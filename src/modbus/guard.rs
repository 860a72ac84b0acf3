//! The guard before tokio-modbus' decoder: only whole and sound frames pass, in limited time.
//!
//! tokio-modbus 0.17 panics on a write request whose counts do not fit together, waits for frames
//! of any length, and has no time limits (slowtec/tokio-modbus issue 298).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    time::{Instant, Sleep, sleep},
};

/// Transaction id, protocol id, length, unit id.
const HEADER: usize = 7;

/// Unit id, function code and at most 252 bytes of data.
const MAX_LENGTH: u16 = 254;

/// Some pipelined requests; a frame is 260 bytes at most.
const BUFFER: usize = 1024;

/// A transport that reads whole, checked request frames from `stream`, and writes as it is.
#[derive(Debug)]
pub struct FrameGuard<S> {
    stream: S,
    /// Received and not passed on: `buffer[start..end]`, whose bytes before `sound` were checked.
    buffer: Box<[u8; BUFFER]>,
    start: usize,
    sound: usize,
    end: usize,
    idle_timeout: Duration,
    /// Runs from the last whole frame, so that single bytes do not keep a connection open.
    idle: Pin<Box<Sleep>>,
    /// Ends when the connection is to be closed.
    closed: oneshot::Receiver<()>,
}

/// What is wrong with a frame. The bounds of the next one are not sure then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not Modbus.
    #[error("protocol id {0}, expected 0")]
    Protocol(u16),
    /// No frame has this length.
    #[error("MBAP length {0}, expected 2 to {MAX_LENGTH}")]
    Length(u16),
    /// Quantity, byte count and length of a write do not fit together.
    #[error("function code {0} with counts that do not fit together")]
    Counts(u8),
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The length of the frame at the start of `bytes`, once it is there as a whole.
///
/// # Errors
/// Where it is no frame that tokio-modbus may see.
pub fn check(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    if let Some(&[high, low]) = bytes.get(2..4)
        && (high, low) != (0, 0)
    {
        return Err(FrameError::Protocol(u16::from_be_bytes([high, low])));
    }
    let Some(&[high, low]) = bytes.get(4..6) else { return Ok(None) };
    let length = u16::from_be_bytes([high, low]);
    if !(2..=MAX_LENGTH).contains(&length) {
        return Err(FrameError::Length(length));
    }
    let whole = usize::from(length).saturating_add(HEADER).saturating_sub(1);
    let Some(pdu) = bytes.get(HEADER..whole) else { return Ok(None) };
    if let Some(function) = pdu.first()
        && !counts_fit(*function, pdu)
    {
        return Err(FrameError::Counts(*function));
    }
    Ok(Some(whole))
}

/// Whether the quantity, the byte count and the length of a write of several values agree.
fn counts_fit(function: u8, pdu: &[u8]) -> bool {
    let (quantity, count) = match function {
        0x0F | 0x10 => (pdu.get(3..5), 5),
        0x17 => (pdu.get(7..9), 9),
        _ => return true,
    };
    let (Some(&[high, low]), Some(&bytes)) = (quantity, pdu.get(count)) else { return false };
    let quantity = usize::from(u16::from_be_bytes([high, low]));
    let needed = if function == 0x0F { quantity.div_ceil(8) } else { quantity.saturating_mul(2) };
    let bytes = usize::from(bytes);
    bytes == needed && pdu.len() == bytes.saturating_add(count).saturating_add(1)
}

impl<S> FrameGuard<S> {
    /// Guards `stream`. It ends after `idle_timeout` without a request, and when the other end of
    /// `closed` is dropped.
    pub fn new(stream: S, idle_timeout: Duration, closed: oneshot::Receiver<()>) -> Self {
        Self {
            stream,
            buffer: Box::new([0; BUFFER]),
            start: 0,
            sound: 0,
            end: 0,
            idle_timeout,
            idle: Box::pin(sleep(idle_timeout)),
            closed,
        }
    }

    /// Fails when the connection has been idle for too long, or is to be closed.
    fn poll_limits(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.idle.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "idle"));
        }
        if Pin::new(&mut self.closed).poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "closed"));
        }
        Ok(())
    }

    /// Checks what was received and is not checked yet.
    fn check(&mut self) -> Result<(), FrameError> {
        while let Some(rest) = self.buffer.get(self.sound..self.end)
            && let Some(length) = check(rest)?
        {
            self.sound = self.sound.saturating_add(length);
            if let Some(deadline) = Instant::now().checked_add(self.idle_timeout) {
                self.idle.as_mut().reset(deadline);
            }
        }
        Ok(())
    }

    /// Makes room behind what is not passed on yet.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.sound = self.sound.saturating_sub(self.start);
        self.start = 0;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameGuard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_limits(cx)?;
        while this.start == this.sound {
            this.make_room();
            let free = this.buffer.get_mut(this.end..).unwrap_or_default();
            let mut room = ReadBuf::new(free);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut room))?;
            let received = room.filled().len();
            if received == 0 {
                return Poll::Ready(Ok(()));
            }
            this.end = this.end.saturating_add(received);
            this.check()?;
        }
        let sound = this.buffer.get(this.start..this.sound).unwrap_or_default();
        let passed = sound.get(..sound.len().min(out.remaining())).unwrap_or_default();
        out.put_slice(passed);
        this.start = this.start.saturating_add(passed.len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameGuard<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A client that does not read its answers is idle too.
        this.poll_limits(cx)?;
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const READ: [u8; 12] = [0, 10, 0, 0, 0, 6, 1, 3, 0x9C, 0x40, 0, 2];

    /// What the guard lets through of `pieces`, and why it ended.
    async fn passed(pieces: &[&[u8]]) -> (Vec<u8>, io::Result<()>) {
        let (mut client, server) = duplex(64);
        let (_hold, closed) = oneshot::channel();
        let mut guard = FrameGuard::new(server, Duration::from_secs(60), closed);
        let send = async {
            for piece in pieces {
                if client.write_all(piece).await.is_err() {
                    return;
                }
            }
            client.shutdown().await.unwrap();
        };
        let mut passed = Vec::new();
        let receive = async {
            let mut bytes = [0; 5];
            loop {
                match guard.read(&mut bytes).await {
                    Ok(0) => return Ok(()),
                    Ok(count) => passed.extend_from_slice(&bytes[..count]),
                    Err(error) => return Err(error),
                }
            }
        };
        let (ended, ()) = tokio::join!(receive, send);
        (passed, ended)
    }

    #[tokio::test]
    async fn split_and_pipelined_frames_pass_as_they_are() {
        let many = READ.repeat(100);
        let pieces: Vec<&[u8]> = many.chunks(7).collect();
        let (passed, ended) = passed(&pieces).await;
        assert!(ended.is_ok());
        assert_eq!(passed, many);
    }

    #[tokio::test]
    async fn half_a_frame_never_passes() {
        let (passed, ended) = passed(&[&READ, &READ[..11]]).await;
        assert!(ended.is_ok());
        assert_eq!(passed, READ);
    }

    #[test]
    fn frames_that_upset_the_decoder_are_refused() {
        use FrameError::{Counts, Length, Protocol};
        for (bytes, error) in [
            (&[0, 1, 0, 0, 0, 7, 1, 0x0F, 0, 0, 0, 100, 0][..], Counts(0x0F)),
            (&[0, 1, 0, 0, 0, 7, 1, 0x10, 0, 0, 0x80, 0, 0], Counts(0x10)),
            (&[0, 1, 0, 0, 0, 11, 1, 0x17, 0, 0, 0, 1, 0, 0, 0x80, 0, 0], Counts(0x17)),
            (&[0, 1, 0, 0, 0, 3, 1, 0x10, 0], Counts(0x10)),
            (&[0, 1, 0, 0, 0xFF, 0xFF], Length(0xFFFF)),
            (&[0, 1, 0, 0, 0, 0], Length(0)),
            (&[0, 1, 0, 0, 0, 1], Length(1)),
            (&[0, 1, 0, 1], Protocol(1)),
        ] {
            assert_eq!(check(bytes), Err(error));
        }
        assert_eq!(check(&[0, 1, 0, 0, 0, 8, 1, 0x0F, 0, 0, 0, 3, 1, 5]), Ok(Some(14)));
        assert_eq!(check(&[0, 1, 0, 0, 0, 9, 1, 0x10, 0, 0, 0, 1, 2, 0, 5]), Ok(Some(15)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_does_not_keep_a_connection_open() {
        let (mut client, server) = duplex(64);
        let (_hold, closed) = oneshot::channel();
        let mut guard = FrameGuard::new(server, Duration::from_secs(60), closed);
        let dribble = async {
            for byte in READ {
                sleep(Duration::from_secs(10)).await;
                let _ = client.write_all(&[byte]).await;
            }
        };
        let (result, ()) = tokio::join!(guard.read_u8(), dribble);
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_closes_when_it_is_told_to() {
        let (_client, server) = duplex(64);
        let (hold, closed) = oneshot::channel();
        let mut guard = FrameGuard::new(server, Duration::from_secs(60), closed);
        drop(hold);
        assert_eq!(guard.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_check(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(Some(length)) = check(&bytes) {
                prop_assert!(length <= bytes.len() && (8..=260).contains(&length));
            }
        }
    }
}
