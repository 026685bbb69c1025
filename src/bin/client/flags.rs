//! The command line of `tinychat`.

use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use jiff::ZonedDateTime;
use tinychat::args;
use tinychat::args::complete;
use tinychat::args::paths::{self, Places};
use tinychat::client::{Query, Seal};
use tinychat::message::{Name, Timestamp};
use tinychat::ui::manual::Page;
use tinychat::ui::settings::Pictures;
use tinychat::ui::{settings, times};

pub(crate) const PROGRAM: &str = "tinychat";

/// What takes paths.
pub(crate) const PATHS: Places = Places { flags: &["--data", "--file", "--identity"], bare: false };

/// Talk to people on a TinyChat server. What you write to somebody who is away waits for them.
///
/// Type a line to send it; /HELP lists the commands.
#[derive(ArgsInfo, FromArgs)]
#[argh(help_triggers("--help"))]
pub(crate) struct Flags {
    /// the server, as host, host:port, tinychat://host:port#SHA256:FINGERPRINT or unix:PATH (default
    /// 127.0.0.1:7878); ?NAME=SHA256:FINGERPRINT before the # says which key somebody has
    #[argh(option, arg_name = "addr")]
    pub(crate) server: Option<String>,

    /// on (default), or off for a server on this machine that was started with --tls off
    #[argh(option, arg_name = "on|off", from_str_fn(args::on_or_off))]
    pub(crate) tls: Option<bool>,

    /// a SOCKS5 proxy, as socks5h://host:port or socks5h://name:password@host:port, which looks names up; or none,
    /// whatever ALL_PROXY says
    #[argh(option, arg_name = "url")]
    pub(crate) proxy: Option<String>,

    /// how long signing in may take, like 5m on a bad line (default 60s)
    #[argh(option, arg_name = "time", from_str_fn(settings::handshake))]
    pub(crate) handshake: Option<Duration>,

    /// your name; asked for on a terminal if missing
    #[argh(option, arg_name = "name")]
    pub(crate) user: Option<Name>,

    /// whom to talk to; asked for on a terminal if missing
    #[argh(option, arg_name = "name")]
    pub(crate) to: Option<Name>,

    /// your data folder: key, outbox and history (default $XDG_DATA_HOME/tinychat/NAME)
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// your own Ed25519 key in OpenSSH's format, like ~/.ssh/id_ed25519; an agent is asked first if it
    /// is locked (default: the key in the data folder, made the first time)
    #[argh(option, arg_name = "file", from_str_fn(paths::parse))]
    pub(crate) identity: Option<PathBuf>,

    /// lines of a script that begin with a slash, and QUIT, are commands as at a terminal; without, every
    /// line is text
    #[argh(switch)]
    pub(crate) commands: bool,

    /// keep listening after the end of input; without a terminal, only this shows you as online
    #[argh(switch)]
    pub(crate) follow: bool,

    /// for scripts: say on standard error of each message when it is stored, delivered, refused or
    /// expired, like `stored marie 3` or `refused marie 4 full: REASON` (or owner, slow or store); and,
    /// like `bounced marie 3 5`, when it came back and is sent anew as another number
    #[argh(switch)]
    pub(crate) receipts: bool,

    /// what becomes of words for somebody who has no keys yet: auto (default) sends them as they are, and says who can
    /// read them; always has them wait here
    #[argh(option, arg_name = "auto|always")]
    pub(crate) seal: Option<Seal>,

    /// tell people that you have read what they wrote
    #[argh(switch)]
    pub(crate) read_receipts: bool,

    /// without a terminal: give up after so long without progress, like 90s or 5m (default 60s)
    #[argh(option, arg_name = "time", from_str_fn(settings::time))]
    pub(crate) timeout: Option<Duration>,

    /// up to which size files come by themselves, like 20MiB; 0 for none (default 5MiB)
    #[argh(option, arg_name = "size", from_str_fn(settings::size))]
    pub(crate) get_up_to: Option<u64>,

    /// how the full screen shows pictures: auto (default), kitty, iterm, sixel, blocks or off
    #[argh(option, arg_name = "how")]
    pub(crate) pictures: Option<Pictures>,

    /// lines in, lines out, also on a terminal, instead of the full screen
    #[argh(switch)]
    pub(crate) plain: bool,

    /// print the version
    #[argh(switch)]
    pub(crate) version: bool,

    #[argh(subcommand)]
    pub(crate) command: Option<Subcommand>,
}

