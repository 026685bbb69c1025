//! One's own list of devices: whether this folder is in it with its newest prekey, and what is to be done about that.
//!
//! Owned by the core. Pure. Invariants: at most one signature is asked for at a time; a server that refuses is tried
//! [`TRIES`] times between two starts, one that can take no list for now until it does.

use std::cmp::Ordering;

use crate::client::store::accounts::Keys;
use crate::message::{Installation, Timestamp};
use crate::trust::IdentityError;
use crate::trust::devices::{
    Bundle, BundleError, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey,
};

/// How often a list is made that the server refuses: another device may have been quicker.
const TRIES: u32 = 3;

/// See the [module](self).
#[derive(Default)]
pub(super) struct OwnList {
    /// The folder's key; none of a folder that is to be in no list.
    key: Option<DeviceKey>,
    step: Step,
    refusals: u32,
}

#[derive(Default)]
enum Step {
    /// Nothing is to be done on this connection.
    #[default]
    Rest,
    ToAsk,
    Asked,
    /// A list is being signed, on whatever connection.
    Signing,
    ToSay(Bundle),
    Said(Bundle),
    /// Nothing is to be done before the next start.
    Left,
}

/// What is to be said to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Devices,
    List(Box<Bundle>),
}

impl OwnList {
    /// Of a folder with this key.
    pub(super) fn of(key: DeviceKey) -> Self {
        Self { key: Some(key), ..Self::default() }
    }

    /// Whether this folder is to be in a list.
    pub(super) fn is_device(&self) -> bool {
        self.key.is_some()
    }

    /// This folder as its owner's list is to have it, with the prekey that it signs; none if it is to be in no list.
    pub(super) fn own(
        &self,
        owner: Owner,
        installation: Installation,
        keys: &Keys,
        time: Timestamp,
    ) -> Result<Option<Own>, IdentityError> {
        let Some(key) = &self.key else { return Ok(None) };
        let prekey = SignedPrekey::sign(prekey(&owner, installation, keys), key)?;
        let device = Device { installation, key: key.public() };
        Ok(Some(Own { owner, device, prekey, time, is_refused: self.refusals > 0 }))
    }

    /// Whether what is written here is to wait, for this folder is on its way into the list. None if it will not be there.
    pub(super) fn is_under_way(&self) -> Option<bool> {
        match self.step {
            _ if self.key.is_none() => None,
            Step::Rest => Some(false),
            Step::ToAsk | Step::Asked | Step::Signing | Step::ToSay(_) | Step::Said(_) => {
                Some(true)
            }
            Step::Left => None,
        }
    }

    /// Signed in; or this folder has another prekey.
    pub(super) fn connected(&mut self) {
        if self.key.is_some() && matches!(self.step, Step::Rest) {
            self.step = Step::ToAsk;
        }
    }

    /// What was not answered is asked again. What was signed is known.
    pub(super) fn disconnected(&mut self) {
        if !matches!(self.step, Step::Signing | Step::Left) {
            self.step = Step::Rest;
        }
    }

    /// What is to be said now, once.
    pub(super) fn due(&mut self) -> Option<Due> {
        let (step, due) = match std::mem::take(&mut self.step) {
            Step::ToAsk => (Step::Asked, Some(Due::Devices)),
            Step::ToSay(list) => (Step::Said(list.clone()), Some(Due::List(list.into()))),
            other => (other, None),
        };
        self.step = step;
        due
    }

    /// Whether this is the answer to what was asked.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.step, Step::Asked)
    }

    /// The list that was said and not answered.
    pub(super) fn said(&self) -> Option<&Bundle> {
        match &self.step {
            Step::Said(list) => Some(list),
            _ => None,
        }
    }

    /// A signature was asked for.
    pub(super) fn signs(&mut self) {
        self.step = Step::Signing;
    }

    /// This list is to be said, if there is a connection.
    pub(super) fn is_to_say(&mut self, list: Bundle, is_online: bool) {
        self.step = if is_online { Step::ToSay(list) } else { Step::Rest };
    }

    /// This folder is in the list.
    pub(super) fn is_listed(&mut self) {
        (self.step, self.refusals) = (Step::Rest, 0);
    }

    /// Nothing more is done before the next start.
    pub(super) fn leave(&mut self) {
        self.step = Step::Left;
    }

    /// The server cannot take it for now. When it is time again, what the server has is asked for before.
    pub(super) fn put_off(&mut self) {
        if matches!(self.step, Step::Said(_)) {
            self.step = Step::ToAsk;
        }
    }

    /// The server has another list than was thought. Returns whether that is looked at once more.
    pub(super) fn is_refused(&mut self) -> bool {
        self.refusals += 1;
        let is_tried = self.refusals < TRIES;
        self.step = if is_tried { Step::ToAsk } else { Step::Left };
        is_tried
    }
}

