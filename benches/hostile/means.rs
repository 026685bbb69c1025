//! What attackers do by: signing in as mallory, saying the same without a pause, coming again.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use tinychat::trust::Identity;

use super::Result;
use super::load::person::Person;

/// How long one goes on at most.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// How soon one comes again whose connection was closed.
const AGAIN: Duration = Duration::from_millis(50);

/// How many frames are written at once.
pub(crate) const FRAMES: usize = 1_000;

/// What one does on a thread.
pub(crate) type Deed = Box<dyn FnOnce() -> Result<()> + Send>;

/// Does something again and again that ends when the server closes.
pub(crate) fn again(mut deed: impl FnMut() -> Result<()>) -> Result<()> {
    loop {
        let _ = deed();
        thread::sleep(AGAIN);
    }
}

/// Mallory says the same without a pause, and reads what is answered.
pub(crate) fn shouts(server: SocketAddr, words: String) -> Deed {
    Box::new(move || shouts_as(server, Identity::generate()?, words)())
}

/// The same with the key that the name has already.
pub(crate) fn shouts_as(server: SocketAddr, identity: Identity, words: String) -> Deed {
    let words = words.repeat(FRAMES);
    Box::new(move || {
        again(|| flood(mallory(server, &identity)?.socket.into_stream()?, words.as_bytes()))
    })
}

pub(crate) fn mallory(server: SocketAddr, identity: &Identity) -> Result<Person> {
    Person::sign_in(server, identity, "mallory")
}

pub(crate) fn flood(mut stream: TcpStream, words: &[u8]) -> Result<()> {
    discard(&stream)?;
    loop {
        stream.write_all(words)?;
    }
}

/// Reads and forgets, beside.
pub(crate) fn discard(stream: &TcpStream) -> Result<()> {
    let mut stream = stream.try_clone()?;
    thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
    Ok(())
}
