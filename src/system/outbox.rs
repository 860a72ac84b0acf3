//! What may block has a thread of its own: a log that nobody reads, a systemd that does not answer.
//!
//! Whoever has something to write puts it into an outbox and goes on. If the outbox is full, what
//! comes next is lost, and counted.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long the end of the program waits for what is still to be written.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);

/// The end at which things are put in. Clones share it. To close it, see [`Outbox::close`].
#[derive(Debug)]
pub(crate) struct Outbox<T>(Arc<Shared<T>>);

/// The end at which the thread takes them out.
#[derive(Debug)]
pub(crate) struct Inbox<T>(Arc<Shared<T>>);

/// What the thread finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// The next thing to write.
    Item(T),
    /// This many items were dropped here.
    Lost(u64),
    /// Nothing came in time.
    Late,
    /// All is written, and nothing more will come.
    Closed,
}

#[derive(Debug)]
struct Shared<T> {
    queue: Mutex<Queue<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<Waiting<T>>,
    capacity: usize,
    closed: bool,
    /// The thread has ended.
    done: bool,
}

#[derive(Debug)]
enum Waiting<T> {
    Item(T),
    Lost(u64),
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> Outbox<T> {
    /// Starts the thread, which does `work` until it finds [`Taken::Closed`]. At most `capacity`
    /// things wait for it.
    ///
    /// # Errors
    /// Returns an error if the system gives no thread.
    pub(crate) fn start(
        thread: &str,
        capacity: usize,
        work: impl FnOnce(&Inbox<T>) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Queue { waiting: VecDeque::new(), capacity, closed: false, done: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), changed: Condvar::new() });
        let inbox = Inbox(Arc::clone(&shared));
        thread::Builder::new().name(thread.to_owned()).spawn(move || work(&inbox))?;
        Ok(Self(shared))
    }

    /// Puts something in, without ever waiting for what is already there.
    pub(crate) fn put(&self, item: T) {
        let mut queue = self.0.lock();
        let full = queue.waiting.len() >= queue.capacity;
        match queue.waiting.back_mut() {
            Some(Waiting::Lost(lost)) if full => *lost = lost.saturating_add(1),
            _ if full => queue.waiting.push_back(Waiting::Lost(1)),
            _ => queue.waiting.push_back(Waiting::Item(item)),
        }
        drop(queue);
        self.0.changed.notify_all();
    }

    /// Lets the thread write what is left, and waits for that, but only for a moment: there may be no
    /// reader.
    pub(crate) fn close(&self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        self.0.changed.notify_all();
        let is_running = |queue: &mut Queue<T>| !queue.done;
        // Written or not, this is the end.
        let _ = self.0.changed.wait_timeout_while(queue, CLOSE_LIMIT, is_running);
    }
}

impl<T> Inbox<T> {
    /// Waits for the next thing to write, at most until the time given.
    pub(crate) fn take(&self, until: Option<Instant>) -> Taken<T> {
        let mut queue = self.0.lock();
        loop {
            match queue.waiting.pop_front() {
                Some(Waiting::Item(item)) => return Taken::Item(item),
                Some(Waiting::Lost(lost)) => return Taken::Lost(lost),
                None if queue.closed => return Taken::Closed,
                None => {}
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let changed = &self.0.changed;
            queue = match left {
                Some(Duration::ZERO) => return Taken::Late,
                Some(left) => {
                    changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.0.lock().done = true;
        self.0.changed.notify_all();
    }
}

impl<T> Shared<T> {
    /// The queue is consistent between any two statements, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// An outbox whose thread takes nothing until it is let go, and then hands on all it finds.
    fn held(capacity: usize) -> (Outbox<u32>, mpsc::Sender<()>, mpsc::Receiver<Taken<u32>>) {
        let (go, wait) = mpsc::channel();
        let (found, finds) = mpsc::channel();
        let outbox = Outbox::start("test", capacity, move |inbox| {
            let _ = wait.recv();
            loop {
                let taken = inbox.take(None);
                let last = taken == Taken::Closed;
                found.send(taken).unwrap();
                if last {
                    break;
                }
            }
        });
        (outbox.unwrap(), go, finds)
    }

    #[test]
    fn what_does_not_fit_is_counted_in_its_place() {
        let (outbox, go, finds) = held(2);
        for item in 0..5 {
            outbox.put(item);
        }
        go.send(()).unwrap();
        assert_eq!(
            [(); 3].map(|()| finds.recv().unwrap()),
            [Taken::Item(0), Taken::Item(1), Taken::Lost(3)]
        );
        outbox.put(5);
        outbox.close();
        assert_eq!(finds.iter().collect::<Vec<_>>(), [Taken::Item(5), Taken::Closed]);
    }

    #[test]
    fn a_thread_that_is_stuck_does_not_delay_the_end() {
        let (outbox, _go, finds) = held(2);
        outbox.put(1);
        outbox.close();
        assert!(finds.try_recv().is_err(), "it is still stuck");
    }

    #[test]
    fn a_wait_can_have_an_end() {
        let (found, finds) = mpsc::channel();
        let _outbox = Outbox::<u32>::start("test", 1, move |inbox| {
            found.send(inbox.take(Some(Instant::now()))).unwrap();
        });
        assert_eq!(finds.recv().unwrap(), Taken::Late);
    }
}
