//! The Unix socket on which operators ask: `control` in the data folder, for the owner of the server alone.
//!
//! Invariant: nobody else can ever use it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use async_std::os::unix::net::UnixListener;

use crate::folder::FolderError;
use crate::folder::socket::Way;

/// The socket as operators find it. Its file goes with it.
pub(crate) struct Door {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

impl Drop for Door {
    fn drop(&mut self) {
        // Whatever is left there is replaced by the next server.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where operators ask. Whoever does waits until they are served.
pub(crate) async fn bind(data: &Path) -> Result<Door, FolderError> {
    let bound = listen(data).await;
    let listener = bound.map_err(|cause| FolderError::NoSocket { path: data.into(), cause })?;
    Ok(Door { listener, path: path(data) })
}

/// The socket appears under its name only when nobody else can use it.
async fn listen(data: &Path) -> io::Result<UnixListener> {
    let fresh = data.join("control.new");
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(Way::to(&fresh)?.path()).await?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path(data))?;
    Ok(listener)
}

/// Reaches the server that runs on a folder, if one does.
pub(super) fn connect(data: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(Way::to(&path(data))?.path())
}

pub(super) fn path(data: &Path) -> PathBuf {
    data.join("control")
}
