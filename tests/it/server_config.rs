//! The file of the server's options: what goes before it, what is said of mistakes, and what SIGHUP does with it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::operators::{sign_in, stop};
use crate::programs::{Launch, Program, free_address};
use crate::world::{FIRST_INSTALLATION, World, story};

/// The variable that says where the file is, if no flag does.
const VARIABLE: &str = "TINYCHAT_SERVER_CONFIG";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The server's program with this file, and these words.
fn with_file(file: &Path, words: &[&str]) -> Launch {
    Launch::operator(&["--config", text(file)]).with(words)
}

/// A file with the address and the folder of a server without TLS, and more.
fn write(file: &Path, address: SocketAddr, data: &Path, more: &str) {
    let where_it_is = format!("listen = \"{address}\"\ntls = \"off\"\ndata = {data:?}\n");
    fs::write(file, where_it_is + more).unwrap();
}

async fn started(launch: Launch) -> Program {
    let mut server = launch.start();
    server.says("listening on").await;
    server
}

/// What somebody is told who signs in.
async fn welcome(world: &World, address: SocketAddr, name: &str) -> String {
    let mut peer = world.connect_to(address).await;
    peer.prove(name, &world.identity(name), FIRST_INSTALLATION).await;
    peer.next().await
}

fn has_words(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.split(' ').any(|it| it == *word), "{word} in {line}");
    }
}

#[test]
fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
    story(async |world| {
        let (address, data) = (free_address(), world.path("server-1"));
        let file = world.path("server.toml");
        let more = "keep = \"2h\"\nsession-backlog = [2, \"1MiB\"]\nrecipient-backlog = \"3\"\n";
        write(&file, address, &data, more);
        for (flags, keep) in [(&[][..], "keep=7200"), (&["--keep", "3h"], "keep=10800")] {
            let server = started(with_file(&file, flags)).await;
            let told = welcome(world, address, "alice").await;
            has_words(&told, &[keep, "backlog=2", "backlog-bytes=1048576", "recipient=3"]);
            has_words(&told, &["recipient-bytes=0", "file=2147483648"]);
            stop(server).await;
        }
        // A list on the command line replaces the one of the file.
        let elsewhere = free_address();
        let listen = elsewhere.to_string();
        let server = started(with_file(&file, &["--listen", &listen])).await;
        welcome(world, elsewhere, "alice").await;
        assert!(std::net::TcpStream::connect(address).is_err(), "it listens there alone");
        stop(server).await;
    });
}

