//! One client's event stream.

use std::io;
use std::sync::Arc;

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::event::Event;
use super::reply::JETTY;
use super::topics::Topics;

/// The endless answer to `GET /rest/events`.
pub(super) struct EventStream {
    topics: Topics,
    events: Receiver<Arc<Event>>,
    /// Not for clients of HTTP/1.0, which knows no chunks.
    is_chunked: bool,
}

impl EventStream {
    pub(super) fn new(topics: Topics, events: Receiver<Arc<Event>>, is_chunked: bool) -> Self {
        Self { topics, events, is_chunked }
    }

    /// Sends head and events, byte for byte as openHAB does, until the client goes or the bus is
    /// gone. Then it ends without a last chunk.
    pub(super) async fn send(self, stream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
        let (reader, writer) = split(stream);
        tokio::select! {
            sent = self.write(writer) => sent,
            ended = wait_for_end(reader) => ended,
        }
    }

    async fn write(mut self, mut writer: impl AsyncWrite + Unpin) -> io::Result<()> {
        let is_chunked = self.is_chunked;
        let coding = if is_chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n\
             Content-Encoding: identity\r\n{coding}Server: {JETTY}\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).await?;
        writer.flush().await?;
        // openHAB flushes an event where its JSON ends, and the blank line after it in a chunk of its
        // own. The end of a chunk comes with the next.
        let mut end_before = "";
        while let Some(event) = self.next().await {
            let (size, blank_line) = if is_chunked {
                (format!("{end_before}{:X}\r\n", event.len()), "\r\n2\r\n\n\n")
            } else {
                (String::new(), "\n\n")
            };
            writer.write_all(&[size.as_bytes(), &event].concat()).await?;
            writer.flush().await?;
            writer.write_all(blank_line.as_bytes()).await?;
            writer.flush().await?;
            end_before = "\r\n";
        }
        Ok(())
    }

    /// The next event that is wanted, `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self.events.recv().await {
                Ok(event) if event.topic.as_ref().is_none_or(|topic| self.topics.want(topic)) => {
                    return Some(event.bytes.clone());
                }
                // A client too slow for the queue loses events without notice.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Waits until the client closes. What it sends meanwhile is never answered.
async fn wait_for_end(mut reader: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut ignored = [0; 256];
    while reader.read(&mut ignored).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::broadcast::Sender;

    use super::super::event::{Kind, Payload};
    use super::*;

    /// A client that listens to `bus`, and has read the head.
    async fn listen(bus: &Sender<Arc<Event>>, query: &str) -> DuplexStream {
        let topics = Topics::of_query(Some(query)).unwrap();
        let events = EventStream::new(topics, bus.subscribe(), true);
        let (mut client, server) = duplex(64 * 1024);
        tokio::spawn(events.send(server));
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client
    }

    /// Everything until the stream ends with its bus.
    async fn rest(mut client: DuplexStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_client_gets_what_it_wants_and_the_signs_of_life() {
        let bus = Sender::new(4);
        let client = listen(&bus, "topics=*/P/*").await;
        for name in ["Q", "P"] {
            let event = Event::new(Kind::Changed, name, &Payload::new("1 W").old("2 W"));
            bus.send(Arc::new(event)).unwrap();
        }
        bus.send(Arc::new(Event::alive())).unwrap();
        drop(bus);
        let text = rest(client).await;
        assert_eq!(text.matches("event: ").count(), 2, "{text}");
        assert!(text.contains("openhab/items/P/statechanged"), "{text}");
        // The end of the last chunk is still to come, and so is a last chunk.
        assert!(text.ends_with(
            "\r\n2\r\n\n\n\r\n31\r\nevent: alive\ndata: {\"type\":\"ALIVE\",\"interval\":10}\r\n2\r\n\n\n"
        ));
    }

    #[tokio::test]
    async fn a_slow_client_loses_the_oldest_events() {
        let bus = Sender::new(4);
        let client = listen(&bus, "").await;
        for watts in 0..10 {
            let state = format!("{watts} W");
            let event = Event::new(Kind::Updated, "P", &Payload::new(&state));
            bus.send(Arc::new(event)).unwrap();
        }
        drop(bus);
        let text = rest(client).await;
        assert!(!text.contains("5 W") && text.contains("6 W") && text.contains("9 W"), "{text}");
    }

    #[tokio::test]
    async fn a_client_that_goes_ends_its_stream() {
        let bus = Sender::<Arc<Event>>::new(4);
        drop(listen(&bus, "").await);
        while bus.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
