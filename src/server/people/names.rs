//! Which key owns which name, and who may sign in at all: the [roll](super::roll), and its [book](super::book) on disk.
//!
//! Owned by the server; the book is the file `names` of its data folder, for its owner alone. One named thread changes
//! it. Invariant: a change is in the book, synced, before it is reported; whoever watches a name is told when its owner
//! changes.

use std::io;
use std::mem;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::bans::{Ban, Whom};
use super::book::{Book, BookError};
use super::member::Member;
use super::own_limits::OwnLimits;
use super::roll::{ChangeError, Invited, Registration, Roll, Unwelcome, Welcome};
use crate::clock::Moment;
use crate::live::Live;
use crate::log_output::{Event, Events};
use crate::message::{Name, Timestamp, Uptime};
use crate::task::Worker;
use crate::trust::{Invite, PublicKey};

/// How many changes wait for the disk. Beyond them the callers wait.
const QUEUE: usize = 64;

/// A handle to the names.
pub(crate) struct Names {
    roll: Arc<RwLock<Roll>>,
    registration: Live<Registration>,
    clerk: Worker<Clerk>,
}

/// What a new book begins with, and one in which nobody is left. One without a line was damaged.
const HEADING: &str = "# Who has which name here.\n";

impl Names {
    /// Opens the book, or creates it. `changed` is called with each name whose owner changed, and with the new one if
    /// there is one, once that is written.
    pub(crate) fn open(
        path: &Path,
        registration: Registration,
        changed: impl Fn(&Name, Option<PublicKey>) + Send + 'static,
    ) -> Result<Self, BookError> {
        let unusable = |cause| BookError::Unusable { path: path.into(), cause };
        let is_new = !path.exists();
        let (mut book, mut text) = Book::open(path)?;
        if is_new {
            book.append(HEADING).map_err(unusable)?;
            text = HEADING.into();
        }
        let bad = |line| BookError::BadLine { path: path.into(), line };
        let roll = Arc::new(RwLock::new(Roll::parse(&text).map_err(bad)?));
        let clerk = Clerk { book, roll: roll.clone(), changed: Box::new(changed) };
        let clerk = Worker::start("tinychat-names", QUEUE, clerk).map_err(unusable)?;
        Ok(Self { roll, registration: Live::new(registration), clerk })
    }

    /// The owner of a name.
    pub(crate) fn owner(&self, name: &Name) -> Option<PublicKey> {
        self.member(name)?.key
    }

    /// What is known of a name.
    pub(crate) fn member(&self, name: &Name) -> Option<Member> {
        self.roll().member(name)
    }

    /// Everybody, by name.
    pub(crate) fn members(&self) -> Vec<(Name, Member)> {
        self.roll().members().map(|(name, member)| (name.clone(), *member)).collect()
    }

    /// How many names somebody has.
    pub(crate) fn count(&self) -> u64 {
        self.roll().members().len() as u64
    }

    /// Claims a name for a key that was proved. Only a new name waits for the disk; one that costs no invitation is
    /// counted first.
    pub(crate) async fn claim(
        &self,
        name: &Name,
        key: PublicKey,
        invite: Option<Invite>,
        now: Moment,
        count: impl FnOnce() -> Result<(), Unwelcome>,
    ) -> Result<(), Unwelcome> {
        let (invite, registration) = (invite.as_ref(), self.registration.get());
        match self.roll().admit(name, &key, invite, registration, now)? {
            Welcome::Back => return Ok(()),
            Welcome::New(None) => count()?,
            Welcome::New(Some(_)) => {}
        }
        let (name, invite) = (name.clone(), invite.copied());
        let claim = move |it: &mut Clerk| {
            let welcome = {
                let roll = read(&it.roll);
                // Somebody else may have claimed it, or used the invitation, while this claim waited.
                roll.admit(&name, &key, invite.as_ref(), registration, now)?
            };
            it.claim(name, key, welcome, now.wall)
        };
        let claimed = self.clerk.ask(claim);
        claimed.await.unwrap_or(Err(Unwelcome::NotWritten))
    }

