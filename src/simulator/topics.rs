//! The topic filter of an event stream.

/// The patterns of `?topics=`: comma-separated, each matching whole topics, `*` standing for any
/// characters (openHAB's `SseUtil`).
#[derive(Debug)]
pub(super) struct Topics(Vec<String>);

impl Topics {
    /// The filter in a request's query, percent-encoded; no query or an empty filter selects
    /// everything. `None` if openHAB would answer 400.
    pub(super) fn of_query(query: Option<&str>) -> Option<Self> {
        let encoded = query
            .unwrap_or_default()
            .split('&')
            .find_map(|parameter| parameter.strip_prefix("topics="))
            .unwrap_or_default();
        Self::parse(&decoded(encoded)?)
    }

    fn parse(filter: &str) -> Option<Self> {
        if filter.is_empty() {
            return Some(Self(vec!["*".to_owned()]));
        }
        let allowed =
            |character: char| character.is_ascii_alphanumeric() || "_*/,:- ".contains(character);
        filter
            .chars()
            .all(allowed)
            .then(|| Self(filter.split(',').map(|pattern| pattern.trim().to_owned()).collect()))
    }

    /// Whether an event of this topic is wanted.
    pub(super) fn want(&self, topic: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, topic))
    }
}

fn matches(pattern: &str, topic: &str) -> bool {
    let Some((start, pattern)) = pattern.split_once('*') else {
        return pattern == topic;
    };
    let Some(rest) = topic.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = pattern.rsplit_once('*').unwrap_or(("", pattern));
    let Some(mut rest) = rest.strip_suffix(end) else {
        return false;
    };
    // The leftmost match of each part leaves the most room for those that follow.
    middle.split('*').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Undoes percent encoding, with `+` for a space, as forms do.
fn decoded(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.chars();
    while let Some(character) = rest.next() {
        match character {
            '%' => {
                let (high, low) = (rest.next()?.to_digit(16)?, rest.next()?.to_digit(16)?);
                bytes.push(u8::try_from(high << 4 | low).ok()?);
            }
            '+' => bytes.push(b' '),
            _ => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(query: &str, topic: &str) -> bool {
        Topics::of_query(Some(query)).unwrap().want(topic)
    }

    #[test]
    fn a_star_spans_slashes_and_a_pattern_the_whole_topic() {
        let updated = "openhab/items/G/stateupdated";
        let member = "openhab/items/G/member/stateupdated";
        for (pattern, topic, wanted) in [
            ("openhab/items/G/stateupdated", updated, true),
            ("openhab/items/G/state", updated, false),
            ("items/G/stateupdated", updated, false),
            ("openhab/items/G/*stateupdated", updated, true),
            ("openhab/items/G/*stateupdated", member, true),
            ("openhab/items/G/*statechanged", member, false),
            ("openhab/items/*/stateupdated", member, true),
            ("openhab/items/G2/*stateupdated", member, false),
            ("*", member, true),
            ("**", member, true),
            ("*items*G*member*", member, true),
            ("*member*items*", member, false),
            ("openhab/*/*/*/stateupdated", updated, false),
            ("openhab/items/G/stateup*pupdated", updated, false),
        ] {
            assert_eq!(matches(pattern, topic), wanted, "{pattern} {topic}");
        }
    }

    #[test]
    fn a_query_lists_patterns() {
        let encoded = "x=1&topics=openhab%2Fitems%2FA%2F%2Astate%2C+openhab/items/B/*state";
        assert!(wants(encoded, "openhab/items/A/state"));
        assert!(wants(encoded, "openhab/items/B/state"));
        assert!(!wants(encoded, "openhab/items/C/state"));
        assert!(wants("topics=", "anything/at/all"));
        assert!(wants("other=1", "anything/at/all"));
        assert!(Topics::of_query(None).unwrap().want("anything"));
        assert!(!wants("topics=,", "anything"));
    }

    #[test]
    fn characters_outside_openhabs_list_are_refused() {
        for query in
            ["topics=a.b", "topics=%C3%A4", "topics=%ff", "topics=%2", "topics=%+1", "topics=a%0a"]
        {
            assert!(Topics::of_query(Some(query)).is_none(), "{query}");
        }
    }
}
