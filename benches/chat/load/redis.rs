//! What somebody would do with redis instead: push to a list that is synced.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::Result;
use super::WINDOW;
use super::frames::{BODY, unexpected};
use super::socket::Socket;

/// So many people push to a list each, for so long. How many elements were acknowledged.
pub(crate) fn push_to_list(address: SocketAddr, writers: usize, time: Duration) -> Result<u64> {
    let until = Instant::now() + time;
    std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..writers).map(|number| scope.spawn(move || push(address, number, until))).collect();
        let pushed = writers.into_iter().map(|it| it.join().map_err(|_| "a thread panicked")?);
        pushed.sum()
    })
}

fn push(address: SocketAddr, number: usize, until: Instant) -> Result<u64> {
    let mut socket = Socket::connect(address)?;
    let list = format!("away{number}");
    let mut command =
        format!("*3\r\n$5\r\nRPUSH\r\n${}\r\n{list}\r\n$64\r\n", list.len()).into_bytes();
    command.extend_from_slice(&BODY);
    command.extend_from_slice(b"\r\n");
    let (mut sent, mut done) = (0, 0);
    loop {
        let over = Instant::now() >= until;
        while !over && sent - done < WINDOW {
            socket.out.extend_from_slice(&command);
            sent += 1;
        }
        if over && done == sent {
            return Ok(done);
        }
        socket.flush()?;
        socket.fill()?;
        while let Some(line) = socket.line() {
            if !line.starts_with(b":") {
                return Err(unexpected(line));
            }
            let length = line.len();
            socket.consume(length);
            done += 1;
        }
    }
}
