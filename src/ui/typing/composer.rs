//! What one is writing: a text of several lines with a cursor. Pure.
//!
//! Owned by its conversation, or by the plain face's editor. Invariant: the cursor is at the beginning of a grapheme, or at the end.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::ui::wrap;

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Composer {
    text: String,
    /// In bytes.
    cursor: usize,
}

impl Composer {
    /// A text with the cursor at its end.
    pub(crate) fn with(text: String) -> Self {
        Self { cursor: text.len(), text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What is behind the cursor.
    pub(crate) fn after(&self) -> &str {
        &self.text[self.cursor..]
    }

    /// What is before the cursor.
    pub(crate) fn before(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Puts another text in the place of the whole, and gives that back.
    pub(crate) fn replace(&mut self, text: String) -> String {
        std::mem::replace(self, Self::with(text)).text
    }

    pub(crate) fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        self.settle();
    }

    /// Puts something in the place of the last bytes before the cursor.
    pub(crate) fn replace_before(&mut self, bytes: usize, with: &str) {
        let from = self.cursor - bytes;
        self.text.replace_range(from..self.cursor, with);
        self.cursor = from + with.len();
        self.settle();
    }

    pub(crate) fn left(&mut self) {
        self.cursor = self.grapheme_before();
    }

    pub(crate) fn right(&mut self) {
        self.cursor = self.grapheme_after();
    }

    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(crate) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let word = rest.unicode_word_indices().next();
        self.cursor += word.map_or(rest.len(), |(at, word)| at + word.len());
        self.settle();
    }

    pub(crate) fn line_start(&mut self) {
        self.cursor = self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1);
    }

    pub(crate) fn line_end(&mut self) {
        let rest = &self.text[self.cursor..];
        self.cursor += rest.find('\n').unwrap_or(rest.len());
    }

    /// One row up or down as the text is shown in this width. False if there is none.
    pub(crate) fn move_row(&mut self, width: u16, down: bool) -> bool {
        let rows = wrap::rows(&self.text, width);
        let (row, column) = wrap::place(&rows, &self.text, self.cursor);
        let target = if down { row + 1 } else { row.wrapping_sub(1) };
        let Some(range) = rows.get(target) else { return false };
        self.cursor = wrap::at_column(&self.text, range.clone(), column);
        true
    }

    pub(crate) fn backspace(&mut self) {
        self.cut(self.grapheme_before(), self.cursor);
    }

    pub(crate) fn delete(&mut self) {
        self.cut(self.cursor, self.grapheme_after());
    }

    /// Takes away what is behind the cursor in its line; at the line's end, that end.
    pub(crate) fn kill_to_end(&mut self) -> String {
        let rest = &self.text[self.cursor..];
        let end = match rest.find('\n') {
            Some(0) => 1,
            Some(at) => at,
            None => rest.len(),
        };
        self.cut(self.cursor, self.cursor + end)
    }

    /// Takes away what is before the cursor in its line.
    pub(crate) fn kill_to_start(&mut self) -> String {
        let end = self.cursor;
        self.line_start();
        self.cut(self.cursor, end)
    }

    /// Takes away the word before the cursor, up to the space in front of it.
    pub(crate) fn kill_word(&mut self) -> String {
        let before = self.before().trim_end();
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
        self.cut(start, self.cursor)
    }

    /// The rows in which the text is shown, and row and column of the cursor.
    pub(crate) fn shown(&self, width: u16) -> (Vec<&str>, (u16, u16)) {
        let rows = wrap::rows(&self.text, width);
        let (row, column) = wrap::place(&rows, &self.text, self.cursor);
        let cursor = (u16::try_from(row).unwrap_or(u16::MAX), column);
        (rows.into_iter().map(|range| &self.text[range]).collect(), cursor)
    }

    fn cut(&mut self, from: usize, to: usize) -> String {
        let cut = self.text[from..to].to_string();
        self.text.replace_range(from..to, "");
        self.cursor = from;
        self.settle();
        cut
    }

    /// What was put together may be one grapheme now.
    fn settle(&mut self) {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        if cursor.is_boundary(&self.text, 0) != Ok(true) {
            let next = cursor.next_boundary(&self.text, 0).ok().flatten();
            self.cursor = next.unwrap_or(self.text.len());
        }
    }

