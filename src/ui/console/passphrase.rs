//! A passphrase, asked for at the terminal without showing what is typed.
//!
//! Invariant: the terminal shows what is typed again as soon as [`Unseen`] is gone, however the question
//! ended.

use std::fs::{File, OpenOptions};
use std::io;

use async_channel::Receiver;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::ui::typing::input::{self, Line};

/// The terminal that the program belongs to, wherever its input comes from.
const TERMINAL: &str = "/dev/tty";

/// No key (`_POSIX_VDISABLE`).
const DISABLED: u8 = 0;

/// As long as it lives, the terminal does not show what is typed.
pub(crate) struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    /// Fails if there is no terminal.
    pub(crate) fn begin() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open(TERMINAL)?;
        let before = tcgetattr(&terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown: it says that the line was taken.
        unseen.local_modes.insert(LocalModes::ECHONL);
        // Whoever ends or stops the program by these keys would be left without an echo.
        for key in [SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP] {
            unseen.special_codes[key] = DISABLED;
        }
        tcsetattr(&terminal, OptionalActions::Flush, &unseen)?;
        Ok(Self { terminal, before })
    }

    /// The next line that is typed, for a program that reads something else as its input.
    pub(crate) fn read_line(&self) -> io::Result<Receiver<Line>> {
        input::read_line(self.terminal.try_clone()?)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing to restore.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
