//! Writing to people who are not there, and their coming.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use tinychat::trust::Identity;
use tinychat::wire::MAX_CONVERSATIONS;
use tinychat::wire::frame::{ClientFrame, ServerFrame};

use super::super::Result;
use super::super::subject::Kind;
use super::WINDOW;
use super::frames::Speech;
use super::person::{Person, unexpected};

/// Somebody who writes to one who is absent.
struct Writer {
    person: Person,
    speech: Speech,
    sent: u64,
    stored: u64,
}

impl Writer {
    fn open(address: SocketAddr, identity: &Identity, name: &str, peer: &str) -> Result<Self> {
        let mut person = Person::sign_in(address, identity, name)?;
        person.talk_to(peer)?;
        let speech = Speech::new(Kind::Tinychat, name, peer);
        Ok(Self { person, speech, sent: 0, stored: 0 })
    }

    /// Writes with so many messages under way until it is enough, and waits until all are stored.
    fn write(&mut self, window: u64, mut enough: impl FnMut(u64) -> bool) -> Result<()> {
        loop {
            let over = enough(self.sent);
            while !over && self.sent - self.stored < window {
                self.speech.put_message(&mut self.person.socket.out);
                self.sent += 1;
            }
            if over && self.stored == self.sent {
                return Ok(());
            }
            self.person.socket.flush()?;
            match self.person.hear()? {
                ServerFrame::Stored { n, .. } if n <= self.sent => self.stored = n,
                other => return Err(unexpected(&other)),
            }
        }
    }
}

/// So many people write to somebody each who is not there, for so long. How many messages were
/// stored.
pub(crate) fn write_to_nobody(address: SocketAddr, count: usize, time: Duration) -> Result<u64> {
    let identity = &Identity::generate()?;
    let open = |number: usize| {
        Writer::open(address, identity, &format!("from{number}"), &format!("away{number}"))
    };
    let writers = (0..count).map(open).collect::<Result<Vec<_>>>()?;
    let ready = &Barrier::new(count);
    thread::scope(|scope| {
        let write = |mut writer: Writer| -> Result<u64> {
            ready.wait();
            let until = Instant::now() + time;
            writer.write(WINDOW, |_| Instant::now() >= until)?;
            writer.person.finish()?;
            Ok(writer.stored)
        };
        let writers: Vec<_> =
            writers.into_iter().map(|writer| scope.spawn(move || write(writer))).collect();
        let stored = writers.into_iter().map(|it| it.join().map_err(|_| "a thread panicked")?);
        stored.sum()
    })
}

/// Somebody writes to one who is not there, each message when the one before is stored. How long
/// each took.
pub(crate) fn wait_for_stored(address: SocketAddr, times: usize) -> Result<Vec<Duration>> {
    let mut writer = Writer::open(address, &Identity::generate()?, "from0", "away0")?;
    let mut took = Vec::with_capacity(times);
    let mut last = Instant::now();
    writer.write(1, |sent| {
        if sent > 0 {
            took.push(last.elapsed());
        }
        last = Instant::now();
        sent >= times as u64
    })?;
    writer.person.finish()?;
    Ok(took)
}

/// Sessions beside those that are measured, each with a message that waits. They exist as long as
/// this does.
pub(crate) struct Bystanders {
    address: SocketAddr,
    identity: Identity,
    people: Vec<Person>,
    sessions: usize,
}

impl Bystanders {
    pub(crate) fn new(address: SocketAddr) -> Result<Self> {
        Ok(Self { address, identity: Identity::generate()?, people: Vec::new(), sessions: 0 })
    }

    /// Adds sessions until there are so many.
    pub(crate) fn grow(&mut self, sessions: usize) -> Result<()> {
        while self.sessions < sessions {
            let count = (sessions - self.sessions).min(MAX_CONVERSATIONS);
            let name = format!("crowd{}", self.people.len());
            let mut person = Person::sign_in(self.address, &self.identity, &name)?;
            for number in 0..count {
                let peer = format!("away{}x{number}", self.people.len());
                person.put(&ClientFrame::Talk { peer: peer.parse()?, settled: 0 });
                Speech::new(Kind::Tinychat, &name, &peer).put_message(&mut person.socket.out);
            }
            person.socket.flush()?;
            let mut stored = 0;
            while stored < count {
                match person.hear()? {
                    ServerFrame::Stored { .. } => stored += 1,
                    // The message may be there before its conversation is.
                    ServerFrame::Talking { own, .. } => stored += usize::try_from(own.stored)?,
                    other => return Err(unexpected(&other)),
                }
            }
            self.people.push(person);
            self.sessions += count;
        }
        Ok(())
    }
}

/// Messages of one person that wait for another.
pub(crate) struct Backlog {
    identity: Identity,
    writer: Writer,
}

impl Backlog {
    /// Nothing yet.
    pub(crate) fn begin(address: SocketAddr) -> Result<Self> {
        let identity = Identity::generate()?;
        let writer = Writer::open(address, &identity, "early", "late")?;
        Ok(Self { identity, writer })
    }

    /// Writes until so many are stored, or somewhat more.
    pub(crate) fn grow(&mut self, count: u64) -> Result<()> {
        self.writer.write(WINDOW, |sent| sent >= count)
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.writer.stored
    }

    /// Has the other one come and fetch all of it. How long that took.
    pub(crate) fn drain(&self, address: SocketAddr) -> Result<Duration> {
        let start = Instant::now();
        let mut late = Person::sign_in(address, &self.identity, "late")?;
        match late.hear()? {
            ServerFrame::Waiting { count, .. } if count == self.count() => {}
            other => return Err(unexpected(&other)),
        }
        late.talk_to("early")?;
        let mut speech = Speech::new(Kind::Tinychat, "late", "early");
        let mut come = 0;
        while come < self.count() {
            let more = speech.take(&mut late.socket)?.messages;
            come += more;
            if more > 0 {
                speech.put_acknowledgement(come, &mut late.socket.out);
                late.socket.flush()?;
            } else {
                late.socket.fill()?;
            }
        }
        late.finish()?;
        Ok(start.elapsed())
    }
}
