//! A connection that is cut at every possible byte of a conversation, in each direction.
//!
//! John's client, the one without a face, talks through a proxy that lets so many bytes through and
//! then cuts the connection for both sides. What is lost with it differs from byte to byte; what
//! comes of it must not: after it has connected again, everything arrives once, in order, and is
//! reported delivered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_channel::Receiver;
use async_std::net::{TcpListener, TcpStream};
use async_std::task::{JoinHandle, spawn};
use futures::future::select;
use futures::stream::{self, StreamExt};
use futures::{AsyncReadExt, AsyncWriteExt};
use tempfile::TempDir;
use tinychat::client::{Client, Command, Config, Event};
use tinychat::message::Name;
use tinychat::wire::frame::Presence;

use crate::world::{Peer, World, patiently, story_with};

/// How many conversations are held side by side. Most of the time each waits to connect again.
const SIDE_BY_SIDE: usize = 24;

/// How far beyond the end of the first conversation the cuts go: receipts may be told together or
/// apart.
const BEYOND: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// From John's client to the server.
    Up,
    /// From the server to John's client.
    Down,
}

/// Where the first connection is cut: behind so many bytes in one direction.
#[derive(Clone, Copy, Debug)]
struct Cut {
    direction: Direction,
    behind: u64,
}

#[test]
fn a_connection_cut_at_any_byte_to_the_server_loses_and_doubles_nothing() {
    cut_everywhere(Direction::Up);
}

#[test]
fn a_connection_cut_at_any_byte_to_the_client_loses_and_doubles_nothing() {
    cut_everywhere(Direction::Down);
}

fn cut_everywhere(direction: Direction) {
    let folder = &folder();
    let data = folder.path().join("server");
    story_with(
        |config| config.data = data,
        async |world| {
            let world = &*world;
            let cut = async |behind: u64, label: &str| {
                converse(world, folder, Cut { direction, behind }, label).await
            };
            let length = cut(u64::MAX, "uncut").await;
            let cuts = (0..=length + BEYOND).map(|behind| {
                let cut = &cut;
                async move { cut(behind, &behind.to_string()).await }
            });
            let lengths: Vec<_> = stream::iter(cuts).buffer_unordered(SIDE_BY_SIDE).collect().await;
            let longest = lengths.into_iter().max();
            assert!(longest <= Some(length + BEYOND), "{longest:?} bytes, the first had {length}");
        },
    );
}

/// A folder in memory, if there is such a thing here: a thousand conversations wait for many writes
/// to disk, and this is about connections.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Two messages each way, and all that belongs to them. Returns how many bytes the first connection
/// carried in the direction that is cut.
async fn converse(world: &World, folder: &TempDir, cut: Cut, label: &str) -> u64 {
    // Everybody's name is new, and equally long.
    let (johns, maries) = (format!("john-{label:0>5}"), format!("marie-{label:0>5}"));
    let mut marie = world.sign_in(&maries).await;
    marie.talk(&johns).await;
    let proxy = Proxy::start(world.address(), cut).await;
    let mut john = John::start(proxy.address, &johns, &maries, folder.path().join(&johns));
    let context = format!("{cut:?}");
    john.talks().await;
    for (n, (text, answer)) in (1..).zip([("one", "eins"), ("two", "zwei")]) {
        john.says(text).await;
        let seq = hear(&mut marie, n, text).await;
        marie.ack(&johns, seq).await;
        john.is_told_delivered(n, &context).await;
        marie.say(&johns, n, answer).await;
        john.hears(answer, &context).await;
        is_told_delivered(&mut marie, &johns, n, &context).await;
    }
    john.finishes(&context).await;
    marie.quit().await;
    proxy.stop().await
}

/// The next message that Marie is sent is this one; John's comings and goings, and receipts, may be
/// told before. Returns its seq.
async fn hear(marie: &mut Peer, n: u64, text: &str) -> u64 {
    let heard = marie.hear().await;
    assert_eq!((heard.n, heard.text.as_str()), (n, text));
    heard.seq
}

async fn is_told_delivered(marie: &mut Peer, john: &str, n: u64, context: &str) {
    let expected = format!("DELIVERED {john} {n}");
    loop {
        let line = marie.next().await;
        if line == expected {
            return;
        }
        assert!(!line.starts_with("MSG "), "{context}: came twice: {line}");
    }
}

/// John's client.
struct John {
    client: Client,
    events: Receiver<Event>,
    marie: Name,
    /// How far one is told that messages were delivered.
    delivered: u64,
    /// What came and was not awaited yet.
    heard: Vec<String>,
}

