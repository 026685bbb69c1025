//! Somebody with a data folder, whose client comes, goes and is killed.
//!
//! Owned by a round. It remembers what was handed to each run of the client, and what each said:
//! that is what the data folder is held against.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::Command;

use crate::backup;
use crate::check::{self, Handed, Told};
use crate::process::{Printed, Process};
use crate::record::{Exchange, Folder, Record};
use crate::store::{self, Entry, Stored, texts};
use crate::world::World;

/// The key in a data folder.
const KEY: &str = "id_ed25519";

/// What every alarm about a list of devices has in it, whatever is wrong with the list.
const ALARM: &str = "DEVICE LIST OF";

/// See the [module](self).
pub(crate) struct Person {
    pub(crate) name: &'static str,
    data: PathBuf,
    peers: Vec<Peer>,
    client: Option<Process>,
    /// The client goes on behind the end of its input: the folder is a device.
    follows: bool,
    /// Its input was ended.
    leaving: bool,
    /// How many runs were started.
    runs: usize,
    /// What was seen in the folder when the client had ended.
    record: Record,
    /// What was said about lists of devices that are not believed.
    alarms: Vec<String>,
    backup: Option<Backup>,
}

/// A copy of the data folder.
struct Backup {
    folder: PathBuf,
    /// What the runs had been handed, of each peer.
    handed: Vec<Vec<Handed>>,
}

/// By how much the runs of a copied folder are numbered above those of the original.
const APART: usize = 1_000;

/// Whom one talks to.
#[derive(Clone)]
struct Peer {
    name: &'static str,
    /// For each run.
    handed: Vec<Handed>,
    /// By the runs before the present one.
    told: Told,
    printed: Vec<String>,
}

impl Peer {
    fn new(name: &'static str) -> Self {
        Self { name, handed: Vec::new(), told: Told::default(), printed: Vec::new() }
    }

    /// What a run has printed about this peer.
    fn hear(&mut self, printed: &Printed) {
        self.told = self.told_with(printed);
        let prefix = format!("{}: ", self.name);
        let said = printed.out.iter().filter_map(|line| line.strip_prefix(&prefix));
        self.printed.extend(said.map(String::from));
    }

    fn told_with(&self, printed: &Printed) -> Told {
        let mut told = self.told;
        printed.err.iter().for_each(|line| told.hear(self.name, line));
        told
    }
}

