//! Any bytes as a proxy's connection to a server: none of them makes it panic, each connection ends, and nothing is
//! answered to what does not begin as a PROXY header does.

#![no_main]

mod common;

use std::future::pending;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tinychat::server::{Config, Server, Tls};

/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a header of either version begins.
const BEGINNINGS: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

static SERVER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = common::folder();
    let listen = format!("unix:{}", socket(&folder).display());
    let (data, proxies) = (folder.path().join("data"), "unix".parse().unwrap());
    let config = Config { tls: Tls::Off, proxies, ..Config::new(vec![listen], data) };
    let server = async_std::task::block_on(Server::bind(config)).unwrap();
    async_std::task::spawn(server.run(pending()));
    folder
});

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("socket")
}

fuzz_target!(|bytes: &[u8]| {
    let mut stream = UnixStream::connect(socket(&SERVER)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // What is refused is not read to its end.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    assert!(!ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "it goes on");
    let is_announced = BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning));
    assert!(is_announced || answer.is_empty(), "{}", answer.escape_ascii());
});
