use std::time::Duration;

use super::*;
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::yield_now,
    time::timeout,
};

const READ: [u8; 12] = [0, 10, 0, 0, 0, 6, 1, 3, 0x9C, 0x40, 0, 2];

async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), wait).await.expect("it hangs")
}

/// What the guard lets through of `pieces`, and why it ended.
async fn passed(pieces: &[&[u8]]) -> (Vec<u8>, io::Result<()>) {
    let (mut client, server) = duplex(64);
    let (_hold, closed) = oneshot::channel();
    let mut guard = FrameGuard::new(server, closed);
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
fn a_header_that_no_request_has_is_an_error() {
    use FrameError::{Length, Protocol};
    for (bytes, error) in [
        (&[0, 1, 0, 0, 0xFF, 0xFF][..], Length(0xFFFF)),
        (&[0, 1, 0, 0, 0, 255, 1], Length(255)),
        (&[0, 1, 0, 0, 0, 0], Length(0)),
        (&[0, 1, 0, 0, 0, 1], Length(1)),
        (&[0, 1, 0, 1], Protocol(1)),
    ] {
        assert_eq!(check(bytes), Err(error));
    }
}

#[tokio::test]
async fn what_is_not_served_passes_wrapped_whatever_surrounds_it() {
    let longest = [&[0, 1, 0, 0, 0, 254, 1, 0x10][..], &[7; 252]].concat();
    let wrapped_longest = [&[0, 1, 0, 0, 0, 255, 1, WRAPPED, 0x10][..], &[7; 252]].concat();
    for (request, wrapped) in [
        (&[0, 1, 0, 0, 0, 2, 9, 0x90][..], &[0, 1, 0, 0, 0, 3, 9, WRAPPED, 0x90][..]),
        (&[0, 1, 0, 0, 0, 3, 9, WRAPPED, 3], &[0, 1, 0, 0, 0, 4, 9, WRAPPED, WRAPPED, 3]),
        (&longest, &wrapped_longest),
    ] {
        let (passed, ended) = passed(&[&READ, request, request, &READ]).await;
        assert!(ended.is_ok());
        assert_eq!(passed, [&READ, wrapped, wrapped, &READ].concat());
    }
}

/// Records each write, and gives its input to the reader at once.
#[derive(Default)]
struct Recorder {
    input: Vec<u8>,
    written: std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>,
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.input.len().min(out.remaining());
        out.put_slice(&self.input.drain(..count).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.lock().unwrap().push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Answers every frame of `input` with `answer`, as tokio-modbus would, and returns what was
/// written, and why it ended.
async fn answered(input: &[u8], answer: &[u8]) -> (Vec<Vec<u8>>, io::Result<()>) {
    let recorder = Recorder { input: input.to_vec(), ..Recorder::default() };
    let written = std::sync::Arc::clone(&recorder.written);
    let (_hold, closed) = oneshot::channel();
    let mut guard = FrameGuard::new(recorder, closed);
    let mut bytes = [0; 512];
    let ended = loop {
        match guard.read(&mut bytes).await {
            Ok(0) => break Ok(()),
            Err(error) => break Err(error),
            Ok(count) => assert_eq!(check(&bytes[..count]), Ok(Some(count)), "one frame"),
        }
        guard.write_all(answer).await.unwrap();
        guard.flush().await.unwrap();
    };
    drop(guard);
    let written = written.lock().unwrap().clone();
    (written, ended)
}

#[tokio::test]
async fn answers_to_requests_that_came_together_go_out_together() {
    let (written, ended) = answered(&READ.repeat(8), b"answer").await;
    assert!(ended.is_ok());
    assert_eq!(written, [b"answer".repeat(8)]);
    let (written, _) = answered(&READ, b"answer").await;
    assert_eq!(written, [b"answer"]);
}

#[tokio::test]
async fn no_more_is_held_back_than_the_limit() {
    let answer = [7; 256];
    let (written, _) = answered(&READ.repeat(85), &answer).await;
    assert!(written.iter().all(|piece| piece.len() <= MAX_HELD), "{}", written[0].len());
    assert_eq!(written.concat(), answer.repeat(85));
}

#[tokio::test]
async fn requests_before_an_unsound_one_are_answered() {
    let input = [&READ.repeat(3)[..], &[0, 1, 0, 9, 0, 6]].concat();
    let (written, ended) = answered(&input, b"answer").await;
    assert_eq!(written.concat(), b"answer".repeat(3));
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::InvalidData);
}

/// A connection on which `requests` arrived together, and the first of them was read.
async fn begun(requests: &[u8]) -> (DuplexStream, FrameGuard<DuplexStream>, oneshot::Sender<()>) {
    let (mut client, server) = duplex(64);
    let (hold, closed) = oneshot::channel();
    let mut guard = FrameGuard::new(server, closed);
    client.write_all(requests).await.unwrap();
    guard.read_exact(&mut [0; READ.len()]).await.unwrap();
    (client, guard, hold)
}

#[tokio::test]
async fn an_answer_waits_for_no_request_that_is_not_there() {
    for behind in [&READ[..11], &[0, 1, 0, 9], b""] {
        let (mut client, mut guard, _hold) = begun(&[&READ, behind].concat()).await;
        guard.write_all(b"answer").await.unwrap();
        guard.flush().await.unwrap();
        let mut answer = [0; 6];
        within(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"answer");
    }
}

#[tokio::test]
async fn answers_held_back_go_out_in_parts_where_there_is_little_room() {
    let (mut client, mut guard, _hold) = begun(&READ.repeat(2)).await;
    let answers: Vec<u8> = (0..200).collect();
    guard.write_all(&answers).await.unwrap();
    guard.read_exact(&mut [0; READ.len()]).await.unwrap();
    let mut taken = vec![0; answers.len()];
    let (flushed, read) =
        within(async { tokio::join!(guard.flush(), client.read_exact(&mut taken)) }).await;
    flushed.unwrap();
    read.unwrap();
    assert_eq!(taken, answers);
}

#[tokio::test]
async fn a_connection_closes_though_its_answers_are_not_taken() {
    for requests in [1, 2] {
        let (_client, mut guard, hold) = begun(&READ.repeat(requests)).await;
        let answer = async {
            guard.write_all(&[7; 100]).await?;
            guard.read_exact(&mut [0; READ.len()]).await?;
            guard.flush().await
        };
        let close = async {
            yield_now().await;
            drop(hold);
        };
        let (ended, ()) = within(async { tokio::join!(answer, close) }).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}

#[tokio::test]
async fn a_connection_closes_with_answers_held_back_too() {
    let (_client, mut guard, hold) = begun(&READ.repeat(2)).await;
    guard.write_all(b"answer").await.unwrap();
    drop(hold);
    assert!(guard.shutdown().await.is_err());
}

#[tokio::test]
async fn what_was_passed_on_is_forgotten() {
    let (mut client, mut guard, _hold) = begun(&READ).await;
    for _ in 0..200 {
        client.write_all(&READ).await.unwrap();
        guard.read_exact(&mut [0; READ.len()]).await.unwrap();
    }
    assert!(guard.received.len() < 260 + ROOM);
}

#[tokio::test]
async fn a_connection_closes_on_request() {
    let (_client, server) = duplex(64);
    let (hold, closed) = oneshot::channel();
    let mut guard = FrameGuard::new(server, closed);
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
