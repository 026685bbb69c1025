//! That the specification is enough to open what is sealed: a Python script does, which has nothing of this crate.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tinychat::message::Message;
use tinychat::seal::{FileKey, FileSeed, Sealing};
use tinychat::trust::devices::Bundle;

use crate::keys::{shell, with_programs};
use crate::lying::Liar;
use crate::programs::Launch;
use crate::sealed::{comes_by, leaves};
use crate::sealed_lies::bundle_of;
use crate::world::story;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/open_sealed.py");

const VECTORS: &str = include_str!("../../src/seal/vectors.rs");

/// A folder to work in, where the script can run; else it is said why it cannot.
fn with_python() -> Option<TempDir> {
    let folder = with_programs(&["python3"])?;
    if shell(folder.path(), "python3 -c 'import cryptography' 2>&1 || true").is_empty() {
        return Some(folder);
    }
    eprintln!("SKIPPED: python3 has no cryptography here");
    None
}

/// What the script finds inside.
fn open(folder: &TempDir, given: &Value) -> Vec<u8> {
    fs::write(folder.path().join("given"), given.to_string()).unwrap();
    let digits = shell(folder.path(), &format!("python3 '{SCRIPT}' < given"));
    let digits = digits.trim();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One of the crate's own.
fn vector(name: &str) -> String {
    let (_, behind) = VECTORS.split_once(&format!("const {name}: &str = \"")).unwrap();
    let (text, _) = behind.split_once('"').unwrap();
    text.chars().filter(char::is_ascii_hexdigit).collect()
}

/// Bytes from 0 on.
fn counted() -> [u8; 32] {
    std::array::from_fn(|at| at as u8)
}

#[test]
fn a_script_opens_a_payload_with_its_key() {
    let Some(folder) = with_python() else { return };
    let given = json!({ "payload": vector("PAYLOAD"), "key": hex(&counted()) });
    assert_eq!(hex(&open(&folder, &given)), vector("CONTENT"));
}

#[test]
fn a_script_opens_files_with_what_their_messages_tell() {
    let Some(folder) = with_python() else { return };
    for size in [0, 1, 65_536, 65_537, 200_000] {
        let plain: Vec<u8> = (0..size).map(|at: usize| (at % 251) as u8).collect();
        let hash = blake3::hash(&plain);
        let seed = FileSeed::from_bytes(counted());
        let key = FileKey::new(&seed, &hash, plain.len() as u64).unwrap();
        let mut sealed = Vec::new();
        Sealing::new(key, Cursor::new(&plain)).read_to_end(&mut sealed).unwrap();
        let given = json!({
            "file": hex(&sealed), "seed": hex(&counted()), "hash": hash.to_string(), "size": size
        });
        assert!(open(&folder, &given) == plain, "{size}");
    }
}

/// What a data folder has that messages are opened with.
struct Kept {
    installation: String,
    account: Value,
    sessions: Vec<Value>,
}

fn kept(folder: &Path) -> Kept {
    let store = Connection::open(folder.join("messages.db")).unwrap();
    let all = "SELECT installation, pickle FROM account";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, String>(1)?));
    let (installation, account) = store.query_row(all, (), row).unwrap();
    let mut query = store.prepare("SELECT pickle FROM session ORDER BY taken DESC").unwrap();
    let sessions = query.query_map((), |row| row.get::<_, String>(0)).unwrap();
    let read = |text: String| serde_json::from_str(&text).unwrap();
    let sessions = sessions.map(|text| read(text.unwrap())).collect();
    Kept { installation, account: read(account), sessions }
}

/// The parts of a context behind the first, of a message from one to the other on a server without TLS.
fn context(from: &Bundle, to: &Bundle, n: u64) -> Vec<String> {
    let end = |it: &Bundle| {
        let (owner, device) = (it.list().owner(), it.list().devices()[0]);
        let curve = it.prekey(&device).unwrap().prekey().curve;
        vec![
            hex(owner.name.as_str().as_bytes()),
            hex(&owner.identity.to_bytes()),
            device.installation.to_string(),
            hex(&curve.to_bytes()),
        ]
    };
    [vec![String::new()], end(from), end(to), vec![format!("{n:016x}")]].concat()
}

fn given(kept: &Kept, message: &Message, [alice, bob]: [&Bundle; 2]) -> Value {
    json!({
        "body": hex(&message.body),
        "installation": kept.installation,
        "account": kept.account,
        "sessions": kept.sessions,
        "context": context(alice, bob, message.id.n),
    })
}

#[test]
fn a_script_opens_what_travels_with_what_its_reader_had_before() {
    let Some(folder) = with_python() else { return };
    story(async |world| {
        let liar = Liar::before(world.address()).await;
        comes_by(liar.address, world, "bob").await;
        let desk = world.path("bob");
        let bob = || Launch::at(liar.address, "bob", &desk).to("alice").with(&["--follow"]).start();
        let mut alice = Launch::of(world, "alice").to("bob").with(&["--follow"]).start();
        // It begins a session.
        let before_first = kept(&desk);
        alice.types("tulips\n");
        let mut sits = bob();
        sits.prints("alice: tulips").await;
        sits.types("from where?\n");
        alice.prints("bob: from where?").await;
        leaves(sits).await;
        // It goes on with it.
        let before_last = kept(&desk);
        alice.types("from delft\n");
        let mut sits = bob();
        sits.prints("alice: from delft").await;
        leaves(sits).await;
        leaves(alice).await;
        let (alices, bobs) = (bundle_of(world, "alice").await, bundle_of(world, "bob").await);
        let messages = liar.messages();
        for (kept, (_, message), text) in [
            (before_first, messages.first().unwrap(), "tulips"),
            (before_last, messages.last().unwrap(), "from delft"),
        ] {
            let inside = open(&folder, &given(&kept, message, [&alices, &bobs]));
            assert!(inside.starts_with(&message.origin.to_bytes()), "{text}");
            let has = |part: &[u8]| inside.windows(part.len()).any(|it| it == part);
            assert!(has(b"\x04text") && has(text.as_bytes()), "{text}");
        }
    });
}
