//! Somebody, from day to day: what a client remembers, and frame by frame what it says and hears while it is signed in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use async_std::net::TcpStream;
use bytes::{Bytes, BytesMut};
use futures::AsyncWriteExt;
use rustls::pki_types::ServerName;
use tinychat::folder::Folder;
use tinychat::message::{BlobId, Installation, Kind, Name, Origin, Timestamp};
use tinychat::task;
use tinychat::trust::devices::{
    Bundle, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey,
};
use tinychat::trust::tls::Channel;
use tinychat::trust::{CurveKey, Fingerprint, Identity};
use tinychat::wire::codec::Frame;
use tinychat::wire::frame::{ClientFrame, FileReply, FileRequest, Presence, ServerFrame};
use tinychat::wire::stream::{FrameReader, write_frame};
use tinychat::wire::transport::{BoxWriter, Socket, Transport};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use super::Result;

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Everybody's data folder.
const INSTALLATION: Installation = Installation::from_u64(1);

/// See the [module](self).
pub(super) struct Person {
    number: usize,
    pub(super) name: Name,
    identity: Identity,
    talks: BTreeMap<usize, Talk>,
    connection: Option<Connection>,
}

/// What somebody knows of a conversation.
#[derive(Clone, Copy, Default)]
struct Talk {
    /// The last own message.
    sent: u64,
    /// Up to which own message everything is delivered or expired, and told.
    settled: u64,
    /// Up to which it is stored, or more than that.
    stored: u64,
    /// The version of the other's device list.
    version: u64,
    /// The other's last message, and what it is to be acknowledged by.
    heard: u64,
    seq: u64,
    /// What was acknowledged.
    acknowledged: u64,
}

struct Connection {
    reader: FrameReader<ServerFrame>,
    half: BoxWriter,
    /// Whose key the server has shown.
    server: Option<Fingerprint>,
}

/// What somebody is called.
pub(super) fn name_of(number: usize) -> Result<Name> {
    Ok(format!("person{number}").parse()?)
}

fn number_of(name: &Name) -> Option<usize> {
    name.as_str().strip_prefix("person")?.parse().ok()
}

impl Person {
    pub(super) fn new(number: usize, name: Name) -> Result<Self> {
        let identity = Identity::generate()?;
        Ok(Self { number, name, identity, talks: BTreeMap::new(), connection: None })
    }

    pub(super) fn is_here(&self) -> bool {
        self.connection.is_some()
    }

    /// How many messages they have written to somebody.
    pub(super) fn sent(&self, peer: usize) -> u64 {
        self.talks.get(&peer).map_or(0, |talk| talk.sent)
    }

    pub(super) async fn signs_in(&mut self, address: SocketAddr) -> Result<()> {
        let Transport { reader, writer: half, channel } = connect(address).await?;
        let server = match channel {
            Channel::Plain => None,
            Channel::Tls { server, .. } => Some(server),
        };
        let reader = FrameReader::new(reader);
        self.connection = Some(Connection { reader, half, server });
        for talk in self.talks.values_mut() {
            (talk.seq, talk.acknowledged) = (0, 0);
        }
        let (name, key) = (self.name.clone(), self.identity.public().to_string().into());
        let (installation, presence, invite) = (INSTALLATION, Presence::Online, None);
        self.say(&ClientFrame::Hello { name, key, installation, presence, invite }).await?;
        let ServerFrame::Challenge { nonce } = self.next().await? else {
            return Err("no challenge".into());
        };
        let text = sign_in_text(&self.name, &nonce, &channel);
        let signature = self.identity.sign(SIGN_IN_NAMESPACE, &text)?.into();
        self.say(&ClientFrame::Prove { signature }).await?;
        self.until(|frame| matches!(frame, ServerFrame::Welcome { .. })).await?;
        Ok(())
    }

    /// Says its device list, with a prekey of this number.
    pub(super) async fn says_its_list(&mut self, key: &DeviceKey, number: u64) -> Result<()> {
        let server = self.connection()?.server;
        let (name, identity) = (self.name.clone(), self.identity.public());
        let owner = Owner { server, name, identity };
        let prekey = Prekey {
            server,
            name: owner.name.clone(),
            identity: owner.identity.fingerprint(),
            installation: INSTALLATION,
            curve: CurveKey::from_bytes([1; 32]),
            fallback: CurveKey::from_bytes([2; 32]),
            number,
            time: Timestamp(0),
        };
        let device = Device { installation: INSTALLATION, key: key.public() };
        let list = DeviceList::first(owner, device, Timestamp(0));
        let bundle = Bundle::of(SignedList::sign(list, &self.identity)?);
        let bundle = bundle.with(SignedPrekey::sign(prekey, key)?)?.bytes().clone();
        self.say(&ClientFrame::List { bundle }).await?;
        self.until(|frame| matches!(frame, ServerFrame::Listed { .. })).await?;
        Ok(())
    }

