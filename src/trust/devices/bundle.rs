//! A device list with the prekeys of its devices, and of those that went last: what a server keeps and tells of
//! somebody.
//!
//! Owned by whoever keeps one. Invariants: each prekey is for the list's owner, and one of the list's devices has signed
//! it, none of them two; there is one way to write a bundle.

use std::iter;

use bytes::Bytes;
use thiserror::Error;

use super::device::Device;
use super::list::{DeviceList, MAX_DEVICES};
use super::prekey::{PrekeyError, SignedPrekey};
use super::signed::{SignedList, SignedListError};
use super::statement::{MAX_STATEMENT, count, take_first};

/// The longest statement of a prekey, in bytes.
pub const MAX_PREKEY: usize = 1024;

/// The longest bundle, in bytes.
pub const MAX_BUNDLE: usize = MAX_STATEMENT + (MAX_DEVICES + MAX_FORMER) * MAX_PREKEY;

/// Of how many devices that are gone the prekeys stay: what those have sealed may still be on its way.
const MAX_FORMER: usize = 8;

/// A signed list, and right behind it the prekeys of its devices and of those that went last. Not each has one: older
/// programs made none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    list: SignedList,
    /// Of each device, and of each of the last that are gone, in the order of the list.
    prekeys: Vec<Option<SignedPrekey>>,
    bytes: Bytes,
}

/// Why bytes are not a [`Bundle`], or one does not follow another.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum BundleError {
    #[error(transparent)]
    List(#[from] SignedListError),
    #[error(transparent)]
    Prekey(#[from] PrekeyError),
    #[error("a prekey has at most {MAX_PREKEY} bytes with its signature")]
    Long,
    #[error("a prekey names the server, the name and the identity of the list in front of it")]
    Owner,
    #[error("a prekey is signed by the device of the list whose installation it names")]
    Device,
    #[error(
        "prekeys stand in the order of their devices in the list, for each of them at most one"
    )]
    Order,
    #[error("a device has one curve25519 key for life, and that prekey has another one")]
    Curve,
    #[error("a device comes into a list with a prekey")]
    Lacking,
}

impl Bundle {
    /// The statement of a list, and right behind it those of prekeys.
    pub fn read(bytes: Bytes) -> Result<Self, BundleError> {
        let mut rest = bytes.clone();
        let list = SignedList::read(take_first(&mut rest))?;
        let mut prekeys = Vec::new();
        while !rest.is_empty() {
            let prekey = SignedPrekey::read(take_first(&mut rest))?;
            let at = place(&list, &prekey)?;
            if at < prekeys.len() {
                return Err(BundleError::Order);
            }
            prekeys.resize(at, None);
            prekeys.push(Some(prekey));
        }
        prekeys.resize(folders(list.list()).count(), None);
        Ok(Self { list, prekeys, bytes })
    }

    /// How many signatures are verified at most to read these bytes.
    pub fn signatures(bytes: &[u8]) -> usize {
        count(bytes).clamp(1, 1 + MAX_DEVICES + MAX_FORMER)
    }

    /// A list without prekeys.
    pub fn of(list: SignedList) -> Self {
        let prekeys = vec![None; folders(list.list()).count()];
        Self::written(list, prekeys)
    }

    /// The same with this prekey of one of its devices.
    pub fn with(self, prekey: SignedPrekey) -> Result<Self, BundleError> {
        let Self { list, mut prekeys, .. } = self;
        let at = place(&list, &prekey)?;
        prekeys[at] = Some(prekey);
        Ok(Self::written(list, prekeys))
    }

    /// The same list; each of its devices has the prekey with the higher number, of those here and those of another
    /// bundle of the same owner.
    pub fn joined(self, other: Option<&Self>) -> Result<Self, BundleError> {
        let is_same_owner = |it: &&Self| it.list().owner() == self.list().owner();
        let Some(other) = other.filter(is_same_owner) else { return Ok(self) };
        let all = folders(self.list()).zip(&self.prekeys);
        let prekeys = all.map(|(device, here)| newer(here.as_ref(), other.prekey(device)));
        let prekeys = prekeys.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::written(self.list, prekeys))
    }

    /// The same as it is to be kept in the place of another bundle, in which a device need have no prekey that stands
    /// there already.
    pub fn over(self, kept: Option<&Self>) -> Result<Self, BundleError> {
        let joined = self.joined(kept)?;
        let is_there = |it: &Device| kept.is_some_and(|kept| kept.list().devices().contains(it));
        let is_lacking = joined.lacking().any(|it| !is_there(it));
        if is_lacking { Err(BundleError::Lacking) } else { Ok(joined) }
    }

    /// Whether it has another list or another prekey than a bundle that is known.
    pub fn has_news_for(&self, known: &Self) -> bool {
        self.list.hash() != known.list.hash() || self.prekeys != known.prekeys
    }

    /// What its owner has signed.
    pub fn list(&self) -> &DeviceList {
        self.list.list()
    }

    /// The same with its signature.
    pub fn signed(&self) -> &SignedList {
        &self.list
    }

    /// The prekey of a device, which may be one that is gone.
    pub fn prekey(&self, device: &Device) -> Option<&SignedPrekey> {
        let at = folders(self.list()).position(|it| it == device)?;
        self.prekeys[at].as_ref()
    }

    /// All prekeys.
    pub fn prekeys(&self) -> impl Iterator<Item = &SignedPrekey> {
        self.prekeys.iter().flatten()
    }

    /// The devices without a prekey.
    pub fn lacking(&self) -> impl Iterator<Item = &Device> {
        let all = self.list().devices().iter().zip(&self.prekeys);
        all.filter(|(_, prekey)| prekey.is_none()).map(|(device, _)| device)
    }

    /// All of it, as it is told and stored.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn written(list: SignedList, prekeys: Vec<Option<SignedPrekey>>) -> Self {
        let behind = prekeys.iter().flatten().map(SignedPrekey::bytes);
        let statements: Vec<&[u8]> =
            iter::once(list.bytes()).chain(behind).map(|it| &it[..]).collect();
        let bytes = Bytes::from(statements.concat());
        Self { list, prekeys, bytes }
    }
}

/// The data folders of which a bundle has the prekeys: the devices, and the last that are gone.
fn folders(list: &DeviceList) -> impl Iterator<Item = &Device> {
    let former = &list.gone()[list.gone().len().saturating_sub(MAX_FORMER)..];
    list.devices().iter().chain(former)
}

/// Which of a list's devices a prekey is of.
fn place(list: &SignedList, signed: &SignedPrekey) -> Result<usize, BundleError> {
    if signed.bytes().len() > MAX_PREKEY {
        return Err(BundleError::Long);
    }
    let (prekey, list) = (signed.prekey(), list.list());
    let owner = list.owner();
    if (prekey.server, &prekey.name, prekey.identity)
        != (owner.server, &owner.name, owner.identity.fingerprint())
    {
        return Err(BundleError::Owner);
    }
    let device = Device { installation: prekey.installation, key: signed.signer() };
    folders(list).position(|it| *it == device).ok_or(BundleError::Device)
}

/// Of two prekeys of one device the one with the higher number.
fn newer(
    here: Option<&SignedPrekey>,
    other: Option<&SignedPrekey>,
) -> Result<Option<SignedPrekey>, BundleError> {
    let (Some(one), Some(two)) = (here, other) else { return Ok(here.or(other).cloned()) };
    if one.prekey().curve != two.prekey().curve {
        return Err(BundleError::Curve);
    }
    let newer = if one.prekey().number > two.prekey().number { one } else { two };
    Ok(Some(newer.clone()))
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
pub(crate) mod tests;
