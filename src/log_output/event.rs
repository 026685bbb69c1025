//! The names of events: the values of the field `event`, by which programs find lines.
//!
//! Pure data, each name in one row; the manual has the same rows. Invariant: a name that was released keeps its meaning.

use log::kv::{ToValue, Value};

/// Makes the enum and its names.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is logged as an event, and not only as a sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $variant,)*
        }

        impl Event {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The value of the field.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

events! {
    /// The server serves.
    Start = "start",
    /// It has ended.
    Stop = "stop",
    /// Somebody has signed in.
    SignedIn = "signed_in",
    /// They are not signed in there any more.
    Left = "left",
    /// Somebody did not get in.
    SignInRefused = "sign_in_refused",
    /// A name has a first owner, or another one.
    NameClaimed = "name_claimed",
    /// A connection did not get as far as to sign in: no TLS, or a proxy without its header.
    ConnectionRefused = "connection_refused",
    /// A connection ended before anybody signed in on it, as those of health checks do.
    ConnectionClosed = "connection_closed",
    /// More connections came than can be begun.
    ClosedUnread = "closed_unread",
    /// Somebody's file is not taken, or not given.
    FileRefused = "file_refused",
    /// The disk takes no messages.
    NothingStored = "nothing_stored",
    /// It does again.
    StoredAgain = "stored_again",
    /// Somebody has set the wall clock.
    ClockSet = "clock_set",
    /// The certificate was read again.
    CertificateRead = "certificate_read",
    /// The file of options was read again.
    ConfigReloaded = "config_reloaded",
    /// It was not obeyed: something is wrong with it.
    ConfigRefused = "config_refused",
    /// An operator has banned somebody.
    Ban = "ban",
    /// An operator lets somebody come again.
    Unban = "unban",
    /// An operator has removed a name.
    Remove = "remove",
    /// An operator has removed a name with all that was kept of it.
    Purge = "purge",
    /// An operator has taken the key from a name.
    ResetKey = "reset_key",
    /// An operator has set limits for somebody.
    Limit = "limit",
    /// An operator has made an invitation.
    Invite = "invite",
    /// An operator has taken an invitation back.
    Revoke = "revoke",
    /// An operator says something to everybody.
    Announce = "announce",
    /// An operator says it no more.
    AnnounceEnd = "announce_end",
    /// An operator has made a backup.
    Backup = "backup",
    /// An operator goes on with what is left of a damaged mailbox.
    Accept = "accept",
    /// An operator did not get what was asked for.
    OperatorRefused = "operator_refused",
}

impl ToValue for Event {
    fn to_value(&self) -> Value<'_> {
        Value::from(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_event_has_a_name_of_its_own() {
        let names: HashSet<_> = Event::ALL.iter().map(|event| event.name()).collect();
        assert_eq!(names.len(), Event::ALL.len());
        let is_plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(names.iter().all(is_plain), "{names:?}");
    }
}
