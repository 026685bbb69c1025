//! Somebody with a data folder, whose client comes, goes and is killed.
//!
//! Owned by a round. It remembers what was handed to each run of the client, and what each said:
//! that is what the data folder is held against.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::Command;

use crate::check::{self, Handed, Told};
use crate::process::{Printed, Process};
use crate::store::{self, Entry, texts};
use crate::world::World;

/// The key in a data folder.
const KEY: &str = "id_ed25519";

/// See the [module](self).
pub(crate) struct Person {
    pub(crate) name: &'static str,
    data: PathBuf,
    peers: Vec<Peer>,
    client: Option<Process>,
    /// Its input was ended.
    leaving: bool,
    /// How many runs were started.
    runs: usize,
    /// It may number anew, or something expires: what was told does not say then which messages are delivered.
    unsure: bool,
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
        let peers = peers.iter().map(|name| Peer::new(name)).collect();
        Self { name, data, peers, client: None, leaving: false, runs: 0, unsure: false }
    }

    /// The same person with a copy of the data folder.
    pub(crate) fn copy(&self, world: &World) -> Self {
        assert!(self.client.is_none(), "{} is away", self.name);
        let (data, runs) = (world.data("copy"), self.runs + APART);
        DirBuilder::new().mode(0o700).create(&data).unwrap();
        // Killed in its first moment, a client has made none yet.
        let files = fs::read_dir(&self.data).into_iter().flatten().map(Result::unwrap);
        // A killed one has left its socket.
        for file in files.filter(|it| it.file_type().unwrap().is_file()) {
            fs::copy(file.path(), data.join(file.file_name())).unwrap();
        }
        let mut peers = self.peers.clone();
        peers.iter_mut().for_each(|peer| peer.handed.resize(runs, Handed::default()));
        Self { name: self.name, data, peers, client: None, leaving: false, runs, unsure: true }
    }

    /// Puts this folder in the place of another, which is gone then.
    pub(crate) fn replace(&mut self, gone: Self) {
        fs::remove_dir_all(&gone.data).unwrap();
        fs::rename(&self.data, &gone.data).unwrap();
        self.data = gone.data;
    }

    /// What was written and is in this state.
    pub(crate) fn texts_that_are(&self, state: &str) -> Vec<String> {
        let own = self.messages().into_iter().filter(|it| it.own && it.state == state);
        own.map(|it| it.text).collect()
    }

    /// What was written and is in another state.
    pub(crate) fn texts_that_are_not(&self, state: &str) -> Vec<String> {
        let own = self.messages().into_iter().filter(|it| it.own && it.state != state);
        own.map(|it| it.text).collect()
    }

    /// Starts the client and opens all conversations.
    pub(crate) fn come(&mut self, world: &World) {
        assert!(self.client.is_none(), "{} is there already", self.name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat"));
        command.args(["--server", &world.address().to_string(), "--user", self.name]);
        command.args(["--commands", "--receipts", "--timeout", "5m"]).arg("--data").arg(&self.data);
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

    /// From now on some of what was written may expire.
    pub(crate) fn expects_losses(&mut self) {
        self.unsure = true;
    }

    /// Ends the client's input, so that it leaves when all is done.
    pub(crate) fn begin_to_leave(&mut self) {
        self.client.as_mut().expect("somebody who is there").ends_input();
        self.leaving = true;
    }

    /// Lets the client end by itself, and waits for it.
    pub(crate) fn leave(&mut self) {
        let printed = self.client.take().expect("somebody who is there").finish();
        let run = self.runs - 1;
        for peer in &mut self.peers {
            peer.handed[run].finished = true;
            peer.hear(&printed);
        }
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
        self.peers.iter_mut().for_each(|peer| peer.hear(&printed));
        self.check_told();
    }

    /// What was told so far about the messages to a peer.
    pub(crate) fn told(&self, peer: usize) -> Told {
        let printed = self.client.as_ref().map(Process::printed).unwrap_or_default();
        self.peers[peer].told_with(&printed)
    }

    /// How many messages to a peer are known to be stored by the server, by somebody who is away.
    pub(crate) fn stored(&self, peer: usize) -> u64 {
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
        self.peers.iter_mut().for_each(|peer| peer.told = Told::default());
    }

    /// All messages in the data folder of somebody who is away.
    pub(crate) fn messages(&self) -> Vec<Entry> {
        assert!(self.client.is_none(), "{}'s data folder is in use", self.name);
        store::read(&self.data)
    }

    /// What is on the disk is what was told: delivered is final, and nothing was forgotten.
    fn check_told(&self) {
        if self.unsure {
            return;
        }
        let messages = self.messages();
        for peer in &self.peers {
            let own = messages.iter().filter(|it| it.own && it.peer == peer.name);
            let delivered = own.filter(|it| it.state == "delivered" && it.n <= peer.told.delivered);
            let (delivered, told) = (delivered.count() as u64, peer.told.delivered);
            assert_eq!(delivered, told, "delivered from {} to {}", self.name, peer.name);
        }
    }

    /// All that was written is in the data folder, and delivered.
    pub(crate) fn check_written(&self) {
        let messages = self.messages();
        for peer in &self.peers {
            let result = check::written(&texts(&messages, true, peer.name), &peer.handed);
            result.unwrap_or_else(|why| panic!("{} to {}: {why}", self.name, peer.name));
        }
        let mut open = messages.iter().filter(|it| it.own && it.state != "delivered");
        if let Some(Entry { peer, n, state, .. }) = open.next() {
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
}
