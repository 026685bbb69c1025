//! The plain face on a (pseudo-)terminal: prompts, news, keys and colours.

use async_std::net::TcpListener;
use rexpect::session::{PtySession, spawn_command};

use crate::programs::{Launch, PATIENCE, free_address};
use crate::script::Stage;
use crate::world::{World, patiently, story};

/// Somebody who sits at a terminal with the plain face. Dropping it ends the client.
pub(crate) struct Terminal {
    session: PtySession,
    /// Everything that was on the screen so far.
    seen: String,
}

impl Terminal {
    /// Without colours, unless a story wants them.
    pub(crate) fn open(launch: Launch) -> Self {
        Self::open_coloured(launch.variable("NO_COLOR", "1"))
    }

    fn open_coloured(launch: Launch) -> Self {
        let patience = PATIENCE.as_millis().try_into().unwrap();
        let session =
            spawn_command(launch.with(&["--plain"]).into_command(), Some(patience)).unwrap();
        Self { session, seen: String::new() }
    }

    /// This comes on the screen, behind what was awaited before.
    #[track_caller]
    pub(crate) fn sees(&mut self, text: &str) {
        match self.session.exp_string(text) {
            Ok(before) => self.seen += &(before + text),
            Err(error) => panic!("waited in vain for {text:?}: {error}\nbefore: {}", self.seen),
        }
    }

    pub(crate) fn types(&mut self, line: &str) {
        self.session.send_line(line).unwrap();
    }

    /// Presses a key together with Ctrl.
    pub(crate) fn presses(&mut self, key: char) {
        self.session.send_control(key).unwrap();
    }

    /// The client ends with this exit code. Gives everything that was on the screen.
    #[track_caller]
    pub(crate) fn ends(mut self, code: i32) -> String {
        match self.session.exp_eof() {
            Ok(rest) => self.seen += &rest,
            Err(error) => panic!("waited in vain for the end: {error}\nbefore: {}", self.seen),
        }
        // Its type is not to be had from here, but it can be printed.
        let status = format!("{:?}", self.session.process().wait().unwrap());
        let exited = status.starts_with("Exited(") && status.ends_with(&format!(", {code})"));
        assert!(exited, "it exits with {code}, not {status}: {}", self.seen);
        self.seen
    }
}

/// John at a terminal, who talks to marie.
fn john(world: &World) -> Terminal {
    Terminal::open(Launch::of(world, "john").to("marie"))
}

// Questions.

#[test]
fn who_gives_no_names_is_asked_for_them() {
    story(async |world| {
        let server = world.address().to_string();
        let launch = Launch::tinychat(&["--server", &server, "--tls", "off"]);
        let mut john = Terminal::open(launch.variable("XDG_DATA_HOME", world.path("home")));
        john.sees("Your name: ");
        john.types("a:b");
        john.sees("no ':' and no '/'");
        john.sees("Your name: ");
        john.types("");
        john.sees("Your name: ");
        john.types(" john ");
        john.sees("Talk to: ");
        john.types("-marie");
        john.sees("tinychat: ");
        john.sees("Talk to: ");
        john.types("John");
        john.sees("nobody can talk to themselves");
        john.sees("Talk to: ");
        john.types("marie");
        john.sees("talking to marie, who is away");
        john.types("/QUIT");
        john.ends(0);
        assert!(world.path("home/tinychat/john/messages.db").exists());
    });
}

#[test]
fn who_gives_one_name_is_asked_for_the_other() {
    story(async |world| {
        let mut john = Terminal::open(Launch::of(world, "john"));
        john.sees("Talk to: ");
        john.types("marie");
        john.sees("talking to marie");
        john.types("QUIT");
        assert!(!john.ends(0).contains("Your name"));

        let (server, data) = (world.address().to_string(), world.path("anna"));
        let flags = ["--server", &server, "--tls", "off", "--to", "marie"];
        let mut anna = Terminal::open(Launch::tinychat(&flags).on(&data));
        anna.sees("Your name: ");
        anna.types("anna");
        anna.sees("talking to marie");
        anna.types("QUIT");
        assert!(!anna.ends(0).contains("Talk to: "));
    });
}

#[test]
fn a_question_can_be_left() {
    for (key, code) in [('c', 130), ('d', 0)] {
        let mut somebody = Terminal::open(Launch::tinychat(&[]));
        somebody.sees("Your name: ");
        somebody.presses(key);
        somebody.ends(code);
    }
}

// Conversations.

