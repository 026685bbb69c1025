//! Wall clocks that are wrong: what waits ages while the server runs, and by nothing else.
//!
//! Where the server is the real program, its wall clock is a [`Wall`]. Others have a server in this process, by clocks that
//! they set.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tinychat::server::{Config, Registration};

use crate::operators::{operate, stop};
use crate::programs::{Finished, Launch, Program, free_address};
use crate::sealed::comes_among_programs;
use crate::server_upgrade::{FOLDER, give_keys};
use crate::times::SetTimes;
use crate::wall::Wall;
use crate::world::{World, patiently, story, story_with};

/// Starts a server with this clock, which listens with TLS.
async fn serve(wall: &Wall, data: &Path) -> Program {
    let listen = free_address().to_string();
    let flags = ["--listen", &listen, "--registration", "invite"];
    let launch = Launch::operator(&flags).on(data);
    let variables = wall.variables().into_iter();
    let mut server =
        variables.fold(launch, |launch, (name, value)| launch.variable(name, value)).start();
    server.says("join with").await;
    server
}

async fn invitation(data: &Path) -> String {
    let invited = operate(&["invite"], data).await;
    invited.exited(0);
    invited.lines().remove(0)
}

/// What an invitation says, for a server that listens elsewhere now.
async fn renewed(invitation: &str, data: &Path) -> String {
    let (_, said) = invitation.split_once("?invite=").unwrap();
    let address = self::invitation(data).await;
    format!("{}?invite={said}", address.split_once("?invite=").unwrap().0)
}

async fn waits(data: &Path) {
    let check: Finished = operate(&["check"], data).await;
    let lines = check.exited(0).lines();
    assert!(lines.iter().any(|line| line.starts_with("alice to bob: 2 messages")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("1 file")), "{lines:?}");
}

#[test]
fn nothing_is_lost_to_a_clock_that_is_wrong() {
    story(async |world| {
        let Some(wall) = Wall::new(&world.path(".")) else {
            return eprintln!("SKIPPED: no library can be put in front of the system's clock here");
        };
        let data = world.path("server-1");
        // A machine without a battery.
        wall.is_off_by(-60);
        let mut server = serve(&wall, &data).await;
        let (alices, bobs) = (invitation(&data).await, invitation(&data).await);
        let client = |name: &str, server: &str| {
            Launch::tinychat(&["--user", name, "--server", server]).on(&world.path(name))
        };
        comes_among_programs(client("bob", &bobs), "bob", || client("alice", &alices)).await;
        let file = world.path("notes.txt");
        fs::write(&file, "something to read").unwrap();
        let (alice, file) = (world.path("alice"), file.to_str().unwrap());
        let flags = ["--user", "alice", "--server", &alices];
        let words = ["send", "--to", "bob", "--file", file, "as you asked"];
        Launch::tinychat(&flags).on(&alice).with(&words).pipe("").await.exited(0);
        let words = ["send", "--to", "bob", "hello"];
        Launch::tinychat(&flags).on(&alice).with(&words).pipe("").await.exited(0);
        wall.is_off_by(0);
        server.logs("the wall clock").await;
        waits(&data).await;
        server.kill().await;
        // Right again; off for a month; once ahead by a year; right again.
        for days in [0, 31, 431, 31] {
            wall.is_off_by(days);
            let server = serve(&wall, &data).await;
            waits(&data).await;
            stop(server).await;
        }
        let server = serve(&wall, &data).await;
        let bobs = renewed(&bobs, &data).await;
        let flags = ["--user", "bob", "--server", &bobs, "--to", "alice"];
        let mut bob = Launch::tinychat(&flags).on(&world.path("bob")).start();
        let told = bob.next_line().await;
        assert!(told.contains("notes.txt"), "{told}");
        assert!(bob.next_line().await.contains("hello"));
        bob.finish().await.exited(0);
        stop(server).await;
    });
}

/// A server by these clocks, which looks often.
fn by(times: &Arc<SetTimes>) -> impl FnOnce(&mut Config) {
    let times = times.clone();
    move |config: &mut Config| {
        config.times = times;
        config.timing.sweep = Duration::from_millis(10);
        config.timing.look = Duration::from_millis(10);
    }
}

