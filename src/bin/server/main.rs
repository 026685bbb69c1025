//! `tinychat-server`: flags, log, signals and exit code around [`tinychat::server`].
//!
//! # Rooms, from the top
//!
//! ```text
//! reload      what SIGHUP does
//! file        the file of options, which the command line goes before
//! keys        its keys
//! flags       the command line
//! commands    its commands
//! announce    what is said to everybody
//! invite      invitations
//! user        people
//! values      what stands behind its flags
//! backups     files of backups, and folders of them
//! supervisor  whoever starts and stops it, and is told how it is
//! ```

#![warn(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines
)]

mod announce;
mod backups;
mod commands;
mod file;
mod flags;
mod invite;
mod keys;
mod reload;
mod supervisor;
mod user;
mod values;

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use announce::Announce;
use argh::ArgsInfo;
use commands::{
    Backup, Check, Command, Completions, ConfigFile, Drill, Du, Man, PROGRAM, Restore, Status,
};
use file::{CommandLine, Place};
use flags::Flags;
use invite::Invite;
use reload::Reload;
use rustix::fs::Mode;
use rustix::process::umask;
use supervisor::{News, Supervisor};
use tinychat::args::paths::Places;
use tinychat::args::{Settings, complete};
use tinychat::exit::Exit;
use tinychat::log_output::{self, Guard};
use tinychat::manual::{Program, Title};
use tinychat::output;
use tinychat::server::{Inherited, Server, control};
use tinychat::signals::{Hangups, Interrupts};
use tinychat::task;
use user::{Purge, ResetKey, UserAction};

const PATHS: Places = Places { flags: &["--config", "--data", "--cert", "--key"], bare: true };

fn main() -> ExitCode {
    // Whatever a library makes is for its owner alone, too.
    umask(Mode::RWXG | Mode::RWXO);
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == complete::ASKED) {
        return output::answer(PROGRAM, flags::offered(words).lines().trim_end()).into();
    }
    let line = CommandLine::new(PATHS.as_text(std::env::args_os().skip(1)));
    let flags = match line.over(&Settings::default()) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit(PROGRAM),
    };
    if flags.version {
        let version = concat!("tinychat-server ", env!("CARGO_PKG_VERSION"));
        return output::answer(PROGRAM, version).into();
    }
    let place = Place::of(flags.config.as_ref());
    let done = match &flags.command {
        Some(Command::Drill(Drill { target })) => backups::drill(target.as_deref()),
        Some(Command::Man(Man {})) => print(&manual()),
        Some(Command::Completions(Completions { script })) => print(script),
        Some(Command::Config(ConfigFile { init })) => configure(&place, *init),
        command => return perform(command.is_none(), line, place),
    };
    end(done)
}

/// Does what obeys the file: serves, or what an operator asks for, who is told by it where the server's folder is.
fn perform(is_server: bool, line: CommandLine, place: Place) -> ExitCode {
    let read = if is_server {
        place.read()
    } else if line.says("data") {
        Ok(Settings::default())
    } else {
        place.read_data()
    };
    let settings = match read {
        Ok(settings) => settings,
        Err(error) => {
            tell(error);
            return Exit::Usage.into();
        }
    };
    let flags = match line.over(&settings) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit(PROGRAM),
    };
    end(match &flags.command {
        None => serve(flags, line, place, settings),
        Some(command) => operate(&flags, command),
    })
}

fn operate(flags: &Flags, command: &Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Check(command) => check(flags, command),
        Command::Du(command) => du(flags, command),
        Command::Backup(command) => backup(flags, command),
        Command::Restore(command) => restore(flags, command),
        Command::Status(command) => status(flags, command),
        Command::Invite(command) => invite(flags, command),
        Command::User(command) => user(flags, &command.action),
        Command::Announce(command) => announce_to_all(flags, command),
        // These obey no file.
        Command::Drill(_) | Command::Config(_) | Command::Man(_) | Command::Completions(_) => {
            Ok(())
        }
    }
}

fn end(done: Result<(), Box<dyn Error>>) -> ExitCode {
    match done {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            tell(error);
            Exit::Failed.into()
        }
    }
}

fn configure(place: &Place, init: bool) -> Result<(), Box<dyn Error>> {
    if init {
        place.init()?;
    }
    let path = place.path().ok_or("there is no file: --config says none")?;
    print(&format!("{}\n", path.display()))
}

/// `tinychat-server(8)`.
fn manual() -> String {
    let summary = "hosts a chat in which messages wait for people";
    let title = Title { name: PROGRAM, section: "8", summary };
    let (info, prose) =
        (Flags::get_args_info(), include_str!("../../../share/man/tinychat-server.8.md"));
    let tables = [keys::table()];
    Program { title, info: &info, prose, tables: &tables, exits: Exit::SERVER }.render()
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    let cannot_print = |error| format!("cannot print it: {error}");
    Ok(output::verdict().write_all(text.as_bytes()).map_err(cannot_print)?)
}

fn serve(
    flags: Flags,
    line: CommandLine,
    place: Place,
    settings: Settings,
) -> Result<(), Box<dyn Error>> {
    // Before there are threads: it changes the environment.
    let passed = supervisor::take_sockets()?;
    let _log_output =
        Guard::install().map_err(|error| format!("cannot prepare the log: {error}"))?;
    match flags.log_format {
        None => femme::with_level(flags.log_level),
        Some(format) => log_output::install(format, flags.log_level, SystemTime::now)?,
    }
    task::set_threads(flags.threads);
    let reload = Reload::new(line, place.found(), settings, !passed.is_empty());
    async_std::task::block_on(run(flags, passed, reload))
}

