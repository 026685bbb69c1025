//! Taking another key for others to begin with, now and then.
//!
//! Owned by the core. Invariant: the key is on the disk before anybody is told of it.

use std::time::Instant;

use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::state::{Core, Told};
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::store::accounts::{self, Renewal};
use crate::message::Timestamp;
use crate::wire::frame::ClientFrame;

impl Core {
    /// Looks now and then whether it is time for another key. The server gets it behind its list of devices.
    pub(crate) async fn renew_where_due(
        &mut self,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        // Nobody seals for a folder that is in no list.
        let is_listed = self.own_list.is_under_way() == Some(false);
        if !is_listed || !self.renewal.is_to_look(Instant::now()) {
            return Ok(());
        }
        let (server, installation, now, waits) =
            (self.server.clone(), self.installation, Timestamp::now(), self.may_wait());
        let renew =
            move |tx: &Transaction<'_>| accounts::renew(tx, &server, installation, now, waits);
        match self.store.run(renew).await? {
            Renewal::Renewed => self.own_list.connected(),
            Renewal::PutOff if self.told == Told::Some => {
                self.told = Told::Asked;
                connection.say(&ClientFrame::Ping);
            }
            Renewal::PutOff | Renewal::NotDue => {}
        }
        Ok(())
    }

    /// The server has told of whom something waits.
    pub(super) fn all_is_told(&mut self) {
        self.told = Told::All;
        self.renewal.look();
    }

    /// Whether something may wait that was sealed for this folder.
    fn may_wait(&self) -> bool {
        let has_come = self.conversations.values().all(Conversation::has_caught_up);
        let is_opened = self.unopened.is_empty();
        self.told != Told::All || !self.renewal.is_quiet() || !has_come || !is_opened
    }
}
