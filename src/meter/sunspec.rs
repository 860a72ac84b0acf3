//! The register image: SunSpec models 1 and 213 as a Fronius Smart Meter lays them out.
//!
//! Offsets and encodings are those of the `sunspec` crate, which is generated from the official
//! models. Addresses are wire addresses (0-based).

use sunspec::{
    FixedSize, Group, SUNS_IDENTIFIER, Value,
    models::{model1::Model1, model213::Model213},
};

use super::measurements::{Measurements, ThreePhase};
use crate::meter::reading::{Measurand, Phase, Point};

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
        map.measurements(measurements);
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

    /// Writes one float32 of model 213. Adding zero turns −0 into 0.
    #[expect(clippy::cast_possible_truncation, reason = "the wire carries float32")]
    fn float(&mut self, offset: u16, value: f64) {
        self.words(METER.saturating_add(offset), &(value as f32 + 0.0).encode());
    }

    /// Writes a block of model 213: the total and behind it the three phases, as every block has it.
    fn block(&mut self, offset: u16, values: &ThreePhase) {
        let [a, b, c] = values.phases;
        for (place, value) in (0_u16..).zip([values.total, a, b, c]) {
            self.float(offset.saturating_add(place.saturating_mul(f32::SIZE)), value);
        }
    }

    fn measurements(&mut self, m: &Measurements) {
        self.block(Model213::A.offset, &m.current);
        self.block(Model213::PH_V.offset, &m.voltage);
        self.block(Model213::PPV.offset, &m.line_voltage);
        self.float(Model213::HZ.offset, m.frequency);
        self.block(Model213::W.offset, &m.power);
        self.block(Model213::VA.offset, &m.apparent_power);
        self.block(Model213::VAR.offset, &m.reactive_power);
        self.block(Model213::PF.offset, &m.power_factor);
        self.block(Model213::TOT_WH_EXP.offset, &m.exported);
        self.block(Model213::TOT_WH_IMP.offset, &m.imported);
        // VAh stays 0 and Evt too; reactive energy is "not supported", as on a real meter.
        for offset in (Model213::TOT_V_ARH_IMP_Q1.offset..Model213::EVT.offset).step_by(2) {
            self.float(offset, f32::INVALID.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
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
    fn at(registers: &Registers, address: u16) -> u16 {
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
    fn values_stand_where_the_inverter_reads_them() {
        let measurements = Measurements {
            current: ThreePhase::sum([3.6, 0.0, 0.0]),
            voltage: ThreePhase::mean([230.0; 3]),
            line_voltage: ThreePhase::mean([398.0; 3]),
            frequency: 49.98,
            power: ThreePhase::sum([-800.0, -0.0, 0.0]),
            exported: ThreePhase::sum([3_461_821.0, 0.0, 0.0]),
            ..Measurements::default()
        };
        let registers = encode(&identity(), Some(&measurements));
        let pair = |address| [at(&registers, address), at(&registers, address + 1)];
        assert_eq!(pair(40071), [16486, 26214], "A");
        assert_eq!(pair(40079), [17254, 0], "PhV");
        assert_eq!(pair(40095), [16967, 60293], "Hz");
        assert_eq!(pair(40097), [50248, 0], "W");
        assert_eq!(pair(40099), [50248, 0], "WphA");
        assert_eq!(pair(40101), [0, 0], "WphB, no negative zero");
        assert_eq!(pair(40129), [19027, 19188], "TotWhExp");
        assert_eq!(pair(40131), [19027, 19188], "TotWhExpPhA");
        assert_eq!(pair(40161), [0x7FC0, 0], "first of the VArh block");
        assert_eq!(pair(40191), [0x7FC0, 0], "last of the VArh block");
        assert_eq!(pair(40193), [0, 0], "Evt");
        let nans =
            (MEASURED.start..40161).step_by(2).filter(|&address| at(&registers, address) == 0x7FC0);
        assert_eq!(nans.count(), 0);
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
