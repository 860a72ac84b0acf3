//! A tokio-modbus server with nothing around it: the reference for our own server.

use std::{
    future::{Ready, ready},
    io,
    sync::Arc,
};

use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::{
    ExceptionCode, Request, Response, SlaveRequest,
    server::{
        Service,
        tcp::{Server, accept_tcp_connection},
    },
};

use crate::block::Block;

struct Registers(Arc<Block>);

impl Service for Registers {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(match request.request {
            Request::ReadHoldingRegisters(start, count) => match self.0.read(start, count) {
                Some(words) => Ok(Response::ReadHoldingRegisters(words.to_vec())),
                None => Err(ExceptionCode::IllegalDataAddress),
            },
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

/// Serves `block` until accepting fails. All servers of the comparison set `TCP_NODELAY`. If this
/// one does not (`nagle`), the kernel joins answers that tokio-modbus writes one by one.
///
/// # Errors
/// Returns an error if a connection cannot be accepted.
pub async fn serve(listener: TcpListener, block: Block, nagle: bool) -> io::Result<()> {
    let block = Arc::new(block);
    let server = Server::new(listener);
    let on_connected = |stream: TcpStream, peer| {
        let service = |_| Ok(Some(Registers(Arc::clone(&block))));
        let tuned = stream.set_nodelay(!nagle);
        ready(tuned.and_then(|()| accept_tcp_connection(stream, peer, service)))
    };
    server.serve(&on_connected, |_| {}).await
}
