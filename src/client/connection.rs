//! One connection to the server, from connecting to its end.
//!
//! Owned by the core, which is its only reader and writer. What is to be written is collected in
//! `out`; reading never waits for writing, so that two sides with full buffers cannot stand still.

use std::io;
use std::time::{Duration, Instant};

use async_std::net::TcpStream;
use bytes::{Buf, BytesMut};
use futures::future::select;
use futures::{AsyncWriteExt, future};
use smol_str::ToSmolStr;

use super::{Address, Failure};
use crate::message::{Installation, Name};
use crate::task;
use crate::trust::Identity;
use crate::wire::codec::{Frame, ProtocolError};
use crate::wire::frame::{ByeReason, ClientFrame, ErrorCode, Limits, ServerFrame};
use crate::wire::stream::{BoxWriter, FrameReader, split, write_frame};
use crate::wire::{HANDSHAKE_SECONDS, SIGN_IN_NAMESPACE, sign_in_text};

/// The longest silence in seconds that a server can have us bear. More would not fit into every clock.
const MAX_SILENCE: u64 = 24 * 60 * 60;

/// A connection that somebody is signed in on.
pub(super) struct Connection {
    reader: FrameReader<ServerFrame>,
    half: BoxWriter,
    out: BytesMut,
    limits: Limits,
    since: Instant,
    heard: Instant,
    pinged: bool,
}

/// Why a connection did not come about, or ended.
#[derive(Debug)]
pub(super) enum Broken {
    /// Worth another try.
    Away(String),
    /// Not worth one.
    Failed(Failure),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Away(error.to_string())
    }
}

/// What became of waiting for a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Frames may have come.
    Read,
    /// Bytes were written.
    Wrote,
    /// Time has passed: it is time to say or to hear something.
    Silence,
}

impl Connection {
    /// Connects and signs in, within the time for it.
    pub(super) async fn open(
        server: Address,
        name: Name,
        installation: Installation,
        identity: &Identity,
    ) -> Result<Self, Broken> {
        let limit = Duration::from_secs(HANDSHAKE_SECONDS);
        let opening = async {
            let stream = TcpStream::connect(server.as_str()).await?;
            let (reader, half) = split(stream.try_into()?)?;
            let (mut reader, mut half) = (FrameReader::new(reader), half);
            let limits =
                sign_in(&server, name, installation, identity, &mut reader, &mut half).await?;
            let now = Instant::now();
            let out = BytesMut::new();
            Ok(Self { reader, half, out, limits, since: now, heard: now, pinged: false })
        };
        let late = || Err(Broken::Away(format!("no answer within {HANDSHAKE_SECONDS} s")));
        task::within(limit, opening).await.unwrap_or_else(late)
    }

    /// Puts a frame to what is to be written.
    pub(super) fn say(&mut self, frame: &ClientFrame) {
        frame.encode(&mut self.out);
    }

    /// How many bytes are to be written.
    pub(super) fn unwritten(&self) -> usize {
        self.out.len()
    }

    /// How long somebody has been signed in on it.
    pub(super) fn lived(&self) -> Duration {
        self.since.elapsed()
    }

    /// The next frame among what was read.
    pub(super) fn next_ready(&mut self) -> Result<Option<ServerFrame>, ProtocolError> {
        self.reader.next_ready()
    }

    /// Reads (if `reading`) and writes until one of them gets somewhere. May be dropped while it
    /// waits without losing a byte.
    pub(super) async fn progress(&mut self, reading: bool) -> Result<Progress, Broken> {
        match self.transfer(reading).await {
            Transfer::Read(Ok(0)) => Err(Broken::Away("the server closed the connection".into())),
            Transfer::Read(read) => {
                read?;
                (self.heard, self.pinged) = (Instant::now(), false);
                Ok(Progress::Read)
            }
            Transfer::Wrote(wrote) => {
                self.out.advance(wrote?);
                Ok(Progress::Wrote)
            }
            Transfer::Silence => Ok(Progress::Silence),
        }
    }

