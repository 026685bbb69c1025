//! The protocol's transport: TCP or a Unix socket, plain or under TLS; and the only place that splits a connection into
//! its halves.
//!
//! The halves are boxed, so that both tasks of a connection look alike over all of them. After a write comes a flush:
//! under TLS a write may leave something buffered.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use async_io::Async;
use bytes::Bytes;
use futures::io::ReadHalf;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream, client};
use rustls::pki_types::ServerName;

use crate::trust::tls::{ALPN, Channel, Credentials, NoCertificate, client_config, fingerprint};

/// The reading half of any transport.
pub type BoxReader = Box<dyn AsyncRead + Send + Unpin>;

/// The writing half of any transport.
pub type BoxWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// How many encrypted bytes a server's connection buffers for a peer that does not read: about a record.
const ENCRYPTED: usize = 16 * 1024;

/// How many unsent bytes the system buffers. By default it takes some MiB for a peer that reads nothing, which costs
/// memory, and time to copy; bytes in flight over a long line are not counted.
const UNSENT: u32 = 64 * 1024;

/// How many bytes of TLS are read before the task yields, whatever is in them.
const READ_AT_ONCE: usize = 16 * 1024;

/// How many bytes of TLS may arrive for one that they carry, and how many in addition. Records may be tiny or empty,
/// and each costs work that is counted nowhere else. More than that ends the connection.
const FOR_ONE: usize = 8;
const BESIDE: usize = 64 * 1024;

/// A connection, ready for frames.
pub struct Transport {
    /// Where frames are read.
    pub reader: BoxReader,
    /// Where frames are written.
    pub writer: BoxWriter,
    /// What a sign-in on it is bound to.
    pub channel: Channel,
}

impl Transport {
    /// A connection without TLS.
    pub fn plain(socket: Socket) -> io::Result<Self> {
        Ok(Self::plain_on(Line::new(socket)?))
    }

    /// The same on a line that somebody watches.
    pub fn plain_on(line: Arc<Line>) -> Self {
        let (reader, writer) = split(line);
        Self { reader: Box::new(reader), writer: Box::new(writer), channel: Channel::Plain }
    }

    /// A connection under TLS, accepted with these credentials.
    pub async fn accept(socket: Socket, credentials: &Credentials) -> io::Result<Self> {
        Self::accept_on(Line::new(socket)?, credentials).await
    }

