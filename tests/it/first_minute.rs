//! The first start of a person, with the mistakes that people make: what is asked for again, what is offered, and what is
//! left behind.

use std::fs;
use std::path::Path;

use tinychat::trust::Fingerprint;

use crate::operators::operate;
use crate::places::make_private;
use crate::programs::{Launch, free_address};
use crate::screen::Desk;
use crate::tls::Hosted;
use crate::world::{World, story};

/// One of the two faces that a person may sit at.
#[derive(Clone, Copy, Debug)]
enum Face {
    Plain,
    Full,
}

impl Face {
    fn open(self, launch: Launch) -> Desk {
        match self {
            Self::Plain => Desk::open(launch.with(&["--plain"]).variable("NO_COLOR", "1")),
            Self::Full => Desk::open(launch),
        }
    }

    /// The face is there, and its person is signed in.
    #[track_caller]
    fn is_there(self, desk: &Desk, name: &str) {
        match self {
            Self::Plain => desk.sees(&format!(" as {name}")),
            Self::Full => desk.sees(&format!("{name} online")),
        }
    }
}

/// Tells a story with each face.
fn with_both_faces(tell: impl AsyncFn(&mut World, Face)) {
    for face in [Face::Plain, Face::Full] {
        story(async |world| tell(world, face).await);
    }
}

/// A newcomer who talks to marie through this server, with a home of their own.
fn newcomer(world: &World, server: &str) -> Launch {
    let launch = Launch::tinychat(&["--server", server, "--to", "marie"]);
    launch.variable("XDG_DATA_HOME", world.path("home"))
}

/// The same at the world's server, which has no TLS.
fn newcomer_here(world: &World) -> Launch {
    newcomer(world, &world.address().to_string()).with(&["--tls", "off"])
}

