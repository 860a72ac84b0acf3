//! openHAB as the source: reached, listened to, polled, lost and found again.

mod access;
mod certificates;
mod events;
mod freshness;
mod items;
mod log;
mod outages;
mod recordings;
mod redirects;
mod restarts;
pub(crate) mod simulator;
mod streams;
mod time_limits;
