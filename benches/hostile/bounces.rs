//! Messages to an accomplice who bounces every other one: so each that comes back is a fate of its own.

use std::io::Write;
use std::net::SocketAddr;

use tinychat::trust::Identity;

use super::Result;
use super::load::person::Person;
use super::means::{Deed, again, discard, mallory, shouts_as};

/// How many messages are written before what became of the earlier ones is settled: a server tells 1,000 fates of one
/// sender, and takes no more messages then.
const UNSETTLED: usize = 500;

/// How many fates are told each time.
const FATES: u64 = 900;

/// Mallory settles all fates, and goes on.
pub(crate) fn bounce(server: SocketAddr) -> Result<Vec<Deed>> {
    let writes: Deed = Box::new(move || {
        let (identity, mut n) = (Identity::generate()?, 0);
        again(|| write_on(server, &identity, &mut n))
    });
    let bounces: Deed = Box::new(move || {
        let identity = Identity::generate()?;
        again(|| bounce_what_comes(server, &identity))
    });
    Ok(vec![writes, bounces])
}

fn write_on(server: SocketAddr, identity: &Identity, n: &mut u64) -> Result<()> {
    let mut stream = mallory(server, identity)?.socket.into_stream()?;
    discard(&stream)?;
    loop {
        let mut words = format!("TALK mule {n}\r\n").into_bytes();
        for _ in 0..UNSETTLED {
            *n += 1;
            put_message(*n, &mut words)?;
        }
        stream.write_all(&words)?;
    }
}

fn bounce_what_comes(server: SocketAddr, identity: &Identity) -> Result<()> {
    let mut mule = Person::sign_in(server, identity, "mule")?.socket;
    mule.out.extend_from_slice(b"TALK mallory 0\r\n");
    mule.flush()?;
    loop {
        // What is below is acknowledged with it.
        if let Some(seq) = seq_of(&mule.next_line()?).filter(|seq| seq % 2 == 1) {
            write!(mule.out, "BOUNCE mallory {seq}\r\n")?;
        }
        if mule.line().is_none() {
            mule.flush()?;
        }
    }
}

/// Mallory settles none, and has them told again and again.
pub(crate) fn fates(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Identity::generate()?;
    let mut writer = mallory(server, &identity)?;
    let mut mule = Person::sign_in(server, &Identity::generate()?, "mule")?;
    writer.talk_to("mule")?;
    mule.talk_to("mallory")?;
    for seq in (1..2 * FATES).step_by(2) {
        put_message(seq, &mut writer.socket.out)?;
        put_message(seq + 1, &mut writer.socket.out)?;
        writer.socket.flush()?;
        while seq_of(&mule.socket.next_line()?) != Some(seq + 1) {}
        write!(mule.socket.out, "BOUNCE mallory {seq}\r\nACK mallory {}\r\n", seq + 1)?;
        mule.socket.flush()?;
    }
    Ok(vec![shouts_as(server, identity, "TALK mule 0\r\n".into())])
}

fn put_message(n: u64, out: &mut Vec<u8>) -> Result<()> {
    Ok(write!(out, "MSG mule {n} {n:032x} text 0 1\r\nx\r\n")?)
}

/// Which of mallory's messages begins with this line, if one does.
fn seq_of(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("MSG mallory ")?.split(' ').next()?.parse().ok()
}
