//! How long a client without a person waits for anything.
//!
//! Owned by the core. Invariant: online, only what is to be finished or was refused makes it wait.

use std::time::Instant;

use super::exit::Exit;
use super::state::Core;
use crate::client::event::{Absence, Failure};

impl Core {
    /// Fails if something has been waited for without progress for longer than wanted.
    pub(super) fn check_patience(&mut self, online: bool) -> Result<(), Exit> {
        let refused = self.conversations.values().any(|it| it.faced && it.is_refused());
        if online && !self.finishing && !refused {
            self.progress = Instant::now();
        }
        let Some(after) = self.config.patience.filter(|it| self.progress.elapsed() >= *it) else {
            return Ok(());
        };
        let because = match (online, refused) {
            (false, _) => match &self.absence {
                Some(Absence::Agent(because)) => because.clone(),
                _ => format!("the server {} is away", self.config.server),
            },
            (true, true) => "the server takes no more messages for now".into(),
            (true, false) => "the server does not go on".into(),
        };
        Err(Exit::Failed(Failure::TimedOut { after, because }))
    }
}
