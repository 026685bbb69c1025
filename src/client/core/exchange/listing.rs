//! One's own list of devices: asked for behind `WELCOME`, and said when this folder is not in it.
//!
//! Owned by the core. Nothing waits for any of it: the key that signs may be one that asks a person. Invariant: what was
//! signed is on the disk before it is said.

use std::time::Instant;

use bytes::Bytes;

use super::super::exit::Exit;
use super::super::order::{Order, Said};
use super::super::own_list::{Due, Next, next};
use super::super::state::Core;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::store::devices::{self, Kept};
use crate::message::Timestamp;
use crate::task;
use crate::trust::devices::{Device, DeviceList, Owner, SignedList};
use crate::wire::frame::ClientFrame;

/// What the server shows as one's own list is none.
const NOT_OWN: &str = "the server shows a list of your devices that you have not signed; it is not believed. Ask its operator";

/// Whose version cannot be counted up.
const EXHAUSTED: &str =
    "your list of devices has the highest version that there is, and stays as it is";

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
                connection.say(&ClientFrame::List { statement: list.bytes().clone() });
            }
            None => {}
        }
    }

    /// The server shows a list as one's own.
    pub(super) async fn take_own_list(&mut self, version: u64, shown: Bytes) -> Result<(), Exit> {
        if !self.own_list.is_asked() {
            return Ok(());
        }
        let shown = match (version, SignedList::read(shown)) {
            (0, _) => None,
            (_, Ok(list)) if self.is_own(&list) && list.list().version() == version => Some(list),
            _ => {
                self.leave_list(NOT_OWN.into());
                return Ok(());
            }
        };
        let known = self.known_list().await?;
        if let Some(shown) = shown.as_ref().filter(|it| is_new(it, known.as_ref())) {
            self.keep_list(shown).await?;
        }
        self.go_on_with(shown, known);
        Ok(())
    }

    /// The server has one's own list with this version now.
    pub(super) async fn take_own_listed(&mut self, version: u64) -> Result<(), Exit> {
        match self.own_list.said().cloned() {
            // It may be one that was known here, without this folder.
            Some(list) if list.list().version() == version => self.go_on_with(Some(list), None),
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
    pub(super) async fn take_signed(
        &mut self,
        signed: Result<SignedList, String>,
    ) -> Result<(), Exit> {
        match signed {
            Ok(list) => {
                self.keep_list(&list).await?;
                self.own_list.is_to_say(list, self.is_online);
            }
            Err(because) => self.leave_list(unlisted(&because)),
        }
        Ok(())
    }

    fn go_on_with(&mut self, shown: Option<SignedList>, known: Option<SignedList>) {
        let Some(key) = self.own_list.key() else { return };
        let device = Device { installation: self.installation, key };
        match next(shown, known, self.owner(), device, Timestamp::now()) {
            Next::Listed => self.own_list.is_listed(),
            Next::Say(list) => self.own_list.is_to_say(list, self.is_online),
            Next::Sign(list) => self.sign_list(list),
            Next::Exhausted => self.leave_list(EXHAUSTED.into()),
        }
    }

    fn owner(&self) -> Owner {
        let (name, identity) = (self.config.user.clone(), self.identity.public());
        Owner { server: self.server.key(), name, identity }
    }

    /// Whether somebody's list is one's own, for whichever server.
    fn is_own(&self, list: &SignedList) -> bool {
        let own = self.owner();
        *list.list().owner() == Owner { server: list.list().owner().server, ..own }
    }

    /// The newest of one's own lists that was ever seen here.
    async fn known_list(&self) -> Result<Option<SignedList>, Exit> {
        let (server, user) = (self.server.clone(), self.config.user.clone());
        let Kept { statement, .. } =
            self.store.run(move |tx| devices::known_of_any_key(tx, &server, &user)).await?;
        // One of an earlier key is none.
        Ok(SignedList::read(statement).ok().filter(|list| self.is_own(list)))
    }

    async fn keep_list(&self, list: &SignedList) -> Result<(), Exit> {
        let (server, user) = (self.server.clone(), self.config.user.clone());
        let kept = Kept::of(list);
        Ok(self.store.run(move |tx| devices::keep(tx, &server, &user, &kept)).await?)
    }

    /// Signs in the background, for it may take as long as a person does.
    fn sign_list(&mut self, list: DeviceList) {
        self.own_list.signs();
        let (identity, orders) = (self.identity.clone(), self.files.orders.clone());
        task::spawn("list", async move {
            let signed = task::blocking(move || SignedList::sign(list, &identity)).await;
            let signed = signed.map_err(|error| error.to_string());
            if let Some(orders) = orders.upgrade() {
                // The core may have ended; then nobody wants to know.
                let _ = orders.send(Order::Said(Said::Signed(Box::new(signed)))).await;
            }
        });
    }

    /// Gives it up until the next start, and says why.
    fn leave_list(&mut self, because: String) {
        self.own_list.leave();
        self.tell(Event::Objection { because });
    }
}

/// Whether what the server shows is to be kept.
fn is_new(shown: &SignedList, known: Option<&SignedList>) -> bool {
    known.is_none_or(|known| shown.list().version() >= known.list().version() && shown != known)
}

fn unlisted(because: &str) -> String {
    format!(
        "this data folder does not come into your list of devices: {because}; it is tried again at the next start"
    )
}
