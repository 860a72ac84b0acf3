//! Model 203: integers, with scale factors that follow from the size of the plant and never change.

use sunspec::{FixedSize, Value, models::model203::Model203};

use super::{FINEST_MAX_POWER_W, METER, Map};
use crate::meter::{
    measurements::{Measurements, ThreePhase},
    reading::Measurand,
};

/// The largest scale factor of powers: up to 32 MW, which `max_power` never exceeds.
const MAX_POWER_SF: i16 = 3;

/// Steps of 0.1 V.
const VOLTAGE_SF: i16 = -1;

/// Steps of 0.01 Hz.
const FREQUENCY_SF: i16 = -2;

/// Steps of 0.01 %: power factors are in percent here.
const POWER_FACTOR_SF: i16 = -2;

/// Steps of 1 Wh.
const ENERGY_SF: i16 = 0;

/// The limit of an int16, on both sides: −32768 means "not implemented".
const LIMIT: f64 = 32_767.0;

/// An acc32 that has reached this is 0 again.
const WRAP: f64 = 4_294_967_296.0;

impl Map {
    /// Writes the values of model 203. Gives the quantities that are beyond the limit of their
    /// fields, which then show that limit.
    pub(super) fn model203(&mut self, max_power_w: f64, m: &Measurements) -> Vec<&'static str> {
        let power_sf = power_sf(max_power_w);
        let current_sf = current_sf(power_sf);
        let percents = m.power_factor.fields().map(|ratio| ratio * 100.0);
        let mut saturated = Vec::new();
        let mut block = |name, offset, values: &[f64], scale| {
            if !self.integers(offset, values, scale) {
                saturated.push(name);
            }
        };
        block("current", Model203::A.offset, &m.current.fields(), current_sf);
        block("voltage", Model203::PH_V.offset, &m.voltage.fields(), VOLTAGE_SF);
        block("line voltage", Model203::PPV.offset, &m.line_voltage.fields(), VOLTAGE_SF);
        block("frequency", Model203::HZ.offset, &[m.frequency], FREQUENCY_SF);
        block("power", Model203::W.offset, &m.power.fields(), power_sf);
        block("apparent power", Model203::VA.offset, &m.apparent_power.fields(), power_sf);
        block("reactive power", Model203::VAR.offset, &m.reactive_power.fields(), power_sf);
        block("power factor", Model203::PF.offset, &percents, POWER_FACTOR_SF);
        // VAh and VArh stay 0, which is "not implemented" for an acc32, and Evt too.
        self.accumulators(Model203::TOT_WH_EXP.offset, &m.exported);
        self.accumulators(Model203::TOT_WH_IMP.offset, &m.imported);
        self.scale_factors(power_sf);
        saturated
    }

    fn scale_factors(&mut self, power_sf: i16) {
        self.put(METER, &Model203::A_SF, current_sf(power_sf));
        self.put(METER, &Model203::V_SF, VOLTAGE_SF);
        self.put(METER, &Model203::HZ_SF, Some(FREQUENCY_SF));
        self.put(METER, &Model203::W_SF, power_sf);
        self.put(METER, &Model203::VA_SF, Some(power_sf));
        self.put(METER, &Model203::VAR_SF, Some(power_sf));
        self.put(METER, &Model203::PF_SF, Some(POWER_FACTOR_SF));
        self.put(METER, &Model203::TOT_WH_SF, ENERGY_SF);
        self.put(METER, &Model203::TOT_V_AH_SF, None);
        self.put(METER, &Model203::TOT_V_ARH_SF, None);
    }

    /// Writes int16 values in steps of 10^`scale`. Says whether all of them fit.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what fits")]
    fn integers(&mut self, offset: u16, values: &[f64], scale: i16) -> bool {
        let step = 10_f64.powi(scale.into());
        let steps = values.iter().map(|value| (value / step).round());
        let address = METER.saturating_add(offset);
        for (address, steps) in (address..).zip(steps.clone()) {
            self.words(address, &(steps.clamp(-LIMIT, LIMIT) as i16).encode());
        }
        steps.into_iter().all(|steps| steps.abs() <= LIMIT)
    }

    /// Writes energies in Wh as acc32, the total and behind it the phases.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the remainder is from 0 to below 2³²"
    )]
    fn accumulators(&mut self, offset: u16, energies: &ThreePhase) {
        for (place, wh) in (0_u16..).zip(energies.fields()) {
            let offset = offset.saturating_add(place.saturating_mul(u32::SIZE));
            let words = (wh.round().rem_euclid(WRAP) as u32).encode();
            self.words(METER.saturating_add(offset), &words);
        }
    }
}

