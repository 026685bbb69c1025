//! Lines of a statement's text: a word, and what belongs to it.
//!
//! Owned by whoever reads one. Invariant: each line has its own place.

use std::str::{FromStr, Lines};

use crate::message::Timestamp;
use crate::time_text;
use crate::trust::Fingerprint;

/// The next line does not begin with this word, or has not what belongs to it.
pub(super) struct Misplaced(pub(super) &'static str);

/// What the next line has, if it begins with this word.
pub(super) fn line<T>(
    lines: &mut Lines<'_>,
    word: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Misplaced> {
    let rest = lines.next().and_then(|line| behind(line, word));
    rest.and_then(read).ok_or(Misplaced(word))
}

/// All lines that follow and begin with this word.
pub(super) fn all<T: FromStr>(
    lines: &mut Lines<'_>,
    word: &'static str,
) -> Result<Vec<T>, Misplaced> {
    let mut found = Vec::new();
    while let Some(rest) = lines.clone().next().and_then(|line| behind(line, word)) {
        found.push(parsed(rest).ok_or(Misplaced(word))?);
        lines.next();
    }
    Ok(found)
}

/// What stands behind a word.
pub(super) fn behind<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix(word)?.strip_prefix(' ')
}

pub(super) fn parsed<T: FromStr>(word: &str) -> Option<T> {
    word.parse().ok()
}

/// A moment, as exactly as a line has it.
pub(super) fn moment(word: &str) -> Option<Timestamp> {
    time_text::parse_moment(word).map(Timestamp::of)
}

/// A hash, or the word for none.
pub(super) fn hash_or(word: &str, none: &str) -> Option<Option<Fingerprint>> {
    if word == none { Some(None) } else { parsed(word).map(Some) }
}

/// A hash as a line has it, or the word for none.
pub(super) fn or_none(hash: Option<Fingerprint>, none: &str) -> String {
    hash.map_or_else(|| none.into(), |it| it.to_string())
}
