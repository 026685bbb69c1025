//! Which key owns which name: the first that proved itself for it.
//!
//! Owned by the server; kept in the file `names` of its data folder, one line a name in the form of
//! OpenSSH's `authorized_keys` with the name as comment (`ssh-ed25519 AAAA… john`), so that an
//! operator can read it and, while the server is down, release a name by deleting its line. A
//! name is given only after its line is synced. One named thread writes the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use dashmap::DashMap;
use futures::channel::oneshot;
use thiserror::Error;

use crate::message::Name;
use crate::task;
use crate::trust::PublicKey;

/// The most names that a server gives. The one after is refused with `ERR BUSY`.
pub const MAX_NAMES: usize = 100_000;

/// How many claims wait for the disk. Those behind wait in their handshakes.
const QUEUE: usize = 64;

/// A handle to the book.
pub(super) struct Names {
    owners: Owners,
    claims: Sender<Claim>,
}

/// Only the book's thread adds to it.
type Owners = Arc<DashMap<Name, PublicKey>>;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The key owns the name, from now on or since long.
    Yours,
    /// Another key does.
    Taken,
    /// No more names are given.
    Full,
    /// The book could not be written; the log has the reason.
    NotWritten,
}

/// Why the book cannot be opened. For the operator.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum NamesError {
    #[error("cannot use {}: {cause}", path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    #[error(
        "line {line} of {} is not 'ssh-ed25519 KEY NAME'; mend or delete it and start again",
        path.display()
    )]
    BadLine { path: PathBuf, line: usize },
}

struct Claim {
    name: Name,
    key: PublicKey,
    answer: oneshot::Sender<Claimed>,
}

impl Names {
    /// Opens the book, or begins it.
    pub(super) fn open(path: &Path) -> Result<Self, NamesError> {
        let unusable = |cause| NamesError::Unusable { path: path.into(), cause };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(unusable)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unusable)?;
        // A line without its end was never synced whole, so its name was never given.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let owners = Arc::new(parse(path, &text[..whole])?);
        let book = Book { file, length: whole as u64, owners: owners.clone() };
        let (claims, queue) = async_channel::bounded(QUEUE);
        task::spawn_thread("tinychat-names", move || book.serve(&queue)).map_err(unusable)?;
        Ok(Self { owners, claims })
    }

    /// Whose name it is.
    pub(super) fn owner(&self, name: &Name) -> Option<PublicKey> {
        self.owners.get(name).map(|owner| *owner)
    }

    /// Claims a name for a key that has proved itself. Only a new name waits for the disk.
    pub(super) async fn claim(&self, name: Name, key: PublicKey) -> Claimed {
        if let Some(claimed) = known(&self.owners, &name, &key) {
            return claimed;
        }
        let (answer, claimed) = oneshot::channel();
        if self.claims.send(Claim { name, key, answer }).await.is_err() {
            return Claimed::NotWritten;
        }
        claimed.await.unwrap_or(Claimed::NotWritten)
    }
}

/// What the thread owns. `length` is where the last whole line ends.
struct Book<F> {
    file: F,
    length: u64,
    owners: Owners,
}

/// What becomes of a claim to a name that has an owner.
fn known(owners: &Owners, name: &Name, key: &PublicKey) -> Option<Claimed> {
    let owner = owners.get(name)?;
    Some(if *owner == *key { Claimed::Yours } else { Claimed::Taken })
}

