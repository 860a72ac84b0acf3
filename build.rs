//! Writes the rules of all time zones as plain numbers, from the tables of chrono-tz.
//!
//! Each of the 30,000 changes in those tables holds a pointer to a string, which the loader has to
//! relocate at every start: 1.5 MiB of memory and a third of the start-up time, for one zone.
#![expect(clippy::arithmetic_side_effects, reason = "times of this century do not overflow")]

use std::{collections::BTreeMap, env, fmt::Write, fs, io, path::Path};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

/// The rules cover 2020 to 2069, since logs are about the present. The first rule also applies
/// before that, and the last one after it. In seconds since 1970.
const BEGIN: i64 = 1_577_836_800;
const END: i64 = 3_155_760_000;

/// No zone changes twice within this time; the shortest interval is a week, in Gaza.
const STEP: i64 = 2 * 24 * 3600;

/// Seconds east of UTC, and the abbreviation.
type Rule = (i32, String);

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut zones: BTreeMap<Vec<(i64, Rule)>, Vec<&str>> = BTreeMap::new();
    for zone in TZ_VARIANTS {
        zones.entry(changes(zone)).or_default().push(zone.name());
    }
    let mut code =
        "pub(super) fn changes(name: &str) -> Option<&'static [Change]> {\nSome(match name {\n"
            .to_owned();
    for (changes, names) in zones {
        let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
        let _ = writeln!(code, "{} => const {{ &[", names.join(" | "));
        for (since, (east, abbreviation)) in changes {
            let padding = "\\0".repeat(6_usize.saturating_sub(abbreviation.len()));
            let _ = writeln!(
                code,
                "Change {{ since: {since}, east: {east}, abbreviation: *b\"{abbreviation}{padding}\" }},"
            );
        }
        code += "] },\n";
    }
    code += "_ => return None,\n})\n}\n";
    let directory = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&directory).join("time_zones.rs"), code)
}

/// The rules of a zone, each with the time from which it applies, in seconds since 1970.
fn changes(zone: Tz) -> Vec<(i64, Rule)> {
    let mut last = rule(zone, BEGIN);
    let mut changes = vec![(i64::MIN, last.clone())];
    for step in 0..(END - BEGIN) / STEP {
        let mut before = BEGIN + step * STEP;
        let mut after = before + STEP;
        if rule(zone, after) != last {
            while after - before > 1 {
                let middle = before.midpoint(after);
                if rule(zone, middle) == last {
                    before = middle;
                } else {
                    after = middle;
                }
            }
            last = rule(zone, after);
            changes.push((after, last.clone()));
        }
    }
    changes
}

fn rule(zone: Tz, seconds: i64) -> Rule {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    let offset = zone.offset_from_utc_datetime(&time.naive_utc());
    (offset.fix().local_minus_utc(), offset.to_string())
}
