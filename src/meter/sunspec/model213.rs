//! Model 213: every value a float32.

use sunspec::{FixedSize, Value, models::model213::Model213};

use super::{METER, Map};
use crate::meter::{
    measurements::{Measurements, ThreePhase},
    reading::Measurand,
};

impl Map {
    /// Writes the values of model 213.
    pub(super) fn model213(&mut self, m: &Measurements) {
        self.float_block(Model213::A.offset, &m.current);
        self.float_block(Model213::PH_V.offset, &m.voltage);
        self.float_block(Model213::PPV.offset, &m.line_voltage);
        self.float(Model213::HZ.offset, m.frequency);
        self.float_block(Model213::W.offset, &m.power);
        self.float_block(Model213::VA.offset, &m.apparent_power);
        self.float_block(Model213::VAR.offset, &m.reactive_power);
        self.float_block(Model213::PF.offset, &m.power_factor);
        self.float_block(Model213::TOT_WH_EXP.offset, &m.exported);
        self.float_block(Model213::TOT_WH_IMP.offset, &m.imported);
        // VAh stays 0 and Evt too; reactive energy is "not supported", as on a real meter.
        for offset in (Model213::TOT_V_ARH_IMP_Q1.offset..Model213::EVT.offset).step_by(2) {
            self.float(offset, f32::INVALID.into());
        }
    }

    fn float_block(&mut self, offset: u16, values: &ThreePhase) {
        for (place, value) in (0_u16..).zip(values.fields()) {
            self.float(offset.saturating_add(place.saturating_mul(f32::SIZE)), value);
        }
    }

    /// Writes one float32. Adding zero turns −0 into 0.
    #[expect(clippy::cast_possible_truncation, reason = "the wire carries float32")]
    fn float(&mut self, offset: u16, value: f64) {
        self.words(METER.saturating_add(offset), &(value as f32 + 0.0).encode());
    }
}

/// Where the block of a measurand begins, and how many registers each of its values has.
pub(super) fn block(measurand: Measurand) -> (u16, u16) {
    let offset = match measurand {
        Measurand::EnergyOut => Model213::TOT_WH_EXP.offset,
        Measurand::EnergyIn => Model213::TOT_WH_IMP.offset,
        Measurand::Power => Model213::W.offset,
        Measurand::Voltage => Model213::PH_V.offset,
        Measurand::Current => Model213::A.offset,
        Measurand::Frequency => Model213::HZ.offset,
    };
    (offset, f32::SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::sunspec::{
        MeterModel, encode,
        tests::{at, identity},
    };

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
        let (registers, saturated) =
            encode(&identity(), MeterModel::Float, 50_000.0, Some(&measurements));
        assert_eq!(saturated, Vec::<&str>::new());
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
        let nans = (40071..40161).step_by(2).filter(|&address| at(&registers, address) == 0x7FC0);
        assert_eq!(nans.count(), 0);
    }
}
