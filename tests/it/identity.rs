//! Keys that people bring: their own, locked ones, those in an agent, and those that will not do.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{Launch, Program};
use crate::terminal::Terminal;
use crate::tls::make_key;
use crate::world::{World, story};

/// The story of a key that `ssh-keygen` made, if there is one: at this path, with this passphrase.
pub(crate) fn story_of_a_key(passphrase: &str, tell: impl AsyncFnOnce(&mut World, &str)) {
    for tool in ["ssh-keygen", "ssh-agent", "ssh-add"] {
        if Command::new(tool).arg("-?").output().is_err() {
            eprintln!("SKIPPED: there is no {tool} here");
            return;
        }
    }
    story(async |world| {
        let key = text(&world.path("id"));
        make_key(&key, passphrase);
        tell(world, &key).await;
    });
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().into()
}

/// Alice, who brings this key.
pub(crate) fn alice(world: &World, key: &str) -> Launch {
    Launch::of(world, "alice").to("bob").with(&["--identity", key])
}

/// Whether the server knows alice by the key beside `key`.
pub(crate) fn is_known_by(world: &World, key: &str) -> bool {
    let line = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let names = std::fs::read_to_string(world.path("server").join("names")).unwrap();
    let word = line.split(' ').nth(1).unwrap();
    names.contains(&format!("ssh-ed25519 {word} alice\n"))
}

#[test]
fn a_person_may_bring_a_key() {
    story_of_a_key("", async |world, key| {
        alice(world, key).pipe("hello\n").await.exited(0).was_quiet();
        assert!(is_known_by(world, key));
        assert!(!world.path("alice").join("id_ed25519").exists(), "no other one is made");
    });
}

#[test]
fn a_key_that_will_not_do_is_refused_with_the_reason() {
    story_of_a_key("", async |world, key| {
        let refused = async |key: &str, part: &str| {
            alice(world, key).pipe("hello\n").await.exited(1).said(part);
        };
        refused("/nowhere/id", "cannot read the key /nowhere/id").await;
        let garbage = text(&world.path("garbage"));
        tinychat::folder::write_private(Path::new(&garbage), b"rubbish").unwrap();
        refused(&garbage, "is not a key in OpenSSH's format").await;
        let broken = text(&world.path("broken.pub"));
        std::fs::write(&broken, "ssh-ed25519 AAAAC3 alice").unwrap();
        refused(&broken, "is not a key in OpenSSH's format").await;
        refused(&format!("{key}.pub"), "no agent has the private one").await;
        let other = text(&world.path("ecdsa"));
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ecdsa", "-N", "", "-f", &other]);
        assert!(command.status().unwrap().success());
        refused(&other, "only Ed25519 keys can sign in").await;
        refused(&format!("{other}.pub"), "only Ed25519 keys can sign in").await;
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
        refused(key, "chmod 600").await;
    });
}

// Locked keys.