    /// Opens a conversation, in which the server must have all that was written.
    pub(super) async fn talks_to(&mut self, peer: usize) -> Result<()> {
        let (name, settled) = (name_of(peer)?, self.talks.entry(peer).or_default().settled);
        self.say(&ClientFrame::Talk { peer: name.clone(), settled }).await?;
        let talking =
            |it: &ServerFrame| matches!(it, ServerFrame::Talking { peer, .. } if *peer == name);
        let ServerFrame::Talking { own, version, .. } = self.until(talking).await? else {
            return Err("no answer to TALK".into());
        };
        let talk = self.talks.entry(peer).or_default();
        (talk.settled, talk.version) = (own.delivered, version);
        if own.have == talk.sent && own.stored == talk.sent {
            return Ok(());
        }
        let (have, stored, sent) = (own.have, own.stored, talk.sent);
        Err(format!("{} wrote {sent} to {name}; {have} came, {stored} stayed", self.name).into())
    }

    /// Writes some messages of a size.
    pub(super) async fn writes(&mut self, peer: usize, count: u64, size: usize) -> Result<()> {
        let (name, body) = (name_of(peer)?, Bytes::from(vec![b'x'; size]));
        let number = self.number as u128;
        let talk = self.talks.entry(peer).or_default();
        let (kind, version, mut out) = (Kind::TEXT, talk.version, BytesMut::new());
        for n in talk.sent + 1..=talk.sent + count {
            let origin = (number << 96) | ((peer as u128) << 64) | u128::from(n);
            let origin = Origin::from_bytes(origin.to_be_bytes());
            let (peer, kind, body) = (name.clone(), kind.clone(), body.clone());
            ClientFrame::Message { peer, n, origin, kind, version, body }.encode(&mut out);
        }
        talk.sent += count;
        let half = &mut self.connection()?.half;
        let writing = async {
            half.write_all(&out).await?;
            half.flush().await
        };
        Ok(task::within(PATIENCE, writing).await.ok_or("the server takes nothing")??)
    }

    /// Waits until all that was written to somebody is on the server's disk, or was acknowledged.
    pub(super) async fn is_stored(&mut self, peer: usize) -> Result<()> {
        while self.talks.get(&peer).is_some_and(|talk| talk.stored < talk.sent) {
            self.next().await?;
        }
        Ok(())
    }

    /// Waits for somebody's message with this number.
    pub(super) async fn hears(&mut self, peer: usize, n: u64) -> Result<()> {
        while self.talks.get(&peer).is_none_or(|talk| talk.heard < n) {
            self.next().await?;
        }
        Ok(())
    }

    /// Acknowledges all that was heard, and waits until the server knows.
    pub(super) async fn acknowledges(&mut self) -> Result<()> {
        let new = self.talks.iter().filter(|(_, talk)| talk.seq > talk.acknowledged);
        let new: Vec<_> = new.map(|(peer, talk)| (*peer, talk.seq)).collect();
        for (peer, seq) in new {
            self.say(&ClientFrame::Ack { peer: name_of(peer)?, seq }).await?;
            self.talks.entry(peer).or_default().acknowledged = seq;
        }
        self.catches_up().await
    }

    /// All that was said is handled.
    pub(super) async fn catches_up(&mut self) -> Result<()> {
        self.say(&ClientFrame::Ping).await?;
        self.until(|frame| matches!(frame, ServerFrame::Pong)).await?;
        Ok(())
    }

    /// Blocks somebody, or does not any more.
    pub(super) async fn blocks(&mut self, peer: usize, blocks: bool) -> Result<()> {
        let peer = name_of(peer)?;
        let frame =
            if blocks { ClientFrame::Block { peer } } else { ClientFrame::Unblock { peer } };
        self.say(&frame).await?;
        let is_answer = |frame: &ServerFrame| {
            matches!(frame, ServerFrame::Blocked { .. } | ServerFrame::Unblocked { .. })
        };
        self.until(is_answer).await?;
        Ok(())
    }

    /// Sends a file of a size.
    pub(super) async fn uploads(
        &mut self,
        address: SocketAddr,
        peer: usize,
        size: usize,
    ) -> Result<BlobId> {
        let mut carrier = self.carrier(address).await?;
        let offer = FileRequest::Offer { peer: name_of(peer)?, size: size as u64 };
        let FileReply::Have { blob, .. } = carrier.asks(&offer).await? else {
            return Err("the file is not taken".into());
        };
        let chunk = FileRequest::Chunk { offset: 0, body: Bytes::from(vec![b'x'; size]) };
        match carrier.asks(&chunk).await? {
            FileReply::Kept { .. } => Ok(blob),
            other => Err(format!("the file is not kept: {other:?}").into()),
        }
    }

