//! The terminal while the full screen has it.
//!
//! Owned by the [face](crate::ui::tui). Invariants: nothing is asked of the terminal, since answers come late, never, or
//! among the keys; whatever ends it, a panic too, the terminal is as it was before; while another program
//! is in front, the terminal is left alone.

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_channel::Receiver;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use crossterm::cursor::{MoveTo, Show};
use crossterm::queue;
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, SetTitle,
    disable_raw_mode, enable_raw_mode,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::{stdin, stdout};

use super::canvas::Canvas;
use super::painter::{END_OF_LINK, END_OF_STRING, Painter};
use crate::task;
use crate::ui::console::modes::is_in_foreground;
use crate::ui::tui::picture;

/// How long a terminal that takes nothing more is waited for, where writing does not wait by itself.
const SLUGGISH: Duration = Duration::from_secs(1);

/// A mode of the terminal (DECSET, DECRST), as the screen wants it and as it is put back.
struct Mode {
    number: u16,
    on: bool,
    back: Back,
}

/// How a mode is put back.
enum Back {
    /// To this, as terminals begin.
    To(bool),
    /// To what was saved. A terminal that saves none did not understand the mode either.
    Saved,
    /// To what was saved, and where none is saved, to this.
    SavedOr(bool),
}

const MODES: &[Mode] = &[
    // Text that the terminal measures wider than this program does not run on into the next row.
    Mode { number: 7, on: false, back: Back::SavedOr(true) },
    // The wheel presses no arrow keys.
    Mode { number: 1007, on: false, back: Back::SavedOr(true) },
    // Alt puts an escape character in front, in xterm and mlterm too.
    Mode { number: 1036, on: true, back: Back::Saved },
    // A paste is told from keys.
    Mode { number: 2004, on: true, back: Back::To(false) },
    // It says whether it is in front.
    Mode { number: 1004, on: true, back: Back::To(false) },
];

/// Buttons and the wheel are told, and nothing of moving around.
const MOUSE: &[Mode] = &[
    Mode { number: 1000, on: true, back: Back::To(false) },
    Mode { number: 1006, on: true, back: Back::To(false) },
];

/// Saving and restoring the window's title.
const PUSH_TITLE: &[u8] = b"\x1b[22;0t";
const POP_TITLE: &[u8] = b"\x1b[23;0t";

/// Whether the terminal is the screen's now. One process has one.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// See the [module](self).
pub(crate) struct Terminal {
    painter: Painter,
    mouse: bool,
    title: String,
    pub(crate) colours: bool,
    failures: Failures,
}

/// Drawings that failed: how many, and the last one's cause.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    pub(crate) last: Option<io::Error>,
}

