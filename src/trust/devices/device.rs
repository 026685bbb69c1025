//! One data folder of a person, as lists call it.
//!
//! Owned by a list. Invariant: what it is displayed as parses to it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::message::Installation;
use crate::trust::PublicKey;

/// A data folder that receives. Displayed as its installation and its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// How its messages are numbered.
    pub installation: Installation,
    /// Its own key, which stays when the folder takes a new installation.
    pub key: PublicKey,
}

impl Device {
    /// Whether both cannot be in use: a folder has one key and one installation.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        self.installation == other.installation || self.key == other.key
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.installation, self.key)
    }
}

/// A text is not a [`Device`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a device is an installation and a key")]
pub struct DeviceError;

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let (installation, key) = text.split_once(' ').ok_or(DeviceError)?;
        let installation = installation.parse().map_err(|_| DeviceError)?;
        Ok(Self { installation, key: key.parse().map_err(|_| DeviceError)? })
    }
}
