//! A device list, and how the next version follows.
//!
//! Owned by whoever keeps one. Invariant: there is one text for each list, which it is displayed as and which parses to
//! it; so the hash of a list is that of its text.

use std::fmt;

use super::device::Device;
use super::lines::or_none;
use super::owner::Owner;
use crate::message::Timestamp;
use crate::time_text;
use crate::trust::Fingerprint;

/// The most devices of a person. One more, and the first is gone.
pub const MAX_DEVICES: usize = 8;

/// How many that are gone a list tells. One more, and the first is forgotten.
pub const MAX_GONE: usize = 32;

/// The highest version: what databases can count to.
pub const MAX_VERSION: u64 = i64::MAX as u64;

/// The first line of a list's text.
pub(super) const TITLE: &str = "tinychat/2 devices";

/// One version of a person's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList {
    pub(super) owner: Owner,
    pub(super) version: u64,
    pub(super) previous: Option<Fingerprint>,
    pub(super) time: Timestamp,
    pub(super) devices: Vec<Device>,
    pub(super) gone: Vec<Device>,
}

impl DeviceList {
    /// The first version.
    pub fn first(owner: Owner, device: Device, time: Timestamp) -> Self {
        let (devices, gone, time) = (vec![device], Vec::new(), time.in_seconds());
        Self { owner, version: 1, previous: None, time, devices, gone }
    }

    /// The next version, with a device in it as the last one. Whatever has its installation or its key is gone; so is
    /// the first one where there are too many. None behind the highest version.
    pub fn with(&self, device: Device, time: Timestamp) -> Option<Self> {
        let version = self.version.checked_add(1).filter(|it| *it <= MAX_VERSION)?;
        let all = self.devices.iter().filter(|it| **it != device).copied();
        let (replaced, mut devices): (Vec<_>, Vec<_>) = all.partition(|it| it.excludes(&device));
        devices.push(device);
        let excess = devices.len().saturating_sub(MAX_DEVICES);
        let mut gone = self.gone.clone();
        // One that comes again is a device again.
        gone.retain(|it| *it != device);
        gone.extend(replaced.into_iter().chain(devices.drain(..excess)));
        gone.drain(..gone.len().saturating_sub(MAX_GONE));
        let (owner, previous) = (self.owner.clone(), Some(self.hash()));
        Some(Self { owner, version, previous, time: time.in_seconds(), devices, gone })
    }

    /// The same version, but whoever is to be gone of its devices is. At least one has to stay.
    pub fn without(mut self, is_gone: impl Fn(&Device) -> bool) -> Self {
        let (gone, devices): (Vec<_>, Vec<_>) = self.devices.into_iter().partition(is_gone);
        self.gone.extend(gone);
        self.gone.drain(..self.gone.len().saturating_sub(MAX_GONE));
        Self { devices, ..self }
    }

    /// The same list for another server, or for one that has another key now.
    pub fn on(self, server: Option<Fingerprint>) -> Self {
        Self { owner: Owner { server, ..self.owner }, ..self }
    }

    /// Whether it may take the place of another: it is of a higher version, and if that is the next one, it was made
    /// from just that other one.
    pub fn follows(&self, other: &Self) -> bool {
        self.version > other.version
            && (self.version - other.version > 1 || self.previous == Some(other.hash()))
    }

    /// Whose it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// From 1 to [`MAX_VERSION`].
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The hash of the version before; none in the first.
    pub fn previous(&self) -> Option<Fingerprint> {
        self.previous
    }

    /// When it was made, by the clock of the device that made it. For people.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// From one to [`MAX_DEVICES`], in the order in which they came.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Those that are no devices any more, in the order in which they went.
    pub fn gone(&self) -> &[Device] {
        &self.gone
    }

    /// SHA-256 over its text, by which the next version names it.
    pub fn hash(&self) -> Fingerprint {
        Fingerprint::of(self.to_string().as_bytes())
    }
}

impl fmt::Display for DeviceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        write!(f, "{}", self.owner)?;
        writeln!(f, "version {}", self.version)?;
        writeln!(f, "previous {}", or_none(self.previous, "-"))?;
        writeln!(f, "time {}", time_text::moment(self.time.printable(), 0))?;
        self.devices.iter().try_for_each(|device| writeln!(f, "device {device}"))?;
        self.gone.iter().try_for_each(|device| writeln!(f, "gone {device}"))
    }
}
