//! The load: pairs of ends that talk through what is measured, and check what comes.
//!
//! Made to cost little, so that the load is not what is measured: blocking sockets with a thread for
//! each end instead of a runtime, and for messages no codec but a few lines that compare bytes. All
//! other frames go through [`tinychat::wire`]. Everything that waits ends after [`PATIENCE`] with an
//! error.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use memchr::memchr;
use tinychat::message::{Installation, Name};
use tinychat::trust::Identity;
use tinychat::wire::codec::{Decoder, Frame};
use tinychat::wire::frame::{ClientFrame, ServerFrame};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use super::subject::Kind;
use super::{Error, Result};

/// How many messages of a sender are not yet delivered, at most.
pub(super) const WINDOW: u64 = 512;

/// How long nothing may come that should come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How much one read may bring.
const READ_CHUNK: usize = 64 * 1024;

/// How many sign in at once: signing costs the load about what checking costs the server.
const SIGNING_IN: usize = 4;

/// The bodies, of 64 bytes. The last message of a run has the other one.
const BODY: [u8; 64] = [b'.'; 64];
const LAST_BODY: [u8; 64] = [b'!'; 64];

/// Everybody's data folder; a new name has never written from it.
const INSTALLATION: Installation = Installation::from_u64(1);

/// One end of a conversation.
struct End {
    kind: Kind,
    /// The other end.
    peer: Name,
    socket: TcpStream,
    /// What was read; all before `start` was looked at, all from `end` on means nothing.
    input: Vec<u8>,
    start: usize,
    end: usize,
    out: BytesMut,
    /// The numbers of the last messages that went and came.
    last_sent: u64,
    last_come: u64,
}

/// What comes.
enum Come {
    /// The next message, with the number to acknowledge it by.
    Message { seq: u64, last: bool },
    /// Anything else.
    Other(ServerFrame),
}

