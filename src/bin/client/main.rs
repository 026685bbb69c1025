//! `tinychat`: flags and exit code around the face that fits.

#![warn(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use tinychat::args;
use tinychat::args::complete::{self, Offer};
use tinychat::args::paths::{self, Places};
use tinychat::client::transcript::{self, Filter};
use tinychat::client::{HANDSHAKE, Proxies, Query, Target, Unasked};
use tinychat::exit::Exit;
use tinychat::folder::default_data_folder;
use tinychat::message::{Name, Timestamp};
use tinychat::output;
use tinychat::ui::beside::Errand;
use tinychat::ui::entry::{self, Options};
use tinychat::ui::manual::Page;
use tinychat::ui::settings::{self, Settings, SettingsError};
use tinychat::ui::tui::{Choices, Pictures};
use tinychat::ui::{beside, history, input, plain, times, tui};
use tinychat::wire::MAX_BODY;

/// Talk to people on a TinyChat server. What you write to somebody who is away waits for them.
///
/// Type a line to send it; /HELP lists the commands.
#[derive(ArgsInfo, FromArgs)]
#[argh(help_triggers("--help"))]
struct Flags {
    /// the server, as host, host:port, tinychat://host:port#SHA256:FINGERPRINT or unix:PATH (default
    /// 127.0.0.1:7878)
    #[argh(option, arg_name = "addr")]
    server: Option<String>,

    /// on (default), or off for a server on this machine that was started with --tls off
    #[argh(option, arg_name = "on|off", from_str_fn(args::on_or_off))]
    tls: Option<bool>,

    /// a SOCKS5 proxy, as socks5h://host:port or socks5h://name:password@host:port, which looks names up; or none,
    /// whatever ALL_PROXY says
    #[argh(option, arg_name = "url")]
    proxy: Option<String>,

    /// how long signing in may take, like 5m on a bad line (default 60s)
    #[argh(option, arg_name = "time", from_str_fn(settings::handshake))]
    handshake: Option<Duration>,

    /// your name; asked for on a terminal if missing
    #[argh(option, arg_name = "name")]
    user: Option<Name>,

    /// whom to talk to; asked for on a terminal if missing
    #[argh(option, arg_name = "name")]
    to: Option<Name>,

    /// your data folder: key, outbox and history (default $XDG_DATA_HOME/tinychat/NAME)
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    data: Option<PathBuf>,

    /// your own Ed25519 key in OpenSSH's format, like ~/.ssh/id_ed25519; an agent is asked first if it
    /// is locked (default: the key in the data folder, made the first time)
    #[argh(option, arg_name = "file", from_str_fn(paths::parse))]
    identity: Option<PathBuf>,

    /// lines of a script that begin with a slash, and QUIT, are commands as at a terminal; without, every
    /// line is text
    #[argh(switch)]
    commands: bool,

    /// keep listening after the end of input
    #[argh(switch)]
    follow: bool,

    /// for scripts: say on standard error of each message when it is stored, delivered, refused or
    /// expired, like `stored marie 3` or `refused marie 4 full: REASON` (or slow, or store)
    #[argh(switch)]
    receipts: bool,

    /// tell people that you have read what they wrote
    #[argh(switch)]
    read_receipts: bool,

    /// without a terminal: give up after so long without progress, like 90s or 5m (default 60s)
    #[argh(option, arg_name = "time", from_str_fn(settings::time))]
    timeout: Option<Duration>,

    /// up to which size files come by themselves, like 20MiB; 0 for none (default 5MiB)
    #[argh(option, arg_name = "size", from_str_fn(settings::size))]
    get_up_to: Option<u64>,

    /// how the full screen shows pictures: auto (default), kitty, iterm, sixel, blocks or off
    #[argh(option, arg_name = "how")]
    pictures: Option<Pictures>,

    /// lines in, lines out, also on a terminal, instead of the full screen
    #[argh(switch)]
    plain: bool,

    /// print the version
    #[argh(switch)]
    version: bool,

    #[argh(subcommand)]
    command: Option<Subcommand>,
}

/// What may be done beside talking.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum Subcommand {
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
struct Completions {
    /// bash, fish, nushell or zsh
    #[argh(positional, arg_name = "shell", from_str_fn(completions))]
    script: String,
}

/// Print a manual page in roff, for `man -l -`.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "man", help_triggers("--help"))]
struct Man {
    /// tinychat (default), config or protocol
    #[argh(positional)]
    page: Option<Page>,
}

