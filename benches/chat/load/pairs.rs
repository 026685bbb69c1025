//! Pairs of ends that talk to each other, all in one thread.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinychat::trust::Identity;

use super::super::Result;
use super::super::poll::Poll;
use super::super::subject::Kind;
use super::PATIENCE;
use super::frames::Speech;
use super::person::Person;
use super::socket::{Socket, Traffic};

/// What one message has on a receiver's disk, roughly.
const RECORD: usize = 128;

/// What receivers do before they acknowledge.
pub(crate) enum Receiving {
    /// Nothing.
    FromMemory,
    /// What came to all of them in one turn is appended to this file and synced.
    SyncFirst(File),
}

/// Two ends.
struct Pair {
    kind: Kind,
    /// The sender and the receiver.
    ends: [Socket; 2],
    speech: [Speech; 2],
    sent: u64,
    /// How many have come, and how many of them are not acknowledged.
    come: u64,
    owed: u64,
    /// How many the sender knows to be delivered.
    delivered: u64,
}

/// See the [module](self).
pub(crate) struct Pairs {
    pairs: Vec<Pair>,
    window: u64,
    receiving: Receiving,
    poll: Poll,
}

impl Pairs {
    /// Connects so many pairs, each with so many messages under way at most.
    pub(crate) fn open(
        kind: Kind,
        address: SocketAddr,
        count: usize,
        window: u64,
        receiving: Receiving,
    ) -> Result<Self> {
        let poll = Poll::new()?;
        let pairs = (0..count).map(|number| Pair::open(kind, address, number));
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        for (index, pair) in pairs.iter().enumerate() {
            for (side, socket) in pair.ends.iter().enumerate() {
                socket.set_nonblocking(true)?;
                poll.add(socket, 2 * index + side)?;
            }
        }
        Ok(Self { pairs, window, receiving, poll })
    }

    /// Has all talk for so long, and until everything that was sent is delivered. How many messages
    /// came.
    pub(crate) fn talk(&mut self, time: Duration) -> Result<u64> {
        let before: u64 = self.pairs.iter().map(|pair| pair.come).sum();
        let until = Instant::now() + time;
        for index in 0..self.pairs.len() {
            self.send(index)?;
        }
        loop {
            let ready = self.poll.wait(Some(PATIENCE))?;
            if ready.is_empty() {
                return Err(format!("nothing came for {PATIENCE:?}").into());
            }
            for name in &ready {
                self.pairs[name / 2].look(name % 2)?;
            }
            self.sync()?;
            let over = Instant::now() >= until;
            for name in ready {
                self.pairs[name / 2].acknowledge();
                if !over {
                    self.pairs[name / 2].fill_window(self.window);
                }
                self.flush(name & !1)?;
                self.flush(name | 1)?;
            }
            if over && self.pairs.iter().all(|pair| pair.delivered == pair.sent) {
                return Ok(self.pairs.iter().map(|pair| pair.come).sum::<u64>() - before);
            }
        }
    }

    /// Makes sure that nothing came twice.
    pub(crate) fn finish(self) -> Result<()> {
        for pair in self.pairs.into_iter().filter(|pair| pair.kind.is_tinychat()) {
            for socket in pair.ends {
                socket.set_nonblocking(false)?;
                Person { socket }.finish()?;
            }
        }
        Ok(())
    }

    /// Has the first pair exchange a message and its answer so often, while it blocks. How long each
    /// exchange took.
    pub(crate) fn exchange(&mut self, times: u64) -> Result<Vec<Duration>> {
        let pair = &mut self.pairs[0];
        pair.ends.iter().try_for_each(|socket| socket.set_nonblocking(false))?;
        (0..times).map(|_| pair.exchange()).collect()
    }

    /// Has the first pair's sender write so many messages, each when the one before is delivered, while it blocks. What
    /// went over the sender's connection meanwhile, and over the receiver's.
    pub(crate) fn deliver(&mut self, times: u64) -> Result<[Traffic; 2]> {
        let pair = &mut self.pairs[0];
        pair.ends.iter().try_for_each(|socket| socket.set_nonblocking(false))?;
        let before = pair.traffic();
        (0..times).try_for_each(|_| pair.deliver())?;
        let after = pair.traffic();
        Ok([0, 1].map(|side| after[side].since(before[side])))
    }

    fn send(&mut self, index: usize) -> Result<()> {
        self.pairs[index].fill_window(self.window);
        self.flush(2 * index)
    }

