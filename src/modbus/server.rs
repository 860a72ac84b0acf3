//! The Modbus TCP server: every request is answered from the current [`Image`], in memory.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_modbus::prelude::{
    ConformityLevel, DeviceIdObject, ExceptionCode, ReadCode, ReadDeviceIdentificationResponse,
    Request, Response, SlaveRequest,
};

use super::{
    connections::{Connection, Connections},
    frame_guard::FrameGuard,
};
use crate::{
    meter::{
        Availability, Image,
        sunspec::{BASE, MEASURED},
    },
    system::{liveness::Pulse, sockets},
};

/// The most registers a read may ask for, by the Modbus specification.
const MAX_REGISTERS: u16 = 125;

/// An idle connection may live longer than it should by one part in so many.
const IDLE_CHECKS: f64 = 20.0;

/// After an accept error, such as too many open files, which ends tokio-modbus' loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An accept error so soon after the last one is not worth another line.
const SAME_FAILURE: Duration = Duration::from_secs(60);

/// Which unit ids are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitIds {
    /// Every one, as most emulators do.
    Any,
    /// This one; the others get exception 0x0B.
    Only(u8),
}

/// How the meter is served.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen, if no socket is inherited; where empty, on port 502 of all addresses.
    pub listen: Vec<SocketAddr>,
    /// Which unit ids are answered.
    pub unit_ids: UnitIds,
    /// Past so many connections one has to go (see [`Connections`]).
    pub max_connections: usize,
    /// A connection without a request for so long is closed.
    pub idle_timeout: Duration,
    /// `VendorName` of the device identification (function code 43/14).
    pub vendor: String,
    /// `ProductCode` of the same.
    pub product: String,
}

/// Serves images to Modbus clients.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    images: watch::Receiver<Arc<Image>>,
    connections: Connections,
}

impl Server {
    /// A server of the latest of `images`.
    #[must_use]
    pub fn new(config: ServerConfig, images: watch::Receiver<Arc<Image>>) -> Self {
        let connections = Connections::new(config.max_connections);
        Self { config: Arc::new(config), images, connections }
    }

    /// Who is connected.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Accepts clients for ever. An accept error costs the open connections, since tokio-modbus
    /// ends with it; they are accepted again.
    pub async fn serve(&self, listener: TcpListener, pulse: Pulse) -> Infallible {
        let server = tokio_modbus::server::tcp::Server::new(listener);
        let on_connected = |stream, peer| async move {
            let connected = self.connect(stream, peer);
            // Whoever had to make room closes before the next is accepted, lest a crowd of
            // newcomers takes more descriptors than there are.
            yield_now().await;
            Ok(connected)
        };
        let on_error = |error: io::Error| tracing::debug!("connection ended: {error}");
        let mut last_failure: Option<Instant> = None;
        loop {
            if let Err(error) = pulse.during(server.serve(&on_connected, on_error)).await {
                let again = last_failure.is_some_and(|last| last.elapsed() < SAME_FAILURE);
                if !again {
                    tracing::warn!("cannot accept clients: {error}; trying again");
                }
                last_failure = Some(Instant::now());
            }
            sleep(ACCEPT_PAUSE).await;
        }
    }

    /// Closes connections, for ever: those that are idle for too long, and all whenever the image
    /// wants none.
    pub async fn close_unwanted(&self) {
        tokio::join!(self.close_idle(), self.close_stale());
    }

    async fn close_idle(&self) {
        let timeout = self.config.idle_timeout;
        loop {
            sleep(timeout.div_f64(IDLE_CHECKS)).await;
            self.connections.close_idle(timeout);
        }
    }

    async fn close_stale(&self) {
        let mut images = self.images.clone();
        while images.wait_for(|image| image.availability == Availability::Disconnect).await.is_ok()
        {
            self.connections.close_all();
            if images.changed().await.is_err() {
                break;
            }
        }
    }

    fn connect(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(MeterService, FrameGuard<TcpStream>)> {
        // On a socket for both families an IPv4 client would be shown as ::ffff:192.0.2.1.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if self.images.borrow().availability == Availability::Disconnect {
            tracing::debug!(%peer, "{peer} refused, the data is stale");
            return None;
        }
        sockets::configure_stream(&stream);
        let (connection, closed) = self.connections.admit(peer);
        let service = MeterService {
            config: Arc::clone(&self.config),
            images: self.images.clone(),
            connection,
        };
        Some((service, FrameGuard::new(stream, closed)))
    }
}

/// Answers the requests of one connection.
struct MeterService {
    config: Arc<ServerConfig>,
    images: watch::Receiver<Arc<Image>>,
    connection: Connection,
}

impl MeterService {
    fn answer(&self, request: &SlaveRequest<'_>) -> Result<Response, ExceptionCode> {
        if let UnitIds::Only(unit) = self.config.unit_ids
            && request.slave != unit
        {
            return Err(ExceptionCode::GatewayTargetDevice);
        }
        match request.request {
            Request::ReadHoldingRegisters(start, count)
            | Request::ReadInputRegisters(start, count) => {
                let function = request.request.function_code().value();
                self.read(start, count).map(|data| Response::Custom(function, data.into()))
            }
            Request::ReadDeviceIdentification(code, first) => {
                self.identify(code, first).map(Response::ReadDeviceIdentification)
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    /// What follows the function code in the answer to a read. The bytes of the image are copied as
    /// they are; tokio-modbus would encode each register anew, a fifth of all its instructions.
    fn read(&self, start: u16, count: u16) -> Result<Vec<u8>, ExceptionCode> {
        if !(1..=MAX_REGISTERS).contains(&count) {
            return Err(ExceptionCode::IllegalDataValue);
        }
        let image = self.images.borrow();
        let registers = start
            .checked_sub(BASE)
            .and_then(|first| {
                let first = usize::from(first);
                image.registers.get(first..first.checked_add(count.into())?)
            })
            .ok_or(ExceptionCode::IllegalDataAddress)?;
        let measured = start < MEASURED.end && start.saturating_add(count) > MEASURED.start;
        if measured && image.availability != Availability::Registers {
            return Err(ExceptionCode::GatewayTargetDevice);
        }
        let bytes = registers.as_flattened();
        let length = u8::try_from(bytes.len()).map_err(|_| ExceptionCode::IllegalDataValue)?;
        Ok([&[length], bytes].concat())
    }

    /// The three basic objects, or the one that is asked for.
    fn identify(
        &self,
        code: ReadCode,
        first: u8,
    ) -> Result<ReadDeviceIdentificationResponse, ExceptionCode> {
        let texts = [&self.config.vendor, &self.config.product, env!("CARGO_PKG_VERSION")];
        let objects = (0_u8..)
            .zip(texts)
            .map(|(id, text)| DeviceIdObject { id, value: text.as_bytes().to_vec().into() });
        let device_id_objects: Vec<_> = match code {
            ReadCode::Specific => objects.filter(|object| object.id == first).collect(),
            // By the specification, an object that is not there means the first.
            _ => objects.filter(|object| first > 2 || object.id >= first).collect(),
        };
        if device_id_objects.is_empty() {
            return Err(ExceptionCode::IllegalDataAddress);
        }
        Ok(ReadDeviceIdentificationResponse {
            read_code: code,
            conformity_level: ConformityLevel::BasicIdentification,
            more_follows: false,
            next_object_id: 0,
            device_id_objects,
        })
    }
}

impl tokio_modbus::server::Service for MeterService {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let answer = self.answer(&request);
        self.connection.asked(&request.request, answer.as_ref().err());
        ready(answer)
    }
}
