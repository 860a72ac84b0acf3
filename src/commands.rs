//! The commands besides `run`, and the screen that two of them print to.

pub mod address;
pub mod check;
pub mod counters;
pub mod demo;
pub mod health;
pub mod read;
pub mod replay;
pub mod screen;
pub mod simulate;