#[test]
fn operators_find_the_servers_folder_by_it() {
    story(async |world| {
        let (address, data) = (free_address(), world.path("server-1"));
        let file = world.path("server.toml");
        write(&file, address, &data, "registration = \"invite\"\n");
        let server = started(with_file(&file, &[])).await;
        let invited = with_file(&file, &["invite"]).pipe("").await;
        assert!(invited.exited(0).lines()[0].contains("?invite="), "{:?}", invited.lines());
        let listed = Launch::operator(&["user", "list", "--config", text(&file)]);
        listed.pipe("").await.exited(0).printed(&[]).was_quiet();
        stop(server).await;
        let checked = Launch::operator(&["check"]).variable(VARIABLE, &file).pipe("").await;
        checked.exited(0).was_quiet();
        write(&file, address, &data, "registraton = \"invite\"\n");
        with_file(&file, &["check"]).pipe("").await.exited(0).was_quiet();
        // A folder that is given goes first, and no file is in the way of it.
        fs::write(&file, "rubbish").unwrap();
        with_file(&file, &["check"]).pipe("").await.exited(2).said("line 1: ");
        with_file(&file, &["check"]).on(&data).pipe("").await.exited(0).was_quiet();
    });
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_may_have_been_meant() {
    story(async |world| {
        let (file, data) = (world.path("server.toml"), world.path("server-1"));
        for (line, what) in [
            (
                "registraton = \"invite\"",
                "there is no key \"registraton\"; did you mean registration?",
            ),
            (
                "session_backlog = 3",
                "there is no key \"session_backlog\"; did you mean session-backlog?",
            ),
            ("config = \"other.toml\"", "there is no key \"config\""),
            ("[limits]", "there is no key \"limits\""),
            ("registration = \"opne\"", "registration: registration is open, invite or closed"),
            ("keep = \"banana\"", "keep: a time is a number with its unit"),
            ("strangers = -1", "strangers: a whole number is expected"),
            ("threads = [1, 2]", "threads: one value is expected, and no list"),
            ("log-level = \"loud\"", "log-level: the level is off, error, warn"),
            ("tls = 1979-05-27", "tls: a text in quotes or a number is expected"),
            ("keep = ", ""),
        ] {
            fs::write(&file, format!("# This server is mine.\n{line}\n")).unwrap();
            let ended = with_file(&file, &[]).on(&data).pipe("").await;
            ended.exited(2).printed(&[]).said(&format!("{}, line 2: {what}", file.display()));
            assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        }
        assert!(!data.exists());
    });
}

#[test]
fn the_file_is_made_once_and_says_nothing_until_it_is_edited() {
    story(async |world| {
        let (file, data) = (world.path("etc/server.toml"), world.path("server-1"));
        let config = |words: &[&str]| with_file(&file, &["config"]).with(words).pipe("");
        config(&[]).await.exited(0).printed(&[text(&file)]);
        assert!(!file.exists());
        config(&["--init"]).await.exited(0).printed(&[text(&file)]).was_quiet();
        // Whoever the server runs as reads it.
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&world.path("etc"))), (0o644, 0o755));
        let made = fs::read_to_string(&file).unwrap();
        let help = Launch::operator(&["--help"]).pipe("").await.exited(0).text();
        let flags = help.lines().filter_map(|line| line.strip_prefix("  --"));
        let flags: Vec<_> = flags.filter_map(|line| line.split_whitespace().next()).collect();
        assert!(flags.len() > 20, "{flags:?}");
        for flag in flags.iter().filter(|flag| !["config", "help", "version"].contains(flag)) {
            assert!(made.contains(&format!("\n#{flag} = ")), "--{flag} has no key");
        }
        config(&["--init"]).await.exited(1).said("is there already; it was left as it is");
        let address = free_address();
        let server = Launch::server(address, &data).with(&["--config", text(&file)]);
        let server = started(server).await;
        has_words(&welcome(world, address, "alice").await, &["backlog=10000", "keep=2592000"]);
        stop(server).await;
        // What it says of limits may be said: only the marks of comments go away.
        let keys = |line: &&str| line.contains(" = ") && !line.starts_with("# ");
        let set = made.lines().filter(keys).filter_map(|line| line.strip_prefix('#'));
        let others =
            ["listen", "tls", "proxy-protocol", "cert", "key", "metrics", "data", "log-format"];
        let set = set.filter(|line| !others.iter().any(|it| line.split(' ').next() == Some(*it)));
        fs::write(&file, set.collect::<Vec<_>>().join("\n")).unwrap();
        let server = Launch::server(address, &data).with(&["--config", text(&file)]);
        let server = started(server).await;
        has_words(&welcome(world, address, "alice").await, &["backlog=10000", "keep=2592000"]);
        stop(server).await;
    });
}

#[test]
fn without_a_file_all_is_as_it_is_by_default() {
    story(async |world| {
        let (absent, bad) = (world.path("absent.toml"), world.path("bad.toml"));
        fs::write(&bad, "rubbish").unwrap();
        let server = |name: &str| Launch::server(free_address(), &world.path(name));
        let missing = server("absent").variable(VARIABLE, &absent).pipe("").await;
        missing.exited(2).said(&format!("cannot read {}", absent.display()));
        let none = server("none").variable(VARIABLE, &bad).with(&["--config", "none"]);
        stop(started(none).await).await;
        // The file is read where it is said to be, and has to be there if it is named.
        server("bad").variable(VARIABLE, &bad).pipe("").await.exited(2).said("bad.toml, line 1: ");
        for unreadable in [absent, world.path("none")] {
            let launch = server("named").with(&["--config", text(&unreadable)]);
            let said = format!("cannot read {}", unreadable.display());
            launch.pipe("").await.exited(2).said(&said);
        }
        let config = Launch::operator(&["config", "--config", "none"]);
        config.pipe("").await.exited(1).said("there is no file");
    });
}

/// A server with a log in JSON, and a file that may be written anew.
struct Changing {
    file: PathBuf,
    data: PathBuf,
    address: SocketAddr,
}

impl Changing {
    fn new(world: &World) -> Self {
        let (file, data) = (world.path("server.toml"), world.path("server-1"));
        Self { file, data, address: free_address() }
    }

    fn says(&self, more: &str) {
        write(&self.file, self.address, &self.data, more);
    }

    async fn start(&self, flags: &[&str]) -> Program {
        started(with_file(&self.file, &["--log-format", "json"]).with(flags)).await
    }
}

