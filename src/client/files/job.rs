//! Jobs of carrying threads, and their reports.
//!
//! Owned by nobody: plain data between the core and the threads that carry.

use std::io;

use futures::channel::oneshot;

use crate::client::line::broken::Broken;
use crate::client::store::rows::{Download, FileSeal, Upload};
use crate::message::BlobId;

/// What is carried.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Upload(Upload),
    Download(Download),
    /// The server need not keep these.
    Drop(Vec<(i64, BlobId)>),
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Report {
    /// The server's id for the upload, how many bytes of it the server has, and what it is sealed with there. The sender
    /// is used once that is on the disk.
    Named(BlobId, u64, FileSeal, oneshot::Sender<()>),
    /// This many bytes are here, or on the server.
    Moved(u64),
    /// The server keeps all of it, sealed with this.
    Sent(BlobId, FileSeal),
    /// All of it is here.
    Come,
    /// The server knows that it need not keep the file of this message.
    Dropped(i64, BlobId),
    /// It ended otherwise.
    Stopped(Stop),
}

/// Why something is not carried to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Worth another try.
    Away(String),
    /// Worth one from the beginning: the server does not have what was there of it.
    Anew,
    /// The server does not have the file any more.
    Gone,
    /// Not worth one.
    Failed(String),
}

/// Whether the server is the right one, the line on which one is signed in decides.
impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Away(because) | Broken::Busy(because) => Self::Away(because),
            Broken::Unsigned(error) => Self::Away(error.to_string()),
            Broken::Failed(failure) => Self::Away(failure.to_string()),
        }
    }
}

/// What went wrong on the line. What goes wrong with a file is told apart where it happens.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Away(error.to_string())
    }
}
