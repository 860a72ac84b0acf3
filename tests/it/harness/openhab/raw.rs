//! An openHAB whose every byte is the test's.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{io::AsyncReadExt, net::TcpStream, sync::watch, task::JoinSet, time::Instant};

use super::answers::Answer;
use crate::harness::{
    net::{anywhere, listen},
    task::Task,
    wait_for,
};

type Behaviour = Box<dyn FnMut(&str) -> Answer + Send>;

/// A request as it came, and when.
#[derive(Debug)]
struct Request {
    head: String,
    at: Instant,
}

/// A server that answers as the test says.
pub(crate) struct RawOpenHab {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    requests: watch::Receiver<Vec<Request>>,
    serving: Task,
}

impl RawOpenHab {
    pub(crate) fn start(behaviour: impl FnMut(&str) -> Answer + Send + 'static) -> Self {
        Self::start_at(anywhere(), behaviour)
    }

    pub(crate) fn start_at(
        address: SocketAddr,
        behaviour: impl FnMut(&str) -> Answer + Send + 'static,
    ) -> Self {
        let listener = listen(address);
        let address = listener.local_addr().unwrap();
        let behaviour: Arc<Mutex<Behaviour>> = Arc::new(Mutex::new(Box::new(behaviour)));
        let (seen, requests) = watch::channel(Vec::new());
        let shared = Arc::clone(&behaviour);
        let serving = Task::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(converse(stream, Arc::clone(&shared), seen.clone()));
            }
        });
        Self { address, behaviour, requests, serving }
    }

    /// Closes all its connections, and the port.
    pub(crate) async fn stop(self) {
        self.serving.end().await;
    }

    /// From the next request on, behaves so.
    pub(crate) fn behave(&self, behaviour: impl FnMut(&str) -> Answer + Send + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    /// How many requests began with `start` so far.
    pub(crate) fn count(&self, start: &str) -> usize {
        count(&self.requests.borrow(), start)
    }

    /// When the last request came that began with `start`.
    pub(crate) fn last(&self, start: &str) -> Instant {
        let requests = self.requests.borrow();
        requests.iter().rfind(|request| request.head.starts_with(start)).unwrap().at
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.requests.borrow().iter().map(|request| request.head.clone()).collect()
    }

    /// Waits until `more` further requests have come that begin with `start`.
    #[track_caller]
    pub(crate) fn asked(&mut self, start: &'static str, more: usize) -> impl Future<Output = ()> {
        let wanted = self.count(start) + more;
        self.asked_in_all(start, wanted)
    }

    /// Waits until `total` requests have come that begin with `start`.
    #[track_caller]
    pub(crate) fn asked_in_all(
        &mut self,
        start: &'static str,
        total: usize,
    ) -> impl Future<Output = ()> {
        wait_for(&mut self.requests, move |requests| count(requests, start) >= total)
    }
}

fn count(requests: &[Request], start: &str) -> usize {
    requests.iter().filter(|request| request.head.starts_with(start)).count()
}

/// Serves one connection.
async fn converse(
    mut stream: TcpStream,
    behaviour: Arc<Mutex<Behaviour>>,
    seen: watch::Sender<Vec<Request>>,
) {
    let _ = stream.set_nodelay(true);
    while let Some(head) = receive(&mut stream).await {
        let answer = (behaviour.lock().unwrap())(&head);
        // Noted after the behaviour has run, so that who waits for it knows that it has.
        seen.send_modify(|requests| requests.push(Request { head, at: Instant::now() }));
        if !answer.send(&mut stream).await {
            return;
        }
    }
}

/// The head of a request; none once the client has gone.
async fn receive(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
