//! The people, and what happens in a day of theirs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tinychat::trust::devices::DeviceKey;

use super::Result;
use super::operate;
use super::person::{Person, device_key};
use super::server::Server;

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The parts of a day, between which the clocks run ahead.
const PART: Duration = Duration::from_secs(6 * 60 * 60);

/// Those with the lowest numbers come each so many days only.
const RARE: usize = 4;
const RARELY: u32 = 10;

/// Of the others one in so many is away each day.
const AWAY: u32 = 5;

/// How far in number the six others are to whom somebody writes.
const NEAR: [usize; 3] = [1, 2, 3];

/// How many bytes a message has, and how many and how large those are that people write when they move in.
const BODY: usize = 1_000;
const MOVING: (u64, usize) = (40, 60 * 1024);

/// How many send a file each day, say their device list again, and block somebody or end that. Every other file is
/// fetched.
const FILES: usize = 8;
const FILE: usize = 200 * 1024;
const LISTS: usize = 4;
const BLOCKS: usize = 4;

/// How much a guest writes.
const OF_A_GUEST: u64 = 5;

/// See the [module](self).
pub(super) struct Village {
    people: Vec<Person>,
    keys: Vec<DeviceKey>,
    messages: u64,
    data: PathBuf,
}

impl Village {
    /// So many people, who write so many messages a day to each of six others. Their devices' keys are made in a folder.
    pub(super) fn found(people: usize, messages: u64, place: &Path) -> Result<Self> {
        let person = |number| Person::new(number, super::person::name_of(number)?);
        let key = |number| device_key(&place.join(format!("device{number}")));
        Ok(Self {
            people: (0..people).map(person).collect::<Result<_>>()?,
            keys: (0..people).map(key).collect::<Result<_>>()?,
            messages,
            data: place.join("data"),
        })
    }

    /// Everybody claims a name and says a device list; who is there on the first day writes much at once to the next one
    /// who is, which is stored before it is fetched.
    pub(super) async fn moves_in(&mut self, server: &Server) -> Result<()> {
        let all = 0..self.people.len();
        for number in all.clone() {
            self.people[number].signs_in(server.address).await?;
            self.people[number].says_its_list(&self.keys[number], 1).await?;
        }
        let next = |number: usize| (number + 1) % all.len();
        for number in all.clone() {
            self.people[number].talks_to(next(number)).await?;
            let before = (number + all.len() - 1) % all.len();
            self.people[number].talks_to(before).await?;
        }
        for number in all.clone() {
            self.people[number].writes(next(number), MOVING.0, MOVING.1).await?;
        }
        for number in all.clone() {
            self.people[number].is_stored(next(number)).await?;
        }
        for number in all.clone() {
            let sent = self.people[number].sent(next(number));
            self.people[next(number)].hears(number, sent).await?;
        }
        for number in all {
            self.people[number].acknowledges().await?;
            self.people[number].leaves().await?;
        }
        Ok(())
    }

    /// A day until its evening; all who came are still there.
    pub(super) async fn lives(&mut self, day: u32, server: &mut Server) -> Result<()> {
        for number in 0..self.people.len() {
            if comes(number, day) {
                self.people[number].signs_in(server.address).await?;
            }
        }
        for number in self.some(day, LISTS) {
            self.people[number].says_its_list(&self.keys[number], u64::from(day) + 1).await?;
        }
        self.write().await?;
        server.passes(PART)?;
        self.send_files(day, server).await?;
        self.block(day).await?;
        server.passes(PART)?;
        self.has_a_guest(day, server).await?;
        server.passes(PART)
    }

    /// All leave, and the night passes.
    pub(super) async fn sleeps(&mut self, server: &mut Server) -> Result<()> {
        for person in self.people.iter_mut().filter(|person| person.is_here()) {
            person.leaves().await?;
        }
        server.passes(PART)
    }

    /// Whoever is there talks with six others, writes to them, and gets what they wrote, also lately.
    async fn write(&mut self) -> Result<()> {
        let here = self.here();
        for &number in &here {
            for peer in self.near(number) {
                self.people[number].talks_to(peer).await?;
            }
        }
        for &number in &here {
            for peer in self.near(number) {
                self.people[number].writes(peer, self.messages, BODY).await?;
            }
        }
        for &number in &here {
            for peer in self.near(number) {
                if self.people[peer].is_here() {
                    let sent = self.people[peer].sent(number);
                    self.people[number].hears(peer, sent).await?;
                }
            }
            self.people[number].acknowledges().await?;
        }
        for &number in &here {
            for peer in self.near(number) {
                self.people[number].is_stored(peer).await?;
            }
        }
        Ok(())
    }

    /// Every other file is fetched, if its receiver is there; the others expire.
    async fn send_files(&mut self, day: u32, server: &Server) -> Result<()> {
        for (count, number) in self.some(day, FILES).into_iter().enumerate() {
            let peer = (number + 1) % self.people.len();
            let blob = self.people[number].uploads(server.address, peer, FILE).await?;
            if count.is_multiple_of(2) && self.people[peer].is_here() {
                self.people[peer].fetches(server.address, blob, FILE).await?;
            }
        }
        Ok(())
    }

    /// Nobody blocks those to whom they write.
    async fn block(&mut self, day: u32) -> Result<()> {
        for number in self.some(day / 2, BLOCKS) {
            let peer = (number + self.people.len() / 2) % self.people.len();
            self.people[number].blocks(peer, day.is_multiple_of(2)).await?;
        }
        Ok(())
    }

    /// A guest claims a name, and writes to somebody; then the operator removes that name.
    async fn has_a_guest(&mut self, day: u32, server: &Server) -> Result<()> {
        let name = format!("guest{day}");
        let mut guest = Person::new(self.people.len() + day as usize, name.parse()?)?;
        let host = day as usize % self.people.len();
        guest.signs_in(server.address).await?;
        guest.talks_to(host).await?;
        guest.writes(host, OF_A_GUEST, BODY).await?;
        guest.is_stored(host).await?;
        guest.leaves().await?;
        operate(&self.data, &["remove", &name])
    }

    fn here(&self) -> Vec<usize> {
        (0..self.people.len()).filter(|number| self.people[*number].is_here()).collect()
    }

    /// So many of those who are there, others each day.
    fn some(&self, day: u32, count: usize) -> Vec<usize> {
        let here = self.here();
        let first = day as usize * count;
        (first..first + count.min(here.len())).map(|it| here[it % here.len()]).collect()
    }

    /// To whom somebody writes, and who writes to them.
    fn near(&self, number: usize) -> Vec<usize> {
        let all = self.people.len();
        let near = NEAR.iter().flat_map(|far| [(number + far) % all, (number + all - far) % all]);
        near.collect()
    }
}

/// Whether somebody comes on a day.
fn comes(number: usize, day: u32) -> bool {
    match number {
        ..RARE => day.is_multiple_of(RARELY),
        _ => !(number as u32 + day).is_multiple_of(AWAY),
    }
}
