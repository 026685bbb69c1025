//! How messages show that the data folder that seals them is its person's.
//!
//! Owned by the core. Invariant: nothing is sealed before it can be shown.

use crate::trust::devices::{SignedWriter, Writer};

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) enum Standing {
    /// It is to be looked at.
    #[default]
    Unknown,
    /// The folder stands in its person's list.
    Device,
    /// It stands in none, and this is to be signed once something is to be sealed.
    Unsigned(Box<Writer>),
    /// A statement is being signed, on whatever connection.
    Signing,
    /// The folder stands in no list, and each message has this statement.
    Writer(Box<SignedWriter>),
    /// The key that signs has refused. Nothing is sealed before the next start.
    Left,
}

impl Standing {
    /// The connection has ended. What was signed is known, and may be of an installation that was given up.
    pub(super) fn disconnected(&mut self) {
        if matches!(self, Self::Device | Self::Unsigned(_) | Self::Writer(_)) {
            *self = Self::Unknown;
        }
    }

    /// Whether the folder is a device, or about to be one.
    pub(super) fn is_device(&self) -> bool {
        matches!(self, Self::Device | Self::Unknown)
    }

    /// Whether the key has refused to sign: nothing is sealed any more.
    pub(super) fn has_refused(&self) -> bool {
        matches!(self, Self::Left)
    }

    /// Whether messages can be sealed, and the statement that they have.
    pub(super) fn statement(&self) -> Option<Option<&SignedWriter>> {
        match self {
            Self::Device => Some(None),
            Self::Writer(statement) => Some(Some(statement)),
            Self::Unknown | Self::Unsigned(_) | Self::Signing | Self::Left => None,
        }
    }
}
