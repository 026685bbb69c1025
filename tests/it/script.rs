//! A server that the story plays itself, frame by frame: for what a real one does seldom or never.
//!
//! Owned by the story. Frames are written and compared as lines, as in `world`, and nobody sleeps:
//! [`Caller::catch_up`] says that the client has handled all that it was told.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use async_std::net::{TcpListener, TcpStream};
use bytes::{Bytes, BytesMut};
use futures::AsyncWriteExt;
use tinychat::trust::Identity;
use tinychat::trust::devices::Bundle;
use tinychat::wire::codec::Frame;
use tinychat::wire::frame::ClientFrame;
use tinychat::wire::stream::FrameReader;
use tinychat::wire::transport::{BoxWriter, Socket, Transport};

use crate::world::patiently;

/// Where clients call.
pub(crate) struct Stage {
    listener: TcpListener,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next client connects and is signed in, whatever it proves.
    pub(crate) async fn receive(&self) -> Caller {
        self.receive_saying(&[]).await
    }

    /// The same by a server with these limits: words of `WELCOME`.
    pub(crate) async fn receive_announcing(&self, limits: &str) -> Caller {
        let mut caller = self.meet().await;
        let (nonce, welcome) = ("0".repeat(64), format!("WELCOME {} {limits}", caller.name));
        caller.sign_in(&nonce, &[&welcome]).await;
        caller
    }

    /// The next connection, on which nobody signs in: a client that carries a file.
    pub(crate) async fn receive_carrier(&self) -> TcpStream {
        patiently("a client carries", self.listener.accept()).await.unwrap().0
    }

    /// The same, and these lines come with `WELCOME` in one write.
    pub(crate) async fn receive_saying(&self, lines: &[&str]) -> Caller {
        let mut caller = self.meet().await;
        let (nonce, welcome) = ("0".repeat(64), format!("WELCOME {}", caller.name));
        caller.sign_in(&nonce, &[&[welcome.as_str()], lines].concat()).await;
        caller
    }

    /// The next client connects and says who it is.
    pub(crate) async fn meet(&self) -> Caller {
        let accepted = patiently("a client connects", self.listener.accept()).await;
        let (stream, _) = accepted.unwrap();
        let socket = Socket::Tcp(stream.try_into().unwrap());
        let Transport { reader, writer: half, .. } = Transport::plain(socket).unwrap();
        let reader = FrameReader::new(reader);
        let (name, installation, keys) = Default::default();
        let (tells_of_list, list) = (false, None);
        let mut caller = Caller { half, reader, name, installation, keys, tells_of_list, list };
        let Some(ClientFrame::Hello { name, installation, .. }) = caller.read().await else {
            panic!("a client begins with HELLO");
        };
        (caller.name, caller.installation) = (name.to_string(), installation.to_string());
        caller
    }

    /// The same, and this is the answer to the `TALK` that it begins with.
    pub(crate) async fn receive_talking(&self, talk: &str, talking: &str) -> Caller {
        let mut caller = self.receive().await;
        caller.expect(talk).await;
        caller.say(talking).await;
        caller
    }
}

/// One client's connection. Dropping it closes the connection without a word.
pub(crate) struct Caller {
    half: BoxWriter,
    reader: FrameReader<ClientFrame>,
    name: String,
    /// The keys of those who have names.
    keys: BTreeMap<String, String>,
    /// The data folder that it writes from.
    pub(crate) installation: String,
    tells_of_list: bool,
    /// Of its devices.
    list: Option<Bundle>,
}

impl Caller {
    /// Whatever it proves, these lines are the answer.
    pub(crate) async fn sign_in(&mut self, nonce: &str, lines: &[&str]) {
        self.say(&format!("CHALLENGE {nonce}")).await;
        let proof = self.read().await;
        assert!(matches!(proof, Some(ClientFrame::Prove { .. })), "a proof, not {proof:?}");
        self.say_all(lines).await;
    }

    /// The story wants to know when the client asks for its own list of devices, and answers. In other stories the list is
    /// taken, and told, until the connection ends.
    pub(crate) fn telling_of_list(self) -> Self {
        Self { tells_of_list: true, ..self }
    }

    /// The next thing that the client says is a list of devices.
    pub(crate) async fn expect_list(&mut self) -> Bundle {
        match self.read().await {
            Some(ClientFrame::List { bundle }) => Bundle::read(bundle).unwrap(),
            other => panic!("{} says a list, and not {other:?}", self.name),
        }
    }

    /// Whether a list is the client's own, and the story does not want to know of it.
    fn takes(&self, bundle: &Bytes) -> bool {
        let is_own = |it: Bundle| it.list().owner().name.as_str() == self.name;
        !self.tells_of_list && Bundle::read(bundle.clone()).is_ok_and(is_own)
    }

    /// Shows the client its own list, or that it has none.
    pub(crate) async fn show_list(&mut self, list: Option<&Bundle>) {
        self.say(&self.shown_list(list)).await;
    }

