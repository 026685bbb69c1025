//! Any bytes to the control socket of a running server, and any to an operator from what is said to be one: neither
//! panics, each answer of the server has an end, and what an operator gets is what was sent.

#![no_main]

mod common;

use std::future::pending;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tinychat::server::{Config, Server, Tls, control};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

static SERVER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = common::folder();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let data = folder.path().join("data");
    let config = Config { tls: Tls::Off, ..Config::new(vec![listen], data) };
    let server = async_std::task::block_on(Server::bind(config)).unwrap();
    async_std::task::spawn(server.run(pending()));
    folder
});

/// Where somebody else listens.
static OTHER: LazyLock<(TempDir, UnixListener)> = LazyLock::new(|| {
    let folder = common::folder();
    let listener = UnixListener::bind(folder.path().join("control")).unwrap();
    (folder, listener)
});

fuzz_target!(|bytes: &[u8]| {
    match common::choice(bytes, 2) {
        Some((0, request)) => ask(request),
        Some((_, answer)) => hear(answer),
        None => {}
    }
});

/// The server answers with whole chunks and an end, but to what is no text at all.
fn ask(request: &[u8]) {
    let socket: PathBuf = SERVER.path().join("data/control");
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    // What the server did not read any more may end it early.
    if stream.read_to_end(&mut answer).is_err() {
        return;
    }
    let mut rest = &answer[..];
    while let Some(length) = rest.strip_prefix(b"data ") {
        let end = length.iter().position(|byte| *byte == b'\n').unwrap();
        let length_of_chunk: usize = str::from_utf8(&length[..end]).unwrap().parse().unwrap();
        rest = &length[end + 1..][length_of_chunk..];
    }
    let ends = rest == b"done\n" || rest.starts_with(b"error ") && rest.ends_with(b"\n");
    assert!(ends || answer.is_empty(), "no end: {:?}", rest.escape_ascii().to_string());
}

fn hear(answer: &[u8]) {
    let (folder, listener) = &*OTHER;
    let said = answer.to_vec();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The operator may go before it has had all.
        let _ = stream.write_all(&said);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut out = Vec::new();
    let _ = control::operate_running(folder.path(), &["status"], &mut out);
    answering.join().unwrap();
    assert!(out.len() <= answer.len());
}
