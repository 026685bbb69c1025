//! The test world: a real server in this process, and raw peers that speak the protocol with it.
//!
//! Owned by [`story`], which makes it and stops it. Frames are written and compared as the header
//! lines that the specification shows, so that a story reads like a recorded conversation. Nobody
//! sleeps: peers await frames, and [`Peer::barrier`] says that the server has handled what was sent.
//! Every await ends after [`PATIENCE`], with a sentence that says what was waited for.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::future::Future;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_std::net::TcpStream;
use async_std::task::{JoinHandle, block_on};
use bytes::BytesMut;
use futures::channel::oneshot;
use futures::{AsyncReadExt, AsyncWriteExt};
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tinychat::server::{Config, ListenError, Rates, Server, StartError, Tls};
use tinychat::task::within;
use tinychat::trust::Identity;
use tinychat::trust::tls::Channel;
use tinychat::wire::codec::Frame;
use tinychat::wire::frame::ServerFrame;
use tinychat::wire::stream::FrameReader;
use tinychat::wire::transport::{BoxWriter, Socket, Transport};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::programs::is_real;
use crate::versions::Versions;

/// How long anything may take on a slow and busy machine before it counts as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The data folder that people write from, unless a story says otherwise.
pub(crate) const FIRST_INSTALLATION: &str = "00000000000000a1";

/// Another data folder of the same person.
pub(crate) const SECOND_INSTALLATION: &str = "00000000000000b2";

/// Tells a story in a world of its own, and stops the world's server at the end.
pub(crate) fn story(tell: impl AsyncFnOnce(&mut World)) {
    story_with(|_| {}, tell);
}

/// A [`story`] whose server is configured differently.
pub(crate) fn story_with(configure: impl FnOnce(&mut Config), tell: impl AsyncFnOnce(&mut World)) {
    block_on(async {
        let mut world = World::with(configure).await;
        tell(&mut world).await;
        world.stop().await;
    });
}

