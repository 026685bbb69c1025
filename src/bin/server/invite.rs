//! The command line of `tinychat-server invite`, and what a running server is asked for each of its commands.

use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use tinychat::args::paths;
use tinychat::client::Address;
use tinychat::time_text;

use crate::user::place;
use crate::values::{period, uses};

/// Print an address that lets somebody in where the server was started with --registration invite. It is good once, for
/// 7 days, unless you say otherwise.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "invite", help_triggers("--help"))]
pub(crate) struct Invite {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// where others find the server, as host or host:port (default: where it listens)
    #[argh(option, arg_name = "addr")]
    address: Option<Address>,

    /// how many may come by it (default 1)
    #[argh(option, arg_name = "n", from_str_fn(uses))]
    uses: Option<u32>,

    /// how long it is good, like 2h or 30d, counting time in which the server runs (default 7d)
    #[argh(option, long = "for", arg_name = "time", from_str_fn(period))]
    time: Option<Duration>,

    #[argh(subcommand)]
    pub(crate) action: Option<InviteAction>,
}

/// What an operator may do about invitations beside making them.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(crate) enum InviteAction {
    List(ListInvitations),
    Revoke(Revoke),
}

/// Print a line for each invitation that is open: what it is called, how often and how long it is good, and who came by
/// it; and for each that is not open any more, by which people have come.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list", help_triggers("--help"))]
pub(crate) struct ListInvitations {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    data: Option<PathBuf>,

    /// each as a JSON object on a line of its own
    #[argh(switch)]
    json: bool,
}

/// Take an invitation back: nobody comes by it any more. Who came stays.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "revoke", help_triggers("--help"))]
pub(crate) struct Revoke {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    data: Option<PathBuf>,

    /// what `invite list` calls it: 8 hexadecimal digits
    #[argh(positional)]
    id: String,
}

impl Invite {
    /// The words of the request that makes one.
    pub(crate) fn request(&self) -> Vec<String> {
        let uses = self.uses.map(|uses| format!("uses={uses}"));
        let time = self.time.map(|time| format!("for={}", time.as_millis()));
        let place = self.address.as_ref().map(place);
        [Some("invite".to_owned()), uses, time, place].into_iter().flatten().collect()
    }

    /// How often and how long it is good, for people.
    pub(crate) fn is_good(&self) -> String {
        let uses = match self.uses {
            None | Some(1) => "once".into(),
            Some(uses) => format!("{uses} times"),
        };
        format!("{uses} and for {}", self.time.map_or_else(|| "7 days".into(), time_text::duration))
    }
}

impl InviteAction {
    /// The folder that is given, and the words of the request.
    pub(crate) fn request(&self) -> (Option<&PathBuf>, Vec<&str>) {
        match self {
            Self::List(ListInvitations { data, json: false }) => {
                (data.as_ref(), vec!["invitations"])
            }
            Self::List(ListInvitations { data, json: true }) => {
                (data.as_ref(), vec!["invitations", "json"])
            }
            Self::Revoke(Revoke { data, id }) => (data.as_ref(), vec!["revoke", id.as_str()]),
        }
    }
}
