//! The open connections, and which of them makes room for another.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use tokio::sync::oneshot;

/// All open connections. Those that have asked for nothing for the longest time come first.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    open: RefCell<Vec<Entry>>,
    next: Cell<u64>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    /// Dropped to close the connection.
    _hold: oneshot::Sender<()>,
}

/// A place among the connections, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Rc<Connections>,
    id: u64,
}

impl Connections {
    /// None yet, and room for `limit`.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: RefCell::default(), next: Cell::default() }
    }

    /// Admits a connection. If there is no room, the one closes that was without a request for the longest
    /// time: a reader has its answer at once, and who holds connections open only loses them.
    ///
    /// The connection must close when the sender of the returned channel is dropped.
    pub(super) fn admit(self: &Rc<Self>) -> (Place, oneshot::Receiver<()>) {
        let (hold, closed) = oneshot::channel();
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let mut open = self.open.borrow_mut();
        if open.len() >= self.limit {
            open.drain(..1);
        }
        open.push(Entry { id, _hold: hold });
        (Place { connections: Rc::clone(self), id }, closed)
    }
}

impl Place {
    /// It has sent a request.
    pub(super) fn is_used(&self) {
        let mut open = self.connections.open.borrow_mut();
        if let Some(place) = open.iter().position(|entry| entry.id == self.id) {
            let entry = open.remove(place);
            open.push(entry);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.borrow_mut().retain(|entry| entry.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    fn is_open(closed: &mut oneshot::Receiver<()>) -> bool {
        closed.try_recv() == Err(TryRecvError::Empty)
    }

    #[test]
    fn the_one_without_a_request_for_the_longest_time_makes_room() {
        let connections = Rc::new(Connections::new(3));
        let mut all: Vec<_> = (0..3).map(|_| connections.admit()).collect();
        all[0].0.is_used();
        let (_fourth, mut of_fourth) = connections.admit();
        let open: Vec<_> = all.iter_mut().map(|(_, closed)| is_open(closed)).collect();
        assert_eq!(open, [true, false, true]);
        assert!(is_open(&mut of_fourth));
        // It is no longer there, and what it does changes nothing.
        all[1].0.is_used();
        assert_eq!(connections.open.borrow().len(), 3);
    }

    #[test]
    fn a_connection_that_has_ended_leaves_room() {
        let connections = Rc::new(Connections::new(2));
        let (_first, mut of_first) = connections.admit();
        drop(connections.admit());
        let _second = connections.admit();
        assert!(is_open(&mut of_first));
        assert_eq!(connections.open.borrow().len(), 2);
    }
}
