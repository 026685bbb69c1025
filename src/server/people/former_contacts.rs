//! Whom people accept and block, as servers before layout 5 of the mailbox have left it: the book `contacts` of the data
//! folder, a log of lines of three words.
//!
//! Owned by whoever opens the [contacts](super::contacts), once. `marie blocks eve`, `marie accepts john`, `marie forgets
//! eve`: the last line about two people holds, except that a block does not forget an earlier acceptance. Invariant: the
//! book is there until all of it is on the mailbox's disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

use super::book::{Book, BookError};
use crate::mailbox::{Mailbox, MailboxError, Standing};
use crate::message::{Name, SessionKey};
use crate::task;

/// Why it is not known whom people accept and block. For the operator.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum UnknownContacts {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("whom people accept and block cannot be read or written: {0}")]
    Mailbox(#[from] MailboxError),
}

/// How long it may take until all of it is on the mailbox's disk. Until then the server does not start.
const WRITING: Duration = Duration::from_secs(60);

/// The book's name.
const BOOK: &str = "contacts";

type Standings = HashMap<SessionKey, Standing>;

/// Puts what the book of a data folder says into a mailbox, if there is one, and removes it.
pub(super) async fn take_over(mailbox: &dyn Mailbox, data: &Path) -> Result<(), UnknownContacts> {
    let path = data.join(BOOK);
    let Some(standings) = read(&path)? else { return Ok(()) };
    for (key, standing) in &standings {
        mailbox.keep_standing(key, Some(*standing));
    }
    let late = || Err(MailboxError("writing them takes too long".into()));
    task::within(WRITING, mailbox.synced()).await.unwrap_or_else(late)?;
    remove(&path).map_err(|cause| BookError::Unusable { path, cause })?;
    log::info!("{} lines of {BOOK} are in the mailbox now", standings.len());
    Ok(())
}

/// Whether a server could start with the book of a data folder.
pub(crate) fn check(data: &Path) -> Result<(), BookError> {
    read(&data.join(BOOK)).map(drop)
}

/// What a book says; none if there is none.
fn read(path: &Path) -> Result<Option<Standings>, BookError> {
    if !path.exists() {
        return Ok(None);
    }
    let (_, text) = Book::open(path)?;
    let mut standings = Standings::new();
    for (index, line) in text.lines().enumerate() {
        let bad = || BookError::BadLine { path: path.into(), line: index + 1 };
        take(&mut standings, line).ok_or_else(bad)?;
    }
    Ok(Some(standings))
}

fn take(standings: &mut Standings, line: &str) -> Option<()> {
    let mut words = line.split(' ');
    let name: Name = words.next()?.parse().ok()?;
    let verb = words.next()?;
    let key = SessionKey::new(words.next()?.parse().ok()?, name).ok()?;
    let was_accepted = standings.remove(&key).is_some_and(Standing::is_accepted);
    match verb {
        "accepts" => _ = standings.insert(key, Standing::Accepted),
        "blocks" if was_accepted => _ = standings.insert(key, Standing::BlockedFriend),
        "blocks" => _ = standings.insert(key, Standing::Blocked),
        "forgets" => {}
        _ => return None,
    }
    words.next().is_none().then_some(())
}

fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;

    use super::*;
    use crate::mailbox::MemoryMailbox;

    fn key(sender: &str, receiver: &str) -> SessionKey {
        SessionKey::new(sender.parse().unwrap(), receiver.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_book_is_in_the_mailbox_once_it_is_gone() {
        let (mailbox, data) = (MemoryMailbox::default(), tempfile::tempdir().unwrap());
        let book = data.path().join(BOOK);
        let lines = [
            "marie accepts bob",
            "marie blocks bob",
            "marie blocks eve",
            "marie forgets eve",
            "john blocks eve",
            "john accepts marie",
            "a torn line",
        ];
        fs::write(&book, lines.join("\n")).unwrap();
        mailbox.fails(true);
        block_on(take_over(&mailbox, data.path())).unwrap_err();
        assert!(book.exists(), "nothing is lost");
        mailbox.fails(false);
        for _ in 0..2 {
            block_on(take_over(&mailbox, data.path())).unwrap();
            assert!(!book.exists());
        }
        let standings: Standings = block_on(mailbox.standings()).unwrap().into_iter().collect();
        let expected = [
            (key("bob", "marie"), Standing::BlockedFriend),
            (key("eve", "john"), Standing::Blocked),
            (key("marie", "john"), Standing::Accepted),
        ];
        assert_eq!(standings, expected.into());
    }

    #[test]
    fn a_damaged_book_is_refused_with_the_line_and_stays() {
        let (mailbox, data) = (MemoryMailbox::default(), tempfile::tempdir().unwrap());
        let bad = ["rubbish", "marie likes eve", "marie blocks", "marie blocks eve now", ""];
        for bad in bad.into_iter().chain(["marie blocks marie"]) {
            fs::write(data.path().join(BOOK), format!("marie blocks eve\n{bad}\n")).unwrap();
            let refused = check(data.path()).unwrap_err();
            assert!(refused.to_string().contains("line 2 of"), "{refused}");
            block_on(take_over(&mailbox, data.path())).unwrap_err();
            assert!(data.path().join(BOOK).exists());
            assert!(block_on(mailbox.standings()).unwrap().is_empty());
        }
    }
}
