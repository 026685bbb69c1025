//! Standard output and standard error of both programs: whatever is printed is printed here.
//!
//! Owned by nobody. Invariant: every line went through [`text::clean`], whoever wrote its words; only the styles of
//! [`Lines::line`] did not. Clippy refuses every other way to these two streams in the library and in both programs
//! (`clippy.toml`), except in the full screen and the edited line, which draw, and in the server's log, which escapes
//! peers' words itself.

#![allow(clippy::disallowed_methods, reason = "this is the only place that prints")]

use std::fmt::Display;
use std::future::pending;
use std::io::{self, IsTerminal, StderrLock, Stdout, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use async_io::Async;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::exit::Exit;
use crate::text;

/// Standard output.
pub fn out() -> Lines<StdoutLock<'static>> {
    Lines::new(io::stdout().lock())
}

/// The same for a command that is to come to its end, whether or not somebody reads on: its exit code says what was
/// found.
pub fn verdict() -> Lines<impl Write> {
    Lines::new(Unread(io::stdout().lock()))
}

/// Standard error.
pub fn err() -> Lines<StderrLock<'static>> {
    Lines::new(io::stderr().lock())
}

/// Prints lines on standard output.
pub fn print(lines: impl Display) -> io::Result<()> {
    let mut out = out();
    writeln!(out, "{lines}")?;
    out.flush()
}

/// Prints lines that are safe on any terminal on standard output, all of them or none: of what a full disk took a part
/// of, that part is taken back.
pub(crate) fn print_whole(lines: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.flush()?;
    let file = rustix::fs::fstat(&out).ok().filter(is_regular);
    let mut printed = 0;
    while printed < lines.len() {
        match rustix::io::write(&out, &lines[printed..]) {
            Ok(count) => printed += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                if let Some(file) = file {
                    take_back(&out, file.st_size.cast_unsigned(), printed as u64);
                }
                return Err(error.into());
            }
        }
    }
    Ok(())
}

fn is_regular(file: &rustix::fs::Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(file.st_mode).is_file()
}

/// Cuts a file off where it ended, unless somebody else has written behind it.
fn take_back(out: &impl std::os::fd::AsFd, end: u64, printed: u64) {
    let now = rustix::fs::fstat(out).map(|file| file.st_size.cast_unsigned());
    if printed > 0 && now == Ok(end + printed) && rustix::fs::ftruncate(out, end).is_ok() {
        // Where it does not append by itself.
        let _ = rustix::fs::seek(out, rustix::fs::SeekFrom::Start(end));
    }
}

/// Prints the answer of a program: all that it was asked for. Gives what the program is to exit with.
pub fn answer(program: &str, lines: impl Display) -> Exit {
    match unless_unread(print(lines)) {
        Ok(()) => Exit::Done,
        Err(error) => {
            tell(format_args!("{program}: cannot print it: {error}"));
            Exit::Failed
        }
    }
}

/// What was printed; that nobody reads any more is no failure.
pub fn unless_unread(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Prints lines on standard error, where nobody hears it if that fails.
pub fn tell(lines: impl Display) {
    let _ = writeln!(err(), "{lines}");
}

/// Waits until nobody can read standard output any more, as behind `| head -1`. For ever where that cannot be known: of
/// files, of terminals.
pub async fn unread() {
    let watched = if is_terminal() { None } else { Async::new_nonblocking(io::stdout()).ok() };
    if let Some(out) = watched
        && out.readable().await.is_ok()
        && has_no_reader(&out)
    {
        return;
    }
    pending::<()>().await;
}

fn has_no_reader(out: &Async<Stdout>) -> bool {
    let mut asked = [PollFd::new(out, PollFlags::empty())];
    let looked = poll(&mut asked, Some(&Timespec::default()));
    looked.is_ok() && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Whether standard output leads to a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether questions, which stand on standard error, are seen.
pub(crate) fn is_asking_seen() -> bool {
    io::stderr().is_terminal()
}

/// Whether colours are wanted on standard output, and on standard error.
pub(crate) fn colours() -> (ColorChoice, ColorChoice) {
    (AutoStream::choice(&io::stdout()), AutoStream::choice(&io::stderr()))
}

/// What nobody reads any more is written all the same.
struct Unread<W>(W);

impl<W: Write> Write for Unread<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_unread(self.0.flush())
    }
}

