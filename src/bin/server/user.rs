//! The command line of `tinychat-server user`, and what a running server is asked for each of its commands.

use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use tinychat::args::paths;
use tinychat::client::Address;
use tinychat::message::Name;
use tinychat::server::Whom;

use crate::values::{own_backlog, own_count, own_size, period};

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
    Purge(Purge),
    ResetKey(ResetKey),
    Ban(Ban),
    Unban(Unban),
    Bans(Bans),
    Limit(Limit),
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

/// Remove a name with all that is kept of it: also messages and files of theirs that wait for others. Print what went.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "purge", help_triggers("--help"))]
pub(crate) struct Purge {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// do it: nothing of it comes back
    #[argh(switch)]
    pub(crate) yes: bool,

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

/// Have nobody sign in with a name, nor with its key under another one; or nobody come from an address, or a block of
/// them. What they wrote before is delivered.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "ban", help_triggers("--help"))]
pub(crate) struct Ban {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// how long, like 2h or 30d, counting time in which the server runs (default for ever)
    #[argh(option, long = "for", arg_name = "time", from_str_fn(period))]
    pub(crate) time: Option<Duration>,

    /// a name, an address like 192.0.2.7, or a block like 192.0.2.0/24 or 2001:db8::/32; an IPv6 address stands for its /64; what may be either is a name that somebody has, or else an address
    #[argh(positional)]
    pub(crate) whom: Whom,
}

/// Let somebody who was banned come again.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "unban", help_triggers("--help"))]
pub(crate) struct Unban {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// a name, an address or a block, as it was banned
    #[argh(positional)]
    pub(crate) whom: Whom,
}

/// Print who is banned, and how long still.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "bans", help_triggers("--help"))]
pub(crate) struct Bans {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// each as a JSON object on a line of its own
    #[argh(switch)]
    pub(crate) json: bool,
}

/// Have other limits count for one person than for all, and print those. `default` has those of all count again. They
/// count for what is written from then on.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "limit", help_triggers("--help"))]
pub(crate) struct Limit {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// what may wait of theirs for one other: messages, and bytes behind a comma; 0 is no limit
    #[argh(option, arg_name = "n,size", from_str_fn(own_backlog))]
    session_backlog: Option<String>,

    /// what may wait for them of all others, likewise
    #[argh(option, arg_name = "n,size", from_str_fn(own_backlog))]
    recipient_backlog: Option<String>,

    /// how many messages of theirs may wait for somebody who has neither written nor talked to them yet
    #[argh(option, arg_name = "n", from_str_fn(own_count))]
    first_contact: Option<String>,

    /// for how many people something of theirs may wait who have not answered them yet
    #[argh(option, arg_name = "n", from_str_fn(own_count))]
    strangers: Option<String>,

    /// what one file of theirs may have
    #[argh(option, arg_name = "size", from_str_fn(own_size))]
    file_size: Option<String>,

    /// what all files of theirs may have that wait or are on their way
    #[argh(option, arg_name = "size", from_str_fn(own_size))]
    person_files: Option<String>,

    /// whose
    #[argh(positional)]
    name: Name,
}

impl Limit {
    /// The words that say what is to change.
    fn changes(&self) -> impl Iterator<Item = String> {
        let all = [
            ("session-backlog", &self.session_backlog),
            ("recipient-backlog", &self.recipient_backlog),
            ("first-contact", &self.first_contact),
            ("strangers", &self.strangers),
            ("file-size", &self.file_size),
            ("person-files", &self.person_files),
        ];
        let said =
            |(word, value): (&str, &Option<String>)| Some(format!("{word}={}", value.as_ref()?));
        all.into_iter().filter_map(said)
    }

    fn request(&self) -> Vec<String> {
        let changes: Vec<String> = self.changes().collect();
        let word = if changes.is_empty() { "limits" } else { "limit" };
        [word.to_owned(), self.name.to_string()].into_iter().chain(changes).collect()
    }
}

impl UserAction {
    /// The folder that is given, and the words of the request but for [`ResetKey`].
    pub(crate) fn request(&self) -> (Option<&PathBuf>, Vec<String>) {
        let (data, word, whom, last) = match self {
            Self::List(List { data, json }) => (data, "list", None, form(*json)),
            Self::Show(Show { data, json, name }) => (data, "show", text(name), form(*json)),
            Self::Remove(Remove { data, name }) => (data, "remove", text(name), None),
            Self::Purge(Purge { data, name, .. }) => (data, "purge", text(name), None),
            Self::ResetKey(ResetKey { data, name, address }) => {
                (data, "reset-key", text(name), address.as_ref().map(place))
            }
            Self::Ban(Ban { data, whom, time }) => (data, "ban", text(whom), time.map(millis)),
            Self::Unban(Unban { data, whom }) => (data, "unban", text(whom), None),
            Self::Bans(Bans { data, json }) => (data, "bans", None, form(*json)),
            Self::Limit(limit) => return (limit.data.as_ref(), limit.request()),
        };
        (data.as_ref(), [Some(word.to_owned()), whom, last].into_iter().flatten().collect())
    }
}

fn text(whom: &impl ToString) -> Option<String> {
    Some(whom.to_string())
}

/// The word that asks for what programs read.
fn form(json: bool) -> Option<String> {
    json.then(|| "json".into())
}

/// A time as a request has it.
fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// An address as it is written in an invitation.
pub(crate) fn place(address: &Address) -> String {
    let scheme = if address.is_unix() { "" } else { "tinychat://" };
    format!("{scheme}{address}")
}
