//! The keys of those whom one talks to: asked for, compared, and changed.

use tinychat::trust::Identity;

use crate::programs::Launch;
use crate::screen::desk;
use crate::tls::make_key;
use crate::world::{FIRST_INSTALLATION, World, story};

/// The operator gives a name free. The server is to be found where it was.
async fn release(world: &mut World, name: &str) {
    world.stop().await;
    let names = world.path("server").join("names");
    let lines = std::fs::read_to_string(&names).unwrap();
    let kept = lines.lines().filter(|line| !line.ends_with(&format!(" {name}")));
    std::fs::write(&names, kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    world.start().await;
}

#[test]
fn the_server_says_whose_name_it_is() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.send("KEY bob").await;
        alice.expect("KEY bob -").await;
        let _bob = world.sign_in("bob").await;
        let bobs = world.identity("bob").public();
        alice.send("KEY Bob").await;
        alice.expect(&format!("KEY bob {bobs}")).await;
        alice.send("KEY alice").await;
        alice.expect(&format!("KEY alice {}", world.identity("alice").public())).await;
        alice.send("KEY").await;
        alice.expect("ERR BAD -").await;
    });
}

#[test]
fn a_key_is_known_ahead_of_all_that_is_said() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        bob.say("alice", 1, "hello").await;
        bob.expect("STORED alice 1").await;
        let mut alice = world.sign_in("alice").await;
        alice.expect("WAITING bob 1").await;
        alice.send_bytes(b"KEY bob\r\nTALK bob 0\r\n").await;
        alice.expect(&format!("KEY bob {}", world.identity("bob").public())).await;
        alice.expect("TALKING bob online 0 0 0 1 0").await;
        alice.hears("bob", 1, 1, "hello").await;
    });
}

#[test]
fn people_compare_keys() {
    story(async |world| {
        let bobs = world.identity("bob").public().fingerprint();
        let alice = || Launch::of(world, "alice").to("bob").with_commands();
        let asked = alice().pipe("/FINGERPRINT bob\n").await;
        asked.exited(0).said("nobody has the name bob yet");
        world.sign_in("bob").await.quit().await;
        for line in ["/FINGERPRINT Bob", "/fingerprint bob"] {
            let asked = alice().pipe(format!("{line}\n")).await;
            asked.exited(0).said(&format!("bob's key: {bobs}")).said(&bobs.spoken());
        }
    });
}

#[test]
fn what_one_reads_aloud_is_what_openssh_shows() {
    if std::process::Command::new("ssh-keygen").arg("-?").output().is_err() {
        eprintln!("SKIPPED: there is no ssh-keygen here");
        return;
    }
    story(async |world| {
        let key = world.path("id").to_str().unwrap().to_owned();
        make_key(&key, "");
        let shown = Launch::program("ssh-keygen").with(&["-l", "-f", &key]).pipe("").await;
        let fingerprint = shown.lines()[0].split(' ').nth(1).unwrap().to_owned();
        let alice = Launch::of(world, "alice").to("bob").with(&["--identity", &key, "--commands"]);
        let asked = alice.pipe("/FINGERPRINT\n/FINGERPRINT alice\n").await;
        asked.exited(0).said(&format!("your key: {fingerprint}"));
        assert_eq!(asked.err.matches(&fingerprint).count(), 2, "{}", asked.err);
    });
}

#[test]
fn a_key_that_was_seen_is_known_while_the_server_is_away() {
    story(async |world| {
        world.sign_in("bob").await.quit().await;
        let bobs = world.identity("bob").public().fingerprint();
        let launch = Launch::of(world, "alice").to("bob").with(&["--receipts", "--commands"]);
        let mut alice = launch.start();
        alice.types("hello\n");
        alice.says("stored bob 1").await;
        world.stop().await;
        alice.types("/FINGERPRINT bob\n/FINGERPRINT carol\n");
        alice.says(&format!("bob's key, as last seen, for the server is away: {bobs}")).await;
        alice.says("carol's key is not known, and the server is away").await;
        world.start().await;
    });
}

#[test]
fn a_changed_key_gets_nothing_until_it_is_accepted() {
    story(async |world| {
        world.sign_in("bob").await.quit().await;
        let old = world.identity("bob").public().fingerprint();
        let alice = |world: &World| Launch::of(world, "alice").to("bob").with_commands();
        alice(world).pipe("hello\n").await.exited(0).was_quiet();
        release(world, "bob").await;
        alice(world).pipe("").await.exited(0).said("NOBODY HAS THE NAME bob ANY MORE");
        let mallory = Identity::generate().unwrap();
        let mut somebody = world.connect().await;
        somebody.prove("bob", &mallory, FIRST_INSTALLATION).await;
        somebody.expect("WELCOME bob").await;
        somebody.expect("WAITING alice 1").await;
        somebody.talk("alice").await;
        somebody.hears("alice", 1, 1, "hello").await;
        somebody.ack("alice", 1).await;
        for count in ["1 message not sent yet", "2 messages not sent yet"] {
            let told = alice(world).pipe("for bob alone\n").await;
            let new = mallory.public().fingerprint();
            told.exited(3).said("THE KEY OF bob HAS CHANGED").said("/FINGERPRINT bob");
            told.said(&format!("before: {old}")).said(&format!("now:    {new}"));
            told.said("what you wrote to bob was not sent").said("once /TRUST bob accepts that");
            told.said(&format!("{count}; kept until then: do not send it again"));
        }
        // Reading is no harm.
        let told = alice(world).with(&["--receipts"]).pipe("/FINGERPRINT bob\n").await;
        told.said(&format!("bob's key: {}", mallory.public().fingerprint()));
        let lines = somebody.catch_up().await;
        assert!(lines.iter().all(|line| line.starts_with("PRESENCE ")), "{lines:?}");

        alice(world).pipe("/TRUST bob\nand this\n").await.exited(0).said("you trust bob's key");
        for (n, text) in [(2, "for bob alone"), (3, "for bob alone"), (4, "and this")] {
            somebody.hears("alice", n, n, text).await;
        }
        alice(world).pipe("/TRUST bob\n").await.exited(0).said("bob's key has not changed");
    });
}