/// What may be done beside talking.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand)]
pub(crate) enum Subcommand {
    History(History),
    Send(Send),
    Tail(Tail),
    Status(Status),
    Files(Files),
    Config(Config),
    Man(Man),
    Completions(Completions),
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
pub(crate) struct Man {
    /// tinychat (default), config, protocol or upgrade
    #[argh(positional)]
    pub(crate) page: Option<Page>,
}

/// Say where your settings are: config.toml, in which every flag has its key.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "config", help_triggers("--help"))]
pub(crate) struct Config {
    /// make the file, with every key explained
    #[argh(switch)]
    pub(crate) init: bool,
}

/// Write one message, also while you chat; exits 0 once the server has stored it.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "send", help_triggers("--help"))]
pub(crate) struct Send {
    /// to whom
    #[argh(option, arg_name = "name")]
    pub(crate) to: Name,

    /// wait until it is stored (default), or delivered
    #[argh(option, arg_name = "stored|delivered", from_str_fn(is_delivered))]
    pub(crate) wait: Option<bool>,

    /// send this file, too large for a message or not, may be repeated; the words say what the first is
    #[argh(option, arg_name = "path", from_str_fn(paths::parse))]
    pub(crate) file: Vec<PathBuf>,

    /// the words come on standard input; a - as the only word says the same
    #[argh(switch)]
    pub(crate) stdin: bool,

    /// the words: all from the first one on, also what looks like a flag
    #[argh(positional)]
    pub(crate) text: Vec<String>,
}

/// Print what others write, as it comes, also while you chat; takes nothing from your screen, unless it begins with what is unread.
/// Others see you online meanwhile.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "tail", help_triggers("--help"))]
pub(crate) struct Tail {
    /// only what somebody writes
    #[argh(option, arg_name = "name")]
    pub(crate) with: Option<Name>,

    /// begin with everything that nobody has read yet, whichever command fetched it; what is printed
    /// counts as read
    #[argh(switch)]
    pub(crate) unread: bool,

    /// one JSON object a line: time, from, to, text, state; file, of a file; kind, of what cannot be
    /// shown, whose text is empty. Of people you never talked to: from, to, request (how many messages wait)
    #[argh(switch)]
    pub(crate) json: bool,
}

/// Print whether you are online, what has not arrived, what is unread, and who wants to talk to you.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "status", help_triggers("--help"))]
pub(crate) struct Status {
    /// as one JSON object: running, user, server, online, unsent, undelivered, unread, requests (who has
    /// written that you never talked to)
    #[argh(switch)]
    pub(crate) json: bool,
}

/// Print how much lies here of the files that people sent, or make room.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "files", help_triggers("--help"))]
pub(crate) struct Files {
    /// remove what somebody sent; what you saved elsewhere stays
    #[argh(option, arg_name = "name")]
    pub(crate) free: Option<Name>,

    /// one JSON object a line: from, files, bytes, unasked (what came by itself, as it counts), unasked_limit; with
    /// --free what was removed: from, files, bytes
    #[argh(switch)]
    pub(crate) json: bool,
}

/// Print all that you wrote and received, oldest first. Needs no server.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "history", help_triggers("--help"))]
pub(crate) struct History {
    /// your name
    #[argh(option, arg_name = "name")]
    pub(crate) user: Option<Name>,

    /// only what you exchanged with somebody
    #[argh(option, arg_name = "name")]
    pub(crate) with: Option<Name>,

    /// only what went through a server; all without it
    #[argh(option, arg_name = "addr")]
    pub(crate) server: Option<String>,

    /// only what has these words; the last one may be the beginning of a word
    #[argh(option, arg_name = "words", from_str_fn(query))]
    pub(crate) search: Option<Query>,

    /// only what is not older than this, like 2h, yesterday, monday, 2026-11-20 or "2026-11-20 9:30"
    #[argh(option, arg_name = "time", from_str_fn(since))]
    pub(crate) since: Option<Timestamp>,

    /// your data folder (default $XDG_DATA_HOME/tinychat/NAME)
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// one JSON object a line: time, from, to, text, state; file, of a file; kind, of what cannot be
    /// shown, whose text is empty
    #[argh(switch)]
    pub(crate) json: bool,
}

fn completions(shell: &str) -> Result<String, String> {
    complete::script(shell, PROGRAM).ok_or_else(|| complete::UNKNOWN_SHELL.into())
}

fn query(text: &str) -> Result<Query, String> {
    Query::new(text).ok_or_else(|| "there is no word to look for".into())
}

fn since(text: &str) -> Result<Timestamp, String> {
    times::since(text, &ZonedDateTime::now())
}

fn is_delivered(text: &str) -> Result<bool, String> {
    match text {
        "stored" => Ok(false),
        "delivered" => Ok(true),
        _ => Err("it is stored or delivered".into()),
    }
}
