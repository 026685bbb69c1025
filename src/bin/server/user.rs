//! The command line of `tinychat-server user`.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use tinychat::args::paths;
use tinychat::client::Address;
use tinychat::message::Name;

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
    Show(Show),
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

    /// all that is known and kept of each, as a JSON object on a line of its own
    #[argh(switch)]
    pub(crate) json: bool,
}

/// Print all that is known and kept of one name: since when somebody has it, when they were last here, how many devices
/// they read on, and how much waits for them.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "show", help_triggers("--help"))]
pub(crate) struct Show {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// the same as a JSON object
    #[argh(switch)]
    pub(crate) json: bool,

    /// whose
    #[argh(positional)]
    pub(crate) name: Name,
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
