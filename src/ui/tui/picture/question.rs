//! Which version a terminal is: the one thing that is asked of it.
//!
//! Owned by the face, which asks before anything else reads what the terminal says. Invariants: an answer is
//! waited for [so long](PATIENCE) at most; what comes beside it is heard as it would be without a question.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use memchr::memmem;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, retry_on_intr};

use super::late::{self, Late};

/// How long an answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

/// How much is read meanwhile. Whoever has typed or pasted more is heard, and not asked for longer.
const MOST: usize = 16 << 10;

/// XTVERSION, as xterm has it: what are you?
const QUESTION: &[u8] = b"\x1b[>0q";

const ESC: u8 = 0x1b;

/// What ends an answer, as it ends whatever a terminal says in words.
const END: &[u8] = b"\x1b\\";

/// What is in front of what was pasted, and behind it.
const PASTE: (&[u8], &[u8]) = (b"\x1b[200~", b"\x1b[201~");

/// The first kitty that puts pictures where certain letters are.
const PLACEHOLDERS: [u32; 2] = [0, 28];

/// What a terminal said.
#[derive(Default)]
pub(crate) struct Heard {
    pub(super) version: Option<String>,
    /// What was typed meanwhile.
    pub(super) events: Vec<Event>,
    /// Keeps what it says later from being taken for keys.
    pub(super) late: Option<Late>,
}

/// Asks a terminal in raw mode that nothing else reads from.
pub(super) fn ask(
    input: impl AsFd,
    mut output: impl Write,
    clock: &dyn Fn() -> Instant,
) -> io::Result<Heard> {
    let until = clock() + PATIENCE;
    output.write_all(QUESTION)?;
    output.flush()?;
    let (mut heard, mut bytes, mut count) = (Heard::default(), Vec::new(), 0);
    while heard.version.is_none() && count < MOST {
        let left = until.saturating_duration_since(clock());
        match listen(&input, left, &mut bytes) {
            // It has said nothing, or nothing more will come.
            Ok(0) | Err(_) => break,
            Ok(more) => count += more,
        }
        heard.take(&mut bytes);
    }
    heard.end(&bytes, clock());
    Ok(heard)
}

/// Whether an answer to it is that of a kitty that shows pictures where certain letters are.
pub(super) fn has_placeholders(version: &str) -> bool {
    let numbers = version.strip_prefix("kitty(").and_then(|it| it.strip_suffix(')'));
    let numbers = numbers.into_iter().flat_map(|it| it.split('.')).map_while(|it| it.parse().ok());
    numbers.collect::<Vec<u32>>() >= PLACEHOLDERS.to_vec()
}

/// Reads what there is within a time, and says how much: nothing if there is nothing.
fn listen(input: impl AsFd, wait: Duration, bytes: &mut Vec<u8>) -> Result<usize, Errno> {
    let wait = Timespec::try_from(wait).map_err(|_| Errno::INVAL)?;
    let mut inputs = [PollFd::new(&input, PollFlags::IN)];
    if retry_on_intr(|| poll(&mut inputs, Some(&wait)))? == 0 {
        return Ok(0);
    }
    let mut buffer = [0; 1024];
    let count = retry_on_intr(|| read(&input, &mut buffer))?;
    bytes.extend_from_slice(&buffer[..count]);
    Ok(count)
}

impl Heard {
    /// Takes in what is whole.
    fn take(&mut self, bytes: &mut Vec<u8>) {
        while let Some((said, length)) = first(bytes) {
            match said {
                Said::Version(version) => self.version = Some(version),
                Said::Event(event) => self.events.push(event),
                Said::Other => {}
            }
            bytes.drain(..length);
        }
    }

    /// Nothing more is waited for: takes in the rest, of which the other part may be still to come.
    fn end(&mut self, rest: &[u8], now: Instant) {
        let events = begun(rest);
        if self.version.is_some() {
            return self.events.extend(events);
        }
        let late = self.late.insert(Late::since(now));
        self.events.extend(events.into_iter().flat_map(|event| late.take(event, now)));
    }
}

/// Something that a terminal says.
enum Said {
    Version(String),
    Event(Event),
    /// What nobody asked for, and keys that are of no use before there is anything to be seen.
    Other,
}

