//! What people type or programs pipe in: lines, read by a thread of their own because reading blocks, or all of it as
//! one message.
//!
//! Invariant: what comes out is what went in, except for the ends of lines; or it is refused with what is wrong, where,
//! and what helps.

use std::io::{self, BufRead, Read};

use async_channel::{Receiver, Sender};

use crate::task;
use crate::wire::MAX_TEXT;

/// How many lines are read ahead.
const AHEAD: usize = 64;

/// The longest line: the longest message, and one slash more in front of it.
const LONGEST: usize = MAX_TEXT + 1;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its end.
    Text(String),
    /// A line that cannot be sent, and why.
    Unusable(String),
    /// Reading failed, and why. Nothing more comes.
    Failed(String),
}

impl Line {
    /// A line that was put together elsewhere.
    pub(crate) fn edited(text: String) -> Self {
        if text.len() > LONGEST { Self::too_long() } else { Self::Text(text) }
    }

    fn too_long() -> Self {
        Self::Unusable(format!("a line has at most {MAX_TEXT} bytes"))
    }
}

/// Begins to read. The channel closes at the end of input, or behind a failure.
pub(crate) fn read() -> io::Result<Receiver<Line>> {
    let (lines, input) = async_channel::bounded(AHEAD);
    task::spawn_thread("tinychat-input", move || pass(io::stdin().lock(), &lines))?;
    Ok(input)
}

/// Reads one line of something else. The channel closes behind it.
pub(crate) fn read_line(from: impl Read + Send + 'static) -> io::Result<Receiver<Line>> {
    let (lines, input) = async_channel::bounded(1);
    task::spawn_thread("tinychat-line", move || {
        if let Ok(Some(line)) = next(&mut io::BufReader::new(from), 1) {
            // Whoever asked may not wait for it any more.
            let _ = lines.send_blocking(line);
        }
    })?;
    Ok(input)
}

/// All of an input as one message, without the end of its last line. An error says why it cannot be one.
pub fn message(input: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    // CR LF stand behind it.
    let read = input.take(MAX_TEXT as u64 + 3).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot read the input: {error}"))?;
    let text = without_end(&bytes);
    if text.len() > MAX_TEXT {
        let most = format!("a message has at most {MAX_TEXT} bytes, and the input has more");
        return Err(format!("{most}; send --file sends files"));
    }
    let text = checked(text, 1)?.replace("\r\n", "\n");
    if text.is_empty() {
        Err("there is nothing to send: the input is empty".into())
    } else {
        Ok(text)
    }
}

fn pass(mut input: impl BufRead, lines: &Sender<Line>) {
    let failed = |error| Some(Line::Failed(format!("cannot read the input: {error}")));
    let numbered = (1..).map_while(|number| next(&mut input, number).unwrap_or_else(failed));
    for line in numbered {
        let last = matches!(line, Line::Failed(_));
        if lines.send_blocking(line).is_err() || last {
            return;
        }
    }
}

/// The next line, which has this number; `None` at the end. Holds no more of a long one than may be sent.
fn next(input: &mut impl BufRead, number: u64) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    // CR LF stand behind it.
    let longest = LONGEST + 2;
    input.by_ref().take(longest as u64).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let whole = bytes.last() == Some(&b'\n');
    let more = if !whole && bytes.len() == longest { skip_line(input)? } else { 0 };
    let line = without_end(&bytes);
    let length = line.len() as u64 + more;
    // A slash more in front of it.
    if length > LONGEST as u64 || (length > MAX_TEXT as u64 && !line.starts_with(b"/")) {
        let because = format!("line {number} has {length} bytes, and a message at most {MAX_TEXT}");
        return Ok(Some(Line::Unusable(format!("{because}; send --file sends files"))));
    }
    Ok(Some(checked(line, number).map_or_else(Line::Unusable, |text| Line::Text(text.into()))))
}

