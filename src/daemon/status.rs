//! How things are, in one line: for the log and for `systemctl status`.

use std::{fmt, time::Duration};

use crate::{
    meter::{Image, reading::Point},
    modbus::connections::Usage,
};

/// What is served, how old it is, and whether anybody asks for it.
pub(super) struct Status<'a> {
    pub(super) image: &'a Image,
    pub(super) usage: Usage,
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, usage } = self;
        write!(f, "{}, ", image.condition)?;
        match image.confirmed {
            Some(at) => write!(f, "data {} old", Seconds(at.elapsed()))?,
            None => write!(f, "waiting for {}", list(&image.overdue))?,
        }
        if let Some(values) = image.measurements {
            let (exported, imported) = (values.exported.total, values.imported.total);
            let watts = values.power.total;
            write!(f, ", {watts:.1} W, {exported:.0} Wh exported, {imported:.0} Wh imported")?;
        }
        write!(f, "; clients {}, requests {}, ", usage.connections, usage.requests)?;
        match usage.idle {
            Some(idle) => write!(f, "last polled {} ago", Seconds(idle)),
            None => f.write_str("never polled"),
        }
    }
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

/// Points, separated by commas.
pub(super) fn list(points: &[Point]) -> String {
    points.iter().map(Point::to_string).collect::<Vec<_>>().join(", ")
}
