//! Any bytes to a client that fetches a file, or sends one: it never panics, and takes for the file only what hashes
//! to what it was told of.

#![no_main]

mod common;
mod stage;

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use stage::{Script, Stage, files, name};
use tinychat::client::Command;
use tinychat::folder::Folder;
use tinychat::message::{Installation, Timestamp};
use tinychat::trust::devices::{
    Bundle, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey,
};
use tinychat::trust::{CurveKey, Identity, PublicKey};

/// What is in the file, either way.
const CONTENT: &[u8] = b"hello";

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let stage = Stage::open();
    fs::write(stage.path("file"), CONTENT).unwrap();
    stage
});

/// Whom a file is sealed for.
struct Marie {
    key: PublicKey,
    devices: Bundle,
}

static MARIE: LazyLock<Marie> = LazyLock::new(|| {
    let (identity, place) = (Identity::generate().unwrap(), tempfile::tempdir().unwrap());
    let key = DeviceKey::open_or_create(&Folder::open(place.path()).unwrap()).unwrap();
    let owner = Owner { server: None, name: name("marie"), identity: identity.public() };
    let device = Device { installation: Installation::from_u64(1), key: key.public() };
    let prekey = Prekey {
        server: None,
        name: name("marie"),
        identity: identity.public().fingerprint(),
        installation: device.installation,
        curve: CurveKey::from_bytes([1; 32]),
        fallback: CurveKey::from_bytes([1; 32]),
        number: 1,
        time: Timestamp(0),
    };
    let prekey = SignedPrekey::sign(prekey, &key).unwrap();
    let list = DeviceList::first(owner, device, Timestamp(0));
    let list = Bundle::of(SignedList::sign(list, &identity).unwrap());
    Marie { key: identity.public(), devices: list.with(prekey).unwrap() }
});

fuzz_target!(|bytes: &[u8]| {
    let Some((sends, carry)) = common::choice(bytes, 2) else { return };
    let (marie, path) = (|| name("marie"), STAGE.path("file"));
    let (script, wanted) = match sends {
        0 => (tells_of_a_file(), Command::Get { peer: marie(), number: None }),
        _ => (has_a_list(), Command::SendFile { peer: marie(), path, caption: None }),
    };
    let script = Script { carry: Some(carry.into()), ..script };
    let hello = Command::Send { peer: marie(), text: "hello".into() };
    let commands = [Command::Talk(marie()), hello, wanted];
    STAGE.run(script, &commands, |data| {
        for (name, content) in files(data) {
            assert!(name.ends_with(".part") || content == CONTENT, "{name} is {content:?}");
        }
    });
});

/// A message of marie's.
fn tells_of_a_file() -> Script {
    let (blob, hash) = ("0123456789abcdef".repeat(2), blake3::hash(CONTENT).to_hex());
    let told = format!(r#"{{"blob":"{blob}","name":"a","size":5,"blake3":"{hash}"}}"#);
    let (length, ticket) = (told.len(), ticket());
    let origin = "00000000000000000000000000000001";
    let head = format!("MSG marie 1 0000000000000001 1 {origin} 0 file {length}");
    let chat = format!("TALKING marie online 0 0 0 0 0\r\n{head}\r\n{told}\r\n{ticket}");
    Script { chat: chat.into(), ..Script::default() }
}

/// Marie's device list, without which no file goes to her.
fn has_a_list() -> Script {
    let chat = format!("KEY marie {}\r\nTALKING marie online 0 0 0 0 1\r\n", MARIE.key);
    let bundle = MARIE.devices.bytes();
    let (head, ticket) = (format!("DEVICES marie 1 {}\r\n", bundle.len()), ticket());
    let devices = [head.as_bytes(), &bundle[..], b"\r\n", ticket.as_bytes()].concat();
    Script { chat: chat.into(), devices: Some(devices), ..Script::default() }
}

fn ticket() -> String {
    format!("TICKET {}\r\n", "0".repeat(32))
}
