//! Other people's words on the way to a terminal or a file: text is data.
//!
//! Nothing that [`lines`] gives can move a cursor, change a colour, or turn the direction of what
//! stands around it.

use std::borrow::Cow;

/// The lines of a body, each safe to print. Bytes that are not UTF-8 and characters that could
/// steer a terminal are replaced by U+FFFD; a tab becomes spaces. A body has at least one line.
pub fn lines(body: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    let lines: Vec<String> = text.split('\n').map(|line| clean(line).into_owned()).collect();
    lines.into_iter()
}

/// One line, safe to print.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => clean.push_str("    "),
            c if is_harmful(c) => clean.push(char::REPLACEMENT_CHARACTER),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and the bidirectional
/// embeddings, overrides and isolates of Unicode's UAX #9.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(body: &[u8]) -> Vec<String> {
        lines(body).collect()
    }

    #[test]
    fn plain_words_of_any_script_stay_as_they_are() {
        for text in ["", "hello", "grüße", "привет 👩‍👩‍👧", "שלום"] {
            assert_eq!(shown(text.as_bytes()), [text]);
        }
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(shown(b"\x1b[2Jhi\x07"), ["\u{fffd}[2Jhi\u{fffd}"]);
        assert_eq!(shown("\u{9b}31m".as_bytes()), ["\u{fffd}31m"]);
        assert_eq!(shown("a\u{202e}b\u{2066}c".as_bytes()), ["a\u{fffd}b\u{fffd}c"]);
        assert_eq!(shown(b"a\tb\rc"), ["a    b\u{fffd}c"]);
        assert_eq!(shown(b"\xff\xfe"), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn a_body_of_several_lines_is_several_lines() {
        assert_eq!(shown(b"one\r\ntwo\n\nthree"), ["one", "two", "", "three"]);
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_safe_to_print(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for line in lines(&body) {
                prop_assert!(!line.contains(is_harmful));
            }
        }
    }
}
