//! What a source has to offer: the items that may be values of a meter.

use chrono::{DateTime, TimeDelta, Utc};

use crate::meter::units::Quantity;

/// How far to look back for the highest value of an item.
const PAST: TimeDelta = TimeDelta::days(30);

/// When the time begins that is looked at for the highest value of an item.
pub(super) fn month_ago() -> DateTime<Utc> {
    let now = Utc::now();
    now.checked_sub_signed(PAST).unwrap_or(now)
}

/// An item, as a source lists it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedItem {
    /// Its name, or the id of an entity, which follows the source's rule for them.
    pub name: String,
    /// What it is called for people; may be empty.
    pub label: String,
    /// Its state, as [`super::state::parse_state`] takes it.
    pub state: String,
    /// What it measures, by its unit or its type; none for a number without either.
    pub quantity: Option<Quantity>,
    /// The items whose sum it is, if it is one that the source makes.
    pub members: Vec<String>,
}

impl ListedItem {
    /// Whether it may be a value of a meter: it measures something, or has a number without a unit.
    pub(super) fn is_number(&self) -> bool {
        self.quantity.is_some() || self.state.parse().is_ok_and(f64::is_finite)
    }
}
