//! The configuration: any text is accepted or refused. A refusal has one line for each problem,
//! with a position that exists in the text, and nothing that could control a terminal.
#![no_main]

use std::path::PathBuf;

use fronius_smartmeter::config::{Config, ConfigError};
use fronius_smartmeter_fuzz::assert_printable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Err(problems) = Config::parse(text) else { return };
    let count = problems.len();
    assert!((1..=100).contains(&count));
    let shown = ConfigError::Invalid { path: PathBuf::from("file"), problems }.to_string();
    // YAML has more kinds of line breaks than Rust, and the end of the text may count as a line of
    // its own.
    let breaks = |c| matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let lines = 2 + text.chars().filter(|c| breaks(*c)).count();
    assert_eq!(shown.split('\n').count(), count, "{shown:?}");
    for problem in shown.split('\n') {
        assert_printable(&problem);
        let place =
            problem.strip_prefix("file:").and_then(|rest| rest.split_once(": ")?.0.split_once(':'));
        let (line, column) = place.expect("a place");
        assert!((1..=lines).contains(&line.parse().unwrap()), "{problem}");
        assert!((1..=text.len() + 1).contains(&column.parse().unwrap()), "{problem}");
    }
});
