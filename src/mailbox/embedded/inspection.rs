//! Checks a store against its layout, and lists what is in it.
//!
//! Owned by whoever asks: an operator's `check`, or a restore before its result is used. It reads one
//! consistent image and changes nothing.

use std::collections::HashMap;

use super::error::StoreError;
use super::image::{Image, Segment};
use super::layout::{Malformed, Row};
use crate::mailbox::{Accounts, MailboxError, Usage};
use crate::message::{Installation, Message, SessionKey, Timestamp};

/// How many problems are reported; there may be one for each message.
const MAX_PROBLEMS: usize = 100;

/// What is in a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Every session in which something waits or expired, by receiver.
    pub sessions: Vec<SessionContent>,
    /// What waits in all.
    pub usage: Usage,
    /// How many names have a device list.
    pub lists: u64,
    /// The problems, each a sentence: at most 100.
    pub problems: Vec<String>,
    segments: u64,
    parts: u64,
}

/// What is in one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionContent {
    /// Whose session it is.
    pub key: SessionKey,
    /// What waits.
    pub usage: Usage,
    /// When the oldest message came that waits.
    pub oldest: Option<Timestamp>,
    /// How many messages expired without the sender having confirmed to know it.
    pub expired: u64,
}

impl Image {
    /// Reads everything. An error says that reading failed; wrong data is a problem.
    pub fn inspect(&self) -> Result<Inspection, MailboxError> {
        let mut inspection = Inspection::default();
        for session in self.sessions() {
            let (key, row) = match session {
                Ok(session) => session,
                Err(error) => {
                    inspection.complain(error.to_string());
                    continue;
                }
            };
            let content = self.inspect_session(key, &row, &mut inspection)?;
            inspection.usage += content.usage;
            if !content.usage.is_empty() || content.expired > 0 {
                inspection.sessions.push(content);
            }
        }
        self.inspect_lists(&mut inspection)?;
        self.inspect_standings(&mut inspection)?;
        let stray = self.count_segments()?.saturating_sub(inspection.segments);
        if stray > 0 {
            inspection.complain(format!("{stray} segments of messages belong to no session"));
        }
        let stray = self.count_parts()?.saturating_sub(inspection.parts);
        if stray > 0 {
            inspection.complain(format!("{stray} entries say what no session knows"));
        }
        Ok(inspection)
    }

    fn inspect_lists(&self, inspection: &mut Inspection) -> Result<(), StoreError> {
        for list in self.lists() {
            inspection.parts += 1;
            inspection.lists += 1;
            let problem = match list {
                Ok((name, list)) => {
                    list.problem(&name).map(|it| format!("the device list of {name}: {it}"))
                }
                Err(StoreError::Malformed(problem)) => Some(problem.to_string()),
                Err(error) => return Err(error),
            };
            problem.into_iter().for_each(|problem| inspection.complain(problem));
        }
        Ok(())
    }

    fn inspect_standings(&self, inspection: &mut Inspection) -> Result<(), StoreError> {
        for standing in self.standings() {
            inspection.parts += 1;
            match standing {
                Ok(_) => {}
                Err(StoreError::Malformed(problem)) => inspection.complain(problem.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn inspect_session(
        &self,
        key: SessionKey,
        row: &Row,
        inspection: &mut Inspection,
    ) -> Result<SessionContent, StoreError> {
        let mut seen = Seen::default();
        for segment in self.segments(&key, 0) {
            inspection.segments += 1;
            match segment {
                Ok(Segment { first, messages }) => {
                    let messages = (first..).zip(messages).filter(|it| it.0 > row.removed);
                    messages.for_each(|(position, message)| seen.take(position, &message));
                }
                Err(StoreError::Malformed(problem)) => {
                    inspection.complain(format!("{key}: {problem}"));
                }
                Err(error) => return Err(error),
            }
        }
        let accounts = match self.accounts(&key) {
            Err(StoreError::Malformed(_)) => Accounts::default(),
            accounts => accounts?,
        };
        let entries = accounts.iter().map(|(_, account)| 1 + account.record_count() as u64);
        inspection.parts += 1 + entries.sum::<u64>();
        for problem in seen.problems(row, &accounts) {
            inspection.complain(format!("{key}: {problem}"));
        }
        let expired = accounts.expired();
        Ok(SessionContent { key, usage: seen.usage, oldest: seen.oldest, expired })
    }
}

impl Inspection {
    fn complain(&mut self, problem: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

impl From<Malformed> for MailboxError {
    fn from(error: Malformed) -> Self {
        Self(error.to_string())
    }
}

/// What was seen of a session's messages.
#[derive(Default)]
struct Seen {
    usage: Usage,
    oldest: Option<Timestamp>,
    positions: Option<(u64, u64)>,
    highest: HashMap<Installation, u64>,
    out_of_order: bool,
}

impl Seen {
    fn take(&mut self, position: u64, message: &Message) {
        let Message { id, time, .. } = message;
        self.usage += Usage::one(message.weight());
        self.oldest = self.oldest.or(Some(*time));
        let (first, _) = self.positions.unwrap_or((position, position));
        self.positions = Some((first, position));
        let before = self.highest.insert(id.installation, id.n);
        self.out_of_order |= before.is_some_and(|before| before >= id.n);
    }

    fn problems(&self, row: &Row, accounts: &Accounts) -> Vec<String> {
        let mut problems = Vec::new();
        let expected = (row.waiting() > 0).then_some((row.removed + 1, row.last));
        if self.positions != expected || self.usage.messages != row.waiting() {
            let Usage { messages, .. } = self.usage;
            problems.push(format!("{} messages should wait, {messages} do", row.waiting()));
        } else if self.usage.bytes != row.bytes {
            let Usage { bytes, .. } = self.usage;
            problems.push(format!("they should have {} bytes and have {bytes}", row.bytes));
        }
        if self.out_of_order {
            problems.push("its messages are not in the order in which they were written".into());
        }
        let unknown = |(it, n): &(&Installation, &u64)| {
            accounts.get(**it).is_none_or(|account| account.n < **n)
        };
        if self.highest.iter().any(|pair| unknown(&pair)) {
            problems.push("a message was taken that it does not know of".into());
        }
        problems
    }
}