/// Say where your settings are: config.toml, in which every flag has its key.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "config", help_triggers("--help"))]
struct Config {
    /// make the file, with every key explained
    #[argh(switch)]
    init: bool,
}

/// Write one message, also while you chat; exits 0 once the server has stored it.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "send", help_triggers("--help"))]
struct Send {
    /// to whom
    #[argh(option, arg_name = "name")]
    to: Name,

    /// wait until it is stored (default), or delivered
    #[argh(option, arg_name = "stored|delivered", from_str_fn(is_delivered))]
    wait: Option<bool>,

    /// send this file, too large for a message or not, may be repeated; the words say what the first is
    #[argh(option, arg_name = "path", from_str_fn(paths::parse))]
    file: Vec<PathBuf>,

    /// the words come on standard input; a - as the only word says the same
    #[argh(switch)]
    stdin: bool,

    /// the words: all from the first one on, also what looks like a flag
    #[argh(positional)]
    text: Vec<String>,
}

/// Print what others write, as it comes, also while you chat; takes nothing from your screen, unless it begins with what is unread.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "tail", help_triggers("--help"))]
struct Tail {
    /// only what somebody writes
    #[argh(option, arg_name = "name")]
    with: Option<Name>,

    /// begin with everything that nobody has read yet, whichever command fetched it; what is printed
    /// counts as read
    #[argh(switch)]
    unread: bool,

    /// one JSON object a line: time, from, to, text, state; file, of a file; kind, of what cannot be
    /// shown, whose text is empty. Of people you never talked to: from, to, request (how many messages wait)
    #[argh(switch)]
    json: bool,
}

/// Print whether you are online, what has not arrived, what is unread, and who wants to talk to you.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "status", help_triggers("--help"))]
struct Status {
    /// as one JSON object: running, user, server, online, unsent, undelivered, unread, requests (who has
    /// written that you never talked to)
    #[argh(switch)]
    json: bool,
}

/// Print how much lies here of the files that people sent, or make room.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "files", help_triggers("--help"))]
struct Files {
    /// remove what somebody sent; what you saved elsewhere stays
    #[argh(option, arg_name = "name")]
    free: Option<Name>,

    /// one JSON object a line: from, files, bytes, unasked (what came by itself, as it counts), unasked_limit; with
    /// --free what was removed: from, files, bytes
    #[argh(switch)]
    json: bool,
}

/// Print all that you wrote and received, oldest first. Needs no server.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "history", help_triggers("--help"))]
struct History {
    /// your name
    #[argh(option, arg_name = "name")]
    user: Option<Name>,

    /// only what you exchanged with somebody
    #[argh(option, arg_name = "name")]
    with: Option<Name>,

    /// only what went through a server; all without it
    #[argh(option, arg_name = "addr")]
    server: Option<String>,

    /// only what has these words; the last one may be the beginning of a word
    #[argh(option, arg_name = "words", from_str_fn(query))]
    search: Option<Query>,

    /// only what is not older than this, like 2h, yesterday, monday, 2026-11-20 or "2026-11-20 9:30"
    #[argh(option, arg_name = "time", from_str_fn(since))]
    since: Option<Timestamp>,

    /// your data folder (default $XDG_DATA_HOME/tinychat/NAME)
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    data: Option<PathBuf>,

    /// one JSON object a line: time, from, to, text, state; file, of a file; kind, of what cannot be
    /// shown, whose text is empty
    #[argh(switch)]
    json: bool,
}

const DEFAULT_SERVER: &str = "127.0.0.1";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

const PROGRAM: &str = "tinychat";

