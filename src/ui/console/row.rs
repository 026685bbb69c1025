//! The line that is being written, at the bottom of a terminal.
//!
//! Owned by the [screen](super::screen), which erases it before anything is printed, and draws it again below. It takes
//! one row, however long it is, and asks the terminal nothing: where text is as wide as the terminal thinks, and not
//! as we do, the row stays one row. Invariant: the cursor is in that row, or where the next line begins.

use std::io::{self, IsTerminal, Write};

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::tcgetwinsize;

use super::modes::{self, Modes};

/// Clears a terminal.
pub(crate) const CLEAR: &str = "\x1b[H\x1b[2J";
const ERASE: &str = "\r\x1b[J";
const LINE_ABOVE: &str = "\x1b[A";
/// What is too wide stays in the last column.
const WRAP_OFF: &str = "\x1b[?7l";
const WRAP_ON: &str = "\x1b[?7h";
/// The cursor goes there, however wide the text in front of it is shown.
const SAVE_CURSOR: &str = "\x1b7";
const RESTORE_CURSOR: &str = "\x1b8";
/// What is pasted comes as one piece.
const PASTES_ON: &str = "\x1b[?2004h";
const PASTES_OFF: &str = "\x1b[?2004l";

/// How wide a terminal is that does not say.
const WIDTH: u16 = 80;

/// What is shown of the line, safe to print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// In front of the cursor.
    pub(crate) before: String,
    /// Behind it.
    pub(crate) after: String,
}

impl View {
    fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }
}

/// See the [module](self).
pub(crate) struct Row {
    out: Out,
    /// None while the program is stopped, or in the background.
    modes: Option<Modes>,
    view: View,
    /// Whether it is drawn, and then, whether it stands below something that has no end of line.
    drawn: Option<bool>,
}

impl Row {
    /// Takes the terminal. None where there is none to write in, or none that can be drawn on.
    pub(crate) fn open() -> io::Result<Option<Self>> {
        let Some(out) = Out::terminal() else { return Ok(None) };
        let mut row = Self { out, modes: None, view: View::default(), drawn: None };
        row.take_terminal()?;
        Ok(Some(row))
    }

    /// Whether [`Row::open`] finds a terminal.
    pub(crate) fn is_possible() -> bool {
        let can_draw = std::env::var("TERM").is_ok_and(|it| !it.is_empty() && it != "dumb");
        can_draw && io::stdin().is_terminal() && Out::terminal().is_some()
    }

    /// How many columns it has. The last one is left free: some terminals put the cursor beyond it.
    pub(crate) fn width(&self) -> u16 {
        let columns = self.out.columns().filter(|columns| *columns > 1).unwrap_or(WIDTH);
        columns - 1
    }

    /// Shows another part of the line, or another line; below something that has no end of line, if it is so.
    pub(crate) fn set(&mut self, view: View, below: bool) {
        if view == self.view {
            return;
        }
        let grows = self.drawn.is_some() && self.view.after.is_empty() && view.after.is_empty();
        let old = std::mem::replace(&mut self.view, view);
        let added = self.view.before.strip_prefix(&old.before).filter(|_| grows);
        let text = match added {
            Some(added) => format!("{WRAP_OFF}{added}{WRAP_ON}"),
            None => self.erased() + &self.drawn(below),
        };
        self.out.print(&text);
    }

    /// Erases it, so that something can be printed.
    pub(crate) fn erase(&mut self) {
        let text = self.erased();
        self.out.print(&text);
    }

    /// Draws it.
    pub(crate) fn draw(&mut self, below: bool) {
        let text = self.drawn(below);
        self.out.print(&text);
    }

    fn erased(&mut self) -> String {
        match self.drawn.take() {
            None => String::new(),
            Some(below) => format!("{ERASE}{}", if below { LINE_ABOVE } else { "" }),
        }
    }

    fn drawn(&mut self, below: bool) -> String {
        if self.modes.is_none() || self.view.is_empty() {
            return String::new();
        }
        self.drawn = Some(below);
        let View { before, after } = &self.view;
        let end = if below { "\n" } else { "" };
        let rest = match after.as_str() {
            "" => String::new(),
            after => format!("{SAVE_CURSOR}{after}{RESTORE_CURSOR}"),
        };
        format!("{end}{WRAP_OFF}{before}{rest}{WRAP_ON}")
    }

    /// Prints something while it is erased.
    pub(crate) fn printer(&self) -> impl Fn(&str) + use<> {
        let out = self.out;
        move |text| out.print(text)
    }

    /// Gives the terminal back and stops the program, if somebody is there who can go on with it.
    pub(crate) fn stop(&mut self) {
        if modes::can_be_stopped() {
            self.give_terminal_back();
            // If it cannot be stopped it goes on with the next key.
            let _ = kill_current_process_group(Signal::TSTP);
        }
    }

    /// Takes the terminal again behind a stop, whoever had it meanwhile, if the program is in the foreground.
    pub(crate) fn go_on(&mut self) {
        self.drawn = None;
        match modes::is_in_foreground() {
            // Without it the row is not drawn; it is tried again with the next key.
            true => drop(self.take_terminal()),
            false => self.modes = None,
        }
    }

    /// Whether the terminal is not its own now.
    pub(crate) fn is_away(&self) -> bool {
        self.modes.is_none()
    }

    fn take_terminal(&mut self) -> io::Result<()> {
        match &self.modes {
            Some(modes) => modes.set()?,
            None => self.modes = Some(Modes::take()?),
        }
        self.out.print(PASTES_ON);
        Ok(())
    }

    fn give_terminal_back(&mut self) {
        self.erase();
        if self.modes.take().is_some() && modes::is_in_foreground() {
            self.out.print(PASTES_OFF);
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.give_terminal_back();
    }
}

/// Which output is the terminal.
#[derive(Clone, Copy, Debug)]
enum Out {
    Standard,
    Error,
}

impl Out {
    fn terminal() -> Option<Self> {
        match (io::stderr().is_terminal(), io::stdout().is_terminal()) {
            (true, _) => Some(Self::Error),
            (false, true) => Some(Self::Standard),
            (false, false) => None,
        }
    }

    fn columns(self) -> Option<u16> {
        let size = match self {
            Self::Standard => tcgetwinsize(io::stdout()),
            Self::Error => tcgetwinsize(io::stderr()),
        };
        size.ok().map(|size| size.ws_col)
    }

    /// What a terminal does not take is lost, as everything is that follows.
    fn print(self, text: &str) {
        if text.is_empty() {
            return;
        }
        let _ = match self {
            Self::Standard => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
            Self::Error => io::stderr().lock().write_all(text.as_bytes()),
        };
    }
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
    fn a_panic_gives_the_terminal_back() {
        if std::env::var_os(PANICS).is_some() {
            let _row = Row::open().unwrap().unwrap();
            let modes = tcgetattr(io::stdin()).unwrap().local_modes;
            assert!(!modes.intersects(LocalModes::ECHO | LocalModes::ICANON));
            panic!("in the middle of a line");
        }
        let name = "ui::console::row::tests::a_panic_gives_the_terminal_back";
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
        assert!(shown.contains("in the middle of a line"), "{shown:?}");
        assert!(shown.find(PASTES_ON) < shown.find(PASTES_OFF), "{shown:?}");
        let modes = tcgetattr(&terminal).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
    }
}
