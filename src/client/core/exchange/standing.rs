//! Finding out how messages show whose they are: by the list in which their folder stands, or by a statement.
//!
//! Owned by the core. Messages for people without a device list wait for none of it.

use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::order::Said;
use super::super::standing::Standing;
use super::super::state::Core;
use crate::client::event::Event;
use crate::client::store::accounts::{self, Keys};
use crate::client::store::devices;
use crate::client::store::sealed::keyring::Me;
use crate::message::Timestamp;
use crate::trust::devices::{Device, SignedWriter, Writer};

/// Where this folder stands in its person's list.
enum Place {
    Device,
    Gone,
    None,
}

/// Why a folder counts on its own from now on that was in its person's list once.
const GONE: &str = "this data folder is no device of yours any more; it now counts on its own";

impl Core {
    /// Looks whether messages can be sealed here, and what has to be signed for that.
    pub(crate) async fn stand_where_due(&mut self) -> Result<(), Exit> {
        if !matches!(self.standing, Standing::Unknown) {
            return Ok(());
        }
        match self.own_list.is_under_way() {
            Some(true) => {}
            Some(false) => self.standing = Standing::Device,
            None => match self.place_in_known_list().await? {
                Place::Device => self.standing = Standing::Device,
                Place::None => self.write_for_oneself().await?,
                Place::Gone => return Err(self.begin_anew(GONE).await?),
            },
        }
        Ok(())
    }

    /// Who seals here; none as long as that cannot be shown.
    pub(super) fn me(&self) -> Option<Me> {
        self.standing.statement().map(|_| self.oneself())
    }

    /// Who uses this folder.
    pub(super) fn oneself(&self) -> Me {
        let writer = self.standing.statement().flatten().cloned();
        Me { name: self.config.user.clone(), identity: self.identity.public(), writer }
    }

    async fn place_in_known_list(&self) -> Result<Place, Exit> {
        let (server, user) = (self.server.clone(), self.config.user.clone());
        let kept = self.store.run(move |tx| devices::known(tx, &server, &user)).await?;
        let Some(bundle) = kept.bundle() else { return Ok(Place::None) };
        let has = |all: &[Device]| all.iter().any(|it| it.installation == self.installation);
        Ok(match bundle.list() {
            list if has(list.devices()) => Place::Device,
            list if has(list.gone()) => Place::Gone,
            _ => Place::None,
        })
    }

    /// A folder that stands in no list has a statement, which its person signs once, when it is needed.
    async fn write_for_oneself(&mut self) -> Result<(), Exit> {
        let (server, installation, now) =
            (self.server.clone(), self.installation, Timestamp::now());
        let Keys { account, writer, .. } =
            self.store.run(move |tx| accounts::of(tx, &server, installation, now)).await?;
        let (owner, curve) = (self.owner(), account.curve());
        let is_good = |it: &SignedWriter| it.curve_of(&owner, installation) == Some(curve);
        match writer.filter(is_good) {
            Some(writer) => self.standing = Standing::Writer(writer.into()),
            None => {
                let writer = Writer { owner, installation, curve, time: now };
                self.standing = Standing::Unsigned(writer.into());
            }
        }
        Ok(())
    }

    /// Has signed what is not yet, for something is to be sealed.
    pub(super) fn sign_where_due(&mut self) {
        let Standing::Unsigned(writer) = &self.standing else { return };
        let (writer, identity) = (Writer::clone(writer), self.identity.clone());
        self.standing = Standing::Signing;
        let sign = move || SignedWriter::sign(writer, &identity).map_err(|error| error.to_string());
        let what = "for this data folder, so that what you write can be sealed";
        self.have_signed(what, sign, |signed| Said::Written(Box::new(signed)));
    }

    /// What was to be signed of this folder is, or is not.
    pub(super) async fn take_written(
        &mut self,
        signed: Result<SignedWriter, String>,
    ) -> Result<(), Exit> {
        match signed {
            Ok(writer) => {
                let (server, kept) = (self.server.clone(), writer.clone());
                let installation = writer.writer().installation;
                let keep = move |tx: &Transaction<'_>| {
                    accounts::keep_writer(tx, &server, installation, &kept)
                };
                self.store.run(keep).await?;
                // It may be of another installation meanwhile: then the next one is signed.
                self.standing = Standing::Unknown;
            }
            Err(because) => {
                self.standing = Standing::Left;
                let because = format!(
                    "what you write stays here, for your key has not signed for this data folder: {because}; it is tried again at the next start"
                );
                self.tell(Event::Objection { because });
            }
        }
        Ok(())
    }
}
