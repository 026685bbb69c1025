//! Signing in at a server that is connected.
//!
//! Owned by whoever connects. Invariant: what is signed names the challenge and, under TLS, this connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_channel::Sender;
use bytes::BytesMut;
use smol_str::ToSmolStr;

use super::broken::{Broken, CLOSED, dismissed, not_a_server, refused};
use super::door::in_time;
use crate::client::config::{Address, Config};
use crate::client::event::Failure;
use crate::message::Installation;
use crate::task;
use crate::trust::tls::Channel;
use crate::trust::{Identity, IdentityError};
use crate::wire::codec::Frame;
use crate::wire::frame::{ClientFrame, Limits, ServerFrame};
use crate::wire::stream::{FrameReader, write_frame};
use crate::wire::transport::BoxWriter;
use crate::wire::{SIGN_IN_NAMESPACE, sign_in_text};

/// The fate of the first try to sign in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FirstTry {
    /// The key is asked for a signature.
    Asked,
    /// The agent that has it makes none, and why.
    Unsigned(String),
}

/// Who signs in, and how.
pub(crate) struct Visit {
    pub(crate) config: Config,
    pub(crate) identity: Arc<Identity>,
    pub(crate) installation: Installation,
    /// Who wants to know when the key is asked for a signature.
    pub(crate) first_try: Option<Sender<FirstTry>>,
    /// Set once the server has what it takes to give the name to the key, whether or not it says so.
    pub(crate) proved: Arc<AtomicBool>,
}

impl Visit {
    /// Signing does not count against the timeout: the key's owner may be asked.
    pub(crate) async fn sign_in(
        &self,
        reader: &mut FrameReader<ServerFrame>,
        half: &mut BoxWriter,
        channel: Channel,
        until: Instant,
    ) -> Result<Limits, Broken> {
        let times = &*self.config.times;
        let nonce = in_time(times, until, self.greet(reader, half, channel)).await?;
        let asked = times.now();
        let signature = self.sign(&nonce, channel).await?;
        let until = until + times.now().saturating_duration_since(asked);
        in_time(times, until, self.prove(reader, half, signature)).await
    }

    async fn greet(
        &self,
        reader: &mut FrameReader<ServerFrame>,
        half: &mut BoxWriter,
        channel: Channel,
    ) -> Result<String, Broken> {
        let Config { server, user, presence, invite, .. } = &self.config;
        let key = self.identity.public().to_smolstr();
        let (name, installation) = (user.clone(), self.installation);
        let (presence, invite) = (*presence, *invite);
        let hello = ClientFrame::Hello { name, key, installation, presence, invite };
        write_frame(half, &hello).await?;
        match next(server, reader).await.map_err(|broken| hint(broken, channel))? {
            ServerFrame::Challenge { nonce } => Ok(nonce.to_string()),
            other => Err(unexpected(server, &other)),
        }
    }

    /// An agent has a limit of its own.
    async fn sign(&self, nonce: &str, channel: Channel) -> Result<String, Broken> {
        if let Some(first_try) = &self.first_try {
            // Maybe nobody waits for it any more.
            let _ = first_try.try_send(FirstTry::Asked);
        }
        let text = sign_in_text(&self.config.user, nonce, &channel);
        let identity = self.identity.clone();
        let signature = task::blocking(move || identity.sign(SIGN_IN_NAMESPACE, &text)).await;
        signature.map_err(|error| match error {
            IdentityError::Agent(error) => Broken::Unsigned(error),
            error => Broken::Failed(Failure::Refused(error.to_string())),
        })
    }

    async fn prove(
        &self,
        reader: &mut FrameReader<ServerFrame>,
        half: &mut BoxWriter,
        signature: String,
    ) -> Result<Limits, Broken> {
        let Config { server, user, .. } = &self.config;
        self.proved.store(true, Ordering::Relaxed);
        write_frame(half, &ClientFrame::Prove { signature: signature.into_bytes().into() }).await?;
        match next(server, reader).await? {
            ServerFrame::Welcome { name, limits } if name == *user => Ok(limits),
            ServerFrame::Welcome { name, .. } => {
                let because = format!("it takes you for {name}, and not for {user}");
                Err(not_a_server(server, because))
            }
            other => Err(unexpected(server, &other)),
        }
    }
}

/// A server that expects TLS closes without an intelligible answer.
fn hint(broken: Broken, channel: Channel) -> Broken {
    match broken {
        Broken::Away(because) if because == CLOSED && channel == Channel::Plain => {
            Broken::Away(format!("{because}; if it expects TLS, leave --tls off away"))
        }
        broken => broken,
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
        None => Err(Broken::Away(CLOSED.into())),
    }
}

fn unexpected(server: &Address, frame: &ServerFrame) -> Broken {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    not_a_server(server, format!("{:?} while signing in", bytes))
}