    /// The same on a line that somebody watches.
    pub async fn accept_on(line: Arc<Line>, credentials: &Credentials) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(credentials.config.clone());
        let mut stream = acceptor.accept(Duplex::new(line)).await?;
        stream.get_mut().1.set_buffer_limit(Some(ENCRYPTED));
        let channel = Channel::of(credentials.fingerprint, stream.get_ref().1);
        Ok(Self::secured(stream.into(), channel.map_err(io::Error::other)?))
    }

    /// A connection under TLS to a server of this name, whoever it is.
    pub async fn connect(socket: Socket, name: ServerName<'static>) -> io::Result<Self> {
        let certificate = NoCertificate::default();
        let connector = connector(certificate.clone())?;
        // On the heap: it is large, and would make every future that awaits this large, too.
        let stream = Box::pin(connector.connect(name, Duplex::new(Line::new(socket)?))).await;
        if certificate.was_asked_for() {
            let text = "it asks for a certificate of yours, which no TinyChat server does";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Self::agreed(stream?)
    }

    /// A connection after the TLS handshake, if ALPN chose this protocol.
    fn agreed(stream: client::TlsStream<Duplex>) -> io::Result<Self> {
        let connection = stream.get_ref().1;
        if connection.alpn_protocol() != Some(ALPN) {
            let text = "it speaks TLS, but not for TinyChat";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let certificate = connection.peer_certificates().and_then(|chain| chain.first());
        let certificate = certificate.ok_or_else(|| io::Error::other("there is no certificate"))?;
        let channel = fingerprint(certificate).and_then(|it| Channel::of(it, connection));
        Ok(Self::secured(stream.into(), channel.map_err(io::Error::other)?))
    }

    fn secured(stream: TlsStream<Duplex>, channel: Channel) -> Self {
        let barren = stream.get_ref().0.barren.clone();
        let (reader, writer) = stream.split();
        let reader = TlsReader { half: reader, barren, rests: false, failed: None };
        Self { reader: Box::new(reader), writer: Box::new(writer), channel }
    }
}

fn connector(certificate: NoCertificate) -> io::Result<TlsConnector> {
    let mut config = client_config().map_err(io::Error::other)?;
    config.client_auth_cert_resolver = Arc::new(certificate);
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A connected socket of either kind.
#[derive(Debug)]
#[allow(missing_docs, reason = "the variants are the kinds")]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// From now on reads and writes that would block fail instead.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(true),
            Self::Unix(stream) => stream.set_nonblocking(true),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.read(bytes),
            Socket::Unix(stream) => { stream }.read(bytes),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.write(bytes),
            Socket::Unix(stream) => { stream }.write(bytes),
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => { stream }.write_vectored(pieces),
            Socket::Unix(stream) => { stream }.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that its two halves share, and how many bytes arrived.
pub struct Line {
    socket: Async<Socket>,
    heard: AtomicU64,
}

impl Line {
    /// One that sends small frames at once.
    pub fn new(socket: Socket) -> io::Result<Arc<Self>> {
        if let Socket::Tcp(stream) = &socket {
            stream.set_nodelay(true)?;
            limit_unsent(stream)?;
        }
        Ok(Arc::new(Self { socket: Async::new(socket)?, heard: AtomicU64::new(0) }))
    }

    /// Waits until there is something to read, or the end.
    pub async fn arriving(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// How many bytes were read so far, TLS's own among them.
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

fn split(line: Arc<Line>) -> (SocketReader, SocketWriter) {
    (SocketReader { line: line.clone(), drained: false }, SocketWriter(line))
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn limit_unsent(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)
}

/// On other systems their own limits hold.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn limit_unsent(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

/// Reads only when there is something to read: asking a socket that was just drained costs as much as reading from it.
struct SocketReader {
    line: Arc<Line>,
    /// The last read returned all that was there.
    drained: bool,
}

impl AsyncRead for SocketReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                ready!(self.line.socket.poll_readable(context))?;
            }
            let read = self.line.socket.get_ref().read(bytes);
            self.drained = !matches!(read, Ok(read) if read == bytes.len());
            match read {
                Err(error) if is_temporary(&error) => {}
                Ok(read) => {
                    self.line.heard.fetch_add(read as u64, Ordering::Relaxed);
                    return Poll::Ready(Ok(read));
                }
                error => return Poll::Ready(error),
            }
        }
    }
}

/// Tells the peer when it is closed, even while the other half is open. Several pieces are one write: in the last one
/// of a connection TLS says why it fails, after what it had said before.
struct SocketWriter(Arc<Line>);

impl SocketWriter {
    fn poll_write_by(
        &self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(self.0.socket.get_ref()) {
                Err(error) if is_temporary(&error) => ready!(self.0.socket.poll_writable(context))?,
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncWrite for SocketWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(context, |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(context, |mut socket| socket.write_vectored(pieces))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.socket.get_ref().shutdown_write())
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Both halves of a socket, for TLS, which asks for less than a record at a time: what arrived is read at once and kept
/// until it is asked for. However little TLS returns of it, reading yields here now and then.
struct Duplex {
    reader: SocketReader,
    writer: SocketWriter,
    /// What was read ahead; it holds no memory while it is empty.
    ahead: Bytes,
    /// How many bytes were read since reading last yielded.
    read: usize,
    barren: Arc<Barren>,
}

thread_local! {
    /// Where all connections of a thread are read.
    static ARRIVING: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_AT_ONCE].into());
}

impl Duplex {
    fn new(line: Arc<Line>) -> Self {
        let (reader, writer) = split(line);
        Self { reader, writer, ahead: Bytes::new(), read: 0, barren: Arc::default() }
    }

