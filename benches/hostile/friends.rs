//! Two who chat, and how long each round trip takes them.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tinychat::message::{Kind as Content, Origin};
use tinychat::trust::Identity;
use tinychat::wire::codec::Decoder;
use tinychat::wire::frame::{ClientFrame, ServerFrame};

use super::Result;
use super::load::person::Person;
use super::load::socket::Socket;
use super::subject::Kind;

/// How often one of them asks something.
const EACH: Duration = Duration::from_millis(10);

/// See the [module](self).
pub(crate) struct Friends([Friend; 2]);

impl Friends {
    pub(crate) fn meet(kind: Kind, server: SocketAddr) -> Result<Self> {
        let mut alice = Friend::sign_in(kind, server, "alice", "bob")?;
        let mut bob = Friend::sign_in(kind, server, "bob", "alice")?;
        alice.person.talk_to("bob")?;
        bob.person.talk_to("alice")?;
        Ok(Self([alice, bob]))
    }

    /// Chats for so long. How long each round trip took; and while one took longer than [`EACH`], how long those would
    /// have taken that were due meanwhile. One that fails, as when nothing comes, is the last.
    pub(crate) fn chat(&mut self, time: Duration) -> Vec<Duration> {
        let (start, mut trips) = (Instant::now(), Vec::new());
        while start.elapsed() < time {
            let asked = Instant::now();
            let answered = self.ask();
            let mut took = asked.elapsed();
            while !took.is_zero() {
                trips.push(took);
                took = took.saturating_sub(EACH);
            }
            if let Err(error) = answered {
                println!("  the friends gave up: {error}");
                break;
            }
            thread::sleep(EACH.saturating_sub(asked.elapsed()));
        }
        trips
    }

    fn ask(&mut self) -> Result<()> {
        let Self([alice, bob]) = self;
        alice.say()?;
        bob.hear()?;
        bob.say()?;
        alice.hear()
    }
}

struct Friend {
    person: Person,
    peer: &'static str,
    decoder: Decoder<ServerFrame>,
    n: u64,
}

impl Friend {
    fn sign_in(kind: Kind, server: SocketAddr, name: &str, peer: &'static str) -> Result<Self> {
        let socket = Socket::connect_to(kind, server)?;
        let person = Person::sign_in_on(socket, &Identity::generate()?, name)?;
        Ok(Self { person, peer, decoder: Decoder::default(), n: 0 })
    }

    fn say(&mut self) -> Result<()> {
        self.n += 1;
        let (peer, n, body) = (self.peer.parse()?, self.n, Bytes::from_static(b"are you there?"));
        let origin = Origin::from_bytes(u128::from(n).to_be_bytes());
        self.person.say(&ClientFrame::Message {
            peer,
            n,
            origin,
            kind: Content::TEXT,
            version: 0,
            body,
        })
    }

    /// Waits for a message, and acknowledges it.
    fn hear(&mut self) -> Result<()> {
        loop {
            match self.next()? {
                ServerFrame::Message { peer, seq, .. } => {
                    return self.person.say(&ClientFrame::Ack { peer, seq });
                }
                ServerFrame::Ping => self.person.say(&ClientFrame::Pong)?,
                ServerFrame::Refused { text, .. } => return Err(text.into()),
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<ServerFrame> {
        loop {
            if let Some(frame) = self.decoder.decode()? {
                return Ok(frame);
            }
            let socket = &mut self.person.socket;
            if socket.input().is_empty() {
                socket.fill()?;
            }
            let read = socket.input().len();
            self.decoder.feed(socket.input());
            socket.consume(read);
        }
    }
}