    fn flush(&mut self, name: usize) -> Result<()> {
        let socket = &mut self.pairs[name / 2].ends[name % 2];
        let had_more = socket.is_stuck();
        if socket.try_flush()? == had_more {
            self.poll.set_writing(&*socket, name, !had_more)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let Receiving::SyncFirst(file) = &mut self.receiving else { return Ok(()) };
        let owed: u64 = self.pairs.iter().map(|pair| pair.owed).sum();
        if owed > 0 {
            file.write_all(&vec![b'.'; RECORD * usize::try_from(owed)?])?;
            file.sync_data()?;
        }
        Ok(())
    }
}

impl Pair {
    fn open(kind: Kind, address: SocketAddr, number: usize) -> Result<Self> {
        let (from, to) = names(kind, number);
        let ends = connect(kind, address, number)?;
        let speech = [Speech::new(kind, &from, &to), Speech::new(kind, &to, &from)];
        Ok(Self { kind, ends, speech, sent: 0, come: 0, owed: 0, delivered: 0 })
    }

    /// Takes what came to one end.
    fn look(&mut self, side: usize) -> Result<()> {
        if self.ends[side].try_fill()? { self.take(side) } else { Ok(()) }
    }

    /// Takes what was read at one end.
    fn take(&mut self, side: usize) -> Result<()> {
        let come = self.speech[side].take(&mut self.ends[side])?;
        self.come += come.messages;
        self.owed += come.messages;
        self.delivered = come.delivered.unwrap_or(self.delivered);
        if self.come > self.sent || self.delivered > self.come {
            return Err("more came than was sent".into());
        }
        Ok(())
    }

    fn acknowledge(&mut self) {
        if self.owed > 0 {
            self.owed = 0;
            self.speech[1].put_acknowledgement(self.come, &mut self.ends[1].out);
            if self.kind == Kind::Nats {
                // Nobody there tells the sender.
                self.delivered = self.come;
            }
        }
    }

    fn fill_window(&mut self, window: u64) {
        while self.sent - self.delivered < window {
            self.speech[0].put_message(&mut self.ends[0].out);
            self.sent += 1;
        }
    }

    /// One writes, and waits until the other has acknowledged that.
    fn deliver(&mut self) -> Result<()> {
        self.sent += 1;
        self.say(0)?;
        while self.come < self.sent {
            self.ends[1].fill()?;
            self.take(1)?;
        }
        self.acknowledge();
        self.ends[1].flush()?;
        while self.delivered < self.sent {
            self.ends[0].fill()?;
            self.take(0)?;
        }
        Ok(())
    }

    fn traffic(&self) -> [Traffic; 2] {
        self.ends.each_ref().map(Socket::traffic)
    }

    /// One writes, and the other writes back when that has come. Each acknowledges with what it
    /// writes next.
    fn exchange(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.say(0)?;
        self.speech[1].wait(&mut self.ends[1])?;
        self.come += 1;
        self.speech[1].put_acknowledgement(self.come, &mut self.ends[1].out);
        self.say(1)?;
        self.speech[0].wait(&mut self.ends[0])?;
        let took = start.elapsed();
        self.speech[0].put_acknowledgement(self.come, &mut self.ends[0].out);
        Ok(took)
    }

    fn say(&mut self, side: usize) -> Result<()> {
        self.speech[side].put_message(&mut self.ends[side].out);
        self.ends[side].flush()
    }
}

/// Who talks to whom. The relay does not turn one name into the other: both have one.
fn names(kind: Kind, number: usize) -> (String, String) {
    match kind {
        Kind::Relay => (format!("pair{number}"), format!("pair{number}")),
        _ => (format!("from{number}"), format!("to{number}")),
    }
}

/// Two connections that are ready to talk, sender first.
pub(super) fn connect(kind: Kind, address: SocketAddr, number: usize) -> Result<[Socket; 2]> {
    let (from, to) = names(kind, number);
    match kind {
        Kind::Tinychat | Kind::Tls => {
            let identity = Identity::generate()?;
            let connect = || Socket::connect_to(kind, address);
            let mut sender = Person::sign_in_on(connect()?, &identity, &from)?;
            let mut receiver = Person::sign_in_on(connect()?, &identity, &to)?;
            receiver.talk_to(&from)?;
            sender.talk_to(&to)?;
            Ok([sender.socket, receiver.socket])
        }
        Kind::Nats => {
            let (mut sender, mut receiver) = (Socket::connect(address)?, Socket::connect(address)?);
            for (socket, subject) in [(&mut sender, from), (&mut receiver, to)] {
                let hello = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";
                socket
                    .out
                    .extend_from_slice(format!("{hello}SUB {subject} 1\r\nPING\r\n").as_bytes());
                socket.flush()?;
                while socket.next_line()? != b"PONG\r\n" {}
            }
            Ok([sender, receiver])
        }
        _ => {
            let (mut sender, mut receiver) = (Socket::connect(address)?, Socket::connect(address)?);
            // Shows that the relay has accepted these two and joined them.
            sender.out.extend_from_slice(b"PING\r\n");
            sender.flush()?;
            receiver.next_line()?;
            Ok([sender, receiver])
        }
    }
}
