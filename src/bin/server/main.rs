//! `tinychat-server`: flags, log, signals and exit code around [`tinychat::server`].
//!
//! # Rooms, from the top
//!
//! ```text
//! flags       the command line
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

mod backups;
mod flags;
mod supervisor;
mod values;

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use argh::ArgsInfo;
use flags::{
    Backup, Ban, Check, Command, Completions, Drill, Du, Flags, Invite, List, Man, PROGRAM, Remove,
    ResetKey, Restore, Status, Unban, UserAction,
};
use rustix::fs::Mode;
use rustix::process::umask;
use supervisor::{News, Supervisor};
use tinychat::args;
use tinychat::args::complete;
use tinychat::args::paths::Places;
use tinychat::client::Address;
use tinychat::exit::Exit;
use tinychat::log_output::{self, Event, Events, Guard};
use tinychat::manual::{Program, Title};
use tinychat::output;
use tinychat::server::{Inherited, Server, control};
use tinychat::signals::{Hangups, Interrupts};
use tinychat::task;
use tinychat::trust::Fingerprint;
use tinychat::trust::tls::Certificates;

const PATHS: Places = Places { flags: &["--data", "--cert", "--key"], bare: true };

fn main() -> ExitCode {
    // Whatever a library makes is for its owner alone, too.
    umask(Mode::RWXG | Mode::RWXO);
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == complete::ASKED) {
        return output::answer(PROGRAM, flags::offered(words).lines().trim_end()).into();
    }
    let flags: Flags =
        match args::parse(PROGRAM, PATHS.as_text(std::env::args_os().skip(1)), Exit::SERVER) {
            Ok(flags) => flags,
            Err(stop) => return stop.exit(PROGRAM),
        };
    if flags.version {
        let version = concat!("tinychat-server ", env!("CARGO_PKG_VERSION"));
        return output::answer(PROGRAM, version).into();
    }
    let done = match &flags.command {
        None => serve(flags),
        Some(Command::Check(command)) => check(&flags, command),
        Some(Command::Du(command)) => du(&flags, command),
        Some(Command::Backup(command)) => backup(&flags, command),
        Some(Command::Restore(command)) => restore(&flags, command),
        Some(Command::Drill(Drill { target })) => backups::drill(target.as_deref()),
        Some(Command::Status(command)) => status(&flags, command),
        Some(Command::Invite(command)) => invite(&flags, command),
        Some(Command::User(command)) => user(&flags, &command.action),
        Some(Command::Man(Man {})) => print(&manual()),
        Some(Command::Completions(Completions { script })) => print(script),
    };
    match done {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            tell(error);
            Exit::Failed.into()
        }
    }
}

/// `tinychat-server(8)`.
fn manual() -> String {
    let summary = "hosts a chat in which messages wait for people";
    let title = Title { name: PROGRAM, section: "8", summary };
    let (info, prose) =
        (Flags::get_args_info(), include_str!("../../../share/man/tinychat-server.8.md"));
    Program { title, info: &info, prose, tables: &[], exits: Exit::SERVER }.render()
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    let cannot_print = |error| format!("cannot print it: {error}");
    Ok(output::verdict().write_all(text.as_bytes()).map_err(cannot_print)?)
}

fn serve(flags: Flags) -> Result<(), Box<dyn Error>> {
    // Before there are threads: it changes the environment.
    let passed = supervisor::take_sockets()?;
    let _log_output =
        Guard::install().map_err(|error| format!("cannot prepare the log: {error}"))?;
    match flags.log_format {
        None => femme::with_level(flags.log_level),
        Some(format) => log_output::install(format, flags.log_level, SystemTime::now)?,
    }
    task::set_threads(flags.threads);
    async_std::task::block_on(run(flags, passed))
}

async fn run(flags: Flags, passed: Vec<Inherited>) -> Result<(), Box<dyn Error>> {
    let mut interrupts = Interrupts::catch()?;
    let config = flags.config(!passed.is_empty())?;
    let server = Server::bind_with(config, passed).await?;
    // One file for each connection: the soft limit is often only 1,024.
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => log::info!("up to {limit} files may be open"),
        Err(error) => log::warn!("the limit of open files stays as it is: {error}"),
    }
    announce(&server);
    let manager = Supervisor::meet()?;
    let hangups = Hangups::catch()?;
    task::spawn("hangup", read_again(server.certificates(), hangups, manager.clone()));
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
}

/// Reads the certificate again whenever SIGHUP comes. There may be nothing to read.
async fn read_again(
    certificates: Option<Arc<Certificates>>,
    mut hangups: Hangups,
    manager: Arc<Supervisor>,
) {
    while hangups.next().await {
        manager.tell(News::Reloading).await;
        if let Some(certificates) = certificates.clone() {
            reload(certificates).await;
        }
        manager.tell(News::Ready).await;
    }
}

async fn reload(certificates: Arc<Certificates>) {
    let (reloading, old) = (certificates.clone(), certificates.current().fingerprint);
    match task::blocking(move || reloading.reload()).await {
        Ok(()) => tell_of_change(old, certificates.current().fingerprint),
        Err(error) => log::error!("{error}; the certificate stays the one that it was"),
    }
}

fn tell_of_change(old: Fingerprint, new: Fingerprint) {
    log::info!(
        logger: Events,
        event = Event::CertificateRead,
        key:% = new;
        "read the certificate again"
    );
    if new != old {
        tell(format_args!("the key was {old} and is {new} now"));
        tell("clients that know the old one refuse the new one until their owners accept it");
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
    Ok(control::operate_running(&data, &["status"], &mut output::verdict())?)
}

fn invite(flags: &Flags, Invite { data, address }: &Invite) -> Result<(), Box<dyn Error>> {
    let place = address.as_ref().map(place);
    let words: Vec<&str> = ["invite"].into_iter().chain(place.as_deref()).collect();
    let data = flags.data(data.as_ref())?;
    control::operate_running(&data, &words, &mut output::verdict())?;
    explain_invitation("whoever joins with it first gets in");
    Ok(())
}

fn reset_key(flags: &Flags, command: &ResetKey) -> Result<(), Box<dyn Error>> {
    let ResetKey { data, address, name } = command;
    let place = address.as_ref().map(place);
    let words: Vec<&str> =
        ["reset-key", name.as_str()].into_iter().chain(place.as_deref()).collect();
    let data = flags.data(data.as_ref())?;
    control::operate_running(&data, &words, &mut output::verdict())?;
    explain_invitation(&format!("whoever joins with it as {name} first has the name"));
    Ok(())
}

fn explain_invitation(what: &str) {
    tell(format_args!("an address for --server, good once and for 7 days: {what}"));
}

/// An address as it is written in an invitation.
fn place(address: &Address) -> String {
    let scheme = if address.is_unix() { "" } else { "tinychat://" };
    format!("{scheme}{address}")
}

fn user(flags: &Flags, action: &UserAction) -> Result<(), Box<dyn Error>> {
    let (data, words) = match action {
        UserAction::List(List { data }) => (data, vec!["list"]),
        UserAction::Remove(Remove { data, name }) => (data, vec!["remove", name.as_str()]),
        UserAction::Ban(Ban { data, name }) => (data, vec!["ban", name.as_str()]),
        UserAction::Unban(Unban { data, name }) => (data, vec!["unban", name.as_str()]),
        UserAction::ResetKey(command) => return reset_key(flags, command),
    };
    let data = flags.data(data.as_ref())?;
    Ok(control::operate(&data, &words, &mut output::verdict())?)
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
