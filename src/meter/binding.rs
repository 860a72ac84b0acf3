//! What connects an item of a source with a point of the meter.

use super::{reading::Point, units::Unit};

/// An item of a source, and the point that it gives the value of.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Which value it gives.
    pub point: Point,
    /// The item's name in the source.
    pub item: String,
    /// The unit of its state, where the source names none.
    pub unit: Unit,
}