/// Awaits something that must happen.
pub(crate) async fn patiently<T>(what: &str, happening: impl Future<Output = T>) -> T {
    match within(PATIENCE, happening).await {
        Some(value) => value,
        None => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// A server with its data folder, and everybody's keys.
pub(crate) struct World {
    folder: TempDir,
    /// Where the server listens, unless a story says otherwise; nothing else has the port meanwhile.
    _place: Reserved,
    config: Config,
    identities: Mutex<HashMap<String, Arc<Identity>>>,
    running: Option<Running>,
    /// The story is about device lists; see [`Peer::telling_of_lists`].
    pub(crate) tells_of_lists: bool,
}

/// A port of this machine that the system gives to nobody by itself, also while no server listens there.
pub(crate) struct Reserved {
    pub(crate) address: SocketAddr,
    _socket: OwnedFd,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        // So that a server may listen there beside it.
        set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = getsockname(&socket).unwrap().try_into().unwrap();
        Self { address, _socket: socket }
    }
}

/// A server that runs. Dropping `stop` stops it too, so that a story that panics leaves none behind.
struct Running {
    addresses: Vec<SocketAddr>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A program that another story is about to start has the sockets of all for a moment, also those of a server that has
/// ended.
async fn listen_again(config: &Config) -> Server {
    loop {
        match Server::bind(config.clone()).await {
            Err(StartError::Listen(ListenError::AddressInUse { .. })) => {
                async_std::task::sleep(Duration::from_millis(10)).await;
            }
            bound => return bound.unwrap(),
        }
    }
}

impl World {
    /// A world with a running server.
    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Reserved::new();
        let listen = vec![place.address.to_string()];
        let mut config = Config::new(listen, folder.path().join("server"));
        // Most stories are the same with and without them.
        config.tls = Tls::Off;
        config.rates = Rates::UNLIMITED;
        config.quota.first_contact = 0;
        config.quota.strangers = 0;
        config.files.reserve = 0;
        configure(&mut config);
        let identities = Mutex::default();
        let mut world = Self {
            folder,
            _place: place,
            config,
            identities,
            running: None,
            tells_of_lists: false,
        };
        world.start().await;
        world
    }

    /// Starts the server on its data folder.
    pub(crate) async fn start(&mut self) {
        assert!(self.running.is_none(), "it runs already");
        let server = patiently("the server listens", listen_again(&self.config)).await;
        let addresses = server.addresses();
        let (stop, stopped) = oneshot::channel();
        // Dropping the other end ends it too.
        let stopped = async {
            let _ = stopped.await;
        };
        let task = async_std::task::spawn(server.run(stopped));
        self.running = Some(Running { addresses, stop, task });
    }

    /// Stops the server and waits until it has ended.
    pub(crate) async fn stop(&mut self) {
        let Running { stop, task, .. } = self.running.take().unwrap();
        drop(stop);
        patiently("the server ends", task).await;
    }

    /// Begins to stop the server. Its end is to be awaited.
    pub(crate) fn begin_to_stop(&mut self) -> JoinHandle<()> {
        let Running { stop, task, .. } = self.running.take().unwrap();
        drop(stop);
        task
    }

    /// Stops the server and starts it again on the same data folder.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// The same, with the server configured differently.
    pub(crate) async fn restart_with(&mut self, configure: impl FnOnce(&mut Config)) {
        self.stop().await;
        configure(&mut self.config);
        self.start().await;
    }

    /// What the server's disk has now: a copy, made while the server runs.
    pub(crate) fn disk(&self) -> PathBuf {
        let copies = (1..).map(|n| self.folder.path().join(format!("server-{n}")));
        let copy = { copies }.find(|path| !path.exists()).unwrap();
        // First, so that it promises nothing that is written while the rest is copied.
        let watermark = Path::new("mailbox.watermark");
        fs::create_dir(&copy).unwrap();
        copy_file(&self.config.data.join(watermark), &copy.join(watermark));
        copy_folder(&self.config.data, &copy);
        copy
    }

    /// The server crashes: what comes to life again has what its disk had then, and nothing else.
    pub(crate) async fn crash(&mut self, disk: PathBuf) {
        self.restart_with(|config| config.data = disk).await;
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Where the server listens, if that is more than one address.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.running.as_ref().unwrap().addresses
    }

    /// A path for a story's own files; nothing is there yet.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Somebody's key, always the same one.
    pub(crate) fn identity(&self, name: &str) -> Arc<Identity> {
        let fresh = || Arc::new(Identity::generate().unwrap());
        self.identities.lock().unwrap().entry(name.into()).or_insert_with(fresh).clone()
    }

    /// A connection on which nobody has signed in.
    pub(crate) async fn connect(&self) -> Peer {
        self.connect_to(self.address()).await
    }

    /// The same, to one of several addresses.
    pub(crate) async fn connect_to(&self, address: SocketAddr) -> Peer {
        let stream = patiently("the server accepts", TcpStream::connect(address)).await.unwrap();
        let stream = std::net::TcpStream::try_from(stream).unwrap();
        let socket = Socket::Tcp(stream.try_clone().unwrap());
        if self.config.tls == Tls::Off {
            let transport = Transport::plain(socket).unwrap();
            return self.peer_on(address, transport, Some(stream.into()));
        }
        let name = address.ip().into();
        // Large, and stories have many of them on one stack.
        let connecting = Box::pin(Transport::connect(socket, ServerName::IpAddress(name)));
        self.peer_on(address, patiently("TLS is agreed on", connecting).await.unwrap(), None)
    }

    fn peer_on(&self, server: SocketAddr, transport: Transport, stream: Option<TcpStream>) -> Peer {
        let peer = Peer { stream, server: Some(server), ..Peer::on(transport) };
        if self.tells_of_lists { peer.telling_of_lists() } else { peer }
    }

    /// Somebody who has signed in and got WELCOME.
    pub(crate) async fn sign_in(&self, name: &str) -> Peer {
        self.sign_in_from(name, FIRST_INSTALLATION).await
    }

    /// The same, from one of several data folders.
    pub(crate) async fn sign_in_from(&self, name: &str, installation: &str) -> Peer {
        let mut peer = self.connect().await;
        peer.prove(name, &self.identity(name), installation).await;
        peer.expect(&format!("WELCOME {name}")).await;
        peer
    }

    /// A program of somebody's that nobody sits at.
    pub(crate) async fn sign_in_away(&self, name: &str) -> Peer {
        let mut peer = self.connect().await;
        let identity = self.identity(name);
        peer.prove_saying("away", name, &identity, FIRST_INSTALLATION).await;
        peer.expect(&format!("WELCOME {name}")).await;
        peer
    }

    /// Two people who have their conversation open.
    pub(crate) async fn conversation(&self, one: &str, other: &str) -> (Peer, Peer) {
        let mut first = self.sign_in(one).await;
        first.talk(other).await;
        let mut second = self.sign_in(other).await;
        first.expect(&format!("PRESENCE {other} online")).await;
        second.talk(one).await;
        (first, second)
    }

    /// The same, but the second blocks the first, who does not see them any more.
    pub(crate) async fn blocked(&self, one: &str, other: &str) -> (Peer, Peer) {
        let (mut first, mut second) = self.conversation(one, other).await;
        second.blocks(one).await;
        first.expect(&format!("PRESENCE {other} away")).await;
        (first, second)
    }
}

/// One connection, as the raw protocol. Dropping it closes the connection without a word.
pub(crate) struct Peer {
    name: String,
    half: BoxWriter,
    reader: FrameReader<ServerFrame>,
    /// The socket itself, if there is no TLS on it.
    stream: Option<TcpStream>,
    /// What its sign-in is bound to.
    pub(crate) channel: Channel,
    /// What it does about device lists; none in stories that are about them.
    lists: Option<Versions>,
    /// What came and was not read.
    unread: VecDeque<ServerFrame>,
    server: Option<SocketAddr>,
}

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) from: String,
    pub(crate) seq: u64,
    pub(crate) installation: String,
    pub(crate) n: u64,
    pub(crate) origin: String,
    pub(crate) text: String,
}

