//! What is carried of files, and what is told of it.
//!
//! Owned by nobody: plain data between the core and the threads that carry.

use std::io;

use blake3::Hash;
use futures::channel::oneshot;

use crate::client::line::broken::Broken;
use crate::client::store::rows::{Download, Upload};
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
    /// The server calls the upload so, and has so many bytes of it. The last is to be told once that is on the disk.
    Named(BlobId, u64, oneshot::Sender<()>),
    /// So many bytes are here, or with the server.
    Moved(u64),
    /// The server keeps all of it; it hashes to this.
    Sent(BlobId, Hash),
    /// All of it is here.
    Come,
    /// The server need not keep the file of this message, and knows that.
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
