//! The thread that answers questions: what is kept of a session, what waits in it, what is too old.
//!
//! Owned by the mailbox; ends when nobody can ask any more. Invariant: disk and journal are read such that what is committed
//! meanwhile is seen, and once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use async_channel::Receiver;

use super::error::StoreError;
use super::shared::{Shared, closed};
use super::store::Store;
use crate::mailbox::usage::Room;
use crate::mailbox::{MailboxError, Outline, Shelf, Usage};
use crate::message::{Batch, Message, SessionKey, Uptime};

/// About how many messages of one session expire at once.
const SWEEP: u64 = 10_000;

/// Something to do with the store on the reading thread.
pub(super) type Question = Box<dyn FnOnce(Result<&Store, MailboxError>) + Send>;

/// Answers one question after another, until nobody can ask any more.
pub(super) fn answer(shared: &Shared, questions: &Receiver<Question>) {
    while let Ok(question) = questions.recv_blocking() {
        let store = shared.store.read().unwrap_or_else(PoisonError::into_inner);
        // A panic of the engine must not end the thread; who asked learns that nobody answers.
        let answer = AssertUnwindSafe(|| question(store.as_ref().ok_or_else(closed)));
        if catch_unwind(answer).is_err() {
            log::error!("the mailbox's engine panicked while reading");
        }
    }
}

/// What is kept of a session. What is not on disk yet is looked at first: if it is committed
/// meanwhile it is only seen twice.
pub(super) fn shelf(shared: &Shared, store: &Store, key: &SessionKey) -> Result<Shelf, StoreError> {
    let everything = Usage { messages: u64::MAX, bytes: u64::MAX };
    let tail = shared.state().journal.tail(key, 0, everything);
    let image = store.image();
    let (row, accounts) = tail.overlay(image.row(key)?, image.accounts(key)?);
    let before = tail.messages.first().map_or(row.last + 1, |(position, _)| *position);
    let mut waiting = image.outlines(key, row.removed, before)?;
    let known = (row.removed + 1..).zip(&mut waiting).take_while(|(it, _)| *it <= tail.withheld());
    known.for_each(|(_, outline)| outline.is_withheld = true);
    waiting.extend(tail.messages.iter().map(|(_, message)| Outline::of(message)));
    Ok(Shelf { accounts, last_position: row.last, waiting })
}

/// See [`Mailbox::pending`](crate::mailbox::Mailbox::pending).
pub(super) fn pending(
    shared: &Shared,
    store: &Store,
    key: &SessionKey,
    after: u64,
    limit: Usage,
) -> Result<Batch, StoreError> {
    let tail = shared.state().journal.tail(key, after, limit);
    let image = store.image();
    // A segment stays until its last message is removed.
    let after = after.max(tail.removed()).max(image.row(key)?.removed);
    let before = tail.messages.first().map_or(u64::MAX, |(position, _)| *position);
    let (mut room, mut messages) = (Room::new(limit), Vec::new());
    for message in image.walk(key, after, before) {
        let (position, message) = message?;
        let message = tail.seen(position, message);
        if !room.takes(message.weight()) {
            break;
        }
        messages.push((position, message));
    }
    messages.extend(tail.messages.into_iter().take_while(|(_, it)| room.takes(it.weight())));
    let first = messages.first().map_or(after + 1, |(position, _)| *position);
    // What is removed meanwhile is missing at the beginning only.
    let consecutive = (first..).zip(messages).take_while(|(position, it)| *position == it.0);
    Ok(Batch::new(first, consecutive.map(|(_, (_, message))| message).collect::<Vec<Message>>()))
}

/// The position of the last message of a session that is on disk and waits since before a time.
pub(super) fn overdue(
    shared: &Shared,
    store: &Store,
    key: &SessionKey,
    before: Uptime,
) -> Result<Option<u64>, StoreError> {
    let removed = shared.state().journal.tail(key, 0, Usage::default()).removed();
    let image = store.image();
    let after = image.row(key)?.removed.max(removed);
    let mut last = None;
    for segment in image.since(key, after) {
        match segment? {
            (position, since) if since < before => last = Some(position),
            _ => break,
        }
        if last.is_some_and(|last| last - after >= SWEEP) {
            break;
        }
    }
    Ok(last)
}
