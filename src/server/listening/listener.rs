//! Where connections come from: TCP addresses and Unix sockets.
//!
//! Owned by the server. A Unix socket's file is removed with its listener; what a kill leaves behind is removed by the
//! next one.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_io::Async;
use thiserror::Error;

use crate::folder::socket::Way;
use crate::wire::transport::Socket;
use crate::zone;

/// The prefix of a Unix socket's path.
pub(super) const UNIX: &str = "unix:";

/// How long the accept loop pauses when the system cannot give another connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How many connections wait in the system to be accepted, if it allows as many: after a restart everybody connects at
/// once. It drops one more, and the client's system retries after a second.
const BACKLOG: i32 = 4_096;

/// Where a server listens. Displayed as it is written after `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the kinds")]
pub enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Endpoint {
    /// What others can write for it after `--server`: for "all addresses that this machine has", the machine's name.
    pub fn public(&self) -> String {
        match self {
            Self::Tcp(address) if address.ip().is_unspecified() => {
                let system = rustix::system::uname();
                format!("tinychat://{}:{}", system.nodename().to_string_lossy(), address.port())
            }
            Self::Tcp(address) => format!("tinychat://{address}"),
            Self::Unix(_) => self.to_string(),
        }
    }

    /// Whether it is on this machine alone, so that nobody can eavesdrop.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Why listening failed. Made to be read by the operator.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ListenError {
    #[error(
        "cannot listen on {address}: another process does; stop that one or choose another address with --listen"
    )]
    AddressInUse { address: String },
    #[error(
        "cannot listen on {address}: {cause}; give --listen as host:port, like 127.0.0.1:7878, or as unix:PATH"
    )]
    Refused { address: String, cause: io::Error },
    #[error("cannot listen on a socket that was passed to the server: {0}")]
    Inherited(io::Error),
}