fn without_end(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Bytes as text, the first of them in this line. An error says what is wrong, where, and what helps.
fn checked(bytes: &[u8], first_line: u64) -> Result<&str, String> {
    let valid = std::str::from_utf8(bytes);
    let end = valid.map_or_else(|error| error.valid_up_to(), str::len);
    let nul = memchr::memchr(0, &bytes[..end]);
    if let (Ok(text), None) = (valid, nul) {
        return Ok(text);
    }
    let at = nul.unwrap_or(end);
    let line = first_line + memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64;
    let byte = at - memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |end| end + 1) + 1;
    let is_marked = line == 1 && matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    let wide = nul.is_some() || is_marked;
    let (what, from) = if wide { ("no text", "UTF-16") } else { ("not UTF-8", "ISO-8859-1") };
    Err(format!(
        "line {line} is {what} (its byte {byte} is 0x{:02x}): iconv -f {from} -t UTF-8 may help, \
         and send --file sends any bytes",
        bytes[at],
    ))
}

/// Returns how many bytes were skipped, without the end of the line.
fn skip_line(input: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        let end = memchr::memchr(b'\n', buffer);
        let length = end.unwrap_or(buffer.len());
        skipped += length as u64;
        let is_over = end.is_some() || buffer.is_empty();
        input.consume(length + usize::from(end.is_some()));
        if is_over {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let mut input = io::BufReader::with_capacity(100, bytes);
        (1..).map_while(|number| next(&mut input, number).unwrap()).collect()
    }

    fn text(text: &str) -> Line {
        Line::Text(text.into())
    }

    #[track_caller]
    fn is_refused(line: &Line, why: &str) {
        assert!(matches!(line, Line::Unusable(because) if because.contains(why)), "{line:?}");
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
        let long = "x".repeat(MAX_TEXT + 500);
        let longest = format!("/{}", "y".repeat(MAX_TEXT));
        let rest = b"ol\xe9\nnext\na\0b\n";
        let bytes = [format!("{long}\n{longest}\r\nz{longest}\n").as_bytes(), rest].concat();
        let lines = lines(&bytes);
        is_refused(&lines[0], "line 1 has 66036 bytes, and a message at most 65536;");
        assert_eq!(lines[1], text(&longest));
        is_refused(&lines[2], "line 3 has 65538 bytes");
        is_refused(&lines[3], "line 4 is not UTF-8 (its byte 3 is 0xe9): iconv -f ISO-8859-1");
        assert_eq!(lines[4], text("next"));
        is_refused(&lines[5], "line 6 is no text (its byte 2 is 0x00): iconv -f UTF-16");
    }

    #[test]
    fn an_input_is_one_message_or_refused() {
        let longest = "x".repeat(MAX_TEXT);
        for (input, text) in [
            ("hello", "hello"),
            ("a\r\nb\r\n", "a\nb"),
            ("a\n\n", "a\n"),
            (&*format!("{longest}\r\n"), &*longest),
        ] {
            assert_eq!(message(input.as_bytes()).as_deref(), Ok(text));
        }
        let wide = format!("{}\u{20ac}", &longest[2..]);
        for (input, why) in [
            (&b""[..], "the input is empty"),
            (b"\n", "the input is empty"),
            (b"a\nol\xe9\n", "line 2 is not UTF-8 (its byte 3 is 0xe9)"),
            (b"\xff\xfea\0", "line 1 is no text (its byte 1 is 0xff): iconv -f UTF-16"),
            (b"a\nb\n\0", "line 3 is no text (its byte 1 is 0x00)"),
            // What was cut in the middle of a character is too long, and nothing else.
            (
                format!("{wide}{wide}").as_bytes(),
                "a message has at most 65536 bytes, and the input has more",
            ),
        ] {
            let error = message(input).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_told_as_it_is_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let whole = String::from_utf8(bytes.clone()).ok().filter(|it| !it.contains('\0'));
            let told = lines(&bytes);
            match &whole {
                Some(whole) => prop_assert_eq!(told, whole.lines().map(text).collect::<Vec<_>>()),
                None => prop_assert!(told.iter().any(|line| matches!(line, Line::Unusable(_)))),
            }
            let expected = whole.map(|it| it.replace("\r\n", "\n")).filter(|it| !it.is_empty());
            let expected = expected.map(|it| it.strip_suffix('\n').unwrap_or(&it).to_string());
            prop_assert_eq!(message(&bytes[..]).ok(), expected.filter(|it| !it.is_empty()));
        }
    }
}