/// What there is in a folder, which need not be there.
fn names(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = all.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whose data folders there are at home.
fn people(world: &World) -> Vec<String> {
    names(&world.path("home/tinychat"))
}

/// How often a text came.
#[track_caller]
fn sees_times(desk: &Desk, text: &str, times: usize) {
    desk.until(&format!("{text:?} {times} times"), |state| {
        String::from_utf8_lossy(state.since(0)).matches(text).count() == times
    });
}

// What is asked for again.

#[test]
fn a_name_that_cannot_be_had_is_asked_for_again_and_leaves_no_folder() {
    with_both_faces(async |world, face| {
        world.sign_in("john").await.quit().await;
        world.sign_in("axa").await.quit().await;
        let mut desk = face.open(newcomer_here(world));
        desk.sees("Your name:");
        desk.says("john");
        desk.sees("belongs to somebody with another key");
        sees_times(&desk, "Your name: ", 2);
        assert_eq!(people(world), [""; 0]);
        // In another script.
        desk.says("аха");
        desk.sees("the name looks like axa");
        sees_times(&desk, "Your name: ", 3);
        desk.says("bob");
        face.is_there(&desk, "bob");
        assert_eq!(people(world), ["bob"]);
        desk.says("/QUIT");
        desk.ends(0);
        assert!(world.path("home/tinychat/bob/id_ed25519").exists());
    });
}

#[test]
fn a_name_behind_a_flag_is_asked_for_again_too_and_the_folder_is_for_the_next_one() {
    story(async |world| {
        world.sign_in("john").await.quit().await;
        let data = world.path("data");
        let launch = Launch::at(world.address(), "john", &data).to("marie");
        let mut desk = Face::Plain.open(launch);
        desk.sees("belongs to somebody with another key");
        desk.says("bob");
        Face::Plain.is_there(&desk, "bob");
        desk.says("/QUIT");
        desk.ends(0);
        let history = Launch::tinychat(&["history", "--user", "bob"]).on(&data);
        history.pipe("").await.exited(0).was_quiet();
    });
}

#[test]
fn an_address_that_leads_nowhere_is_asked_for_again() {
    with_both_faces(async |world, face| {
        let hosted = Hosted::start(&[], &world.path("server-1")).await;
        let (away, without_tls) = (free_address().to_string(), world.address().to_string());
        let wrong_key = format!("{}#{}", hosted.address, Fingerprint::of(b"another"));
        let mut desk = face.open(newcomer(world, "two words").with(&["--user", "john"]));
        desk.sees("\"two words\" is not an address");
        for (server, what) in [
            ("nowhere..invalid", "cannot sign in at nowhere..invalid:7878: "),
            (&away, &format!("cannot sign in at {away}: ")),
            (&without_tls, "does not speak TLS as a TinyChat server does"),
            (&wrong_key, "is not the server that you named"),
            ("http://x", "\"http://x\" is not an address"),
        ] {
            desk.says(server);
            desk.sees(what);
            desk.until("the question", |state| {
                let screen = state.screen();
                ["Server:", "again):"].iter().any(|it| screen.trim_end().ends_with(it))
            });
            assert_eq!(people(world), [""; 0], "behind {server}");
        }
        desk.says(&hosted.address);
        face.is_there(&desk, "john");
        assert_eq!(people(world), ["john"]);
        desk.says("/QUIT");
        desk.ends(0);
        hosted.stop().await;
    });
}

#[test]
fn a_server_that_was_not_there_yet_is_tried_again_by_enter() {
    with_both_faces(async |world, face| {
        let address = free_address();
        let launch = newcomer(world, &address.to_string()).with(&["--tls", "off"]);
        let mut desk = face.open(launch.with(&["--user", "john"]));
        desk.sees(&format!("Server (Enter tries {address} again):"));
        let mut server = Launch::server(address, &world.path("server-1")).start();
        server.says("listening on").await;
        desk.says("");
        face.is_there(&desk, "john");
    });
}

#[test]
fn an_invitation_is_asked_for_until_it_is_good() {
    with_both_faces(async |world, face| {
        let (data, home) = (world.path("server-1"), world.path("config"));
        let hosted = Hosted::start(&["--registration", "invite"], &data).await;
        let invited = async || operate(&["invite"], &data).await.exited(0).lines()[0].clone();
        let (used, good) = (invited().await, invited().await);
        let anna = Launch::tinychat(&["--server", &used, "--user", "anna", "--to", "marie"]);
        anna.on(&world.path("anna")).pipe("").await.exited(0);
        let launch = newcomer(world, &hosted.address).variable("XDG_CONFIG_HOME", &home);
        let mut desk = face.open(launch.with(&["--user", "john"]));
        desk.sees("newcomers need an invitation here");
        desk.sees("The address with your invitation:");
        desk.says("please");
        desk.sees("that is no invitation");
        sees_times(&desk, "The address with your invitation: ", 2);
        desk.says(&used);
        desk.sees("the invitation was used");
        sees_times(&desk, "The address with your invitation: ", 3);
        assert_eq!(people(world), [""; 0]);
        desk.says(&good);
        desk.sees("[Y/n]");
        desk.says("");
        face.is_there(&desk, "john");
        let text = fs::read_to_string(home.join("tinychat/config.toml")).unwrap();
        let address = good.split("?invite=").next().unwrap();
        assert!(text.contains(&format!("\nserver = \"{address}#SHA256:")), "{text}");
        assert!(!text.contains("invite="), "it is good once: {text}");
        desk.says("/QUIT");
        desk.ends(0);
        hosted.stop().await;
    });
}

#[test]
fn who_leaves_at_a_question_leaves_no_folder_but_one_that_was_there() {
    with_both_faces(async |world, face| {
        let there = world.path("there");
        make_private(&there);
        fs::write(there.join("letter"), "mine").unwrap();
        let new = world.path("new");
        for (data, code, key) in [(&new, 130, "\u{3}"), (&new, 0, "\u{4}"), (&there, 130, "\u{3}")]
        {
            let launch = Launch::at(free_address(), "john", data).to("marie");
            let mut desk = face.open(launch);
            desk.sees("again):");
            desk.presses(key);
            desk.ends(code);
        }
        assert!(!new.exists());
        assert_eq!(names(&there), ["letter", "lock"]);
    });
}

#[test]
fn scripts_are_told_and_never_asked() {
    story(async |world| {
        world.sign_in("john").await.quit().await;
        let home = world.path("config");
        let script = async |flags: &[&str]| {
            let launch = newcomer_here(world).with(flags).variable("XDG_CONFIG_HOME", &home);
            launch.pipe("").await
        };
        let taken = script(&["--user", "john"]).await;
        taken.exited(1).said("belongs to somebody with another key").never_said("Your name");
        script(&["--user", "bob"]).await.exited(0).never_said("[Y/n]");
        assert!(!home.exists());
        let wrong = Launch::tinychat(&["--server", "two words", "--user", "carl"]).pipe("").await;
        wrong.exited(2).said("is not an address");
    });
}

#[test]
fn who_would_not_see_a_question_is_not_asked() {
    story(async |world| {
        let home = world.path("config");
        let launch = newcomer_here(world).with(&["--user", "john"]);
        let launch = launch.variable("XDG_CONFIG_HOME", &home);
        let mut desk = Desk::prepared(launch, "exec \"$@\" 2>/dev/null");
        Face::Full.is_there(&desk, "john");
        desk.says("/QUIT");
        desk.ends(0);
        assert!(!home.exists());
    });
}

#[test]
fn who_was_in_before_is_not_asked_and_the_server_is_waited_for() {
    with_both_faces(async |world, face| {
        let (address, data) = (free_address(), world.path("server-1"));
        let serve = async || {
            let mut server = Launch::server(address, &data).start();
            server.says("listening on").await;
            server
        };
        let john = || Launch::at(address, "john", &world.path("john")).to("marie");
        let server = serve().await;
        john().pipe("").await.exited(0);
        server.kill().await;
        let desk = face.open(john());
        match face {
            Face::Plain => desk.sees(&format!("the server {address} is away")),
            Face::Full => desk.sees("no server"),
        }
        let _server = serve().await;
        face.is_there(&desk, "john");
    });
}

// What is offered.

#[test]
fn what_worked_is_written_down_and_need_not_be_said_again() {
    with_both_faces(async |world, face| {
        let home = world.path("config");
        let launch = newcomer_here(world).variable("XDG_CONFIG_HOME", &home);
        let mut desk = face.open(launch);
        desk.sees("Your name:");
        desk.says("john");
        desk.sees("so that the next start needs no flags? [Y/n]");
        desk.says("perhaps");
        desk.sees("it is y or n");
        desk.says("Yes");
        face.is_there(&desk, "john");
        desk.says("/QUIT");
        desk.ends(0);
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let at_home = |words: &[&str]| {
            let launch = Launch::tinychat(words).variable("XDG_CONFIG_HOME", &home);
            launch.variable("XDG_DATA_HOME", world.path("home"))
        };
        at_home(&["send", "--to", "marie", "hi"]).pipe("").await.exited(0);
        marie.hears("john", 1, 1, "hi").await;
        let mut desk = face.open(at_home(&[]));
        face.is_there(&desk, "john");
        desk.says("no flags");
        marie.hears("john", 2, 2, "no flags").await;
        desk.says("/QUIT");
        assert!(!desk.ends(0).contains("[Y/n]"), "it is asked once");
    });
}

#[test]
fn who_declines_is_not_asked_again() {
    with_both_faces(async |world, face| {
        let home = world.path("config");
        let john = || {
            let launch = newcomer_here(world).with(&["--user", "john"]);
            launch.variable("XDG_CONFIG_HOME", &home)
        };
        for answer in ["n\r", ""] {
            let mut desk = face.open(john());
            if !answer.is_empty() {
                desk.sees("[Y/n]");
                desk.presses(answer);
            }
            face.is_there(&desk, "john");
            desk.says("/QUIT");
            let asked = desk.ends(0).contains("[Y/n]");
            assert_eq!(asked, !answer.is_empty());
        }
        assert!(!home.exists());
    });
}

// What was written for nobody.

#[test]
fn what_was_written_under_a_name_that_is_refused_is_said_to_stay_there() {
    story(async |world| {
        world.sign_in("john").await.quit().await;
        let data = world.path("john");
        let told = format!("kept in {} under the name john", data.display());
        let again = "under another one it has to be written again";
        let piped = Launch::of(world, "john").to("marie").pipe("one\n").await;
        piped.exited(3).said("1 message not sent").said(&told).said(again);
        let sent = Launch::of(world, "john").with(&["send", "--to", "marie", "two"]).pipe("").await;
        sent.never_said("goes out with the next run");
        // It may have heard of that before it wrote anything.
        if sent.code() != 1 {
            sent.exited(3).said(&told).said(again);
        }
        // Somebody was there before: nobody is asked, and nothing is removed.
        for face in [Face::Plain, Face::Full] {
            let desk = face.open(Launch::of(world, "john").to("marie"));
            let seen = desk.ends(3);
            assert!(seen.contains("under the name john") && !seen.contains("Your name"), "{seen}");
        }
        assert!(data.join("messages.db").exists());
    });
}
