//! What each request is answered with.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use tokio::sync::watch;
use tokio_modbus::prelude::{
    ConformityLevel, DeviceIdObject, ExceptionCode, ReadCode, ReadDeviceIdentificationResponse,
    Request, Response, SlaveRequest,
};

use super::{
    connections::Connection,
    frame_guard::WRAPPED,
    server::UnitIds,
    tally::{Poll, Tally},
};
use crate::meter::{
    Availability, Image,
    sunspec::{BASE, Identity, MeterModel},
};

/// The most registers that a read may ask for, according to the Modbus specification.
const MAX_REGISTERS: u16 = 125;

/// The unit ids that Modbus over TCP reserves for a device without a bus behind it.
const NO_BUS: [u8; 2] = [0, 255];

/// Set in the function code of an exception.
const EXCEPTION: u8 = 0x80;

/// A meter as it is served.
#[derive(Clone, Debug)]
pub struct Device {
    /// For the device identification, and for its unit id.
    pub identity: Identity,
    /// The SunSpec model of its values.
    pub model: MeterModel,
    /// What its registers are.
    pub images: watch::Receiver<Arc<Image>>,
    /// What it was asked.
    pub tally: Arc<Tally>,
}

/// The meters of one port.
#[derive(Debug)]
pub(super) struct Devices {
    pub(super) all: Vec<Device>,
    pub(super) unit_ids: UnitIds,
}

impl Devices {
    /// The meter that a request is for. Where there are several, it must name the unit id of one.
    fn of_unit(&self, unit: u8) -> Option<&Device> {
        match self.all.as_slice() {
            [only] if self.unit_ids == UnitIds::Any || NO_BUS.contains(&unit) => Some(only),
            all => all.iter().find(|device| device.identity.address == unit),
        }
    }

    /// Whether clients are not to be connected at all.
    pub(super) fn disconnect(&self) -> bool {
        let disconnects =
            |device: &Device| device.images.borrow().availability == Availability::Disconnect;
        self.all.iter().all(disconnects)
    }
}

/// Answers the requests of one connection.
pub(super) struct MeterService {
    pub(super) devices: Arc<Devices>,
    pub(super) connection: Connection,
}

impl MeterService {
    fn answer(&self, request: &SlaveRequest<'_>) -> Result<Response, ExceptionCode> {
        let device = self.devices.of_unit(request.slave);
        let answer = match device {
            Some(device) => device.answer(&request.request),
            None => Err(ExceptionCode::GatewayTargetDevice),
        };
        let values = device.and_then(|device| device.values(&request.request));
        let exception = answer.as_ref().err();
        let (at, millis) = self.connection.asked(&request.request, exception, values.is_some());
        if let Some(Device { tally, .. }) = device {
            tally.count(exception.copied());
            if let Some((start, count)) = values {
                let poll = || Poll { client: self.connection.client(), at, start, count };
                tally.poll(millis, poll);
            }
        }
        answer
    }
}

impl Device {
    fn answer(&self, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        match *request {
            Request::ReadHoldingRegisters(start, count)
            | Request::ReadInputRegisters(start, count) => {
                let function = request.function_code().value();
                self.read(start, count).map(|data| Response::Custom(function, data.into()))
            }
            Request::ReadDeviceIdentification(code, first) => {
                self.identify(code, first).map(Response::ReadDeviceIdentification)
            }
            Request::Custom(function, ref data) => Err(refusal(function, data)),
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    /// The registers that a request asks for, if measured values are among them.
    fn values(&self, request: &Request<'_>) -> Option<(u16, u16)> {
        let (Request::ReadHoldingRegisters(start, count)
        | Request::ReadInputRegisters(start, count)) = *request
        else {
            return None;
        };
        self.is_measured(start, count).then_some((start, count))
    }

    /// Whether there are measured values among these registers.
    fn is_measured(&self, start: u16, count: u16) -> bool {
        let measured = self.model.measured();
        start < measured.end && start.saturating_add(count) > measured.start
    }

    /// The part of a read's answer after the function code. The bytes of the image are copied as
    /// they are; tokio-modbus would encode each register again, a fifth of all its instructions.
    fn read(&self, start: u16, count: u16) -> Result<Vec<u8>, ExceptionCode> {
        if !(1..=MAX_REGISTERS).contains(&count) {
            return Err(ExceptionCode::IllegalDataValue);
        }
        let image = self.images.borrow();
        let registers = start
            .checked_sub(BASE)
            .and_then(|first| {
                let first = usize::from(first);
                let served = image.registers.get(..self.model.registers())?;
                served.get(first..first.checked_add(count.into())?)
            })
            .ok_or(ExceptionCode::IllegalDataAddress)?;
        if self.is_measured(start, count) && image.availability != Availability::Registers {
            return Err(ExceptionCode::GatewayTargetDevice);
        }
        let bytes = registers.as_flattened();
        let length = u8::try_from(bytes.len()).map_err(|_| ExceptionCode::IllegalDataValue)?;
        Ok([&[length], bytes].concat())
    }

    /// The three basic objects, or only the one that is asked for.
    fn identify(
        &self,
        code: ReadCode,
        first: u8,
    ) -> Result<ReadDeviceIdentificationResponse, ExceptionCode> {
        let Identity { manufacturer, model, .. } = &self.identity;
        let texts = [manufacturer, model, env!("CARGO_PKG_VERSION")];
        let objects = (0_u8..)
            .zip(texts)
            .map(|(id, text)| DeviceIdObject { id, value: text.as_bytes().to_vec().into() });
        let device_id_objects: Vec<_> = match code {
            ReadCode::Specific => objects.filter(|object| object.id == first).collect(),
            // According to the specification, an unknown object id means the first object.
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

/// Makes of a request that the frame guard has wrapped the one that the client sent.
fn restore_request(request: &mut Request<'static>) {
    if let Request::Custom(WRAPPED, wrapped) = request
        && let Some((function, data)) = wrapped.split_first()
    {
        *request = Request::Custom(*function, data.to_vec().into());
    }
}

/// The exception for a request that the meter does not serve: for its content if it is one of the
/// functions that are served otherwise, which of 0x2B is MEI type 0x0E alone.
fn refusal(function: u8, data: &[u8]) -> ExceptionCode {
    match (function, data) {
        (3 | 4, _) | (0x2B, [] | [0x0E, ..]) => ExceptionCode::IllegalDataValue,
        _ => ExceptionCode::IllegalFunction,
    }
}

impl tokio_modbus::server::Service for MeterService {
    type Request = SlaveRequest<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Response, ExceptionCode>>;

    fn call(&self, mut request: Self::Request) -> Self::Future {
        restore_request(&mut request.request);
        let answer = self.answer(&request);
        let Err(exception) = answer else { return ready(answer) };
        // tokio-modbus would answer to the function code that it has decoded.
        let function = request.request.function_code().value() | EXCEPTION;
        ready(Ok(Response::Custom(function, vec![exception.into()].into())))
    }
}
