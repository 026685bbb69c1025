//! Other people's words on the way to a terminal or a file: text is data.
//!
//! The one place that says what may be shown, for every face and every command; what is printed goes through it by
//! way of [`output`](crate::output). Pure. Invariant: nothing that [`lines`] and [`clean`] give can move a cursor,
//! change a colour, turn the direction of what stands around it, or carry words that nobody sees.
//!
//! | characters | what they do | shown |
//! |---|---|---|
//! | C0, DEL, C1 (category Cc) | steer terminals (ECMA-48) | a tab as spaces, others as U+FFFD |
//! | U+2028, U+2029 | end lines and paragraphs | U+FFFD |
//! | U+202A to U+202E, U+2066 to U+2069 | embed, override and isolate directions (UAX #9 §2; UTR #36 on spoofing by them) | U+FFFD |
//! | U+206A to U+206F | deprecated: swap brackets, shape letters and digits (Unicode Standard §23.3) | U+FFFD |
//! | U+FFF9 to U+FFFB | annotate a text with another that may be hidden (§23.8) | U+FFFD |
//! | U+E0000 to U+E007F | tags: ASCII that is not seen (§23.9), but for the flag of a part of a country, as of Scotland (UTS #51, emoji tag sequences) | U+FFFD |
//! | U+061C, U+200E, U+200F | marks that have a direction and no shape (UAX #9 §2.6) | left out |
//!
//! The marks stand in honest Arabic and Hebrew, beside numbers and punctuation: a sign in their place would spoil what
//! is well meant, and without them the words are the same. What joins and varies characters stays (U+200C, U+200D,
//! variation selectors): emoji and Indic scripts need it.

use std::borrow::Cow;

/// What a flag begins with that tags go on.
const BLACK_FLAG: char = '\u{1f3f4}';

/// How many letters and digits the code of a part of a country has, with that of the country in front.
const SUBDIVISION: std::ops::RangeInclusive<usize> = 3..=6;

/// The lines of a body, each safe to print. Bytes that are not UTF-8 are replaced by U+FFFD, a tab by spaces, and what
/// could do harm as the [table](self) says. A body has at least one line.
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
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\t' => clean.push_str("    "),
            BLACK_FLAG => {
                let (tags, behind) = rest.as_str().split_at(flag_tags(rest.as_str()));
                clean.push(c);
                clean.push_str(tags);
                rest = behind.chars();
            }
            c if is_mark(c) => {}
            c if is_harmful(c) => clean.push(char::REPLACEMENT_CHARACTER),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Whether a character is in the [table](self). Of the tags some are part of a flag, which [`clean`] sees.
pub(crate) fn is_harmful(c: char) -> bool {
    c.is_control()
        || is_mark(c)
        || matches!(
            c,
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// What has a direction and no shape.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
}

/// How many bytes in front of a text complete a flag: a code in tags, and the tag that ends it; none if they do not.
fn flag_tags(text: &str) -> usize {
    let is_letter_or_digit =
        |c: &char| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}');
    let code: String = text.chars().take_while(is_letter_or_digit).collect();
    let is_whole = SUBDIVISION.contains(&code.chars().count());
    match text[code.len()..].chars().next() {
        Some(end @ '\u{e007f}') if is_whole => code.len() + end.len_utf8(),
        _ => 0,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(body: &[u8]) -> Vec<String> {
        lines(body).collect()
    }

    /// The flag of a part of a country.
    fn flag(code: &str) -> String {
        let tag = |c: char| char::from_u32(0xe0000 + u32::from(c)).unwrap();
        format!("{BLACK_FLAG}{}\u{e007f}", code.chars().map(tag).collect::<String>())
    }

    /// Whether a printed line may do harm.
    pub(crate) fn does_harm(line: &str) -> bool {
        let flags = ["gbeng", "gbsct", "gbwls", "ustx"].map(flag);
        let rest = flags.iter().fold(line.to_owned(), |rest, flag| rest.replace(flag, ""));
        rest.contains(is_harmful)
    }

    /// Texts with much in them that may do harm, also with what they may hide behind.
    pub(crate) fn bad_text() -> impl Strategy<Value = String> {
        let bad = "[\\x00-\\x1f\\x7f-\u{9f}\u{61c}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{fff9}-\u{fffb}\u{e0000}-\u{e007f}]";
        let flags = ["gbeng", "gbsct", "gbwls", "ustx"].map(flag);
        let piece = prop_oneof![
            3 => bad,
            2 => ".{0,3}",
            1 => prop::sample::select(flags.to_vec()),
            1 => Just(BLACK_FLAG.to_string()),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    #[test]
    fn plain_words_of_any_script_stay_as_they_are() {
        let persian = "می\u{200c}خواهم";
        let hindi = "क्\u{200d}ष";
        for text in ["", "hello", "grüße", "привет 👩‍👩‍👧 ❤️ 1️⃣", "שלום", persian, hindi, "🇩🇪 🏴 🏴‍☠️"]
        {
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
        for c in
            ['\u{2028}', '\u{202a}', '\u{2069}', '\u{206a}', '\u{206f}', '\u{fff9}', '\u{fffb}']
        {
            assert_eq!(shown(format!("a{c}b").as_bytes()), ["a\u{fffd}b"], "{c:?}");
        }
    }

    #[test]
    fn marks_of_direction_are_left_out_of_honest_words() {
        assert_eq!(clean("\u{200f}שלום\u{200e} (123)\u{61c} مرحبا"), "שלום (123) مرحبا");
    }

    #[test]
    fn tags_are_seen_but_for_those_of_flags() {
        for code in ["gbeng", "gbsct", "gbwls", "ustx"] {
            assert_eq!(clean(&flag(code)), flag(code));
        }
        let two = format!("{} and {}", flag("gbeng"), flag("gbsct"));
        assert_eq!(clean(&format!("{two}\u{200e}")), two);
        let hidden = flag("gbeng").replace(BLACK_FLAG, "");
        assert_eq!(clean(&hidden), "\u{fffd}".repeat(6), "without the flag");
        assert_eq!(clean(&flag("send money")), format!("{BLACK_FLAG}{}", "\u{fffd}".repeat(11)));
        let open = flag("gbeng").replace('\u{e007f}', "");
        assert_eq!(
            clean(&open),
            format!("{BLACK_FLAG}{}", "\u{fffd}".repeat(5)),
            "without its end"
        );
    }

    #[test]
    fn a_body_of_several_lines_is_several_lines() {
        assert_eq!(shown(b"one\r\ntwo\n\nthree"), ["one", "two", "", "three"]);
    }

    #[test]
    fn nobodys_name_has_any_of_it() {
        for c in (char::MIN..=char::MAX).filter(|c| is_harmful(*c)) {
            let name = format!("ma{c}rie").parse::<crate::message::Name>();
            assert!(name.is_err(), "{c:?}: {name:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_safe_to_print(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for line in lines(&body) {
                prop_assert!(!line.contains(is_harmful));
            }
        }

        #[test]
        fn whatever_is_meant_badly_is_safe_to_print(text in bad_text()) {
            for line in lines(text.as_bytes()) {
                prop_assert!(!does_harm(&line), "{line:?}");
                prop_assert_eq!(&*clean(&line), line.as_str(), "it is clean");
            }
        }
    }
}