impl Terminal {
    /// Takes the terminal.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        give_back_before_a_panic_is_told();
        seize(mouse)?;
        let colours = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
        let (painter, title) = (Painter::default(), String::new());
        Ok(Self { painter, mouse, title, colours, failures: Failures::default() })
    }

    /// Gives it back, to be [taken again](Self::take_again).
    pub(crate) fn give_back(&mut self) {
        restore();
    }

    /// Takes it once more after others had it, whatever they did to it.
    pub(crate) fn take_again(&mut self) -> io::Result<()> {
        // Otherwise what the screen set would be saved as what is to be put back.
        restore();
        // Otherwise the terminal would be believed to be raw still.
        let _ = disable_raw_mode();
        self.forget();
        self.title.clear();
        seize(self.mouse)
    }

    /// Whether it is the screen's now.
    pub(crate) fn is_taken(&self) -> bool {
        TAKEN.load(Ordering::SeqCst)
    }

    /// Draws what has changed. False if that failed: it is to be tried again, and is drawn wholly then.
    pub(crate) fn draw(&mut self, title: &str, canvas: Canvas) -> bool {
        match self.try_to_draw(title, canvas) {
            Ok(()) => true,
            Err(error) => {
                self.forget();
                self.title.clear();
                self.failures.count += 1;
                self.failures.last = Some(error);
                false
            }
        }
    }

    fn try_to_draw(&mut self, title: &str, canvas: Canvas) -> io::Result<()> {
        if self.title != title {
            let mut bytes = Vec::from(END_OF_STRING);
            queue!(bytes, SetTitle(title))?;
            Output.write_all(&bytes)?;
            self.title = title.into();
        }
        self.painter.paint(canvas, &mut Output)
    }

    /// Has everything drawn anew next time.
    pub(crate) fn forget(&mut self) {
        self.painter.forget();
    }

    /// One bell less is no failure.
    pub(crate) fn ring(&mut self) {
        let _ = Output.write_all(b"\x07");
    }

    /// Has the terminal put a text into its clipboard (OSC 52), if it lets programs do so. Whether it does,
    /// nobody hears.
    pub(crate) fn copy(&mut self, text: &str) {
        let _ = write!(Output, "\x1b]52;c;{}\x1b\\", BASE64_STANDARD.encode(text));
    }

    /// Gives the terminal back for good. Says what went wrong.
    pub(crate) fn leave(mut self) -> Failures {
        self.give_back();
        std::mem::take(&mut self.failures)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Columns and rows, if the terminal says.
pub(crate) fn size() -> Option<(u16, u16)> {
    crossterm::terminal::size().ok().filter(|(width, height)| *width > 0 && *height > 0)
}

/// Says once that the terminal is gone for good, which neither a signal nor the reader of keys need say.
pub(crate) fn hang_up() -> io::Result<Receiver<()>> {
    let (tell, hung_up) = async_channel::bounded(1);
    task::spawn_thread("hang-up", move || {
        if is_hung_up().is_ok_and(|it| it) {
            // Nobody may listen any more.
            let _ = tell.send_blocking(());
        }
    })?;
    Ok(hung_up)
}

/// Waits until there is something to know of the terminal beside what it takes and gives.
fn is_hung_up() -> io::Result<bool> {
    let mut terminal = [PollFd::from_borrowed_fd(stdin(), PollFlags::empty())];
    while let Err(error) = poll(&mut terminal, None) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    Ok(terminal[0].revents().intersects(PollFlags::HUP | PollFlags::ERR))
}

/// What is to be seen of a panic is seen on the shell's screen, where lines end as they should.
fn give_back_before_a_panic_is_told() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // It ends a picture, not the face.
            if picture::is_guarded() {
                return;
            }
            restore();
            before(panic);
        }));
    });
}

fn seize(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    Output.write_all(&seizing(mouse)).inspect_err(|_| restore())
}

fn seizing(mouse: bool) -> Vec<u8> {
    let mut bytes = Vec::from(PUSH_TITLE);
    // Where there is no other screen this one is cleared.
    write(&mut bytes, |it| queue!(it, EnterAlternateScreen, Clear(ClearType::All), MoveTo(0, 0)));
    for Mode { number, on, back } in wanted(mouse) {
        if !matches!(back, Back::To(_)) {
            write(&mut bytes, |it| write!(it, "\x1b[?{number}s"));
        }
        write(&mut bytes, |it| write!(it, "\x1b[?{number}{}", if *on { 'h' } else { 'l' }));
    }
    bytes
}

/// Gives the terminal back if it is the screen's, and the program is in front: the terminal of others is left
/// alone. What cannot be restored was lost before.
pub(crate) fn restore() {
    if TAKEN.swap(false, Ordering::SeqCst) && is_in_foreground() {
        // First of all, since this does not wait for a terminal that takes nothing.
        let _ = disable_raw_mode();
        let _ = Output.write_all(&restoring());
    }
}

