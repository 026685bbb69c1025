//! Peers that take nothing, and much to say to them.

use std::task::Waker;

use async_std::task::block_on;
use futures::io::sink;
use tempfile::TempDir;

use super::*;
use crate::mailbox::{Commit, MemoryMailbox, Usage};
use crate::message::{Batch, Installation};
use crate::server::link::ConnectionId;
use crate::server::sessions::{Offer, Quota, Windows};
use crate::server::{Config, Server, Tls};
use crate::wire::codec::Decoder;
use crate::wire::frame::Presence;
use crate::wire::{MAX_BODY, MAX_HEADER};

/// More than there is ever room for.
const MANY: u64 = 5_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn link(id: u64, name: &str) -> Arc<Link> {
    Arc::new(Link::new(
        ConnectionId(id),
        name.parse().unwrap(),
        Installation::from_u64(1),
        Presence::Online,
    ))
}

async fn host() -> (TempDir, Arc<Host>) {
    host_where("").await
}

/// The same where people block each other: lines as an earlier version has left them, for one at a time takes long.
async fn host_where(contacts: &str) -> (TempDir, Arc<Host>) {
    let folder = tempfile::tempdir().unwrap();
    // Each data folder has a lock.
    for (file, content) in [("lock", ""), ("contacts", contacts)] {
        std::fs::write(folder.path().join(file), content).unwrap();
    }
    let mut config = Config::new(vec!["127.0.0.1:0".into()], folder.path().into());
    config.tls = Tls::Off;
    let host = Server::bind(config).await.unwrap().host;
    (folder, host)
}

fn writer(host: &Arc<Host>, due: Due) -> Writer {
    Writer {
        host: host.clone(),
        link: link(MANY, "alice"),
        shared: Arc::default(),
        conversations: ByPeer::default(),
        streams: None,
        told_key: None,
        due: Some(Box::new(due)),
        out: BytesMut::new(),
        names: Lines::default(),
        half: Box::new(sink()),
        turn: Turn::default(),
    }
}

/// All that is said, of which no more is encoded at once than there is room for, but for a frame of at most so
/// many bytes.
fn all_said(writer: &mut Writer, longest: usize) -> Vec<ServerFrame> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while writer.poll_collect(&mut context).is_ready() {
        let encoded = writer.out.len();
        assert!(encoded < FLUSH_AT + longest, "{encoded} bytes");
        writer.names.move_to(&mut writer.out, usize::MAX);
        decoder.feed(&std::mem::take(&mut writer.out));
        while let Some(frame) = decoder.decode().unwrap() {
            frames.push(frame);
        }
    }
    assert!(decoder.is_empty(), "only whole frames");
    frames
}

fn replies(replies: impl IntoIterator<Item = Reply>) -> Due {
    Due::notices(replies.into_iter().collect(), Notices::default())
}

fn guest(id: u64) -> String {
    format!("guest{id:04}")
}

/// A host with [`MANY`] guests.
async fn crowded() -> (TempDir, Arc<Host>) {
    let (folder, host) = host().await;
    for id in 0..MANY {
        host.directory.sign_in(&link(id, &guest(id)));
    }
    (folder, host)
}

#[test]
fn names_are_not_encoded_but_shared_whoever_is_hidden() {
    block_on(async {
        let (_folder, host) = crowded().await;
        let blockers: Vec<_> = (0..1_000).map(|id| name(&guest(5 * id))).collect();
        for hidden in [&blockers[..0], &blockers[..]] {
            let online = || Reply::Online(Box::new(host.directory.all_but(hidden)));
            let mut writer = writer(&host, replies((0..40).map(|_| online())));
            let mut context = Context::from_waker(Waker::noop());
            assert!(writer.poll_collect(&mut context).is_ready());
            assert!(writer.out.len() < MAX_HEADER);
            let shared = host.online(&name("bob")).names.text().as_ptr();
            assert_eq!(writer.names.text().as_ptr(), shared);
            let said = all_said(&mut writer, MAX_HEADER);
            assert_eq!(said.len(), 40);
            let left = MANY - hidden.len() as u64;
            for frame in said {
                let ServerFrame::Online { count, names } = frame else { panic!("{frame:?}") };
                assert_eq!((count, names.len() as u64), (left, left));
                assert!(names.iter().all(|it| hidden.binary_search(it).is_err()));
            }
        }
    });
}

#[test]
fn names_are_encoded_as_they_are_written_and_not_one_at_a_time() {
    block_on(async {
        let (_folder, host) = crowded().await;
        let blockers: Vec<_> = (0..1_000).map(|id| name(&guest(2 * id))).collect();
        let listed = host.directory.all_but(&blockers);
        let body = listed.names.length() + 2;
        assert_eq!(body, 10 * 4_000 + 2);
        let mut writer = writer(&host, replies([Reply::Online(Box::new(listed))]));
        let mut context = Context::from_waker(Waker::noop());
        assert!(writer.poll_collect(&mut context).is_ready());
        let header = writer.out.len();
        let mut pieces = Vec::new();
        while let Poll::Ready(Flushed::Part(written)) = writer.poll_flush(&mut context) {
            pieces.push(written);
        }
        assert_eq!(pieces.iter().sum::<usize>(), header + body);
        assert_eq!(pieces.len(), 1 + body.div_ceil(NAMES_AT_ONCE), "{pieces:?}");
    });
}

