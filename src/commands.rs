//! The commands besides `run`, and what several of them share.

pub mod address;
pub mod check;
pub mod counters;
pub mod demo;
pub mod health;
pub mod poll;
pub mod progress;
pub mod read;
pub mod replay;
pub mod screen;
pub mod setup;
pub mod simulate;
mod terminal;