impl Person {
    pub(crate) fn new(world: &World, name: &'static str, peers: &[&'static str]) -> Self {
        Self::in_folder(world.data(name), name, peers)
    }

    /// Whoever gets the name next, with a key of their own.
    pub(crate) fn next_owner(world: &World, name: &'static str, peers: &[&'static str]) -> Self {
        Self::in_folder(world.data(&format!("the next {name}")), name, peers)
    }

    fn in_folder(data: PathBuf, name: &'static str, peers: &[&'static str]) -> Self {
        Self {
            name,
            data,
            peers: peers.iter().map(|name| Peer::new(name)).collect(),
            client: None,
            follows: false,
            leaving: false,
            runs: 0,
            record: Record::default(),
            alarms: Vec::new(),
            backup: None,
        }
    }

    /// The same person, whose folder is a device and comes into the person's list, or is none.
    pub(crate) fn following(self, follows: bool) -> Self {
        Self { follows, ..self }
    }

    /// Whether the folder is a device.
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// The same person with a copy of the data folder.
    pub(crate) fn copy(&self, world: &World) -> Self {
        let copy = Self::in_folder(world.data("copy"), self.name, &[]);
        let mut copy = copy.following(self.follows);
        backup::copy_client(&self.data, &copy.data, self.client.is_some());
        (copy.runs, copy.peers) = (self.runs + APART, self.peers.clone());
        copy.peers.iter_mut().for_each(|peer| peer.handed.resize(copy.runs, Handed::default()));
        copy.counts_anew();
        copy
    }

    /// The folder is a copy: receipts of before may concern other messages than those that it numbers.
    fn counts_anew(&mut self) {
        self.record.is_copied();
        self.peers.iter_mut().for_each(|peer| peer.told = Told::default());
    }

    /// What was seen in the folder that this is a copy of, which is used no more, and what it has shown.
    pub(crate) fn remembers(&mut self, original: &Self) {
        self.record.absorb(&original.record, &self.stored(), &original.stored());
        for (peer, before) in self.peers.iter_mut().zip(&original.peers) {
            peer.printed.clone_from(&before.printed);
        }
        self.alarms.extend(original.alarms.iter().cloned());
    }

    /// Copies the data folder, in the place of the last backup.
    pub(crate) fn back_up(&mut self, world: &World) {
        let folder = world.data(&format!("backup of {}", self.name));
        if self.backup.is_some() {
            fs::remove_dir_all(&folder).unwrap();
        }
        backup::copy_client(&self.data, &folder, self.client.is_some());
        let handed = self.peers.iter().map(|it| it.handed.clone()).collect();
        self.backup = Some(Backup { folder, handed });
    }

    pub(crate) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Puts the backup in the place of the folder of somebody who is away.
    pub(crate) fn restore(&mut self) {
        let before = self.stored();
        let backup = self.backup.as_ref().expect("there is one");
        fs::remove_dir_all(&self.data).unwrap();
        backup::copy_client(&backup.folder, &self.data, false);
        for (peer, then) in self.peers.iter_mut().zip(&backup.handed) {
            for (run, handed) in peer.handed.iter_mut().enumerate() {
                handed.finished &= then.get(run).is_some_and(|it| it.finished);
            }
        }
        self.record.is_restored(&self.stored(), &before);
        self.counts_anew();
    }

    /// Puts this folder in the place of another, which is gone then.
    pub(crate) fn replace(&mut self, gone: Self) {
        fs::remove_dir_all(&gone.data).unwrap();
        fs::rename(&self.data, &gone.data).unwrap();
        self.data = gone.data;
    }

    /// With how many one talks.
    pub(crate) fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// Starts the client and opens all conversations.
    pub(crate) fn come(&mut self, world: &World) {
        assert!(self.client.is_none(), "{} is there already", self.name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat"));
        command.args(["--server", &world.address().to_string(), "--user", self.name]);
        command.args(["--commands", "--receipts", "--timeout", "5m"]).arg("--data").arg(&self.data);
        if self.follows {
            command.arg("--follow");
        }
        let client = Process::start(self.name, command, world.watch());
        for peer in &mut self.peers {
            client.types(format!("/TALK {}\n", peer.name));
            peer.handed.push(Handed::default());
        }
        (self.client, self.leaving, self.runs) = (Some(client), false, self.runs + 1);
    }

    pub(crate) fn is_there(&self) -> bool {
        self.client.is_some()
    }

    /// Whether lines can be given to the client.
    pub(crate) fn listens(&self) -> bool {
        self.client.is_some() && !self.leaving
    }

    /// Hands the client so many lines for one of the peers.
    pub(crate) fn write(&mut self, peer: usize, count: u64) {
        let (run, peer) = (self.runs - 1, &mut self.peers[peer]);
        let client = self.client.as_ref().expect("somebody who is there");
        let handed = &mut peer.handed[run].count;
        let lines = (*handed + 1..=*handed + count).map(|n| check::text(run, n) + "\n");
        client.types(format!("/TALK {}\n{}", peer.name, lines.collect::<String>()));
        *handed += count;
    }

    /// Hands the client a command about one of the peers.
    pub(crate) fn command(&self, command: &str, peer: usize) {
        let client = self.client.as_ref().expect("somebody who is there");
        client.types(format!("/{command} {}\n", self.peers[peer].name));
    }

    /// Accepts whatever key the server says that a peer has, once it is heard.
    pub(crate) fn trusts(&self, peer: usize) {
        self.command("FINGERPRINT", peer);
        let client = self.client.as_ref().expect("somebody who is there");
        assert!(client.says("to read aloud:"), "the key of {} is told", self.peers[peer].name);
        self.command("TRUST", peer);
    }

    /// Waits until the client has said that messages to a peer are so.
    pub(crate) fn is_told(&self, peer: usize, state: &str) {
        let client = self.client.as_ref().expect("somebody who is there");
        let told = format!("{state} {} ", self.peers[peer].name);
        assert!(client.says(&told), "{} was told", self.name);
    }

    /// Waits until the client has found that the server is gone.
    pub(crate) fn notices_the_end(&self) {
        let client = self.client.as_ref().expect("somebody who is there");
        assert!(client.says("is away ("), "{} was told", self.name);
    }

    /// Has the client leave when all is done: at the end of its input, or, if it goes on behind that, by a command.
    pub(crate) fn begin_to_leave(&mut self) {
        let client = self.client.as_mut().expect("somebody who is there");
        if self.follows && !self.leaving {
            client.types("/QUIT\n".into());
        }
        client.ends_input();
        self.leaving = true;
    }

    /// Lets the client end by itself, and waits for it.
    pub(crate) fn leave(&mut self) {
        self.begin_to_leave();
        let printed = self.client.take().expect("somebody who is there").finish();
        let run = self.runs - 1;
        self.peers.iter_mut().for_each(|peer| peer.handed[run].finished = true);
        self.hear(&printed);
        self.check_told();
    }

    /// If the client is ending and has ended, takes note of it.
    pub(crate) fn leave_if_ended(&mut self) {
        if self.leaving && self.client.as_ref().is_some_and(Process::has_ended) {
            self.leave();
        }
    }

    /// Comes, takes what waits, and leaves.
    pub(crate) fn visit(&mut self, world: &World) {
        self.come(world);
        self.leave();
    }

    /// Kills the client.
    pub(crate) fn kill(&mut self, world: &mut World) {
        let printed = self.client.take().expect("somebody who is there").kill();
        world.count_kill();
        self.hear(&printed);
        self.check_told();
    }

    /// What a run has printed.
    fn hear(&mut self, printed: &Printed) {
        self.peers.iter_mut().for_each(|peer| peer.hear(printed));
        self.alarms.extend(printed.err.iter().filter(|line| line.contains(ALARM)).cloned());
    }

    /// What was told so far about the messages to a peer.
    pub(crate) fn told(&self, peer: usize) -> Told {
        let printed = self.client.as_ref().map(Process::printed).unwrap_or_default();
        self.peers[peer].told_with(&printed)
    }

    /// How many messages to a peer are known to be stored by the server, by somebody who is away.
    pub(crate) fn count_stored(&self, peer: usize) -> u64 {
        let name = self.peers[peer].name;
        let messages = self.messages();
        let own = messages.iter().filter(|it| it.own && it.peer == name);
        let known = own.filter(|it| it.state != "waiting").count() as u64;
        known.max(self.told(peer).stored)
    }

    /// What the present or last run was handed for a peer.
    pub(crate) fn handed(&self, peer: usize) -> Vec<String> {
        let run = self.runs - 1;
        (1..=self.peers[peer].handed[run].count).map(|n| check::text(run, n)).collect()
    }

    /// The data folder is lost, but for the key, which the name belongs to.
    pub(crate) fn lose_folder(&mut self, world: &World) {
        assert!(self.client.is_none(), "{} is away", self.name);
        let (key, saved) = (self.data.join(KEY), world.data("saved key"));
        // Killed in its first moment, a client has made none yet.
        let has_key = key.exists();
        if has_key {
            fs::rename(&key, &saved).unwrap();
        }
        if self.data.exists() {
            fs::remove_dir_all(&self.data).unwrap();
        }
        if has_key {
            DirBuilder::new().mode(0o700).create(&self.data).unwrap();
            fs::rename(&saved, &key).unwrap();
        }
        // Numbers begin anew, in another installation.
        self.record = Record::default();
        self.peers.iter_mut().for_each(|peer| peer.told = Told::default());
    }

    /// All messages in the data folder of somebody who is away.
    pub(crate) fn messages(&self) -> Vec<Entry> {
        self.stored().messages
    }

    fn stored(&self) -> Stored {
        assert!(self.client.is_none(), "{}'s data folder is in use", self.name);
        store::read(&self.data)
    }

    /// The data folder that has these messages.
    pub(crate) fn folder<'a>(&'a self, messages: &'a [Entry]) -> Folder<'a> {
        Folder { name: self.name, record: &self.record, messages }
    }

    /// Whose device the folder of somebody who is away is, and how a line begins that has it in their list.
    pub(crate) fn device(&self) -> (&'static str, String) {
        let installation = self.stored().installation.expect("a client was here");
        (self.name, format!("device {installation} "))
    }

    /// Whether somebody who is away believes a list of somebody that has this device.
    pub(crate) fn believes(&self, (name, device): &(&'static str, String)) -> bool {
        let stored = self.stored();
        let list = stored.lists.get(*name);
        list.is_some_and(|list| list.lines().any(|line| line.starts_with(device.as_str())))
    }

    /// Nobody's list was ever doubted.
    pub(crate) fn check_unalarmed(&self) {
        assert!(self.alarms.is_empty(), "{} was told {:?}", self.name, self.alarms);
    }

    /// What is on the disk is what was told.
    fn check_told(&mut self) {
        let stored = self.stored();
        if self.record.note(&stored) {
            // Some of it may have been told of the former installation.
            self.peers.iter_mut().for_each(|peer| peer.told = Told::default());
        }
        for peer in &self.peers {
            let result = check::delivered(&stored, peer.name, peer.told.delivered);
            result.unwrap_or_else(|why| panic!("{} to {}: {why}", self.name, peer.name));
        }
    }

    /// Whether all that was written has arrived.
    pub(crate) fn is_settled(&self) -> bool {
        self.messages().iter().all(|it| !it.own || it.state == "delivered")
    }

    /// All that was written is in the data folder, and delivered.
    pub(crate) fn check_written(&self) {
        let messages = self.messages();
        for peer in &self.peers {
            let result = check::written(&texts(&messages, true, peer.name), &peer.handed);
            result.unwrap_or_else(|why| panic!("{} to {}: {why}", self.name, peer.name));
        }
        let mut open = messages.iter().filter(|it| it.own && it.state != "delivered");
        if let Some(Entry { peer, number: (_, n), state, .. }) = open.next() {
            let more = open.count();
            panic!("{} to {peer}: {n} is only {state}, and so are {more} more", self.name);
        }
    }

    /// All that another has written, and has kept, came once and in order, and was shown.
    pub(crate) fn check_received(&self, from: &Self) {
        let sent = texts(&from.messages(), true, self.name);
        let received = texts(&self.messages(), false, from.name);
        let of = self.peers.iter().find(|peer| peer.name == from.name).expect("they talk");
        check::received(&sent, &received)
            .and_then(|()| check::shown(&received, &of.printed))
            .unwrap_or_else(|why| panic!("{} to {}: {why}", from.name, self.name));
    }

    /// The same where folders were restored: each once, nothing that has to be there is missing, and all was shown.
    pub(crate) fn check_restored(&self, from: &Self, world: &World) {
        let (sent, received) = (from.messages(), self.messages());
        let exchange = Exchange::new(from.folder(&sent), self.folder(&received));
        let of = self.peers.iter().find(|peer| peer.name == from.name).expect("they talk");
        let texts = texts(&received, false, from.name);
        // Some was shown, lost, and came again in another order.
        let is_out_of_order = self.record.was_copied_or_restored();
        let shown = if is_out_of_order { check::shown_at_all } else { check::shown };
        { exchange.check(world.was_restored()) }
            .and_then(|()| shown(&texts, &of.printed))
            .unwrap_or_else(|why| panic!("{} to {}: {why}", from.name, self.name));
    }
}