/// A writer of lines that are safe on any terminal. What is begun waits for the end of its line, or to be flushed.
pub struct Lines<W: Write> {
    to: W,
    begun: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// One that prints there.
    pub fn new(to: W) -> Self {
        Self { to, begun: Vec::new() }
    }

    /// Prints one line, whatever is in it: its head in a style, and the rest.
    pub fn line(&mut self, style: Style, head: &str, rest: &str) -> io::Result<()> {
        self.pass_on()?;
        let (head, rest) = (text::clean(head), text::clean(rest));
        self.to.write_all(format!("{style}{head}{style:#}{rest}\n").as_bytes())
    }

    /// Prints what is begun.
    fn pass_on(&mut self) -> io::Result<()> {
        let begun = std::mem::take(&mut self.begun);
        let text = String::from_utf8_lossy(&begun);
        let lines: Vec<_> = text.split('\n').map(text::clean).collect();
        self.to.write_all(lines.join("\n").as_bytes())
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let whole = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        self.begun.extend_from_slice(&bytes[..whole]);
        if whole > 0 {
            self.pass_on()?;
        }
        self.begun.extend_from_slice(&bytes[whole..]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()?;
        self.to.flush()
    }
}

impl<W: Write> Drop for Lines<W> {
    fn drop(&mut self) {
        // Who wants to know whether it was printed flushes.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tests::{bad_text, does_harm};
    use anstyle::Effects;
    use proptest::prelude::*;

    fn printed(write: impl FnOnce(&mut Lines<&mut Vec<u8>>)) -> String {
        let mut printed = Vec::new();
        write(&mut Lines::new(&mut printed));
        String::from_utf8(printed).unwrap()
    }

    #[test]
    fn good_lines_are_printed_as_they_are_however_they_come() {
        let text = "one\n  zwei: grün\n\nדָּבָר 👩‍👩‍👧";
        let whole = printed(|lines| lines.write_all(text.as_bytes()).unwrap());
        let bytes = text.as_bytes();
        let apart = printed(|lines| bytes.iter().for_each(|it| lines.write_all(&[*it]).unwrap()));
        assert_eq!((whole.as_str(), apart.as_str()), (text, text));
    }

    #[test]
    fn a_question_is_seen_before_its_line_ends() {
        let mut seen = Vec::new();
        let mut lines = Lines::new(&mut seen);
        write!(lines, "Your name: ").unwrap();
        lines.flush().unwrap();
        assert_eq!(lines.to, b"Your name: ");
    }

    #[test]
    fn a_styled_line_is_one_line_and_styled_by_us_alone() {
        let bold = Style::new().effects(Effects::BOLD);
        let line = printed(|lines| lines.line(bold, "eve\u{1b}[0m:", " hi\nanna: no").unwrap());
        assert_eq!(line, "\u{1b}[1meve\u{fffd}[0m:\u{1b}[0m hi\u{fffd}anna: no\n");
    }

    proptest! {
        #[test]
        fn whatever_is_written_does_no_harm(texts in prop::collection::vec(bad_text(), 0..5), cut in 1..9usize) {
            let bytes = texts.concat().into_bytes();
            let all = printed(|lines| bytes.chunks(cut).for_each(|it| lines.write_all(it).unwrap()));
            prop_assert!(!does_harm(&all.replace('\n', "")), "{all:?}");
            let line = printed(|lines| lines.line(Style::new(), &texts.concat(), "").unwrap());
            prop_assert!(!does_harm(line.trim_end_matches('\n')), "{line:?}");
        }

        #[test]
        fn whatever_bytes_are_written_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let all = printed(|lines| lines.write_all(&bytes).unwrap());
            prop_assert!(!does_harm(&all.replace('\n', "")), "{all:?}");
        }
    }
}