impl Peer {
    /// Somebody on a connection that was made already.
    pub(crate) fn on(transport: Transport) -> Self {
        let Transport { reader, writer: half, channel } = transport;
        let reader = FrameReader::new(reader);
        let lists = Some(Versions::default());
        let (name, stream, server, unread) = ("somebody".into(), None, None, VecDeque::new());
        Self { name, half, reader, stream, channel, lists, unread, server }
    }

    /// The story is about device lists: it is told of them, and messages are written for version 0.
    pub(crate) fn telling_of_lists(self) -> Self {
        Self { lists: None, ..self }
    }

    /// Claims a name and proves a key for it; what the server says to it is up to the story.
    pub(crate) async fn prove(&mut self, name: &str, identity: &Identity, installation: &str) {
        self.prove_saying("online", name, identity, installation).await;
    }

    /// The same, with a word for whether somebody is there.
    pub(crate) async fn prove_saying(
        &mut self,
        presence: &str,
        name: &str,
        identity: &Identity,
        installation: &str,
    ) {
        self.name = name.into();
        let key = identity.public();
        self.send(&format!("HELLO tinychat/2 {name} {key} {installation} {presence}")).await;
        let nonce = self.challenge().await;
        let text = sign_in_text(&name.parse().unwrap(), &nonce, &self.channel);
        self.send_proof(&identity.sign(SIGN_IN_NAMESPACE, &text).unwrap()).await;
    }

