//! The commands of `tinychat-server`, and what they take.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use tinychat::args::{complete, paths};

use crate::announce::Announce;
use crate::invite::Invite;
use crate::user::User;

/// What the program is called.
pub(crate) const PROGRAM: &str = "tinychat-server";

/// What an operator may do beside serving.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(crate) enum Command {
    Check(Check),
    Du(Du),
    Backup(Backup),
    Restore(Restore),
    Drill(Drill),
    Status(Status),
    Invite(Invite),
    User(User),
    Announce(Announce),
    Config(ConfigFile),
    Man(Man),
    Completions(Completions),
}

/// Say where the file of options is: server.toml, in which every flag has its key.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "config", help_triggers("--help"))]
pub(crate) struct ConfigFile {
    /// make it, with every key explained and none set
    #[argh(switch)]
    pub(crate) init: bool,
}

/// Print a script that completes these words in a shell; the script says how to use it.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "completions", help_triggers("--help"))]
pub(crate) struct Completions {
    /// bash, fish, nushell or zsh
    #[argh(positional, arg_name = "shell", from_str_fn(completions))]
    pub(crate) script: String,
}

/// Print a manual page in roff, for `man -l -`.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "man", help_triggers("--help"))]
pub(crate) struct Man {}

/// Print how the running server is: its key, who is there, what it did since it was started, what waits, and whether
/// messages can be stored.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "status", help_triggers("--help"))]
pub(crate) struct Status {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// print all metrics as one object of JSON, for scripts
    #[argh(switch)]
    pub(crate) json: bool,
}

/// Look whether the mailbox is sound, and print how much waits in it for whom. Works beside a running
/// server.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "check", help_triggers("--help"))]
pub(crate) struct Check {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// use a mailbox that was refused as it is, without what it lost
    #[argh(switch)]
    pub(crate) accept: bool,
}

/// Print who takes up how much of the disk: messages and files to and from everybody, what else there is, and what the
/// disk says of all of it. Works beside a running server.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "du", help_triggers("--help"))]
pub(crate) struct Du {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// one object, in bytes, for programs to read
    #[argh(switch)]
    pub(crate) json: bool,
}

/// Write names, contacts, device lists, messages and files that wait, and the server's own key into one file, and read
/// it back; keep it to yourself. Works beside a running server.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "backup", help_triggers("--help"))]
pub(crate) struct Backup {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// in a folder: remove the oldest backups, so that so many are left (default: none is removed)
    #[argh(option, arg_name = "n")]
    pub(crate) keep_backups: Option<NonZeroUsize>,

    /// the file to make, which must not exist yet; or a folder, or what ends with /: a file that is named by time is
    /// made in it, and its path printed
    #[argh(positional, arg_name = "file", from_str_fn(paths::parse))]
    pub(crate) target: PathBuf,
}

/// Make a server's data folder from a backup.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "restore", help_triggers("--help"))]
pub(crate) struct Restore {
    /// the data folder to make; it must be empty or not exist yet
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// the backup
    #[argh(positional, from_str_fn(paths::parse))]
    pub(crate) file: PathBuf,
}

/// Restore a backup into a temporary folder beside it, open that as a server would, check all of it, say what would come
/// back, and remove it again.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "drill", help_triggers("--help"))]
pub(crate) struct Drill {
    /// the backup; or a folder of them, of which it is the last one (default: the folder that you are in)
    #[argh(positional, arg_name = "file", from_str_fn(paths::parse))]
    pub(crate) target: Option<PathBuf>,
}

fn completions(shell: &str) -> Result<String, String> {
    complete::script(shell, PROGRAM).ok_or_else(|| complete::UNKNOWN_SHELL.into())
}
