//! Any bytes to a client that chats, from the first byte on or behind `WELCOME`: it never panics, and it ends
//! when it is told to.

#![no_main]

mod common;
mod stage;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use stage::{Script, Stage, name};
use tinychat::client::Command;

static STAGE: LazyLock<Stage> = LazyLock::new(Stage::open);

fuzz_target!(|bytes: &[u8]| {
    let Some((greets, chat)) = common::choice(bytes, 2) else { return };
    let script = Script { greets: greets == 1, chat: chat.into(), ..Script::default() };
    let (peer, blocked) = (name("carl"), false);
    let commands = [
        Command::Talk(name("marie")),
        Command::Send { peer: name("marie"), text: "hello".into() },
        Command::Online,
        Command::Key(Some(name("anna"))),
        Command::Block { peer, blocked },
        Command::Blocks,
    ];
    STAGE.run(script, &commands, |_| {});
});
