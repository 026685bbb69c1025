//! Those who send files, with the real client; and two who chat beside them, frame by frame.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_std::net::TcpStream;
use bytes::{Bytes, BytesMut};
use futures::AsyncWriteExt;
use tinychat::client::files::FOLDER;
use tinychat::client::{Client, Command, Config, Event, FileState, Transfer, Unasked, Way};
use tinychat::message::{Installation, Kind, Name, Origin};
use tinychat::trust::Identity;
use tinychat::trust::tls::Channel;
use tinychat::wire::codec::Frame;
use tinychat::wire::frame::{ClientFrame, Presence, ServerFrame};
use tinychat::wire::stream::FrameReader;
use tinychat::wire::transport::{BoxWriter, Socket, Transport};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::Result;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Somebody with a client, who sends files to somebody and gets theirs.
pub(crate) struct Sender {
    client: Client,
    events: Receiver<Event>,
    peer: Name,
    data: PathBuf,
}

impl Sender {
    pub(crate) async fn start(
        server: SocketAddr,
        tls: bool,
        name: &str,
        peer: &str,
        place: &Path,
    ) -> Result<Self> {
        let (data, peer) = (place.join(name), peer.parse::<Name>()?);
        let config = Config::new(server.to_string().parse()?, name.parse()?, data.clone());
        // What comes is asked for, so that its time is its own.
        let config = Config { tls, unasked: Unasked::NONE, ..config };
        let (client, events) = Client::start(config, None)?;
        let sender = Self { client, events, peer, data };
        sender.client.give(Command::Talk(sender.peer.clone())).await;
        sender.until(|event| matches!(event, Event::Opened { .. }).then_some(())).await?;
        Ok(sender)
    }

    /// Sends a file. How long it took until the server keeps it.
    pub(crate) async fn sends(&self, path: &Path) -> Result<Duration> {
        let (peer, path, began) = (self.peer.clone(), path.to_path_buf(), Instant::now());
        self.client.give(Command::SendFile { peer, path, caption: None }).await;
        self.is_done(Way::Up).await?;
        Ok(began.elapsed())
    }

    /// Gets the next file. How long it took, and where it is.
    pub(crate) async fn gets(&self) -> Result<(Duration, PathBuf)> {
        let told = |event: &Event| match event {
            Event::Message(message) => message.file.as_ref().map(|file| (message.id, file.number)),
            _ => None,
        };
        let (id, number) = self.until(told).await?;
        self.client.give(Command::Shown(id)).await;
        let (peer, began) = (self.peer.clone(), Instant::now());
        self.client.give(Command::Get { peer, number: Some(number) }).await;
        self.is_done(Way::Down).await?;
        Ok((began.elapsed(), self.data.join(FOLDER).join(id.to_string())))
    }

    async fn is_done(&self, wanted: Way) -> Result<()> {
        let done = |event: &Event| match event {
            Event::Transfer(Transfer { way, state, .. }) if *way == wanted => match state {
                FileState::Here => Some(Ok(())),
                FileState::Failed(why) => Some(Err(why.clone())),
                _ => None,
            },
            Event::Ended(ending) => Some(Err(format!("{ending:?}"))),
            _ => None,
        };
        Ok(self.until(done).await??)
    }

    async fn until<T>(&self, is_it: impl Fn(&Event) -> Option<T>) -> Result<T> {
        let found = async {
            loop {
                if let Some(found) = is_it(&self.events.recv().await?) {
                    return Ok(found);
                }
            }
        };
        tinychat::task::within(PATIENCE, found).await.unwrap_or_else(|| Err("too late".into()))
    }

    pub(crate) async fn leave(self) {
        self.client.give(Command::Leave).await;
        self.client.join().await;
    }
}

/// Two people who answer each other.
pub(crate) struct Pair([Person; 2]);

impl Pair {
    pub(crate) async fn open(server: SocketAddr) -> Result<Self> {
        let mut one = Person::sign_in(server, "one", "two").await?;
        let mut two = Person::sign_in(server, "two", "one").await?;
        one.talk().await?;
        two.talk().await?;
        Ok(Self([one, two]))
    }

    /// So many times there and back. How long each took.
    pub(crate) async fn exchange(&mut self, times: usize) -> Result<Vec<Duration>> {
        let Self([one, two]) = self;
        let mut all = Vec::with_capacity(times);
        for _ in 0..times {
            let began = Instant::now();
            one.say().await?;
            two.hear().await?;
            two.say().await?;
            one.hear().await?;
            all.push(began.elapsed());
        }
        Ok(all)
    }
}

struct Person {
    reader: FrameReader<ServerFrame>,
    half: BoxWriter,
    peer: Name,
    n: u64,
}

impl Person {
    async fn sign_in(server: SocketAddr, name: &str, peer: &str) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        let stream = std::net::TcpStream::try_from(stream)?;
        stream.set_nodelay(true)?;
        let Transport { reader, writer, .. } = Transport::plain(Socket::Tcp(stream))?;
        let (reader, peer) = (FrameReader::new(reader), peer.parse()?);
        let mut person = Self { reader, half: writer, peer, n: 0 };
        let identity = Identity::generate()?;
        let name: Name = name.parse()?;
        let key = identity.public().to_string().into();
        let installation = Installation::from_u64(1);
        let (presence, invite) = (Presence::Online, None);
        let hello = ClientFrame::Hello { name: name.clone(), key, installation, presence, invite };
        person.send(&hello).await?;
        let ServerFrame::Challenge { nonce } = person.next().await? else {
            return Err("no challenge".into());
        };
        let text = sign_in_text(&name, &nonce, &Channel::Plain);
        let signature = identity.sign(SIGN_IN_NAMESPACE, &text)?.into_bytes().into();
        person.send(&ClientFrame::Prove { signature }).await?;
        match person.next().await? {
            ServerFrame::Welcome { .. } => Ok(person),
            other => Err(format!("{other:?}").into()),
        }
    }

    async fn talk(&mut self) -> Result<()> {
        let talk = ClientFrame::Talk { peer: self.peer.clone(), settled: 0 };
        self.send(&talk).await?;
        while !matches!(self.next().await?, ServerFrame::Talking { .. }) {}
        Ok(())
    }

    async fn say(&mut self) -> Result<()> {
        self.n += 1;
        let (peer, n, body) = (self.peer.clone(), self.n, Bytes::from_static(b"are you there?"));
        let origin = Origin::from_bytes(u128::from(n).to_be_bytes());
        self.send(&ClientFrame::Message { peer, n, origin, kind: Kind::TEXT, version: 0, body })
            .await
    }

    /// Waits for a message, and acknowledges it.
    async fn hear(&mut self) -> Result<()> {
        loop {
            if let ServerFrame::Message { peer, seq, .. } = self.next().await? {
                return self.send(&ClientFrame::Ack { peer, seq }).await;
            }
        }
    }

    async fn send(&mut self, frame: &ClientFrame) -> Result<()> {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes);
        self.half.write_all(&bytes).await?;
        Ok(self.half.flush().await?)
    }

    async fn next(&mut self) -> Result<ServerFrame> {
        Ok(self.reader.next().await?.ok_or("the server closed")??)
    }
}
