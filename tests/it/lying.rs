//! A server that lies: somebody between a client and the real one, who hands on what both say, or says something else; no
//! tests.
//!
//! Owned by the story. What both say is read and written by the crate's own codec; there is no TLS on it, and nobody
//! carries files through it. Invariant: the real server hears nothing of a message that was planted, also not that it was
//! acknowledged.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Mutex};

use async_channel::{Receiver, Sender, unbounded};
use async_std::net::{TcpListener, TcpStream};
use async_std::task::spawn;
use bytes::BytesMut;
use futures::channel::oneshot;
use futures::{AsyncReadExt, AsyncWriteExt};
use tinychat::message::{Message, Name};
use tinychat::wire::codec::{Decoder, Frame};
use tinychat::wire::frame::{ClientFrame, ServerFrame};

/// From here on messages are numbered on a connection that are planted: more than any real server sends.
const PLANTED: u64 = 1 << 40;

/// What a client hears instead of something that the server says.
type Lie = Box<dyn FnMut(ServerFrame) -> Vec<ServerFrame> + Send>;

/// What the server hears instead of something that a client says.
type Twist = Box<dyn FnMut(ClientFrame) -> Vec<ClientFrame> + Send>;

/// See the [module](self).
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

/// What a client says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Acknowledged,
    Bounced,
}

#[derive(Default)]
struct Shared {
    lie: Mutex<Option<Lie>>,
    twist: Mutex<Option<Twist>>,
    lines: Mutex<Vec<Line>>,
    /// All bytes that came: of each connection, and each direction of it.
    carried: Mutex<Vec<Vec<u8>>>,
    /// What the server sent, as it said it.
    messages: Mutex<Vec<(Name, Message)>>,
    planted: Mutex<Planted>,
}

#[derive(Default)]
struct Planted {
    count: u64,
    /// By number: whoever waits for the answer.
    awaited: BTreeMap<u64, oneshot::Sender<Answer>>,
}

/// A connection.
struct Line {
    client: TcpStream,
    server: TcpStream,
    to_client: Sender<Vec<u8>>,
}

impl Liar {
    /// In front of a server, which it does not lie about yet.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        spawn(serve(listener, server, shared.clone()));
        Self { address, shared }
    }

    /// From now on clients hear what this makes of what the server says.
    pub(crate) fn lies(&self, lie: impl FnMut(ServerFrame) -> Vec<ServerFrame> + Send + 'static) {
        *self.shared.lie.lock().unwrap() = Some(Box::new(lie));
    }

    /// The next message comes as another one.
    pub(crate) fn changes_next(
        &self,
        change: impl FnOnce(&mut Name, &mut Message) + Send + 'static,
    ) {
        let mut change = Some(change);
        self.lies(move |mut frame| {
            if let ServerFrame::Message { peer, message, .. } = &mut frame
                && let Some(change) = change.take()
            {
                change(peer, message);
            }
            vec![frame]
        });
    }

    /// From now on the server hears what this makes of what clients say.
    pub(crate) fn twists(
        &self,
        twist: impl FnMut(ClientFrame) -> Vec<ClientFrame> + Send + 'static,
    ) {
        *self.shared.twist.lock().unwrap() = Some(Box::new(twist));
    }

    /// Says something of its own on the newest connection.
    pub(crate) fn says(&self, frame: &ServerFrame) {
        let lines = self.shared.lines.lock().unwrap();
        lines.last().unwrap().to_client.try_send(encoded(frame)).unwrap();
    }

    /// Says a message that nobody sent. Gives what the client answers, if it does.
    pub(crate) fn plants(&self, from: &str, message: Message) -> oneshot::Receiver<Answer> {
        let (tell, answered) = oneshot::channel();
        let seq = {
            let mut planted = self.shared.planted.lock().unwrap();
            let seq = PLANTED + planted.count;
            planted.count += 1;
            planted.awaited.insert(seq, tell);
            seq
        };
        self.says(&ServerFrame::Message { peer: from.parse().unwrap(), seq, message });
        answered
    }

    /// Ends all connections.
    pub(crate) fn cuts(&self) {
        for line in self.shared.lines.lock().unwrap().drain(..) {
            for side in [line.client, line.server] {
                // Either may have ended.
                let _ = side.shutdown(Shutdown::Both);
            }
        }
    }

    /// Hands on from now on what is said, and ends all connections: what was not acknowledged comes again.
    pub(crate) fn turns_honest(&self) {
        *self.shared.lie.lock().unwrap() = None;
        *self.shared.twist.lock().unwrap() = None;
        self.cuts();
    }

    /// The messages that the server has sent so far, and as whose.
    pub(crate) fn messages(&self) -> Vec<(Name, Message)> {
        self.shared.messages.lock().unwrap().clone()
    }

    /// All bytes that were said so far: of each connection, and each direction of it.
    pub(crate) fn carried(&self) -> Vec<Vec<u8>> {
        self.shared.carried.lock().unwrap().clone()
    }
}

