//! Any bytes to a client as the answers of its SOCKS5 proxy: it never panics, it ends when it is told to, and it tells
//! nobody the password.

#![no_main]

mod common;
#[allow(dead_code, reason = "no server is reached here")]
mod stage;

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tinychat::client::Config;

const PASSWORD: &str = "a-password-for-the-proxy";

static FOLDER: LazyLock<TempDir> = LazyLock::new(common::folder);

/// What the proxy says.
static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Where it is.
static PROXY: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // The client may go before it has had all.
            let _ = stream.and_then(answer);
        }
    });
    address
});

fn answer(mut stream: TcpStream) -> io::Result<u64> {
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner).clone();
    stream.write_all(&said)?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream, &mut io::sink())
}

fuzz_target!(|bytes: &[u8]| {
    let Some((has_login, said)) = common::choice(bytes, 2) else { return };
    *SAID.lock().unwrap_or_else(PoisonError::into_inner) = said.into();
    let login = if has_login == 1 { format!("john:{PASSWORD}@") } else { String::new() };
    let proxy = format!("socks5h://{login}{}", *PROXY).parse().unwrap();
    let (server, data) = ("chat.example.org".parse().unwrap(), FOLDER.path().join("john"));
    let config = Config { proxy: Some(proxy), ..Config::new(server, stage::name("john"), data) };
    stage::live(config, &[], |event| {
        let told = format!("{event:?}");
        assert!(!told.contains(PASSWORD), "{told}");
    });
});