/// What comes first, and how many bytes it has; none if it is not whole.
fn first(bytes: &[u8]) -> Option<(Said, usize)> {
    match bytes {
        [] | [ESC] | [ESC, b'O'] => None,
        [ESC, b'P', ..] => words(bytes),
        [ESC, b'[', ..] => sequence(bytes),
        [ESC, b'O', _, ..] => Some((Said::Other, 3)),
        [ESC, ESC, ..] => Some((key(KeyCode::Esc, KeyModifiers::NONE), 1)),
        [ESC, rest @ ..] => {
            let (said, length) = first(rest)?;
            Some((with_alt(said), 1 + length))
        }
        [byte, ..] if byte.is_ascii_control() => Some((control(*byte), 1)),
        _ => letter(bytes),
    }
}

/// `ESC P > | kitty(0.32.2) ESC \`, or others like it.
fn words(bytes: &[u8]) -> Option<(Said, usize)> {
    let end = memmem::find(bytes, END)?;
    let version = bytes[..end].strip_prefix(late::BEGIN.as_bytes());
    let version = version.map(|it| Said::Version(String::from_utf8_lossy(it).into()));
    Some((version.unwrap_or(Said::Other), end + END.len()))
}

/// `ESC [`, parameters, and a letter that says what it is.
fn sequence(bytes: &[u8]) -> Option<(Said, usize)> {
    if let Some(pasted) = bytes.strip_prefix(PASTE.0) {
        let length = memmem::find(pasted, PASTE.1)?;
        let text = String::from_utf8_lossy(&pasted[..length]).into();
        return Some((Said::Event(Event::Paste(text)), PASTE.0.len() + length + PASTE.1.len()));
    }
    let length = 3 + bytes[2..].iter().position(|byte| (0x40..0x7f).contains(byte))?;
    let said = match &bytes[2..length] {
        b"I" => Said::Event(Event::FocusGained),
        b"O" => Said::Event(Event::FocusLost),
        _ => Said::Other,
    };
    Some((said, length))
}

