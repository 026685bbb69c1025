//! `tinychat send`: what to send, and how far it came.
//!
//! Owned by the [asker](super::asker). Invariant: what is reported as kept or stored need not be sent again, and of
//! several files each one that was not sent is named.

use std::path::PathBuf;

use super::asker::{Asker, Reached, heard, token};
use super::errand::{Error, listed};
use crate::client::Failure;
use crate::client::beside::{GuestError, Reply, Request};
use crate::message::Name;
use crate::task;
use crate::ui::console::screen::Screen;
use crate::ui::phrases::news::{self, KEPT};

impl Asker {
    /// One after the other; what is said is said of the first.
    pub(super) async fn send_files(
        &mut self,
        to: &Name,
        paths: &[PathBuf],
        mut caption: Option<String>,
        delivered: bool,
    ) -> Result<(), Error> {
        all_are_files(paths)?;
        for (index, path) in paths.iter().enumerate() {
            self.rest = paths[index + 1..].to_vec();
            let (token, path) = (token(), std::path::absolute(path)?);
            let (name, caption) = (to.to_string(), caption.take());
            let request = Request::SendFile { token, to: name, path, caption };
            let sent = self.send(to, &request, delivered).await;
            sent.map_err(|error| self.with_rest(error))?;
        }
        Ok(())
    }

    fn with_rest(&self, because: Error) -> Error {
        match self.rest.is_empty() {
            true => because,
            false => Error::NotAll { because: Box::new(because), rest: self.rest.clone() },
        }
    }

    pub(super) async fn send(
        &mut self,
        to: &Name,
        request: &Request,
        delivered: bool,
    ) -> Result<(), Error> {
        self.reached = Reached::Nothing;
        let sent = self.send_on(to, request, delivered).await;
        sent.map_err(|error| match self.reached {
            Reached::Nothing => error,
            // Nothing else that was kept is refused.
            Reached::Kept if matches!(error, Error::Refused(_)) => {
                Error::Held { because: Box::new(error) }
            }
            Reached::Kept if matches!(error, Error::Failed(Failure::Name(_))) => {
                let kept = news::stranded(&self.user, &self.data);
                Error::Stranded { because: Box::new(error), kept }
            }
            Reached::Kept => Error::Kept { because: Box::new(error) },
            Reached::Stored => Error::Stored { because: Box::new(error) },
        })
    }

    async fn send_on(
        &mut self,
        to: &Name,
        request: &Request,
        delivered: bool,
    ) -> Result<(), Error> {
        let (mut told_nobody, mut told_alike) = (false, false);
        let what = if delivered { "delivered" } else { "stored" };
        let after = self.options.timeout;
        // Whatever is told of it is progress.
        let late = || Error::TimedOut { what, after };
        loop {
            let asking = task::within(after, self.ask(request, &[])).await;
            let mut guest = asking.ok_or_else(late)??;
            let (mut is_going, mut is_confirmed) = (false, false);
            loop {
                let reply = task::within(after, guest.next()).await;
                let reply = reply.ok_or_else(|| self.unheard(late(), is_confirmed))?;
                if is_going && matches!(reply, Err(GuestError::Refused(_))) {
                    // A file that was given up.
                    self.reached = Reached::Nothing;
                }
                match heard(reply)? {
                    Some(Reply::Nobody) => {
                        if !std::mem::replace(&mut told_nobody, true) {
                            Screen::new().note(&news::nobody(to, false));
                        }
                    }
                    Some(Reply::Unsealed) => Screen::new().note(&news::unsealed(to)),
                    Some(Reply::Alike(known)) => {
                        if !std::mem::replace(&mut told_alike, true) {
                            Screen::new().note(&news::alike(to.as_str(), &known));
                        }
                    }
                    Some(Reply::Ready) => is_confirmed = guest.confirm().await.is_ok(),
                    Some(Reply::State(state)) => {
                        is_going = state == "going";
                        if self.reaches(&state, delivered)? {
                            return Ok(());
                        }
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        }
    }

    /// Whether that is far enough.
    fn reaches(&mut self, state: &str, delivered: bool) -> Result<bool, Error> {
        self.reached = match state {
            "stored" | "delivered" | "read" => Reached::Stored,
            "expired" => Reached::Nothing,
            _ => Reached::Kept,
        };
        match state {
            "delivered" | "read" => Ok(true),
            "stored" => Ok(!delivered),
            "expired" => Err(Error::Expired),
            _ => Ok(false),
        }
    }

    /// Nothing came in time. Whoever is confirmed writes it; nobody else does any more.
    fn unheard(&mut self, late: Error, is_confirmed: bool) -> Error {
        if self.reached != Reached::Nothing {
            return late;
        }
        if is_confirmed {
            self.reached = Reached::Kept;
        }
        Error::Unanswered
    }

    /// To whoever interrupts it.
    pub(super) fn tell_of_kept(&self) {
        match self.reached {
            Reached::Nothing => {}
            Reached::Kept => Screen::new().problem(&format!("it is {KEPT}")),
            Reached::Stored => Screen::new().problem("the server has it and delivers it by itself"),
        }
        if !self.rest.is_empty() {
            Screen::new().problem(&format!("not sent: {}", listed(&self.rest)));
        }
    }
}

/// None of them is sent if one of them cannot be.
fn all_are_files(paths: &[PathBuf]) -> Result<(), Error> {
    for path in paths {
        let because = match std::fs::metadata(path) {
            Ok(it) if it.is_file() => continue,
            Ok(_) => "it is not a file".into(),
            Err(error) => error.to_string(),
        };
        return Err(Error::Refused(format!("cannot send {}: {because}", path.display())));
    }
    Ok(())
}