    async fn transfer(&mut self, reading: bool) -> Transfer {
        let patience = if self.pinged { self.limits.idle } else { self.limits.ping };
        let deadline = self.heard + Duration::from_secs(patience.clamp(1, MAX_SILENCE));
        let Self { reader, half, out, .. } = self;
        let reading = async {
            // Whoever does not listen cannot complain of silence.
            let silence = deadline.saturating_duration_since(Instant::now());
            if !reading {
                return future::pending().await;
            }
            let read = task::within(silence, reader.fill()).await;
            read.map_or(Transfer::Silence, Transfer::Read)
        };
        let writing = async {
            if out.is_empty() {
                return future::pending().await;
            }
            Transfer::Wrote(half.write(out).await)
        };
        // What can be written goes first: else nothing would be acknowledged while more keeps coming.
        select(Box::pin(writing), Box::pin(reading)).await.factor_first().0
    }

    /// Asks whether the server is still there, or gives it up.
    pub(super) fn break_silence(&mut self) -> Result<(), Broken> {
        if self.pinged {
            return Err(Broken::Away("the server does not answer".into()));
        }
        self.pinged = true;
        self.say(&ClientFrame::Ping);
        Ok(())
    }

    /// Writes the rest with a `QUIT`, and waits until the server has read it all.
    pub(super) async fn quit(mut self, limit: Duration) {
        self.say(&ClientFrame::Quit);
        let leaving = async {
            self.half.write_all(&self.out).await?;
            while self.reader.discard().await? > 0 {}
            io::Result::Ok(())
        };
        // Nothing depends on it: what the server did not get is still in the outbox.
        let _ = task::within(limit, leaving).await;
    }
}

/// What one wait brought.
enum Transfer {
    Read(io::Result<usize>),
    Wrote(io::Result<usize>),
    Silence,
}

async fn sign_in(
    server: &Address,
    name: Name,
    installation: Installation,
    identity: &Identity,
    reader: &mut FrameReader<ServerFrame>,
    half: &mut BoxWriter,
) -> Result<Limits, Broken> {
    let key = identity.public().to_smolstr();
    let hello = ClientFrame::Hello { name: name.clone(), key, installation };
    write_frame(half, &hello).await?;
    let nonce = match next(server, reader).await? {
        ServerFrame::Challenge { nonce } => nonce,
        other => return Err(unexpected(server, &other)),
    };
    let signature = identity
        .sign(SIGN_IN_NAMESPACE, &sign_in_text(&name, &nonce))
        .map_err(|error| Broken::Failed(Failure::Refused(error.to_string())))?;
    write_frame(half, &ClientFrame::Prove { signature: signature.into_bytes().into() }).await?;
    match next(server, reader).await? {
        ServerFrame::Welcome { limits, .. } => Ok(limits),
        other => Err(unexpected(server, &other)),
    }
}

async fn next(
    server: &Address,
    reader: &mut FrameReader<ServerFrame>,
) -> Result<ServerFrame, Broken> {
    match reader.next().await? {
        Some(Ok(ServerFrame::Error { code, text, .. })) => Err(refused(code, text)),
        Some(Ok(ServerFrame::Bye { reason, text })) => Err(dismissed(reason, text)),
        Some(Ok(frame)) => Ok(frame),
        Some(Err(error)) => Err(not_a_server(server, error.to_string())),
        None => Err(Broken::Away("the server closed the connection".into())),
    }
}

fn unexpected(server: &Address, frame: &ServerFrame) -> Broken {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    not_a_server(server, format!("{:?} while signing in", bytes))
}

/// What came is not the protocol.
pub(super) fn not_a_server(server: &Address, because: String) -> Broken {
    Broken::Failed(Failure::NotAServer { server: server.clone(), because })
}

/// What an error that ends the connection means for the next try.
pub(super) fn refused(code: ErrorCode, text: String) -> Broken {
    match code {
        ErrorCode::Busy | ErrorCode::Timeout => Broken::Away(text),
        _ => Broken::Failed(Failure::Refused(text)),
    }
}

/// What a farewell means for the next try.
pub(super) fn dismissed(reason: ByeReason, text: String) -> Broken {
    match reason {
        ByeReason::Replaced => Broken::Failed(Failure::Replaced),
        _ => Broken::Away(text),
    }
}
