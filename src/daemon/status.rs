//! How things are, in one line: for the log and for `systemctl status`.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::{
    meter::{Condition, Image},
    modbus::connections::Usage,
    status::meter_view::MeterStatus,
    text::Kwh,
};

/// What is served, how old it is, and whether anybody asks for it.
pub(super) struct Status<'a> {
    pub(super) image: &'a Image,
    pub(super) meter: &'a MeterStatus,
    pub(super) usage: Usage,
    pub(super) last_poll: Option<Instant>,
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, meter, usage, last_poll } = self;
        write!(f, "{}, ", image.condition)?;
        match image.confirmed {
            _ if image.condition == Condition::Waiting && !image.overdue.is_empty() => {
                write!(f, "for {}", image.overdue.join(", "))?;
            }
            Some(at) => write!(f, "data {} old", Seconds(at.elapsed()))?,
            None => write!(f, "waiting for {}", image.overdue.join(", "))?,
        }
        if let Some(values) = image.measurements {
            let (exported, imported) = (Kwh(values.exported.total), Kwh(values.imported.total));
            let watts = values.power.total;
            write!(f, ", {watts:.1} W, {exported} exported, {imported} imported")?;
        }
        write!(f, "; clients {}, requests {}, ", usage.connections, usage.requests)?;
        match last_poll {
            Some(at) => write!(f, "last polled {} ago", Seconds(at.elapsed()))?,
            None => f.write_str("never polled")?,
        }
        if !meter.has_disk {
            f.write_str("; counters cannot be saved")?;
        }
        for stand in &meter.stands {
            write!(f, "; {stand}")?;
        }
        Ok(())
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}