#[test]
fn sighup_takes_what_can_change_and_names_what_cannot() {
    story(async |world| {
        let it = Changing::new(world);
        it.says("session-backlog = \"2\"\n");
        let mut server = it.start(&["--strangers", "7"]).await;
        let mut alice = sign_in(world, it.address, "alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, |n| n.to_string()).await;
        assert!(alice.catch_up().await[0].starts_with("ERR FULL bob 3 "));
        it.says("session-backlog = \"5\"\nregistration = \"closed\"\nthreads = 2\nstrangers = 9\n");
        server.signal("HUP");
        let line = server.logs_line("config_reloaded").await;
        assert!(line.contains("\"changed\":\"registration session-backlog\""), "{line}");
        server.logs("threads: takes effect at the next start").await;
        server.logs("strangers: the command line says it").await;
        // Who was refused hears that there is room.
        alice.expect("ROOM bob").await;
        alice.talk("bob").await;
        alice.say_all("bob", 3..=6, |n| n.to_string()).await;
        assert!(alice.catch_up().await[0].starts_with("ERR FULL bob 6 "));
        let newcomer = welcome(world, it.address, "bob").await;
        assert!(newcomer.starts_with("ERR NEWCOMER "), "{newcomer}");
        has_words(&welcome(world, it.address, "alice").await, &["backlog=5"]);
        // Of what waits for the next start it is said again, until that is taken back.
        it.says("threads = 2\n");
        server.signal("HUP");
        server.logs("threads: takes effect at the next start").await;
        it.says("");
        server.signal("HUP");
        let line = server.logs_line("config_reloaded").await;
        assert!(line.contains("\"changed\":\"\""), "{line}");
        assert!(welcome(world, it.address, "bob").await.starts_with("WELCOME bob "));
        server.signal("TERM");
        let log = server.finish().await.exited(0).text();
        assert_eq!(log.matches("threads: takes effect").count(), 2, "{log}");
        assert_eq!(log.matches("strangers: the command line").count(), 2, "{log}");
    });
}

#[test]
fn limits_of_ones_own_stay_when_sighup_changes_those_of_all() {
    story(async |world| {
        let it = Changing::new(world);
        it.says("session-backlog = \"2\"\n");
        let mut server = it.start(&[]).await;
        for name in ["alice", "bob"] {
            sign_in(world, it.address, name).await.quit().await;
        }
        let limit = ["user", "limit", "alice", "--session-backlog", "7"];
        with_file(&it.file, &limit).pipe("").await.exited(0);
        it.says("session-backlog = \"5\"\n");
        server.signal("HUP");
        server.logs("config_reloaded").await;
        has_words(&welcome(world, it.address, "alice").await, &["backlog=7"]);
        has_words(&welcome(world, it.address, "bob").await, &["backlog=5"]);
        stop(server).await;
    });
}

#[test]
fn a_file_with_a_mistake_changes_nothing() {
    story(async |world| {
        let it = Changing::new(world);
        it.says("registration = \"closed\"\n");
        let mut server = it.start(&[]).await;
        for (more, what) in [
            ("registration = \"open\"\nkep = \"1d\"\n", "line 5: there is no key \\\"kep\\\""),
            ("cert = \"/nowhere\"\n", "there is no use for a certificate with --tls off"),
        ] {
            it.says(more);
            server.signal("HUP");
            let line = server.logs_line("config_refused").await;
            assert!(line.contains(what), "{line}");
            assert!(line.contains("the options stay what they were"), "{line}");
            let newcomer = welcome(world, it.address, "bob").await;
            assert!(newcomer.starts_with("ERR NEWCOMER "), "{newcomer}");
        }
        fs::remove_file(&it.file).unwrap();
        server.signal("HUP");
        server.logs("cannot read ").await;
        it.says("");
        server.signal("HUP");
        server.logs("config_reloaded").await;
        assert!(welcome(world, it.address, "bob").await.starts_with("WELCOME bob "));
        stop(server).await;
    });
}

#[test]
fn the_level_of_the_log_changes_with_it() {
    story(async |world| {
        let it = Changing::new(world);
        it.says("log-level = \"error\"\n");
        let mut server = it.start(&[]).await;
        it.says("log-level = \"info\"\n");
        server.signal("HUP");
        let line = server.logs_line("config_reloaded").await;
        assert!(line.contains("\"changed\":\"log-level\""), "{line}");
        sign_in(world, it.address, "alice").await;
        server.logs("signed_in").await;
        stop(server).await;
    });
}
