//! `tinychat`: flags and exit code around the face that fits.
//!
//! # Rooms, from the top
//!
//! ```text
//! history, errand, offer  what may be done beside talking, and what may stand next on the command line
//! options                 what a face is to do: what the command line says, and what was set
//! flags                   the command line
//! ```

#![warn(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines
)]

mod errand;
mod flags;
mod history;
mod offer;
mod options;

use std::io::IsTerminal;
use std::process::ExitCode;

use argh::ArgsInfo;
use flags::{Flags, PATHS, PROGRAM, Subcommand};
use options::options;
use tinychat::args;
use tinychat::args::complete;
use tinychat::exit::Exit;
use tinychat::output;
use tinychat::ui::settings::{Choices, Settings, SettingsError};
use tinychat::ui::start::entry;
use tinychat::ui::{plain, tui};

/// What ended it, with the exit code and what is to be said.
type Wrong = (Exit, String);

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == complete::ASKED) {
        return output::answer(PROGRAM, offer::offered(words).lines().trim_end()).into();
    }
    let words = PATHS.as_text(std::env::args_os().skip(1));
    let flags: Flags = match args::parse(PROGRAM, words, Exit::CLIENT) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit(PROGRAM),
    };
    if flags.version {
        return output::answer(PROGRAM, concat!("tinychat ", env!("CARGO_PKG_VERSION"))).into();
    }
    perform(flags).map_or_else(complain, ExitCode::from)
}

/// Does what the command says; without one, talks.
fn perform(mut flags: Flags) -> Result<Exit, Wrong> {
    match flags.command.take() {
        Some(Subcommand::Config(command)) => {
            configure(command.init).map_err(|error| (Exit::Failed, error.to_string()))
        }
        Some(Subcommand::Man(command)) => {
            let page = command.page.unwrap_or_default();
            Ok(output::answer(PROGRAM, page.render(&Flags::get_args_info()).trim_end()))
        }
        Some(Subcommand::Completions(command)) => {
            Ok(output::answer(PROGRAM, command.script.trim_end()))
        }
        command => perform_with(settings()?, command, &flags),
    }
}

/// The same for what obeys the settings.
fn perform_with(
    settings: Settings,
    command: Option<Subcommand>,
    flags: &Flags,
) -> Result<Exit, Wrong> {
    let errand = match command {
        Some(Subcommand::History(command)) => return history::run(command, flags, settings),
        Some(Subcommand::Send(command)) => errand::send(command)?,
        Some(Subcommand::Tail(command)) => errand::tail(command),
        Some(Subcommand::Status(command)) => errand::status(command),
        Some(Subcommand::Files(command)) => errand::files(command),
        _ => return talk(flags, settings).map_err(|error| (error.exit(), error.to_string())),
    };
    errand::run(flags, settings, errand)
}

/// Without a home there are none.
fn settings() -> Result<Settings, Wrong> {
    match Settings::path().and_then(|path| Settings::read(&path)) {
        Ok(settings) => Ok(settings),
        Err(SettingsError::Homeless) => Ok(Settings::default()),
        Err(error) => Err((Exit::Usage, error.to_string())),
    }
}

fn configure(init: bool) -> Result<Exit, SettingsError> {
    let path = Settings::path()?;
    if init {
        Settings::init(&path)?;
    }
    Ok(output::answer(PROGRAM, path.display()))
}

fn complain((exit, error): Wrong) -> ExitCode {
    output::tell(format_args!("{PROGRAM}: {error}"));
    exit.into()
}

fn talk(flags: &Flags, settings: Settings) -> Result<Exit, entry::Error> {
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
