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

/// What is in the file, either way.
const CONTENT: &[u8] = b"hello";

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let stage = Stage::open();
    fs::write(stage.path("file"), CONTENT).unwrap();
    stage
});

fuzz_target!(|bytes: &[u8]| {
    let Some((sends, carry)) = common::choice(bytes, 2) else { return };
    let (blob, ticket) = ("0123456789abcdef".repeat(2), "0".repeat(32));
    let hash = blake3::hash(CONTENT).to_hex();
    let told = format!(r#"{{"blob":"{blob}","name":"a","size":5,"blake3":"{hash}"}}"#);
    let mut chat = "TALKING marie online 0 0 0 0 0\r\n".to_string();
    if sends == 0 {
        let length = told.len();
        chat += &format!("MSG marie 1 0000000000000001 1 00000000000000000000000000000001 0 file {length}\r\n{told}\r\n");
    }
    chat += &format!("TICKET {ticket}\r\n");
    let (marie, path) = (|| name("marie"), STAGE.path("file"));
    let wanted = match sends {
        0 => Command::Get { peer: marie(), number: None },
        _ => Command::SendFile { peer: marie(), path, caption: None },
    };
    let hello = Command::Send { peer: marie(), text: "hello".into() };
    let commands = [Command::Talk(marie()), hello, wanted];
    let script = Script { greets: false, chat: chat.into(), carry: Some(carry.into()) };
    STAGE.run(script, &commands, |data| {
        for (name, content) in files(data) {
            assert!(name.ends_with(".part") || content == CONTENT, "{name} is {content:?}");
        }
    });
});