/// A socket that listens already: a service manager has bound it and passes it on.
#[derive(Debug)]
#[allow(missing_docs, reason = "the variants are the kinds")]
pub enum Inherited {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Listens on the sockets that were passed, and on these addresses.
pub(crate) async fn listen(
    addresses: Vec<String>,
    passed: Vec<Inherited>,
) -> Result<Vec<Listener>, ListenError> {
    let mut listeners: Vec<_> =
        passed.into_iter().map(Listener::inherit).collect::<Result<_, _>>()?;
    for address in addresses {
        if !listeners.iter().any(|it| it.endpoint().to_string() == address) {
            listeners.push(Listener::bind(address).await?);
        }
    }
    Ok(listeners)
}

/// Listens.
#[derive(Debug)]
pub(crate) struct Listener {
    kind: Kind,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum Kind {
    Tcp(Async<TcpListener>),
    /// With its file, unless that is somebody else's.
    Unix(Async<UnixListener>, #[expect(dead_code, reason = "removes the file")] Option<SocketFile>),
}

impl Listener {
    /// Listens on `host:port` or `unix:PATH`.
    pub(super) async fn at(address: &str) -> io::Result<Self> {
        match address.strip_prefix(UNIX) {
            Some(path) => bind_unix(path.into()),
            None => bind_tcp(address).await,
        }
    }

    /// The same for those who chat.
    async fn bind(address: String) -> Result<Self, ListenError> {
        Self::at(&address).await.map_err(|cause| match cause.kind() {
            io::ErrorKind::AddrInUse => ListenError::AddressInUse { address },
            _ => ListenError::Refused { address, cause },
        })
    }

    /// Listens on a socket that somebody else bound, whose file stays theirs.
    fn inherit(inherited: Inherited) -> Result<Self, ListenError> {
        let inherit = || match inherited {
            Inherited::Tcp(listener) => inherit_tcp(listener),
            Inherited::Unix(listener) => inherit_unix(listener),
        };
        inherit().map_err(ListenError::Inherited)
    }

    /// Where it listens, with the port that it got.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The next connection, and the address that it comes from; a Unix socket has none. The address of one that was
    /// reset already can no longer be asked for.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.read_with(TcpListener::accept).await?;
                Ok((Socket::Tcp(stream), Some(peer)))
            }
            Kind::Unix(listener, _) => {
                let (stream, _) = listener.read_with(UnixListener::accept).await?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }
}

/// The file of a Unix socket. Removed with this, unless another one is there by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl SocketFile {
    fn of(path: PathBuf) -> io::Result<Self> {
        let id = id(&path)?;
        Ok(Self { path, id })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            // Whatever is left there is removed by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

async fn bind_tcp(address: &str) -> io::Result<Listener> {
    let listener = match zone::socket_address(address) {
        Some(address) => async_std::net::TcpListener::bind(address?).await?,
        None => async_std::net::TcpListener::bind(address).await?,
    };
    let endpoint = Endpoint::Tcp(listener.local_addr()?);
    let listener = Async::new(TcpListener::try_from(listener)?)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(Listener { kind: Kind::Tcp(listener), endpoint })
}

/// Everybody on the machine who can reach the folder may connect, as to a port on 127.0.0.1; signing in proves who they
/// are.
fn bind_unix(path: PathBuf) -> io::Result<Listener> {
    if is_anybodys(path.parent().unwrap_or(Path::new("/")))? {
        return Err(io::Error::other("anybody may put something else in its place in that folder"));
    }
    clear_away(&path)?;
    let listener = UnixListener::bind(Way::to(&path)?.path())?;
    rustix::net::listen(&listener, BACKLOG)?;
    let file = SocketFile::of(path.clone())?;
    fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    let kind = Kind::Unix(Async::new(listener)?, Some(file));
    Ok(Listener { kind, endpoint: Endpoint::Unix(path) })
}

fn inherit_tcp(listener: TcpListener) -> io::Result<Listener> {
    refuse_deaf(&listener)?;
    let endpoint = Endpoint::Tcp(listener.local_addr()?);
    Ok(Listener { kind: Kind::Tcp(Async::new(listener)?), endpoint })
}

fn inherit_unix(listener: UnixListener) -> io::Result<Listener> {
    refuse_deaf(&listener)?;
    let address = listener.local_addr()?;
    let path = address.as_pathname().ok_or_else(|| io::Error::other("it has no path"))?;
    let endpoint = Endpoint::Unix(path.into());
    Ok(Listener { kind: Kind::Unix(Async::new(listener)?, None), endpoint })
}

/// A service manager that accepts connections itself passes one of them, and not a listener.
fn refuse_deaf(listener: impl AsFd) -> io::Result<()> {
    match rustix::net::sockopt::socket_acceptconn(listener)? {
        true => Ok(()),
        false => Err(io::Error::other("it does not listen; in a unit of systemd Accept= is no")),
    }
}

/// Whether everybody on the machine may replace what others have put into a folder.
fn is_anybodys(folder: &Path) -> io::Result<bool> {
    const STICKY: u32 = 0o1000;
    const ALL_WRITE: u32 = 0o002;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    Ok(fs::metadata(folder)?.mode() & (STICKY | ALL_WRITE) == ALL_WRITE)
}

/// Removes a socket that nobody listens on any more. Another kind of file is left, and in the way.
fn clear_away(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::other("there is a file that is no socket"));
        }
        _ => {}
    }
    match UnixStream::connect(Way::to(path)?.path()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Duration;

    use async_std::task::block_on;

    use super::*;

    #[test]
    fn one_that_is_reset_already_comes_from_somewhere() {
        let listener = block_on(Listener::bind("127.0.0.1:0".into())).unwrap();
        let Endpoint::Tcp(address) = listener.endpoint() else { panic!("it is TCP") };
        let stream = TcpStream::connect(address).unwrap();
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        // Not every system passes it on.
        if let Ok((_, from)) = block_on(listener.accept()) {
            assert_eq!(from.map(|it| it.ip()), Some(Ipv4Addr::LOCALHOST.into()));
        }
    }
}
