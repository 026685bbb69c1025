//! Signing in: from a fresh connection to a name that was proved, or to a refusal. A connection that carries
//! files shows a ticket instead.
//!
//! Runs in the read task before the write task exists, in two steps with a timeout each: somebody says who they are,
//! and proves it. Nothing in the server changes before the proof holds.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use smol_str::{SmolStr, ToSmolStr};
use ssh_key::rand_core::{OsRng, RngCore};

use super::turn::before_costly_step;
use crate::message::{Installation, Name};
use crate::server::files::{Pass, PassError};
use crate::server::host::Host;
use crate::server::limits::SLOWED;
use crate::server::people::{INVITED, Unwelcome};
use crate::task;
use crate::trust::tls::Channel;
use crate::trust::{Invite, PublicKey};
use crate::wire::codec::ProtocolError;
use crate::wire::frame::{ClientFrame, ErrorCode, Presence, ServerFrame};
use crate::wire::stream::{FrameReader, write_frame};
use crate::wire::transport::BoxWriter;
use crate::wire::{SIGN_IN_NAMESPACE, sign_in_text};

/// Somebody who proved to own a name.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) name: Name,
    pub(super) installation: Installation,
    pub(super) presence: Presence,
    pub(super) key: PublicKey,
}

/// Somebody who claims to own a name.
pub(super) struct Hello {
    pub(super) name: Name,
    pub(super) key: PublicKey,
    installation: Installation,
    presence: Presence,
    invite: Option<Invite>,
}

/// What a connection is for.
pub(super) enum Greeting {
    /// Somebody wants to talk.
    Hello(Hello),
    /// It carries files of somebody who is signed in.
    Carrier(Pass),
}

/// Why nobody signed in.
#[derive(Debug)]
pub(super) enum Rejection {
    /// Nobody is there any more.
    Gone,
    /// What to answer.
    Answer(ErrorCode, String),
}

impl From<io::Error> for Rejection {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<ProtocolError> for Rejection {
    fn from(error: ProtocolError) -> Self {
        Self::Answer(error.code(), error.to_string())
    }
}

/// Hears what a connection is for.
pub(super) async fn greet(
    host: &Host,
    reader: &mut FrameReader<ClientFrame>,
) -> Result<Greeting, Rejection> {
    match next(reader).await? {
        ClientFrame::Hello { name, key, installation, presence, invite } => {
            let bad_key = |error| refuse(ErrorCode::Key, format_args!("{error}"));
            let key = key.parse().map_err(bad_key)?;
            Ok(Greeting::Hello(Hello { name, key, installation, presence, invite }))
        }
        ClientFrame::Carry { ticket } => {
            let pass = host.tickets.redeem(&ticket, Instant::now());
            let refused = |error: PassError| refuse(error.code(), format_args!("{error}"));
            pass.map(Greeting::Carrier).map_err(refused)
        }
        _ => Err(out_of_turn("HELLO or CARRY comes first")),
    }
}

/// Verifies who somebody is. Only `WELCOME` is left to do after it.
pub(super) async fn prove(
    host: &Host,
    hello: Hello,
    reader: &mut FrameReader<ClientFrame>,
    writer: &mut BoxWriter,
    channel: Channel,
    address: Option<SocketAddr>,
) -> Result<SignedIn, Rejection> {
    let Hello { name, key, installation, presence, invite } = hello;
    let nonce = nonce();
    write_frame(writer, &ServerFrame::Challenge { nonce: nonce.clone() }).await?;
    let ClientFrame::Prove { signature } = next(reader).await? else {
        return Err(out_of_turn("PROVE answers CHALLENGE"));
    };
    before_costly_step().await;
    if !key.has_signed(SIGN_IN_NAMESPACE, &sign_in_text(&name, &nonce, &channel), &signature) {
        let text =
            "the signature does not fit the key, the name, the challenge and this connection";
        return Err(refuse(ErrorCode::Proof, format_args!("{text}")));
    }
    let address = address.map(|it| it.ip());
    let count = || host.claims.count(address).map_err(|wait| Unwelcome::TooManyNames(told(wait)));
    match host.names.claim(&name, key, invite, host.clock.overdue(INVITED), count).await {
        Ok(()) => {
            keep_to_rate(host, &name).await?;
            Ok(SignedIn { name, installation, presence, key })
        }
        Err(unwelcome) => Err(refuse(unwelcome.code(), format_args!("{unwelcome}"))),
    }
}

/// Delays somebody who signs in too often, since everybody who talks to them may be told each time. If a moment is not
/// enough they are told so.
async fn keep_to_rate(host: &Host, name: &Name) -> Result<(), Rejection> {
    let admit = || host.person_rates.admit_sign_in(name);
    let Err(wait) = admit() else { return Ok(()) };
    task::sleep(wait.min(SLOWED)).await;
    let too_often = |_| refuse(ErrorCode::Busy, format_args!("you sign in too often"));
    admit().map_err(too_often)
}

/// As exact as people need it: whole minutes, and one at least.
fn told(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() / 60 * 60 + 60)
}

async fn next(reader: &mut FrameReader<ClientFrame>) -> Result<ClientFrame, Rejection> {
    Ok(reader.next().await?.ok_or(Rejection::Gone)??)
}

fn out_of_turn(text: &str) -> Rejection {
    refuse(ErrorCode::State, format_args!("{text}"))
}

fn refuse(code: ErrorCode, text: std::fmt::Arguments<'_>) -> Rejection {
    Rejection::Answer(code, text.to_string())
}

/// 64 hexadecimal digits that nobody has seen before.
fn nonce() -> SmolStr {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().to_smolstr()
}
