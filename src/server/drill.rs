//! A drill: a backup is restored and opened as a server opens its data folder, and what would come back is counted.
//!
//! Run in the operator's own process. Invariant: nobody is served meanwhile.

use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

use super::config::Config;
use super::control::{self, ControlError};
use super::people::Registration;
use super::start::{Server, StartError};
use crate::blobs;
use crate::mailbox::{Mailbox, MailboxError, Tally, Usage};
use crate::message::Timestamp;

/// What a backup would bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drill {
    /// When it was made; an old one does not say it.
    pub taken: Option<Timestamp>,
    /// How many people have a name.
    pub people: usize,
    /// How many of them have a device list.
    pub lists: u64,
    /// The messages that wait.
    pub messages: Usage,
    /// How many files wait, and their bytes.
    pub files: (u64, u64),
}

/// Why a drill failed. Made to be read by an operator.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum DrillError {
    #[error("it cannot be restored: {0}")]
    Restore(#[from] ControlError),
    #[error("it was restored, and no server starts with it: {0}")]
    Start(#[from] StartError),
    #[error("it was restored, and cannot be read: {0}")]
    Mailbox(#[from] MailboxError),
    #[error("it was restored, and its files cannot be read: {0}")]
    Files(#[from] io::Error),
    #[error("it was restored, and is damaged: {0}")]
    Damaged(String),
}

/// Restores a backup into a new folder, which is left to the caller, opens it as a server would, checks all of it and
/// compares it with what the backup says. The folder's parent is the caller's alone.
pub async fn drill(backup: impl Read, data: &Path) -> Result<Drill, DrillError> {
    let tally = control::restore(backup, data)?;
    let server = Server::bind(config(data)).await?;
    let found = look(&server, data, tally).await;
    // Before the folder is removed.
    server.mailbox.close().await;
    found
}

/// What a server listens on that nobody is told of. A path that is no text cannot be listened on.
fn config(data: &Path) -> Config {
    let socket = data.with_extension("socket");
    let listen = socket.to_str().map_or("127.0.0.1:0".into(), |path| format!("unix:{path}"));
    Config { registration: Registration::Closed, ..Config::new(vec![listen], data.into()) }
}

async fn look(server: &Server, data: &Path, tally: Option<Tally>) -> Result<Drill, DrillError> {
    let mailbox = server.mailbox.image().await?.inspect()?;
    let stock = blobs::inspect(data)?;
    let differs = tally.and_then(|it| it.difference(mailbox.usage, stock.kept));
    let mut problems = mailbox.problems.into_iter().chain(stock.problems).chain(differs);
    if let Some(problem) = problems.next() {
        return Err(DrillError::Damaged(problem));
    }
    Ok(Drill {
        taken: tally.map(|it| it.taken),
        people: server.host.names.members().len(),
        lists: mailbox.lists,
        messages: mailbox.usage,
        files: stock.kept,
    })
}