    /// Gets a file of a size, and has the server forget it.
    pub(super) async fn fetches(
        &mut self,
        address: SocketAddr,
        blob: BlobId,
        size: usize,
    ) -> Result<()> {
        let mut carrier = self.carrier(address).await?;
        let FileReply::Have { .. } = carrier.asks(&FileRequest::Fetch { blob, offset: 0 }).await?
        else {
            return Err("the file is not given".into());
        };
        let mut come = 0;
        while come < size {
            match carrier.next().await? {
                FileReply::Chunk { body, .. } => come += body.len(),
                other => return Err(format!("no chunk: {other:?}").into()),
            }
        }
        match carrier.asks(&FileRequest::Drop { blob }).await? {
            FileReply::Gone { .. } => Ok(()),
            other => Err(format!("the file is not forgotten: {other:?}").into()),
        }
    }

    async fn carrier(&mut self, address: SocketAddr) -> Result<Carrier> {
        self.say(&ClientFrame::Ticket).await?;
        let is_ticket = |frame: &ServerFrame| matches!(frame, ServerFrame::Ticket { .. });
        let ServerFrame::Ticket { ticket } = self.until(is_ticket).await? else {
            return Err("no ticket".into());
        };
        let Transport { reader, writer: mut half, .. } = connect(address).await?;
        write_frame(&mut half, &ClientFrame::Carry { ticket }).await?;
        Ok(Carrier { reader: FrameReader::new(reader), half })
    }

    pub(super) async fn leaves(&mut self) -> Result<()> {
        self.say(&ClientFrame::Quit).await?;
        self.until(|frame| matches!(frame, ServerFrame::Bye { .. })).await?;
        self.connection = None;
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        self.connection.as_mut().ok_or_else(|| "not signed in".into())
    }

    async fn say(&mut self, frame: &ClientFrame) -> Result<()> {
        Ok(write_frame(&mut self.connection()?.half, frame).await?)
    }

    async fn until(&mut self, is_it: impl Fn(&ServerFrame) -> bool) -> Result<ServerFrame> {
        loop {
            let frame = self.next().await?;
            if is_it(&frame) {
                return Ok(frame);
            }
        }
    }

    /// The next frame. What it says of a conversation is noted.
    async fn next(&mut self) -> Result<ServerFrame> {
        loop {
            let next = task::within(PATIENCE, self.connection()?.reader.next()).await;
            let late = || format!("{} waits in vain", self.name);
            match next.ok_or_else(late)??.ok_or("the server closed")?? {
                ServerFrame::Ping => self.say(&ClientFrame::Pong).await?,
                ServerFrame::Refused { text, .. } | ServerFrame::Error { text, .. } => {
                    return Err(format!("{}: {text}", self.name).into());
                }
                frame => {
                    self.note(&frame);
                    return Ok(frame);
                }
            }
        }
    }

    fn note(&mut self, frame: &ServerFrame) {
        let peer = match frame {
            ServerFrame::Message { peer, .. }
            | ServerFrame::Stored { peer, .. }
            | ServerFrame::Delivered { peer, .. }
            | ServerFrame::Changed { peer, .. } => peer,
            _ => return,
        };
        let Some(talk) = number_of(peer).and_then(|number| self.talks.get_mut(&number)) else {
            return;
        };
        match frame {
            ServerFrame::Message { seq, message, .. } => {
                (talk.heard, talk.seq) = (message.id.n, *seq);
            }
            ServerFrame::Stored { n, .. } | ServerFrame::Delivered { n, .. } => {
                talk.stored = talk.stored.max(*n);
            }
            ServerFrame::Changed { version, .. } => talk.version = *version,
            _ => {}
        }
    }
}

/// A connection that carries files.
struct Carrier {
    reader: FrameReader<FileReply>,
    half: BoxWriter,
}

impl Carrier {
    async fn asks(&mut self, request: &FileRequest) -> Result<FileReply> {
        write_frame(&mut self.half, request).await?;
        self.next().await
    }

    async fn next(&mut self) -> Result<FileReply> {
        let next = task::within(PATIENCE, self.reader.next()).await;
        Ok(next.ok_or("a file waits in vain")??.ok_or("the server closed")??)
    }
}

async fn connect(address: SocketAddr) -> Result<Transport> {
    let stream = std::net::TcpStream::try_from(TcpStream::connect(address).await?)?;
    stream.set_nodelay(true)?;
    let name = ServerName::IpAddress(address.ip().into());
    let connecting = Transport::connect(Socket::Tcp(stream), name);
    Ok(task::within(PATIENCE, connecting).await.ok_or("no TLS in time")??)
}

/// A device's key, made in a folder.
pub(super) fn device_key(folder: &Path) -> Result<DeviceKey> {
    Ok(DeviceKey::open_or_create(&Folder::open(folder)?)?)
}
