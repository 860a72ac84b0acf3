use std::{env, fs, path::PathBuf};

use super::*;
use crate::status::sample;

const KIB: usize = 1024;

#[test]
fn everything_in_the_skeleton_is_filled_in() {
    for snapshot in [sample::well(), sample::house(), sample::trouble()] {
        for language in [Language::English, Language::German] {
            let Page { html, .. } = page(&snapshot, language);
            let names = SKELETON.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
            assert!(names.clone().count() > 20);
            assert!(!html.contains("{{") && !html.contains("}}"));
        }
    }
}

#[test]
fn it_speaks_the_language_of_its_reader() {
    let snapshot = sample::well();
    let english = page(&snapshot, Language::English).html;
    assert!(english.contains("<html lang=\"en\""));
    assert!(english.contains("Does an inverter ask?"));
    assert!(english.contains("12\u{a0}345.678"));
    let german = page(&snapshot, Language::German).html;
    assert!(german.contains("<html lang=\"de\""));
    assert!(german.contains("Fragt ein Wechselrichter?"));
    assert!(german.contains("12\u{a0}345,678"));
}

#[test]
fn what_comes_from_outside_is_text_only() {
    let mut snapshot = sample::trouble();
    let hostile =
        "\"'><script>alert(1)</script></textarea><img src=x onerror=alert(1)>\u{1b}\u{9b}";
    snapshot.sources[0].name = hostile.to_owned();
    snapshot.sources[0].fault = Some(hostile.to_owned());
    snapshot.configuration = format!("a: 1\n{hostile}");
    for meter in &mut snapshot.meters {
        meter.overdue = vec![hostile.to_owned()];
        meter.listens = vec![hostile.to_owned()];
        meter.serial_number = hostile.to_owned();
        for register in &mut meter.registers {
            register.value = Some(hostile.to_owned());
        }
        for value in &mut meter.values {
            value.item = hostile.to_owned();
            value.state = Some(hostile.to_owned());
            value.problem = Some(hostile.to_owned());
        }
        for held in &mut meter.guard {
            held.text = hostile.to_owned();
        }
        if let Some(last) = &mut meter.polls.last {
            last.client = hostile.to_owned();
        }
    }
    let Page { html, .. } = page(&snapshot, Language::English);
    let html = html.replace(SCRIPT, "");
    assert_eq!(html.matches("<script>").count(), 1, "its own");
    assert!(!html.contains("<img"));
    assert_eq!(html.matches("</textarea>").count(), 1);
    assert!(!html.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn its_policy_names_its_own_style_and_script() {
    let Page { security_policy, html } = page(&sample::well(), Language::English);
    assert!(security_policy.starts_with("default-src 'none'; script-src 'sha256-"));
    assert!(html.contains(SCRIPT) && html.contains(STYLE));
    assert!(!html.contains(" style="), "the policy forbids it");
}

#[test]
fn plots_are_there_only_with_a_history() {
    let mut snapshot = sample::well();
    assert!(page(&snapshot, Language::English).html.contains("<path"));
    snapshot.meters[0].history = None;
    assert!(page(&snapshot, Language::English).html.contains("<div data-keep></div>"));
}

#[test]
fn a_house_of_three_meters_fits_into_60_kib() {
    let size = page(&sample::house(), Language::German).html.len();
    assert!(size < 60 * KIB, "{size} bytes");
}

/// For the judge in `tests/judges/page`, which looks at it in a browser: `NAME.LANGUAGE.html`, and its
/// policy in a file beside it.
#[test]
#[ignore = "writes the pages of all samples into the directory that PAGES names"]
fn the_samples_can_be_looked_at() {
    let directory = PathBuf::from(env::var_os("PAGES").unwrap());
    let samples =
        [("well", sample::well()), ("house", sample::house()), ("trouble", sample::trouble())];
    for (name, snapshot) in samples {
        for (code, language) in [("en", Language::English), ("de", Language::German)] {
            let Page { html, security_policy } = page(&snapshot, language);
            fs::write(directory.join(format!("{name}.{code}.html")), html).unwrap();
            fs::write(directory.join(format!("{name}.{code}.policy")), security_policy).unwrap();
        }
    }
}