#[test]
fn what_waits_expires_when_the_server_has_run_for_so_long() {
    let times = SetTimes::new();
    story_with(by(&times), async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("carol").await;
        alice.say("carol", 1, "hello").await;
        alice.talk_until_stored("carol").await;
        times.days_pass(10);
        alice.talk("bob").await;
        alice.say("bob", 1, "hello").await;
        alice.talk_until_stored("bob").await;
        world.stop().await;
        // Off for a month; then once ahead by a year.
        times.days_pass(31);
        times.wall_is_set_ahead(400);
        world.start().await;
        world.restart().await;
        times.wall_is_set_back(400);
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        alice.talk("carol").await;
        times.days_pass(21);
        alice.expect("EXPIRED carol 1").await;
        assert_eq!(alice.settle("bob", 0).await, ["TALKING bob away 1 1 0 0 0"]);
        times.days_pass(10);
        alice.expect("EXPIRED bob 1").await;
    });
}

#[test]
fn what_is_kept_for_seconds_expires_within_seconds() {
    let times = SetTimes::new();
    let for_seconds = |config: &mut Config| {
        config.times = times.clone();
        config.keep = Some(Duration::from_secs(3));
    };
    story_with(for_seconds, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "hello").await;
        alice.talk_until_stored("bob").await;
        times.pass(Duration::from_secs(2)).await;
        assert_eq!(alice.settle("bob", 0).await, ["TALKING bob away 1 1 0 0 0"]);
        times.pass(Duration::from_secs(3)).await;
        // No more time passes.
        alice.expect("EXPIRED bob 1").await;
    });
}

#[test]
fn an_invitation_is_good_for_a_week_that_the_server_runs() {
    let times = SetTimes::new();
    let invite_only = |config: &mut Config| {
        by(&times)(config);
        config.registration = Registration::Invite;
    };
    story_with(invite_only, async |world| {
        let data = world.path("server");
        let (johns, maries) = (invitation(&data).await, invitation(&data).await);
        world.stop().await;
        times.days_pass(30);
        times.wall_is_set_ahead(400);
        world.start().await;
        let comes = async |world: &World, name: &str, invitation: &str| {
            let (_, invite) = invitation.split_once("?invite=").unwrap();
            let address = format!("{}?invite={invite}", world.address());
            Launch::at(address, name, &world.path(name)).to("anna").pipe("hello\n").await
        };
        comes(world, "john", &johns).await.exited(0);
        times.wall_is_set_back(400);
        times.days_pass(8);
        let late = comes(world, "marie", &maries).await;
        late.exited(3).said("the invitation was used, or is too old");
    });
}

/// What an operator's check says of bob's messages from alice, and of files.
async fn of_bob_and_of_files(data: &Path) -> Vec<String> {
    let check = operate(&["check"], data).await;
    let about =
        |line: &&String| line.starts_with("alice to bob") || line.contains(" more on the way, ");
    check.exited(0).lines().iter().filter(about).map(|line| first_words(line)).collect()
}

fn first_words(line: &str) -> String {
    line.split(',').next().unwrap().into()
}

#[test]
fn what_an_older_server_has_left_waits_as_long_again() {
    let times = SetTimes::new();
    story_with(by(&times), async |world| {
        let data = world.path("server-1");
        tar::Archive::new(FOLDER).unpack(&data).unwrap();
        give_keys(world, &data);
        times.wall_is_set_ahead(400);
        // It begins to age with this start.
        world.restart_with(|config| config.data = data.clone()).await;
        let waits = ["alice to bob: 4 messages", "1 file"];
        times.days_pass(20);
        world.restart().await;
        times.days_pass(10);
        assert_eq!(of_bob_and_of_files(&data).await, waits);
        times.days_pass(1);
        let gone = async { while of_bob_and_of_files(&data).await == waits {} };
        patiently("all of it expires", gone).await;
    });
}

#[test]
fn a_restored_server_is_as_old_as_its_backup() {
    let times = SetTimes::new();
    story_with(by(&times), async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "hello").await;
        alice.talk_until_stored("bob").await;
        times.days_pass(20);
        world.restart().await;
        let (data, file) = (world.path("server"), world.path("backup"));
        operate(&["backup", file.to_str().unwrap()], &data).await.exited(0);
        world.stop().await;
        let restored = world.path("server-1");
        operate(&["restore", file.to_str().unwrap()], &restored).await.exited(0);
        world.start().await;
        world.restart_with(|config| config.data = restored).await;
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        times.days_pass(11);
        alice.expect("EXPIRED bob 1").await;
    });
}
