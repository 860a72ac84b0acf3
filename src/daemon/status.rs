//! How things are, in one line: for the log and for `systemctl status`.

use std::{fmt, net::IpAddr, time::Instant};

use super::hour::{Course, Ended, Rounded};
use crate::{
    meter::{Condition, Image, Role, measurements::Measurements},
    modbus::connections::Usage,
    status::meter_view::MeterStatus,
    text::Kwh,
};

/// What is served, and what keeps it from being better.
#[derive(Clone, Copy)]
pub(super) struct Status<'a> {
    pub(super) role: Role,
    pub(super) image: &'a Image,
    pub(super) meter: &'a MeterStatus,
}

/// The status now: how old the data is, and whether anybody asks for it.
pub(super) struct Now<'a> {
    pub(super) status: Status<'a>,
    pub(super) usage: Usage,
    pub(super) last_poll: Option<Instant>,
}

/// The status at the end of an hour, with what happened in it.
pub(super) struct Summary<'a> {
    pub(super) status: Status<'a>,
    pub(super) hour: &'a Ended,
    /// Those that poll now.
    pub(super) clients: &'a [IpAddr],
}

impl fmt::Display for Now<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, usage: Usage { connections, requests }, last_poll } = self;
        status.write_values(f, None)?;
        if let Some(at) = status.image.confirmed {
            write!(f, "; data {} old", Rounded(at.elapsed()))?;
        }
        let s = if *connections == 1 { "" } else { "s" };
        write!(f, "; {connections} client{s}, {requests} requests, ")?;
        match last_poll {
            Some(at) => write!(f, "last polled {} ago", Rounded(at.elapsed()))?,
            None => f.write_str("not polled yet")?,
        }
        status.write_faults(f)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, hour, clients } = *self;
        status.write_values(f, Some(hour))?;
        Course { hour, clients }.fmt(f)?;
        status.write_faults(f)
    }
}

impl Status<'_> {
    fn write_values(self, f: &mut fmt::Formatter<'_>, hour: Option<&Ended>) -> fmt::Result {
        let Image { condition, overdue, measurements, .. } = self.image;
        write!(f, "{condition}")?;
        if *condition != Condition::Live && !overdue.is_empty() {
            write!(f, " for {}", overdue.join(", "))?;
        }
        let Some(Measurements { power, exported, imported, .. }) = measurements else {
            return Ok(());
        };
        let (out, into) = match self.role {
            Role::Producer => (["generates", "generated"], ["consumes", "consumed"]),
            Role::Grid => (["exports", "exported"], ["imports", "imported"]),
        };
        // In SunSpec + is import.
        let [does, _] = if power.total > 0.0 { into } else { out };
        write!(f, ", {does} {:.1} W", power.total.abs())?;
        let exported_wh = hour.and_then(|hour| hour.exported_wh);
        write!(f, "; {} {}{}", Kwh(exported.total), out[1], InThisHour(exported_wh))?;
        if self.role == Role::Grid || imported.total > 0.0 {
            let imported_wh = hour.and_then(|hour| hour.imported_wh);
            write!(f, ", {} {}{}", Kwh(imported.total), into[1], InThisHour(imported_wh))?;
        }
        Ok(())
    }

    fn write_faults(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.meter.has_disk {
            f.write_str("; counters cannot be saved")?;
        }
        self.meter.stands.iter().try_for_each(|stand| write!(f, "; {stand}"))
    }
}

/// The part of a total that an hour has brought.
struct InThisHour(Option<f64>);

impl fmt::Display for InThisHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |wh| write!(f, " ({} in this hour)", Kwh(wh)))
    }
}