fn restoring() -> Vec<u8> {
    let mut bytes = Vec::from(END_OF_STRING);
    write(&mut bytes, |it| queue!(it, EndSynchronizedUpdate, SetAttribute(Attribute::Reset)));
    bytes.extend_from_slice(END_OF_LINK);
    for Mode { number, back, .. } in wanted(true).rev() {
        if let Back::To(on) | Back::SavedOr(on) = back {
            write(&mut bytes, |it| write!(it, "\x1b[?{number}{}", if *on { 'h' } else { 'l' }));
        }
        if !matches!(back, Back::To(_)) {
            write(&mut bytes, |it| write!(it, "\x1b[?{number}r"));
        }
    }
    write(&mut bytes, |it| queue!(it, Clear(ClearType::All), MoveTo(0, 0), LeaveAlternateScreen));
    // A terminal that saves no title has none then.
    write(&mut bytes, |it| queue!(it, SetTitle("")));
    bytes.extend_from_slice(POP_TITLE);
    write(&mut bytes, |it| queue!(it, Show));
    bytes
}

fn wanted(mouse: bool) -> impl DoubleEndedIterator<Item = &'static Mode> {
    MODES.iter().chain(if mouse { MOUSE } else { &[] })
}

/// Writing to memory does not fail.
fn write(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
    let _ = write(bytes);
}

/// Standard output, without the buffer of the standard library: what was written in part is known to be lost.
struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(stdout(), bytes) {
                // Another program may have set the terminal so that writing does not wait.
                Err(rustix::io::Errno::AGAIN) => wait_for_room()?,
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait_for_room() -> io::Result<()> {
    let limit = Timespec::try_from(SLUGGISH).map_err(io::Error::other)?;
    match poll(&mut [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)], Some(&limit))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}
#[cfg(test)]
mod tests {
    use std::process::Command;

    use rexpect::process::{PtyProcess, WaitStatus};
    use rustix::termios::{LocalModes, tcgetattr};

    use super::super::painter::glass::{Glass, Measure};
    use super::*;

    #[test]
    fn a_drawing_that_was_cut_off_leaves_the_shell_nothing() {
        let mut glass = Glass::new(Measure::Clusters, (20, 3));
        glass.take(&seizing(false));
        glass.take(b"\x1b[?2026h\x1b[31;44m\x1b]8;id=1;https://example.org\x1b\\on");
        glass.take(&restoring());
        glass.take(b"$");
        let mut fresh = Glass::new(Measure::Clusters, (20, 3));
        fresh.take(b"$");
        assert_eq!(glass.cells(), fresh.cells());
    }

    /// Tells the test that it is the one that panics, in a process of its own.
    const PANICS: &str = "TINYCHAT_TEST_PANICS";

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_told() {
        if std::env::var_os(PANICS).is_some() {
            let _terminal = Terminal::take(false).unwrap();
            let picture = picture::guarded(|| -> Result<(), _> { panic!("in a decoder") });
            print!("{picture:?}");
            io::stdout().flush().unwrap();
            panic!("in the middle of a chat");
        }
        let name =
            "ui::tui::display::terminal::tests::a_panic_gives_the_terminal_back_before_it_is_told";
        let mut command = Command::new("sh");
        command.args(["-c", "stty echo; exec \"$@\"", "sh"]).env(PANICS, "1");
        command.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
        let process = PtyProcess::new(command).unwrap();
        let terminal = process.get_file_handle().unwrap();
        let mut shown = Vec::new();
        // The end of a terminal is an error.
        let _ = io::Read::read_to_end(&mut &terminal, &mut shown);
        assert!(matches!(process.wait().unwrap(), WaitStatus::Exited(_, 101)));
        let shown = String::from_utf8_lossy(&shown);
        let (before, _) = shown.split_once("in the middle of a chat").unwrap();
        let (_, taken) = before.split_once("\u{1b}[?1049h").unwrap();
        let (during, left) = taken.split_once("Err(Damaged)").unwrap();
        let is_left = during.contains("\u{1b}[?1049l") || shown.contains("in a decoder");
        assert!(!is_left, "a panic that a picture ends with is none of the terminal's: {shown:?}");
        assert!(left.contains("\u{1b}[?1049l"), "the shell's screen is back: {shown:?}");
        let modes = tcgetattr(&terminal).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON));
    }
}
