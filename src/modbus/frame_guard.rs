//! The guard in front of tokio-modbus's decoder: it lets only whole frames through, and wraps the
//! requests that the meter does not serve, so that all of them reach the service and are answered.
//!
//! tokio-modbus 0.17 panics on a write request with inconsistent counts, and waits for frames of
//! any length (slowtec/tokio-modbus issue 298). What else it cannot decode ends the connection
//! without an answer: a function code above 127, a length that does not fit the function, a coil
//! that is neither on nor off, an unknown MEI type or read code. It also writes each answer
//! separately; here, answers to requests that arrived together are sent together.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// Bytes of the header: transaction id, protocol id, length and unit id.
const HEADER: usize = 7;

/// Largest MBAP length: unit id, function code and at most 252 bytes of data.
const MAX_LENGTH: u16 = 254;

/// Where the low byte of the MBAP length is.
const LENGTH_LOW: usize = 5;

/// The function code of a wrapped request, whose own function code follows as the first byte of its
/// data. A client's request with this code is wrapped like any other.
pub const WRAPPED: u8 = 0;

/// Bytes received at once: room for several pipelined requests. A frame has at most 260.
const ROOM: usize = 1024;

/// Once this many bytes of answers are held back, they are written before another is added.
const MAX_HELD: usize = 4096;

/// A transport that reads whole, checked request frames from `stream`, one at a time, and holds
/// answers back while another request is waiting.
#[derive(Debug)]
pub struct FrameGuard<S> {
    stream: S,
    /// Bytes received, of which the first `passed` have been passed on. Less than a frame and
    /// [`ROOM`], apart from one byte for each wrapped request.
    received: Vec<u8>,
    passed: usize,
    /// How many bytes of the current frame are still to be passed on.
    rest: usize,
    /// Answers held back.
    held: Vec<u8>,
    /// Resolves when the connection is to be closed.
    closed: oneshot::Receiver<()>,
}

/// What is wrong with the header of a frame. It is then uncertain where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The protocol id is not that of Modbus.
    #[error("protocol id {0}, expected 0")]
    Protocol(u16),
    /// The length is out of range.
    #[error("MBAP length {0}, expected 2 to {MAX_LENGTH}")]
    Length(u16),
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The length of the frame at the start of `bytes`, or `None` while it is incomplete.
///
/// # Errors
/// Returns an error if its header is not that of a Modbus request.
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
    Ok((bytes.len() >= whole).then_some(whole))
}

/// Whether a request, from its function code on, is one that the meter serves: a read of registers
/// or of the device identification, as tokio-modbus decodes it.
fn is_served(request: &[u8]) -> bool {
    matches!(request, [3 | 4, _, _, _, _] | [0x2B, 0x0E, 1..=4, _])
}

impl<S> FrameGuard<S> {
    /// Guards `stream`. The connection ends when the sender of `closed` is dropped.
    pub fn new(stream: S, closed: oneshot::Receiver<()>) -> Self {
        Self { stream, received: Vec::new(), passed: 0, rest: 0, held: Vec::new(), closed }
    }

    /// Fails when the connection is to be closed.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // The channel must not be polled again after it has resolved.
        if self.closed.is_terminated() || Pin::new(&mut self.closed).poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "closed"));
        }
        Ok(())
    }

    /// The bytes received but not yet passed on.
    fn waiting(&self) -> &[u8] {
        self.received.get(self.passed..).unwrap_or_default()
    }

    /// Whether another whole request is waiting.
    fn has_more(&self) -> bool {
        matches!(check(self.waiting()), Ok(Some(_)))
    }

    /// Wraps the waiting frame of this length if the meter does not serve it, and returns its length
    /// from then on.
    fn admit(&mut self, length: usize) -> usize {
        if self.waiting().get(HEADER..length).is_none_or(is_served) {
            return length;
        }
        self.received.insert(self.passed.saturating_add(HEADER), WRAPPED);
        if let Some(low) = self.received.get_mut(self.passed.saturating_add(LENGTH_LOW)) {
            // It was at most MAX_LENGTH, so one more fits.
            *low = low.saturating_add(1);
        }
        length.saturating_add(1)
    }
}

impl<S: AsyncWrite + Unpin> FrameGuard<S> {
    fn poll_write_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            self.poll_closed(cx)?;
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameGuard<S> {
    /// Receives a whole frame, as it is to be passed on, and returns its length, or 0 at the end of the stream.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if let Some(length) = check(self.waiting())? {
                return Poll::Ready(Ok(self.admit(length)));
            }
            self.poll_closed(cx)?;
            let mut room = [const { MaybeUninit::uninit() }; ROOM];
            let mut room = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
            if room.filled().is_empty() {
                return Poll::Ready(Ok(0));
            }
            self.received.drain(..self.passed);
            self.passed = 0;
            self.received.extend_from_slice(room.filled());
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for FrameGuard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.rest == 0 {
            this.rest = ready!(this.poll_frame(cx))?;
        }
        let length = this.rest.min(out.remaining());
        out.put_slice(this.waiting().get(..length).unwrap_or_default());
        this.passed = this.passed.saturating_add(length);
        this.rest = this.rest.saturating_sub(length);
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
        if this.held.is_empty() && !this.has_more() {
            let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
            if written.is_pending() {
                // The connection of a client that does not read its answers may have to be closed.
                this.poll_closed(cx)?;
            }
            return written;
        }
        if this.held.len() >= MAX_HELD {
            ready!(this.poll_write_held(cx))?;
        }
        this.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.has_more() {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_write_held(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_held(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
