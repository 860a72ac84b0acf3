//! The register image: SunSpec model 1, and 213 or 203, as a Fronius Smart Meter lays them out.
//!
//! Offsets and encodings are those of the `sunspec` crate, which is generated from the official
//! models. Addresses are wire addresses (0-based).

use std::ops::Range;

use sunspec::{
    Group, SUNS_IDENTIFIER, Value,
    models::{model1::Model1, model203::Model203, model213::Model213},
};

use super::measurements::Measurements;
use crate::meter::reading::{Measurand, Phase, Point};

mod model203;
mod model213;

/// First address of the map, which holds `SunS`.
pub const BASE: u16 = 40000;

/// Registers in the longest map, that with model 213: 40000 to 40196.
const LEN: usize = 197;

/// The largest `max_power` that model 203 serves in steps of 1 W, in W.
pub const FINEST_MAX_POWER_W: f64 = 32_000.0;

/// Length of model 1. Fronius meters leave out the pad register of the official model, and the
/// inverter reads the meter model at fixed addresses that follow from it.
const COMMON_LEN: u16 = Model1::LEN - 1;

/// Body of model 1, behind `SunS`, its id and length.
const COMMON: u16 = BASE + 4;

/// Body of the meter model, behind its id and length.
const METER: u16 = COMMON + COMMON_LEN + 2;

/// The end marker, behind the meter model.
const END: [u16; 2] = [0xFFFF, 0];

/// The registers from [`BASE`] on, as they go over the wire: the high byte first. Those behind the
/// end marker are not served; see [`MeterModel::registers`].
pub type Registers = [[u8; 2]; LEN];

/// The SunSpec model that the values are served in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterModel {
    /// Model 213: float32.
    Float,
    /// Model 203: integers with scale factors.
    Integer,
}

impl MeterModel {
    /// Its number in SunSpec.
    #[must_use]
    pub fn number(self) -> u16 {
        let [number, _] = self.header();
        number
    }

    /// What can flow at most where nobody says, in W: more than a household has, or what is still
    /// served in steps of 1 W.
    #[must_use]
    pub const fn default_max_power_w(self) -> f64 {
        match self {
            Self::Float => 50_000.0,
            Self::Integer => FINEST_MAX_POWER_W,
        }
    }

    /// Its number in SunSpec, and the length of its body in registers.
    fn header(self) -> [u16; 2] {
        match self {
            Self::Float => [213, Model213::LEN],
            Self::Integer => [203, Model203::LEN],
        }
    }

    /// Addresses of its values. Its header before them, and the end marker behind, never change.
    #[must_use]
    pub fn measured(self) -> Range<u16> {
        let [_, length] = self.header();
        METER..METER.saturating_add(length)
    }

    /// How many registers the map has, from [`BASE`] to the end marker.
    #[must_use]
    pub fn registers(self) -> usize {
        usize::from(self.measured().end.saturating_sub(BASE)).saturating_add(END.len())
    }
}

/// What the common model says of the meter. Texts are printable ASCII, checked for length when the
/// configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `Mn`, at most 32 bytes.
    pub manufacturer: String,
    /// `Md`, at most 32 bytes.
    pub model: String,
    /// `Opt`, at most 16 bytes.
    pub options: String,
    /// `Vr`, at most 16 bytes.
    pub version: String,
    /// `SN`, at most 32 bytes; unique in the plant.
    pub serial_number: String,
    /// `DA`, the Modbus device address.
    pub address: u8,
}

/// Encodes the whole map, and gives the quantities that are beyond what the model can hold in a plant
/// of `max_power_w`. Without measurements their registers are 0; [`super::Image`] sees to it that
/// nobody reads them then.
#[must_use]
pub fn encode(
    identity: &Identity,
    model: MeterModel,
    max_power_w: f64,
    measurements: Option<&Measurements>,
) -> (Registers, Vec<&'static str>) {
    let mut map = Map([0; LEN]);
    map.words(BASE, &SUNS_IDENTIFIER);
    map.words(BASE + 2, &[1, COMMON_LEN]);
    map.put(COMMON, &Model1::MN, identity.manufacturer.clone());
    map.put(COMMON, &Model1::MD, identity.model.clone());
    map.put(COMMON, &Model1::OPT, text(&identity.options));
    map.put(COMMON, &Model1::VR, text(&identity.version));
    map.put(COMMON, &Model1::SN, identity.serial_number.clone());
    map.put(COMMON, &Model1::DA, Some(u16::from(identity.address)));
    map.words(METER - 2, &model.header());
    let mut saturated = Vec::new();
    match (model, measurements) {
        (MeterModel::Float, Some(measurements)) => map.model213(measurements),
        (MeterModel::Integer, Some(measurements)) => {
            saturated = map.model203(max_power_w, measurements);
        }
        (_, None) => {}
    }
    map.words(model.measured().end, &END);
    (map.0.map(u16::to_be_bytes), saturated)
}

