//! The commands of `tinychat-server`, and what they take.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use tinychat::args::{complete, paths};
use tinychat::client::Address;
use tinychat::message::Name;

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

/// Print an address that lets one person in where the server was started with --registration invite. It
/// is good once, for 7 days.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "invite", help_triggers("--help"))]
pub(crate) struct Invite {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// where others find the server, as host or host:port (default: where it listens)
    #[argh(option, arg_name = "addr")]
    pub(crate) address: Option<Address>,
}

/// Look after the people who have names here. Works beside a running server.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "user", help_triggers("--help"))]
pub(crate) struct User {
    #[argh(subcommand)]
    pub(crate) action: UserAction,
}

/// What an operator may do about people.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(crate) enum UserAction {
    List(List),
    Remove(Remove),
    ResetKey(ResetKey),
    Ban(Ban),
    Unban(Unban),
}

/// Print a line for each name: the name; online, connected (by a program, and away to others), away, banned or reset;
/// the fingerprint of its key.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("--help"))]
pub(crate) struct List {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,
}

/// Forget a name: whoever may have a new name may have it. What waits there is not delivered any more, and
/// its senders are told.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "remove", help_triggers("--help"))]
pub(crate) struct Remove {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// whose
    #[argh(positional)]
    pub(crate) name: Name,
}

/// Take the key from a name, and print an address that gives it to the key of whoever comes with it first. It
/// is good once, for 7 days. What waits there stays.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "reset-key", help_triggers("--help"))]
pub(crate) struct ResetKey {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// where others find the server, as host or host:port (default: where it listens)
    #[argh(option, arg_name = "addr")]
    pub(crate) address: Option<Address>,

    /// whose
    #[argh(positional)]
    pub(crate) name: Name,
}

/// Have nobody sign in with a name, nor with its key under another one. What they wrote before is
/// delivered.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "ban", help_triggers("--help"))]
pub(crate) struct Ban {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// whom
    #[argh(positional)]
    pub(crate) name: Name,
}

/// Let somebody who was banned come again.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "unban", help_triggers("--help"))]
pub(crate) struct Unban {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// whom
    #[argh(positional)]
    pub(crate) name: Name,
}

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