#[test]
fn words_go_both_ways_and_news_are_told() {
    story(async |world| {
        let mut john = john(world);
        john.sees(&format!("-- connected to {} as john", world.address()));
        john.sees("-- talking to marie, who is away");
        let mut marie = world.sign_in("marie").await;
        john.sees("-- marie has come");
        marie.talk("john").await;
        john.types("hello");
        marie.hears("john", 1, 1, "hello").await;
        marie.say("john", 1, "hi there").await;
        john.sees("marie: hi there");
        marie.quit().await;
        john.sees("-- marie has left");
        john.types("/QUIT");
        john.ends(0);
    });
}

#[test]
fn what_waited_is_announced_and_shown() {
    story(async |world| {
        Launch::of(world, "marie").to("john").pipe("one\ntwo\n").await.exited(0);
        let mut john = john(world);
        john.sees("talking to marie, who is away; what you write waits there; 2 messages for you");
        john.sees("marie: one");
        john.sees("marie: two");
        john.types("/QUIT");
        john.ends(0);
    });
}

#[test]
fn who_speaks_in_another_conversation_is_announced_once() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = john(world);
        john.sees("talking to marie, who is online");
        marie.say("john", 1, "to you").await;
        john.sees("marie: to you");
        john.types("/TALK anna");
        john.sees("talking to anna");
        for n in 2..=4 {
            marie.say("john", n, &format!("message {n}")).await;
            john.sees(&format!("marie: message {n}"));
        }
        john.types("/TALK marie");
        john.sees("talking to marie");
        john.types("here I am");
        marie.hears("john", 1, 1, "here I am").await;
        john.types("/QUIT");
        let screen = john.ends(0);
        assert_eq!(screen.matches("marie speaks to you; /TALK marie to answer").count(), 1);
        let (first, second) = screen.split_once("talking to anna").unwrap();
        assert!(!first.contains("speaks to you") && second.contains("speaks to you"), "{screen}");
    });
}

#[test]
fn who_writes_without_being_talked_to_is_announced() {
    story(async |world| {
        let mut john = john(world);
        john.sees("talking to marie");
        Launch::of(world, "anna").to("john").pipe("psst\n").await.exited(0);
        john.sees("-- 1 message from anna, who is new to you; /TALK anna to read");
        john.types("/TALK anna");
        john.sees("anna: psst");
        john.types("/QUIT");
        assert_eq!(john.ends(0).matches("psst").count(), 1);
    });
}

#[test]
fn a_line_without_words_is_not_sent() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = john(world);
        john.sees("talking to marie");
        for line in ["", "", "hello", "", "you"] {
            john.types(line);
        }
        marie.hears("john", 1, 1, "hello").await;
        marie.hears("john", 2, 2, "you").await;
    });
}

#[test]
fn a_mistake_at_a_terminal_is_forgiven() {
    story(async |world| {
        let mut john = john(world);
        john.sees("talking to marie");
        john.types("/tlak anna");
        john.sees("did you mean /TALK?");
        john.types("/CLOSE");
        john.sees("closed the conversation with marie");
        john.types("hello?");
        john.sees("nobody to talk to");
        john.types("/ONLINE");
        john.sees("1 online: john");
        john.types("/QUIT");
        john.ends(0);
    });
}

#[test]
fn who_writes_a_thousand_times_is_announced_a_few_times() {
    story(async |world| {
        for follows in [false, true] {
            let stage = Stage::open().await;
            let john = Launch::at(stage.address(), "john", &world.path("john")).to("marie");
            let waiting: Vec<_> = (1..=1000).map(|n| format!("WAITING mallory {n}")).collect();
            let waiting: Vec<_> = waiting.iter().map(String::as_str).collect();
            let talking = "TALKING marie away 0 0 0 0 0";
            let all = "1000 messages from mallory, who is new to you";
            let seen = if follows {
                let mut john = john.with(&["--follow"]).start();
                let mut server = stage.receive_talking("TALK marie 0", talking).await;
                server.say_all(&waiting).await;
                john.says(all).await;
                john.signal("INT");
                john.end().await.err
            } else {
                let mut john = Terminal::open(john);
                let mut server = stage.receive_talking("TALK marie 0", talking).await;
                server.say_all(&waiting).await;
                john.sees(all);
                john.presses('c');
                john.ends(130)
            };
            let lines = seen.matches("from mallory").count();
            assert!(lines <= 8, "{lines} lines: {seen}");
        }
    });
}

// Leaving.

#[test]
fn there_are_three_ways_to_be_done() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        for (n, quit) in (1..).zip(["QUIT", "/quit", "Ctrl-D"]) {
            let mut john = john(world);
            john.sees("talking to marie");
            john.types(&format!("message {n}"));
            match quit {
                "Ctrl-D" => john.presses('d'),
                word => john.types(word),
            }
            john.ends(0);
            marie.hears("john", n, n, &format!("message {n}")).await;
        }
    });
}