#[test]
fn who_is_blocked_is_not_encoded_at_once() {
    block_on(async {
        // The longest names there are: 32 characters of 4 bytes.
        let long = |n: u32| {
            let digits = [n / 256, n / 16 % 16, n % 16].map(|digit| 0x10450 + digit);
            let letters = std::iter::repeat_n(0x10464, 29).chain(digits);
            letters.map(|letter| char::from_u32(letter).unwrap()).collect::<String>()
        };
        let blocks: String = (0..1_000).map(|n| format!("alice blocks {}\n", long(n))).collect();
        let (_folder, host) = host_where(&blocks).await;
        let mut writer = writer(&host, replies((0..3).map(|_| Reply::Blocks)));
        let said = all_said(&mut writer, MAX_HEADER);
        assert_eq!(said.len(), 3);
        for frame in said {
            let ServerFrame::Blocks { names } = frame else { panic!("{frame:?}") };
            assert!(names.into_iter().eq((0..1_000).map(|n| name(&long(n)))));
        }
    });
}

#[test]
fn short_answers_are_encoded_as_there_is_room() {
    block_on(async {
        let (_folder, host) = host().await;
        let text = "no".repeat(100);
        let error = ServerFrame::Error { code: ErrorCode::Closed, peer: None, text };
        let key = SessionKey::new(name("mallory"), name("alice")).unwrap();
        host.block(&key).await.unwrap();
        let kinds: [fn(&ServerFrame) -> Reply; 4] = [
            |error| Reply::Frame(Box::new(error.clone())),
            |_| Reply::Key(name("bob")),
            |_| Reply::Close(name("bob")),
            |_| Reply::Blocks,
        ];
        for (kind, silent) in kinds.iter().zip([false, false, true, false]) {
            let mut writer = writer(&host, replies((0..MANY).map(|_| kind(&error))));
            let said = all_said(&mut writer, MAX_HEADER).len() as u64;
            assert_eq!(said, if silent { 0 } else { MANY });
        }
    });
}

#[test]
fn what_waits_and_what_was_marked_is_encoded_as_there_is_room() {
    block_on(async {
        let (_folder, host) = host().await;
        let who = |n| name(&format!("friend{n}"));
        let mut writer = writer(&host, Due::waiting((0..MANY).map(|n| (who(n), 1)).collect()));
        assert_eq!(all_said(&mut writer, MAX_HEADER).len() as u64, MANY);
        for n in 0..MANY {
            writer.link.mark(&who(n), |marks| marks.waiting = true);
        }
        writer.link.mark_ping();
        assert_eq!(all_said(&mut writer, MAX_HEADER).len() as u64, MANY + 1);
    });
}

fn message(n: u64, length: usize) -> Message {
    Message::text(1, n, vec![b'x'; length])
}

/// Alice's session with bob, in which messages up to this expired.
async fn expired(up_to: u64) -> Session {
    let (mailbox, windows) = (MemoryMailbox::default(), Windows::new(0));
    let key = SessionKey::new(name("alice"), name("bob")).unwrap();
    let own = Session::new(key.clone(), &windows);
    own.load(&mailbox, &Default::default()).await.unwrap();
    let messages = (1..=up_to).map(|n| message(n, 1)).collect();
    own.accept(&mailbox, &Quota::default(), Offer::of(1, messages)).unwrap();
    own.commit(&mailbox, &Commit { key: key.clone(), up_to, ended_up_to: 0 });
    assert!(own.expire(&mailbox, up_to));
    own.commit(&mailbox, &Commit { key, up_to: 0, ended_up_to: up_to });
    own
}

#[test]
fn what_expired_is_told_as_there_is_room_and_ahead_of_what_claims_it() {
    block_on(async {
        let (_folder, host) = host().await;
        let own = expired(MANY).await;
        let mut writer = writer(&host, replies([Reply::Open(own)]));
        let said = all_said(&mut writer, MAX_HEADER);
        let told = said.iter().map_while(|frame| match frame {
            ServerFrame::Expired { n, .. } => Some(*n),
            _ => None,
        });
        assert!(told.eq(1..=MANY));
        assert_eq!(said.len() as u64, MANY + 1);
        assert!(matches!(said.last(), Some(ServerFrame::Talking { .. })), "{:?}", said.last());
        // The same for what expires later.
        let conversation = writer.conversations.get_mut(&name("bob")).unwrap();
        (conversation.told_ended, conversation.told) = Default::default();
        writer.link.mark(&name("bob"), |marks| (marks.receipts, marks.room) = (true, true));
        let said = all_said(&mut writer, MAX_HEADER);
        assert_eq!(said.len() as u64, MANY + 2, "and DELIVERED, and ROOM once");
        let delivered = said.iter().position(|it| matches!(it, ServerFrame::Delivered { .. }));
        assert_eq!(delivered, Some(MANY as usize));
    });
}

#[test]
fn messages_are_encoded_as_there_is_room() {
    block_on(async {
        let (_folder, host) = host().await;
        for length in [0, 10, 5_000, MAX_BODY] {
            let count = (1024 * 1024 / (length as u64 + 100)).max(1);
            let batch = Batch::new(1, (1..=count).map(|n| message(n, length)).collect());
            assert!(Usage::of(&batch).messages > 8);
            let session = expired(1).await;
            let delivery = Delivery { peer: name("bob"), session, batch, after: 1 };
            let mut writer = writer(&host, Due::first(Item::Delivery(delivery)));
            let said = all_said(&mut writer, MAX_HEADER + MAX_BODY);
            let seqs = said.iter().map(|frame| match frame {
                ServerFrame::Message { seq, message, .. } => (*seq, message.id.n),
                other => panic!("{other:?}"),
            });
            assert!(seqs.eq((2..=count).map(|n| (n - 1, n))));
        }
    });
}
