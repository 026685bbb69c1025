//! The binary `tinychat-server`: its flags, signals, sentences and exit codes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::programs::{Launch, send_signal};
use crate::world::{PATIENCE, story};

/// What an operator waits for a server to stop.
const DEADLINE: Duration = Duration::from_secs(5);

fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat-server"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.env("TINYCHAT_SERVER_CONFIG", "none");
    command
}

/// Runs the program, which is to end by itself.
fn run(words: &[&str]) -> Output {
    let mut command = program(words);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(command.stdout(Stdio::piped()).output()));
    match ended.recv_timeout(PATIENCE) {
        Ok(output) => output.unwrap(),
        Err(_) => panic!("waited {PATIENCE:?} in vain for the end of: {words:?}"),
    }
}

/// A server that runs as a process of its own.
struct Running {
    child: Child,
    address: String,
    /// What it says on stderr after its address.
    words: mpsc::Receiver<String>,
}

impl Running {
    fn start(data: &Path) -> Self {
        Self::start_logging_to(data, Stdio::null())
    }

    fn start_logging_to(data: &Path, log: impl Into<Stdio>) -> Self {
        let flags = ["--listen", "127.0.0.1:0", "--tls", "off", "--data", text(data)];
        let mut command = program(&flags);
        let mut child = command.stdout(log).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, words) = mpsc::channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = words.recv_timeout(PATIENCE).unwrap();
        let address = line.strip_prefix("tinychat-server: listening on ");
        let address = address.unwrap_or_else(|| panic!("an address: {line}")).into();
        Self { child, address, words }
    }

    /// Sends a signal and waits for the end. Returns the exit code, and what was said meanwhile.
    fn signal(&mut self, signal: &str) -> (Option<i32>, Vec<String>) {
        assert!(send_signal(self.child.id(), signal));
        let begin = Instant::now();
        let mut said = Vec::new();
        // Its stderr ends with it.
        loop {
            match self.words.recv_timeout(DEADLINE.saturating_sub(begin.elapsed())) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("SIG{signal}: runs after {DEADLINE:?}"),
            }
        }
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_signal_ends_it_with_a_goodbye() {
    for signal in ["TERM", "INT"] {
        story(async |world| {
            let mut server = Running::start(&world.path("data"));
            let mut alice = world.connect_to(server.address.parse().unwrap()).await;
            alice.prove("alice", &world.identity("alice"), "00000000000000a1").await;
            alice.expect("WELCOME alice").await;
            let silent = world.connect_to(server.address.parse().unwrap()).await;
            let (code, said) = server.signal(signal);
            assert_eq!(code, Some(0), "after SIG{signal}");
            assert_eq!(said, ["tinychat-server: stopping"]);
            alice.expect("BYE shutdown").await;
            alice.end().await;
            drop(silent);
        });
    }
}

#[test]
fn it_starts_again_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path());
    assert_eq!(server.signal("KILL").0, None);
    let mut server = Running::start(folder.path());
    assert_eq!(server.signal("TERM").0, Some(0));
}

/// It exits 1 and says one sentence, with `part` in it.
fn assert_fails(words: &[&str], part: &str) {
    let Output { status, stdout, stderr } = run(words);
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{words:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("tinychat-server: ") && stderr.contains(part), "{stderr}");
    assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sentence = format!("cannot listen on {address}: another process does");
    assert_fails(&["--listen", &address, "--data", text(&data)], &sentence);
}

#[test]
fn an_address_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "256.0.0.1:80", ""] {
        let sentence = format!("cannot listen on {address}: ");
        assert_fails(&["--listen", address, "--data", text(&data)], &sentence);
    }
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    for path in [file.clone(), file.join("below")] {
        let sentence = format!("cannot use {} as data folder", path.display());
        assert_fails(&["--listen", "127.0.0.1:0", "--data", text(&path)], &sentence);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"not a folder");
}

#[test]
fn a_data_folder_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Running::start(&data);
    let sentence = format!("the data folder {} is in use", data.display());
    assert_fails(&["--listen", "127.0.0.1:0", "--data", text(&data)], &sentence);
    assert_eq!(server.signal("TERM").0, Some(0));
}

#[test]
fn a_damaged_book_of_names_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
    std::fs::write(data.join("names"), "rubbish\n").unwrap();
    assert_fails(&["--listen", "127.0.0.1:0", "--data", text(&data)], "line 1 of ");
}

#[test]
fn wrong_usage_exits_2() {
    for words in [
        &["--nonsense"][..],
        &["--listen"],
        &["word"],
        &["--log-level", "loud"],
        &["--version=yes"],
        &["-"],
    ] {
        let Output { status, stdout, stderr } = run(words);
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{words:?}: {stderr}");
        assert!(stderr.starts_with("tinychat-server: "), "{stderr}");
        assert!(stderr.contains("--help"), "{stderr}");
        assert!(stdout.is_empty());
    }
}

#[test]
fn version_and_help_are_answers() {
    let answer = |word| {
        let Output { status, stdout, stderr } = run(&[word]);
        assert_eq!(status.code(), Some(0), "{word}");
        assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    };
    let version = concat!("tinychat-server ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(answer("--version"), version);
    let help = answer("--help");
    for flag in ["--listen", "--data", "--log-level", "--version"] {
        assert!(help.contains(flag), "{flag} in {help}");
    }
}

#[test]
fn a_log_that_takes_nothing_hurts_nobody() {
    story(async |world| {
        // A disk that is full (not every system has such a device), and a reader that does not read.
        let full = File::options().write(true).open("/dev/full").map(Stdio::from);
        let (unread, stalled) = std::io::pipe().unwrap();
        let mut filling = stalled.try_clone().unwrap();
        thread::spawn(move || while filling.write_all(&[b'x'; 4_096]).is_ok() {});
        let (_, closed) = std::io::pipe().unwrap();
        let pipes =
            [("stalled", stalled), ("closed", closed)].map(|(name, it)| (name, Ok(it.into())));
        for (name, log) in [("full", full)].into_iter().chain(pipes) {
            let Ok(log) = log else { continue };
            let mut server = Running::start_logging_to(&world.path(name), log);
            for _ in 0..2 {
                let john =
                    Launch::at(&server.address, "john", &world.path(&format!("{name}-john")));
                john.to("marie").pipe("hello\n").await.exited(0).was_quiet();
            }
            let (code, _) = server.signal("TERM");
            assert_eq!(code, Some(0), "{name}");
        }
        drop(unread);
    });
}
