//! Agents of every maker: those that sign, refuse, ask, or have a key no more.

use std::path::Path;

use crate::identity::{Agent, alice, is_known_by, story_of_a_key, text};
use crate::keys::{shell, with_programs};
use crate::programs::{Launch, Program};
use crate::terminal::Terminal;
use crate::world::World;

const PASSPHRASE: &str = "open sesame";

/// Locks a key that an agent has by now.
fn lock(world: &World, key: &str) {
    let words = format!("-q -p -a 1 -P '' -N '{PASSPHRASE}' -f '{key}'");
    shell(&world.path(""), &format!("ssh-keygen {words}"));
}

/// Alice is told which agent refuses, is asked for the passphrase instead, and gets in.
fn gets_in_by_the_passphrase(world: &World, key: &str, socket: &Path) {
    let mut terminal = Terminal::open(alice(world, key).variable("SSH_AUTH_SOCK", socket));
    terminal.sees(&format!("your SSH agent at {} has your key and refuses", socket.display()));
    terminal.sees("Passphrase of your key: ");
    terminal.types(PASSPHRASE);
    terminal.sees("talking to bob");
    terminal.types("QUIT");
    terminal.ends(0);
    assert!(is_known_by(world, key));
}

#[test]
fn where_a_person_says_no_the_passphrase_is_asked_for() {
    story_of_a_key("", async |world, key| {
        let agent = Agent::asking(world, "/bin/false").await;
        agent.add(&["-c", key]).await;
        lock(world, key);
        gets_in_by_the_passphrase(world, key, &agent.socket);
    });
}

#[test]
fn where_a_key_is_for_some_hosts_alone_the_passphrase_is_asked_for() {
    story_of_a_key("", async |world, key| {
        let host = text(&world.path("host"));
        shell(&world.path(""), &format!("ssh-keygen -q -t ed25519 -N '' -f '{host}'"));
        shell(&world.path(""), "sed 's/^/example.org /' host.pub > known_hosts");
        let agent = Agent::asking(world, "/bin/false").await;
        agent.add(&["-h", "example.org", "-H", &text(&world.path("known_hosts")), key]).await;
        lock(world, key);
        gets_in_by_the_passphrase(world, key, &agent.socket);
    });
}

/// PuTTY's agent with these words, where nobody can be asked.
fn pageant(world: &World, words: &[&str]) -> Option<Program> {
    with_programs(&["pageant", "puttygen"])?;
    let launch = Launch::program("env").with(&["-u", "DISPLAY", "-u", "WAYLAND_DISPLAY"]);
    let socket = text(&world.path("pageant"));
    let launch = launch.with(&["pageant", "--debug", "--symlink", &socket]).with(words);
    let program = launch.start();
    // What it prints stays in it.
    shell(&world.path(""), "timeout 60 sh -c 'until test -S pageant; do sleep 0.02; done'");
    Some(program)
}

#[test]
fn pageant_signs() {
    story_of_a_key("", async |world, key| {
        let Some(_pageant) = pageant(world, &[]) else { return };
        let socket = world.path("pageant");
        let add = Launch::program("ssh-add").with(&["-q", key]);
        add.variable("SSH_AUTH_SOCK", &socket).pipe("").await.exited(0);
        let alice = alice(world, &format!("{key}.pub")).variable("SSH_AUTH_SOCK", &socket);
        alice.pipe("hello\n").await.exited(0).was_quiet();
    });
}

#[test]
fn where_pageant_has_a_locked_key_the_passphrase_is_asked_for() {
    story_of_a_key("", async |world, key| {
        if with_programs(&["pageant", "puttygen"]).is_none() {
            return;
        }
        let script = "echo word > word; puttygen id -O private --new-passphrase word -o id.ppk";
        shell(&world.path(""), script);
        let locked = text(&world.path("id.ppk"));
        let Some(_pageant) = pageant(world, &["--encrypted", &locked]) else { return };
        lock(world, key);
        gets_in_by_the_passphrase(world, key, &world.path("pageant"));
    });
}

/// GnuPG's agent with a key of its own; it ends with this.
struct GpgAgent<'a>(&'a Path);

