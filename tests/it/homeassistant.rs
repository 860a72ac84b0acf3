//! Home Assistant as the source: listened to, lost and found again.

mod access;
mod certificates;
mod confirmation;
mod hostile;
mod missing;
mod outages;
mod recordings;
mod reports;
mod sources;
mod values;
