//! The owner's end of the socket.
//!
//! Owned by the client. Invariant: no more guests are served than may be, and nobody else can reach the socket.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_channel::WeakSender;
use async_std::os::unix::net::UnixListener;

use super::ask::Ask;
use super::host::Host;
use super::places::Place;
use crate::client::command::Command;
use crate::folder::socket::Way;
use crate::task;

/// How long to wait when no guest can be taken, as without files left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The owner's end of the socket. Dropping it has new guests find nobody.
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Takes the place of an earlier owner, who is gone: the folder is locked.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = std::os::unix::net::UnixListener::bind(Way::to(&path)?.path())?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { socket: socket.into(), path })
    }

    /// Serves guests until the core is gone, which takes what they ask as its orders. `yields` says whether the folder is
    /// given to whoever asks.
    pub(crate) async fn serve<O>(self, orders: WeakSender<O>, yields: bool)
    where
        O: From<Ask> + From<Command> + Send + 'static,
    {
        let guests = Arc::default();
        loop {
            let Ok((stream, _)) = self.socket.accept().await else {
                task::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let host = Host { orders: orders.clone(), yields };
            let place = Place::take(&guests);
            task::spawn("guest", async move {
                // A guest that hangs up is no news.
                let _ = host.serve(stream, place).await;
            });
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