fn control(byte: u8) -> Said {
    match byte {
        b'\r' => key(KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => key(KeyCode::Tab, KeyModifiers::NONE),
        0x7f => key(KeyCode::Backspace, KeyModifiers::NONE),
        1..=26 => key(KeyCode::Char((b'a' - 1 + byte).into()), KeyModifiers::CONTROL),
        _ => Said::Other,
    }
}

fn letter(bytes: &[u8]) -> Option<(Said, usize)> {
    let begin = &bytes[..bytes.len().min(char::MAX_LEN_UTF8)];
    let (valid, is_damaged) = match std::str::from_utf8(begin) {
        Ok(valid) => (valid, false),
        Err(error) => {
            let valid = std::str::from_utf8(&begin[..error.valid_up_to()]).unwrap_or_default();
            (valid, error.error_len().is_some())
        }
    };
    match valid.chars().next() {
        Some(c) => Some((letter_key(c), c.len_utf8())),
        None => is_damaged.then_some((Said::Other, 1)),
    }
}

fn letter_key(c: char) -> Said {
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    key(KeyCode::Char(c), shift)
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Said {
    Said::Event(Event::Key(KeyEvent::new(code, modifiers)))
}

fn with_alt(said: Said) -> Said {
    match said {
        Said::Event(Event::Key(KeyEvent { code, modifiers, .. })) => {
            key(code, modifiers | KeyModifiers::ALT)
        }
        other => other,
    }
}

/// What is not whole, as whoever reads the rest of it has it.
fn begun(bytes: &[u8]) -> Vec<Event> {
    if let Some(pasted) = bytes.strip_prefix(PASTE.0) {
        return vec![Event::Paste(String::from_utf8_lossy(pasted).into())];
    }
    let (alt, mut rest) = match bytes {
        [ESC] => return vec![Event::Key(KeyCode::Esc.into())],
        [ESC, b'P', rest @ ..] => (with_alt(letter_key('P')), rest.to_vec()),
        _ => return Vec::new(),
    };
    let mut heard = Heard::default();
    heard.take(&mut rest);
    let end = (rest == [ESC]).then(|| Event::Key(KeyCode::Esc.into()));
    let alt = if let Said::Event(event) = alt { Some(event) } else { None };
    alt.into_iter().chain(heard.events).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    /// What is heard of a terminal that has said this when it is asked.
    fn asked(said: &[u8]) -> Heard {
        let (mut terminal, face) = UnixStream::pair().unwrap();
        terminal.write_all(said).unwrap();
        let heard = ask(&face, &face, &Instant::now).unwrap();
        let mut question = [0; QUESTION.len()];
        io::Read::read_exact(&mut terminal, &mut question).unwrap();
        assert_eq!(question, QUESTION);
        heard
    }

    fn typed(text: &str) -> Vec<Event> {
        let keys = text.chars().map(letter_key);
        keys.filter_map(|it| if let Said::Event(event) = it { Some(event) } else { None }).collect()
    }

    #[test]
    fn what_is_typed_beside_an_answer_is_heard_too() {
        let heard = asked("hé P\x1bP>|kitty(0.32.2)\x1b\\llo".as_bytes());
        assert_eq!(heard.version.as_deref(), Some("kitty(0.32.2)"));
        assert_eq!(heard.events, typed("hé Pllo"));
        assert!(heard.late.is_none(), "it has answered");
        let heard = asked(
            b"\x1b[I\x1b[A\x1bOB\x1b[200~two\rlines\x1b[201~\r\t\x7f\x03\xff\x1b\r\x1bP>|x\x1b\\",
        );
        assert_eq!(heard.version.as_deref(), Some("x"));
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        assert_eq!(
            heard.events,
            [
                Event::FocusGained,
                Event::Paste("two\rlines".into()),
                key(KeyCode::Enter, KeyModifiers::NONE),
                key(KeyCode::Tab, KeyModifiers::NONE),
                key(KeyCode::Backspace, KeyModifiers::NONE),
                key(KeyCode::Char('c'), KeyModifiers::CONTROL),
                key(KeyCode::Enter, KeyModifiers::ALT),
            ]
        );
    }

    #[test]
    fn who_does_not_answer_is_waited_for_no_longer() {
        let heard = asked(b"hello");
        assert_eq!((heard.version.as_deref(), heard.events), (None, typed("hello")));
        assert!(heard.late.is_some());
        // What is there when the time is over is heard still.
        let (mut terminal, face) = UnixStream::pair().unwrap();
        terminal.write_all(b"later").unwrap();
        let (start, calls) = (Instant::now(), std::cell::Cell::new(0));
        let clock = || start + PATIENCE * calls.replace(calls.get() + 1);
        assert_eq!(ask(&face, &face, &clock).unwrap().events, typed("later"));
        // Nobody is there.
        drop(terminal);
        assert!(ask(&face, io::sink(), &Instant::now).unwrap().version.is_none());
        assert!(ask(&face, &face, &Instant::now).is_err());
    }

    #[test]
    fn an_answer_of_which_half_is_late_is_no_key() {
        let answer = b"\x1bP>|kitty(0.32.2)\x1b\\";
        for count in 1..answer.len() {
            let (begin, rest) = answer.split_at(count);
            let heard = asked(&[b"a", begin].concat());
            assert_eq!(heard.events, typed("a"));
            let (mut late, now) = (heard.late.unwrap(), Instant::now());
            let mut keys = Heard::default();
            keys.take(&mut [rest, b"b"].concat());
            let on: Vec<_> = keys.events.into_iter().flat_map(|key| late.take(key, now)).collect();
            assert_eq!(on, typed("b"), "after {count} bytes");
        }
    }

    #[test]
    fn a_kitty_that_is_old_has_no_placeholders() {
        for (version, has) in [
            ("kitty(0.26.5)", false),
            ("kitty(0.27.1)", false),
            ("kitty(0.28.0)", true),
            ("kitty(0.28)", true),
            ("kitty(0.32.2)", true),
            ("kitty(1.0.0)", true),
            ("kitty()", false),
            ("kitty(99999999999.9)", false),
            ("WezTerm 20240203-110809-5046fc22", false),
            ("XTerm(388)", false),
            ("", false),
        ] {
            assert_eq!(has_placeholders(version), has, "{version}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_whatever_pieces_is_heard_the_same(
            said in prop::collection::vec(
                prop_oneof![
                    any::<String>().prop_map(String::into_bytes),
                    prop::collection::vec(any::<u8>(), 0..9),
                    Just(b"\x1b[200~".to_vec()),
                    Just(b"\x1bP>|kitty(0.28.0)\x1b\\".to_vec()),
                ],
                0..9,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
        ) {
            let said = said.concat();
            let mut whole = Heard::default();
            let mut rest = said.clone();
            whole.take(&mut rest);
            let mut cuts: Vec<usize> = cuts.iter().map(|it| it.index(said.len() + 1)).collect();
            cuts.extend([0, said.len()]);
            cuts.sort_unstable();
            let (mut pieces, mut left) = (Heard::default(), Vec::new());
            for cut in cuts.windows(2) {
                left.extend_from_slice(&said[cut[0]..cut[1]]);
                pieces.take(&mut left);
            }
            prop_assert_eq!((pieces.version, pieces.events, left), (whole.version, whole.events, rest));
        }
    }
}
