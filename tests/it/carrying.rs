//! Files on the wire: what the server takes, keeps, gives and refuses.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::AsyncWriteExt;
use tinychat::server::{Config, FileLimits, Rate};
use tinychat::wire::MAX_CHUNK;
use tinychat::wire::frame::FileReply;
use tinychat::wire::stream::FrameReader;
use tinychat::wire::transport::BoxWriter;

use crate::world::{FIRST_INSTALLATION, Peer, World, line, patiently, story, story_with};

/// A connection that carries files for somebody.
pub(crate) struct Carrier {
    half: BoxWriter,
    reader: FrameReader<FileReply>,
}

impl Carrier {
    /// For somebody who is signed in.
    pub(crate) async fn of(world: &World, person: &mut Peer) -> Self {
        Self::at(world, world.address(), person).await
    }

    /// For somebody who is signed in at one of several servers.
    pub(crate) async fn at(world: &World, server: SocketAddr, person: &mut Peer) -> Self {
        let ticket = ticket(person).await;
        let mut peer = world.connect_to(server).await;
        peer.send(&format!("CARRY tinychat/2 {ticket}")).await;
        Self::on(peer)
    }

    /// On a connection on which `CARRY` was said, or will be.
    pub(crate) fn on(peer: Peer) -> Self {
        let (reader, half) = peer.into_parts();
        Self { half, reader: reader.switch() }
    }

    pub(crate) async fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\r\n").as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let sending = async {
            self.half.write_all(bytes).await?;
            self.half.flush().await
        };
        patiently("the server takes it", sending).await.unwrap();
    }

    pub(crate) async fn chunk(&mut self, offset: usize, bytes: &[u8]) {
        let head = format!("CHUNK {offset} {}\r\n", bytes.len());
        self.send_bytes(&[head.as_bytes(), bytes, b"\r\n"].concat()).await;
    }

    pub(crate) async fn next(&mut self) -> Option<FileReply> {
        let next = patiently("a frame of the server", self.reader.next()).await;
        next.unwrap_or(None).map(|frame| frame.unwrap())
    }

    /// The next line is this one. Of `ERR` only the beginning is compared.
    pub(crate) async fn expect(&mut self, expected: &str) {
        let line = self.next().await.map(|frame| line(&frame)).unwrap_or_default();
        let fits = line == expected || expected.starts_with("ERR") && line.starts_with(expected);
        assert!(fits, "{expected:?} expected, got {line:?}");
    }

    /// The server has closed.
    pub(crate) async fn ends(mut self) {
        assert_eq!(self.next().await, None);
    }

    /// Offers a file and gives its id.
    pub(crate) async fn offer(&mut self, to: &str, size: usize) -> String {
        self.send(&format!("OFFER {to} {size}")).await;
        match self.next().await {
            Some(FileReply::Have { blob, size: 0, hash: None }) => blob.to_string(),
            other => panic!("HAVE expected, got {other:?}"),
        }
    }

    /// Sends a whole file and gives its id.
    pub(crate) async fn upload(&mut self, to: &str, content: &[u8]) -> String {
        let blob = self.offer(to, content.len()).await;
        for (n, chunk) in content.chunks(MAX_CHUNK).enumerate() {
            self.chunk(n * MAX_CHUNK, chunk).await;
        }
        self.expect(&format!("KEPT {blob}")).await;
        blob
    }

    /// Fetches a file from some byte on.
    pub(crate) async fn fetch(&mut self, blob: &str, from: usize, size: usize) -> Vec<u8> {
        self.send(&format!("FETCH {blob} {from}")).await;
        self.expect(&format!("HAVE {blob} {size}")).await;
        let mut content = Vec::new();
        while from + content.len() < size {
            let Some(FileReply::Chunk { offset, body }) = self.next().await else {
                panic!("CHUNK expected")
            };
            assert_eq!(offset, (from + content.len()) as u64);
            content.extend_from_slice(&body);
        }
        content
    }
}

pub(crate) async fn ticket(person: &mut Peer) -> String {
    person.send("TICKET").await;
    let line = person.next_but_receipts().await;
    line.strip_prefix("TICKET ").unwrap_or_else(|| panic!("a TICKET: {line}")).into()
}

/// Bytes that are nowhere the same.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

#[test]
fn a_file_waits_for_whom_it_is_for_and_is_gone_when_she_has_it() {
    story(async |world| {
        let content = noise(MAX_CHUNK * 2 + 1_000);
        let mut john = world.sign_in("john").await;
        let blob = Carrier::of(world, &mut john).await.upload("marie", &content).await;
        drop(john);
        world.restart().await;
        let mut marie = world.sign_in("marie").await;
        let mut carrier = Carrier::of(world, &mut marie).await;
        let size = content.len();
        assert_eq!(carrier.fetch(&blob, 0, size).await, content);
        assert_eq!(carrier.fetch(&blob, 1_000, size).await, content[1_000..]);
        assert_eq!(carrier.fetch(&blob, size, size).await, b"");
        carrier.send(&format!("DROP {blob}")).await;
        carrier.expect(&format!("GONE {blob}")).await;
        carrier.send(&format!("FETCH {blob} 0")).await;
        carrier.expect("ERR GONE -").await;
        carrier.ends().await;
        assert_eq!(fs::read_dir(world.path("server/blobs")).unwrap().count(), 0);
    });
}

