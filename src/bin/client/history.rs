//! `tinychat history`.

use std::error::Error;
use std::io::ErrorKind;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use tinychat::client::Target;
use tinychat::client::transcript::Filter;
use tinychat::exit::Exit;
use tinychat::message::Name;
use tinychat::output;
use tinychat::ui::history;
use tinychat::ui::settings::Settings;

use crate::flags::{Flags, History};

/// Prints what one wrote and received, of whom one is.
pub(crate) fn run(
    command: History,
    flags: &Flags,
    settings: Settings,
) -> Result<Exit, (Exit, String)> {
    let user = command.user.clone().or_else(|| flags.user.clone()).or(settings.user);
    let user = user.ok_or_else(|| (Exit::Usage, "whose history? give --user".to_string()))?;
    let data = flags.data.clone().or(settings.data);
    print(command, user, data, flags.server.clone())
        .map_err(|error| (Exit::Failed, error.to_string()))
}

/// Name, folder and server may stand before the command too.
fn print(
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
