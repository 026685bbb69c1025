//! A server that is killed and started again on the same data folder and address, with a wall clock that jumps, and a
//! folder for everybody's data.
//!
//! Owned by a round, which says when the server is killed and when it starts again.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tempfile::TempDir;

use crate::backup;
use crate::process::{Process, Watch};
use crate::wall::Wall;

/// How often a server is started whose address is taken.
const TRIES: usize = 50;

/// The longest that a server is let start before it is killed again. Most have opened by then.
const STARTING: Duration = Duration::from_millis(80);

/// By how many days the server's wall clock may be off: never set, true, woken after longer than messages are kept, set
/// by mistake.
const OFF_BY: [i64; 4] = [-10_000, 0, 31, 400];

/// Ports below those that systems give away by themselves. Otherwise, while the server is dead, a
/// client that tries to connect could be given the server's own port, and be connected to itself.
const PORTS: std::ops::Range<u16> = 10_000..30_000;

/// See the [module](self).
pub(crate) struct World {
    /// Dropped before its folder, into which it would write while that is removed.
    server: Option<Process>,
    folder: TempDir,
    address: SocketAddr,
    /// The server's. None where it cannot be set.
    wall: Option<Wall>,
    watch: Arc<Watch>,
    kills: u64,
    /// Of the server's folder.
    backup: Option<Backup>,
    was_restored: bool,
}

/// What a server's folder is restored from.
enum Backup {
    /// The file that its own command has made.
    File(PathBuf),
    /// A copy of it.
    Folder(PathBuf),
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self {
            server: None,
            wall: Wall::new(folder.path()),
            folder,
            address: free_address(),
            watch: Arc::default(),
            kills: 0,
            backup: None,
            was_restored: false,
        };
        world.start_server();
        world
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Somebody's data folder.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How many processes were killed in it.
    pub(crate) fn kills(&self) -> u64 {
        self.kills
    }

    /// A process of somebody was killed.
    pub(crate) fn count_kill(&mut self) {
        self.kills += 1;
    }

    /// Kills the server.
    pub(crate) fn kill_server(&mut self) {
        self.server.take().expect("it runs").kill();
        self.kills += 1;
    }

    /// Starts the server that was killed, and kills it while it opens its data folder.
    pub(crate) fn start_and_kill_server(&mut self, random: &mut Rng) {
        let server = Process::start("the server", self.server_command(), &self.watch);
        self.await_moment(random, 1, STARTING);
        drop(server);
        self.kills += 1;
    }

    /// Starts the server that was killed.
    pub(crate) fn start_server(&mut self) {
        for _ in 0..TRIES {
            let server = Process::start("the server", self.server_command(), &self.watch);
            if server.says("listening on") {
                self.server = Some(server);
                return;
            }
            // Any other trouble is what this test looks for.
            let said = server.printed().err;
            assert!(
                said.iter().any(|line| line.contains("another process does")),
                "the server says {said:?}"
            );
        }
        panic!("{} is taken by somebody else", self.address);
    }

    /// The server's wall clock jumps, whether it runs or not.
    pub(crate) fn clock_jumps(&self, random: &mut Rng) {
        if let Some(wall) = &self.wall {
            wall.is_off_by(OFF_BY[random.usize(0..OFF_BY.len())]);
        }
    }

    /// The operator takes a name from its owner, whether the server runs or not. Often that is killed, and done again.
    pub(crate) fn remove_name(&self, name: &str, random: &mut Rng) {
        let operator = || self.operator(&["user", "remove", name]);
        if random.bool() {
            let killed = operator();
            self.await_moment(random, 1, STARTING);
            drop(killed);
        }
        let (done, said) = operator().ends();
        let was_done = said.err.iter().any(|line| line.contains("nobody has the name"));
        assert!(done || was_done, "{said:?}");
    }

    /// Has the program back up the server's folder, which may be in use, in the place of the last backup.
    pub(crate) fn back_up_server(&mut self) {
        self.forget_backup();
        let file = self.data("backup of the server");
        self.operates(&["backup", file.to_str().unwrap()]);
        self.backup = Some(Backup::File(file));
    }

    /// Copies the folder of the server that was killed, in the place of the last backup.
    pub(crate) fn copy_server(&mut self) {
        self.forget_backup();
        let folder = self.data("copy of the server");
        backup::copy_server(&self.data("server"), &folder);
        self.backup = Some(Backup::Folder(folder));
    }

    fn forget_backup(&mut self) {
        match self.backup.take() {
            Some(Backup::File(path)) => fs::remove_file(path).unwrap(),
            Some(Backup::Folder(path)) => fs::remove_dir_all(path).unwrap(),
            None => {}
        }
    }

    pub(crate) fn has_backup(&self) -> bool {
        self.backup.is_some()
    }

    /// Puts the backup in the place of the folder of the server that was killed.
    pub(crate) fn restore_server(&mut self) {
        fs::remove_dir_all(self.data("server")).unwrap();
        match self.backup.as_ref().expect("there is one") {
            Backup::File(file) => self.operates(&["restore", file.to_str().unwrap()]),
            Backup::Folder(folder) => backup::copy_server(folder, &self.data("server")),
        }
        self.was_restored = true;
    }

    /// Whether the server's folder was ever restored.
    pub(crate) fn was_restored(&self) -> bool {
        self.was_restored
    }

    fn operates(&self, words: &[&str]) {
        let (done, said) = self.operator(words).ends();
        assert!(done, "{words:?}: {said:?}");
    }

    fn operator(&self, words: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat-server"));
        command.args(words).arg("--data").arg(self.data("server"));
        command.env("TINYCHAT_SERVER_CONFIG", "none");
        Process::start("the operator", command, &self.watch)
    }

    fn server_command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat-server"));
        if let Some(wall) = &self.wall {
            command.envs(wall.variables());
        }
        command.env("TINYCHAT_SERVER_CONFIG", "none");
        command.args(["--log-level", "warn", "--listen", &self.address.to_string()]);
        // John leaves more than a stranger may.
        command.args(["--first-contact", "0"]).arg("--data").arg(self.data("server"));
        command
    }

    /// Waits for a random moment: until up to `lines` more were printed, or up to `time` has
    /// passed.
    pub(crate) fn await_moment(&self, random: &mut Rng, lines: u64, time: Duration) {
        let until = self.watch.lines() + random.u64(0..=lines);
        let time = time.mul_f64(random.f64());
        self.watch.until(time, |lines| lines >= until);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the data folders are kept in {}", self.folder.path().display());
            self.folder.disable_cleanup(true);
        }
    }
}

/// It is not the seed's to choose: another try may find another one free.
fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