    /// The key with which somebody may be signed in with this name.
    pub(crate) fn standing(&self, name: &Name, now: Uptime) -> Result<PublicKey, Unwelcome> {
        self.roll().standing(name, now)
    }

    /// Whether somebody may come from an address. Over a Unix socket there is none.
    pub(crate) fn refuse_address(
        &self,
        address: Option<IpAddr>,
        now: Uptime,
    ) -> Result<(), Unwelcome> {
        address.map_or(Ok(()), |address| self.roll().refuse_address(address, now))
    }

    /// The limits that somebody has of their own.
    pub(crate) fn limits(&self, name: &Name) -> OwnLimits {
        self.roll().limits(name)
    }

    /// The invitations that are open, and those by which people have come.
    pub(crate) fn invitations(&self, now: Moment) -> Vec<Invited> {
        self.roll().invitations(now)
    }

    /// Whom bans are for that have not ended.
    pub(crate) fn bans(&self, now: Uptime) -> Vec<(Whom, Ban)> {
        self.roll().bans(now)
    }

    /// Who may have a new name.
    pub(crate) fn registration(&self) -> Registration {
        self.registration.get()
    }

    /// Says who may have one from now on.
    pub(crate) fn set_registration(&self, registration: Registration) {
        self.registration.set(registration);
    }

    /// Makes an operator's change.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Roll) -> Result<T, ChangeError> + Send + 'static,
    ) -> Result<T, ChangeError> {
        let stopped = || ChangeError::NotWritten("the server stops".into());
        self.clerk.ask(move |clerk| clerk.rewrite(change)).await.ok_or_else(stopped)?
    }

    fn roll(&self) -> RwLockReadGuard<'_, Roll> {
        read(&self.roll)
    }
}

/// Hears of names that have another owner, or none any more.
type Changed = Box<dyn Fn(&Name, Option<PublicKey>) + Send>;

/// What the thread owns. Only it changes the roll.
struct Clerk {
    book: Book,
    roll: Arc<RwLock<Roll>>,
    changed: Changed,
}

impl Clerk {
    fn claim(
        &mut self,
        name: Name,
        key: PublicKey,
        welcome: Welcome,
        now: Timestamp,
    ) -> Result<(), Unwelcome> {
        let written = match welcome {
            Welcome::Back => return Ok(()),
            Welcome::New(None) => self.enrol(name.clone(), key, now),
            Welcome::New(cost) => self.rewrite(|roll| {
                roll.enrol(name.clone(), key, cost, now);
                Ok(())
            }),
        };
        written.map_err(|error| {
            log::error!("cannot write the book of names: {error}; nobody new can sign in");
            Unwelcome::NotWritten
        })?;
        log::info!(
            logger: Events,
            event = Event::NameClaimed,
            name:% = name,
            key:% = key.fingerprint();
            "{name} is a new name, or has a new key"
        );
        Ok(())
    }

    /// The usual case, which costs two lines however many names there are.
    fn enrol(&mut self, name: Name, key: PublicKey, now: Timestamp) -> io::Result<()> {
        self.book.append(&Member::new(key, Some(now)).lines(&name))?;
        write(&self.roll).enrol(name.clone(), key, None, now);
        (self.changed)(&name, Some(key));
        Ok(())
    }

    /// Makes a change and writes the whole book.
    fn rewrite<T, E: From<io::Error>>(
        &mut self,
        change: impl FnOnce(&mut Roll) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut roll = read(&self.roll).clone();
        let made = change(&mut roll)?;
        let text = roll.to_string();
        self.book.replace(if text.is_empty() { HEADING } else { &text })?;
        let changed = read(&self.roll).other_owners(&roll);
        // Freeing the old one takes long, and nobody waits for it.
        let old = mem::replace(&mut *write(&self.roll), roll);
        drop(old);
        for name in &changed {
            let owner = read(&self.roll).member(name).and_then(|member| member.key);
            (self.changed)(name, owner);
        }
        Ok(made)
    }
}