/// The program in a shell that shows what is typed, and how the terminal is left behind.
fn in_a_shell(launch: Launch) -> Launch {
    let command = launch.into_command();
    let words = command.get_args().map(|word| word.to_str().unwrap().to_owned());
    let words: Vec<_> =
        [command.get_program().to_str().unwrap().to_owned()].into_iter().chain(words).collect();
    let script = "stty echo; trap : INT; \"$@\"; echo \"exit $?\"; stty -a";
    let shell = Launch::program("sh").with(&["-c", script, "sh"]);
    shell.with(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    story_of_a_key("open sesame", async |world, key| {
        let mut terminal = Terminal::open(in_a_shell(alice(world, key)));
        terminal.sees("Passphrase of your key: ");
        terminal.types("open barley");
        terminal.sees("this passphrase does not unlock the key");
        terminal.sees("Passphrase of your key: ");
        terminal.types("open sesame");
        terminal.sees("talking to bob");
        terminal.types("can you see me?");
        terminal.sees("stored: 1 message");
        terminal.types("QUIT");
        terminal.sees("exit 0");
        terminal.sees(" echo ");
        let seen = terminal.ends(0);
        assert!(seen.contains("can you see me?"), "{seen}");
        assert!(!seen.contains("sesame") && !seen.contains("barley"), "{seen}");
        assert!(is_known_by(world, key));
    });
}

#[test]
fn whoever_does_not_know_the_passphrase_is_asked_three_times() {
    story_of_a_key("open sesame", async |world, key| {
        let mut terminal = Terminal::open(alice(world, key));
        for _ in 0..3 {
            terminal.sees("Passphrase of your key: ");
            terminal.types("open barley");
        }
        terminal.sees("this passphrase does not unlock the key");
        terminal.ends(1);
    });
}

#[test]
fn ctrl_c_at_the_passphrase_leaves_the_terminal_as_it_was() {
    story_of_a_key("open sesame", async |world, key| {
        let mut terminal = Terminal::open(in_a_shell(alice(world, key)));
        terminal.sees("Passphrase of your key: ");
        terminal.presses('c');
        terminal.sees("exit 130");
        terminal.sees(" echo ");
        terminal.ends(0);
    });
}

#[test]
fn a_script_is_asked_at_the_terminal_that_it_belongs_to() {
    story_of_a_key("open sesame", async |world, key| {
        let script = "stty echo; echo hello | \"$@\"; echo \"exit $?\"";
        let command = alice(world, key).into_command();
        let mut words = vec!["-c", script, "sh", command.get_program().to_str().unwrap()];
        words.extend(command.get_args().map(|word| word.to_str().unwrap()));
        let mut terminal = Terminal::open(Launch::program("sh").with(&words));
        terminal.sees("Passphrase of your key: ");
        terminal.types("open sesame");
        terminal.sees("exit 0");
        assert!(!terminal.ends(0).contains("sesame"));
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
    });
}

#[test]
fn a_script_without_a_terminal_is_told_to_use_an_agent() {
    if Command::new("setsid").arg("true").output().is_err() {
        eprintln!("SKIPPED: there is no setsid here to leave the terminal with");
        return;
    }
    story_of_a_key("open sesame", async |world, key| {
        let command = alice(world, key).into_command();
        let mut words = vec!["--wait", command.get_program().to_str().unwrap()];
        words.extend(command.get_args().map(|word| word.to_str().unwrap()));
        let alone = Launch::program("setsid").with(&words).pipe("hello\n").await;
        alone.exited(1).said(&format!("ssh-add {key}"));
    });
}

// Agents.

#[test]
fn an_agent_that_refuses_is_asked_once() {
    story_of_a_key("", async |world, key| {
        let socket = world.path("agent");
        let agent = UnixListener::bind(&socket).unwrap();
        let word = std::fs::read_to_string(format!("{key}.pub")).unwrap();
        let blob = ssh_key::PublicKey::from_openssh(&word).unwrap().to_bytes().unwrap();
        let refusing = std::thread::spawn(move || {
            let mut asked = 0;
            for stream in agent.incoming() {
                asked += usize::from(answer(stream.unwrap(), &blob));
                if asked > 0 {
                    break;
                }
            }
            agent
        });
        let alice = alice(world, &format!("{key}.pub")).variable("SSH_AUTH_SOCK", &socket);
        alice.pipe("hello\n").await.exited(3).said("refuses to sign");
        let agent = refusing.join().unwrap();
        agent.set_nonblocking(true).unwrap();
        assert!(agent.accept().is_err(), "it is not asked again");
    });
}

/// Answers one question: the only key is this one, and nothing is signed with it. Whether that was asked.
fn answer(mut stream: UnixStream, key: &[u8]) -> bool {
    let mut request = [0; 5];
    stream.read_exact(&mut request).unwrap();
    let length = u32::from_be_bytes(request[..4].try_into().unwrap()) as usize;
    stream.read_exact(&mut vec![0; length - 1]).unwrap();
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let answer = match request[4] {
        11 => [&[12, 0, 0, 0, 1], &length(key.len())[..], key, &length(0)].concat(),
        _ => vec![5],
    };
    stream.write_all(&[&length(answer.len())[..], &answer].concat()).unwrap();
    request[4] == 13
}

/// OpenSSH's agent.
pub(crate) struct Agent {
    pub(crate) socket: PathBuf,
    _program: Program,
}

impl Agent {
    /// One that has one key.
    async fn with(world: &World, key: &str) -> Self {
        let agent = Self::asking(world, "/bin/false").await;
        agent.add(&[key]).await;
        agent
    }

    /// One that asks a person by this program, which says no if it fails.
    pub(crate) async fn asking(world: &World, program: &str) -> Self {
        let socket = world.path("agent");
        let launch = Launch::program("ssh-agent").with(&["-D", "-a", &text(&socket)]);
        let launch = launch.variable("SSH_ASKPASS", program);
        let mut program = launch.variable("SSH_ASKPASS_REQUIRE", "force").start();
        program.logs("SSH_AUTH_SOCK=").await;
        Self { socket, _program: program }
    }

    /// Has `ssh-add` do something.
    pub(crate) async fn add(&self, words: &[&str]) {
        let add = Launch::program("ssh-add").with(&["-q"]).with(words);
        add.variable("SSH_AUTH_SOCK", &self.socket).pipe("").await.exited(0);
    }
}

#[test]
fn an_agent_signs_for_a_key_that_is_locked() {
    story_of_a_key("", async |world, key| {
        let agent = Agent::with(world, key).await;
        let mut lock = Command::new("ssh-keygen");
        lock.args(["-q", "-p", "-a", "1", "-P", "", "-N", "open sesame", "-f", key]);
        assert!(lock.stdout(std::process::Stdio::null()).status().unwrap().success());
        for key in [key, &format!("{key}.pub")] {
            let alice = alice(world, key).variable("SSH_AUTH_SOCK", &agent.socket);
            alice.pipe("hello\n").await.exited(0).was_quiet();
        }
        assert!(is_known_by(world, key));
        // An agent that has other keys is of no use.
        let other = text(&world.path("other"));
        make_key(&other, "");
        let alice = alice(world, &format!("{other}.pub")).variable("SSH_AUTH_SOCK", &agent.socket);
        alice.pipe("hello\n").await.exited(1).said("no agent has the private one");
    });
}
