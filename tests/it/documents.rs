//! The documents keep to the facts: configurations load, the tables have the program's keys, quoted
//! log lines are the program's, `check` prints what the README shows, and links lead somewhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fronius_smartmeter::config::{Config, ConfigError};

use crate::harness::{
    files::{directory, file, text},
    openhab::OpenHab,
    program::{outcome, program},
};

/// A document, and where it is in the project.
#[derive(Clone)]
struct Document {
    path: PathBuf,
    text: String,
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(path: &str) -> Document {
    Document { path: path.into(), text: fs::read_to_string(project().join(path)).unwrap() }
}

/// What is for users.
fn manual() -> Vec<Document> {
    let mut manual = vec![document("README.md")];
    manual.extend(markdown("docs"));
    assert!(manual.len() > 5, "where are the documents?");
    manual
}

/// All Markdown files directly in a folder of the project.
fn markdown(folder: &str) -> Vec<Document> {
    let mut paths: Vec<_> = fs::read_dir(project().join(folder))
        .unwrap()
        .map(|entry| Path::new(folder).join(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    paths.iter().map(|path| document(path.to_str().unwrap())).collect()
}

impl Document {
    /// The blocks of code in this language.
    fn blocks(&self, language: &str) -> Vec<&str> {
        let blocks = self.text.split("```").skip(1).step_by(2);
        blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
    }

    /// The text without blocks of code.
    fn prose(&self) -> String {
        self.text.split("```").step_by(2).collect()
    }

    /// The rows of all tables with this header, as their cells.
    fn rows(&self, header: &str) -> Vec<Vec<&str>> {
        let mut rows = Vec::new();
        let mut lines = self.text.lines();
        while lines.any(|line| line == header) {
            let table = lines.clone().skip(1).take_while(|line| line.starts_with('|'));
            rows.extend(table.map(|row| row.split('|').map(str::trim).collect()));
        }
        rows
    }

    /// The targets of all links and pictures.
    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        targets.map(str::to_owned).collect()
    }

    /// The anchors of its headings, as GitHub makes them.
    fn anchors(&self) -> Vec<String> {
        let prose = self.prose();
        let headings = prose.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|heading| {
                let words = heading.trim_start_matches('#').trim().to_lowercase();
                let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
                kept.map(|c| if c == ' ' { '-' } else { c }).collect()
            })
            .collect()
    }
}

/// What is between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn problems(config: &str) -> String {
    match Config::parse(config) {
        Ok(_) => String::new(),
        Err(problems) => ConfigError::Invalid { path: "config.yaml".into(), problems }.to_string(),
    }
}

/// The source of the program, with string literals that are split over lines in one.
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

fn is_key(name: &str) -> bool {
    !problems(&format!("{name}: [[]]")).contains("unknown key")
}

/// The keys of the program: the words in its source that it accepts as such.
pub(crate) fn keys() -> BTreeSet<String> {
    let source = source(&project().join("src"));
    let words = source.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let words: BTreeSet<_> = words.filter(|word| word.len() > 2).collect();
    words.into_iter().filter(|word| is_key(word)).map(str::to_owned).collect()
}

#[test]
fn the_readme_is_short() {
    let lines = document("README.md").text.lines().count();
    assert!(lines <= 120, "{lines} lines");
}

#[test]
fn the_keys_are_those_of_the_program() {
    let configuration = document("docs/configuration.md");
    let rows = configuration.rows("| key | default | meaning |");
    let documented: Vec<_> = rows.iter().flat_map(|row| code(row[1])).collect();
    let once: BTreeSet<_> = documented.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(documented.len(), once.len(), "a key is there twice: {documented:?}");
    assert_eq!(once, keys());
    assert!(once.len() > 30, "{once:?}");
}

/// A form writes every field of it, whether filled in or not.
#[test]
fn an_optional_key_without_a_value_is_absent() {
    let required = ["openhab_host", "energy_counter_out", "current_power"];
    let given = required.map(|key| format!("{key}: given\n")).concat();
    for key in keys().iter().filter(|key| !required.contains(&key.as_str())) {
        for absent in ["", "''", "[]"] {
            assert_eq!(problems(&format!("{given}{key}: {absent}")), "", "{key}: {absent}");
        }
    }
}