// Each change is complete before anything can panic.
fn read(roll: &RwLock<Roll>) -> RwLockReadGuard<'_, Roll> {
    roll.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(roll: &RwLock<Roll>) -> RwLockWriteGuard<'_, Roll> {
    roll.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use async_std::task::block_on;

    use super::*;
    use crate::server::people::Terms;
    use crate::trust::Identity;

    fn key() -> PublicKey {
        Identity::generate().unwrap().public()
    }

    const FOR_EVER: Ban = Ban { until: None };

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn open(path: &Path) -> Names {
        Names::open(path, Registration::Open, |_, _| {}).unwrap()
    }

    fn claim(names: &Names, who: &str, key: PublicKey) -> Result<(), Unwelcome> {
        block_on(names.claim(&name(who), key, None, Moment::START, || Ok(())))
    }

    #[test]
    fn a_name_stays_with_its_first_key_across_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        let (johns, other) = (key(), key());
        let names = open(&path);
        assert_eq!(claim(&names, "john", johns), Ok(()));
        assert_eq!(claim(&names, "john", other), Err(Unwelcome::Taken));
        let names = open(&path);
        assert_eq!(claim(&names, "john", other), Err(Unwelcome::Taken));
        assert_eq!(claim(&names, "john", johns), Ok(()));
        let since = "since 2027-01-15T08:00:00.000Z john\n";
        let book = format!("{HEADING}ssh-ed25519 {johns} john\n{since}");
        assert_eq!(fs::read_to_string(&path).unwrap(), book);
    }

    #[test]
    fn a_change_is_in_the_book_when_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        let (johns, names) = (key(), open(&path));
        claim(&names, "john", johns).unwrap();
        block_on(names.change(|roll| roll.set_ban(&name("john"), Some(FOR_EVER)))).unwrap();
        let unknown = block_on(names.change(|roll| roll.remove(&name("bob"))));
        assert_eq!(unknown, Err(ChangeError::Unknown(name("bob"))));
        claim(&names, "anna", key()).unwrap();
        for names in [names, open(&path)] {
            assert_eq!(claim(&names, "john", johns), Err(Unwelcome::Banned(None)));
            let standing = names.standing(&name("john"), Uptime(0));
            assert_eq!(standing, Err(Unwelcome::Banned(None)));
            assert_eq!(names.members().len(), 2);
        }
    }

    #[test]
    fn an_invitation_is_good_once_also_when_two_bring_it_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        let invite = Invite::generate();
        let names = Names::open(&path, Registration::Invite, |_, _| {}).unwrap();
        let opening =
            names.change(move |it| it.invite(invite.digest(), Terms::default(), Moment::START));
        block_on(opening).unwrap();
        let (anna, bob) = (name("anna"), name("bob"));
        let both = futures::future::join(
            names.claim(&anna, key(), Some(invite), Moment::START, || Ok(())),
            names.claim(&bob, key(), Some(invite), Moment::START, || Ok(())),
        );
        let (one, other) = block_on(both);
        assert_eq!((one, other), (Ok(()), Err(Unwelcome::StaleInvite)));
        let names = Names::open(&path, Registration::Invite, |_, _| {}).unwrap();
        let again = block_on(names.claim(&bob, key(), Some(invite), Moment::START, || Ok(())));
        assert_eq!(again, Err(Unwelcome::StaleInvite));
    }

    #[test]
    fn a_damaged_book_is_refused_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names");
        fs::write(&path, format!("ssh-ed25519 {} john\nrubbish\n", key())).unwrap();
        let opened = Names::open(&path, Registration::Open, |_, _| {});
        let Err(error) = opened else { panic!("opened") };
        assert!(error.to_string().contains("line 2 of"), "{error}");
    }
}
