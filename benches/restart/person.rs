//! Somebody at the server, as a client would be there: connected from an address, signed in, talking.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use async_io::Async;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustls::pki_types::ServerName;
use tinychat::message::{Installation, Kind, Name, Origin};
use tinychat::trust::Identity;
use tinychat::wire::frame::{ClientFrame, Presence, ServerFrame};
use tinychat::wire::stream::{FrameReader, write_frame};
use tinychat::wire::transport::{BoxWriter, Socket, Transport};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use super::Result;

/// Everybody's data folder; a new name has never written from it.
const INSTALLATION: Installation = Installation::from_u64(1);

/// See the [module](self).
pub(super) struct Person {
    reader: FrameReader<ServerFrame>,
    half: BoxWriter,
}

impl Person {
    /// Connects from an address of this machine, and signs in.
    pub(super) async fn sign_in(
        server: SocketAddr,
        from: IpAddr,
        identity: &Identity,
        name: &str,
    ) -> Result<Self> {
        let socket = Socket::Tcp(connect_from(from, server).await?);
        let transport = Transport::connect(socket, ServerName::IpAddress(server.ip().into()));
        let Transport { reader, writer: half, channel } = transport.await?;
        let mut person = Self { reader: FrameReader::new(reader), half };
        let name: Name = name.parse()?;
        let key = identity.public().to_string().into();
        let hello = ClientFrame::Hello {
            name: name.clone(),
            key,
            installation: INSTALLATION,
            presence: Presence::Online,
            invite: None,
        };
        person.say(&hello).await?;
        let ServerFrame::Challenge { nonce } = person.hear().await? else {
            return Err("no challenge".into());
        };
        let text = sign_in_text(&name, &nonce, &channel);
        let signature = identity.sign(SIGN_IN_NAMESPACE, &text)?.into();
        person.say(&ClientFrame::Prove { signature }).await?;
        match person.hear().await? {
            ServerFrame::Welcome { .. } => Ok(person),
            other => Err(format!("unexpected: {other:?}").into()),
        }
    }

    async fn say(&mut self, frame: &ClientFrame) -> Result<()> {
        Ok(write_frame(&mut self.half, frame).await?)
    }

    async fn hear(&mut self) -> Result<ServerFrame> {
        Ok(self.reader.next().await?.ok_or("closed")??)
    }
}

/// A connection whose making holds nobody up.
async fn connect_from(from: IpAddr, server: SocketAddr) -> Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    match connect(&socket, &server) {
        Err(error) if error != Errno::INPROGRESS => return Err(error.into()),
        _ => {}
    }
    let stream = Async::new(TcpStream::from(socket))?;
    stream.writable().await?;
    if let Some(error) = stream.get_ref().take_error()? {
        return Err(error.into());
    }
    Ok(stream.into_inner()?)
}

/// Alice and bob, who come from 127.0.0.1.
pub(super) struct Pair {
    ends: [Person; 2],
    names: [Name; 2],
    n: u64,
}

impl Pair {
    pub(super) async fn open(server: SocketAddr, identity: &Identity) -> Result<Self> {
        let (names, own) = (["alice".parse()?, "bob".parse()?], [127, 0, 0, 1].into());
        let alice = Person::sign_in(server, own, identity, "alice").await?;
        let bob = Person::sign_in(server, own, identity, "bob").await?;
        let mut pair = Self { ends: [alice, bob], names, n: 0 };
        for end in [0, 1] {
            let peer = pair.names[1 - end].clone();
            pair.ends[end].say(&ClientFrame::Talk { peer, settled: 0 }).await?;
            while !matches!(pair.ends[end].hear().await?, ServerFrame::Talking { .. }) {}
        }
        Ok(pair)
    }

    /// Alice writes, and bob answers when he has that: how long it took.
    pub(super) async fn exchange(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.n += 1;
        self.pass(0).await?;
        self.pass(1).await?;
        Ok(start.elapsed())
    }

    async fn pass(&mut self, from: usize) -> Result<()> {
        let (n, to) = (self.n, 1 - from);
        let (kind, body) = (Kind::TEXT, "are you there?".into());
        let origin = Origin::from_bytes(u128::from(n).to_be_bytes());
        let peer = self.names[to].clone();
        let message = ClientFrame::Message { peer, n, origin, kind, version: 0, body };
        self.ends[from].say(&message).await?;
        loop {
            if let ServerFrame::Message { peer, seq, .. } = self.ends[to].hear().await? {
                return self.ends[to].say(&ClientFrame::Ack { peer, seq }).await;
            }
        }
    }
}
