//! The register map, point by point.

use super::snapshot::RegisterSnapshot;
use crate::meter::{
    Image,
    sunspec::{BASE, MeterModel},
};

/// What the registers of a point hold.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Text, in so many registers.
    Text(usize),
    U16,
    I16,
    /// A counter, or flags.
    U32,
    Float,
}

/// A total and its phases share a name but for its end.
type Block = (&'static str, Kind, &'static [&'static str]);

const ONE: &[&str] = &[""];
const LINES: &[&str] = &["", "phA", "phB", "phC"];
const PHASES: &[&str] = &["", "PhA", "PhB", "PhC"];

/// From `SunS` up to the header of the meter model.
const COMMON: [Block; 11] = [
    ("SunS", Kind::Text(2), ONE),
    ("ID", Kind::U16, ONE),
    ("L", Kind::U16, ONE),
    ("Mn", Kind::Text(16), ONE),
    ("Md", Kind::Text(16), ONE),
    ("Opt", Kind::Text(8), ONE),
    ("Vr", Kind::Text(8), ONE),
    ("SN", Kind::Text(16), ONE),
    ("DA", Kind::U16, ONE),
    ("ID", Kind::U16, ONE),
    ("L", Kind::U16, ONE),
];

const FLOAT: [Block; 17] = [
    ("A", Kind::Float, LINES),
    ("PhV", Kind::Float, LINES),
    ("PPV", Kind::Float, &["", "phAB", "phBC", "phCA"]),
    ("Hz", Kind::Float, ONE),
    ("W", Kind::Float, LINES),
    ("VA", Kind::Float, LINES),
    ("VAR", Kind::Float, LINES),
    ("PF", Kind::Float, LINES),
    ("TotWhExp", Kind::Float, PHASES),
    ("TotWhImp", Kind::Float, PHASES),
    ("TotVAhExp", Kind::Float, PHASES),
    ("TotVAhImp", Kind::Float, PHASES),
    ("TotVArhImpQ1", Kind::Float, LINES),
    ("TotVArhImpQ2", Kind::Float, LINES),
    ("TotVArhExpQ3", Kind::Float, LINES),
    ("TotVArhExpQ4", Kind::Float, LINES),
    ("Evt", Kind::U32, ONE),
];

const INTEGER: [Block; 28] = [
    ("A", Kind::I16, LINES),
    ("A_SF", Kind::I16, ONE),
    ("PhV", Kind::I16, LINES),
    ("PPV", Kind::I16, ONE),
    ("PhV", Kind::I16, &["phAB", "phBC", "phCA"]),
    ("V_SF", Kind::I16, ONE),
    ("Hz", Kind::I16, ONE),
    ("Hz_SF", Kind::I16, ONE),
    ("W", Kind::I16, LINES),
    ("W_SF", Kind::I16, ONE),
    ("VA", Kind::I16, LINES),
    ("VA_SF", Kind::I16, ONE),
    ("VAR", Kind::I16, LINES),
    ("VAR_SF", Kind::I16, ONE),
    ("PF", Kind::I16, LINES),
    ("PF_SF", Kind::I16, ONE),
    ("TotWhExp", Kind::U32, PHASES),
    ("TotWhImp", Kind::U32, PHASES),
    ("TotWh_SF", Kind::I16, ONE),
    ("TotVAhExp", Kind::U32, PHASES),
    ("TotVAhImp", Kind::U32, PHASES),
    ("TotVAh_SF", Kind::I16, ONE),
    ("TotVArhImpQ1", Kind::U32, PHASES),
    ("TotVArhImpQ2", Kind::U32, PHASES),
    ("TotVArhExpQ3", Kind::U32, PHASES),
    ("TotVArhExpQ4", Kind::U32, PHASES),
    ("TotVArh_SF", Kind::I16, ONE),
    ("Evt", Kind::U32, ONE),
];

const END: [Block; 2] = [("ID", Kind::U16, ONE), ("L", Kind::U16, ONE)];

/// All points of an image, in the order of their addresses.
pub(super) fn points(image: &Image) -> Vec<RegisterSnapshot> {
    let values: &[Block] = match image.model {
        MeterModel::Float => &FLOAT,
        MeterModel::Integer => &INTEGER,
    };
    let blocks = COMMON.iter().chain(values).chain(&END);
    let points = blocks
        .flat_map(|(stem, kind, ends)| ends.iter().map(move |end| (format!("{stem}{end}"), *kind)));
    let mut rest = image.registers.as_slice();
    let mut address = BASE;
    let mut all = Vec::new();
    for (name, kind) in points {
        let Some((registers, others)) = rest.split_at_checked(kind.size()) else { break };
        rest = others;
        let value = kind.show(registers.as_flattened());
        let words: Vec<_> = registers.iter().map(|bytes| u16::from_be_bytes(*bytes)).collect();
        let next = address.saturating_add(u16::try_from(words.len()).unwrap_or_default());
        all.push(RegisterSnapshot { address, name, value, words });
        address = next;
    }
    all
}

impl Kind {
    /// In registers.
    fn size(self) -> usize {
        match self {
            Self::Text(size) => size,
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::Float => 2,
        }
    }

    /// As a client decodes it, before any scale factor. None where the point is "not implemented".
    fn show(self, bytes: &[u8]) -> Option<String> {
        match (self, bytes) {
            (Self::U16, &[a, b]) => Some(u16::from_be_bytes([a, b]).to_string()),
            (Self::I16, &[a, b]) => {
                let value = i16::from_be_bytes([a, b]);
                (value != i16::MIN).then(|| value.to_string())
            }
            (Self::U32, &[a, b, c, d]) => Some(u32::from_be_bytes([a, b, c, d]).to_string()),
            (Self::Float, &[a, b, c, d]) => {
                let value = f32::from_be_bytes([a, b, c, d]);
                (!value.is_nan()).then(|| value.to_string())
            }
            (Self::Text(_), bytes) => {
                let text = bytes.iter().take_while(|byte| **byte != 0);
                let text: String = text.map(|byte| char::from(*byte)).collect();
                (!text.is_empty()).then_some(text)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use sunspec::models::{model203::Model203, model213::Model213};

    use super::*;
    use crate::meter::{
        Availability, Condition,
        measurements::Measurements,
        sunspec::{Identity, encode},
    };

    fn image(model: MeterModel) -> Image {
        let identity = Identity {
            manufacturer: "Fronius".to_owned(),
            model: "Smart Meter IP".to_owned(),
            options: String::new(),
            version: "2.9".to_owned(),
            serial_number: "123".to_owned(),
            address: 7,
        };
        Image {
            registers: encode(&identity, model, 50_000.0, Some(&Measurements::default())).0,
            model,
            saturated: Vec::new(),
            availability: Availability::Registers,
            condition: Condition::Live,
            confirmed: None,
            next_expiry: None,
            overdue: Vec::new(),
            measurements: None,
        }
    }

    #[test]
    fn each_point_is_where_sunspec_has_it() {
        let place = |model, name: &str| {
            let points = points(&image(model));
            points.iter().find(|point| point.name == name).map(|point| point.address)
        };
        let body = 40_071;
        for (name, float, integer) in [
            ("AphB", Model213::APH_B.offset, Model203::APH_B.offset),
            ("Hz", Model213::HZ.offset, Model203::HZ.offset),
            ("PFphC", Model213::P_FPH_C.offset, Model203::P_FPH_C.offset),
            ("TotWhImpPhC", Model213::TOT_WH_IMP_PH_C.offset, Model203::TOT_WH_IMP_PH_C.offset),
            ("Evt", Model213::EVT.offset, Model203::EVT.offset),
        ] {
            assert_eq!(place(MeterModel::Float, name), Some(body + float), "{name}");
            assert_eq!(place(MeterModel::Integer, name), Some(body + integer), "{name}");
        }
        assert_eq!(
            place(MeterModel::Integer, "TotVArh_SF"),
            Some(body + Model203::TOT_V_ARH_SF.offset)
        );
    }

    #[test]
    fn the_points_are_the_whole_map() {
        for model in [MeterModel::Float, MeterModel::Integer] {
            let points = points(&image(model));
            let words: usize = points.iter().map(|point| point.words.len()).sum();
            assert_eq!(words, model.registers());
            let [.., end, length] = points.as_slice() else { panic!("too few") };
            assert_eq!((end.words.as_slice(), length.words.as_slice()), (&[0xFFFF][..], &[0][..]));
            let value = |name: &str| {
                points.iter().find(|point| point.name == name).and_then(|point| point.value.clone())
            };
            assert_eq!(value("Mn"), Some("Fronius".to_owned()));
            assert_eq!(value("Opt"), None);
            assert_eq!(value("DA"), Some("7".to_owned()));
            assert_eq!(value("TotVArhImpQ1").is_none(), model == MeterModel::Float, "NaN");
        }
    }
}
