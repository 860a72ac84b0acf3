//! One client's event stream.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Dialect;
use super::event::{ALIVE, Event};
use super::topics::Topics;

/// The first `alive` comes this long after the start (`SseResource`).
const FIRST_ALIVE: Duration = Duration::from_secs(1);

/// The interval that the `alive` event itself announces.
const ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The endless body of `GET /rest/events`.
pub(super) struct EventStream {
    /// `None` once the bus is gone.
    next: Option<NextPiece>,
}

/// Waits for a piece to send, and returns it with the subscription, to wait for the next.
type NextPiece = Pin<Box<dyn Future<Output = Option<(Bytes, Subscription)>> + Send>>;

/// What the stream is made from, passed from one of its pieces to the next.
struct Subscription {
    topics: Topics,
    events: Receiver<Arc<Event>>,
    alive: Option<Interval>,
    /// An event was sent up to the end of its JSON; the blank line after it is due.
    unfinished: bool,
}

impl EventStream {
    pub(super) fn new(topics: Topics, events: Receiver<Arc<Event>>, dialect: Dialect) -> Self {
        let alive = (dialect == Dialect::Current).then(|| {
            let mut alive = interval(ALIVE_INTERVAL);
            alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
            alive.reset_after(FIRST_ALIVE);
            alive
        });
        let subscription = Subscription { topics, events, alive, unfinished: false };
        Self { next: Some(subscription.wait()) }
    }
}

impl Subscription {
    fn wait(self) -> NextPiece {
        Box::pin(self.next())
    }

    /// The next piece to send, `None` at the end.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if self.unfinished {
            // openHAB flushes between the two, and so does hyper when there is nothing more to
            // send. So clients must put an event together from pieces.
            tokio::task::yield_now().await;
            self.unfinished = false;
            return Some((Bytes::from_static(b"\n\n"), self));
        }
        let event = loop {
            tokio::select! {
                () = tick(self.alive.as_mut()) => break Bytes::from_static(ALIVE),
                event = self.events.recv() => match event {
                    Ok(event) if self.topics.want(&event.topic) => break event.bytes.clone(),
                    // A client too slow for the queue loses events without notice.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
            }
        };
        self.unfinished = true;
        Some((event, self))
    }
}

async fn tick(alive: Option<&mut Interval>) {
    match alive {
        Some(alive) => {
            alive.tick().await;
        }
        None => pending().await,
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let piece = ready!(next.as_mut().poll(context));
        let (bytes, next) = piece.map(|(bytes, rest)| (bytes, rest.wait())).unzip();
        self.next = next;
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::broadcast::Sender;
    use tokio::time::{Instant, timeout};

    use super::super::event::{Kind, Payload};
    use super::*;

    fn stream(bus: &Sender<Arc<Event>>, query: &str, dialect: Dialect) -> EventStream {
        EventStream::new(Topics::of_query(Some(query)).unwrap(), bus.subscribe(), dialect)
    }

    async fn piece(stream: &mut EventStream) -> String {
        let frame = stream.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn alive_comes_after_a_second_and_then_every_ten() {
        let bus = Sender::new(4);
        let mut stream = stream(&bus, "", Dialect::Current);
        let start = Instant::now();
        for due in [1, 11, 21] {
            let alive = "event: alive\ndata: {\"type\":\"ALIVE\",\"interval\":10}";
            assert_eq!(piece(&mut stream).await, alive);
            assert_eq!(start.elapsed().as_secs(), due);
            assert_eq!(piece(&mut stream).await, "\n\n");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn legacy_is_silent_until_something_wanted_happens() {
        let bus = Sender::new(4);
        let mut stream = stream(&bus, "topics=*/P/*", Dialect::Legacy);
        let silence = timeout(Duration::from_secs(60), piece(&mut stream)).await;
        assert!(silence.is_err());
        for name in ["Q", "P"] {
            let event = Event::new(Kind::Changed, name, &Payload::new("1 W").old("2 W"));
            bus.send(Arc::new(event)).unwrap();
        }
        assert!(piece(&mut stream).await.contains("openhab/items/P/statechanged"));
        assert_eq!(piece(&mut stream).await, "\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_loses_the_oldest_events() {
        let bus = Sender::new(4);
        let mut stream = stream(&bus, "", Dialect::Legacy);
        for watts in 0..10 {
            let state = format!("{watts} W");
            let event = Event::new(Kind::Updated, "P", &Payload::new(&state));
            bus.send(Arc::new(event)).unwrap();
        }
        assert!(piece(&mut stream).await.contains("6 W"));
    }
}