    /// The same from the first installation, maybe with the word of an invitation.
    pub(crate) async fn prove_invited(
        &mut self,
        name: &str,
        identity: &Identity,
        word: Option<&str>,
    ) {
        let word = word.map(|word| format!(" {word}")).unwrap_or_default();
        let key = identity.public();
        self.send(&format!("HELLO tinychat/2 {name} {key} {FIRST_INSTALLATION} online{word}"))
            .await;
        let nonce = self.challenge().await;
        let text = sign_in_text(&name.parse().unwrap(), &nonce, &self.channel);
        self.send_proof(&identity.sign(SIGN_IN_NAMESPACE, &text).unwrap()).await;
    }

    /// The nonce of the CHALLENGE that comes now.
    pub(crate) async fn challenge(&mut self) -> String {
        let line = self.next().await;
        line.strip_prefix("CHALLENGE ").unwrap_or_else(|| panic!("a CHALLENGE: {line}")).into()
    }

    /// Answers a CHALLENGE.
    pub(crate) async fn send_proof(&mut self, signature: &str) {
        self.send_bytes(format!("PROVE {}\r\n{signature}\r\n", signature.len()).as_bytes()).await;
    }

    /// Sends one line.
    pub(crate) async fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\r\n").as_bytes()).await;
    }

    /// Sends whatever it is.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let what = format!("the server takes what {} sends", self.name);
        let sending = async {
            self.half.write_all(bytes).await?;
            self.half.flush().await
        };
        patiently(&what, sending).await.unwrap();
    }

    /// Sends whatever it is, to a server that may have closed already.
    pub(crate) async fn try_to_send(&mut self, bytes: &[u8]) {
        let what = format!("the server takes what {} sends", self.name);
        let _ = patiently(&what, self.half.write_all(bytes)).await;
    }

    /// Opens a conversation, or begins it again. Returns what TALKING says behind the peer's name:
    /// presence, have, stored, delivered, waiting. The peer has no device list.
    pub(crate) async fn talk(&mut self, peer: &str) -> String {
        self.send(&format!("TALK {peer} 0")).await;
        // What waits may be announced until the conversation is open: the server may be late.
        let waiting = format!("WAITING {peer} ");
        let line = loop {
            let line = self.next_but_receipts().await;
            if !line.starts_with(&waiting) {
                break line;
            }
        };
        let told = line.strip_prefix(&format!("TALKING {peer} "));
        let told = told.and_then(|told| told.strip_suffix(" 0"));
        told.unwrap_or_else(|| panic!("{} expected TALKING {peer}, got: {line}", self.name)).into()
    }

    /// The same, again and again until all that the server has is stored.
    pub(crate) async fn talk_until_stored(&mut self, peer: &str) -> String {
        let stored = async {
            loop {
                let told = self.talk(peer).await;
                let mut words = told.split(' ').skip(1);
                if words.next() == words.next() {
                    return told;
                }
            }
        };
        patiently(&format!("all to {peer} is stored"), stored).await
    }

    /// The same as [`talk`](Self::talk), by a client that knows what became of everything up to
    /// `settled`. Returns everything but receipts up to and with TALKING.
    pub(crate) async fn settle(&mut self, peer: &str, settled: u64) -> Vec<String> {
        self.send(&format!("TALK {peer} {settled}")).await;
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.starts_with("TALKING ")) {
            lines.push(self.next_but_receipts().await);
        }
        lines
    }

    /// Writes a message.
    pub(crate) async fn say(&mut self, peer: &str, n: u64, text: &str) {
        let message = self.message(peer, n, text);
        self.send_bytes(message.as_bytes()).await;
        self.until_taken(peer).await;
    }

    /// What was written to a real client is accepted, also if that has just come into its list of devices.
    async fn until_taken(&mut self, peer: &str) {
        let is_real = |server| is_real(server, peer);
        if self.lists.is_none() || !self.server.is_some_and(is_real) {
            return;
        }
        loop {
            self.try_to_send(format!("DEVICES {peer}\r\n").as_bytes()).await;
            loop {
                match self.receive().await {
                    Some(ServerFrame::Devices { .. }) => break,
                    Some(frame) => self.unread.push_back(frame),
                    None => return,
                }
            }
            if self.lists.as_mut().is_some_and(|lists| lists.is_settled(peer)) {
                return;
            }
        }
    }

    fn message(&mut self, peer: &str, n: u64, text: &str) -> String {
        match &mut self.lists {
            Some(lists) => lists.message(peer, n, text),
            None => message(peer, n, text),
        }
    }

    /// Writes many messages with one write: `text(n)` for each number.
    pub(crate) async fn say_all(
        &mut self,
        peer: &str,
        numbers: impl IntoIterator<Item = u64>,
        text: impl Fn(u64) -> String,
    ) {
        let all: String = numbers.into_iter().map(|n| self.message(peer, n, &text(n))).collect();
        self.send_bytes(all.as_bytes()).await;
        self.until_taken(peer).await;
    }

    /// The next message. Receipts, presence and what waits elsewhere may come before it.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            match self.frame().await {
                ServerFrame::Message { peer, seq, message } => {
                    return Heard {
                        from: peer.to_string(),
                        seq,
                        installation: message.id.installation.to_string(),
                        n: message.id.n,
                        origin: message.origin.to_string(),
                        text: String::from_utf8(message.body.to_vec()).unwrap(),
                    };
                }
                ServerFrame::Stored { .. }
                | ServerFrame::Delivered { .. }
                | ServerFrame::Presence { .. }
                | ServerFrame::Key { .. }
                | ServerFrame::Waiting { .. } => {}
                other => panic!("{} expected a message, got: {}", self.name, line(&other)),
            }
        }
    }

    /// The next message is this one.
    pub(crate) async fn hears(&mut self, from: &str, seq: u64, n: u64, text: &str) {
        let heard = self.hear().await;
        let got = (heard.from.as_str(), heard.seq, heard.n, heard.text.as_str());
        assert_eq!(got, (from, seq, n, text), "heard by {}", self.name);
    }

    /// The next messages are those with these numbers and `text(n)`, with seqs from `seq` on.
    pub(crate) async fn hears_all(
        &mut self,
        from: &str,
        mut seq: u64,
        numbers: impl IntoIterator<Item = u64>,
        text: impl Fn(u64) -> String,
    ) {
        for n in numbers {
            self.hears(from, seq, n, &text(n)).await;
            seq += 1;
        }
    }

    /// Hears no more of somebody.
    pub(crate) async fn blocks(&mut self, peer: &str) {
        self.send(&format!("BLOCK {peer}")).await;
        self.expect(&format!("BLOCKED {peer}")).await;
    }

    /// Says that everything up to `seq` is on disk.
    pub(crate) async fn ack(&mut self, peer: &str, seq: u64) {
        self.send(&format!("ACK {peer} {seq}")).await;
    }

    /// The next line is this one. Of `ERR`, `BYE` and `WELCOME` only the beginning is compared: what
    /// follows is for people, or may grow. Receipts and `KEY` may come before, but none that says more about
    /// the same conversation than an expected receipt does.
    pub(crate) async fn expect(&mut self, expected: &str) {
        loop {
            let line = self.next().await;
            if fits(&line, expected) {
                return;
            }
            let skipped = is_receipt(&line) && !says_more(&line, expected);
            assert!(skipped, "{} expected {expected:?}, got {line:?}", self.name);
        }
    }

    /// Everything up to the answer to a PING that is sent now. Whatever this peer sent before has been
    /// handled then. What others caused before may come behind the answer, but not behind that to a
    /// second PING.
    pub(crate) async fn barrier(&mut self) -> Vec<String> {
        self.send("PING").await;
        let mut lines = Vec::new();
        loop {
            let line = self.next().await;
            if line == "PONG" {
                return lines;
            }
            lines.push(line);
        }
    }

    /// Everything that has been caused so far and not been read.
    pub(crate) async fn catch_up_with_receipts(&mut self) -> Vec<String> {
        let mut lines = self.barrier().await;
        lines.extend(self.barrier().await);
        lines
    }

    /// Everything but receipts that has been caused so far and not been read.
    pub(crate) async fn catch_up(&mut self) -> Vec<String> {
        let mut lines = self.catch_up_with_receipts().await;
        lines.retain(|line| !is_receipt(line));
        lines
    }

    /// Nothing but receipts has come.
    pub(crate) async fn hears_nothing(&mut self) {
        let lines = self.catch_up().await;
        assert!(lines.is_empty(), "{} should have got nothing: {lines:?}", self.name);
    }

    /// Waits until somebody is no longer listed by ONLINE.
    pub(crate) async fn until_away(&mut self, name: &str) {
        let away = async {
            loop {
                self.send("ONLINE").await;
                let line = self.next_but_receipts().await;
                if !line.lines().skip(1).any(|it| it == name) {
                    return;
                }
            }
        };
        patiently(&format!("{name} is away"), away).await;
    }

    /// What there is to go on with another kind of frame.
    pub(crate) fn into_parts(self) -> (FrameReader<ServerFrame>, BoxWriter) {
        (self.reader, self.half)
    }

    /// Quits, and waits for the server's goodbye.
    pub(crate) async fn quit(mut self) {
        self.send("QUIT").await;
        let lines: Vec<_> = self.rest().await.iter().map(line).collect();
        assert!(lines.last().is_some_and(|last| fits(last, "BYE quit")), "a goodbye: {lines:?}");
    }

    /// The server has closed, and said nothing more.
    pub(crate) async fn end(mut self) {
        let next = self.read().await;
        assert!(next.is_none(), "{} expected the end, got: {:?}", self.name, next);
    }

    /// All that still comes, until the server has closed. What is cut off in the middle of a frame is
    /// left out.
    pub(crate) async fn rest(mut self) -> Vec<ServerFrame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.read().await {
            frames.push(frame);
        }
        frames
    }

    /// Says no more, and reads until the server has closed.
    pub(crate) async fn close_and_read(mut self) -> Vec<ServerFrame> {
        patiently("closing", self.half.close()).await.unwrap();
        self.rest().await
    }

    /// The next frame's header line, without CR LF; the names of ONLINE behind it, one a line.
    pub(crate) async fn next(&mut self) -> String {
        line(&self.frame().await)
    }

    /// The next frame. The server's PING is answered on the way.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        // Bounded as a whole: a server that asks again and again must not keep a story going.
        let what = format!("a frame for {}", self.name);
        let frame = async {
            loop {
                let frame = self.frame_or_ping().await;
                if frame != ServerFrame::Ping {
                    return frame;
                }
                self.send("PONG").await;
            }
        };
        patiently(&what, frame).await
    }

    /// The next frame, also if it is the server's PING, which then is not answered.
    pub(crate) async fn frame_or_ping(&mut self) -> ServerFrame {
        match self.read().await {
            Some(frame) => frame,
            None => panic!("the server closed {}'s connection", self.name),
        }
    }

    /// Reads up to so many bytes past the decoder; none at the end.
    pub(crate) async fn raw(&mut self, at_most: usize) -> Vec<u8> {
        let mut bytes = vec![0; at_most];
        let what = format!("bytes for {}", self.name);
        let read =
            patiently(&what, self.stream.as_mut().unwrap().read(&mut bytes)).await.unwrap_or(0);
        bytes.truncate(read);
        bytes
    }

    /// Reads past the decoder until the server has closed.
    pub(crate) async fn raw_to_the_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let what = format!("the end of {}'s connection", self.name);
        // A reset is an end too.
        let _ = patiently(&what, self.stream.as_mut().unwrap().read_to_end(&mut bytes)).await;
        bytes
    }

    /// The next line; none if the server has closed.
    pub(crate) async fn next_line(&mut self) -> Option<String> {
        self.read().await.map(|frame| line(&frame))
    }

    /// The next line that is no receipt.
    pub(crate) async fn next_but_receipts(&mut self) -> String {
        loop {
            let line = self.next().await;
            if !is_receipt(&line) {
                return line;
            }
        }
    }

    /// `None` at the end. A reset is an end: the server closed while we were still sending.
    async fn read(&mut self) -> Option<ServerFrame> {
        match self.unread.pop_front() {
            Some(frame) => Some(frame),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Option<ServerFrame> {
        loop {
            let next = patiently(&format!("a frame for {}", self.name), self.reader.next()).await;
            let next = next.ok()??;
            let frame = next.unwrap_or_else(|error| panic!("{}: {error}", self.name));
            let Some(lists) = &mut self.lists else { return Some(frame) };
            let (shown, said) = lists.take(frame);
            if !said.is_empty() {
                self.try_to_send(said.as_bytes()).await;
            }
            if shown.is_some() {
                return shown;
            }
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => {
                fs::create_dir(&to).unwrap();
                copy_folder(&from, &to);
            }
            kind if kind.is_file() && !to.exists() => copy_file(&from, &to),
            // A socket; or what was copied before.
            _ => {}
        }
    }
}

/// Copies a file, but for the zeros that it is made with: the store's journal has many.
fn copy_file(from: &Path, to: &Path) {
    const ZEROS: &[u8] = &[0; 64 * 1024];
    let mut source = match File::open(from) {
        // Written and renamed meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        source => source.unwrap(),
    };
    let mut copy = File::create(to).unwrap();
    let (mut piece, mut length) = (ZEROS.to_vec(), 0);
    while let read @ 1.. = source.read(&mut piece).unwrap() {
        length += read as u64;
        if piece[..read] == ZEROS[..read] {
            copy.seek(SeekFrom::Start(length)).unwrap();
        } else {
            copy.write_all(&piece[..read]).unwrap();
        }
    }
    copy.set_len(length).unwrap();
}

/// The bytes of a message to `peer`.
pub(crate) fn message(peer: &str, n: u64, text: &str) -> String {
    message_for(peer, n, 0, text)
}

/// The same, for a version of their device list.
pub(crate) fn message_for(peer: &str, n: u64, version: u64, text: &str) -> String {
    let mut frame = String::new();
    let _ = write!(frame, "MSG {peer} {n} {n:032x} text {version} {}\r\n{text}\r\n", text.len());
    frame
}

/// A frame as text: its header line, and its body behind it.
pub(crate) fn line(frame: &impl Frame) -> String {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().into()
}

/// What may come in between: receipts, and whose a name is that somebody has claimed.
fn is_receipt(line: &str) -> bool {
    as_receipt(line).is_some() || line.starts_with("KEY ")
}

/// See [`Peer::expect`].
fn fits(line: &str, expected: &str) -> bool {
    let open_ended = ["ERR ", "BYE ", "WELCOME "].iter().any(|verb| line.starts_with(verb));
    let rest = line.strip_prefix(expected);
    rest.is_some_and(|rest| rest.is_empty() || (open_ended && rest.starts_with(' ')))
}

/// Whether a receipt goes beyond the one that is expected, about the same peer. STORED never goes
/// beyond DELIVERED; DELIVERED goes beyond STORED already with the same number.
fn says_more(line: &str, expected: &str) -> bool {
    let (Some((delivered, peer, n)), Some((awaited, whom, up_to))) =
        (as_receipt(line), as_receipt(expected))
    else {
        return false;
    };
    let more = match (delivered, awaited) {
        (false, true) => false,
        (true, false) => n >= up_to,
        _ => n > up_to,
    };
    peer == whom && more
}

/// Whether a receipt is DELIVERED, of which peer, up to which number.
fn as_receipt(line: &str) -> Option<(bool, &str, u64)> {
    let mut words = line.split(' ');
    let verb = words.next().filter(|verb| ["STORED", "DELIVERED"].contains(verb))?;
    Some((verb == "DELIVERED", words.next()?, words.next()?.parse().ok()?))
}