async fn run(flags: Flags, passed: Vec<Inherited>, reload: Reload) -> Result<(), Box<dyn Error>> {
    let (mut interrupts, hangups) = (Interrupts::catch()?, Hangups::catch()?);
    let config = flags.config(!passed.is_empty())?;
    let server = Server::bind_with(config, passed).await?;
    // One file for each connection: the soft limit is often only 1,024.
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => log::info!("up to {limit} files may be open"),
        Err(error) => log::warn!("the limit of open files stays as it is: {error}"),
    }
    announce(&server);
    let manager = Supervisor::meet()?;
    let (tuning, certificates) = (server.tuning(), server.certificates());
    let hearing = reload.whenever_asked(tuning, certificates, hangups, manager.clone());
    task::spawn("hangup", hearing);
    task::spawn("watchdog", manager.clone().show_life());
    manager.tell(News::Ready).await;
    server
        .run(async {
            if let Err(error) = interrupts.next().await {
                log::error!("cannot wait for signals: {error}");
            }
            tell("stopping");
            manager.tell(News::Stopping).await;
        })
        .await;
    Ok(())
}

/// On standard error.
fn tell(what: impl Display) {
    output::tell(format_args!("{PROGRAM}: {what}"));
}

/// Says where the server is, and what to give to those who are to come.
fn announce(server: &Server) {
    let certificates = server.certificates();
    for endpoint in server.endpoints() {
        tell(format_args!("listening on {endpoint}"));
        let Some(certificates) = &certificates else { continue };
        let (place, key) = (endpoint.public(), certificates.current().fingerprint);
        tell(format_args!("join with --server '{place}#{key}'"));
    }
    if let Some(endpoint) = server.metrics() {
        tell(format_args!("metrics at {endpoint}"));
    }
}

fn check(flags: &Flags, command: &Check) -> Result<(), Box<dyn Error>> {
    let data = flags.data(command.data.as_ref())?;
    Ok(control::check(&data, command.accept, &mut output::verdict())?)
}

fn du(flags: &Flags, Du { data, json }: &Du) -> Result<(), Box<dyn Error>> {
    let words: &[&str] = if *json { &["du", "json"] } else { &["du"] };
    let data = flags.data(data.as_ref())?;
    Ok(control::operate(&data, words, &mut output::verdict())?)
}

fn status(flags: &Flags, command: &Status) -> Result<(), Box<dyn Error>> {
    let data = flags.data(command.data.as_ref())?;
    let words: &[&str] = if command.json { &["status", "json"] } else { &["status"] };
    Ok(control::operate_running(&data, words, &mut output::verdict())?)
}

fn invite(flags: &Flags, command: &Invite) -> Result<(), Box<dyn Error>> {
    if let Some(action) = &command.action {
        let (data, words) = action.request();
        let data = flags.data(data.or(command.data.as_ref()))?;
        return Ok(control::operate(&data, &words, &mut output::verdict())?);
    }
    let words = command.request();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (data, mut answer) = (flags.data(command.data.as_ref())?, Vec::<u8>::new());
    control::operate_running(&data, &words, &mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (invitation, note) = answer.split_once('\n').unwrap_or((&*answer, ""));
    print(&format!("{invitation}\n"))?;
    explain_invitation(&command.is_good(), "whoever joins with it first gets in");
    if !note.is_empty() {
        tell(format_args!("it is not needed: {}", note.trim_end()));
    }
    Ok(())
}

fn explain_invitation(how: &str, what: &str) {
    tell(format_args!("an address for --server, good {how}: {what}"));
}

fn announce_to_all(flags: &Flags, command: &Announce) -> Result<(), Box<dyn Error>> {
    let words = command.request()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let data = flags.data(command.data.as_ref())?;
    Ok(control::operate(&data, &words, &mut output::verdict())?)
}

fn user(flags: &Flags, action: &UserAction) -> Result<(), Box<dyn Error>> {
    if let UserAction::Purge(Purge { yes: false, name, .. }) = action {
        let why = "all that is kept of them goes and nothing of it comes back";
        return Err(format!("{why}; if you mean it, `user purge --yes {name}`").into());
    }
    let (data, words) = action.request();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (data, mut out) = (flags.data(data)?, output::verdict());
    let UserAction::ResetKey(ResetKey { name, .. }) = action else {
        return Ok(control::operate(&data, &words, &mut out)?);
    };
    control::operate_running(&data, &words, &mut out)?;
    let what = format!("whoever joins with it as {name} first has the name");
    explain_invitation("once and for 7 days", &what);
    Ok(())
}

fn backup(flags: &Flags, command: &Backup) -> Result<(), Box<dyn Error>> {
    let Backup { data, keep_backups, target } = command;
    backups::backup(&flags.data(data.as_ref())?, target, *keep_backups)
}

fn restore(flags: &Flags, Restore { data, file }: &Restore) -> Result<(), Box<dyn Error>> {
    let data = flags.data(data.as_ref())?;
    let backup =
        File::open(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    control::restore(io::BufReader::new(backup), &data)?;
    Ok(())
}
