//! One command, from its beginning to its end.
//!
//! Owned by the binary. Invariant: whoever interrupts it is still told what is kept.

use std::io;

use futures::future::Either;

use super::asker::{Asker, Reached, token};
use super::errand::{Errand, Error};
use crate::client::Seal;
use crate::client::beside::Request;
use crate::exit::Exit;
use crate::message::Name;
use crate::output;
use crate::signals::{Interrupt, Interrupts};
use crate::ui::start::entry::{self, Options, race};

/// Does it. Returns the exit code.
pub async fn run(options: Options, user: Name, errand: Errand) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::catch()?;
    let config = entry::config(&options, &user)?;
    let (reached, rest) = (Reached::Nothing, Vec::new());
    let mut asker = Asker { options, user, data: config.data, owned: None, reached, rest };
    let done = race(asker.perform(&errand), interrupts.next()).await;
    let done = match done {
        Either::Left(done) => done.map(|()| Exit::Done),
        Either::Right(signal) => {
            asker.tell_of_kept();
            Ok(signal.map(Interrupt::exit)?)
        }
    };
    asker.let_go().await;
    match done {
        // That nobody reads any more is no failure.
        Err(Error::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        done => done,
    }
}

impl Asker {
    async fn perform(&mut self, errand: &Errand) -> Result<(), Error> {
        match errand {
            Errand::Send { to, .. } | Errand::SendFiles { to, .. } if *to == self.user => {
                Err(Error::Refused("nobody can talk to themselves".into()))
            }
            Errand::Send { to, text, delivered } => {
                let (token, text) = (token(), text.clone());
                let sealed = self.options.seal == Seal::Always;
                let request = Request::Send { token, to: to.to_string(), text, sealed };
                self.send(to, &request, *delivered).await
            }
            Errand::SendFiles { to, paths, caption, delivered } => {
                self.send_files(to, paths, caption.clone(), *delivered).await
            }
            Errand::Tail { with, unread, json } => {
                let tail = self.tail(with.as_ref(), *unread, *json);
                match race(tail, output::unread()).await {
                    Either::Left(told) => told,
                    Either::Right(()) => Ok(()),
                }
            }
            Errand::Files { free, json } => self.stock(free.as_ref(), *json).await,
            Errand::Status { json } => self.status(*json).await,
        }
    }
}
