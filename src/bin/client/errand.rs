//! `tinychat send`, `tail`, `status` and `files`: what they are to do, from their flags.

use tinychat::args::paths;
use tinychat::exit::Exit;
use tinychat::ui::beside::{self, Errand};
use tinychat::ui::settings::Settings;
use tinychat::ui::start::entry;
use tinychat::ui::typing::input;
use tinychat::wire::MAX_TEXT;

use crate::flags::{Files, Flags, Send, Status, Tail};
use crate::options::options;

/// Performs an errand.
pub(crate) fn run(
    flags: &Flags,
    settings: Settings,
    errand: Errand,
) -> Result<Exit, (Exit, String)> {
    let failed = |error: entry::Error| (error.exit(), error.to_string());
    let options = options(flags, settings).map_err(failed)?;
    let user = options.user.clone();
    let user = user.ok_or_else(|| (Exit::Usage, "who are you? give --user".to_string()))?;
    let done = async_std::task::block_on(beside::run(options, user, errand));
    done.map_err(|error| (error.exit(), error.to_string()))
}

/// What is to be sent; or what is wrong with it.
pub(crate) fn send(command: Send) -> Result<Errand, (Exit, String)> {
    let delivered = command.wait.unwrap_or(false);
    if command.file.is_empty() {
        return Ok(Errand::Send { text: message(&command)?, to: command.to, delivered });
    }
    let caption = caption(&command)?;
    Ok(Errand::SendFiles { to: command.to, paths: command.file, caption, delivered })
}

pub(crate) fn tail(Tail { with, unread, json }: Tail) -> Errand {
    Errand::Tail { with, unread, json }
}

pub(crate) fn status(Status { json }: Status) -> Errand {
    Errand::Status { json }
}

pub(crate) fn files(Files { free, json }: Files) -> Errand {
    Errand::Files { free, json }
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
        1..=MAX_TEXT => Ok(text),
        _ => {
            Err((Exit::Failed, format!("a message has at most {MAX_TEXT} bytes; nothing was sent")))
        }
    }
}