#[test]
fn others_neither_read_nor_drop_nor_go_on_with_it() {
    story(async |world| {
        let mut john = world.sign_in("john").await;
        let mut sending = Carrier::of(world, &mut john).await;
        let blob = sending.upload("marie", b"for marie").await;
        let begun = sending.offer("marie", 10).await;
        let mut mallory = world.sign_in("mallory").await;
        for line in [format!("FETCH {blob} 0"), format!("RESUME {begun}")] {
            let mut carrier = Carrier::of(world, &mut mallory).await;
            carrier.send(&line).await;
            carrier.expect("ERR GONE -").await;
        }
        let mut carrier = Carrier::of(world, &mut mallory).await;
        carrier.send(&format!("DROP {blob}")).await;
        carrier.expect(&format!("GONE {blob}")).await;
        let mut marie = world.sign_in("marie").await;
        let mut carrier = Carrier::of(world, &mut marie).await;
        assert_eq!(carrier.fetch(&blob, 0, 9).await, b"for marie");
    });
}

#[test]
fn an_upload_goes_on_after_a_cut_and_after_a_restart() {
    story(async |world| {
        let content = noise(10_000);
        let mut john = world.sign_in("john").await;
        let mut carrier = Carrier::of(world, &mut john).await;
        let blob = carrier.offer("marie", content.len()).await;
        carrier.chunk(0, &content[..3_000]).await;
        drop(carrier);
        let mut carrier = Carrier::of(world, &mut john).await;
        // The first connection's chunk may still be on its way.
        let resumed = async {
            loop {
                carrier.send(&format!("RESUME {blob}")).await;
                match carrier.next().await {
                    Some(FileReply::Have { size: 3_000, hash: None, .. }) => break,
                    Some(FileReply::Have { size: 0, .. }) => {}
                    other => panic!("HAVE expected, got {other:?}"),
                }
            }
        };
        patiently("the upload is gone on with", resumed).await;
        carrier.chunk(3_000, &content[3_000..5_000]).await;
        carrier.send(&format!("RESUME {blob}")).await;
        carrier.expect(&format!("HAVE {blob} 5000")).await;
        drop((carrier, john));
        world.restart().await;
        let mut john = world.sign_in("john").await;
        let mut carrier = Carrier::of(world, &mut john).await;
        carrier.send(&format!("RESUME {blob}")).await;
        let hash = blake3::hash(&content[..5_000]);
        carrier.expect(&format!("HAVE {blob} 5000 {hash}")).await;
        carrier.chunk(5_000, &content[5_000..]).await;
        carrier.expect(&format!("KEPT {blob}")).await;
        carrier.send(&format!("RESUME {blob}")).await;
        carrier.expect(&format!("KEPT {blob}")).await;
        let mut marie = world.sign_in("marie").await;
        let mut carrier = Carrier::of(world, &mut marie).await;
        assert_eq!(carrier.fetch(&blob, 0, content.len()).await, content);
    });
}

#[test]
fn an_empty_file_is_a_file() {
    story(async |world| {
        let mut john = world.sign_in("john").await;
        let mut carrier = Carrier::of(world, &mut john).await;
        let blob = carrier.offer("marie", 0).await;
        carrier.chunk(0, b"").await;
        carrier.expect(&format!("KEPT {blob}")).await;
        let mut marie = world.sign_in("marie").await;
        assert_eq!(Carrier::of(world, &mut marie).await.fetch(&blob, 0, 0).await, b"");
    });
}

#[test]
fn what_is_too_much_is_refused_with_numbers_before_the_first_byte() {
    let files = FileLimits { file: 1_000, person: 1_500, all: 2_000, reserve: 0 };
    story_with(
        |config| config.files = files,
        async |world| {
            let mut john = world.connect().await;
            john.prove("john", &world.identity("john"), FIRST_INSTALLATION).await;
            let welcome = john.next().await;
            assert!(welcome.contains(" file=1000"), "{welcome}");
            let mut anna = world.sign_in("anna").await;
            let refused = async |person: &mut Peer, size: u64, error: &str| {
                let mut carrier = Carrier::of(world, person).await;
                carrier.send(&format!("OFFER marie {size}")).await;
                carrier.expect(error).await;
                carrier.ends().await;
            };
            refused(
                &mut john,
                1_001,
                "ERR SIZE - a file may have 1000 B here; this one has 1001 B",
            )
            .await;
            Carrier::of(world, &mut john).await.upload("marie", &[0; 1_000]).await;
            refused(&mut john, 501, "ERR QUOTA - files of yours with 1000 B wait here already")
                .await;
            Carrier::of(world, &mut anna).await.upload("marie", &[0; 1_000]).await;
            refused(&mut anna, 1, "ERR SPACE - the server has room for 0 B more").await;
        },
    );
}

