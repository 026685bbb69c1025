//! The plain relay, which is this program with `--relay`: joins every two connections and copies bytes
//! between them, and nothing else, until its process is killed.
//!
//! Made to be hard to beat: one thread, no runtime, no buffer for a direction that waits, and what was
//! read is written at once from where it lies.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use super::Result;
use super::poll::Poll;

/// How much one read may bring: as much as in the server.
const READ_CHUNK: usize = 64 * 1024;

/// The name of the listener among the sockets; the others have their index.
const LISTENER: usize = usize::MAX;

/// One of two joined connections.
struct End {
    stream: TcpStream,
    /// What this one's socket has not taken yet. While there is something its other is not read.
    rest: Vec<u8>,
}

/// See the [module](self).
pub(super) fn serve() -> Result<()> {
    // Also when whoever measures is killed.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    eprintln!("relay: listening on {}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.add(&listener, LISTENER)?;
    let mut ends: Vec<End> = Vec::new();
    let mut buffer = vec![0; READ_CHUNK];
    loop {
        for name in poll.wait(None)? {
            if name == LISTENER {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                ends.push(End { stream, rest: Vec::new() });
                if ends.len().is_multiple_of(2) {
                    // Now there are two to join.
                    for (name, end) in ends.iter().enumerate().skip(ends.len() - 2) {
                        poll.add(&end.stream, name)?;
                    }
                }
            } else if !ends[name].rest.is_empty() {
                catch_up(&poll, &mut ends[name], name)?;
            } else if ends[name ^ 1].rest.is_empty() {
                let [from, to] = ends.get_disjoint_mut([name, name ^ 1])?;
                pass_on(&poll, from, to, name ^ 1, &mut buffer)?;
            }
        }
    }
}

/// Reads once and writes what it can.
fn pass_on(
    poll: &Poll,
    from: &mut End,
    to: &mut End,
    name: usize,
    buffer: &mut [u8],
) -> Result<()> {
    let read = match from.stream.read(buffer) {
        Ok(read @ 1..) => read,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Ok(0) | Err(_) => {
            // The other one may be gone already.
            let _ = to.stream.shutdown(Shutdown::Both);
            return poll.remove(&from.stream);
        }
    };
    let written = to.stream.write(&buffer[..read]).unwrap_or_default();
    if written < read {
        to.rest.extend_from_slice(&buffer[written..read]);
        poll.set_writing(&to.stream, name, true)?;
    }
    Ok(())
}

/// Writes what was left.
fn catch_up(poll: &Poll, end: &mut End, name: usize) -> Result<()> {
    let written = end.stream.write(&end.rest).unwrap_or_default();
    end.rest.drain(..written);
    if end.rest.is_empty() {
        end.rest = Vec::new();
        poll.set_writing(&end.stream, name, false)?;
    }
    Ok(())
}
