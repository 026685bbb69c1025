//! What the ends of a pair write and check for each message, in the words of what they talk through.
//!
//! Made to cost little, so that the load is not what is measured: numbers are counted in decimal and
//! compared as bytes.

use super::super::subject::Kind;
use super::super::{Error, Result};
use super::socket::Socket;

/// The bodies, of 64 bytes.
pub(super) const BODY: [u8; 64] = [b'.'; 64];

/// Everybody's data folder, as it goes on the wire.
const INSTALLATION: &[u8] = b" 0000000000000001 ";

/// The origin of all messages: nobody here looks at it.
const ORIGIN: &[u8] = b" 000000000000000000000000000000a1";

/// The end of a header, and what ends a message.
const TEXT: &[u8] = b" text 64\r\n";
/// The same as a client says it, to somebody who has no device list.
const UNLISTED_TEXT: &[u8] = b" text 0 64\r\n";
const NEWLINE: &[u8] = b"\r\n";

/// What may come beside messages and receipts.
const OTHERS: [&[u8]; 4] = [b"STORED ", b"PRESENCE ", b"PING\r\n", b"PONG\r\n"];

/// A number that counts up, in decimal.
pub(super) struct Decimal {
    digits: [u8; 20],
    first: usize,
}

impl Decimal {
    fn one() -> Self {
        let mut digits = [b'0'; 20];
        digits[19] = b'1';
        Self { digits, first: 19 }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.digits[self.first..]
    }

    fn increment(&mut self) {
        for index in (0..self.digits.len()).rev() {
            self.first = self.first.min(index);
            if self.digits[index] < b'9' {
                self.digits[index] += 1;
                return;
            }
            self.digits[index] = b'0';
        }
    }
}

/// One end's side of a conversation: what it says, and what it expects to come.
pub(super) struct Speech {
    kind: Kind,
    /// What a message begins with, up to its number: one that goes, and one that comes.
    goes: (Vec<u8>, Decimal),
    comes: (Vec<u8>, Decimal),
    /// What an acknowledgement begins with, and a receipt.
    acknowledgement: Vec<u8>,
    receipt: Vec<u8>,
}

/// What has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Come {
    /// How many messages.
    pub(super) messages: u64,
    /// Up to which number the peer has this end's own ones, if that was said.
    pub(super) delivered: Option<u64>,
}

impl Speech {
    pub(super) fn new(kind: Kind, own: &str, peer: &str) -> Self {
        let (goes, comes) = match kind {
            Kind::Nats => (format!("PUB {peer} 64\r\n"), format!("MSG {own} 1 64\r\n")),
            _ => (format!("MSG {peer} "), format!("MSG {peer} ")),
        };
        // Through the relay an acknowledgement goes as the receipt that a server makes of it.
        let word = if kind == Kind::Relay { "DELIVERED" } else { "ACK" };
        Self {
            kind,
            goes: (goes.into(), Decimal::one()),
            comes: (comes.into(), Decimal::one()),
            acknowledgement: format!("{word} {peer} ").into(),
            receipt: format!("DELIVERED {peer} ").into(),
        }
    }

    /// Writes the next message. Through the relay it goes as it comes from a server.
    pub(super) fn put_message(&mut self, out: &mut Vec<u8>) {
        let (beginning, number) = &mut self.goes;
        out.extend_from_slice(beginning);
        if self.kind != Kind::Nats {
            out.extend_from_slice(number.as_bytes());
            if self.kind == Kind::Relay {
                out.extend_from_slice(INSTALLATION);
                out.extend_from_slice(number.as_bytes());
            }
            out.extend_from_slice(ORIGIN);
            if self.kind == Kind::Relay {
                out.extend_from_slice(b" 1767225600000");
                out.extend_from_slice(TEXT);
            } else {
                out.extend_from_slice(UNLISTED_TEXT);
            }
        }
        out.extend_from_slice(&BODY);
        out.extend_from_slice(NEWLINE);
        number.increment();
    }

    /// Writes an acknowledgement, where there are any.
    pub(super) fn put_acknowledgement(&self, n: u64, out: &mut Vec<u8>) {
        if self.kind != Kind::Nats {
            out.extend_from_slice(&self.acknowledgement);
            out.extend_from_slice(n.to_string().as_bytes());
            out.extend_from_slice(NEWLINE);
        }
    }

    /// Takes all that has come: messages, each the next one, from the peer and unchanged; receipts;
    /// and what is of no concern here.
    pub(super) fn take(&mut self, socket: &mut Socket) -> Result<Come> {
        let mut come = Come::default();
        while let Some(line) = socket.line() {
            let mut length = line.len();
            if self.is_next(line) {
                length += BODY.len() + NEWLINE.len();
                let Some(body) = socket.input().get(line.len()..length) else { break };
                if body.strip_suffix(NEWLINE) != Some(&BODY) {
                    return Err("a body was changed".into());
                }
                self.comes.1.increment();
                come.messages += 1;
            } else if let Some(number) = line.strip_prefix(self.receipt.as_slice()) {
                come.delivered = Some(std::str::from_utf8(number)?.trim_end().parse()?);
            } else if !OTHERS.iter().any(|other| line.starts_with(other)) {
                return Err(unexpected(line));
            }
            socket.consume(length);
        }
        Ok(come)
    }

    /// Waits for a message.
    pub(super) fn wait(&mut self, socket: &mut Socket) -> Result<()> {
        while self.take(socket)?.messages == 0 {
            socket.fill()?;
        }
        Ok(())
    }

    /// Whether a line is the header of the next message. Nothing was sent twice, so the server's
    /// number is the sender's.
    fn is_next(&self, line: &[u8]) -> bool {
        let (beginning, number) = &self.comes;
        if self.kind == Kind::Nats {
            return line == beginning;
        }
        let number = number.as_bytes();
        let rest = line
            .strip_prefix(beginning.as_slice())
            .and_then(|rest| rest.strip_prefix(number))
            .and_then(|rest| rest.strip_prefix(INSTALLATION))
            .and_then(|rest| rest.strip_prefix(number))
            .and_then(|rest| rest.strip_prefix(ORIGIN));
        rest.is_some_and(|rest| rest.starts_with(b" ") && rest.ends_with(TEXT))
    }
}

pub(super) fn unexpected(line: &[u8]) -> Error {
    format!("unexpected: {:?}", String::from_utf8_lossy(line)).into()
}