/// Where the block of a measurand begins, and how many registers each of its values has.
pub(super) fn block(measurand: Measurand) -> (u16, u16) {
    match measurand {
        Measurand::EnergyOut => (Model203::TOT_WH_EXP.offset, u32::SIZE),
        Measurand::EnergyIn => (Model203::TOT_WH_IMP.offset, u32::SIZE),
        Measurand::Power => (Model203::W.offset, i16::SIZE),
        Measurand::Voltage => (Model203::PH_V.offset, i16::SIZE),
        Measurand::Current => (Model203::A.offset, i16::SIZE),
        Measurand::Frequency => (Model203::HZ.offset, i16::SIZE),
    }
}

/// The smallest scale factor with which a plant of this size fits.
fn power_sf(max_power_w: f64) -> i16 {
    let fits = |sf: &i16| max_power_w <= FINEST_MAX_POWER_W * 10_f64.powi(i32::from(*sf));
    (0..MAX_POWER_SF).find(fits).unwrap_or(MAX_POWER_SF)
}

/// 0.01 A where powers are in steps of 1 W, up to 327 A: at 230 V twice what 32 kW needs.
fn current_sf(power_sf: i16) -> i16 {
    power_sf.saturating_sub(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::sunspec::{
        BASE, MeterModel, Registers, encode,
        tests::{at, identity},
    };

    fn encoded(max_power_w: f64, m: &Measurements) -> (Registers, Vec<&'static str>) {
        encode(&identity(), MeterModel::Integer, max_power_w, Some(m))
    }

    /// The signed value of each address.
    fn signed(registers: &Registers) -> impl Fn(u16) -> i16 {
        |address| at(registers, address).cast_signed()
    }

    /// The acc32 at an address.
    fn accumulated(registers: &Registers, address: u16) -> u32 {
        let addresses = [address, address.checked_add(1).unwrap()];
        let [high, low] = addresses.map(|address| u32::from(at(registers, address)));
        high << 16 | low
    }

    #[test]
    fn the_model_stands_between_the_common_model_and_the_end_marker() {
        let (registers, _) = encoded(32_000.0, &Measurements::default());
        assert_eq!([40_002, 40_003].map(|address| at(&registers, address)), [1, 65]);
        assert_eq!([40_069, 40_070].map(|address| at(&registers, address)), [203, 105]);
        assert_eq!([40_176, 40_177].map(|address| at(&registers, address)), [0xFFFF, 0]);
        assert_eq!(MeterModel::Integer.measured(), 40_071..40_176);
        assert_eq!(MeterModel::Integer.registers(), usize::from(40_178 - BASE));
    }

    #[test]
    fn values_stand_where_the_official_model_has_them() {
        let measurements = Measurements {
            current: ThreePhase::sum([3.46, 0.0, -1.5]),
            voltage: ThreePhase::mean([231.44, 231.46, 229.0]),
            line_voltage: ThreePhase::mean([400.8; 3]),
            frequency: 49.98,
            power: ThreePhase::sum([-800.4, -0.0, 300.0]),
            apparent_power: ThreePhase::sum([801.0, 0.0, 350.0]),
            reactive_power: ThreePhase::sum([30.0, 0.0, 180.0]),
            power_factor: ThreePhase { total: -0.5, phases: [-1.0, 0.0, 0.857_14] },
            exported: ThreePhase::sum([12_345_678.0, 0.0, 0.0]),
            imported: ThreePhase::sum([0.4, 70_000.0, 0.6]),
        };
        let (registers, saturated) = encoded(32_000.0, &measurements);
        assert_eq!(saturated, Vec::<&str>::new());
        let words = |from: u16, to: u16| (from..=to).map(signed(&registers)).collect::<Vec<_>>();
        assert_eq!(words(40_071, 40_075), [196, 346, 0, -150, -2], "A");
        assert_eq!(words(40_076, 40_079), [2306, 2314, 2315, 2290], "PhV");
        assert_eq!(words(40_080, 40_084), [4008, 4008, 4008, 4008, -1], "PPV and V_SF");
        assert_eq!(words(40_085, 40_086), [4998, -2], "Hz");
        assert_eq!(words(40_087, 40_091), [-500, -800, 0, 300, 0], "W");
        assert_eq!(words(40_092, 40_096), [1151, 801, 0, 350, 0], "VA");
        assert_eq!(words(40_097, 40_101), [210, 30, 0, 180, 0], "VAR");
        assert_eq!(words(40_102, 40_106), [-5000, -10_000, 0, 8571, -2], "PF, in percent");
        let energies = (40_107..40_123).step_by(2).map(|address| accumulated(&registers, address));
        assert_eq!(
            energies.collect::<Vec<_>>(),
            [12_345_678, 12_345_678, 0, 0, 70_001, 0, 70_000, 1],
            "TotWhExp and TotWhImp"
        );
        assert_eq!(words(40_123, 40_123), [0], "TotWh_SF");
        assert!(words(40_124, 40_139).iter().all(|word| *word == 0), "VAh");
        assert!(words(40_141, 40_172).iter().all(|word| *word == 0), "VArh");
        assert_eq!([40_140, 40_173].map(signed(&registers)), [i16::MIN; 2], "no scale factor");
        assert_eq!(words(40_174, 40_175), [0, 0], "Evt");
    }

    #[test]
    fn the_steps_are_as_fine_as_the_size_of_the_plant_allows() {
        for (max_power_w, power_sf) in [
            (100.0, 0),
            (32_000.0, 0),
            (32_001.0, 1),
            (50_000.0, 1),
            (320_000.0, 1),
            (320_001.0, 2),
            (3_200_000.0, 2),
            (10_000_000.0, 3),
        ] {
            // As a single-phase generator that takes all there may be.
            let power = [-max_power_w, 0.0, 0.0];
            let measurements = Measurements::from_lines(power, [None; 3], [None; 3], [None; 3]);
            let (registers, saturated) = encoded(max_power_w, &measurements);
            assert_eq!(saturated, Vec::<&str>::new(), "{max_power_w}");
            let at = signed(&registers);
            let scales = [40_091, 40_096, 40_101, 40_075].map(&at);
            assert_eq!(scales, [power_sf, power_sf, power_sf, power_sf - 2], "{max_power_w}");
            let step = 10_f64.powi(power_sf.into());
            let served = f64::from(at(40_087)) * step;
            assert!((served + max_power_w).abs() <= step / 2.0, "{max_power_w} is {served}");
        }
    }

    #[test]
    fn what_does_not_fit_is_served_as_the_limit_and_named() {
        let measurements = Measurements {
            current: ThreePhase::sum([327.674, -327.675, 1e9]),
            power: ThreePhase::sum([-32_767.4, 0.0, 0.0]),
            apparent_power: ThreePhase::sum([32_767.4, 0.0, 0.0]),
            reactive_power: ThreePhase::sum([32_767.5, -32_768.0, f64::INFINITY]),
            ..Measurements::default()
        };
        let (registers, saturated) = encoded(32_000.0, &measurements);
        assert_eq!(saturated, ["current", "reactive power"]);
        let at = signed(&registers);
        assert_eq!([40_072, 40_073, 40_074].map(&at), [32_767, -32_767, 32_767]);
        assert_eq!([40_087, 40_092].map(&at), [-32_767, 32_767]);
        assert_eq!([40_098, 40_099, 40_100].map(&at), [32_767, -32_767, 32_767]);
    }

    #[test]
    fn energies_wrap_at_two_to_the_32_and_keep_steps_of_1_wh() {
        for (wh, served) in [
            (16_777_217.0, 16_777_217),
            (4_294_967_295.4, u32::MAX),
            (4_294_967_295.5, 0),
            (4_294_967_296.0, 0),
            (4_294_967_297.0, 1),
            (1e12, 3_567_587_328),
        ] {
            let exported = ThreePhase::sum([0.0, wh, 0.0]);
            let measurements = Measurements { exported, ..Measurements::default() };
            let (registers, saturated) = encoded(32_000.0, &measurements);
            assert_eq!(accumulated(&registers, 40_107), served, "TotWhExp at {wh}");
            assert_eq!(accumulated(&registers, 40_111), served, "TotWhExpPhB at {wh}");
            assert_eq!(saturated, Vec::<&str>::new());
        }
    }
}