#[test]
fn the_nixos_module_knows_the_keys_of_the_program() {
    let text = fs::read_to_string(project().join("nixos/settings.nix")).unwrap();
    let (_, known) = text.split_once("  atTop = {").unwrap();
    let (known, _) = known.split_once("  # What is wrong").unwrap();
    let entries = known.lines().filter_map(|line| line.strip_prefix("    "));
    let names = entries.filter_map(|entry| entry.split_once(" =").map(|(name, _)| name));
    let names: BTreeSet<_> =
        names.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect();
    let keys = keys();
    let missing: Vec<_> = keys.iter().filter(|key| !names.contains(key.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
    // What the module refuses by name is more: nobody should try it as a key. A meter has a name.
    let unknown: Vec<_> = names.into_iter().filter(|name| !keys.contains(*name)).collect();
    assert_eq!(unknown, ["access_token", "name"]);
}

#[test]
fn the_settings_of_nixos_are_keys() {
    let nixos = document("docs/nixos.md");
    let settings = nixos.text.split("settings.").skip(1);
    let names = settings.map(|rest| rest.split([' ', '.', '=']).next().unwrap());
    let mut count = 0;
    for name in names {
        assert!(is_key(name), "{name}");
        count += 1;
    }
    assert!(count > 3, "only {count}");
}

#[test]
fn the_configurations_load() {
    let mut loaded = 0;
    for document in manual() {
        for block in document.blocks("yaml") {
            let mut config = block.to_owned();
            for key in ["openhab_host", "energy_counter_out", "current_power"] {
                let has_source = key == "openhab_host" && config.contains("homeassistant_host");
                if !has_source && !config.contains(key) {
                    config.extend([key, ": given\n"]);
                }
            }
            assert_eq!(problems(&config), "", "{}: {config}", document.path.display());
            loaded += 1;
        }
    }
    assert_eq!(loaded, 7, "a configuration is missing, or one is new");
}

#[test]
fn the_example_loads_with_all_that_is_commented_out() {
    let example = document("docs/example.yaml").text;
    let uncommented = example.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => format!("{key}\n"),
        _ => format!("{line}\n"),
    });
    let uncommented: String = uncommented.collect();
    assert_ne!(uncommented, example);
    assert_eq!(problems(&uncommented), "");
}

#[test]
fn the_mistakes_are_reported_as_shown() {
    let configuration = document("docs/configuration.md");
    let shown = configuration.blocks("text")[0];
    let config = "connected_phase: 4\nopenhab_host: h\ncurent_voltage: v\n\
                  energy_counter_out: e\ncurrent_power: p\n";
    assert_eq!(problems(config), shown.trim_end());
}

#[test]
fn the_log_lines_are_those_of_the_program() {
    // What comes from the system, from HTTP or from the configuration at hand.
    const FOREIGN: [&str; 9] = [
        "Permission denied",
        "Address already in use",
        "404 Not Found",
        "401 Unauthorized",
        "config.yaml:",
        "(NULL)",
        " of power",
        "[::]:502",
        "Wh is ",
    ];
    let source = source(&project().join("src"));
    let mut checked = 0;
    for (path, header, column) in [
        ("docs/troubleshooting.md", "| symptom | line in the log | remedy |", 2),
        ("docs/counters.md", "| line | meaning, and what to do |", 1),
    ] {
        let document = document(path);
        let rows = document.rows(header);
        assert!(rows.len() > 5, "{path}");
        for line in rows.iter().flat_map(|row| code(row[column])) {
            let mut line = line.replace("energy_counter_out L1", "…");
            line = line.replace("current_power L1", "…");
            for foreign in FOREIGN {
                line = line.replace(foreign, "…");
            }
            // A message is put together from parts, most of them after a colon.
            for part in line.split(['…', ':', ',', ';']).map(str::trim) {
                assert!(source.contains(part), "{part:?} of {line:?} is in no message");
                checked += usize::from(part.len() > 5);
            }
        }
    }
    assert!(checked > 25, "only {checked} parts");
}

