//! What a person at the terminal is asked before a face comes up.
//!
//! Owned by the face that comes up behind it. Invariant: what is asked is asked again until the answer can be used, the input
//! ends or a signal comes.

use std::io;

use async_channel::Receiver;
use futures::future::Either;

use super::entry::{self, Error, Options};
use crate::client::Target;
use crate::exit::Exit;
use crate::message::Name;
use crate::signals::Interrupts;
use crate::ui::console::screen::Screen;
use crate::ui::typing::input::{self, Line};

/// Somebody who may be asked.
pub(crate) struct Person<'a> {
    pub(crate) screen: &'a Screen,
    /// What is read of the terminal already, if it is.
    pub(crate) lines: Option<&'a Receiver<Line>>,
    pub(crate) interrupts: &'a mut Interrupts,
}

impl Person<'_> {
    /// Asks for a name; or gives an exit code, as all of these.
    pub(crate) async fn name(&mut self) -> Result<Either<Name, Exit>, Error> {
        let Self { screen, lines, interrupts } = self;
        entry::ask(screen, "Your name: ", || read(*lines), interrupts).await
    }

    pub(super) async fn server(
        &mut self,
        options: &Options,
    ) -> Result<Either<Target, Exit>, Error> {
        let before = options.server.address.as_str();
        let question = match &options.misnamed {
            None => format!("Server (Enter tries {before} again): "),
            Some(_) => "Server: ".into(),
        };
        let again = options.misnamed.is_none().then_some(&options.server);
        loop {
            let line = match self.line(&question).await? {
                Either::Left(line) => line,
                Either::Right(exit) => return Ok(Either::Right(exit)),
            };
            match (line.trim(), again) {
                ("", Some(again)) => return Ok(Either::Left(again.clone())),
                (text, _) => match address(text, options) {
                    Ok(server) => return Ok(Either::Left(server)),
                    Err(because) => self.screen.problem(&because),
                },
            }
        }
    }

    pub(super) async fn invitation(&mut self) -> Result<Either<Target, Exit>, Error> {
        loop {
            let line = match self.line("The address with your invitation: ").await? {
                Either::Left(line) => line,
                Either::Right(exit) => return Ok(Either::Right(exit)),
            };
            match line.trim().parse::<Target>() {
                Ok(server) if server.invite.is_some() => return Ok(Either::Left(server)),
                _ => self.screen.problem(
                    "that is no invitation: it is the whole address that `tinychat-server invite` prints, with ?invite= in it",
                ),
            }
        }
    }

    /// Asks until it is answered by yes, which it is if nothing is said, or by no.
    pub(crate) async fn agrees(&mut self, question: &str) -> Result<Either<bool, Exit>, Error> {
        loop {
            let line = match self.line(question).await? {
                Either::Left(line) => line,
                // The end of input is no yes.
                Either::Right(Exit::Done) => return Ok(Either::Left(false)),
                Either::Right(exit) => return Ok(Either::Right(exit)),
            };
            match line.trim().to_ascii_lowercase().as_str() {
                "" | "y" | "yes" => return Ok(Either::Left(true)),
                "n" | "no" => return Ok(Either::Left(false)),
                _ => self.screen.problem("it is y or n"),
            }
        }
    }

    async fn line(&mut self, question: &str) -> Result<Either<String, Exit>, Error> {
        let Self { screen, lines, interrupts } = self;
        entry::ask_line(screen, question, || read(*lines), interrupts).await
    }
}

/// The next lines of the terminal.
fn read(lines: Option<&Receiver<Line>>) -> io::Result<Receiver<Line>> {
    lines.map_or_else(|| input::read_line(io::stdin()), |lines| Ok(lines.clone()))
}

/// What somebody says that the server is; an error says what is wrong with it.
fn address(text: &str, options: &Options) -> Result<Target, String> {
    let server: Target = text.parse().map_err(|error| format!("{error}"))?;
    if server.fingerprint.is_some() && !options.tls {
        return Err(Error::Unverifiable.to_string());
    }
    options.proxies.to(&server.address).map_err(|error| error.to_string())?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::super::offer;
    use super::*;

    #[test]
    fn an_address_is_to_be_one_that_can_be_used() {
        let key = crate::trust::Fingerprint::of(b"key");
        let with = offer::tests::options("host");
        let without = Options { tls: false, ..with.clone() };
        assert!(address("chat.example.org", &without).is_ok());
        assert!(address(&format!("host#{key}"), &with).is_ok());
        let refused = |text: &str, options: &Options| address(text, options).unwrap_err();
        assert!(refused(&format!("host#{key}"), &without).contains("--tls off"));
        assert!(refused("two words", &with).contains("is not an address"));
        assert!(refused("host.onion", &with).contains("--proxy"));
        assert!(address("", &with).is_err());
    }
}
