//! The register image: SunSpec models 1 and 213 as a Fronius Smart Meter lays them out.
//!
//! Offsets and encodings are those of the `sunspec` crate, which is generated from the official
//! models. Addresses are wire addresses (0-based).

use sunspec::{
    FixedSize, Group, SUNS_IDENTIFIER, Value,
    models::{model1::Model1, model213::Model213},
};

use super::measurements::Measurements;
use crate::meter::reading::{Measurand, Phase, Point};

mod model213;

/// First address of the map, which holds `SunS`.
pub const BASE: u16 = 40000;

/// Registers in the map: 40000 to 40196.
pub const LEN: usize = 197;

/// Addresses of the measured values of model 213; its header before and the end marker behind them
/// never change.
pub const MEASURED: std::ops::Range<u16> = METER..METER + Model213::LEN;

/// Length of model 1. Fronius meters leave out the pad register of the official model, and the
/// inverter reads the meter model at fixed addresses that follow from it.
const COMMON_LEN: u16 = Model1::LEN - 1;

/// Body of model 1, behind `SunS`, its id and length.
const COMMON: u16 = BASE + 4;

/// Body of model 213, behind its id and length.
const METER: u16 = COMMON + COMMON_LEN + 2;

/// The registers from [`BASE`] on, as they go over the wire: the high byte first.
pub type Registers = [[u8; 2]; LEN];

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

/// Encodes the whole map. Without measurements their registers are 0; [`super::Image`] sees to it
/// that nobody reads them then.
#[must_use]
pub fn encode(identity: &Identity, measurements: Option<&Measurements>) -> Registers {
    let mut map = Map([0; LEN]);
    map.words(BASE, &SUNS_IDENTIFIER);
    map.words(BASE + 2, &[1, COMMON_LEN]);
    map.put(COMMON, &Model1::MN, identity.manufacturer.clone());
    map.put(COMMON, &Model1::MD, identity.model.clone());
    map.put(COMMON, &Model1::OPT, text(&identity.options));
    map.put(COMMON, &Model1::VR, text(&identity.version));
    map.put(COMMON, &Model1::SN, identity.serial_number.clone());
    map.put(COMMON, &Model1::DA, Some(u16::from(identity.address)));
    map.words(METER - 2, &[213, Model213::LEN]);
    if let Some(measurements) = measurements {
        map.model213(measurements);
    }
    map.words(METER + Model213::LEN, &[0xFFFF, 0]);
    map.0.map(u16::to_be_bytes)
}

/// Where the value of a point is served: its address, and its name in SunSpec.
#[must_use]
pub fn place(point: Point) -> (u16, String) {
    let (block, name) = match point.measurand {
        Measurand::EnergyOut => (Model213::TOT_WH_EXP.offset, "TotWhExpPh"),
        Measurand::EnergyIn => (Model213::TOT_WH_IMP.offset, "TotWhImpPh"),
        Measurand::Power => (Model213::W.offset, "Wph"),
        Measurand::Voltage => (Model213::PH_V.offset, "PhVph"),
        Measurand::Current => (Model213::A.offset, "Aph"),
        Measurand::Frequency => {
            return (METER.saturating_add(Model213::HZ.offset), "Hz".to_owned());
        }
    };
    let (step, letter) = match point.phase {
        Phase::L1 => (1, 'A'),
        Phase::L2 => (2, 'B'),
        Phase::L3 => (3, 'C'),
    };
    let offset = block.saturating_add(f32::SIZE.saturating_mul(step));
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

    #[test]
    fn the_identity_has_the_words_of_a_real_meter() {
        let registers = encode(&identity(), None).map(u16::from_be_bytes);
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
        assert_eq!(MEASURED, 40071..40195);
    }

    #[test]
    fn a_point_is_where_place_says() {
        let place = |measurand, phase| place(Point { measurand, phase });
        assert_eq!(place(Measurand::Current, Phase::L1), (40073, "AphA".to_owned()));
        assert_eq!(place(Measurand::Power, Phase::L3), (40103, "WphC".to_owned()));
        assert_eq!(place(Measurand::EnergyOut, Phase::L2), (40133, "TotWhExpPhB".to_owned()));
        assert_eq!(place(Measurand::Frequency, Phase::L2), (40095, "Hz".to_owned()));
    }

    #[test]
    fn a_text_too_long_never_runs_into_its_neighbour() {
        let long = Identity { manufacturer: "x".repeat(100), ..identity() };
        let registers = encode(&long, None);
        assert_eq!(at(&registers, 40019), 0x7878);
        assert_eq!(at(&registers, 40020), 21357);
    }
}
