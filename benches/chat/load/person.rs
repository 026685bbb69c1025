//! Somebody at a TinyChat server, who signs in, opens conversations and waits for each answer.

use std::net::{SocketAddr, TcpStream};
use std::thread;

use bytes::BytesMut;
use tinychat::message::{Installation, Name};
use tinychat::trust::Identity;
use tinychat::wire::codec::{Decoder, Frame};
use tinychat::wire::frame::{ClientFrame, Presence, ServerFrame};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use super::super::subject::Kind;
use super::super::{Error, Result};
use super::socket::Socket;

/// Everybody's data folder; a new name has never written from it.
const INSTALLATION: Installation = Installation::from_u64(1);

/// How many sign in at once: signing costs the load about what checking costs the server.
const SIGNING_IN: usize = 4;

/// See the [module](self).
pub(crate) struct Person {
    pub(crate) socket: Socket,
}

impl Person {
    /// Without TLS.
    pub(crate) fn sign_in(address: SocketAddr, identity: &Identity, name: &str) -> Result<Self> {
        Self::sign_in_on(Socket::connect(address)?, identity, name)
    }

    pub(crate) fn sign_in_on(socket: Socket, identity: &Identity, name: &str) -> Result<Self> {
        let channel = socket.channel()?;
        let mut person = Self { socket };
        let name: Name = name.parse()?;
        let key = identity.public().to_string().into();
        person.say(&ClientFrame::Hello {
            name: name.clone(),
            key,
            installation: INSTALLATION,
            presence: Presence::Online,
            invite: None,
        })?;
        let nonce = match person.hear()? {
            ServerFrame::Challenge { nonce } => nonce,
            other => return Err(unexpected(&other)),
        };
        let signature =
            identity.sign(SIGN_IN_NAMESPACE, &sign_in_text(&name, &nonce, &channel))?.into();
        person.say(&ClientFrame::Prove { signature })?;
        match person.hear()? {
            ServerFrame::Welcome { .. } => Ok(person),
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) fn talk_to(&mut self, peer: &str) -> Result<()> {
        self.say(&ClientFrame::Talk { peer: peer.parse()?, settled: 0 })?;
        loop {
            match self.hear()? {
                ServerFrame::Talking { .. } => return Ok(()),
                ServerFrame::Presence { .. } | ServerFrame::Key { .. } => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Puts a frame to what is written next.
    pub(crate) fn put(&mut self, frame: &ClientFrame) {
        let mut out = BytesMut::new();
        frame.encode(&mut out);
        self.socket.out.extend_from_slice(&out);
    }

    pub(crate) fn say(&mut self, frame: &ClientFrame) -> Result<()> {
        self.put(frame);
        self.socket.flush()
    }

    /// Waits for a frame that has no body.
    pub(crate) fn hear(&mut self) -> Result<ServerFrame> {
        let line = self.socket.next_line()?;
        let mut decoder = Decoder::default();
        decoder.feed(&line);
        decoder.decode()?.ok_or_else(|| super::frames::unexpected(&line))
    }

    /// Makes sure that nothing is left to come but receipts.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.say(&ClientFrame::Ping)?;
        loop {
            match self.hear()? {
                ServerFrame::Pong => return Ok(()),
                ServerFrame::Stored { .. }
                | ServerFrame::Delivered { .. }
                | ServerFrame::Key { .. }
                | ServerFrame::Presence { .. } => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// How many are signed in.
    pub(crate) fn count_online(&mut self) -> Result<u64> {
        self.say(&ClientFrame::Online)?;
        loop {
            // Its body is not waited for: nobody asks for anything else afterwards.
            let line = String::from_utf8(self.socket.next_line()?)?;
            if let Some(counts) = line.strip_prefix("ONLINE ") {
                return Ok(counts.split(' ').next().unwrap_or_default().parse()?);
            }
        }
    }
}

pub(crate) fn unexpected(frame: &ServerFrame) -> Error {
    format!("unexpected: {frame:?}").into()
}

/// So many people who are signed in and do nothing more.
pub(crate) fn crowd(kind: Kind, address: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let identity = &Identity::generate()?;
    let sign_in = |number: usize| -> Result<TcpStream> {
        let socket = Socket::connect_to(kind, address)?;
        let person = Person::sign_in_on(socket, identity, &format!("idle{number}"))?;
        person.socket.into_stream()
    };
    let share = |first: usize| (first..count).step_by(SIGNING_IN).map(sign_in).collect();
    thread::scope(|scope| {
        let shares: [_; SIGNING_IN] =
            std::array::from_fn(|first| scope.spawn(move || share(first)));
        let mut held = Vec::new();
        for share in shares {
            let share: Result<Vec<_>> = share.join().map_err(|_| "a thread panicked")?;
            held.extend(share?);
        }
        Ok(held)
    })
}
