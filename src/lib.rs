//! A Fronius Smart Meter for values that sit in openHAB.
pub mod meter;
pub mod reading;
pub mod units;
