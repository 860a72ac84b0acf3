//! The README tells the truth: its configurations load, its keys exist, and its log lines are those
//! of the program.

use std::{fs, path::Path};

use fronius_smartmeter::config::{Config, ConfigError};

const README: &str = include_str!("../../README.md");

/// The cells of the table that follows this header.
fn table(header: &str) -> Vec<Vec<&'static str>> {
    let lines = README.lines().skip_while(|line| *line != header).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 10, "{header}");
    rows
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn problems(config: &str) -> String {
    match Config::parse(config) {
        Ok(_) => String::new(),
        Err(problems) => ConfigError::Invalid { path: "README.md".into(), problems }.to_string(),
    }
}

/// All string literals of the program that are split over lines, in one.
fn source(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &source(&path);
        } else {
            let file = fs::read_to_string(path).unwrap();
            text += &file.split("\\\n").map(str::trim_start).collect::<String>();
        }
    }
    text
}

#[test]
fn its_keys_are_those_of_the_program() {
    let mut count = 0;
    for row in table("| key | default | meaning |") {
        for key in code(row[1]) {
            let found = problems(&format!("{key}: [[]]"));
            assert!(!found.contains("unknown key"), "{found}");
            count += 1;
        }
    }
    assert_eq!(count, 32, "a key is missing, or one is new");
}

#[test]
fn its_configurations_load() {
    let mut loaded = 0;
    for block in README.split("```").skip(1).step_by(2) {
        let Some(config) = block.strip_prefix("yaml\n") else { continue };
        let mut config: String =
            config.lines().map(|line| line.trim_start().to_owned() + "\n").collect();
        if !config.contains("openhab_host") {
            config += "openhab_host: oh\n";
        }
        assert_eq!(problems(&config), "", "{config}");
        loaded += 1;
    }
    assert_eq!(loaded, 2);
}

#[test]
fn its_log_lines_are_those_of_the_program() {
    // What comes from the system, from HTTP or from the configuration at hand.
    const FOREIGN: [&str; 8] = [
        "Permission denied",
        "Address already in use",
        "404 Not Found",
        "401 Unauthorized",
        "config.yaml:",
        "(NULL)",
        " of power",
        "[::]:502",
    ];
    let source = source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut checked = 0;
    for row in table("| symptom | line in the log | remedy |") {
        for line in code(row[2]) {
            let mut line = line.replace("energy_counter_out L1", "…");
            line = line.replace("current_power L1", "…");
            for foreign in FOREIGN {
                line = line.replace(foreign, "…");
            }
            // A message is put together of parts, most of them after a colon.
            let line = line.replace("Wh is ", "…");
            for part in line.split(['…', ':', ',', ';']).map(str::trim) {
                assert!(source.contains(part), "{part:?} of {line:?} is in no message");
                checked += usize::from(part.len() > 5);
            }
        }
    }
    assert!(checked > 15, "only {checked} parts");
}
