//! The other way round: a client, as a process, whose server means harm.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tinychat::wire::codec::Decoder;
use tinychat::wire::frame::ClientFrame;

use super::subject::memory_of;
use super::{Result, report};

/// How it is called on the command line.
pub(crate) const NAME: &str = "client";

const WHAT: &str = "the server says PING as fast as it is read, and reads nothing";

/// Measures how much memory the client takes before and after.
pub(crate) fn measure(time: Duration) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let folder = tempfile::tempdir()?;
    let mut client = Command::new(env!("CARGO_BIN_EXE_tinychat"));
    client.args([
        "--server",
        &listener.local_addr()?.to_string(),
        "--tls",
        "off",
        "--user",
        "john",
    ]);
    client.args(["--follow", "--data"]).arg(folder.path().join("john"));
    client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = client.spawn()?;
    let measured = receive(&listener).and_then(|stream| flood(stream, client.id(), time));
    client.kill()?;
    client.wait()?;
    let (quiet, attacked) = measured?;
    report::show_memory(NAME, WHAT, quiet, attacked);
    Ok(())
}

/// The client connects and is signed in.
fn receive(listener: &TcpListener) -> Result<TcpStream> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    hear(&mut stream)?;
    write!(stream, "CHALLENGE {}\r\n", "0".repeat(64))?;
    hear(&mut stream)?;
    write!(stream, "WELCOME john\r\nPING\r\n")?;
    hear(&mut stream)?;
    Ok(stream)
}

/// Reads one frame.
fn hear(stream: &mut TcpStream) -> Result<ClientFrame> {
    let mut decoder = Decoder::default();
    let mut byte = [0];
    loop {
        std::io::Read::read_exact(stream, &mut byte)?;
        decoder.feed(&byte);
        if let Some(frame) = decoder.decode()? {
            return Ok(frame);
        }
    }
}

fn flood(mut stream: TcpStream, client: u32, time: Duration) -> Result<(u64, u64)> {
    let quiet = memory_of(client)?;
    stream.set_nonblocking(true)?;
    let (words, start, mut at, mut most) = (b"PING\r\n".repeat(10_000), Instant::now(), 0, quiet);
    while start.elapsed() < time {
        match stream.write(&words[at..]) {
            Ok(written) => at = (at + written) % words.len(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
            }
            // It may go; then it takes no more memory.
            Err(_) => break,
        }
        if fs::exists(format!("/proc/{client}"))? {
            most = most.max(memory_of(client)?);
        }
    }
    Ok((quiet, most))
}