impl John {
    fn start(server: SocketAddr, user: &str, marie: &str, data: PathBuf) -> Self {
        let (server, user) = (server.to_string().parse().unwrap(), user.parse().unwrap());
        // One who is away comes into no list of devices, which would double what is cut.
        let presence = Presence::Away;
        let config = Config { tls: false, presence, ..Config::new(server, user, data) };
        let (client, events) = Client::start(config, None).unwrap();
        let marie = marie.parse().unwrap();
        Self { client, events, marie, delivered: 0, heard: Vec::new() }
    }

    async fn talks(&self) {
        self.client.give(Command::Talk(self.marie.clone())).await;
    }

    async fn says(&self, text: &str) {
        let peer = self.marie.clone();
        self.client.give(Command::Send { peer, text: text.into() }).await;
    }

    async fn is_told_delivered(&mut self, n: u64, context: &str) {
        while self.delivered < n {
            self.take_event(context).await;
        }
        assert_eq!(self.delivered, n, "{context}");
    }

    /// The next message, and the only one so far that was not heard before, is this one.
    async fn hears(&mut self, text: &str, context: &str) {
        while self.heard.is_empty() {
            self.take_event(context).await;
        }
        assert_eq!(std::mem::take(&mut self.heard), [text], "{context}");
    }

    async fn take_event(&mut self, context: &str) {
        let event = patiently(&format!("an event, {context}"), self.events.recv()).await.unwrap();
        match event {
            Event::Receipts { delivered, .. } => {
                self.delivered = delivered.last().copied().unwrap_or(self.delivered);
            }
            Event::Message(message) => {
                self.heard.push(String::from_utf8(message.body.to_vec()).unwrap());
                self.client.give(Command::Shown(message.id)).await;
            }
            Event::Ended(ending) => panic!("{context}: John's client ended: {ending:?}"),
            _ => {}
        }
    }

    /// It has nothing left to do, and says nothing more that counts.
    async fn finishes(self, context: &str) {
        self.client.give(Command::Finish).await;
        loop {
            let event = patiently(&format!("the end, {context}"), self.events.recv()).await;
            match event.unwrap() {
                Event::Ended(ending) => {
                    assert_eq!((ending.failure, ending.unsent), (None, 0), "{context}");
                    break;
                }
                event @ (Event::Receipts { .. } | Event::Message(_)) => {
                    panic!("{context}: told twice: {event:?}");
                }
                _ => {}
            }
        }
        self.client.join().await;
    }
}

/// Stands between a client and the server, and cuts the first connection.
struct Proxy {
    address: SocketAddr,
    carried: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    async fn start(server: SocketAddr, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let carried = Arc::new(AtomicU64::new(0));
        let task = spawn(relay_all(listener, server, cut, carried.clone()));
        Self { address, carried, task }
    }

    /// Stops, and gives how many bytes the first connection carried in the direction of the cut.
    async fn stop(self) -> u64 {
        self.task.cancel().await;
        self.carried.load(Ordering::SeqCst)
    }
}

/// One after the other: a client has one connection at a time.
async fn relay_all(listener: TcpListener, server: SocketAddr, cut: Cut, carried: Arc<AtomicU64>) {
    let mut limit = Some(cut);
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(server).await.unwrap();
        relay(&client, &server, limit.take(), &carried).await;
    }
}

/// Carries bytes both ways until either side closes, or until the cut.
async fn relay(client: &TcpStream, server: &TcpStream, cut: Option<Cut>, carried: &AtomicU64) {
    let limit = |direction| cut.filter(|cut| cut.direction == direction).map(|cut| cut.behind);
    let up = carry(client, server, limit(Direction::Up), carried);
    let down = carry(server, client, limit(Direction::Down), carried);
    select(Box::pin(up), Box::pin(down)).await;
    for side in [client, server] {
        // Either may have closed first.
        let _ = side.shutdown(std::net::Shutdown::Both);
    }
}

/// Carries bytes in one direction, and no more than `limit`.
async fn carry(mut from: &TcpStream, mut to: &TcpStream, limit: Option<u64>, carried: &AtomicU64) {
    let mut left = limit.unwrap_or(u64::MAX);
    let mut buffer = [0; 4_096];
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = from.read(&mut buffer[..most]).await.unwrap_or(0);
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        left -= read as u64;
        if limit.is_some() {
            carried.fetch_add(read as u64, Ordering::SeqCst);
        }
    }
}
