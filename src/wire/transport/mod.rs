//! The protocol's transport: TCP or a Unix socket, plain or under TLS; and the only place that splits a connection into
//! its halves.
//!
//! The halves are boxed, so that both tasks of a connection look alike over all of them. After a write comes a flush:
//! under TLS a write may leave something buffered.
//!
//! # Rooms, from the top
//!
//! ```text
//! tls     both halves of a socket under TLS
//! socket  a socket, and its halves
//! ```

mod socket;
mod tls;

use std::future::ready;
use std::io;
use std::sync::Arc;

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::{LazyConfigAcceptor, TlsConnector, TlsStream, client};
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;

pub use self::socket::{Line, Socket};
use self::tls::{Duplex, TlsReader};
use crate::trust::tls::{ALPN, Channel, Credentials, NoCertificate, client_config, fingerprint};

/// The reading half of any transport.
pub type BoxReader = Box<dyn AsyncRead + Send + Unpin>;

/// The writing half of any transport.
pub type BoxWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// How many encrypted bytes a server's connection buffers for a peer that does not read: about a record.
const ENCRYPTED: usize = 16 * 1024;

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
        let (reader, writer) = line.split();
        Self { reader: Box::new(reader), writer: Box::new(writer), channel: Channel::Plain }
    }

    /// A connection under TLS, accepted with these credentials.
    pub async fn accept(socket: Socket, credentials: &Credentials) -> io::Result<Self> {
        Self::accept_on(Line::new(socket)?, credentials, ready(())).await
    }

    /// The same on a line that somebody watches. Once all has come that the keys depend on, waits for `turn`: to compute
    /// them takes long.
    pub async fn accept_on(
        line: Arc<Line>,
        credentials: &Credentials,
        turn: impl Future<Output = ()>,
    ) -> io::Result<Self> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), Duplex::new(line)).await?;
        turn.await;
        let mut stream = begun.into_stream(credentials.config.clone()).await?;
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
        let (reader, writer) = TlsReader::split(stream);
        Self { reader: Box::new(reader), writer: Box::new(writer), channel }
    }
}

fn connector(certificate: NoCertificate) -> io::Result<TlsConnector> {
    let mut config = client_config().map_err(io::Error::other)?;
    config.client_auth_cert_resolver = Arc::new(certificate);
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use async_std::task::block_on;
    use futures::future::{join, try_join};
    use futures::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::task;
    use crate::trust::CertificateFiles;
    use crate::trust::tls::Certificates;

    /// How much goes each way.
    const ALL: usize = 4 << 20;

    /// The longest piece that is written, or read, at once.
    const PIECE: usize = 40_000;

    /// After this long nothing comes any more.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn byte(at: usize) -> u8 {
        (at % 251) as u8
    }

    async fn write(mut half: BoxWriter) -> io::Result<BoxWriter> {
        let mut at = 0;
        while at < ALL {
            let end = ALL.min(at + fastrand::usize(1..PIECE));
            let piece: Vec<u8> = (at..end).map(byte).collect();
            half.write_all(&piece).await?;
            half.flush().await?;
            at = end;
        }
        Ok(half)
    }

    async fn read(mut half: BoxReader) -> io::Result<BoxReader> {
        let (mut at, mut piece) = (0, [0; PIECE]);
        while at < ALL {
            let read = half.read(&mut piece[..fastrand::usize(1..PIECE)]).await?;
            assert!(read > 0, "it ends after {at} bytes");
            assert!((at..).zip(&piece[..read]).all(|(at, it)| *it == byte(at)), "from {at} on");
            at += read;
        }
        Ok(half)
    }

    #[test]
    fn all_that_is_written_under_tls_arrives_however_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let files = CertificateFiles { certificate, key };
        let credentials = Certificates::open_or_make(files).unwrap().current();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Socket::Tcp(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let server = Socket::Tcp(listener.accept().unwrap().0);
        let name = ServerName::try_from("localhost").unwrap();
        let talk = async {
            let accepting = Transport::accept(server, &credentials);
            let (server, client) = try_join(accepting, Transport::connect(client, name)).await?;
            let tasks = [
                task::spawn("one", async {
                    try_join(write(server.writer), read(server.reader)).await
                }),
                task::spawn("other", async {
                    try_join(write(client.writer), read(client.reader)).await
                }),
            ];
            let [one, other] = tasks;
            let (one, other) = join(one, other).await;
            Ok::<_, io::Error>((one.unwrap()?, other.unwrap()?))
        };
        let talked = block_on(task::within(PATIENCE, talk)).expect("nothing comes any more");
        talked.unwrap();
    }
}
