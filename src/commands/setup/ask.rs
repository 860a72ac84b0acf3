//! The questions, as a terminal asks them.

use std::fmt::Display;

use inquire::{
    Confirm, Password, PasswordDisplayMode, Select, Text, list_option::ListOption,
    validator::Validation,
};

use super::error::SetupError;

/// The most options to see at once: with the question and the help they fit 16 lines.
const PAGE: usize = 12;

/// Lets one of the options be chosen, at first the one at `cursor`.
pub(super) fn choose<T: Display>(
    question: &str,
    options: Vec<T>,
    cursor: usize,
) -> Result<T, SetupError> {
    // What was chosen need not keep its columns.
    let answered = |chosen: ListOption<&T>| {
        chosen.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let select = Select::new(question, options)
        .with_formatter(&answered)
        .with_page_size(PAGE)
        .with_starting_cursor(cursor)
        .with_help_message("arrow keys move, typing filters, Enter chooses, Esc ends");
    Ok(select.prompt()?)
}

/// Asks yes or no.
pub(super) fn confirm(question: &str, default: bool) -> Result<bool, SetupError> {
    Ok(Confirm::new(question).with_default(default).prompt()?)
}

/// Asks for a whole number in a range; none if nothing is entered.
pub(super) fn number(
    question: &str,
    help: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, SetupError> {
    let message = format!("A whole number from {} to {}, or nothing.", range.start(), range.end());
    let parsed = move |text: &str| text.trim().parse().ok().filter(|number| range.contains(number));
    let fits = parsed.clone();
    let validator = move |text: &str| {
        let is_fine = text.trim().is_empty() || fits(text).is_some();
        Ok(if is_fine { Validation::Valid } else { Validation::Invalid(message.as_str().into()) })
    };
    let text = Text::new(question).with_help_message(help).with_validator(validator).prompt()?;
    Ok(parsed(&text))
}

/// Asks for a secret, which is not shown.
pub(super) fn secret(question: &str, help: &str) -> Result<String, SetupError> {
    let secret = Password::new(question)
        .without_confirmation()
        .with_display_mode(PasswordDisplayMode::Masked)
        .with_help_message(help)
        .prompt()?;
    Ok(secret.trim().to_owned())
}

/// Asks for a text that is not empty.
pub(super) fn text(question: &str) -> Result<String, SetupError> {
    let is_there = |text: &str| {
        Ok(if text.trim().is_empty() {
            Validation::Invalid("There must be one.".into())
        } else {
            Validation::Valid
        })
    };
    let text = Text::new(question).with_validator(is_there).prompt()?;
    Ok(text.trim().to_owned())
}
