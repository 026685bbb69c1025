//! The verbs of a client: one table, a small function to parse each, and how each is written.

use bytes::{Bytes, BytesMut};

use super::codec::{Frame, ProtocolError, Verb, Words, body, line};
use super::frame::ClientFrame;
use super::limits::{MAX_BODY, MAX_PROOF, VERSION};

impl Frame for ClientFrame {
    const VERBS: &'static [Verb<Self>] = &[
        Verb { word: "MSG", body: Some(MAX_BODY), parse: message },
        Verb { word: "ACK", body: None, parse: ack },
        Verb { word: "READ", body: None, parse: read },
        Verb { word: "TALK", body: None, parse: talk },
        Verb { word: "CLOSE", body: None, parse: close },
        Verb { word: "PING", body: None, parse: |_, _| Ok(Self::Ping) },
        Verb { word: "PONG", body: None, parse: |_, _| Ok(Self::Pong) },
        Verb { word: "ONLINE", body: None, parse: |_, _| Ok(Self::Online) },
        Verb { word: "KEY", body: None, parse: |words, _| Ok(Self::Key { peer: words.name()? }) },
        Verb {
            word: "BLOCK",
            body: None,
            parse: |words, _| Ok(Self::Block { peer: words.name()? }),
        },
        Verb {
            word: "UNBLOCK",
            body: None,
            parse: |words, _| Ok(Self::Unblock { peer: words.name()? }),
        },
        Verb { word: "BLOCKS", body: None, parse: |_, _| Ok(Self::Blocks) },
        Verb { word: "TICKET", body: None, parse: |_, _| Ok(Self::Ticket) },
        Verb { word: "QUIT", body: None, parse: |_, _| Ok(Self::Quit) },
        Verb { word: "HELLO", body: None, parse: hello },
        Verb { word: "PROVE", body: Some(MAX_PROOF), parse: prove },
        Verb { word: "CARRY", body: None, parse: carry },
    ];

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Hello { name, key, installation, invite: None } => {
                line(out, format_args!("HELLO {VERSION} {name} {key} {installation}"));
            }
            Self::Hello { name, key, installation, invite: Some(invite) } => {
                line(out, format_args!("HELLO {VERSION} {name} {key} {installation} {invite}"));
            }
            Self::Prove { signature } => {
                line(out, format_args!("PROVE {}", signature.len()));
                body(out, signature);
            }
            Self::Talk { peer, settled } => line(out, format_args!("TALK {peer} {settled}")),
            Self::Close { peer } => line(out, format_args!("CLOSE {peer}")),
            Self::Message { peer, n, kind, body: text } => {
                line(out, format_args!("MSG {peer} {n} {kind} {}", text.len()));
                body(out, text);
            }
            Self::Ack { peer, seq } => line(out, format_args!("ACK {peer} {seq}")),
            Self::Read { peer, installation, n } => {
                line(out, format_args!("READ {peer} {installation} {n}"));
            }
            Self::Online => line(out, format_args!("ONLINE")),
            Self::Key { peer } => line(out, format_args!("KEY {peer}")),
            Self::Block { peer } => line(out, format_args!("BLOCK {peer}")),
            Self::Unblock { peer } => line(out, format_args!("UNBLOCK {peer}")),
            Self::Blocks => line(out, format_args!("BLOCKS")),
            Self::Ping => line(out, format_args!("PING")),
            Self::Pong => line(out, format_args!("PONG")),
            Self::Ticket => line(out, format_args!("TICKET")),
            Self::Carry { ticket } => line(out, format_args!("CARRY {VERSION} {ticket}")),
            Self::Quit => line(out, format_args!("QUIT")),
        }
    }
}

fn hello(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
    version(words)?;
    Ok(ClientFrame::Hello {
        name: words.name()?,
        key: words.word("a public key")?.into(),
        installation: words.parse("an installation")?,
        invite: words.optional("an invitation")?,
    })
}

fn carry(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
    version(words)?;
    Ok(ClientFrame::Carry { ticket: words.parse("a ticket")? })
}

fn version(words: &mut Words<'_>) -> Result<(), ProtocolError> {
    let version = words.word("a version")?;
    if version != VERSION {
        // Another version may have other words: the rest means nothing here.
        let shown: String = version.chars().take(24).collect();
        return Err(ProtocolError::Version(shown.into()));
    }
    Ok(())
}

fn prove(_: &mut Words<'_>, body: Bytes) -> Result<ClientFrame, ProtocolError> {
    Ok(ClientFrame::Prove { signature: body })
}

fn talk(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
    Ok(ClientFrame::Talk { peer: words.name()?, settled: words.number("a number")? })
}

fn close(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
    Ok(ClientFrame::Close { peer: words.name()? })
}

fn message(words: &mut Words<'_>, body: Bytes) -> Result<ClientFrame, ProtocolError> {
    Ok(ClientFrame::Message {
        peer: words.name()?,
        n: words.ordinal("a number from 1")?,
        kind: words.parse("a kind")?,
        body,
    })
}

fn ack(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
    Ok(ClientFrame::Ack { peer: words.name()?, seq: words.ordinal("a number from 1")? })
}

fn read(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
    Ok(ClientFrame::Read {
        peer: words.name()?,
        installation: words.parse("an installation")?,
        n: words.ordinal("a number from 1")?,
    })
}
