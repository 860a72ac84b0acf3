//! Addresses of this machine.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Any free port of the loopback interface.
pub(crate) fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Listens with room for a whole crowd at once: whoever finds none waits a second for the next try.
pub(crate) fn listen(address: SocketAddr) -> TcpListener {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1024).unwrap()
}

/// An address where nobody listens. As long as the socket is held, the port is given to nobody else
/// but those who ask for it by number.
pub(crate) fn unused_address() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(anywhere()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
