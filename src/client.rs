//! A SunSpec client that reads any meter: this one, or a real one.

pub mod report;

use std::{fmt, io, sync::Arc, time::Duration};

use sunspec::{
    Model, ModelAddr,
    client::{AsyncClient, AsyncDevice, AsyncModbusClient, Config, DiscoveryError, ModbusError},
    models::{model1::Model1, model203::Model203, model213::Model213},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Mutex,
    time::timeout,
};
use tokio_modbus::{
    Request, Response,
    client::{Client, Context, tcp::attach},
    slave::{Slave, SlaveContext},
};

use crate::{client::report::Report, system::sockets};

/// Time limit for connecting, and for each answer.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Time limit for finding the models: a device has a few dozen of them at most, but one that never
/// comes to an end may name thousands.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(20);

/// Why a meter cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// Error of the connection attempt.
        source: io::Error,
    },
    /// Something answers, but not like a SunSpec device.
    #[error("no SunSpec device at {address}: {source}{hint}", hint = discovery_hint(source))]
    Discovery {
        /// Host and port.
        address: String,
        /// What went wrong while looking for models.
        source: DiscoveryError,
    },
    /// The SunSpec device has no meter model.
    #[error("the device has none of the meter models 201 to 204 and 211 to 214")]
    NoMeter,
    /// The meter has no values at the moment.
    #[error("the meter has no (fresh) values: it answers with exception 0x0B")]
    Refused,
    /// A model cannot be read.
    #[error("model {model} cannot be read: {reason}")]
    Read {
        /// SunSpec id of the model.
        model: u16,
        /// What went wrong, for people.
        reason: String,
    },
}

fn discovery_hint(error: &DiscoveryError) -> &'static str {
    match error {
        DiscoveryError::ModbusError(ModbusError::GatewayTargetDevice) => {
            " (it refuses this unit id; try another with --unit)"
        }
        DiscoveryError::ModbusError(ModbusError::IO(error))
            if error.kind() == io::ErrorKind::InvalidData =>
        {
            " (what it sends is not Modbus TCP)"
        }
        DiscoveryError::ModbusError(ModbusError::IO(_)) => {
            " (it closed the connection: not a Modbus device, or a meter with stale data and \
             on_stale: disconnect)"
        }
        _ => "",
    }
}

/// A connection to a meter.
#[derive(Debug)]
pub struct MeterClient {
    device: AsyncDevice<ModbusTransport>,
    model: u16,
    address: u16,
    length: u16,
}

impl MeterClient {
    /// Connects to `address`, a host and port, and looks for a meter.
    ///
    /// # Errors
    /// Returns an error if nothing answers there, or what answers is not a SunSpec meter.
    pub async fn connect(address: &str, unit: u8) -> Result<Self, ClientError> {
        let stream = match timeout(TIME_LIMIT, TcpStream::connect(address)).await {
            Ok(stream) => stream,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let stream = stream
            .map_err(|source| ClientError::Connect { address: address.to_owned(), source })?;
        sockets::configure_stream(&stream);
        Self::over(stream, address, unit).await
    }

    /// Looks for a meter at the other end of `stream`, which leads to `address`.
    ///
    /// # Errors
    /// Returns an error if what answers there is not a SunSpec meter.
    pub async fn over<S>(stream: S, address: &str, unit: u8) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + fmt::Debug + 'static,
    {
        let registers = ModbusTransport(Arc::new(Mutex::new(attach(stream))));
        let config = Config { read_timeout: Some(TIME_LIMIT), ..Config::default() };
        let client = AsyncClient::new(registers, config);
        let device = timeout(DISCOVERY_LIMIT, client.device(unit))
            .await
            .unwrap_or(Err(ModbusError::Timeout.into()))
            .map_err(|source| ClientError::Discovery { address: address.to_owned(), source })?;
        // All models of a family have the same layout, so one type for each family reads them all.
        let own = |model, at: (u16, u16)| (at.0 > 0).then_some((model, at.0, at.1));
        let known = [own(203, place(device.models.m203)), own(213, place(device.models.m213))];
        let others = device.unknown_models.iter().map(|other| (other.id, other.addr, other.len));
        let (model, address, length) = known
            .into_iter()
            .flatten()
            .chain(others)
            .find(|(id, ..)| matches!(id, 201..=204 | 211..=214))
            .ok_or(ClientError::NoMeter)?;
        Ok(Self { device, model, address, length })
    }

    /// Reads the common model, which says what the meter is.
    ///
    /// # Errors
    /// Returns an error if the meter does not return it.
    pub async fn common(&self) -> Result<Model1, ClientError> {
        self.model(1, place(self.device.models.m1)).await
    }

    /// Reads the common model and the meter model.
    ///
    /// # Errors
    /// Returns an error if the meter does not return them.
    pub async fn read(&self) -> Result<Report, ClientError> {
        let common = self.common().await?;
        let at = (self.address, self.length);
        Ok(if self.model < 210 {
            Report::integer(common, self.model, &self.model::<Model203>(self.model, at).await?)
        } else {
            Report::float(common, self.model, &self.model::<Model213>(self.model, at).await?)
        })
    }

    /// Reads a model in one request, so that all its values are from one instant.
    async fn model<M: Model>(&self, model: u16, at: (u16, u16)) -> Result<M, ClientError> {
        let fail = |reason: String| ClientError::Read { model, reason };
        let read = self.device.client.read_registers(self.device.slave_id, at.0, at.1);
        let words = timeout(TIME_LIMIT, read).await.unwrap_or(Err(ModbusError::Timeout)).map_err(
            |error| match error {
                ModbusError::GatewayTargetDevice => ClientError::Refused,
                other => fail(other.to_string()),
            },
        )?;
        M::parse(&words).map_err(|_| fail("its registers do not match the model".to_owned()))
    }
}

fn place<M: Model>(model: ModelAddr<M>) -> (u16, u16) {
    (model.addr, model.len)
}

/// Reads holding registers over Modbus TCP. Unlike the client that comes with `sunspec`, and the
/// debug assertions of tokio-modbus, it does not trust a server to send as many as requested.
#[derive(Clone)]
struct ModbusTransport(Arc<Mutex<Context>>);

impl fmt::Debug for ModbusTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ModbusTransport").finish_non_exhaustive()
    }
}

impl AsyncModbusClient for ModbusTransport {
    async fn read_registers(
        &self,
        slave_id: u8,
        addr: u16,
        len: u16,
    ) -> Result<Vec<u16>, ModbusError> {
        let mut context = self.0.lock().await;
        context.set_slave(Slave(slave_id));
        match context.call(Request::ReadHoldingRegisters(addr, len)).await?? {
            Response::ReadHoldingRegisters(words) if words.len() == usize::from(len) => Ok(words),
            _ => {
                let wrong = format!("the answer is not the {len} registers that were asked for");
                Err(ModbusError::Protocol(wrong.into()))
            }
        }
    }

    async fn write_registers(&self, _: u8, _: u16, _: &[u16]) -> Result<(), ModbusError> {
        Err(ModbusError::IllegalFunction)
    }
}