impl Shared {
    /// What a client hears.
    fn told(&self, frame: ServerFrame) -> Vec<ServerFrame> {
        if let ServerFrame::Message { peer, message, .. } = &frame {
            self.messages.lock().unwrap().push((peer.clone(), message.clone()));
        }
        match &mut *self.lie.lock().unwrap() {
            Some(lie) => lie(frame),
            None => vec![frame],
        }
    }

    /// What the server hears.
    fn said(&self, frame: ClientFrame) -> Vec<ClientFrame> {
        let (seq, answer) = match &frame {
            ClientFrame::Ack { seq, .. } => (*seq, Answer::Acknowledged),
            ClientFrame::Bounce { seq, .. } => (*seq, Answer::Bounced),
            _ => (0, Answer::Acknowledged),
        };
        if seq >= PLANTED {
            if let Some(awaited) = self.planted.lock().unwrap().awaited.remove(&seq) {
                // The story need not wait for it.
                let _ = awaited.send(answer);
            }
            return Vec::new();
        }
        match &mut *self.twist.lock().unwrap() {
            Some(twist) => twist(frame),
            None => vec![frame],
        }
    }

    /// Where to write down one direction of a connection.
    fn begin_record(&self) -> usize {
        let mut carried = self.carried.lock().unwrap();
        carried.push(Vec::new());
        carried.len() - 1
    }

    fn record(&self, at: usize, bytes: &[u8]) {
        self.carried.lock().unwrap()[at].extend_from_slice(bytes);
    }
}

async fn serve(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        // The real one may be away.
        let Ok(server) = TcpStream::connect(address).await else { continue };
        for side in [&client, &server] {
            side.set_nodelay(true).unwrap();
        }
        let (to_client, said) = unbounded();
        let line =
            Line { client: client.clone(), server: server.clone(), to_client: to_client.clone() };
        shared.lines.lock().unwrap().push(line);
        spawn(write(said, client.clone()));
        spawn(hand_down(server.clone(), to_client, shared.clone()));
        spawn(hand_up(client, server, shared.clone()));
    }
}

/// Writes what a client is told, until the connection ends.
async fn write(said: Receiver<Vec<u8>>, mut client: TcpStream) {
    while let Ok(bytes) = said.recv().await {
        if client.write_all(&bytes).await.is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

async fn hand_down(mut server: TcpStream, to_client: Sender<Vec<u8>>, shared: Arc<Shared>) {
    let (mut decoder, record) = (Decoder::default(), shared.begin_record());
    while let Some(frame) = next(&mut server, &mut decoder, &shared, record).await {
        for frame in shared.told(frame) {
            // The client may be gone.
            let _ = to_client.try_send(encoded(&frame));
        }
    }
    to_client.close();
}

async fn hand_up(mut client: TcpStream, mut server: TcpStream, shared: Arc<Shared>) {
    let (mut decoder, record) = (Decoder::default(), shared.begin_record());
    while let Some(frame) = next(&mut client, &mut decoder, &shared, record).await {
        for frame in shared.said(frame) {
            // The server may be gone.
            let _ = server.write_all(&encoded(&frame)).await;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}

/// The next frame of one side; none at its end.
async fn next<F: Frame>(
    from: &mut TcpStream,
    decoder: &mut Decoder<F>,
    shared: &Shared,
    record: usize,
) -> Option<F> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let frame = decoder.decode().unwrap_or_else(|error| panic!("it is no frame: {error}"));
        if frame.is_some() {
            return frame;
        }
        let read = from.read(&mut piece).await.unwrap_or(0);
        if read == 0 {
            return None;
        }
        shared.record(record, &piece[..read]);
        decoder.feed(&piece[..read]);
    }
}

fn encoded(frame: &impl Frame) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    bytes.to_vec()
}
