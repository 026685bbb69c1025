//! Signing in at a server that was reached.

use std::sync::Arc;

use bytes::BytesMut;
use smol_str::ToSmolStr;

use super::connection::{Broken, CLOSED, dismissed, not_a_server, refused};
use super::{Address, Config, Failure};
use crate::message::Installation;
use crate::task;
use crate::trust::agent::AgentError;
use crate::trust::tls::Channel;
use crate::trust::{Identity, IdentityError};
use crate::wire::codec::Frame;
use crate::wire::frame::{ClientFrame, Limits, ServerFrame};
use crate::wire::stream::{FrameReader, write_frame};
use crate::wire::transport::BoxWriter;
use crate::wire::{SIGN_IN_NAMESPACE, sign_in_text};

/// Who signs in, and how.
pub(super) struct Visit {
    pub(super) config: Config,
    pub(super) identity: Arc<Identity>,
    pub(super) installation: Installation,
}

impl Visit {
    pub(super) async fn sign_in(
        &self,
        reader: &mut FrameReader<ServerFrame>,
        half: &mut BoxWriter,
        channel: Channel,
    ) -> Result<Limits, Broken> {
        let Config { server, user, invite, .. } = &self.config;
        let key = self.identity.public().to_smolstr();
        let (name, installation, invite) = (user.clone(), self.installation, *invite);
        let hello = ClientFrame::Hello { name, key, installation, invite };
        write_frame(half, &hello).await?;
        let nonce = match next(server, reader).await.map_err(|broken| hint(broken, channel))? {
            ServerFrame::Challenge { nonce } => nonce,
            other => return Err(unexpected(server, &other)),
        };
        let (identity, text) = (self.identity.clone(), sign_in_text(user, &nonce, &channel));
        let signature = task::blocking(move || identity.sign(SIGN_IN_NAMESPACE, &text)).await;
        let signature = signature.map_err(unsigned)?;
        write_frame(half, &ClientFrame::Prove { signature: signature.into_bytes().into() }).await?;
        match next(server, reader).await? {
            ServerFrame::Welcome { limits, .. } => Ok(limits),
            other => Err(unexpected(server, &other)),
        }
    }
}

/// What a missing signature means for the next try: an agent that is away now may be back by then, and
/// one that refuses was asked to.
fn unsigned(error: IdentityError) -> Broken {
    match error {
        IdentityError::Agent(AgentError::Away(_) | AgentError::Late) => {
            Broken::Away(error.to_string())
        }
        _ => Broken::Failed(Failure::Refused(error.to_string())),
    }
}

/// A server that expects TLS closes without a word that could be understood.
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
