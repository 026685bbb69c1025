//! Quotas: how much may wait. Pure: no I/O.

use crate::mailbox::Usage;

/// The bounds of what waits; 0 is no limit. A message that would exceed one is refused with
/// `ERR FULL`, and its sender keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What waits in one session: 10,000 messages, 16 MiB.
    pub session: Usage,
    /// What waits for one receiver, from everybody: 100,000 messages, 256 MiB.
    pub receiver: Usage,
    /// How many messages wait in a session whose receiver does not know the sender yet: 1,000.
    pub first_contact: u64,
    /// For how many people who do not know the sender yet something of theirs may wait: 100.
    pub strangers: usize,
}

impl Default for Quota {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            session: Usage { messages: 10_000, bytes: 16 * MIB },
            receiver: Usage { messages: 100_000, bytes: 256 * MIB },
            first_contact: 1_000,
            strangers: 100,
        }
    }
}

impl Quota {
    /// Whether the receiver has to know the sender for this much to wait in a session.
    pub(crate) fn is_for_friends(&self, messages: u64) -> bool {
        self.first_contact > 0 && messages > self.first_contact
    }

    /// The bounds for a sender whom the receiver does not know yet.
    pub(crate) fn for_stranger(self) -> Self {
        let Usage { messages, bytes } = self.session;
        let limit = if messages == 0 { u64::MAX } else { messages };
        Self { session: Usage { messages: limit.min(self.first_contact), bytes }, ..self }
    }

    /// Whether one more message of `length` bytes may wait; else the sentence that refuses it.
    pub(crate) fn admit(
        &self,
        session: Usage,
        receiver: Usage,
        length: usize,
    ) -> Result<(), String> {
        let fits = |used: Usage, limit: Usage| {
            (limit.messages == 0 || used.messages < limit.messages)
                && (limit.bytes == 0 || used.bytes + length as u64 <= limit.bytes)
        };
        if !fits(session, self.session) {
            return Err(sentence("from you wait here", session, self.session));
        }
        if !fits(receiver, self.receiver) {
            return Err(sentence("wait for this receiver", receiver, self.receiver));
        }
        Ok(())
    }
}

fn sentence(who: &str, used: Usage, limit: Usage) -> String {
    let at_most = match limit {
        Usage { messages, bytes: 0 } => format!("{messages} messages"),
        Usage { messages: 0, bytes } => format!("{bytes} bytes"),
        Usage { messages, bytes } => format!("{messages} and {bytes}"),
    };
    format!("{} messages with {} bytes {who} already; at most {at_most}", used.messages, used.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit_and_no_number_to_tell() {
        let usage = |messages, bytes| Usage { messages, bytes };
        let none =
            Quota { session: usage(0, 0), receiver: usage(0, 0), first_contact: 0, strangers: 0 };
        assert_eq!(none.admit(usage(1_000_000, 1 << 40), usage(1_000_000, 1 << 40), 9), Ok(()));
        for (session, part) in
            [(usage(3, 0), "at most 3 messages"), (usage(0, 9), "at most 9 bytes")]
        {
            let text = Quota { session, ..none }.admit(usage(3, 9), usage(3, 9), 1).unwrap_err();
            assert!(text.ends_with(part), "{text}");
        }
    }

    #[test]
    fn each_bound_refuses_and_says_its_numbers() {
        let usage = |messages, bytes| Usage { messages, bytes };
        let (session, receiver) = (usage(3, 100), usage(5, 150));
        let quota = Quota { session, receiver, first_contact: 0, strangers: 0 };
        for (session, receiver, length, refused) in [
            (usage(2, 90), usage(4, 140), 10, None),
            (usage(3, 0), usage(3, 0), 1, Some("3 messages with 0 bytes from you")),
            (usage(1, 91), usage(1, 91), 10, Some("at most 3 and 100")),
            (usage(0, 0), usage(5, 0), 1, Some("wait for this receiver")),
            (usage(0, 0), usage(1, 141), 10, Some("at most 5 and 150")),
        ] {
            match (quota.admit(session, receiver, length), refused) {
                (Ok(()), None) => {}
                (Err(text), Some(part)) => assert!(text.contains(part), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn strangers_may_leave_less() {
        let usage = |messages, bytes| Usage { messages, bytes };
        let quota = |messages, first_contact| Quota {
            session: usage(messages, 9),
            receiver: usage(0, 0),
            first_contact,
            strangers: 0,
        };
        for (messages, first_contact, limit) in [(0, 5, 5), (3, 5, 3), (9, 5, 5)] {
            let quota = quota(messages, first_contact);
            assert_eq!(quota.for_stranger().session, usage(limit, 9));
            assert!(!quota.is_for_friends(5) && quota.is_for_friends(6));
        }
        assert!(!quota(9, 0).is_for_friends(u64::MAX));
    }
}
