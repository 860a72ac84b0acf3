//! The commands besides `run`, and what they print with.

pub mod check;
pub mod counters;
pub mod demo;
pub mod read;
pub mod screen;
pub mod simulate;