#[tokio::test]
async fn check_prints_what_the_readme_shows() {
    let readme = document("README.md");
    let config = readme.blocks("yaml")[0];
    let shown = readme.blocks("text").into_iter().find(|block| block.starts_with("$ ")).unwrap();
    let (command, shown) = shown.split_once('\n').unwrap();
    assert_eq!(command, "$ fronius-smartmeter check --config config.yaml");

    let items = [("inverter_energy", "12345.678 kWh"), ("inverter_power", "800 W")];
    let openhab = OpenHab::start(&items);
    let address = openhab.address.to_string();
    let config = file(&config.replace("192.168.1.31", &address));
    // The reader has installed the units of systemd, and they are enabled.
    let units = directory("fronius-smartmeter.socket", "");
    let wanted = units.path().join("sockets.target.wants");
    fs::create_dir(&wanted).unwrap();
    fs::write(wanted.join("fronius-smartmeter.socket"), "").unwrap();
    let mut command = program(&["check", "--config", text(config.path())]);
    let checked = outcome(command.env("SYSTEMD_UNIT_PATH", units.path())).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let printed = checked.out.replace(&address, "192.168.1.31:8080");
    assert_eq!(ageless(&printed), ageless(shown));
}

#[tokio::test]
async fn replay_prints_what_the_document_shows() {
    let counters = document("docs/counters.md");
    let history = file(counters.blocks("csv")[0]);
    let shown = counters.blocks("text");
    let command = "$ fronius-smartmeter replay history.csv\n";
    let shown = shown.into_iter().find_map(|block| block.strip_prefix(command)).unwrap();
    let replayed = outcome(&mut program(&["replay", text(history.path())])).await;
    assert_eq!((replayed.code, replayed.out.as_str()), (Some(0), shown), "{replayed:?}");
}

/// The words of each line, without the ages, which depend on how busy the machine is.
fn ageless(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let is_age = |place: usize| words.get(place + 1) == Some(&"s");
            let kept = words.iter().enumerate().filter(|(place, _)| !is_age(*place));
            kept.map(|(_, word)| *word).collect()
        })
        .collect()
}

/// Whether all of the project is here. The source of a package lacks some of it.
fn is_whole() -> bool {
    project().join("flake.nix").exists()
}

/// In the source of a package, a link into what it lacks is not followed.
#[test]
fn the_links_lead_somewhere() {
    let whole = is_whole();
    let mut documents = [markdown("."), markdown("docs")].concat();
    if whole {
        documents.extend(markdown("fuzz"));
    }
    let mut followed = 0;
    for from in &documents {
        let path = &from.path;
        for link in from.links().iter().filter(|link| !link.contains("://")) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match target {
                "" => path.clone(),
                _ => normal(&path.parent().unwrap().join(target)),
            };
            if !whole && !project().join(target.iter().next().unwrap()).exists() {
                continue;
            }
            let at = format!("{} → {link}", path.display());
            assert!(project().join(&target).exists(), "{at}: no such file");
            if !anchor.is_empty() {
                let anchors = document(target.to_str().unwrap()).anchors();
                assert!(anchors.iter().any(|known| known == anchor), "{at}: {anchors:?}");
            }
            followed += 1;
        }
    }
    assert!(followed > 30, "only {followed} links");
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path {
        match part.to_str().unwrap() {
            "." => {}
            ".." => assert!(normal.pop(), "{} leads out of the project", path.display()),
            part => normal.push(part),
        }
    }
    normal
}

/// Every path in backticks leads somewhere, from the project's root or from `src/`, and every room of
/// the source is on the map.
#[test]
fn the_map_of_the_code_is_that_of_the_code() {
    if !is_whole() {
        return;
    }
    let prose = document("ARCHITECTURE.md").prose();
    let source = project().join("src");
    let mut followed = 0;
    for path in code(&prose).filter(|span| span.contains('/') && !span.contains(' ')) {
        let room = source.join(path.trim_end_matches('/')).with_extension("rs");
        assert!(project().join(path).exists() || room.exists(), "{path} does not exist");
        followed += 1;
    }
    assert!(followed > 40, "only {followed}");
    for entry in fs::read_dir(source).unwrap() {
        let name = entry.unwrap().file_name();
        let room = name.to_str().unwrap().trim_end_matches(".rs");
        let mut firsts = code(&prose)
            .filter_map(|path| path.trim_start_matches("src/").split(['/', '.']).next());
        assert!(room == "lib" || firsts.any(|first| first == room), "{room} is not on the map");
    }
}
