//! Many who ask who is online, and do not read the answer.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;

use tinychat::trust::Identity;

use super::Result;
use super::load::Crowd;
use super::load::person::Person;
use super::means::{Deed, LIMIT};
use super::subject::Kind;

/// How many others are there, where that makes something dear.
pub(crate) const CROWD: usize = 3_000;

/// How many connections one holds who reads nothing, and how often each asks.
const DEAF: usize = 1_500;
const QUESTIONS: usize = 40;

/// How many people one may block at once.
const BLOCKS: usize = 100;

/// All of them are told the same.
pub(crate) fn deaf(server: SocketAddr) -> Result<Vec<Deed>> {
    let crowd = Crowd::gather(Kind::Tinychat, server, CROWD)?;
    let deaf = come(server)?;
    Ok(vec![Box::new(move || {
        let _crowd = crowd;
        ask(&deaf);
        Ok(())
    })])
}

/// Whoever is blocked is told an answer of their own.
pub(crate) fn blocked(server: SocketAddr) -> Result<Vec<Deed>> {
    let crowd = Crowd::gather(Kind::Tinychat, server, CROWD)?;
    let (deaf, accomplices) = (come(server)?, block(server)?);
    Ok(vec![Box::new(move || {
        let _there = (crowd, accomplices);
        ask(&deaf);
        Ok(())
    })])
}

fn come(server: SocketAddr) -> Result<Vec<TcpStream>> {
    let identity = Identity::generate()?;
    let sign_in =
        |number| Person::sign_in(server, &identity, &format!("deaf{number}"))?.socket.into_stream();
    (0..DEAF).map(sign_in).collect()
}

/// As many accomplices as it takes to block all of them.
fn block(server: SocketAddr) -> Result<Vec<Person>> {
    let identity = Identity::generate()?;
    let accomplice = |first: usize| -> Result<Person> {
        let mut person = Person::sign_in(server, &identity, &format!("accomplice{first}"))?;
        for number in first..DEAF.min(first + BLOCKS) {
            write!(person.socket.out, "BLOCK deaf{number}\r\n")?;
            person.socket.flush()?;
            while !person.socket.next_line()?.starts_with(b"BLOCKED ") {}
        }
        Ok(person)
    };
    (0..DEAF).step_by(BLOCKS).map(accomplice).collect()
}

fn ask(deaf: &[TcpStream]) {
    for mut stream in deaf {
        let _ = stream.write_all(&b"ONLINE\r\n".repeat(QUESTIONS));
    }
    thread::sleep(LIMIT);
}