#[test]
fn others_are_sent_what_is_theirs_while_one_is_held() {
    story(async |world| {
        for name in ["bob", "carol"] {
            world.sign_in(name).await.quit().await;
        }
        let alice = |world: &World| {
            Launch::of(world, "alice").to("bob").with(&["--receipts", "--commands"])
        };
        alice(world).pipe("one\n").await.exited(0);
        release(world, "bob").await;
        let mut somebody = world.connect().await;
        somebody.prove("bob", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        somebody.expect("WELCOME bob").await;
        let told = alice(world).pipe("two\n/TALK carol\nthree\n").await;
        told.exited(3).said("stored carol 1").said("1 message not sent yet");
    });
}

#[test]
fn a_key_that_changes_while_one_talks_is_announced() {
    story(async |world| {
        world.sign_in("bob").await.quit().await;
        let start = Launch::of(world, "alice").to("bob").with(&["--follow", "--receipts"]);
        let mut alice = start.start();
        alice.types("hello\n");
        alice.says("stored bob 1").await;
        release(world, "bob").await;
        let mut somebody = world.connect().await;
        somebody.prove("bob", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        somebody.expect("WELCOME bob").await;
        alice.says("THE KEY OF bob HAS CHANGED").await;
    });
}

#[test]
fn what_is_withheld_for_a_changed_key_stays_withheld_when_nobody_has_the_name() {
    story(async |world| {
        world.sign_in("bob").await.quit().await;
        let old = world.identity("bob").public().fingerprint();
        let alice = |world: &World| Launch::of(world, "alice").to("bob");
        let read_by = async |world: &World, identity: &Identity| {
            let mut somebody = world.connect().await;
            somebody.prove("bob", identity, FIRST_INSTALLATION).await;
            somebody.expect("WELCOME bob").await;
            somebody
        };
        alice(world).pipe("").await.exited(0);
        release(world, "bob").await;
        let (first, second) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        read_by(world, &first).await.quit().await;
        let told = alice(world).pipe("for bob alone\n").await;
        told.exited(3).said("THE KEY OF bob HAS CHANGED");
        // Nobody has the name now, and whoever claims it next reads what is sent to it.
        release(world, "bob").await;
        for words in [&["--receipts"][..], &[]] {
            let told = alice(world).with(words).pipe("").await;
            told.exited(3).said("NOBODY HAS THE NAME bob ANY MORE").said(&format!("before: {old}"));
            told.said("1 message not sent yet");
        }
        let send = ["send", "--to", "bob", "and this"];
        let told = Launch::of(world, "alice").with(&send).pipe("").await;
        told.exited(3).said("was not sent, for the key of bob has changed or is gone");
        told.said("it is kept until then: do not send it again");
        let mut somebody = read_by(world, &second).await;
        somebody.hears_nothing().await;
        somebody.quit().await;
        alice(world).pipe("").await.exited(3).said("THE KEY OF bob HAS CHANGED");
        release(world, "bob").await;
        let mut accepting = alice(world).with_commands().start();
        accepting.says("NOBODY HAS THE NAME bob ANY MORE").await;
        accepting.types("/TRUST bob\n");
        accepting.finish().await.exited(0).said("bob's key is forgotten");
        let mut somebody = read_by(world, &first).await;
        somebody.expect("WAITING alice 2").await;
        somebody.talk("alice").await;
        somebody.hears("alice", 1, 1, "for bob alone").await;
    });
}

#[test]
fn that_nobody_has_a_name_is_said_to_whoever_begins_to_talk_to_it() {
    const NOBODY: &str = "nobody has the name mraie yet; what you write waits for whoever claims it, and the host can";
    story(async |world| {
        let told = Launch::of(world, "alice").to("mraie").pipe("hello\n").await;
        assert_eq!(told.exited(0).err.matches(NOBODY).count(), 1);
        let send = ["send", "--to", "mraie", "hello"];
        let told = Launch::of(world, "alice").with(&send).pipe("").await;
        assert_eq!(told.exited(0).err.matches(NOBODY).count(), 1);
        let mut alice = desk(world, "alice", "mraie");
        alice.sees("nobody has the name mraie yet");
        alice.presses("\u{3}\u{3}");
        alice.ends(0);
        world.sign_in("mraie").await.quit().await;
        let told = Launch::of(world, "alice").with(&send).pipe("").await;
        told.exited(0).said("mraie has no keys here yet").never_said("nobody has the name");
    });
}
