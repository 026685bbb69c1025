//! One's own list of devices: asked for behind `WELCOME`, and said when this folder is not in it with its prekey.
//!
//! Owned by the core. Only what is to be sealed waits for it: the key that signs may be one that asks a person. Invariant: what was
//! signed is on the disk before it is said.

use std::time::Instant;

use bytes::Bytes;
use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::order::Said;
use super::super::own_list::{Due, Next, Own, both, next};
use super::super::state::Core;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::store::accounts;
use crate::client::store::devices::{self, Kept};
use crate::message::Timestamp;
use crate::trust::devices::{Bundle, DeviceList, Owner, SignedList};
use crate::wire::frame::ClientFrame;

/// What the server shows as one's own list is none.
const NOT_OWN: &str = "the server shows a list of your devices that you have not signed; it is not believed. Ask its operator";

/// Whose version cannot be counted up.
const EXHAUSTED: &str =
    "your list of devices has the highest version that there is, and stays as it is";

/// Two folders have one key and one installation.
const OTHER: &str = "the server shows other keys of this data folder than it has: it is a copy of another, or was restored; it now counts on its own";

impl Core {
    /// Says what is to be said of one's own list.
    pub(crate) fn list_where_due(&mut self, connection: &mut Connection) {
        if !self.giving.is_free(Instant::now()) {
            return;
        }
        let peer = self.config.user.clone();
        match self.own_list.due() {
            Some(Due::Devices) => connection.say(&ClientFrame::Devices { peer }),
            Some(Due::List(list)) => {
                self.giving.begin(peer);
                connection.say(&ClientFrame::List { bundle: list.bytes().clone() });
            }
            None => {}
        }
    }

    /// The server shows a list as one's own.
    pub(super) async fn take_own_list(&mut self, version: u64, shown: Bytes) -> Result<(), Exit> {
        if !self.own_list.is_asked() {
            return Ok(());
        }
        let shown = match (version, Bundle::read(shown)) {
            (0, _) => None,
            (_, Ok(list)) if self.is_own(&list) && list.list().version() == version => Some(list),
            _ => {
                self.leave_list(NOT_OWN.into());
                return Ok(());
            }
        };
        let known = self.known_list().await?;
        if let Some(shown) = shown.as_ref().filter(|it| is_new(it, known.as_ref())) {
            self.keep_list(&both(shown, known.as_ref())).await?;
        }
        self.go_on_with(shown, known).await
    }

    /// The server has one's own list with this version now.
    pub(super) async fn take_own_listed(&mut self, version: u64) -> Result<(), Exit> {
        match self.own_list.said().cloned() {
            // It may be one that was known here, without this folder.
            Some(list) if list.list().version() == version => {
                self.go_on_with(Some(list), None).await?;
            }
            Some(_) => self.take_unlisted("it has another one"),
            None => {}
        }
        Ok(())
    }

    /// The server will not take one's own list.
    pub(super) fn take_unlisted(&mut self, because: &str) {
        if self.own_list.said().is_some() && !self.own_list.is_refused() {
            self.leave_list(unlisted(&format!("the server does not take it: {because}")));
        }
    }

    /// The list that was to be signed is, or is not.
    pub(super) async fn take_signed(&mut self, signed: Result<Bundle, String>) -> Result<(), Exit> {
        match signed {
            Ok(list) => {
                self.keep_list(&list).await?;
                self.own_list.is_to_say(list, self.is_online);
            }
            Err(because) => self.leave_list(unlisted(&because)),
        }
        Ok(())
    }

    async fn go_on_with(
        &mut self,
        shown: Option<Bundle>,
        known: Option<Bundle>,
    ) -> Result<(), Exit> {
        let Some(own) = self.own().await? else { return Ok(()) };
        match next(shown.as_ref(), known.as_ref(), &own) {
            Next::Listed => {
                self.note_listed().await?;
                self.own_list.is_listed();
            }
            Next::Say(list) => {
                self.keep_list(&list).await?;
                self.own_list.is_to_say(*list, self.is_online);
            }
            Next::Sign(list, known) => self.sign_list(*list, known, own),
            Next::Exhausted => self.leave_list(EXHAUSTED.into()),
            Next::Other if self.is_fresh => self.leave_list(unlisted(OTHER)),
            Next::Other => return Err(self.begin_anew(OTHER).await?),
        }
        Ok(())
    }

    /// This folder as it is to be listed, with the prekey of its installation here; none if it is to be in no list.
    async fn own(&mut self) -> Result<Option<Own>, Exit> {
        if !self.own_list.is_device() {
            return Ok(None);
        }
        let (server, installation, now) =
            (self.server.clone(), self.installation, Timestamp::now());
        let keys = self.store.run(move |tx| accounts::of(tx, &server, installation, now)).await?;
        let own = self.own_list.own(self.owner(), installation, &keys, now);
        Ok(own.unwrap_or_else(|error| {
            self.leave_list(unlisted(&error.to_string()));
            None
        }))
    }

    pub(super) fn owner(&self) -> Owner {
        let (name, identity) = (self.config.user.clone(), self.identity.public());
        Owner { server: self.server.key(), name, identity }
    }

    /// Whether somebody's list is one's own, for whichever server.
    fn is_own(&self, list: &Bundle) -> bool {
        let own = self.owner();
        *list.list().owner() == Owner { server: list.list().owner().server, ..own }
    }

    /// The newest of one's own lists that was ever seen here.
    async fn known_list(&self) -> Result<Option<Bundle>, Exit> {
        let (server, user) = (self.server.clone(), self.config.user.clone());
        let kept = self.store.run(move |tx| devices::known_of_any_key(tx, &server, &user)).await?;
        // One of an earlier key is none.
        Ok(kept.bundle().filter(|list| self.is_own(list)))
    }

    async fn keep_list(&self, list: &Bundle) -> Result<(), Exit> {
        let (server, user) = (self.server.clone(), self.config.user.clone());
        let kept = Kept::of(list);
        Ok(self.store.run(move |tx| devices::keep(tx, &server, &user, &kept)).await?)
    }

    /// From now on the server takes nothing in the clear for this folder.
    async fn note_listed(&self) -> Result<(), Exit> {
        let (server, installation) = (self.server.clone(), self.installation);
        let note = move |tx: &Transaction<'_>| accounts::note_listed(tx, &server, installation);
        Ok(self.store.run(note).await?)
    }

    /// Signs in the background, for it may take as long as a person does.
    fn sign_list(&mut self, list: DeviceList, known: Option<Box<Bundle>>, own: Own) {
        self.own_list.signs();
        let identity = self.identity.clone();
        let sign = move || {
            let signed = SignedList::sign(list, &identity).map_err(|error| error.to_string())?;
            own.finish(signed, known.as_deref()).map_err(|error| error.to_string())
        };
        self.have_signed("your list of devices", sign, |signed| Said::Signed(Box::new(signed)));
    }

    /// Gives it up until the next start, and says why.
    fn leave_list(&mut self, because: String) {
        self.own_list.leave();
        self.tell(Event::Objection { because });
    }
}

/// Whether what the server shows is to be kept.
fn is_new(shown: &Bundle, known: Option<&Bundle>) -> bool {
    known.is_none_or(|known| shown.list().version() >= known.list().version() && shown != known)
}

fn unlisted(because: &str) -> String {
    format!(
        "this data folder does not come into your list of devices: {because}; it is tried again at the next start"
    )
}
