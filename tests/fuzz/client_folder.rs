//! Any bytes as one of the files in a client's data folder, or as its settings: its person is told what is wrong, and
//! nothing panics.
//!
//! The message store is a whole one in which some bytes are others: each five are an offset and a byte.

#![no_main]

mod common;
mod stage;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use stage::Stage;
use tinychat::client::{Client, Command, Config, Place};
use tinychat::trust::known_servers::KnownServers;
use tinychat::trust::{Fingerprint, Identity, KeyFile};
use tinychat::ui::settings::Settings;

/// What the first byte chooses from.
const FILES: &[(&str, fn(&Path))] = &[
    ("known_servers", known_servers),
    ("config.toml", settings),
    ("id_ed25519", identity),
    ("device_ed25519", start),
    ("shown", start),
    ("messages.db", start),
];

static STAGE: LazyLock<Stage> = LazyLock::new(Stage::open);

fuzz_target!(|bytes: &[u8]| {
    let Some((which, content)) = common::choice(bytes, FILES.len()) else { return };
    let (name, open) = FILES[which];
    let data = STAGE.path("john");
    common::copy(&STAGE.path("template"), &data);
    let path = data.join(name);
    let content =
        if name == "messages.db" { common::changed(&path, content) } else { content.into() };
    fs::write(&path, content).unwrap();
    open(&path);
});

fn known_servers(path: &Path) {
    let servers = KnownServers::new(path.into());
    let (one, other) = (Fingerprint::of(b"one"), Fingerprint::of(b"other"));
    let _ = (servers.all(), servers.keys("localhost:7878"), servers.refuse_emptied());
    if servers.meet("localhost:7878", one).is_ok() {
        let _ = servers.accept("localhost:7878", one, other);
        let _ = servers.keys("localhost:7878").unwrap();
    }
}

fn settings(path: &Path) {
    let _ = Settings::read(path);
}

fn identity(path: &Path) {
    let _ = Identity::open(KeyFile { path, agent: None, passphrase: None });
}

fn start(path: &Path) {
    let (server, data) = ("unix:/nowhere".parse().unwrap(), path.parent().unwrap().into());
    let config = Config::new(server, stage::name("john"), data);
    let Ok((client, _)) = Client::start(Config { tls: false, ..config }, None) else { return };
    async_std::task::block_on(async {
        client.give(Command::Overview).await;
        let (peer, place) = (stage::name("marie"), Place::Newest);
        client.give(Command::Page { peer, place, limit: 10 }).await;
        client.give(Command::Leave).await;
        client.join().await;
    });
}