#[test]
fn files_expire_as_messages_do() {
    let quickly = |config: &mut Config| {
        config.keep = Some(Duration::from_millis(1));
        config.timing.sweep = Duration::from_millis(10);
    };
    story_with(quickly, async |world| {
        let mut john = world.sign_in("john").await;
        let mut carrier = Carrier::of(world, &mut john).await;
        carrier.upload("marie", b"soon gone").await;
        let begun = carrier.offer("marie", 10).await;
        let folder = world.path("server/blobs");
        let expired = async {
            let left =
                || fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
            loop {
                let left: Vec<_> = left();
                if left == [format!("{begun}.part").as_str()] {
                    break;
                }
                john.barrier().await;
            }
        };
        patiently("what is whole expires", expired).await;
    });
}

#[test]
fn who_leaves_or_knows_no_ticket_carries_nothing() {
    story(async |world| {
        let mut john = world.sign_in("john").await;
        let mut carrier = Carrier::of(world, &mut john).await;
        // It is known whose it is.
        carrier.offer("marie", 5).await;
        let ticket = ticket(&mut john).await;
        john.send("QUIT").await;
        john.expect("BYE quit").await;
        carrier.ends().await;
        for ticket in [ticket, "0".repeat(32)] {
            let mut peer = world.connect().await;
            peer.send(&format!("CARRY tinychat/2 {ticket}")).await;
            peer.expect("ERR TICKET -").await;
        }
    });
}

#[test]
fn what_is_not_said_of_files_ends_that_connection_alone() {
    story(async |world| {
        let mut john = world.sign_in("john").await;
        for bad in [
            "QUIT",
            "CHUNK 0 1\r\nx",
            "CHUNK 0 999999999",
            "OFFER john 5",
            "OFFER marie -1",
            "FETCH ../../names 0",
            "GET / HTTP/1.1",
        ] {
            let mut carrier = Carrier::of(world, &mut john).await;
            carrier.send(bad).await;
            carrier.expect("ERR BAD -").await;
            carrier.ends().await;
        }
        let mut carrier = Carrier::of(world, &mut john).await;
        carrier.offer("marie", 5).await;
        carrier.chunk(0, b"more than it has").await;
        carrier.expect("ERR BAD -").await;
        john.send("CHUNK 0 1").await;
        john.expect("ERR VERB").await;
    });
}

#[test]
fn nobody_carries_more_at_once_than_they_may() {
    story_with(
        |config| config.max_carriers = 9,
        async |world| {
            let (mut john, mut marie) = (world.sign_in("john").await, world.sign_in("marie").await);
            let mut carriers = Vec::new();
            for _ in 0..8 {
                let mut carrier = Carrier::of(world, &mut john).await;
                carrier.offer("marie", 5).await;
                carriers.push(carrier);
            }
            let busy = async |person: &mut Peer| {
                let ticket = ticket(person).await;
                let mut peer = world.connect().await;
                peer.send(&format!("CARRY tinychat/2 {ticket}")).await;
                peer.expect("ERR BUSY -").await;
            };
            busy(&mut john).await;
            // The ninth and last of all; for the next john, who has most, gives one up.
            let mut last = Carrier::of(world, &mut marie).await;
            last.upload("john", b"hello").await;
            let mut one_more = Carrier::of(world, &mut marie).await;
            one_more.upload("john", b"hello").await;
            busy(&mut john).await;
            // One of them may be the one that gave way.
            carriers.truncate(6);
            let again = async {
                loop {
                    let mut carrier = Carrier::of(world, &mut john).await;
                    carrier.send("OFFER marie 5").await;
                    if let Some(FileReply::Have { .. }) = carrier.next().await {
                        break;
                    }
                }
            };
            patiently("there is room again", again).await;
        },
    );
}

#[test]
fn who_is_too_fast_with_files_is_slowed_and_nothing_is_lost() {
    let slowly = |config: &mut Config| {
        config.rates.files = Rate { each_second: 4_000_000, burst: MAX_CHUNK as u32 };
    };
    story_with(slowly, async |world| {
        let (content, began) = (noise(MAX_CHUNK * 4), Instant::now());
        let mut john = world.sign_in("john").await;
        let blob = Carrier::of(world, &mut john).await.upload("marie", &content).await;
        let mut marie = world.sign_in("marie").await;
        let mut carrier = Carrier::of(world, &mut marie).await;
        assert_eq!(carrier.fetch(&blob, 0, content.len()).await, content);
        // Seven chunks of the eight had to wait: on no machine is it quicker.
        assert!(began.elapsed() > Duration::from_millis(400), "{:?}", began.elapsed());
    });
}
