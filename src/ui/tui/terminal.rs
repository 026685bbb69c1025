//! The terminal while the full screen has it.
//!
//! Owned by the [face](super). Invariant: whatever ends it, a panic too, the terminal is as it was before.

use std::io::{self, Stdout, Write, stdout};
use std::sync::Once;

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
};
use crossterm::execute;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    SetTitle, disable_raw_mode, enable_raw_mode,
};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;

use super::picture;

/// See the [module](self).
pub(super) struct Terminal {
    screen: ratatui::Terminal<CrosstermBackend<Stdout>>,
    pub(super) colours: bool,
    title: String,
    /// Something is shown whose width terminals do not agree about.
    is_fragile: bool,
}

impl Terminal {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // It ends a picture, not the face.
                if picture::is_guarded() {
                    return;
                }
                // What is said of the panic is to be seen, where lines end as they should.
                restore();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        let screen = CrosstermBackend::new(stdout());
        let taken =
            execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange);
        let screen = taken.and_then(|()| ratatui::Terminal::new(screen));
        let colours = std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
        let screen = screen.inspect_err(|_| restore())?;
        Ok(Self { screen, colours, title: String::new(), is_fragile: false })
    }

    /// Draws what has changed.
    pub(super) fn draw(
        &mut self,
        title: &str,
        draw: impl FnOnce(&mut Frame<'_>),
    ) -> io::Result<()> {
        if self.title != title {
            execute!(stdout(), SetTitle(title))?;
            self.title = title.into();
        }
        // Terminals that know this show all of it at once; others ignore it.
        execute!(stdout(), BeginSynchronizedUpdate)?;
        if self.is_fragile {
            // Some of it may be where it is not supposed to be.
            self.screen.clear()?;
        }
        let shown = self.screen.draw(draw)?;
        self.is_fragile = shown.buffer.content().iter().any(|cell| is_fragile(cell.symbol()));
        execute!(stdout(), EndSynchronizedUpdate)
    }

    /// Has everything drawn anew next time.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.screen.clear()
    }

    pub(super) fn ring(&mut self) -> io::Result<()> {
        stdout().write_all(b"\x07")?;
        stdout().flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// The longest text of a cell that is looked at, in bytes: more marks on a letter are no emoji.
const LONGEST_SYMBOL: usize = 256;

/// Whether terminals differ in how wide they show it: emoji that are joined, or chosen by a selector.
fn is_fragile(symbol: &str) -> bool {
    // What is longer is a picture.
    symbol.len() <= LONGEST_SYMBOL && symbol.contains(['\u{200d}', '\u{fe0f}'])
}

/// Columns and rows, if the terminal says.
pub(super) fn size() -> Option<(u16, u16)> {
    crossterm::terminal::size().ok().filter(|(width, height)| *width > 0 && *height > 0)
}

/// What cannot be restored was lost before.
fn restore() {
    let _ = execute!(
        stdout(),
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        SetTitle(""),
        crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rexpect::process::{PtyProcess, WaitStatus};
    use rustix::termios::{LocalModes, tcgetattr};

    use super::*;

    /// Tells the test that it is the one that panics, in a process of its own.
    const PANICS: &str = "TINYCHAT_TEST_PANICS";

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_told() {
        if std::env::var_os(PANICS).is_some() {
            let _terminal = Terminal::take().unwrap();
            let picture = picture::guarded(|| -> Result<(), _> { panic!("in a decoder") });
            print!("{picture:?}");
            panic!("in the middle of a chat");
        }
        let name = "ui::tui::terminal::tests::a_panic_gives_the_terminal_back_before_it_is_told";
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
