//! Names as the body of an answer: the parts of a text that somebody may read.
//!
//! Owned by the answer. Many answers share one text, and none copies it before it is written: then the lines are skipped
//! that are hidden from somebody. Invariant: the parts are in order, none is empty, and the last one ends the body.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::iter::once;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memrchr};

use crate::message::Name;
use crate::wire::MAX_ONLINE_BODY;

/// The end of a body.
pub(super) const END: &str = "\r\n";

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// One name a line, and [`END`] behind the last one.
    text: Bytes,
    /// What is still to be written of it.
    parts: VecDeque<Range<usize>>,
}

impl Lines {
    /// These names, as many as an answer has room for.
    pub(crate) fn of(names: &[Name]) -> Self {
        let words = names.iter().flat_map(|name| [name.as_str(), "\n"]);
        let words: Vec<&str> = words.chain([END]).collect();
        Self::all_but(words.concat().into(), &[])
    }

    /// All lines of a text but the hidden ones, which are in order, as far as an answer has room for them.
    pub(super) fn all_but(text: Bytes, hidden: &[Range<usize>]) -> Self {
        let all = text.len() - END.len();
        let (end, mut parts) = (all..text.len(), VecDeque::new());
        let (mut from, mut room) = (0, MAX_ONLINE_BODY);
        for line in hidden.iter().cloned().chain(once(all..all)) {
            let part = that_fit(&text, from..line.start, room);
            // Behind the first line that does not fit there is no other.
            room = if part.end == line.start { room - part.len() } else { 0 };
            from = line.end;
            push(&mut parts, part);
        }
        push(&mut parts, end);
        Self { text, parts }
    }

    /// The length of the body in the frame's header. To be asked before anything is written.
    pub(crate) fn length(&self) -> usize {
        let whole: usize = self.parts.iter().map(|part| part.len()).sum();
        whole.saturating_sub(END.len())
    }

    /// Whether all of it was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Moves the next bytes into a buffer, at most so many.
    pub(crate) fn move_to(&mut self, out: &mut BytesMut, most: usize) {
        let mut room = most;
        while let Some(part) = self.parts.front_mut().filter(|_| room > 0) {
            let count = part.len().min(room);
            out.extend_from_slice(&self.text[part.start..part.start + count]);
            part.start += count;
            room -= count;
            if part.start == part.end {
                self.parts.pop_front();
            }
        }
    }

    /// What it shares with others.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &Bytes {
        &self.text
    }
}

/// As many whole lines of a part as there is room for.
fn that_fit(text: &[u8], part: Range<usize>, room: usize) -> Range<usize> {
    if part.len() <= room {
        return part;
    }
    let beginning = &text[part.start..part.start + room];
    part.start..part.start + memrchr(b'\n', beginning).map_or(0, |end| end + 1)
}

/// Adds a part, to the last one if it is right behind that.
fn push(parts: &mut VecDeque<Range<usize>>, part: Range<usize>) {
    match parts.back_mut() {
        Some(last) if last.end == part.start => last.end = part.end,
        _ if part.is_empty() => {}
        _ => parts.push_back(part),
    }
}

/// The line of a name, with its LF, among lines in order; or where it would begin.
pub(super) fn find(lines: &[u8], name: &Name) -> Result<Range<usize>, usize> {
    let name = name.as_str().as_bytes();
    let (mut low, mut high) = (0, lines.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = memrchr(b'\n', &lines[low..middle]).map_or(low, |end| low + end + 1);
        let end = memchr(b'\n', &lines[start..high]).map_or(high, |length| start + length);
        match lines[start..end].cmp(name) {
            Ordering::Less => low = end + 1,
            Ordering::Equal => return Ok(start..end + 1),
            Ordering::Greater => high = start,
        }
    }
    Err(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Name {
        format!("guest{number:04}").parse().unwrap()
    }

    /// So many names, of which every second one is hidden.
    fn every_second(count: usize) -> Lines {
        let lines: String = (0..count).map(|number| format!("{}\n", name(number))).collect();
        let line = |number| find(lines.as_bytes(), &name(number)).unwrap();
        let hidden: Vec<_> = (0..count).step_by(2).map(line).collect();
        Lines::all_but((lines + END).into(), &hidden)
    }

    #[test]
    fn names_of_nobody_and_of_some_are_a_body() {
        let mut out = BytesMut::new();
        for (count, length, body) in [(0, 0, "\r\n"), (2, 20, "guest0000\nguest0001\n\r\n")] {
            let names: Vec<_> = (0..count).map(name).collect();
            let mut lines = Lines::of(&names);
            assert_eq!(lines.length(), length);
            out.clear();
            lines.move_to(&mut out, usize::MAX);
            assert!(lines.is_empty() && out == body.as_bytes());
        }
    }

    #[test]
    fn names_between_hidden_ones_are_written_together() {
        let mut lines = every_second(2_000);
        assert_eq!((lines.parts.len(), lines.length()), (1_000, 10_000));
        let mut out = BytesMut::new();
        for (most, written) in [(1, 1), (4_000, 4_001), (5_000, 9_001), (4_000, 10_002)] {
            assert!(!lines.is_empty());
            lines.move_to(&mut out, most);
            assert_eq!(out.len(), written);
        }
        let shown: String = (1..2_000).step_by(2).map(|it| format!("{}\n", name(it))).collect();
        assert!(lines.is_empty() && out == (shown + END).as_bytes());
    }
}
