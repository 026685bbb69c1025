//! What operators are told when something cannot be done.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::folder::FolderError;
use crate::mailbox::{MailboxError, OpenError, backup};
use crate::message::NameError;
use crate::server::people::{BookError, ChangeError, UnknownContacts};

/// Why an operator does not get what was asked for.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ControlError {
    #[error("{0}")]
    Folder(#[from] FolderError),
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Book(#[from] BookError),
    #[error("{0}")]
    Contacts(#[from] UnknownContacts),
    #[error("{0}")]
    Backup(#[from] backup::BackupError),
    #[error("{0}")]
    Mailbox(#[from] MailboxError),
    #[error("{0}")]
    Change(#[from] ChangeError),
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("cannot write the answer: {0}")]
    Write(#[from] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("the server stopped before it was done")]
    Cut,
    #[error("there is no mailbox in {}; name the server's folder with --data", path.display())]
    NoMailbox { path: PathBuf },
    #[error("no server runs on {}; name its folder with --data", path.display())]
    NoServer { path: PathBuf },
    #[error(
        "{} belongs to user {owner}, whose server could not use what root leaves there; start the server first (systemctl start tinychat-server), or do this as that user",
        path.display()
    )]
    NotRoots { path: PathBuf, owner: u32 },
    #[error("the mailbox is damaged")]
    Unsound,
    #[error("not all in the folder of files is a file that waits")]
    Stray,
}
