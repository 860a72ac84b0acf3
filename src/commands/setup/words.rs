//! What names say: which item is likely to be meant, which phase it is of, and which items belong
//! together. English and German, as houses have them.

use crate::meter::{Role, reading::Measurand, units::Quantity};

/// Words and what they count, for or against.
type Words = (&'static [&'static str], i32);

const TOTALS: Words = (&["total", "gesamt", "lifetime", "counter", "zaehler", "zähler"], 2);
const PERIODS: Words = (
    &[
        "today",
        "heute",
        "daily",
        "day",
        "tag",
        "tages",
        "yesterday",
        "gestern",
        "week",
        "weekly",
        "woche",
        "month",
        "monat",
        "year",
        "jahr",
    ],
    -5,
);
const GENERATORS: Words = (
    &[
        "pv",
        "solar",
        "photovolt",
        "inverter",
        "wechselrichter",
        "yield",
        "ertrag",
        "generat",
        "erzeug",
        "produc",
        "produktion",
        "balkon",
        "hoymiles",
        "ac",
    ],
    2,
);
const CONSUMERS: Words = (
    &[
        "grid",
        "netz",
        "import",
        "export",
        "consum",
        "verbrauch",
        "bezug",
        "einspeis",
        "load",
        "house",
        "haus",
        "home",
        "battery",
        "batterie",
        "akku",
        "charg",
        "heat",
        "heiz",
        "boiler",
        "wallbox",
        "car",
        "plug",
        "steckdose",
    ],
    -3,
);
const METERS: Words = (&["grid", "netz", "meter", "zaehler", "zähler"], 2);
const GENERATORS_BEHIND: Words =
    (&["pv", "solar", "inverter", "wechselrichter", "battery", "batterie", "akku"], -3);
const IN: Words = (&["import", "consum", "bezug", "verbrauch", "in", "from", "imported"], 3);
const OUT: Words = (&["export", "einspeis", "feed", "out", "return", "returned"], 3);
const NOT_MEASURED: Words = (
    &[
        "limit",
        "max",
        "min",
        "peak",
        "apparent",
        "reactive",
        "schein",
        "blind",
        "dc",
        "string",
        "mppt",
        "rated",
        "nominal",
        "setpoint",
        "forecast",
        "prognose",
        "estimate",
        "remaining",
    ],
    -5,
);

/// How likely an item of this name and label is to be meant: the higher, the more.
pub(super) fn likelihood(name: &str, measurand: Measurand, role: Role) -> i32 {
    let against = |(words, points): Words| (words, i32::wrapping_neg(points));
    let mut tables = vec![NOT_MEASURED];
    if measurand.is_counter() {
        tables.extend([TOTALS, PERIODS]);
    }
    match (role, measurand) {
        (Role::Grid, Measurand::EnergyOut) => {
            tables.extend([METERS, GENERATORS_BEHIND, OUT, against(IN)]);
        }
        (Role::Grid, Measurand::EnergyIn) => {
            tables.extend([METERS, GENERATORS_BEHIND, IN, against(OUT)]);
        }
        (Role::Grid, _) => tables.extend([METERS, GENERATORS_BEHIND]),
        (Role::Producer, _) => tables.extend([GENERATORS, CONSUMERS]),
    }
    let tokens = tokens(name);
    let points = |(words, points): Words| {
        let is_there = |word: &&&str| tokens.iter().any(|token| has_word(token, word));
        let count = i32::try_from(words.iter().filter(is_there).take(2).count());
        points.saturating_mul(count.unwrap_or_default())
    };
    tables.into_iter().map(points).fold(0, i32::saturating_add)
}

/// Short words only count as a whole: `voltage` is not about a `tag`.
fn has_word(token: &str, word: &str) -> bool {
    if word.len() < 4 { token == word } else { token.contains(word) }
}

/// What a number without a unit may measure, by its name.
pub(super) fn measures(name: &str, quantity: Quantity) -> bool {
    let words: &[&str] = match quantity {
        Quantity::Energy => {
            &["energy", "energie", "ertrag", "yield", "kwh", "wh", "zaehler", "zähler", "counter"]
        }
        Quantity::Power => &["power", "leistung", "watt", "w"],
        Quantity::Voltage => &["voltage", "spannung", "volt", "v"],
        Quantity::Current => &["current", "strom", "ampere", "amps", "a"],
        Quantity::Frequency => &["frequency", "frequenz", "hz"],
    };
    tokens(name).iter().any(|token| words.iter().any(|word| has_word(token, word)))
}

