//! TLS records that carry next to nothing: each costs the server work, and none is a frame that counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use async_std::task;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::pki_types::ServerName;
use rustls::{
    ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, StreamOwned,
    SupportedCipherSuite,
};
use tinychat::server::{Config, Tls};
use tinychat::trust::Identity;
use tinychat::trust::tls::{Channel, client_config, fingerprint};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::world::{FIRST_INSTALLATION, patiently, story_with};

/// How many records are written at once.
const RECORDS: usize = 1_000;

/// How often alice and bob exchange something meanwhile.
const EXCHANGES: u64 = 50;

fn with_tls(config: &mut Config) {
    config.tls = Tls::Own;
}

/// Somebody who is signed in and writes their TLS records themselves, also such as no library does.
struct Recorder {
    stream: TcpStream,
    encrypter: Box<dyn MessageEncrypter>,
    written: u64,
}

impl Recorder {
    fn sign_in(address: SocketAddr, name: &str, identity: &Identity) -> Self {
        let mut config = client_config().unwrap();
        config.enable_secret_extraction = true;
        let server = ServerName::IpAddress(address.ip().into());
        let connection = ClientConnection::new(Arc::new(config), server).unwrap();
        let mut tls = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
        let key = identity.public();
        write!(tls, "HELLO tinychat/2 {name} {key} {FIRST_INSTALLATION} online\r\n").unwrap();
        let challenge = line(&mut tls);
        let nonce = challenge.strip_prefix("CHALLENGE ").unwrap();
        let certificate = &tls.conn.peer_certificates().unwrap()[0];
        let channel = Channel::of(fingerprint(certificate).unwrap(), &tls.conn).unwrap();
        let text = sign_in_text(&name.parse().unwrap(), nonce, &channel);
        let proof = identity.sign(SIGN_IN_NAMESPACE, &text).unwrap();
        write!(tls, "PROVE {}\r\n{proof}\r\n", proof.len()).unwrap();
        assert!(line(&mut tls).starts_with("WELCOME"));
        let SupportedCipherSuite::Tls13(suite) = tls.conn.negotiated_cipher_suite().unwrap();
        let (written, secrets) = tls.conn.dangerous_extract_secrets().unwrap().tx;
        let (key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv }
            | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
            | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
            _ => panic!("another cipher"),
        };
        Self { stream: tls.sock, encrypter: suite.aead_alg.encrypter(key, iv), written }
    }

    /// Writes each of these in a record of its own. False once the server has closed.
    fn write<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let records: Vec<u8> = pieces.into_iter().flat_map(|piece| self.record(piece)).collect();
        self.stream.write_all(&records).is_ok()
    }

    fn record(&mut self, bytes: &[u8]) -> Vec<u8> {
        let record = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(bytes),
        };
        self.written += 1;
        self.encrypter.encrypt(record, self.written - 1).unwrap().encode()
    }
}

fn line(from: &mut impl Read) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while from.read_exact(&mut byte).is_ok() && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap().trim_end().into()
}

#[test]
fn who_writes_a_record_for_each_byte_is_closed_and_nobody_waits_for_them() {
    story_with(with_tls, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let (address, identity) = (world.address(), world.identity("mallory"));
        let mallory = task::spawn_blocking(move || {
            let mut mallory = Recorder::sign_in(address, "mallory", &identity);
            let frame = [
                b"MSG alice 1 00000000000000000000000000000001 text 0 60000\r\n" as &[u8],
                &[b'x'; 60_000],
                b"\r\n",
            ]
            .concat();
            let mut bytes = frame.chunks(1).cycle();
            while mallory.write(bytes.by_ref().take(RECORDS)) {}
        });
        for n in 1..=EXCHANGES {
            alice.say("bob", n, "can you hear me?").await;
            bob.hears("alice", n, n, "can you hear me?").await;
            bob.ack("alice", n).await;
        }
        patiently("the server closes", mallory).await;
    });
}

#[test]
fn how_frames_are_split_into_records_means_nothing() {
    story_with(with_tls, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("mallory").await;
        let (address, identity) = (world.address(), world.identity("mallory"));
        let mallory = task::spawn_blocking(move || {
            let mut mallory = Recorder::sign_in(address, "mallory", &identity);
            assert!(mallory.write(b"TALK alice 0\r\n".chunks(1)));
            for n in 1..=1_000 {
                let frame = format!("MSG alice {n} {n:032x} text 0 15\r\nin small pieces\r\n");
                let pieces = frame.as_bytes().chunks(8).flat_map(|piece| [piece, b""]);
                assert!(mallory.write(pieces));
            }
            mallory
        });
        let mallory = patiently("all of it is written", mallory).await;
        alice.expect("PRESENCE mallory online").await;
        for n in 1..=1_000 {
            alice.hears("mallory", n, n, "in small pieces").await;
        }
        drop(mallory);
    });
}