const PATHS: Places = Places { flags: &["--data", "--file", "--identity"], bare: false };

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == complete::ASKED) {
        return output::answer(PROGRAM, offered(words).lines().trim_end()).into();
    }
    let words = PATHS.as_text(std::env::args_os().skip(1));
    let flags: Flags = match args::parse(PROGRAM, words, Exit::CLIENT) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit(PROGRAM),
    };
    if flags.version {
        return output::answer(PROGRAM, concat!("tinychat ", env!("CARGO_PKG_VERSION"))).into();
    }
    if let Some(Subcommand::Config(command)) = flags.command {
        let told = configure(command.init).map_err(|error| (Exit::Failed, error.to_string()));
        return told.map_or_else(complain, ExitCode::from);
    }
    if let Some(Subcommand::Man(command)) = flags.command {
        let page = command.page.unwrap_or_default();
        return output::answer(PROGRAM, page.render(&Flags::get_args_info()).trim_end()).into();
    }
    if let Some(Subcommand::Completions(command)) = flags.command {
        return output::answer(PROGRAM, command.script.trim_end()).into();
    }
    let settings = match Settings::path().and_then(|path| Settings::read(&path)) {
        Ok(settings) => settings,
        // Without a home there are none.
        Err(SettingsError::Homeless) => Settings::default(),
        Err(error) => return complain((Exit::Usage, error.to_string())),
    };
    let done = match flags.command {
        Some(Subcommand::History(command)) => {
            match command.user.clone().or(flags.user).or(settings.user) {
                None => Err((Exit::Usage, "whose history? give --user".into())),
                Some(user) => {
                    print_history(command, user, flags.data.or(settings.data), flags.server)
                        .map_err(|error| (Exit::Failed, error.to_string()))
                }
            }
        }
        Some(Subcommand::Send(ref command)) => {
            let (to, delivered) = (command.to.clone(), command.wait.unwrap_or(false));
            let paths = command.file.clone();
            let errand = match paths.is_empty() {
                false => caption(command).map(|caption| Errand::SendFiles {
                    to,
                    paths,
                    caption,
                    delivered,
                }),
                true => message(command).map(|text| Errand::Send { to, text, delivered }),
            };
            errand.and_then(|errand| run_beside(&flags, settings, errand))
        }
        Some(Subcommand::Tail(Tail { ref with, unread, json })) => {
            let with = with.clone();
            run_beside(&flags, settings, Errand::Tail { with, unread, json })
        }
        Some(Subcommand::Status(Status { json })) => {
            run_beside(&flags, settings, Errand::Status { json })
        }
        Some(Subcommand::Files(Files { ref free, json })) => {
            let free = free.clone();
            run_beside(&flags, settings, Errand::Files { free, json })
        }
        _ => run(&flags, settings).map_err(|error| (error.exit(), error.to_string())),
    };
    done.map_or_else(complain, ExitCode::from)
}

fn completions(shell: &str) -> Result<String, String> {
    complete::script(shell, PROGRAM).ok_or_else(|| complete::UNKNOWN_SHELL.into())
}

/// What may stand in place of the last of these words.
fn offered(words: impl Iterator<Item = OsString>) -> Offer {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    complete::complete(&Flags::get_args_info(), &words, |name| match name {
        "name" => Some(Offer::plain(people(&words))),
        "how" => Some(Offer::plain(Pictures::NAMES)),
        "page" => Some(Offer::plain(Page::NAMES)),
        "shell" => Some(Offer::plain(complete::SHELLS)),
        _ => None,
    })
}

/// Whom one knows, by the name and the folder that stand among these words, or that were set.
fn people(words: &[String]) -> Vec<String> {
    let settings = Settings::path().and_then(|path| Settings::read(&path)).unwrap_or_default();
    let said = |flag: &str| {
        words.windows(2).find(|pair| pair[0] == flag).and_then(|pair| pair[1].parse().ok())
    };
    let user = said("--user").or_else(|| settings.user.map(|user| user.to_string()));
    let data = said("--data").map(PathBuf::from).or(settings.data).or_else(|| {
        default_data_folder("tinychat").ok().zip(user).map(|(folder, user)| folder.join(user))
    });
    data.map(|data| transcript::people(&data)).unwrap_or_default()
}

fn configure(init: bool) -> Result<Exit, SettingsError> {
    let path = Settings::path()?;
    if init {
        Settings::init(&path)?;
    }
    Ok(output::answer(PROGRAM, path.display()))
}

fn complain((exit, error): (Exit, String)) -> ExitCode {
    output::tell(format_args!("{PROGRAM}: {error}"));
    exit.into()
}

fn query(text: &str) -> Result<Query, String> {
    Query::new(text).ok_or_else(|| "there is no word to look for".into())
}

fn since(text: &str) -> Result<Timestamp, String> {
    times::since(text, &ZonedDateTime::now())
}

