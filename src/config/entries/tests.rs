use proptest::prelude::*;

use super::*;

/// What a reader says of a text, a line a problem; empty if nothing.
fn problems(text: &str, reader: impl FnOnce(&mut Entries<'_>)) -> Vec<String> {
    let problems = read(text, true, reader).err().unwrap_or_default();
    let shown = |Problem { position, key, message }| {
        format!("{}:{}: {key}: {message}", position.line, position.column)
    };
    problems.into_iter().map(shown).collect()
}

fn number(entries: &mut Entries<'_>, name: &'static str) -> Option<u8> {
    entries.value(name, "a number", |text| text.parse().ok())
}

#[test]
fn what_nobody_took_is_unknown() {
    let text = "power: 1\nvoltage: 2";
    let found = problems(text, |entries| assert_eq!(number(entries, "power"), Some(1)));
    assert_eq!(found, ["2:1: voltage: unknown key; expected power"]);
    let found = problems(text, |entries| {
        assert_eq!(number(entries, "voltage"), Some(2));
        assert_eq!(number(entries, "power"), Some(1));
    });
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn suggestions_are_the_names_asked_for_there_or_not() {
    let found = problems("powr: 1\nfrequenzy: 2", |entries| {
        assert_eq!(number(entries, "power"), None);
        assert_eq!(number(entries, "frequency"), None);
    });
    assert_eq!(
        found,
        [
            "1:1: powr: unknown key; did you mean power?",
            "2:1: frequenzy: unknown key; did you mean frequency?",
        ]
    );
}

#[test]
fn a_key_without_a_value_is_known_and_absent() {
    let found = problems("power:\nvoltage:\ncurrent:\ntext: ''\nlist: []\n", |entries| {
        for absent in ["power", "text", "list"] {
            assert_eq!(number(entries, absent), None);
        }
        assert!(entries.require("voltage", "a number").is_none());
        let current = entries.take_even_empty("current").unwrap();
        assert_eq!(entries.scalar(&current, "a number"), None);
        assert!(entries.require("frequency", "a number").is_none());
    });
    assert_eq!(
        found,
        [
            "1:1: frequency: missing, expected a number",
            "2:1: voltage: has no value, expected a number",
            "3:9: current: found nothing, expected a number",
        ]
    );
}

#[test]
fn the_first_of_two_counts() {
    let found = problems("power: 1\nother: 0\npower: 2\nother: 0", |entries| {
        assert_eq!(number(entries, "power"), Some(1));
    });
    assert_eq!(
        found,
        [
            "2:1: other: unknown key; expected power",
            "3:1: power: duplicate key; first on line 1",
            "4:1: other: unknown key; expected power",
        ]
    );
}

#[test]
fn a_section_has_keys_of_the_flat_file_and_keys_of_its_own() {
    let text = "data: {host: 1, hots: 2}\nmodbus: {connected_phase: 3}\nconnected_phase: 4\n";
    let found = problems(text, |entries| {
        assert_eq!(number(entries, "data.host"), Some(1));
        assert_eq!(number(entries, "connected_phase"), Some(3));
    });
    assert_eq!(
        found,
        [
            "1:17: data.hots: unknown key; did you mean host?",
            "3:1: connected_phase: duplicate key; first on line 2",
        ]
    );
}

#[test]
fn a_section_knows_what_was_asked_for_of_it() {
    let text = "modbus: {role: 1, connected_phase: 2}";
    let found = problems(text, |entries| {
        assert_eq!(number(entries, "role"), None);
        assert_eq!(number(entries, "modbus_tcp_address"), None);
    });
    assert_eq!(
        found,
        [
            "1:10: modbus.role: unknown key; expected modbus_tcp_address",
            "1:19: modbus.connected_phase: unknown key; expected modbus_tcp_address",
        ]
    );
}

#[test]
fn a_key_of_a_section_alone_is_unknown_outside_of_it() {
    let text = "modbus_requests: 1\ndebug.modbus_requests: 1\ndebug: 1";
    let found = problems(text, |entries| {
        assert_eq!(number(entries, "debug.modbus_requests"), None);
    });
    assert_eq!(
        found,
        [
            "1:1: modbus_requests: unknown key",
            "2:1: debug.modbus_requests: unknown key",
            "3:1: debug: unknown key",
        ]
    );
}

#[test]
fn a_map_in_the_root_is_read_like_the_root() {
    let text = "\
name: 1
meters:
  - power: 2
  - powr: 3
    data: {host: 4}
  - {}
  - 5
";
    let mut found = Vec::new();
    let problems = problems(text, |entries| {
        assert_eq!(number(entries, "name"), Some(1));
        for element in entries.take("meters").unwrap().elements() {
            found.push(entries.map(element, "the keys of a meter", |meter| {
                let power = meter.require("power", "a number")?;
                meter.parse(&power, "a number", |text| text.parse::<u8>().ok())
            }));
        }
    });
    assert_eq!(found, [Some(Some(2)), Some(None), None, None]);
    assert_eq!(
        problems,
        [
            "4:5: meters.1.power: missing, expected a number",
            "4:5: meters.1.powr: unknown key; did you mean power?",
            "5:5: meters.1.data: unknown key; expected power",
            "6:5: meters.2: found nothing, expected the keys of a meter",
            "7:5: meters.3: found a plain value, expected the keys of a meter",
        ]
    );
}

#[test]
fn of_very_many_problems_the_first_in_the_file_are_reported() {
    use std::fmt::Write as _;
    let mut text = String::new();
    for line in 0..70 {
        writeln!(text, "{}: none", if line % 7 == 0 { "power" } else { "other" }).unwrap();
    }
    let found = problems(&text, |entries| {
        number(entries, "power");
    });
    assert_eq!(found.len(), 50);
    assert_eq!(found[0], "1:8: power: found \"none\", expected a number");
    assert_eq!(found[49], "50:1: power: duplicate key; first on line 1");
}

proptest! {
    /// Whatever a file holds and a reader asks for: the first of each name asked for arrives, and
    /// everything else is a problem at its own place.
    #[test]
    fn each_entry_is_taken_or_a_problem(
        keys in prop::collection::vec(0_usize..6, 0..20),
        asked in prop::collection::vec(0_usize..6, 0..6),
    ) {
        const NAMES: [&str; 6] = ["role", "model", "update", "options", "version", "serial"];
        let lines = keys.iter().enumerate().map(|(line, key)| format!("{}: {line}\n", NAMES[*key]));
        let text: String = lines.collect();
        let first = |key: &usize| keys.iter().position(|other| other == key);
        let found = problems(&text, |entries| {
            for (turn, key) in asked.iter().enumerate() {
                let expected = if asked[..turn].contains(key) { None } else { first(key) };
                let value = number(entries, NAMES[*key]).map(usize::from);
                assert_eq!(value, expected);
            }
        });
        let taken = |line: &usize| asked.contains(&keys[*line]) && first(&keys[*line]) == Some(*line);
        let expected: Vec<_> = (0..keys.len()).filter(|line| !taken(line)).collect();
        prop_assert_eq!(found.len(), expected.len(), "{:?}", found);
        for (problem, line) in found.iter().zip(expected) {
            let key = keys[line];
            let known = if asked.contains(&key) { "duplicate key" } else { "unknown key" };
            let start = format!("{}:1: {}: {known}", line.saturating_add(1), NAMES[key]);
            prop_assert!(problem.starts_with(&start), "{} is not {}", problem, start);
        }
    }
}
