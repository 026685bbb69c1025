//! The exit codes of both programs: one table, which `--help` prints and by which they exit.
//!
//! Owned by nobody. Invariant: whoever exits with [`Exit::Kept`] has all of it on a disk, and whoever exits with
//! [`Exit::Failed`] has said on standard error what is lost.

use std::process::ExitCode;

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As it was meant.
    Done = 0,
    /// Something was neither done nor kept.
    Failed = 1,
    /// It was not understood.
    Usage = 2,
    /// Nothing is lost, and not all has arrived.
    Kept = 3,
    /// By SIGHUP.
    HungUp = 129,
    /// By SIGINT.
    Interrupted = 130,
    /// By SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// What the client ends with.
    pub const CLIENT: &[Self] = &[
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Kept,
        Self::HungUp,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// What the server's program ends with.
    pub const SERVER: &[Self] = &[Self::Done, Self::Failed, Self::Usage];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it says, in a line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed, and nothing was kept: standard error says of what, and why",
            Self::Usage => "wrong usage",
            Self::Kept => {
                "kept; goes out with the next run of any tinychat of this folder: do not send it again"
            }
            Self::HungUp => "ended by SIGHUP",
            Self::Interrupted => "ended by SIGINT",
            Self::Terminated => "ended by SIGTERM",
        }
    }

    /// The rows of the table, for `--help`.
    pub fn explain(all: &[Self]) -> String {
        let rows = all.iter().map(|exit| format!("\n  {:<18}{}", exit.code(), exit.meaning()));
        format!("Exit codes:{}", rows.collect::<String>())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_manual() {
        let codes: Vec<u8> = Exit::CLIENT.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 129, 130, 143]);
        let table = Exit::explain(Exit::SERVER);
        assert!(table.starts_with("Exit codes:\n  0                 done\n  1 "), "{table}");
    }
}
