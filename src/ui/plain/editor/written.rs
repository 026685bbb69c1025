//! What was written before, to be brought back. Pure.
//!
//! Owned by the [editor](super::line). Invariant: whoever goes through it gets back what was being written.

use std::collections::VecDeque;

/// How many lines are remembered. More push out the oldest.
const REMEMBERED: usize = 1000;

/// How many bytes these may have together. More push out the oldest, but for the last one.
const BYTES: usize = 1024 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Written {
    lines: VecDeque<String>,
    bytes: usize,
    /// Which one is shown, and what was being written before.
    shown: Option<(usize, String)>,
}

impl Written {
    /// A line was sent.
    pub(super) fn add(&mut self, line: &str) {
        self.shown = None;
        if line.is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line.into());
        while self.lines.len() > REMEMBERED || (self.bytes > BYTES && self.lines.len() > 1) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }

    /// The line before the one that is shown; none if that is the first.
    pub(super) fn earlier(&mut self, draft: &str) -> Option<String> {
        let at = self.shown.as_ref().map_or(self.lines.len(), |(at, _)| *at).checked_sub(1)?;
        let line = self.lines.get(at)?.clone();
        let draft = self.shown.take().map_or_else(|| draft.into(), |(_, draft)| draft);
        self.shown = Some((at, draft));
        Some(line)
    }

    /// The line behind the one that is shown; behind the last one, what was being written.
    pub(super) fn later(&mut self) -> Option<String> {
        let (at, draft) = self.shown.take()?;
        let Some(line) = self.lines.get(at + 1) else { return Some(draft) };
        self.shown = Some((at + 1, draft));
        Some(line.clone())
    }

    /// The last line before this one that has this in it.
    pub(super) fn find(&self, text: &str, before: usize) -> Option<(usize, &str)> {
        let lines = self.lines.iter().enumerate().take(before);
        lines.rev().find(|(_, line)| line.contains(text)).map(|(at, line)| (at, line.as_str()))
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        self.lines.get(at).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_back_and_forth_and_has_what_one_was_writing() {
        let mut written = Written::default();
        assert_eq!(written.earlier("draft"), None);
        for line in ["one", "two", "two", ""] {
            written.add(line);
        }
        let mut back = || written.earlier("draft");
        assert_eq!([back(), back(), back()], [Some("two".into()), Some("one".into()), None]);
        assert_eq!(written.later().as_deref(), Some("two"));
        assert_eq!(written.later().as_deref(), Some("draft"));
        assert_eq!(written.later(), None);
    }

    #[test]
    fn lines_are_found_from_the_last_one_on() {
        let mut written = Written::default();
        ["hello", "help", "bye"].iter().for_each(|line| written.add(line));
        assert_eq!(written.find("hel", written.len()), Some((1, "help")));
        assert_eq!(written.find("hel", 1), Some((0, "hello")));
        assert_eq!(written.find("hel", 0), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut written = Written::default();
        (0..2 * REMEMBERED).for_each(|n| written.add(&n.to_string()));
        assert_eq!((written.len(), written.get(0)), (REMEMBERED, Some("1000")));
        let long = "x".repeat(BYTES);
        written.add(&long);
        assert_eq!((written.len(), written.get(0)), (1, Some(long.as_str())));
    }
}
