//! The modes of the terminal while its keys come one by one, not line by line.
//!
//! Invariant: however the program ends, the terminal has the modes again that it had before. There is one terminal;
//! so there is one place where its modes are kept.

use std::io::{self, stdin};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{getpgrp, getsid};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcsetattr,
};

/// No key (`_POSIX_VDISABLE`).
const DISABLED: u8 = 0;

/// The modes that were there before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// As long as it lives, the keys come one by one, and are not shown.
pub(crate) struct Modes(Termios);

impl Modes {
    /// Takes the terminal that is the standard input.
    pub(crate) fn take() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let modes = Self(by_keys(&before));
        before_locked().get_or_insert(before);
        modes.set()?;
        Ok(modes)
    }

    /// Sets them again, whoever has changed them meanwhile.
    pub(crate) fn set(&self) -> io::Result<()> {
        Ok(tcsetattr(stdin(), OptionalActions::Now, &self.0)?)
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        give_back();
    }
}

/// Puts back the modes that were there before; for a program that ends on the spot. Elsewhere than in the foreground the
/// terminal is somebody else's already.
pub(crate) fn give_back() {
    if let Some(before) = before_locked().take()
        && is_in_foreground()
    {
        // If the terminal is gone there is nothing to restore.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

/// Whether the terminal listens to this program, and not to one that was started after it.
pub(crate) fn is_in_foreground() -> bool {
    tcgetpgrp(stdin()).map_or(true, |group| group == getpgrp())
}

/// Whether somebody started this program who can go on with it once it is stopped.
pub(crate) fn can_be_stopped() -> bool {
    getsid(None).is_ok_and(|session| session != getpgrp())
}

fn before_locked() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signals come as before, but by Ctrl-C alone: whoever ends the program by another key, or stops it, would be left
/// with these modes. What is printed is treated as before.
fn by_keys(before: &Termios) -> Termios {
    let mut modes = before.clone();
    let lines = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ECHONL | LocalModes::IEXTEN;
    modes.local_modes.remove(lines);
    // Lines that are pasted may end with both.
    modes.input_modes.remove(InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR);
    for key in [SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP] {
        modes.special_codes[key] = DISABLED;
    }
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    modes
}
