//! What a state is, judged by its looks.

/// What openHAB calls the type of a state, judged by its looks.
pub(super) fn type_of(state: &str) -> &'static str {
    if matches!(state, "NULL" | "UNDEF") {
        "UnDef"
    } else if unit_of(state).is_some() {
        "Quantity"
    } else if is_number(state) {
        "Decimal"
    } else {
        "String"
    }
}

/// The sum of those states that are numbers in the unit of the first, `UNDEF` if there are none.
pub(super) fn sum<'a>(states: impl Iterator<Item = &'a str>) -> String {
    let (mut sum, mut shared_unit) = (None, None);
    for state in states.filter(|state| matches!(type_of(state), "Quantity" | "Decimal")) {
        let (number, unit) = state.split_once(' ').unwrap_or((state, ""));
        if *shared_unit.get_or_insert(unit) == unit {
            sum = Some(sum.unwrap_or(0.0) + number.parse().unwrap_or(0.0));
        }
    }
    match (sum, shared_unit) {
        (Some(sum), Some("")) => sum.to_string(),
        (Some(sum), Some(unit)) => format!("{sum} {unit}"),
        _ => "UNDEF".to_owned(),
    }
}

/// The unit of a number that has one.
pub(super) fn unit_of(state: &str) -> Option<&str> {
    let (number, unit) = state.split_once(' ')?;
    (is_number(number) && !unit.is_empty() && !unit.contains(char::is_whitespace)).then_some(unit)
}

fn is_number(text: &str) -> bool {
    // Rust reads "inf" and ".5" as numbers, too; openHAB prints neither.
    text.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit())
        && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_shows_its_type() {
        for (state, expected) in [
            ("231.4 V", "Quantity"),
            ("1.0E-4 A", "Quantity"),
            ("20 °C", "Quantity"),
            ("49.98", "Decimal"),
            ("-3", "Decimal"),
            ("1E+7", "Decimal"),
            ("NULL", "UnDef"),
            ("UNDEF", "UnDef"),
            ("", "String"),
            ("inf", "String"),
            ("231,4 V", "String"),
            ("5 of 7", "String"),
            ("--1", "String"),
        ] {
            assert_eq!(type_of(state), expected, "{state}");
        }
    }

    #[test]
    fn a_sum_is_that_of_the_numbers() {
        for (states, expected) in [
            (&["100 W", "NULL", "1000 W", "UNDEF"][..], "1100 W"),
            (&["1.5", "-2"], "-0.5"),
            (&["5 W", "5 kWh", "5"], "5 W"),
            (&["NULL", "ON"], "UNDEF"),
            (&[], "UNDEF"),
        ] {
            assert_eq!(sum(states.iter().copied()), expected, "{states:?}");
        }
    }
}