/// What the book needs of its file.
trait Sheet: Write + Seek {
    fn cut(&self, length: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}

impl Sheet for File {
    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl<F: Sheet> Book<F> {
    fn serve(mut self, queue: &Receiver<Claim>) {
        while let Ok(Claim { name, key, answer }) = queue.recv_blocking() {
            // Whoever asked may be gone; the name is theirs all the same.
            let _ = answer.send(self.claim(name, key));
        }
    }

    fn claim(&mut self, name: Name, key: PublicKey) -> Claimed {
        // Somebody else may have claimed it while this claim waited.
        if let Some(claimed) = known(&self.owners, &name, &key) {
            return claimed;
        }
        if self.owners.len() >= MAX_NAMES {
            return Claimed::Full;
        }
        if let Err(error) = self.append(&format!("ssh-ed25519 {key} {name}\n")) {
            log::error!("cannot write the book of names: {error}; nobody new can sign in");
            return Claimed::NotWritten;
        }
        log::info!("{name} is a new name");
        self.owners.insert(name, key);
        Claimed::Yours
    }

    /// Writes behind the last whole line, over whatever a failed attempt left there.
    fn append(&mut self, line: &str) -> io::Result<()> {
        // A longer line may be left there.
        self.file.cut(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(line.as_bytes())?;
        self.file.sync()?;
        self.length += line.len() as u64;
        Ok(())
    }
}

fn parse(path: &Path, text: &str) -> Result<DashMap<Name, PublicKey>, NamesError> {
    let owners = DashMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = || NamesError::BadLine { path: path.into(), line: index + 1 };
        let (name, key) = parse_line(line).ok_or_else(bad)?;
        if owners.insert(name, key).is_some() {
            return Err(bad());
        }
    }
    Ok(owners)
}

fn parse_line(line: &str) -> Option<(Name, PublicKey)> {
    let (key, name) = line.strip_prefix("ssh-ed25519 ")?.split_once(' ')?;
    Some((name.parse().ok()?, key.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use async_std::task::block_on;

    use super::*;
    use crate::trust::Identity;

    fn key() -> PublicKey {
        Identity::generate().unwrap().public()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_stays_with_its_first_key_across_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        let (johns, other) = (key(), key());
        let names = Names::open(&path).unwrap();
        assert_eq!(block_on(names.claim(name("john"), johns)), Claimed::Yours);
        assert_eq!(block_on(names.claim(name("john"), other)), Claimed::Taken);
        let names = Names::open(&path).unwrap();
        assert_eq!(block_on(names.claim(name("john"), other)), Claimed::Taken);
        assert_eq!(block_on(names.claim(name("john"), johns)), Claimed::Yours);
    }

    #[test]
    fn a_torn_last_line_was_never_given_and_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        let whole = format!("# mine\nssh-ed25519 {} anna\n", key());
        fs::write(&path, format!("{whole}ssh-ed25519 AAAAC3")).unwrap();
        let names = Names::open(&path).unwrap();
        let johns = key();
        assert_eq!(block_on(names.claim(name("john"), johns)), Claimed::Yours);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{whole}ssh-ed25519 {johns} john\n"));
    }

    #[test]
    fn a_damaged_book_is_refused_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        fs::write(&path, format!("ssh-ed25519 {} john\nrubbish\n", key())).unwrap();
        let Err(error) = Names::open(&path) else { panic!("opened") };
        assert!(error.to_string().contains("line 2 of"), "{error}");
    }

    /// A disk that fails its first sync.
    struct Failing(std::cell::RefCell<io::Cursor<Vec<u8>>>, std::cell::Cell<bool>);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.get_mut().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Failing {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.get_mut().seek(to)
        }
    }

    impl Sheet for Failing {
        fn cut(&self, length: u64) -> io::Result<()> {
            self.0.borrow_mut().get_mut().truncate(usize::try_from(length).unwrap());
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            if self.1.replace(true) { Ok(()) } else { Err(io::Error::other("disk full")) }
        }
    }

    #[test]
    fn a_name_that_could_not_be_synced_is_not_given() {
        let file = Failing(Default::default(), std::cell::Cell::new(false));
        let mut book = Book { file, length: 0, owners: Owners::default() };
        assert_eq!(book.claim(name("maximilian"), key()), Claimed::NotWritten);
        let second = key();
        assert_eq!(book.claim(name("john"), second), Claimed::Yours);
        let text = String::from_utf8(book.file.0.into_inner().into_inner()).unwrap();
        assert_eq!(text, format!("ssh-ed25519 {second} john\n"));
    }
}
