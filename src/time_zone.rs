//! Time zones, for times that people read. Their rules are built in: `build.rs` takes them from
//! chrono-tz.

use std::{fmt::Write, str::FromStr};

use chrono::{DateTime, FixedOffset, Offset, Utc};

/// A rule, and the time from which it applies.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    /// Seconds since 1970.
    since: i64,
    /// Seconds east of UTC.
    east: i32,
    /// Such as `CEST` or `+0530`, padded with zeros. A `&str` would hold a pointer, which the
    /// loader would have to relocate.
    abbreviation: [u8; 6],
}

impl Change {
    fn abbreviation(&self) -> &str {
        str::from_utf8(&self.abbreviation).unwrap_or_default().trim_end_matches('\0')
    }
}

#[expect(clippy::pedantic, reason = "generated code")]
mod generated {
    use super::Change;

    include!(concat!(env!("OUT_DIR"), "/time_zones.rs"));
}

const UTC: Change = Change { since: i64::MIN, east: 0, abbreviation: *b"UTC\0\0\0" };

/// A time zone of the IANA database, parsed from its name, such as `Europe/Berlin`. Its rules cover
/// 2020 to 2069; the first one also applies before that, and the last one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(&'static [Change]);

/// The name is not that of a time zone.
#[derive(Debug, thiserror::Error)]
#[error("not a time zone of the IANA database")]
pub struct UnknownTimeZone;

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(&[UTC]);

    /// A time in this zone, in a format of [`chrono::format::strftime`], followed by the
    /// abbreviation of the zone.
    #[must_use]
    pub fn show(self, time: DateTime<Utc>, format: &str) -> String {
        let change = self.at(time.timestamp());
        let offset = FixedOffset::east_opt(change.east).unwrap_or_else(|| Utc.fix());
        let local = time.with_timezone(&offset).format(format);
        let mut text = String::new();
        // An invalid format is an error here, where `format!` would panic.
        let _ = write!(text, "{local} {}", change.abbreviation());
        text
    }

    fn at(self, seconds: i64) -> &'static Change {
        self.0.iter().take_while(|change| change.since <= seconds).last().unwrap_or(&UTC)
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        generated::changes(name).map(Self).ok_or(UnknownTimeZone)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _};
    use chrono_tz::{TZ_VARIANTS, Tz};

    use super::*;

    fn utc(time: &str) -> DateTime<Utc> {
        time.parse().unwrap()
    }

    fn assert_like(original: Tz, zone: TimeZone, time: DateTime<Utc>) {
        let expected = original.offset_from_utc_datetime(&time.naive_utc());
        let change = zone.at(time.timestamp());
        assert_eq!(change.east, expected.fix().local_minus_utc(), "{original} at {time}");
        assert_eq!(change.abbreviation(), expected.to_string(), "{original} at {time}");
    }

    #[test]
    fn every_zone_is_as_in_chrono_tz() {
        for original in TZ_VARIANTS {
            let zone: TimeZone = original.name().parse().unwrap();
            let mut time = utc("2020-01-01T00:00:00Z");
            while time < utc("2069-12-31T00:00:00Z") {
                assert_like(original, zone, time);
                time += TimeDelta::hours(5 * 24 + 7);
            }
            for change in &zone.0[1..] {
                let time = DateTime::from_timestamp(change.since, 0).unwrap();
                assert_like(original, zone, time);
                assert_like(original, zone, time - TimeDelta::seconds(1));
            }
        }
    }

    #[test]
    fn a_time_is_shown_as_on_the_clocks_there() {
        let show = |zone: &str, time| {
            zone.parse::<TimeZone>().unwrap().show(utc(time), "%Y-%m-%d %H:%M:%S%.3f")
        };
        let vienna = |time| show("Europe/Vienna", time);
        assert_eq!(vienna("2026-10-25T00:59:59.999Z"), "2026-10-25 02:59:59.999 CEST");
        assert_eq!(vienna("2026-10-25T01:00:00Z"), "2026-10-25 02:00:00.000 CET");
        assert_eq!(vienna("1970-01-01T00:00:00Z"), "1970-01-01 01:00:00.000 CET");
        assert_eq!(show("Asia/Kolkata", "2026-11-24T20:00:00Z"), "2026-11-25 01:30:00.000 IST");
        assert_eq!(
            show("America/Sao_Paulo", "2026-11-24T20:00:00Z"),
            "2026-11-24 17:00:00.000 -03"
        );
        assert_eq!("UTC".parse::<TimeZone>().unwrap(), TimeZone::UTC);
        assert!("Europe/Berln".parse::<TimeZone>().is_err());
    }
}