/// What a data folder says of itself, so that others can seal for it.
fn prekey(owner: &Owner, installation: Installation, keys: &Keys) -> Prekey {
    let Keys { account, number, time, .. } = keys;
    Prekey {
        server: owner.server,
        name: owner.name.clone(),
        identity: owner.identity.fingerprint(),
        installation,
        curve: account.curve(),
        fallback: account.fallback(),
        number: *number,
        time: *time,
    }
}

/// This folder, and whose list it is to be in.
pub(super) struct Own {
    owner: Owner,
    device: Device,
    prekey: SignedPrekey,
    time: Timestamp,
    /// The server has refused a list since this folder was in one last.
    is_refused: bool,
}

/// What is to become of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the device is in the one that the server has, with its newest prekey.
    Listed,
    /// The server has lost this one, or a prekey in it is newer.
    Say(Box<Bundle>),
    /// It is to be signed. Behind it come the prekeys in the bundle, if there is one.
    Sign(Box<DeviceList>, Option<Box<Bundle>>),
    /// There is no higher version.
    Exhausted,
    /// The device stands there with keys that it does not have.
    Other,
}

/// How a device comes into its owner's list, of which the server shows one, and one is known here.
pub(super) fn next(shown: Option<&Bundle>, known: Option<&Bundle>, own: &Own) -> Next {
    let version = |it: &Bundle| it.list().version();
    let is_newer = known.map_or(0, version) > shown.map_or(0, version);
    let (base, other) = if is_newer { (known, shown) } else { (shown, known) };
    let Some(base) = base.map(|base| both(base, other)) else {
        return Next::Sign(DeviceList::first(own.owner.clone(), own.device, own.time).into(), None);
    };
    let may_stay = |it: &Device| own.may_stay(it, &base, shown);
    if own.is_other_in(&base) || shown.is_some_and(|shown| own.is_other_in(shown)) {
        return Next::Other;
    }
    if let Some(said) = own.put_into(&base, is_newer)
        && (!own.is_refused || said.list().devices().iter().all(may_stay))
    {
        let is_told = !is_newer && shown.is_some_and(|shown| own.is_told_in(shown));
        return if is_told { Next::Listed } else { Next::Say(said.into()) };
    }
    let Some(list) = base.list().with(own.device, own.time) else { return Next::Exhausted };
    let list = list.on(own.owner.server);
    let list = if own.is_refused { list.without(|it| !may_stay(it)) } else { list };
    Next::Sign(list.into(), Some(base.into()))
}

/// The prekeys of both behind the first one's list; if they do not agree, that is believed.
pub(super) fn both(first: &Bundle, other: Option<&Bundle>) -> Bundle {
    first.clone().joined(other).unwrap_or_else(|_| first.clone())
}

impl Own {
    /// A list that was signed, with the prekeys that are known of its devices, and this folder's.
    pub(super) fn finish(
        self,
        signed: SignedList,
        known: Option<&Bundle>,
    ) -> Result<Bundle, BundleError> {
        Bundle::of(signed).joined(known)?.with(self.prekey)
    }

    /// The list as it is, with this folder's prekey if it is there. None if it has to be another one.
    fn put_into(&self, base: &Bundle, is_newer: bool) -> Option<Bundle> {
        let is_there = base.list().devices().contains(&self.device);
        if !self.counts(base) || !(is_newer || is_there) {
            return None;
        }
        if is_there { base.clone().with(self.prekey.clone()).ok() } else { Some(base.clone()) }
    }

    /// Whether it is for this server.
    fn counts(&self, it: &Bundle) -> bool {
        *it.list().owner() == self.owner
    }

    /// Whether this prekey is there.
    fn is_told_in(&self, shown: &Bundle) -> bool {
        let number = self.prekey.prekey().number;
        shown.prekey(&self.device).is_some_and(|it| it.prekey().number == number)
    }

    /// Whether this folder's key has signed a prekey there that this folder has never made, with another key for life or
    /// to begin with: it is a copy, or was restored, and cannot open what is sealed for that.
    fn is_other_in(&self, base: &Bundle) -> bool {
        let own = self.prekey.prekey();
        let is_other = |it: &Prekey| match it.number.cmp(&own.number) {
            Ordering::Less => it.curve != own.curve,
            Ordering::Equal => (it.curve, it.fallback) != (own.curve, own.fallback),
            Ordering::Greater => true,
        };
        self.counts(base) && base.prekey(&self.device).is_some_and(|it| is_other(it.prekey()))
    }

    /// Whether the server takes a list with this device: it has a prekey, or is there.
    fn may_stay(&self, it: &Device, base: &Bundle, shown: Option<&Bundle>) -> bool {
        let has_prekey = self.counts(base) && base.prekey(it).is_some();
        let is_there = |shown: &Bundle| self.counts(shown) && shown.list().devices().contains(it);
        *it == self.device || has_prekey || shown.is_some_and(is_there)
    }
}

#[cfg(test)]
#[path = "own_list_tests.rs"]
mod tests;
