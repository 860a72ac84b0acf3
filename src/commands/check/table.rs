//! The table of a meter's items.
//!
//! The names of items may be as long as a line. What the inverter would read, its age and its register
//! are never cut; the name is, in its middle, since names of one device begin alike and end apart.

use super::{Row, item::together, report::wrapped};
use crate::{
    meter::reading::Point,
    text::{Decimal, excerpt, shortened},
};

/// Columns of a row: item, state, what is served, its age, and its register.
const COLUMNS: usize = 5;
const HEADER: [&str; COLUMNS] = ["item", "state", "inverter reads", "age", "register"];

/// Space before a row, and between its columns.
const INDENT: usize = 2;
const GAP: usize = 2;

/// The widest that a state is where there is no room for all.
const NARROW_STATE: usize = 16;

/// A line of the table.
enum Line<'a> {
    /// The key that the next rows are for.
    Key(&'static str),
    Cells([String; COLUMNS]),
    Problem(&'a str),
}

/// The table, which ends with a line break.
pub(super) fn table(rows: &[Row], width: usize) -> String {
    let lines = lines(rows);
    let widths = widths(&lines, width);
    let mut text = String::new();
    for line in lines {
        let line = match line {
            Line::Key(key) => key.to_owned(),
            Line::Cells(cells) => row(&cells, widths),
            Line::Problem(problem) => {
                let indent = " ".repeat(INDENT.saturating_add(GAP));
                wrapped(&format!("{indent}{problem}"), width, &indent)
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn lines(rows: &[Row]) -> Vec<Line<'_>> {
    let mut lines = vec![Line::Cells(HEADER.map(str::to_owned))];
    for of_key in rows.chunk_by(|one, other| one.key == other.key) {
        lines.extend(of_key.first().map(|row| Line::Key(row.key)));
        for of_point in of_key.chunk_by(|one, other| one.phase == other.phase) {
            for row in of_point {
                lines.push(Line::Cells(cells(row)));
                lines.extend(row.problem.as_deref().map(Line::Problem));
            }
            if let [first, _, ..] = of_point {
                lines.push(Line::Cells(sum(first, of_point)));
            }
        }
    }
    lines
}

fn cells(row: &Row) -> [String; COLUMNS] {
    [
        row.item.clone(),
        excerpt(&row.state),
        row.served.map_or("-".to_owned(), |value| number(value, row.unit)),
        row.age.map_or("-".to_owned(), age),
        format!("{} {}", row.register, row.point),
    ]
}

/// What the items of a list are together.
fn sum(first: &Row, of_point: &[Row]) -> [String; COLUMNS] {
    let point = Point { measurand: first.measurand, phase: first.phase };
    let value = together(of_point, point);
    let value = value.map_or("-".to_owned(), |value| number(value, first.unit));
    let word = if first.measurand.is_summed() { "= sum" } else { "= mean" };
    let place = format!("{} {}", first.register, first.point);
    [word.to_owned(), String::new(), value, String::new(), place]
}

/// A value as people read it: no more digits than anybody needs.
pub(super) fn number(value: f64, unit: &str) -> String {
    let text = if unit == "Wh" { format!("{value:.0}") } else { Decimal(value).to_string() };
    let text = if text == "-0" { "0" } else { &text };
    format!("{text} {unit}")
}

/// An age in a few characters.
pub(super) fn age(seconds: f64) -> String {
    match seconds {
        ..100.0 => format!("{seconds:.0} s"),
        ..6_000.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} d", seconds / 86_400.0),
    }
}

/// The width of each column, so that a row fits into `width` if it can.
fn widths(lines: &[Line<'_>], width: usize) -> [usize; COLUMNS] {
    let mut widths = [0_usize; COLUMNS];
    for line in lines {
        let Line::Cells(cells) = line else { continue };
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(columns(cell));
        }
    }
    let [item, state, served, age, register] = widths;
    let gaps = INDENT.saturating_add(GAP.saturating_mul(COLUMNS.saturating_sub(1)));
    let fixed = [gaps, served, age, register].iter().sum();
    let room = width.saturating_sub(fixed);
    let state = if item.saturating_add(state) > room { state.min(NARROW_STATE) } else { state };
    let item = item.min(room.saturating_sub(state));
    [item, state, served, age, register]
}

fn row(cells: &[String; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let mut text = " ".repeat(INDENT);
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let cell = if place == 0 { shortened(cell, width) } else { end_cut(cell, width) };
        let space = width.saturating_sub(columns(&cell)).saturating_add(GAP);
        text.push_str(&cell);
        text.push_str(&" ".repeat(space));
    }
    text.truncate(text.trim_end().len());
    text
}

fn columns(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// `text` in this width, without its end.
fn end_cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.chars() {
        cut.push(character);
        if columns(&cut) >= width {
            cut.pop();
            break;
        }
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_counts_as_two() {
        assert_eq!(columns(&end_cut("12 電力電力電力", 8)), 8);
    }

    #[test]
    fn numbers_and_ages_are_short() {
        for (value, unit, text) in [
            (12_345_678.4, "Wh", "12345678 Wh"),
            (-800.0, "W", "-800 W"),
            (-0.0001, "W", "0 W"),
            (333.333_33, "W", "333.333 W"),
            (231.40, "V", "231.4 V"),
            (1000.0, "W", "1000 W"),
        ] {
            assert_eq!(number(value, unit), text);
        }
        for (seconds, text) in
            [(0.4, "0 s"), (99.0, "99 s"), (600.0, "10 min"), (7200.0, "2 h"), (260_000.0, "3 d")]
        {
            assert_eq!(age(seconds), text);
        }
    }
}