/// Name, folder and server may stand before the command too.
fn print_history(
    command: History,
    user: Name,
    data: Option<PathBuf>,
    server: Option<String>,
) -> Result<Exit, Box<dyn Error>> {
    let target = command.server.or(server).map(|server| server.parse::<Target>()).transpose()?;
    let server = target.map(|target| target.address);
    let options = history::Options {
        user,
        filter: Filter { with: command.with, server, since: command.since, words: command.search },
        data: command.data.or(data),
        json: command.json,
        zone: TimeZone::system(),
    };
    match history::run(&options, &mut output::out()) {
        // That nobody reads any more is no failure.
        Err(history::Error::Print(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(Exit::Done)
        }
        printed => Ok(printed.map(|()| Exit::Done)?),
    }
}

fn is_delivered(text: &str) -> Result<bool, String> {
    match text {
        "stored" => Ok(false),
        "delivered" => Ok(true),
        _ => Err("it is stored or delivered".into()),
    }
}

/// What is said of a file, if anything is.
fn caption(command: &Send) -> Result<Option<String>, (Exit, String)> {
    if command.text.is_empty() && !command.stdin {
        return Ok(None);
    }
    message(command).map(Some)
}

/// The words of a message, or all of standard input without the end of its last line.
fn message(command: &Send) -> Result<String, (Exit, String)> {
    let text = match (command.text.as_slice(), command.stdin) {
        ([], false) => {
            return Err((Exit::Usage, "what is to be sent? give the words, or -".into()));
        }
        ([], true) => {
            let refused = |because| (Exit::Failed, format!("{because}; nothing was sent"));
            input::message(std::io::stdin().lock()).map_err(refused)?
        }
        // What stood behind a --file that is text itself.
        (words, false) if words.iter().any(|word| paths::is_no_text(word)) => {
            return Err((Exit::Usage, "a message is text in UTF-8; nothing was sent".into()));
        }
        (words, false) => words.join(" "),
        (_, true) => return Err((Exit::Usage, "give either the words, or -".into())),
    };
    match text.len() {
        0 => Err((Exit::Failed, "there is nothing to send".into())),
        1..=MAX_BODY => Ok(text),
        _ => {
            Err((Exit::Failed, format!("a message has at most {MAX_BODY} bytes; nothing was sent")))
        }
    }
}

fn run_beside(flags: &Flags, settings: Settings, errand: Errand) -> Result<Exit, (Exit, String)> {
    let failed = |error: entry::Error| (error.exit(), error.to_string());
    let options = options(flags, settings).map_err(failed)?;
    let user = options.user.clone();
    let user = user.ok_or_else(|| (Exit::Usage, "who are you? give --user".to_string()))?;
    let done = async_std::task::block_on(beside::run(options, user, errand));
    done.map_err(|error| (error.exit(), error.to_string()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// What the command line says goes before what was set.
fn options(flags: &Flags, settings: Settings) -> Result<Options, entry::Error> {
    let server = flags.server.clone().or(settings.server);
    let (server, misnamed) = match server.as_deref().unwrap_or(DEFAULT_SERVER).parse::<Target>() {
        Ok(server) => (server, None),
        Err(error) => (DEFAULT_SERVER.parse()?, Some(error)),
    };
    Ok(Options {
        server,
        misnamed,
        tls: flags.tls.or(settings.tls).unwrap_or(true),
        proxies: Proxies::new(flags.proxy.clone(), settings.proxy, variable),
        handshake: flags.handshake.or(settings.handshake).unwrap_or(HANDSHAKE),
        user: flags.user.clone().or(settings.user),
        to: flags.to.clone().or(settings.to),
        data: flags.data.clone().or(settings.data),
        identity: flags.identity.clone().or(settings.identity),
        commands: flags.commands,
        follow: flags.follow || settings.follow,
        receipts: flags.receipts || settings.receipts,
        read_receipts: flags.read_receipts || settings.read_receipts,
        get_up_to: flags.get_up_to.or(settings.get_up_to).unwrap_or(Unasked::DEFAULT.file),
        timeout: flags.timeout.or(settings.timeout).unwrap_or(DEFAULT_TIMEOUT),
    })
}

fn run(flags: &Flags, settings: Settings) -> Result<Exit, entry::Error> {
    let plain = flags.plain || settings.plain;
    let pictures = flags.pictures.or(settings.pictures).unwrap_or_default();
    let choices = Choices { bell: settings.bell, pictures, mouse: settings.mouse };
    let options = options(flags, settings)?;
    if plain || !has_screen() {
        return async_std::task::block_on(plain::run(options));
    }
    async_std::task::block_on(tui::run(options, choices))
}

/// Whether there is a terminal that can be drawn on.
fn has_screen() -> bool {
    let can_draw = std::env::var("TERM").is_ok_and(|it| !it.is_empty() && it != "dumb");
    let are_terminals = std::io::stdin().is_terminal() && output::is_terminal();
    can_draw && are_terminals && tui::has_size()
}