impl End {
    fn connect(kind: Kind, address: SocketAddr, peer: Name) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            kind,
            peer,
            socket,
            input: vec![0; READ_CHUNK],
            start: 0,
            end: 0,
            out: BytesMut::new(),
            last_sent: 0,
            last_come: 0,
        })
    }

    fn sign_in(address: SocketAddr, identity: &Identity, name: &Name, peer: Name) -> Result<Self> {
        let mut end = Self::connect(Kind::Tinychat, address, peer)?;
        let key = identity.public().to_string().into();
        end.say(&ClientFrame::Hello { name: name.clone(), key, installation: INSTALLATION })?;
        let nonce = match end.next()? {
            Come::Other(ServerFrame::Challenge { nonce }) => nonce,
            other => return Err(unexpected(&other)),
        };
        let signature = identity.sign(SIGN_IN_NAMESPACE, &sign_in_text(name, &nonce))?.into();
        end.say(&ClientFrame::Prove { signature })?;
        match end.next()? {
            Come::Other(ServerFrame::Welcome { .. }) => Ok(end),
            other => Err(unexpected(&other)),
        }
    }

    fn open_conversation(&mut self) -> Result<()> {
        self.say(&ClientFrame::Talk { peer: self.peer.clone(), settled: 0 })?;
        match self.next()? {
            Come::Other(ServerFrame::Talking { .. }) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn say(&mut self, frame: &impl Frame) -> Result<()> {
        frame.encode(&mut self.out);
        self.flush()
    }

    /// Puts a message to what is written next. Through the relay it goes as it comes from a server.
    fn put_message(&mut self, body: &[u8]) {
        self.last_sent += 1;
        let Self { kind, peer, out, last_sent: n, .. } = self;
        for word in ["MSG ", peer.as_str(), " "] {
            out.put_slice(word.as_bytes());
        }
        put_number(out, *n);
        if *kind == Kind::Relay {
            out.put_slice(b" 0000000000000001 ");
            put_number(out, *n);
            out.put_slice(b" 1767225600000");
        }
        out.put_slice(b" text 64\r\n");
        out.put_slice(body);
        out.put_slice(b"\r\n");
    }

    /// Puts an acknowledgement to what is written next. Through the relay it goes as the receipt
    /// that a server makes of it.
    fn put_acknowledgement(&mut self, seq: u64) {
        let peer = self.peer.clone();
        match self.kind {
            Kind::Tinychat => ClientFrame::Ack { peer, seq }.encode(&mut self.out),
            Kind::Relay => ServerFrame::Delivered { peer, n: seq }.encode(&mut self.out),
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        self.input.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.input.len() {
            self.input.resize(2 * self.end, 0);
        }
        match self.socket.read(&mut self.input[self.end..]) {
            Ok(0) => Err("the connection was closed".into()),
            Ok(read) => {
                self.end += read;
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(format!("nothing came for {PATIENCE:?}").into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn next(&mut self) -> Result<Come> {
        loop {
            if let Some(come) = self.next_ready()? {
                return Ok(come);
            }
            self.fill()?;
        }
    }

    /// The next frame among what was read.
    fn next_ready(&mut self) -> Result<Option<Come>> {
        let Some(header) = memchr(b'\n', &self.input[self.start..self.end]) else {
            return Ok(None);
        };
        let body = self.start + header + 1;
        let header = &self.input[self.start..body];
        let with_body = header.starts_with(b"MSG ") || header.starts_with(b"ONLINE ");
        let end = if with_body { body + body_length(header)? + 2 } else { body };
        if end > self.end {
            return Ok(None);
        }
        let start = std::mem::replace(&mut self.start, end);
        if self.input[start..].starts_with(b"MSG ") {
            return self.check_message(start, body, end).map(Some);
        }
        let mut decoder = Decoder::default();
        decoder.feed(&self.input[start..end]);
        Ok(decoder.decode()?.map(Come::Other))
    }

    /// Makes sure that a message is the next one, from the peer and unchanged. On this connection,
    /// where nothing was sent twice, the server's number is the sender's.
    fn check_message(&mut self, start: usize, body: usize, end: usize) -> Result<Come> {
        let mut words = self.input[start..body].split(|byte| *byte == b' ').skip(1);
        let from = words.next().unwrap_or_default();
        let (seq, n) = (number(words.next())?, number(words.nth(1))?);
        let last = self.input[body..end].starts_with(&LAST_BODY);
        let meant = if last { &LAST_BODY } else { &BODY };
        let whole = self.input[body..end].strip_suffix(b"\r\n") == Some(meant);
        let next = n == self.last_come + 1 && seq == n;
        if !next || from != self.peer.as_str().as_bytes() || !whole {
            let shown = String::from_utf8_lossy(&self.input[start..end]);
            return Err(format!("{shown:?} came after message {}", self.last_come).into());
        }
        self.last_come = n;
        Ok(Come::Message { seq, last })
    }

    /// Keeps the window full until it is time, and waits until all is delivered.
    fn send(&mut self, until: Instant) -> Result<()> {
        let (mut delivered, mut done) = (self.last_sent, false);
        while !done || delivered < self.last_sent {
            done = done || self.put_window(delivered, Instant::now() >= until);
            self.flush()?;
            self.fill()?;
            while let Some(come) = self.next_ready()? {
                delivered = self.check_receipt(&come, delivered)?;
            }
        }
        Ok(())
    }

    /// Writes to somebody who is not there: keeps the window full until all is done that is to be
    /// done, and waits until all of it is stored.
    fn store(&mut self, mut enough: impl FnMut(u64) -> bool) -> Result<()> {
        let (mut stored, mut done) = (self.last_sent, false);
        while !done || stored < self.last_sent {
            done = done || self.put_window(stored, enough(self.last_sent));
            self.flush()?;
            self.fill()?;
            while let Some(come) = self.next_ready()? {
                stored = self.check_stored(&come, stored)?;
            }
        }
        Ok(())
    }

    fn check_stored(&self, come: &Come, stored: u64) -> Result<u64> {
        let new = stored + 1..=self.last_sent;
        match come {
            Come::Other(ServerFrame::Stored { n, .. }) if new.contains(n) => Ok(*n),
            other => Err(unexpected(other)),
        }
    }

    /// Fills the window, or only puts the last message into it, if there is room. Whether it did.
    fn put_window(&mut self, delivered: u64, last: bool) -> bool {
        let room = WINDOW.saturating_sub(self.last_sent - delivered);
        if last && room > 0 {
            self.put_message(&LAST_BODY);
            return true;
        }
        (0..room).for_each(|_| self.put_message(&BODY));
        false
    }

    /// How far everything is delivered, after what came.
    fn check_receipt(&self, come: &Come, delivered: u64) -> Result<u64> {
        let new = delivered + 1..=self.last_sent;
        match come {
            Come::Other(ServerFrame::Delivered { n, .. }) if new.contains(n) => Ok(*n),
            Come::Other(ServerFrame::Stored { n, .. }) if new.contains(n) => Ok(delivered),
            Come::Other(ServerFrame::Presence { .. }) => Ok(delivered),
            other => Err(unexpected(other)),
        }
    }

    /// Receives until the last message of a run, and acknowledges once for each read.
    fn receive(&mut self) -> Result<()> {
        loop {
            self.fill()?;
            let (mut seen, mut last) = (None, false);
            while let Some(come) = self.next_ready()? {
                match come {
                    Come::Message { seq, last: it } => (seen, last) = (Some(seq), it),
                    Come::Other(ServerFrame::Presence { .. }) => {}
                    other => return Err(unexpected(&other)),
                }
            }
            if let Some(seq) = seen {
                self.put_acknowledgement(seq);
                self.flush()?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Waits for one message, past receipts, and acknowledges it with what is written next.
    fn receive_one(&mut self) -> Result<()> {
        loop {
            match self.next()? {
                Come::Message { seq, .. } => {
                    self.put_acknowledgement(seq);
                    return Ok(());
                }
                Come::Other(
                    ServerFrame::Delivered { .. }
                    | ServerFrame::Stored { .. }
                    | ServerFrame::Presence { .. },
                ) => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Makes sure that nothing is left to come but receipts.
    fn finish(mut self) -> Result<()> {
        self.say(&ClientFrame::Ping)?;
        loop {
            match self.next()? {
                Come::Other(ServerFrame::Pong) => return Ok(()),
                Come::Other(_) => {}
                come @ Come::Message { .. } => return Err(unexpected(&come)),
            }
        }
    }
}

fn unexpected(come: &Come) -> Error {
    match come {
        Come::Message { seq, .. } => format!("message {seq} came out of turn").into(),
        Come::Other(frame) => format!("unexpected: {frame:?}").into(),
    }
}

fn put_number(out: &mut BytesMut, number: u64) {
    // Writing into a growing buffer cannot fail.
    let _ = write!(out, "{number}");
}

fn body_length(header: &[u8]) -> Result<usize> {
    let word = header.trim_ascii_end().rsplit(|byte| *byte == b' ').next();
    Ok(usize::try_from(number(word)?)?)
}

fn number(word: Option<&[u8]>) -> Result<u64> {
    Ok(std::str::from_utf8(word.unwrap_or_default())?.parse()?)
}

/// Two ends that talk to each other.
pub(super) struct Pair {
    sender: End,
    receiver: End,
}

impl Pair {
    pub(super) fn open(kind: Kind, address: SocketAddr, number: usize) -> Result<Self> {
        match kind {
            Kind::Tinychat => Self::sign_in(address, number),
            Kind::Relay => Self::connect(address),
        }
    }

    fn sign_in(address: SocketAddr, number: usize) -> Result<Self> {
        let from: Name = format!("from{number}").parse()?;
        let to: Name = format!("to{number}").parse()?;
        let identity = Identity::generate()?;
        let mut sender = End::sign_in(address, &identity, &from, to.clone())?;
        let mut receiver = End::sign_in(address, &identity, &to, from)?;
        receiver.open_conversation()?;
        sender.open_conversation()?;
        Ok(Self { sender, receiver })
    }

    fn connect(address: SocketAddr) -> Result<Self> {
        // The relay does not turn "to" into "from": both have one name.
        let mut sender = End::connect(Kind::Relay, address, "from0".parse()?)?;
        let mut receiver = End::connect(Kind::Relay, address, "from0".parse()?)?;
        // Shows that the relay has accepted these two and joined them.
        sender.say(&ServerFrame::Ping)?;
        match receiver.next()? {
            Come::Other(ServerFrame::Ping) => Ok(Self { sender, receiver }),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes sure that nothing came twice.
    pub(super) fn finish(self) -> Result<()> {
        if self.sender.kind == Kind::Tinychat {
            self.sender.finish()?;
            self.receiver.finish()?;
        }
        Ok(())
    }

    /// Makes sure that the server still has all of those who are [held](hold).
    pub(super) fn count_others(&mut self, others: usize) -> Result<()> {
        if self.sender.kind == Kind::Relay {
            return Ok(());
        }
        self.sender.say(&ClientFrame::Online)?;
        loop {
            match self.sender.next()? {
                Come::Other(ServerFrame::Online { count, .. }) if count == others as u64 + 2 => {
                    return Ok(());
                }
                Come::Other(ServerFrame::Online { count, .. }) => {
                    return Err(format!("{count} are signed in, not {}", others + 2).into());
                }
                Come::Other(ServerFrame::Presence { .. } | ServerFrame::Ping) => {}
                other => return Err(unexpected(&other)),
            }
        }
    }
}

/// Opens so many pairs.
pub(super) fn open_pairs(kind: Kind, address: SocketAddr, count: usize) -> Result<Vec<Pair>> {
    (0..count).map(|number| Pair::open(kind, address, number)).collect()
}

/// Has all pairs talk for so long. How many messages were sent and came.
pub(super) fn talk(pairs: &mut [Pair], time: Duration) -> Result<u64> {
    let come = |pairs: &[Pair]| pairs.iter().map(|pair| pair.receiver.last_come).sum::<u64>();
    let before = come(pairs);
    let ready = &Barrier::new(2 * pairs.len());
    thread::scope(|scope| {
        let (results, ended) = mpsc::channel();
        for Pair { sender, receiver } in pairs.iter_mut() {
            let (sent, received) = (results.clone(), results.clone());
            scope.spawn(move || {
                ready.wait();
                sent.send(sender.send(Instant::now() + time))
            });
            scope.spawn(move || {
                ready.wait();
                received.send(receiver.receive())
            });
        }
        drop(results);
        // The first error is the cause of those behind it.
        ended.into_iter().collect::<Result<()>>()
    })?;
    for Pair { sender: End { last_sent: sent, .. }, receiver } in pairs.iter() {
        if *sent != receiver.last_come {
            return Err(format!("{sent} were sent and {} came", receiver.last_come).into());
        }
    }
    Ok(come(pairs) - before)
}

/// Has a pair exchange message and answer so often. How long each exchange took.
pub(super) fn answer(pair: &mut Pair, count: u64) -> Result<Vec<Duration>> {
    let Pair { sender, receiver } = pair;
    let exchange = |_| {
        sender.put_message(&BODY);
        let start = Instant::now();
        sender.flush()?;
        receiver.receive_one()?;
        receiver.put_message(&BODY);
        receiver.flush()?;
        sender.receive_one()?;
        Ok(start.elapsed())
    };
    (0..count).map(exchange).collect()
}

/// Opens so many connections that do nothing more.
pub(super) fn hold(kind: Kind, address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    match kind {
        Kind::Tinychat => hold_signed_in(address, count),
        Kind::Relay => {
            let pairs = (0..count / 2).map(|number| Pair::open(kind, address, number));
            let sockets = pairs.map(|it| it.map(|it| [it.sender.socket, it.receiver.socket]));
            Ok(sockets.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        }
    }
}

fn hold_signed_in(address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let identity = &Identity::generate()?;
    let nobody: &Name = &"nobody".parse()?;
    let sign_in = |number: usize| -> Result<TcpStream> {
        let name = format!("idle{number}").parse()?;
        Ok(End::sign_in(address, identity, &name, nobody.clone())?.socket)
    };
    let share = |first: usize| (first..count).step_by(SIGNING_IN).map(sign_in).collect();
    thread::scope(|scope| {
        let shares: [_; SIGNING_IN] =
            std::array::from_fn(|first| scope.spawn(move || share(first)));
        let mut held = Vec::new();
        for share in shares {
            let share: Result<Vec<_>> = share.join().map_err(|_| "a thread panicked")?;
            held.extend(share?);
        }
        Ok(held)
    })
}

/// So many people write to somebody each who is not there, for so long. How many messages were
/// stored.
pub(super) fn write_to_nobody(address: SocketAddr, count: usize, time: Duration) -> Result<u64> {
    let identity = &Identity::generate()?;
    let open = |number: usize| {
        let (name, peer) = (format!("from{number}").parse()?, format!("away{number}").parse()?);
        let mut end = End::sign_in(address, identity, &name, peer)?;
        end.open_conversation()?;
        Ok(end)
    };
    let ends = (0..count).map(open).collect::<Result<Vec<_>>>()?;
    let ready = &Barrier::new(count);
    thread::scope(|scope| {
        let write = |mut end: End| -> Result<u64> {
            ready.wait();
            let until = Instant::now() + time;
            end.store(|_| Instant::now() >= until)?;
            let stored = end.last_sent;
            end.finish()?;
            Ok(stored)
        };
        let writers: Vec<_> = ends.into_iter().map(|end| scope.spawn(move || write(end))).collect();
        let stored = writers.into_iter().map(|it| it.join().map_err(|_| "a thread panicked")?);
        stored.sum()
    })
}

/// Messages of one person that wait for another.
pub(super) struct Backlog {
    identity: Identity,
    count: u64,
}

impl Backlog {
    /// Has so many messages stored.
    pub(super) fn fill(address: SocketAddr, count: u64) -> Result<Self> {
        let identity = Identity::generate()?;
        let mut sender = End::sign_in(address, &identity, &"from0".parse()?, "to0".parse()?)?;
        sender.open_conversation()?;
        sender.store(|sent| sent + WINDOW >= count)?;
        let count = sender.last_sent;
        sender.finish()?;
        Ok(Self { identity, count })
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Has the other one come and fetch all of it. How long that took.
    pub(super) fn drain(&self, address: SocketAddr) -> Result<Duration> {
        let start = Instant::now();
        let mut receiver =
            End::sign_in(address, &self.identity, &"to0".parse()?, "from0".parse()?)?;
        match receiver.next()? {
            Come::Other(ServerFrame::Waiting { count, .. }) if count == self.count => {}
            other => return Err(unexpected(&other)),
        }
        receiver.open_conversation()?;
        receiver.receive()?;
        receiver.finish()?;
        Ok(start.elapsed())
    }
}
