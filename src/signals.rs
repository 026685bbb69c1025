//! SIGINT, SIGTERM, SIGHUP, SIGCONT and SIGWINCH as something to await.

use std::io;

use async_signal::{Signal, Signals};
use futures::StreamExt;
use nix::sys::signal::{SIGTTIN, SigSet};

use crate::exit::Exit;

/// A signal that asks a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT: Ctrl-C.
    Int,
    /// SIGTERM.
    Term,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

impl Interrupt {
    /// The exit code of a program that this signal ended: 128 and the signal's number.
    pub fn exit(self) -> Exit {
        match self {
            Self::Int => Exit::Interrupted,
            Self::Term => Exit::Terminated,
            Self::Hangup => Exit::HungUp,
        }
    }
}

/// From now on these signals do nothing by themselves.
pub struct Interrupts(Signals);

impl Interrupts {
    /// Takes SIGINT and SIGTERM over.
    pub fn catch() -> io::Result<Self> {
        Ok(Self(Signals::new([Signal::Int, Signal::Term])?))
    }

    /// Takes SIGHUP over too: for programs that have nothing to do without their terminal.
    pub fn catch_all() -> io::Result<Self> {
        Ok(Self(Signals::new([Signal::Int, Signal::Term, Signal::Hup])?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> io::Result<Interrupt> {
        match self.0.next().await {
            Some(Ok(Signal::Term)) => Ok(Interrupt::Term),
            Some(Ok(Signal::Hup)) => Ok(Interrupt::Hangup),
            Some(Ok(_)) => Ok(Interrupt::Int),
            Some(Err(error)) => Err(error),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// SIGHUP as something to await: what was configured is to be read again.
pub struct Hangups(Signals);

impl Hangups {
    /// From now on this signal does nothing by itself.
    pub fn catch() -> io::Result<Self> {
        Ok(Self(Signals::new([Signal::Hup])?))
    }

    /// Waits for the next one. False if none can come any more.
    pub async fn next(&mut self) -> bool {
        matches!(self.0.next().await, Some(Ok(_)))
    }
}

/// SIGCONT as something to await: the program was stopped, and others may have had its terminal.
pub struct Continuations(Signals);

impl Continuations {
    /// From now on the program is told of it.
    pub fn catch() -> io::Result<Self> {
        Ok(Self(Signals::new([Signal::Cont])?))
    }

    /// Waits for the next one. False if none can come any more.
    pub async fn next(&mut self) -> bool {
        matches!(self.0.next().await, Some(Ok(_)))
    }
}

/// What a terminal's program is told beside its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// SIGCONT: the program was stopped, and others may have had its terminal.
    Continued,
    /// SIGWINCH: the terminal has another size.
    Resized,
}

/// Notices as something to await.
pub struct Notices(Signals);

impl Notices {
    /// Begins to listen. What the signals do by themselves they do on.
    pub fn listen() -> io::Result<Self> {
        Ok(Self(Signals::new([Signal::Cont, Signal::Winch])?))
    }

    /// Waits for the next one. None if none can come any more.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.0.next().await {
            Some(Ok(Signal::Winch)) => Some(Notice::Resized),
            Some(Ok(_)) => Some(Notice::Continued),
            Some(Err(_)) | None => None,
        }
    }
}

/// Has reading from a terminal while another program is in front fail, in this thread and those that it starts
/// from now on, instead of stopping the whole program (SIGTTIN).
pub fn fail_in_the_background() -> io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(SIGTTIN);
    Ok(signals.thread_block()?)
}
