//! Vectors that were computed by another program: by Python's hashlib and blake3, and ChaCha20-Poly1305 and HKDF of its
//! cryptography. What is hashed in places of keys and lists is arbitrary. A writer's statement is by `ssh-keygen`.

use std::io::{Cursor, Read};

use sha2::{Digest, Sha256};
use vodozemac::olm::OlmMessage;

use super::body::{Addressed, Body};
use super::content::{Content, Got, Known};
use super::context::{Context, End};
use super::envelope::Envelope;
use super::file::{FileKey, FileSeed};
use super::payload::{Payload, PayloadKey};
use super::stream::Sealing;
use crate::message::{Installation, Kind, Name, Origin, Timestamp};
use crate::trust::devices::SignedWriter;
use crate::trust::{CurveKey, Fingerprint, PublicKey};

const CONTENT: &str = "\
    101112131415161718191a1b1c1d1e1f0000000000000003dc47ee6cd6453d2681a612d5964b4953bf777ad5de2b1d83\
    de7fc22ef06e68d900000000000000000000000000000000000000000000000000000000000000000000000000000000\
    015f3c0a9c41c3b2e7000000000000002a04746578740000019b76daa8000000000e4772c3bcc39f652c204d61726965\
    000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

const PAYLOAD: &str = "\
    12a4bb9924a59f6a4f8dc72829d6767bb1aa4a97e7812b186d8abacc5ef3247bfa99e48600974d11b63f87b54c10a56c\
    55b58da6f8c51886deec0eb61e78b47841354e9e0acb84c85f5fee7c958e6bf355fec14763920c2a0fb9e4a7fb2b9ff6\
    2d7e1d4a6fd7d5b360343c1d91a2addd39c93440e74a9f7c348c6242531661ab8b36a2619d7bee1dbadb69baceaa6f41\
    8eb41b269ac797a438fadbdaab6b23440564e7590af0958c4c78dfee11eaa996b489d82c41bfb71672d8bfb0df283a7b\
    9199a5950b702696961471004a521604d505b4f041287805e1ab99a94162d7e1e778298d29d0864c9e26940976f53d20";

const ENVELOPE: &str = "\
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2c367b9d9f06ca1d0911ff4fcc62019e\
    89186b2bdf433d9f1580a23625f81b930427b8bd5bfea7e2bd602e53c2bd3a2a76167c6dcc770b608d1f95eff5f1b484";

/// Signed by a key that was thrown away.
const STATEMENT: &str = "\
    tinychat/2 writer\n\
    server SHA256:s+rNM0M7MbUlI1EDLJs+ei56p3ONXezfDdbGJoCFPAY\n\
    name alice\n\
    identity AAAAC3NzaC1lZDI1NTE5AAAAILTo7Slz2l8ov6HmBsffuhy2jGQ04rjXBkXwWFfPlNeY\n\
    installation 5f3c0a9c41c3b2e7\n\
    curve25519 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\n\
    time 2026-01-01T00:00:00Z\n\
    -----BEGIN SSH SIGNATURE-----\n\
    U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgtOjtKXPaXyi/oeYGx9+6HLaMZD\n\
    TiuNcGRfBYV8+U15gAAAAPdGlueWNoYXQtd3JpdGVyAAAAAAAAAAZzaGE1MTIAAABTAAAA\n\
    C3NzaC1lZDI1NTE5AAAAQG+otgAgKfVtm84u/+lgMi/Bb1UZ7Q7ZZL6a/iQouwsnaB3hVV\n\
    Fm7RF/QY+u925VN7TizjAdTlaUNXHZ2adbZAE=\n\
    -----END SSH SIGNATURE-----\n";

/// SHA-256 over a body without that statement, and over the same with it.
const BODY: &str = "3059078d4ec87b910d200adc5383a42f787bebfe4d072631360d0f3d538dd93a";
const BODY_OF_WRITER: &str = "0fbf0fa5c1f335281a7f0c9cf2fda05b3063e2243d23315a26db79fae37aa691";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn counted<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|at| from + at as u8)
}

fn content() -> Content {
    Content {
        origin: Origin::from_bytes(counted(0x10)),
        lists: [Some(Known { version: 3, hash: Fingerprint::of(b"alice's list") }), None],
        got: vec![Got { installation: Installation::from_u64(0x5f3c_0a9c_41c3_b2e7), n: 42 }],
        kind: Kind::TEXT,
        time: Timestamp(1_767_225_600_000),
        body: "Grüße, Marie".into(),
    }
}

