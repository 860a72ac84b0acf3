//! What keyboards and editors put into a text that is then not what it looks like.

use super::{document::Position, error::Problem};

/// The first character that looks like another, or cannot be seen. A comment may have any.
pub(super) fn foreign_character(text: &str) -> Option<Problem> {
    (1..).zip(text.lines()).find_map(|(line, content)| {
        let (place, c) =
            without_comment(content).chars().enumerate().find(|(_, c)| advice(*c).is_some())?;
        let message = format!("{} (U+{:04X})", advice(c)?, u32::from(c));
        let position = Position { line, column: place.saturating_add(1) };
        Some(Problem::of_file(position, message))
    })
}

fn advice(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{a0}' | '\u{2007}' | '\u{202f}' => {
            "type an ordinary space in place of this no-break space"
        }
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}' => {
            "delete this invisible character"
        }
        '\u{2018}'..='\u{201f}' => "type \" or ' in place of this typographic quote",
        _ => return None,
    })
}

/// Where and why a text is not YAML, and what may have led to it.
pub(super) fn explained(text: &str, error: &serde_yaml::Error) -> (Position, String) {
    let position = Position::of(error);
    let message = error.to_string();
    if message.starts_with("deserializing from YAML containing more than one document") {
        let cause = of_syntax_error(text, position.line);
        return (position, format!("expected one document, found more{cause}"));
    }
    if message.starts_with("found unexpected end of stream")
        && let Some((_, opened)) = message.rsplit_once("while scanning a quoted scalar at ")
        && let Some(opened) = Position::parse(opened)
    {
        return (opened, "this quote is not closed".to_owned());
    }
    // libyaml appends the position, which is reported apart.
    let message = message.split(" at line ").next().unwrap_or_default();
    // Before it there is what was found, which may be a secret.
    let message = match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => message.to_owned(),
    };
    (position, format!("{message}{}", of_syntax_error(text, position.line)))
}

/// What may have led to a syntax error on this line, as the end of a message.
pub(super) fn of_syntax_error(text: &str, line: usize) -> String {
    let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    if content.contains(": [") {
        return "; an address with [ ] must be in quotes".to_owned();
    }
    if indentation(content).contains('\t') {
        return "; YAML is indented with spaces, not with tabs".to_owned();
    }
    let cause = without_space(text, line)
        .or_else(|| indented_apart(text, line))
        .or_else(|| needs_quotes(content).map(str::to_owned));
    cause.map_or_else(String::new, |cause| format!("; {cause}"))
}

/// Why YAML takes the value of this line for something else.
fn needs_quotes(content: &str) -> Option<&'static str> {
    let (_, value) = content.split_once(": ")?;
    if value.trim_start().starts_with(['*', '&', '!', '@', '%', '`', '|', '>']) {
        return Some("a value that begins with such a sign must be in quotes");
    }
    value.contains(": ").then_some("a value with a colon and a space must be in quotes")
}

/// The first line up to this one with nothing between the colon and the value.
fn without_space(text: &str, line: usize) -> Option<String> {
    let is_key =
        |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let lines = (1..=line).zip(text.lines());
    let mut tight = lines.filter(|(_, content)| {
        let pair = content.trim().trim_start_matches("- ").split_once(':');
        pair.is_some_and(|(key, value)| is_key(key) && !value.is_empty() && !value.starts_with(' '))
    });
    tight.next().map(|(line, _)| format!("line {line} needs a space after the colon"))
}