/// Where the value of a point is served: its address, and its name in SunSpec.
#[must_use]
pub fn place(model: MeterModel, point: Point) -> (u16, String) {
    let (block, size) = match model {
        MeterModel::Float => model213::block(point.measurand),
        MeterModel::Integer => model203::block(point.measurand),
    };
    let name = match point.measurand {
        Measurand::EnergyOut => "TotWhExpPh",
        Measurand::EnergyIn => "TotWhImpPh",
        Measurand::Power => "Wph",
        Measurand::Voltage => "PhVph",
        Measurand::Current => "Aph",
        Measurand::Frequency => return (METER.saturating_add(block), "Hz".to_owned()),
    };
    let (step, letter) = match point.phase {
        Phase::L1 => (1, 'A'),
        Phase::L2 => (2, 'B'),
        Phase::L3 => (3, 'C'),
    };
    let offset = block.saturating_add(size.saturating_mul(step));
    (METER.saturating_add(offset), format!("{name}{letter}"))
}

/// An empty text is "not implemented": all registers 0.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

struct Map([u16; LEN]);

impl Map {
    fn words(&mut self, address: u16, words: &[u16]) {
        let places = self.0.iter_mut().skip(address.saturating_sub(BASE).into());
        for (place, word) in places.zip(words) {
            *place = *word;
        }
    }

    fn put<G: Group, T: Value>(&mut self, body: u16, point: &sunspec::Point<G, T>, value: T) {
        let words = value.encode();
        let length = words.len().min(point.length.into());
        self.words(body.saturating_add(point.offset), words.get(..length).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn identity() -> Identity {
        Identity {
            manufacturer: "Fronius".to_owned(),
            model: "Smart Meter TS 65A-3".to_owned(),
            options: String::new(),
            version: "1.1".to_owned(),
            serial_number: "18410005".to_owned(),
            address: 1,
        }
    }

    #[track_caller]
    pub(super) fn at(registers: &Registers, address: u16) -> u16 {
        u16::from_be_bytes(registers[usize::from(address.checked_sub(BASE).unwrap())])
    }

    fn unmeasured(identity: &Identity) -> Registers {
        encode(identity, MeterModel::Float, 50_000.0, None).0
    }

    #[test]
    fn the_identity_has_the_words_of_a_real_meter() {
        let registers = unmeasured(&identity()).map(u16::from_be_bytes);
        assert_eq!(registers[..4], [0x5375, 0x6E53, 1, 65]);
        // Official bytes for 40004/4 (Fronius 42,0410,2049), then Md and Vr of a TS 65A-3.
        assert_eq!(registers[4..8], [0x4672, 0x6F6E, 0x6975, 0x7300]);
        assert_eq!(
            registers[20..31],
            [21357, 24946, 29728, 19813, 29797, 29216, 21587, 8246, 13633, 11571, 0]
        );
        assert_eq!(registers[36..44], [0; 8], "empty text");
        assert_eq!(registers[44..47], [12590, 12544, 0]);
        assert_eq!(registers[68], 1, "device address");
        assert_eq!(registers[69..71], [213, 124]);
        assert_eq!(registers[195..], [0xFFFF, 0]);
        assert_eq!(MeterModel::Float.measured(), 40071..40195);
        assert_eq!(MeterModel::Float.registers(), LEN);
    }

    #[test]
    fn a_point_is_where_place_says() {
        for (measurand, phase, name, float, integer) in [
            (Measurand::Current, Phase::L1, "AphA", 40073, 40072),
            (Measurand::Voltage, Phase::L2, "PhVphB", 40083, 40078),
            (Measurand::Power, Phase::L3, "WphC", 40103, 40090),
            (Measurand::EnergyOut, Phase::L2, "TotWhExpPhB", 40133, 40111),
            (Measurand::EnergyIn, Phase::L3, "TotWhImpPhC", 40143, 40121),
            (Measurand::Frequency, Phase::L2, "Hz", 40095, 40085),
        ] {
            let point = Point { measurand, phase };
            assert_eq!(place(MeterModel::Float, point), (float, name.to_owned()));
            assert_eq!(place(MeterModel::Integer, point), (integer, name.to_owned()));
        }
    }

    #[test]
    fn a_text_too_long_never_runs_into_its_neighbour() {
        let long = Identity { manufacturer: "x".repeat(100), ..identity() };
        let registers = unmeasured(&long);
        assert_eq!(at(&registers, 40019), 0x7878);
        assert_eq!(at(&registers, 40020), 21357);
    }
}
