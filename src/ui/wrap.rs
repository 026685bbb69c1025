//! Text in rows of a width, measured in cells, by graphemes. Pure.
//!
//! Terminals do not agree about graphemes of several code points: some give a family of three two cells, some one for
//! each of its members and their joiners. Invariant: a grapheme has the room that it takes in any of them.

use std::borrow::Cow;
use std::ops::Range;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// The byte ranges of the rows in which a text is shown; one at least. A row ends at a line's end, or
/// behind the last space that fits, or where nothing else is possible in the middle of a word.
pub(crate) fn rows(text: &str, width: u16) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        wrap_line(text, start..start + line.len(), width.max(1), &mut rows);
        start += line.len() + 1;
    }
    rows
}

fn wrap_line(text: &str, line: Range<usize>, width: u16, rows: &mut Vec<Range<usize>>) {
    let (mut start, mut used, mut space) = (line.start, 0, None);
    for (at, grapheme) in text[line.clone()].grapheme_indices(true) {
        let at = line.start + at;
        let cells = columns(grapheme);
        while used + cells > width && at > start {
            let end = space.filter(|space| *space > start).unwrap_or(at);
            rows.push(start..end);
            start = end;
            used = columns(&text[start..at]);
        }
        used += cells;
        if grapheme == " " {
            space = Some(at + 1);
        }
    }
    rows.push(start..line.end);
}

/// How many cells a text takes as it is shown: a tab is four spaces.
pub(crate) fn columns(text: &str) -> u16 {
    // Not of the whole text: what is drawn is put into cells by graphemes.
    text.graphemes(true).map(room).fold(0, u16::saturating_add)
}

/// The text with blanks behind each grapheme that has more room than it may take.
pub(crate) fn padded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    let mut padded = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        padded += grapheme;
        let blanks = room(grapheme).saturating_sub(grapheme.cell_width());
        padded.extend(std::iter::repeat_n(' ', blanks.into()));
    }
    padded.into()
}

/// The cells that a grapheme has.
pub(crate) fn room(grapheme: &str) -> u16 {
    match grapheme {
        "\t" => 4,
        _ if grapheme.len() == 1 => 1,
        _ => grapheme.chars().map(cells).fold(0, u16::saturating_add).max(grapheme.cell_width()),
    }
}

/// How many cells a code point takes alone, in the terminal that gives it most: a joiner has its own in some.
pub(crate) fn cells(c: char) -> u16 {
    let cells = if c == '\u{200d}' { 1 } else { c.width().unwrap_or(0) };
    u16::try_from(cells).unwrap_or(u16::MAX)
}

/// In which row and column a byte is. At a border it is at the beginning of the later row.
pub(crate) fn place(rows: &[Range<usize>], text: &str, at: usize) -> (usize, u16) {
    let row = rows.iter().rposition(|row| row.start <= at).unwrap_or(0);
    let range = rows.get(row).cloned().unwrap_or(0..0);
    (row, columns(&text[range.start..at.max(range.start)]))
}

/// The byte of a row that is shown at a column, or the last one before it.
pub(crate) fn at_column(text: &str, row: Range<usize>, column: u16) -> usize {
    let mut used = 0;
    for (at, grapheme) in text[row.clone()].grapheme_indices(true) {
        used += columns(grapheme);
        if used > column {
            return row.start + at;
        }
    }
    row.end
}

/// As much of the beginning as fits, [padded]; what does not is told by a dot.
pub(crate) fn fit(text: &str, width: u16) -> String {
    if columns(text) <= width {
        return padded(text).into_owned();
    }
    let end = at_column(text, 0..text.len(), width.saturating_sub(1));
    format!("{}…", padded(&text[..end]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrapped(text: &str, width: u16) -> Vec<&str> {
        rows(text, width).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrapped("", 5), [""]);
        assert_eq!(wrapped("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrapped("one\n\ntwo", 8), ["one", "", "two"]);
        assert_eq!(wrapped("abcdefgh ij", 4), ["abcd", "efgh", " ij"]);
        assert_eq!(wrapped("字字字", 4), ["字字", "字"]);
        assert_eq!(wrapped("字", 1), ["字"]);
    }

    #[test]
    fn what_does_not_fit_is_cut_between_graphemes() {
        assert_eq!(fit("hello", 5), "hello");
        assert_eq!(fit("hello", 4), "hel…");
        assert_eq!(fit("字字", 3), "字…");
        assert_eq!(fit("字字", 2), "…");
        assert_eq!(columns("a\tb"), 6);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_too_wide(text in "[a-c字👩\u{301}\u{200d} \n]{0,40}", width in 2..9u16) {
            let rows = rows(&text, width);
            let joined: String = rows.iter().map(|row| &text[row.clone()]).collect();
            prop_assert_eq!(joined, text.replace('\n', ""));
            for row in &rows {
                let shown = text[row.clone()].trim_end();
                let single = text[row.clone()].graphemes(true).count() == 1;
                prop_assert!(columns(shown) <= width || single, "{shown:?}");
            }
        }
    }
}