/// Two lines that should begin in the same column, one of them this one.
fn indented_apart(text: &str, line: usize) -> Option<String> {
    let lines: Vec<_> = (1..)
        .zip(text.lines())
        .map(|(line, content)| (line, without_comment(content)))
        .filter(|(_, content)| !content.trim().is_empty())
        .map(|(line, content)| (line, indentation(content).len(), content.trim_end()))
        .collect();
    let (this, depth, _) = *lines.iter().find(|(other, ..)| *other >= line)?;
    let before = lines.iter().take_while(|(other, ..)| *other < this);
    let (other, other_depth) = match before.clone().last() {
        // YAML takes the rest for another document.
        None => lines.iter().map(|(line, depth, _)| (*line, *depth)).find(|at| at.1 < depth)?,
        Some((last, last_depth, content)) => {
            let opens = content.ends_with(':') || content.trim_start().starts_with('-');
            let is_deeper = depth > *last_depth && !opens;
            let is_between =
                depth < *last_depth && before.clone().all(|(_, other, _)| *other != depth);
            (is_deeper || is_between).then_some((*last, *last_depth))?
        }
    };
    let how = |depth| match depth {
        0 => "not".to_owned(),
        1 => "by 1 space".to_owned(),
        depth => format!("by {depth} spaces"),
    };
    let ((first, deep), (second, flat)) = if depth > other_depth {
        ((this, depth), (other, other_depth))
    } else {
        ((other, other_depth), (this, depth))
    };
    Some(match flat {
        0 => format!("line {first} is indented, line {second} is not"),
        _ => format!("line {first} is indented {}, line {second} {}", how(deep), how(flat)),
    })
}

fn indentation(line: &str) -> &str {
    line.split(|c| c != ' ' && c != '\t').next().unwrap_or_default()
}

fn without_comment(line: &str) -> &str {
    let starts = |(place, _): &(usize, &str)| {
        line.get(..*place).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
    };
    let comment = line.match_indices('#').find(starts);
    comment.map_or(line, |(place, _)| line.get(..place).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_that_begin_in_different_columns_are_named() {
        for (text, line, cause) in [
            ("  a: 1\nb: 2", 1, "line 1 is indented, line 2 is not"),
            ("# x\n\n  a: 1\n  c: 1\nb: 2", 1, "line 3 is indented, line 5 is not"),
            ("a: 1\n b: 2", 2, "line 2 is indented, line 1 is not"),
            ("a:\n    b: 1\n  c: 2\n", 3, "line 2 is indented by 4 spaces, line 3 by 2 spaces"),
            ("a:\n b: 1\n  c: 2\n", 3, "line 3 is indented by 2 spaces, line 2 by 1 space"),
        ] {
            assert_eq!(indented_apart(text, line).as_deref(), Some(cause), "{text}");
        }
        for (text, line) in [
            ("a:\n  b: c: d\n", 2),
            ("a: b: c\n", 1),
            ("a:\n  b: 1\nc: d: e\n", 3),
            ("a:\n- b: 1\n  c: d: e\n", 3),
        ] {
            assert_eq!(indented_apart(text, line), None, "{text}");
        }
    }

    #[test]
    fn a_missing_space_is_found() {
        let cause = "line 2 needs a space after the colon";
        assert_eq!(without_space("a: 1\nb:2\nc: 3", 3).as_deref(), Some(cause));
        assert_eq!(without_space("a: 1\n- b:2", 2).as_deref(), Some(cause));
        for text in ["a: http://oh:80", "- [::]:502", "\"a\":1", "a:", "a: 1\nb:2"] {
            assert_eq!(without_space(text, 1), None, "{text}");
        }
    }

    #[test]
    fn a_value_that_needs_quotes_is_found() {
        assert!(needs_quotes("modbus_listen: *:502").is_some_and(|cause| cause.contains("sign")));
        assert!(needs_quotes("model: a: b").is_some_and(|cause| cause.contains("colon")));
        for content in ["model: a", "model: a:b", "model:", "openhab_host: http://oh:80"] {
            assert_eq!(needs_quotes(content), None, "{content}");
        }
    }

    #[test]
    fn a_foreign_character_is_found_outside_of_comments() {
        let found = |text: &str| foreign_character(text).map(|problem| problem.position);
        let at = |line, column| Some(Position { line, column });
        assert_eq!(found("# a\u{a0}b\na: 1 # \u{201c}x\u{201d}\nä:\u{a0}1"), at(3, 3));
        assert_eq!(found("a: \u{201e}x\u{201c}"), at(1, 4));
        assert_eq!(found("a: x#\u{200b}"), at(1, 6));
        assert_eq!(found("a: Zähler"), None);
    }
}