impl<'a> GpgAgent<'a> {
    fn start(folder: &'a Path, passphrase: &str) -> Self {
        let configure = "printf 'enable-ssh-support\npinentry-program /bin/false\ns2k-count 65536\n' > gpg-agent.conf";
        let make = format!(
            "gpg --batch --quiet --passphrase '{passphrase}' --quick-generate-key alice ed25519 cert,auth never"
        );
        let list = "gpg --batch --with-colons --with-keygrip -K 2>/dev/null | \
                    sed -n 's/^grp:*\\([0-9A-F]*\\):$/\\1/p' > sshcontrol";
        let agent = Self(folder);
        // What was unlocked to be made is forgotten.
        for script in
            [configure, &make, list, "gpgconf --kill gpg-agent; gpgconf --launch gpg-agent"]
        {
            agent.has(script);
        }
        agent.has("SSH_AUTH_SOCK=$(gpgconf --list-dirs agent-ssh-socket) ssh-add -L > id.pub");
        agent
    }

    fn has(&self, script: &str) -> String {
        shell(self.0, &format!("GNUPGHOME='{}'; export GNUPGHOME; {script}", self.0.display()))
    }
}

impl Drop for GpgAgent<'_> {
    fn drop(&mut self) {
        self.has("gpgconf --kill gpg-agent");
    }
}

#[test]
fn gpg_agent_signs_and_where_it_refuses_it_is_named() {
    story_of_a_key("", async |world, _| {
        for (passphrase, code) in [("", 0), ("word", 3)] {
            let programs = ["gpg", "gpgconf", "gpg-agent", "ssh-add"];
            let Some(folder) = with_programs(&programs) else { return };
            let agent = GpgAgent::start(folder.path(), passphrase);
            let socket = agent.has("gpgconf --list-dirs agent-ssh-socket").trim().to_owned();
            let name = if code == 0 { "alice" } else { "carol" };
            let launch = Launch::of(world, name).to("bob").variable("SSH_AUTH_SOCK", &socket);
            let key = text(&folder.path().join("id.pub"));
            let done = launch.with(&["--identity", &key]).pipe("hello\n").await;
            match done.exited(code).code() {
                0 => done.was_quiet(),
                _ => done.said(&format!("your SSH agent at {socket} has your key and refuses")),
            };
        }
    });
}

#[test]
fn each_question_is_asked_once_and_the_connection_waits_for_the_first_answer() {
    story_of_a_key("", async |world, key| {
        // It notes that it was run, and ends when somebody reads.
        let (asked, answer) = (world.path("asked"), world.path("answer"));
        shell(&world.path(""), "mkfifo answer");
        let script = format!("#!/bin/sh\necho >> '{}'\necho > '{}'\n", text(&asked), text(&answer));
        std::fs::write(world.path("ask"), script).unwrap();
        shell(&world.path(""), "chmod +x ask");
        let agent = Agent::asking(world, &text(&world.path("ask"))).await;
        agent.add(&["-c", key]).await;
        lock(world, key);
        let mut terminal =
            Terminal::open(alice(world, key).variable("SSH_AUTH_SOCK", &agent.socket));
        terminal.sees("your SSH agent is asked to sign, and may be asking you");
        shell(&world.path(""), "cat answer");
        terminal.sees("talking to bob");
        // The second one is for the list of devices.
        shell(&world.path(""), "timeout 60 cat answer");
        terminal.types("QUIT");
        let seen = terminal.ends(0);
        assert!(!seen.contains("Passphrase") && !seen.contains("trying again"), "{seen}");
        assert_eq!(std::fs::read(asked).unwrap(), b"\n\n");
    });
}

#[test]
fn an_agent_whose_key_is_gone_ends_nothing_and_signs_when_it_is_back() {
    story_of_a_key("", async |world, key| {
        let agent = Agent::asking(world, "/bin/false").await;
        agent.add(&[key]).await;
        let launch = alice(world, &format!("{key}.pub")).with(&["--follow", "--receipts"]);
        let mut alice = launch.variable("SSH_AUTH_SOCK", &agent.socket).start();
        alice.types("one\n");
        alice.says("stored bob 1").await;
        agent.add(&["-D"]).await;
        world.restart().await;
        let gone =
            format!("your SSH agent at {} does not have your key now", agent.socket.display());
        let said = alice.says_line(&gone).await;
        assert!(said.contains("not signed in at") && said.contains("trying again"), "{said}");
        alice.types("two\n");
        agent.add(&[key]).await;
        alice.says("connected to").await;
        alice.says("stored bob 2").await;
        alice.signal("INT");
        alice.end().await.exited(130);
    });
}