    fn shown_list(&self, list: Option<&Bundle>) -> String {
        let (version, text) = match list {
            Some(list) => (list.list().version(), str::from_utf8(list.bytes()).unwrap()),
            None => (0, ""),
        };
        format!("DEVICES {} {version} {}\r\n{text}", self.name, text.len())
    }

    /// From now on somebody has a name.
    pub(crate) fn knows(&mut self, name: &str, identity: &Identity) {
        self.keys.insert(name.into(), identity.public().to_string());
    }

    /// Says one line.
    pub(crate) async fn say(&mut self, line: &str) {
        self.say_all(&[line]).await;
    }

    /// Says what no story waits for. The client may be gone.
    async fn answer(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        let written = self.half.write_all(line.as_bytes());
        let _ = patiently("the client takes what it asked for", written).await;
    }

    /// Says several lines with one write.
    pub(crate) async fn say_all(&mut self, lines: &[&str]) {
        let bytes: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let written = self.half.write_all(bytes.as_bytes());
        patiently("the client takes what it is told", written).await.unwrap();
    }

    /// The next line is this one. Behind the header of a message its body is shown.
    pub(crate) async fn expect(&mut self, expected: &str) {
        assert_eq!(self.next().await.as_deref(), Some(expected), "said by {}", self.name);
    }

    /// The next lines are these.
    pub(crate) async fn expect_all(&mut self, expected: &[&str]) {
        for line in expected {
            self.expect(line).await;
        }
    }

    /// The next lines are these messages to `peer`, numbered from `n` on.
    pub(crate) async fn expect_messages(&mut self, peer: &str, n: u64, texts: &[&str]) {
        for (n, text) in (n..).zip(texts) {
            self.expect(&format!("MSG {peer} {n} text 0 {} {text}", text.len())).await;
        }
    }

    /// The next frame is this message to `peer`, sealed for this version of the peer's device list.
    pub(crate) async fn expect_sealed(&mut self, peer: &str, n: u64, version: u64) {
        let (said, header) = (self.next().await, format!("MSG {peer} {n} seal {version} "));
        let is_sealed = said.as_ref().is_some_and(|line| line.starts_with(&header));
        assert!(is_sealed, "said by {}: {said:?} instead of {header}", self.name);
    }

    /// All that the client says until it has handled what it was told before.
    pub(crate) async fn catch_up(&mut self) -> Vec<String> {
        self.say("PING").await;
        let mut lines = Vec::new();
        loop {
            match self.next().await {
                Some(line) if line == "PONG" => return lines,
                Some(line) => lines.push(line),
                None => panic!("{} closed instead of answering; it had said {lines:?}", self.name),
            }
        }
    }

    /// Says its last lines, and waits until the client has closed.
    pub(crate) async fn rest_after(mut self, lines: &[&str]) -> Vec<String> {
        self.say_all(lines).await;
        self.rest().await
    }

    /// All that the client still says, until it has closed.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.next().await {
            lines.push(line);
        }
        lines
    }

    async fn next(&mut self) -> Option<String> {
        self.read().await.map(|frame| line(&frame))
    }

    /// `None` at the end. A reset is an end: the client was killed, or closed with frames unread. It is told whose name
    /// somebody is.
    async fn read(&mut self) -> Option<ClientFrame> {
        loop {
            let next = patiently("a frame of the client", self.reader.next()).await;
            match next.ok()?.map(|it| it.unwrap_or_else(|error| panic!("{}: {error}", self.name))) {
                Some(ClientFrame::Key { peer }) => {
                    let key = self.keys.get(peer.as_str()).map_or("-", String::as_str);
                    self.say(&format!("KEY {peer} {key}")).await;
                }
                Some(ClientFrame::Devices { peer })
                    if peer.as_str() == self.name && !self.tells_of_list =>
                {
                    let list = self.list.clone();
                    self.answer(&self.shown_list(list.as_ref())).await;
                }
                Some(ClientFrame::List { bundle }) if self.takes(&bundle) => {
                    let list = Bundle::read(bundle).unwrap();
                    self.answer(&format!("LISTED {} {}", self.name, list.list().version())).await;
                    self.list = Some(list);
                }
                frame => return frame,
            }
        }
    }
}

/// A message to the client, as lines to say.
pub(crate) fn message(from: &str, seq: u64, installation: &str, n: u64, text: &str) -> String {
    format!(
        "MSG {from} {seq} {installation} {n} {n:032x} 1700000000000 text {}\r\n{text}",
        text.len()
    )
}

/// A frame as a line; of a message without its origin, which is random.
fn line(frame: &ClientFrame) -> String {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", " ");
    match frame {
        ClientFrame::Message { origin, .. } => text.replacen(&format!(" {origin}"), "", 1),
        _ => text,
    }
    .trim_end()
    .into()
}
