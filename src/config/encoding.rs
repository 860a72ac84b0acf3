//! The text of a file, as editors save it.

use super::document::Position;

/// The text without a byte order mark: UTF-8, or UTF-16 as Windows saves it under the name of
/// Unicode. Says where another encoding shows.
pub(super) fn decode(bytes: &[u8]) -> Result<String, (Position, String)> {
    let unit = match bytes {
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => return utf8(bytes),
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<_> = pairs.iter().skip(1).map(|pair| unit(*pair)).collect();
    match String::from_utf16(&units) {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err((Position::START, ADVICE.to_owned())),
    }
}

const ADVICE: &str = "not a text in UTF-8; have the editor save it in this encoding";

fn utf8(bytes: &[u8]) -> Result<String, (Position, String)> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (valid, is_text) = match str::from_utf8(bytes) {
        Ok(text) => {
            (text.split_once('\0').map_or(text, |(before, _)| before), !text.contains('\0'))
        }
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            (str::from_utf8(valid).unwrap_or_default(), false)
        }
    };
    if is_text {
        return Ok(valid.to_owned());
    }
    let last = valid.rsplit('\n').next().unwrap_or_default();
    let after = |count: usize| count.saturating_add(1);
    let line = after(valid.matches('\n').count());
    Err((Position { line, column: after(last.chars().count()) }, ADVICE.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn what_editors_save_is_read() {
        let text = "a: Zähler\r\nb: ☀\n";
        let marked = format!("\u{feff}{text}");
        let saved = [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
        ];
        for bytes in saved {
            assert_eq!(decode(&bytes).as_deref(), Ok(text), "{bytes:?}");
        }
        assert_eq!(decode(b"").as_deref(), Ok(""));
    }

    #[test]
    fn another_encoding_is_located() {
        let at = |line, column| Err((Position { line, column }, ADVICE.to_owned()));
        assert_eq!(decode(b"a: 1\n# Z\xe4hler\n"), at(2, 4), "Latin 1");
        assert_eq!(decode(&utf16("a: 1", u16::to_le_bytes)), at(1, 2), "UTF-16 without a mark");
        assert_eq!(decode(b"\xff\xfea\0b"), at(1, 1), "half a character");
        assert_eq!(decode(b"\xff\xfe\x00\xd8"), at(1, 1), "half a pair");
    }
}