#[test]
fn ctrl_c_leaves_at_once() {
    story(async |world| {
        let mut john = john(world);
        john.sees("talking to marie");
        john.presses('c');
        assert!(!john.ends(130).contains("not sent"));
    });
}

#[test]
fn ctrl_c_counts_what_is_not_sent() {
    story(async |world| {
        // It was there before.
        Launch::of(world, "john").to("marie").pipe("").await.exited(0);
        let away = free_address();
        let launch = Launch::at(away, "john", &world.path("john")).to("marie");
        let mut john = Terminal::open(launch);
        john.sees(&format!("the server {away} is away"));
        john.types("one");
        john.types("two");
        john.types("/QUIT");
        john.sees("waiting for the server to send what is written; Ctrl-C leaves at once");
        john.presses('c');
        john.sees("2 messages not sent yet; kept, and sent next time");
        john.ends(130);
    });
}

#[test]
fn on_a_terminal_the_client_tries_again_without_end() {
    story(async |world| {
        // It was there before.
        Launch::of(world, "john").to("marie").pipe("").await.exited(0);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let launch = Launch::at(address, "john", &world.path("john")).to("marie");
        let mut john = Terminal::open(launch.with(&["--timeout", "1"]));
        // Between the first and the sixth lie at least three seconds, by the client's own pauses.
        for _ in 0..6 {
            drop(patiently("the client tries to connect", listener.accept()).await.unwrap());
        }
        john.sees(&format!("the server {address} is away"));
        john.types("/HELP");
        john.sees("/QUIT");
        john.presses('c');
        let screen = john.ends(130);
        assert_eq!(screen.matches("is away").count(), 1, "said once: {screen}");
        assert!(!screen.contains("gave up"), "{screen}");
    });
}

// What became of messages.

#[test]
fn a_run_of_messages_that_were_stored_or_delivered_is_one_line() {
    story(async |world| {
        let stage = Stage::open().await;
        let launch = Launch::at(stage.address(), "john", &world.path("john")).to("marie");
        let mut john = Terminal::open(launch);
        let mut server =
            stage.receive_talking("TALK marie 0", "TALKING marie away 0 0 0 0 0").await;
        john.types("one");
        server.expect_messages("marie", 1, &["one"]).await;
        server.say("STORED marie 1").await;
        john.sees("-- stored: 1 message to marie");
        john.types("two");
        john.types("three");
        server.expect_messages("marie", 2, &["two", "three"]).await;
        // A message that is delivered at once needs no other line.
        server.say_all(&["STORED marie 2", "STORED marie 3", "DELIVERED marie 3"]).await;
        john.sees("-- delivered: 3 messages to marie");
        john.types("/STATUS");
        john.sees("-- all that you wrote is delivered");
        john.presses('c');
        let screen = john.ends(130);
        for news in ["stored: ", "delivered: "] {
            assert_eq!(screen.matches(news).count(), 1, "{news}{screen}");
        }
    });
}

// Colours.

#[test]
fn notes_are_dimmed_and_names_bold_unless_colours_are_unwanted() {
    story(async |world| {
        Launch::of(world, "marie").to("john").pipe("hello\n").await.exited(0);
        let mut john = Terminal::open_coloured(Launch::of(world, "john").to("marie"));
        john.sees("\u{1b}[2m-- talking to marie");
        john.sees("\u{1b}[0m");
        john.sees("\u{1b}[1m~ marie:\u{1b}[0m hello");
        john.types("/QUIT");
        john.ends(0);
    });
}

#[test]
fn without_colours_there_are_none_and_on_a_dumb_terminal_no_escape() {
    story(async |world| {
        Launch::of(world, "marie").to("john").pipe("hello\n\u{1b}[31mred\n").await.exited(0);
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let launch = Launch::of(world, "john").to("marie").variable(name, value);
            let mut john = Terminal::open_coloured(launch);
            john.sees("talking to marie");
            john.types("/HELP");
            john.sees("//text");
            john.types("/nonsense");
            john.sees("there is no command /NONSENSE");
            john.types("/QUIT");
            let screen = john.ends(0);
            // Where lines are edited, escapes draw the line.
            let last = |it: &str| it.chars().find(char::is_ascii_alphabetic);
            let coloured = screen.split("\u{1b}[").skip(1).any(|it| last(it) == Some('m'));
            assert!(!coloured, "{name}: {screen:?}");
            assert!(name == "NO_COLOR" || !screen.contains('\u{1b}'), "{name}: {screen:?}");
        }
    });
}
