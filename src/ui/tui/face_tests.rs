//! A face that panics, as a program at a terminal of its own.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command as Program;

use crossterm::event::KeyCode;
use rexpect::process::{PtyProcess, WaitStatus};

use super::*;
use crate::client::{Proxies, Seal};
use crate::ui::start::entry::Options;

/// Tells the test that it is the one that panics, in a process of its own, and where its folder is.
const PANICS: &str = "TINYCHAT_TEST_PANICS_IN";

/// F12 does what no key should do.
const F12: &[u8] = b"\x1b[24~";

pub(super) fn panic_if_asked(event: &TerminalEvent) {
    let asked = matches!(event, TerminalEvent::Key(key) if key.code == KeyCode::F(12));
    assert!(!asked, "in the middle of a chat");
}

fn john(data: PathBuf) -> Options {
    Options {
        // Nobody is there.
        server: "127.0.0.1:1".parse().unwrap(),
        misnamed: None,
        tls: false,
        proxies: Proxies::default(),
        handshake: Duration::from_secs(60),
        user: Some("john".parse().unwrap()),
        to: Some("marie".parse().unwrap()),
        data: Some(data),
        identity: None,
        commands: false,
        follow: false,
        receipts: false,
        seal: Seal::default(),
        read_receipts: false,
        timeout: Duration::from_secs(60),
        get_up_to: 0,
    }
}

/// Nobody is asked who was there before.
fn was_there(data: &Path) {
    let config = entry::config(&john(data.into()), &"john".parse().unwrap()).unwrap();
    let (client, _) = Client::start(config, None).unwrap();
    async_std::task::block_on(client.join());
}

#[test]
fn a_panic_keeps_what_was_being_written() {
    if let Some(data) = std::env::var_os(PANICS) {
        let living =
            crate::ui::tui::run(john(data.into()), crate::ui::settings::Choices::default());
        let _ = async_std::task::block_on(living);
        return;
    }
    let data = tempfile::tempdir().unwrap();
    was_there(data.path());
    let name = "ui::tui::face::tests::a_panic_keeps_what_was_being_written";
    let mut program = Program::new("sh");
    program.args(["-c", "stty cols 80 rows 24; exec \"$@\"", "sh"]);
    program.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    program.env(PANICS, data.path()).env("TERM", "xterm-256color");
    let process = PtyProcess::new(program).unwrap();
    let mut terminal = process.get_file_handle().unwrap();
    terminal.write_all(b"half a thought").unwrap();
    terminal.write_all(F12).unwrap();
    let mut shown = Vec::new();
    // The end of a terminal is an error.
    let _ = terminal.read_to_end(&mut shown);
    assert!(matches!(process.wait().unwrap(), WaitStatus::Exited(_, 101)));
    let shown = String::from_utf8_lossy(&shown);
    let (before, _) = shown.split_once("in the middle of a chat").unwrap();
    assert!(before.contains("\u{1b}[?1049l"), "the shell's screen is back: {shown:?}");
    let kept = Memory::read(&data.path().join(crate::ui::tui::memory::FILE), "127.0.0.1:1");
    assert_eq!(kept.people["marie"].draft, "half a thought");
}
