//! The other end: a process that asks the owner of its person's data folder.
//!
//! Owned by whoever asks. Invariant: a line without its end is no answer.

use std::io;
use std::path::Path;

use async_std::os::unix::net::UnixStream;
use futures::io::BufReader;
use futures::{AsyncBufReadExt, AsyncWriteExt};
use thiserror::Error;

use super::words::{Reply, Request, SOCKET};
use crate::folder::socket::Way;

/// Why a guest gets no answer.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum GuestError {
    #[error("nobody owns the data folder")]
    Nobody,
    #[error("the owner of the data folder has gone")]
    Cut,
    #[error("{0}")]
    Refused(String),
}

/// Somebody who has asked.
pub struct Guest {
    replies: BufReader<UnixStream>,
}

impl Guest {
    /// Asks the owner of a folder. Fails with [`GuestError::Nobody`] if there is none.
    pub async fn ask(folder: &Path, request: &Request) -> Result<Self, GuestError> {
        let way = Way::to(&folder.join(SOCKET)).map_err(|_| GuestError::Nobody)?;
        let connected = UnixStream::connect(way.path()).await;
        let mut stream = connected.map_err(|_| GuestError::Nobody)?;
        let mut line = serde_json::to_vec(request).map_err(|_| GuestError::Cut)?;
        line.push(b'\n');
        stream.write_all(&line).await.map_err(|_| GuestError::Cut)?;
        Ok(Self { replies: BufReader::new(stream) })
    }

    /// Says that it still wants what [`Reply::Ready`] asks about.
    pub async fn confirm(&mut self) -> Result<(), GuestError> {
        self.replies.get_mut().write_all(b"\n").await.map_err(|_| GuestError::Cut)
    }

    /// The next answer.
    pub async fn next(&mut self) -> Result<Reply, GuestError> {
        let mut line = String::new();
        let read: io::Result<usize> = self.replies.read_line(&mut line).await;
        // A line without its end was cut off.
        match read {
            Ok(_) if line.ends_with('\n') => {}
            _ => return Err(GuestError::Cut),
        }
        match serde_json::from_str(&line).map_err(|_| GuestError::Cut)? {
            Reply::Refused(because) => Err(GuestError::Refused(because)),
            reply => Ok(reply),
        }
    }
}