    /// Reads what arrived: as much of it as there is room for into `bytes`, and the rest ahead.
    fn poll_arriving(
        &mut self,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ARRIVING.with_borrow_mut(|arriving| {
            let read = ready!(Pin::new(&mut self.reader).poll_read(context, arriving))?;
            self.read += read;
            self.barren.came(read)?;
            let (taken, ahead) = arriving[..read].split_at(read.min(bytes.len()));
            bytes[..taken.len()].copy_from_slice(taken);
            self.ahead = Bytes::copy_from_slice(ahead);
            Poll::Ready(Ok(taken.len()))
        })
    }

    /// Takes what was read ahead, as far as there is room for it.
    fn take_ahead(&mut self, bytes: &mut [u8]) -> usize {
        let taken = self.ahead.split_to(self.ahead.len().min(bytes.len()));
        bytes[..taken.len()].copy_from_slice(&taken);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
        taken.len()
    }
}

/// How many bytes of TLS arrived that carried nothing, minus what is allowed.
#[derive(Default)]
struct Barren(AtomicUsize);

impl Barren {
    /// This many bytes arrived.
    fn came(&self, bytes: usize) -> io::Result<()> {
        if self.0.fetch_add(bytes, Ordering::Relaxed) + bytes > BESIDE {
            let text = "what comes under TLS carries next to nothing";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }

    /// They carried this many.
    fn carried(&self, bytes: usize) {
        let less = |barren: usize| Some(barren.saturating_sub(bytes.saturating_mul(FOR_ONE)));
        // It always has another value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(self.take_ahead(bytes)));
        }
        if self.read >= READ_AT_ONCE {
            (self.read, self.reader.drained) = (0, true);
        }
        self.poll_arriving(context, bytes)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write_vectored(context, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(context)
    }
}

/// Reads several records at once, as far as there are and they fit: one has 16 KiB at most, often much less. After
/// [`RECORDS`] of them the task yields: a small one costs as much work as a large one.
struct TlsReader {
    half: ReadHalf<TlsStream<Duplex>>,
    barren: Arc<Barren>,
    /// It has read so many records that it now yields.
    rests: bool,
    /// The error that ended reading, after what was returned last.
    failed: Option<io::Error>,
}

/// How many records are read at once.
const RECORDS: usize = 32;

impl AsyncRead for TlsReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut filled = 0;
        for _ in 0..RECORDS {
            if let Some(error) = self.failed.take() {
                return Poll::Ready(ended(error));
            }
            match Pin::new(&mut self.half).poll_read(context, &mut bytes[filled..]) {
                Poll::Ready(Ok(read @ 1..)) => {
                    self.barren.carried(read);
                    filled += read;
                }
                Poll::Ready(Err(error)) if filled > 0 => {
                    self.failed = Some(error);
                    return Poll::Ready(Ok(filled));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(ended(error)),
                // The end is met again by the next read.
                Poll::Ready(Ok(_)) | Poll::Pending if filled > 0 => return Poll::Ready(Ok(filled)),
                other => return other,
            }
            if filled == bytes.len() {
                return Poll::Ready(Ok(filled));
            }
        }
        self.rests = true;
        Poll::Ready(Ok(filled))
    }
}

/// A peer may end without a TLS `close_notify`. Frames mark their own ends: nothing can be truncated unseen.
fn ended(error: io::Error) -> io::Result<usize> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(0) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn who_always_has_more_to_read_is_not_read_without_a_pause() {
        let (mut peer, own) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        peer.write_all(&[0; 3 * READ_AT_ONCE]).unwrap();
        let mut duplex = Duplex::new(Line::new(Socket::Unix(own)).unwrap());
        let (mut read, mut bytes) = (0, [0; 1024]);
        let reading = poll_fn(|context| {
            while let Poll::Ready(more) = Pin::new(&mut duplex).poll_read(context, &mut bytes) {
                read += more.unwrap();
            }
            Poll::<()>::Pending
        });
        assert!(reading.now_or_never().is_none());
        assert_eq!(read, READ_AT_ONCE);
    }

    #[test]
    fn what_carries_next_to_nothing_is_an_error_and_what_carries_something_is_not() {
        let barren = Barren::default();
        for _ in 0..1_000 {
            barren.came(BESIDE / 2).unwrap();
            barren.carried(BESIDE / 2 / FOR_ONE);
        }
        barren.came(BESIDE).unwrap();
        assert_eq!(barren.came(1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