#[test]
fn contents_and_payloads_are_as_others_compute_them() {
    let key = PayloadKey::from_bytes(counted(0));
    assert_eq!(hex(&content().encode()), CONTENT);
    let payload = Payload::seal_with(&key, &content());
    assert_eq!(hex(payload.bytes()), PAYLOAD);
    assert_eq!(payload.open(&key), Ok(content()));
}

#[test]
fn envelopes_are_as_others_compute_them() {
    let end = |name: &'static Name, byte, number| End {
        name,
        identity: PublicKey::from_bytes([byte; 32]),
        installation: Installation::from_u64(number),
        curve: CurveKey::from_bytes([byte + 1; 32]),
    };
    let names: [Name; 2] = ["alice", "łukasz"].map(|name| name.parse().unwrap());
    let [alice, lukasz]: &'static [Name; 2] = Box::leak(Box::new(names));
    let context = Context {
        server: Some(Fingerprint::of(b"server")),
        from: end(alice, 1, 0x5f3c_0a9c_41c3_b2e7),
        to: end(lukasz, 3, 0x9ab0_04c1_d2e3_f405),
        n: 7,
    };
    let key = PayloadKey::from_bytes(counted(0));
    let payload = Payload::seal_with(&key, &content());
    let envelope = Envelope::new(key, &payload, &context);
    assert_eq!(hex(&envelope.to_bytes()), ENVELOPE);
    assert_eq!(envelope.open(&payload, &context), Ok(content()));
}

/// With an Olm message that has all its fields, and was encrypted by nobody.
fn body() -> Body {
    let (key, text, mac) = (counted::<32>(0x20), counted::<16>(0x40), counted::<8>(0x50));
    let message = [&[3_u8, 0x0a, 32][..], &key, &[0x10, 7, 0x22, 16], &text, &mac].concat();
    let message = OlmMessage::from_parts(1, &message).unwrap();
    let addressed = |number| Addressed::new(Installation::from_u64(number), &message);
    let envelopes = [0x9ab0_04c1_d2e3_f405, 0x5f3c_0a9c_41c3_b2e7].map(addressed);
    let payload = Payload::seal_with(&PayloadKey::from_bytes(counted(0)), &content());
    Body::new(envelopes.into(), payload).unwrap()
}

#[test]
fn bodies_are_as_others_compute_them() {
    let writer = SignedWriter::read(STATEMENT.into()).unwrap();
    for (body, hash) in [(body(), BODY), (body().with_writer(writer), BODY_OF_WRITER)] {
        let bytes = body.encode();
        assert_eq!(hex(&Sha256::digest(&bytes)), hash);
        assert_eq!(Body::decode(bytes.into()), Ok(body));
    }
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let seed = FileSeed::from_bytes(counted(0));
    let key = FileKey::new(&seed, &blake3::hash(plain), plain.len() as u64).unwrap();
    let mut sealed = Vec::new();
    Sealing::new(key, Cursor::new(plain)).read_to_end(&mut sealed).unwrap();
    sealed
}

#[test]
fn short_files_are_as_others_compute_them() {
    assert_eq!(hex(&sealed(b"")), "1abea2fa5117e56b858c03b035bbba77");
    let greeting = "2db75b6a4bcff9d005a5990db8719466b52d75381313e89e95ef5b3e86c098";
    assert_eq!(hex(&sealed("Grüße, Marie\n".as_bytes())), greeting);
}

/// As they are long, SHA-256 of them is compared. Byte i of each is i modulo 251.
#[test]
fn long_files_are_as_others_compute_them() {
    for (size, hash) in [
        (65_536, "8c534930562ed7148871594a8707b88bf97b0f2763dc1bacab85ec81d6728f1a"),
        (65_537, "51a9752d7f97d746f32feb07d909e0dbcf288e7b31618551f31117d64be8eb3f"),
        (131_072, "1c9b98b821b4a6e13e9756aadb57eaa01b4735def084b061616422ac229b5ebb"),
    ] {
        let mut plain = (0..251).collect::<Vec<u8>>().repeat(size / 251 + 1);
        plain.truncate(size);
        assert_eq!(hex(&Sha256::digest(sealed(&plain))), hash, "{size}");
    }
}
