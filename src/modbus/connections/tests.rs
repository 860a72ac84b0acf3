use super::*;

fn peer(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

#[test]
fn a_crowd_from_one_address_pushes_out_nobody_but_itself() {
    let clients = Connections::new(3);
    let (inverter, mut inverter_closed) = clients.admit(([127, 0, 0, 2], 1).into());
    inverter.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
    let mut crowd: Vec<_> = (1..=3).map(|port| clients.admit(peer(port))).collect();
    assert_eq!(inverter_closed.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    let mut closed = crowd.iter_mut().map(|(_, closed)| closed.try_recv());
    assert_eq!(closed.next(), Some(Err(oneshot::error::TryRecvError::Closed)));
    assert!(closed.all(|closed| closed == Err(oneshot::error::TryRecvError::Empty)));
}

#[test]
fn many_addresses_of_one_ipv6_network_are_one_host() {
    let clients = Connections::new(3);
    let (_inverter, mut inverter_closed) = clients.admit(peer(1));
    let crowd = |last: u16| ([0xFD00, 0, 0, 0, 0, 0, 0, last], 1).into();
    let mut crowd: Vec<_> = (1..=3).map(|last| clients.admit(crowd(last))).collect();
    assert_eq!(inverter_closed.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    assert_eq!(crowd[0].1.try_recv(), Err(oneshot::error::TryRecvError::Closed));
}

#[test]
fn in_one_ipv6_network_the_address_with_the_most_connections_gives_way() {
    let clients = Connections::new(4);
    let of_house = |last: u16, port| ([0xFD00, 0, 0, 0, 0, 0, 0, last], port).into();
    let (_inverter, mut inverter_closed) = clients.admit(of_house(1, 1));
    let (_other, mut other_closed) = clients.admit(peer(1));
    // They ask more recently than the inverter, which has not asked at all.
    let mut crowd: Vec<_> = (1..=20)
        .map(|port| {
            let (connection, closed) = clients.admit(of_house(2, port));
            connection.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
            (connection, closed)
        })
        .collect();
    let open = Err(oneshot::error::TryRecvError::Empty);
    assert_eq!(inverter_closed.try_recv(), open);
    assert_eq!(other_closed.try_recv(), open);
    let left = crowd.iter_mut().filter_map(|(_, closed)| (closed.try_recv() == open).then_some(()));
    assert_eq!(left.count(), 2);
}

#[test]
fn past_the_limit_the_connection_that_was_idle_longest_goes() {
    let clients = Connections::new(2);
    let (first, mut first_closed) = clients.admit(peer(1));
    let (second, mut second_closed) = clients.admit(peer(2));
    first.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
    second.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
    first.activity.last.store(20, Ordering::Relaxed);
    second.activity.last.store(10, Ordering::Relaxed);
    let (_third, mut third_closed) = clients.admit(peer(3));
    assert!(first_closed.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
    assert!(second_closed.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed));
    assert!(third_closed.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
    assert_eq!(clients.usage().connections, 2);
}

#[test]
fn a_connection_that_never_asked_goes_before_one_that_did() {
    let clients = Connections::new(2);
    let (inverter, mut inverter_closed) = clients.admit(peer(1));
    inverter.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
    let (_silent, mut silent_closed) = clients.admit(peer(2));
    let (_another, _closed) = clients.admit(peer(3));
    let open = oneshot::error::TryRecvError::Empty;
    assert_eq!(inverter_closed.try_recv(), Err(open));
    assert_eq!(silent_closed.try_recv(), Err(oneshot::error::TryRecvError::Closed));
}

#[test]
fn a_connection_that_ends_takes_itself_off_the_books() {
    let clients = Connections::new(1);
    let (first, _first_closed) = clients.admit(peer(1));
    // From the same port again, before the first has noticed that it had to go.
    let (_second, mut second_closed) = clients.admit(peer(1));
    drop(first);
    assert_eq!(second_closed.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    assert_eq!(clients.usage().connections, 1);
}

#[test]
fn requests_are_counted_beyond_the_end_of_a_connection() {
    let clients = Connections::new(2);
    let (connection, _closed) = clients.admit(peer(1));
    assert_eq!(clients.usage(), Usage { connections: 1, requests: 0 });
    connection.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
    connection.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
    drop(connection);
    assert_eq!(clients.usage(), Usage { connections: 0, requests: 2 });
}

#[test]
fn a_client_polls_until_it_is_silent_for_long() {
    let clients = Connections::new(2);
    let (connection, _closed) = clients.admit(peer(1));
    connection.asked(&Request::ReadHoldingRegisters(0, 1), None, true);
    clients.notice_silence();
    assert_eq!(clients.lock().polling.len(), 1);
    let long_ago = Connections {
        registry: Arc::clone(&clients.registry),
        start: clients.start.checked_sub(SILENCE * 2).unwrap(),
        span: Span::none(),
    };
    long_ago.notice_silence();
    assert_eq!(clients.lock().polling.len(), 0);
    assert!(!connection.activity.polls.load(Ordering::Relaxed));
}
