//! Lines that people type or programs pipe in, read by a thread of their own because reading blocks.

use std::io::{self, BufRead, Read};

use async_channel::{Receiver, Sender};

use crate::task;
use crate::wire::MAX_BODY;

/// How many lines are read ahead.
const AHEAD: usize = 64;

/// The longest line: the longest message, and one slash more in front of it.
const LONGEST: usize = MAX_BODY + 1;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Text(String),
    /// A line that cannot be sent, and why.
    Unusable(String),
    /// Reading failed, and why. Nothing more comes.
    Failed(String),
}

impl Line {
    /// A line that was put together elsewhere.
    pub(super) fn edited(text: String) -> Self {
        if text.len() > LONGEST { Self::too_long() } else { Self::Text(text) }
    }

    fn too_long() -> Self {
        Self::Unusable(format!("a line has at most {MAX_BODY} bytes"))
    }
}

/// Begins to read. The channel closes at the end of input, or behind a failure.
pub(super) fn read() -> io::Result<Receiver<Line>> {
    let (lines, input) = async_channel::bounded(AHEAD);
    task::spawn_thread("tinychat-input", move || pass(io::stdin().lock(), &lines))?;
    Ok(input)
}

/// Reads one line of something else. The channel closes behind it.
pub(super) fn read_line(from: impl Read + Send + 'static) -> io::Result<Receiver<Line>> {
    let (lines, input) = async_channel::bounded(1);
    task::spawn_thread("tinychat-line", move || {
        if let Ok(Some(line)) = next(&mut io::BufReader::new(from)) {
            // Whoever asked may not wait for it any more.
            let _ = lines.send_blocking(line);
        }
    })?;
    Ok(input)
}

fn pass(mut input: impl BufRead, lines: &Sender<Line>) {
    let failed = |error| Some(Line::Failed(format!("cannot read the input: {error}")));
    while let Some(line) = next(&mut input).unwrap_or_else(failed) {
        let last = matches!(line, Line::Failed(_));
        if lines.send_blocking(line).is_err() || last {
            return;
        }
    }
}

/// The next line; `None` at the end. Holds no more of a long one than may be sent.
fn next(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    // CR LF stand behind it.
    let longest = LONGEST + 2;
    input.by_ref().take(longest as u64).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let whole = bytes.last() == Some(&b'\n');
    if !whole && bytes.len() == longest {
        skip_line(input)?;
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Some(match std::str::from_utf8(line) {
        _ if line.len() > LONGEST => Line::too_long(),
        Ok(text) => Line::Text(text.into()),
        Err(_) => Line::Unusable("a line is not UTF-8".into()),
    }))
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                input.consume(end + 1);
                return Ok(());
            }
            None if buffer.is_empty() => return Ok(()),
            None => {
                let length = buffer.len();
                input.consume(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let mut input = io::BufReader::with_capacity(100, bytes);
        std::iter::from_fn(|| next(&mut input).unwrap()).collect()
    }

    fn text(text: &str) -> Line {
        Line::Text(text.into())
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_input() {
        assert_eq!(
            lines(b"one\ntwo\r\n\nthree"),
            [text("one"), text("two"), text(""), text("three")]
        );
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_line_that_cannot_be_sent_is_named_and_skipped() {
        let long = "x".repeat(MAX_BODY + 500);
        let longest = format!("/{}", "y".repeat(MAX_BODY));
        let bytes = [format!("{long}\n{longest}\r\n").as_bytes(), b"\xff\nnext\n"].concat();
        let lines = lines(&bytes);
        assert!(matches!(&lines[0], Line::Unusable(text) if text.contains("65536")));
        assert_eq!(lines[1], text(&longest));
        assert!(matches!(&lines[2], Line::Unusable(text) if text.contains("UTF-8")));
        assert_eq!(lines[3], text("next"));
    }
}
