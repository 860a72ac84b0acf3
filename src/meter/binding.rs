//! What connects an item of a source with a point of the meter.

use super::{
    reading::{Channel, Measurand, Phase, Point},
    units::{Quantity, Unit},
};
use crate::text::{Decimal, Kwh};

/// No counter shows more than what `max_power` brings in so much time, in h: it is a unit that is
/// mistaken, or a device without a value.
pub const MAX_FULL_LOAD_H: f64 = 40_000.0;

/// An item of a source, and the point that it gives the value of.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Which value it gives, or is a part of.
    pub point: Point,
    /// Its place in the list that is given for the point, from 0.
    pub member: usize,
    /// The item's name in the source.
    pub item: String,
    /// The unit of its state, where the source names none.
    pub unit: Unit,
    /// What its value is multiplied by: finite, not 0, and for an energy above 0.
    pub factor: f64,
    /// No more can flow through the meter, in W.
    pub max_power_w: f64,
}

/// A value beyond what the meter can have.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum LimitError {
    /// A counter that no plant of this size can have.
    #[error(
        "{} is implausible, more than 40000 hours of max_power ({} W): a device without a \
         value, or Wh taken for kWh, which {{item: …, unit: Wh}} puts right",
        Kwh(*wh),
        Decimal(*max_power_w)
    )]
    Energy {
        /// What the item shows, in Wh.
        wh: f64,
        /// The limit, in W.
        max_power_w: f64,
    },
    /// A power that no plant of this size can have.
    #[error(
        "{} W is implausible, more than max_power ({} W); set max_power where the plant is larger",
        Decimal(*watts),
        Decimal(*max_power_w)
    )]
    Power {
        /// What the item shows, in W.
        watts: f64,
        /// The limit, in W.
        max_power_w: f64,
    },
}

impl Binding {
    /// Where its values go in a reading.
    #[must_use]
    pub fn channel(&self) -> Channel {
        Channel { point: self.point, member: self.member }
    }

    /// Checks a value against the size of the plant.
    ///
    /// # Errors
    /// Returns an error if the plant cannot have so much.
    pub fn limit(&self, value: f64) -> Result<f64, LimitError> {
        let max_power_w = self.max_power_w;
        match self.point.measurand.quantity() {
            Quantity::Energy if value > MAX_FULL_LOAD_H * max_power_w => {
                Err(LimitError::Energy { wh: value, max_power_w })
            }
            Quantity::Power if value.abs() > max_power_w => {
                Err(LimitError::Power { watts: value, max_power_w })
            }
            _ => Ok(value),
        }
    }
}

/// The phases on which these bindings give a measurand.
#[must_use]
pub fn phases(bindings: &[Binding], measurand: Measurand) -> [bool; 3] {
    Phase::ALL.map(|phase| {
        let point = Point { measurand, phase };
        bindings.iter().any(|binding| binding.point == point)
    })
}

/// What is probably not meant: the energy of one phase beside the power of another.
#[must_use]
pub fn warning(bindings: &[Binding]) -> Option<String> {
    let power = phases(bindings, Measurand::Power);
    let energy = phases(bindings, Measurand::EnergyOut);
    let is_apart = !power.iter().zip(energy).any(|(power, energy)| *power && energy);
    is_apart.then(|| {
        "energy_counter_out and current_power are on different phases; is that meant?".to_owned()
    })
}