    fn grapheme_before(&self) -> usize {
        let last = self.before().grapheme_indices(true).next_back();
        last.map_or(0, |(at, _)| at)
    }

    fn grapheme_after(&self) -> usize {
        let first = self.text[self.cursor..].graphemes(true).next();
        self.cursor + first.map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let last = self.before().unicode_word_indices().next_back();
        last.map_or(0, |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text with a bar where the cursor is.
    fn shown(composer: &Composer) -> String {
        let mut text = composer.text.clone();
        text.insert(composer.cursor, '|');
        text
    }

    fn at(text: &str) -> Composer {
        let cursor = text.find('|').unwrap();
        Composer { text: text.replace('|', ""), cursor }
    }

    #[test]
    fn keys_do_what_people_expect() {
        type Change = fn(&mut Composer);
        let cases: [(&str, Change, &str); 20] = [
            ("ab|", Composer::left, "a|b"),
            ("|ab", Composer::left, "|ab"),
            ("a|b", Composer::right, "ab|"),
            ("👩‍👩‍👧|", Composer::left, "|👩‍👩‍👧"),
            ("e\u{301}|", Composer::backspace, "|"),
            ("one two|", Composer::word_left, "one |two"),
            ("one |two", Composer::word_left, "|one two"),
            ("|one, two", Composer::word_right, "one|, two"),
            ("one|, two", Composer::word_right, "one, two|"),
            ("one\ntwo|", Composer::line_start, "one\n|two"),
            ("o|ne\ntwo", Composer::line_end, "one|\ntwo"),
            ("ab|c", Composer::backspace, "a|c"),
            ("a|bc", Composer::delete, "a|c"),
            ("ab|\ncd", Composer::delete, "ab|cd"),
            ("a|b\ncd", |it| drop(it.kill_to_end()), "a|\ncd"),
            ("a|\ncd", |it| drop(it.kill_to_end()), "a|cd"),
            ("ab\ncd|e", |it| drop(it.kill_to_start()), "ab\n|e"),
            ("one two |", |it| drop(it.kill_word()), "one |"),
            ("one two|", |it| drop(it.kill_word()), "one |"),
            ("|one", |it| drop(it.kill_word()), "|one"),
        ];
        for (before, change, after) in cases {
            let mut composer = at(before);
            change(&mut composer);
            assert_eq!(shown(&composer), after, "{before}");
        }
    }

    #[test]
    fn rows_are_those_that_are_shown() {
        let mut composer = at("hello wide world|");
        assert!(composer.move_row(8, false));
        assert_eq!(shown(&composer), "hello wide |world");
        let mut composer = at("ab\n|cd");
        assert!(composer.move_row(9, false) && !composer.move_row(9, false));
        assert_eq!(shown(&composer), "|ab\ncd");
        assert!(composer.move_row(9, true) && !composer.move_row(9, true));
    }

    proptest! {
        #[test]
        fn whatever_is_typed_the_cursor_is_between_graphemes(
            steps in prop::collection::vec((0..15u8, "[a👩\u{200d}\u{301}\n 字]{1,3}"), 0..40),
        ) {
            let mut composer = Composer::default();
            for (step, text) in steps {
                match step {
                    0..=4 => composer.insert(&text),
                    5 => composer.left(),
                    6 => composer.right(),
                    7 => composer.word_left(),
                    8 => composer.word_right(),
                    9 => composer.backspace(),
                    10 => composer.delete(),
                    11 => drop(composer.kill_to_end()),
                    12 => drop(composer.kill_word()),
                    13 => drop(composer.move_row(5, false)),
                    _ => drop(composer.move_row(5, true)),
                }
                let mut boundaries = composer.text.grapheme_indices(true).map(|(at, _)| at);
                let end = composer.text.len();
                prop_assert!(composer.cursor == end || boundaries.any(|at| at == composer.cursor));
                let (rows, (row, _)) = composer.shown(5);
                prop_assert!(usize::from(row) < rows.len());
            }
        }
    }
}
