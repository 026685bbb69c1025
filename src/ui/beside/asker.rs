//! Asks the process that owns the data folder, or owns it meanwhile.
//!
//! Owned by [`run`](super::run()). Invariant: whoever owns the folder, and however often that changes, each request
//! reaches an owner, or it is reported that none answers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

use super::errand::Error;
use super::life::Life;
use crate::client::beside::{Guest, GuestError, Reply, Request};
use crate::client::{Client, Failure, StartError};
use crate::folder::{FolderError, tighten};
use crate::message::Name;
use crate::output;
use crate::task;
use crate::ui::start::entry::{self, Options};
use crate::wire::frame::Presence;

/// How often to look for an owner while the folder is locked and nobody answers.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// For how long that may be.
const UNANSWERED: Duration = Duration::from_secs(10);

/// How long whoever gave up the folder leaves it to others.
const COURTESY: Duration = Duration::from_secs(1);

/// Where something is that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Nobody has it.
    Nothing,
    /// In the data folder.
    Kept,
    /// On the server.
    Stored,
}

/// Who asks, and the client that it runs if nobody else does.
pub(super) struct Asker {
    pub(super) options: Options,
    pub(super) user: Name,
    pub(super) data: PathBuf,
    pub(super) owned: Option<Owned>,
    /// How far that came which is sent.
    pub(super) reached: Reached,
    /// Files that come behind it.
    pub(super) rest: Vec<PathBuf>,
}

/// A client without a face.
pub(super) struct Owned {
    leave: Sender<()>,
    /// Why it ended, if not as wanted.
    ended: Receiver<Option<Failure>>,
}

impl Asker {
    /// Finds an owner, or becomes it, and asks.
    pub(super) async fn ask(&mut self, request: &Request, open: &[Name]) -> Result<Guest, Error> {
        let began = Instant::now();
        loop {
            match Guest::ask(&self.data, request).await {
                Ok(guest) => return Ok(guest),
                Err(GuestError::Refused(because)) => return Err(Error::Refused(because)),
                Err(GuestError::Nobody | GuestError::Cut) => {}
            }
            if self.has_given_up()? {
                task::sleep(COURTESY).await;
            }
            let follows = matches!(request, Request::Follow { .. });
            if self.owned.is_some() || !self.become_owner(follows, open)? {
                if began.elapsed() > UNANSWERED {
                    return Err(Error::Unanswered);
                }
                task::sleep(LOOK).await;
            }
        }
    }

    /// Whether the folder was free.
    fn become_owner(&mut self, follows: bool, open: &[Name]) -> Result<bool, Error> {
        let mut config = entry::config(&self.options, &self.user)?;
        // Whoever reads what comes can answer it; the others are gone in a moment.
        config.presence = if follows { Presence::Online } else { Presence::Away };
        config.yields = true;
        config.patience = None;
        if let Some(tightened) =
            tighten(&config.data).map_err(StartError::from).map_err(entry::Error::from)?
        {
            output::tell(format_args!("tinychat: {tightened}"));
        }
        let (client, events) = match Client::start(config, None) {
            Ok(started) => started,
            Err(StartError::Folder(FolderError::InUse { .. })) => return Ok(false),
            Err(error) => return Err(entry::Error::from(error).into()),
        };
        let (end, ended) = async_channel::bounded(1);
        let (leave, left) = async_channel::bounded(1);
        let (options, open) = (self.options.clone(), open.to_vec());
        let life = Life { options, client, follows, open, is_unsigned: false };
        task::spawn("no face", async move {
            let _ = end.try_send(life.live(events, left).await);
        });
        self.owned = Some(Owned { leave, ended });
        Ok(true)
    }

    /// Whether the client that this runs has ended because somebody wanted the folder.
    fn has_given_up(&mut self) -> Result<bool, Error> {
        match self.owned.as_ref().and_then(|owned| owned.ended.try_recv().ok()) {
            Some(Some(failure)) => Err(Error::Failed(failure)),
            Some(None) => Ok(self.owned.take().is_some()),
            None => Ok(false),
        }
    }

    pub(super) async fn let_go(&mut self) {
        if let Some(Owned { leave, ended }) = self.owned.take() {
            let _ = leave.try_send(());
            let _ = ended.recv().await;
        }
    }
}

/// None if the owner has gone.
pub(super) fn heard(reply: Result<Reply, GuestError>) -> Result<Option<Reply>, Error> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(GuestError::Refused(because)) => Err(Error::Refused(because)),
        Err(GuestError::Nobody | GuestError::Cut) => Ok(None),
    }
}

/// A word that nobody else makes up.
pub(super) fn token() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}