/// How many words two names share that say which device is meant.
pub(super) fn shared(one: &str, other: &str) -> i32 {
    const COMMON: [&str; 16] = [
        "sensor", "number", "input", "total", "ac", "l1", "l2", "l3", "1", "2", "3", "power",
        "energy", "leistung", "energie", "phase",
    ];
    let other = tokens(other);
    let is_shared = |token: &&String| other.contains(token) && !COMMON.contains(&token.as_str());
    i32::try_from(tokens(one).iter().filter(is_shared).count()).unwrap_or_default()
}

/// The words of a name, in lower case: `PV_PowerL1` has `pv`, `power` and `l1`.
fn tokens(name: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    let mut last = ' ';
    for c in name.chars() {
        let is_new = !c.is_alphanumeric() || (c.is_uppercase() && !last.is_uppercase());
        if is_new {
            tokens.push(String::new());
        }
        if let Some(token) = tokens.last_mut()
            && c.is_alphanumeric()
        {
            token.extend(c.to_lowercase());
        }
        last = c;
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// How phases are written in names.
const PHASES: [[&str; 3]; 6] = [
    ["l1", "l2", "l3"],
    ["phase_1", "phase_2", "phase_3"],
    ["phase1", "phase2", "phase3"],
    ["phase_a", "phase_b", "phase_c"],
    ["phasea", "phaseb", "phasec"],
    ["p1", "p2", "p3"],
];

/// The phase that a name is of, 0 to 2, and the name with `*` in its place.
pub(super) fn phase(name: &str) -> Option<(usize, String)> {
    let lower = name.to_ascii_lowercase();
    PHASES.iter().find_map(|phases| {
        phases.iter().enumerate().find_map(|(phase, word)| {
            let (start, end) = find_word(name, &lower, word)?;
            Some((phase, format!("{}*{}", name.get(..start)?, name.get(end..)?)))
        })
    })
}

/// Where a word is in a name: between characters that are no letters or digits, or as `PowerL1`.
fn find_word(name: &str, lower: &str, word: &str) -> Option<(usize, usize)> {
    lower.match_indices(word).find_map(|(start, word)| {
        let end = start.checked_add(word.len())?;
        let before = name.get(..start)?.chars().next_back();
        let after = name.get(end..)?.chars().next();
        let begins = name.get(start..)?.starts_with(|c: char| c.is_uppercase())
            && before.is_some_and(|c| !c.is_uppercase());
        let is_free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        ((begins || is_free(before)) && is_free(after)).then_some((start, end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_of_a_name_is_recognised_and_no_other_letters() {
        for (name, expected) in [
            ("inverter_power_L1", Some((0, "inverter_power_*"))),
            ("sensor.meter_phase_b_power", Some((1, "sensor.meter_*_power"))),
            ("PVPowerL3", Some((2, "PVPower*"))),
            ("sensor.p2_power", Some((1, "sensor.*_power"))),
            ("total1", None),
            ("TOTAL1", None),
            ("inverter_power", None),
            ("level10", None),
        ] {
            let found = phase(name);
            let found = found.as_ref().map(|(phase, rest)| (*phase, rest.as_str()));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[track_caller]
    fn assert_order(measurand: Measurand, role: Role, names: &[&str]) {
        let points: Vec<_> = names.iter().map(|name| likelihood(name, measurand, role)).collect();
        assert!(points.is_sorted_by(|a, b| a > b), "{points:?}");
    }

    #[test]
    fn the_likely_item_comes_first() {
        use Measurand::{EnergyIn, EnergyOut, Power};
        assert_order(
            EnergyOut,
            Role::Producer,
            &["Solar_Gesamtertrag", "inverter_energy", "energy", "PV_Energy_Today"],
        );
        assert_order(
            EnergyOut,
            Role::Producer,
            &["sensor.pv_total_energy", "sensor.grid_import_total_energy"],
        );
        assert_order(Power, Role::Producer, &["inverter_power", "power", "inverter_power_limit"]);
        assert_order(Power, Role::Producer, &["power", "house_power"]);
        assert_order(EnergyOut, Role::Grid, &["meter_export", "meter_energy", "meter_import"]);
        assert_order(EnergyIn, Role::Grid, &["Netzbezug", "Netz", "Netzeinspeisung"]);
        assert_order(Power, Role::Grid, &["grid_power", "pv_power"]);
    }

    #[test]
    fn names_of_one_device_share_words() {
        assert_eq!(shared("inverter_energy", "inverter_power"), 1);
        assert_eq!(shared("sensor.roof_east_energy", "sensor.roof_east_power"), 2);
        assert_eq!(shared("sensor.roof_energy", "sensor.garage_power"), 0);
    }

    #[test]
    fn a_number_without_a_unit_is_what_its_name_says() {
        assert!(measures("inverter_energy", Quantity::Energy));
        assert!(measures("Wechselrichter_Leistung", Quantity::Power));
        assert!(!measures("Voltage", Quantity::Power));
        assert!(!measures("roof_angle", Quantity::Current));
    }
}
