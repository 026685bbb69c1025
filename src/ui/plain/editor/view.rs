//! The part of a line that fits into a row, around the cursor. Pure.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text;
use crate::ui::console::row::View;

/// Stand where something is left out; each takes a column.
const MORE_BEFORE: &str = "<";
const MORE_BEHIND: &str = ">";

/// What fits into `width` columns of what stands before and behind the cursor. No more than that is looked at.
pub(super) fn part(before: &str, after: &str, width: u16) -> View {
    // Some of what stands behind the cursor is always in sight.
    let room = if after.is_empty() { width } else { width / 4 * 3 };
    let shown = Shown::of(before.graphemes(true).rev(), room, MORE_BEFORE);
    let before = shown.graphemes.into_iter().rev().collect();
    let left = width.saturating_sub(shown.columns);
    let after = Shown::of(after.graphemes(true), left, MORE_BEHIND).graphemes.concat();
    View { before, after }
}

/// What is shown of some graphemes, and how many columns it takes.
#[derive(Default)]
struct Shown {
    graphemes: Vec<String>,
    columns: u16,
}

impl Shown {
    /// All of them if they fit; else as many as fit, and a mark behind.
    fn of<'a>(graphemes: impl Iterator<Item = &'a str> + Clone, room: u16, mark: &str) -> Self {
        let (all, is_whole) = Self::first(graphemes.clone(), room);
        if is_whole {
            return all;
        }
        let (mut some, _) = Self::first(graphemes, room.saturating_sub(1));
        some.graphemes.push(mark.into());
        some.columns += 1;
        some
    }

    /// The first ones, as many as fit, and whether that is all.
    fn first<'a>(graphemes: impl Iterator<Item = &'a str>, room: u16) -> (Self, bool) {
        let mut shown = Self::default();
        for grapheme in graphemes {
            let grapheme = text::clean(grapheme).into_owned();
            let columns = columns(&grapheme);
            if columns > room - shown.columns {
                return (shown, false);
            }
            shown.columns += columns;
            shown.graphemes.push(grapheme);
        }
        (shown, true)
    }
}

/// As many as any terminal takes for it: some measure the whole, and some each of its characters.
fn columns(grapheme: &str) -> u16 {
    let apart: usize = grapheme.chars().filter_map(UnicodeWidthChar::width).sum();
    u16::try_from(apart.max(grapheme.width())).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is shown of a text, with a bar where the cursor is.
    fn shown(text: &str, width: u16) -> String {
        let (before, after) = text.split_once('|').unwrap();
        let View { before, after } = part(before, after, width);
        format!("{before}|{after}")
    }

    #[test]
    fn the_cursor_and_what_is_around_it_are_in_sight() {
        for (text, expected) in [
            ("|", "|"),
            ("hello|", "hello|"),
            ("hell|o", "hell|o"),
            ("hello world|", "<o world|"),
            ("|hello world", "|hello w>"),
            ("hello wide| world", "< wide| >"),
            ("日本日本日本|", "<本日本|"),
            ("a\tb|", "a    b|"),
            ("\u{1b}[2J|", "\u{fffd}[2J|"),
        ] {
            assert_eq!(shown(text, 8), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_never_wider_than_the_row(
            before in "[a字e\u{301}👩\u{200d}\t\u{1b} ]{0,40}",
            after in "[a字e\u{301}👩\u{200d}\t\u{1b} ]{0,40}",
            width in 1..30u16,
        ) {
            let View { before, after } = part(&before, &after, width);
            prop_assert!(before.width() <= usize::from(width));
            prop_assert!(before.width() + after.width() <= usize::from(width) + 1);
            let escape = '\u{1b}';
            prop_assert!(!before.contains(escape) && !after.contains(escape));
        }
    }
}
