//! The client as a Unix filter: what goes in, what comes out, and what it exits with.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use tinychat::ui::typing::command::COMMANDS;
use tinychat::wire::MAX_TEXT;

use crate::programs::{Launch, Program, numbered};
use crate::world::{Peer, World, story};

/// What somebody has been sent so far.
pub(crate) async fn read_all(world: &World, name: &str, from: &str) -> Vec<String> {
    let finished = Launch::of(world, name).to(from).pipe("").await;
    finished.exited(0).lines()
}

/// John's client, which talks to a marie who speaks the raw protocol and has heard of his coming.
async fn follow(world: &World, marie: &mut Peer) -> Program {
    marie.talk("john").await;
    let john = Launch::of(world, "john").to("marie").with(&["--follow", "--commands"]).start();
    marie.expect("PRESENCE john online").await;
    john
}

/// John's client, whose lines may be commands.
fn commanded(world: &World) -> Launch {
    Launch::of(world, "john").with_commands()
}

// Messages.

#[test]
fn what_john_pipes_waits_for_marie() {
    story(async |world| {
        let john = Launch::of(world, "john").to("marie").pipe("hello\nhow are you?\n").await;
        john.exited(0).printed(&[]).was_quiet();
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&["john: hello", "john: how are you?"]).was_quiet();
        assert_eq!(read_all(world, "marie", "john").await, [""; 0], "once is enough");
    });
}

#[test]
fn a_last_line_needs_no_end_and_windows_ends_lines_differently() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("one\r\ntwo").await.exited(0);
        assert_eq!(read_all(world, "marie", "john").await, ["john: one", "john: two"]);
    });
}

#[test]
fn ten_thousand_lines_arrive_in_order() {
    story(async |world| {
        let mut marie = Launch::of(world, "marie").to("john").with(&["--follow"]).start();
        let john = Launch::of(world, "john").to("marie").pipe(numbered(1..=10_000)).await;
        john.exited(0).was_quiet();
        marie.prints_all((1..=10_000).map(|n| format!("john: message {n}"))).await;
        marie.signal("TERM");
        let marie = marie.finish().await;
        assert_eq!(marie.exited(143).lines().len(), 10_000);
    });
}

#[test]
fn a_blank_line_is_an_empty_message() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("one\n\ntwo\n").await.exited(0).was_quiet();
        assert_eq!(read_all(world, "marie", "john").await, ["john: one", "john: ", "john: two"]);
    });
}

#[test]
fn a_log_gives_no_orders() {
    story(async |world| {
        let secret = world.path("id_rsa");
        std::fs::write(&secret, "secret").unwrap();
        let send = format!("/SEND {}", secret.display());
        let log = ["/TALK mallory", &send, "/dev/sda1 50%", "//x", "/", "QUIT", "/QUIT", "the end"];
        let john = Launch::of(world, "john").to("marie").pipe(log.join("\n")).await;
        john.exited(0).printed(&[]).was_quiet();
        let all = log.map(|line| format!("john: {line}"));
        assert_eq!(read_all(world, "marie", "john").await, all);
        assert_eq!(read_all(world, "mallory", "john").await, [""; 0]);
        // Somebody who wants commands says so.
        let lines = "/TALK anna\nto anna\n//x\nQUIT\nnot sent\n";
        commanded(world).to("marie").pipe(lines).await.exited(0).was_quiet();
        assert_eq!(read_all(world, "anna", "john").await, ["john: to anna", "john: /x"]);
    });
}

#[test]
fn a_command_that_begins_with_two_slashes_is_sent_with_one() {
    story(async |world| {
        let john = commanded(world).to("marie").pipe("//etc/passwd\n///\n").await;
        john.exited(0).was_quiet();
        assert_eq!(read_all(world, "marie", "john").await, ["john: /etc/passwd", "john: //"]);
    });
}

#[test]
fn the_longest_message_is_sent_and_a_longer_one_refused() {
    story(async |world| {
        let longest = "x".repeat(MAX_TEXT);
        let slashes = format!("//{}", "y".repeat(MAX_TEXT - 1));
        let lines = ["before", &longest, &slashes, &format!("{longest}x"), "after"];
        let john = commanded(world).to("marie").pipe(lines.join("\n")).await;
        john.exited(1).said("line 4 has 65537 bytes, and a message at most 65536");
        let expected = ["before", &longest, &slashes[1..], "after"].map(|it| format!("john: {it}"));
        assert!(read_all(world, "marie", "john").await == expected, "all but the longer one");
    });
}

#[test]
fn a_line_without_end_in_sight_costs_its_own_line_alone() {
    story(async |world| {
        let flood = "x".repeat(20 * MAX_TEXT);
        let john = Launch::of(world, "john").to("marie").pipe(format!("a\n{flood}\nb\n")).await;
        john.exited(1)
            .said("line 2 has 1310720 bytes, and a message at most 65536; send --file sends");
        assert_eq!(read_all(world, "marie", "john").await, ["john: a", "john: b"]);
    });
}

#[test]
fn a_line_that_is_not_utf8_costs_itself_alone() {
    story(async |world| {
        let john = Launch::of(world, "john").to("marie").pipe(*b"a\n\xff\xfe\nb\n").await;
        john.exited(1)
            .said("line 2 is not UTF-8 (its byte 1 is 0xff): iconv")
            .said("it was not sent");
        assert_eq!(read_all(world, "marie", "john").await, ["john: a", "john: b"]);
    });
}

#[test]
fn every_line_of_a_message_says_whose_it_is() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.say("john", 1, "one\nanna: two\r\n\nfour").await;
        marie.expect("STORED john 1").await;
        let john = read_all(world, "john", "marie").await;
        assert_eq!(john, ["marie: one", "marie: anna: two", "marie: ", "marie: four"]);
    });
}

#[test]
fn nothing_in_a_message_steers_a_terminal() {
    story(async |world| {
        let evil = "\u{1b}[2J\u{9b}31m\u{7}\u{202e}red\u{2066}\u{200b}\tgr\u{fc}n";
        let shown = "\u{fffd}[2J\u{fffd}31m\u{fffd}\u{fffd}red\u{fffd}\u{200b}    gr\u{fc}n";
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.say("john", 1, evil).await;
        marie.expect("STORED john 1").await;
        let john = Launch::of(world, "john").to("marie").pipe(format!("{evil}\n")).await;
        john.exited(0).printed(&[&format!("marie: {shown}")]);
        marie.hears("john", 1, 1, evil).await;
        marie.quit().await;
        Launch::of(world, "john").to("anna").pipe(format!("{evil}\n")).await.exited(0);
        assert_eq!(read_all(world, "anna", "john").await, [format!("john: {shown}")]);
    });
}

#[test]
fn a_message_of_an_unknown_kind_is_announced_and_not_printed() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie
            .send_bytes(b"MSG john 1 00000000000000000000000000000001 picture 0 3\r\nabc\r\n")
            .await;
        marie.expect("STORED john 1").await;
        let john = Launch::of(world, "john").to("marie").pipe("").await;
        john.exited(0).printed(&[]).said("marie sent something of kind picture");
    });
}

// The end of input, and what follows.

#[test]
fn quit_in_any_spelling_is_the_end_of_input() {
    story(async |world| {
        for (n, quit) in (1..).zip(["/QUIT", "/quit", "QUIT"]) {
            let input = format!("message {n}\n{quit}\nnot sent\n");
            let john = commanded(world).to("marie").start();
            john.types(input);
            // Its input stays open: it is the line that ends it.
            john.end().await.exited(0).was_quiet();
        }
        let expected = ["john: message 1", "john: message 2", "john: message 3"];
        assert_eq!(read_all(world, "marie", "john").await, expected);
    });
}

#[test]
fn quit_in_small_letters_is_a_word_like_others() {
    story(async |world| {
        commanded(world).to("marie").pipe("quit\nQUIT now\n").await.exited(0);
        assert_eq!(read_all(world, "marie", "john").await, ["john: quit", "john: QUIT now"]);
    });
}

#[test]
fn who_follows_listens_on_until_a_signal_comes() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        story(async |world| {
            let mut marie = world.sign_in("marie").await;
            let mut john = follow(world, &mut marie).await;
            john.types("hello\n");
            john.ends_input();
            marie.hears("john", 1, 1, "hello").await;
            for n in 1..=3 {
                marie.say("john", n, &format!("answer {n}")).await;
                john.prints(&format!("marie: answer {n}")).await;
            }
            john.signal(signal);
            john.end().await.exited(code);
        });
    }
}

#[test]
fn a_signal_ends_a_client_whose_input_is_open() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let john = Launch::of(world, "john").to("marie").start();
        john.types("hello\n");
        marie.hears("john", 1, 1, "hello").await;
        john.signal("TERM");
        john.end().await.exited(143).printed(&[]);
    });
}

#[test]
fn a_client_whose_reader_goes_away_ends_in_peace() {
    story(async |world| {
        let john = Launch::of(world, "john").to("marie").pipe(numbered(1..=5_000)).await;
        john.exited(0);
        let mut marie = Launch::of(world, "marie").to("john").read_only(1).start();
        marie.prints("john: message 1").await;
        marie.close_output().await;
        let seen = marie.finish().await;
        seen.exited(0).never_said("panicked");
        // What nobody read is shown next time. Of what was in the pipe nobody can know.
        let rest = read_all(world, "marie", "john").await;
        assert_eq!(rest.last().map(String::as_str), Some("john: message 5000"));
        assert!(rest.len() < 5_000, "what was read is not shown again");
    });
}

#[test]
fn a_client_that_cannot_print_says_so_and_keeps_what_it_could_not_show() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("hello\nyou\n").await.exited(0);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let marie = Launch::of(world, "marie").to("john").printing_to(full).pipe("").await;
        marie.exited(1).said("cannot print");
        assert_eq!(marie.err.matches("cannot print").count(), 1, "said once: {}", marie.err);
        assert_eq!(read_all(world, "marie", "john").await, ["john: hello", "john: you"]);
    });
}

#[test]
fn a_client_that_cannot_read_its_input_says_so() {
    story(async |world| {
        let folder = File::open("/").unwrap();
        let john = Launch::of(world, "john").to("marie").reading(folder).start();
        john.end().await.exited(1).said("cannot read the input");
    });
}

#[test]
fn a_signal_ends_a_client_whose_output_nobody_reads() {
    story(async |world| {
        let (_unread, output) = full_pipe();
        let mut john = world.sign_in("john").await;
        john.talk("marie").await;
        let marie = Launch::of(world, "marie").to("john").with(&["--follow"]);
        let marie = marie.printing_to(output).start();
        john.expect("PRESENCE marie online").await;
        john.say("marie", 1, "hello").await;
        // It has the message, and cannot print it.
        john.expect("DELIVERED marie 1").await;
        marie.signal("TERM");
        marie.exits(143).await;
    });
}

/// Both ends of a pipe that takes no byte more.
fn full_pipe() -> (UnixStream, OwnedFd) {
    let (end, output) = UnixStream::pair().unwrap();
    output.set_nonblocking(true).unwrap();
    while (&output).write(&[0; 1024]).is_ok() {}
    output.set_nonblocking(false).unwrap();
    (end, output.into())
}

// Commands.

#[test]
fn an_unknown_command_is_explained_and_never_sent() {
    story(async |world| {
        let input = "one\n/tlak anna\n/etc/passwd\ntwo\n";
        let john = commanded(world).to("marie").pipe(input).await;
        john.exited(1).printed(&[]);
        john.said("no command /TLAK; did you mean /TALK?").said("no command /ETC/PASSWD;");
        john.said("nothing was sent");
        assert_eq!(read_all(world, "marie", "john").await, ["john: one", "john: two"]);
    });
}

#[test]
fn talk_says_to_whom_the_next_lines_go() {
    story(async |world| {
        let input = "/TALK marie\nfor marie\n/talk anna\nfor anna\n/Talk Marie\nmarie again\n";
        let john = commanded(world).pipe(input).await;
        john.exited(0).printed(&[]).was_quiet();
        assert_eq!(
            read_all(world, "marie", "john").await,
            ["john: for marie", "john: marie again"]
        );
        assert_eq!(read_all(world, "anna", "john").await, ["john: for anna"]);
    });
}

#[test]
fn each_incoming_line_says_who_speaks() {
    story(async |world| {
        Launch::of(world, "marie").to("john").pipe("from marie\n").await.exited(0);
        Launch::of(world, "anna").to("john").pipe("from anna\n").await.exited(0);
        let john = commanded(world).to("marie").pipe("/TALK anna\n").await;
        let mut lines = john.exited(0).lines();
        lines.sort();
        assert_eq!(lines, ["anna: from anna", "marie: from marie"]);
    });
}

#[test]
fn somebody_who_was_not_talked_to_is_announced_and_waits() {
    story(async |world| {
        Launch::of(world, "anna").to("john").pipe("psst\nhey\n").await.exited(0);
        let mut marie = world.sign_in("marie").await;
        let mut john = follow(world, &mut marie).await;
        john.says("2 messages from anna, who is new to you; /TALK anna to read").await;
        marie.say("john", 1, "hello").await;
        john.prints("marie: hello").await;
        john.types("/TALK anna\n");
        john.prints_all(["anna: psst".into(), "anna: hey".into()]).await;
    });
}

#[test]
fn a_closed_conversation_is_silent_until_it_is_opened_again() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        let mut john = follow(world, &mut marie).await;
        marie.say("john", 1, "before").await;
        john.prints("marie: before").await;
        john.types("/CLOSE\nto whom?\n/ONLINE\n");
        john.says("nobody to talk to").await;
        // The server answers in order: it has closed the conversation.
        john.says("2 online").await;
        marie.say("john", 2, "after").await;
        john.says("1 message from marie; /TALK marie to read").await;
        john.types("/TALK marie\nback\n");
        john.prints("marie: after").await;
        marie.hears("john", 1, 1, "back").await;
        john.types("/CLOSE marie\n/CLOSE marie\n");
        john.says("no conversation with marie is open").await;
        john.signal("INT");
        john.end().await.exited(130).printed(&["marie: before", "marie: after"]);
    });
}

#[test]
fn opening_and_closing_again_and_again_shows_each_message_once() {
    story(async |world| {
        Launch::of(world, "marie").to("john").pipe(numbered(1..=3_000)).await.exited(0);
        let flapping = "/CLOSE\n/TALK marie\n".repeat(200);
        let john = commanded(world).to("marie").pipe(flapping).await;
        let expected: Vec<_> = (1..=3_000).map(|n| format!("marie: message {n}")).collect();
        assert!(john.exited(0).lines() == expected, "got {:?}", first_difference(&john.lines()));
    });
}

/// Where numbered lines stop being numbered.
fn first_difference(lines: &[String]) -> Option<(usize, &[String])> {
    let is_right = |(n, line): (usize, &String)| *line == format!("marie: message {}", n + 1);
    let at = lines.iter().enumerate().position(|it| !is_right(it))?;
    Some((at, &lines[at.saturating_sub(2)..lines.len().min(at + 4)]))
}

#[test]
fn online_lists_people_on_standard_error() {
    story(async |world| {
        let _anna = world.sign_in("anna").await;
        let john = commanded(world).to("marie").pipe("/online\n").await;
        john.exited(0).printed(&[]).said("1 online: anna");
        let mut john = commanded(world).with(&["--follow"]).start();
        john.types("/ONLINE\n");
        john.says("2 online: anna, john").await;
    });
}

#[test]
fn help_prints_every_command_on_standard_error() {
    story(async |world| {
        let john = commanded(world).to("marie").pipe("/Help\n").await;
        john.exited(0).printed(&[]);
        for command in COMMANDS {
            john.said(command.usage).said(command.help);
        }
    });
}

#[test]
fn what_a_command_does_not_take_is_refused() {
    story(async |world| {
        let john = commanded(world).to("marie").pipe("/TALK a:b\n/ONLINE now\nx\n").await;
        john.exited(1).said("usage: /TALK name").said("usage: /ONLINE");
        assert_eq!(read_all(world, "marie", "john").await, ["john: x"]);
    });
}

#[test]
fn a_line_to_nobody_is_refused() {
    story(async |world| {
        let john = commanded(world).pipe("hello?\n").await;
        john.exited(1).printed(&[]).said("nobody to talk to; /TALK name first. It was not sent");
        let john = Launch::of(world, "john").pipe("hello?\n").await;
        john.exited(1).printed(&[]).said("nobody to talk to; give --to. It was not sent");
    });
}

#[test]
fn nobody_talks_to_themselves() {
    story(async |world| {
        let john = commanded(world).to("John").pipe("/TALK john\n/TALK marie\nx\n").await;
        john.exited(1).printed(&[]).said("nobody can talk to themselves");
        assert_eq!(read_all(world, "marie", "john").await, ["john: x"]);
    });
}

// Names and flags.

#[test]
fn a_name_that_belongs_to_another_is_refused_at_once() {
    story(async |world| {
        world.sign_in("john").await.quit().await;
        let john = Launch::of(world, "john").to("marie").with(&["--timeout", "5m"]);
        let john = john.pipe("hello\n").await;
        john.exited(3).printed(&[]).said("the name belongs to somebody with another key");
        john.never_said("trying again");
    });
}

#[test]
fn names_are_one_in_any_case() {
    story(async |world| {
        Launch::of(world, "JOHN").to("Marie").pipe("hello\n").await.exited(0);
        assert_eq!(read_all(world, "marie", "john").await, ["john: hello"]);
    });
}

#[test]
fn without_a_terminal_nobody_is_asked_for_a_name() {
    story(async |world| {
        let server = world.address().to_string();
        let nobody = Launch::tinychat(&["--server", &server, "--to", "marie"]).pipe("x\n").await;
        nobody.exited(2).printed(&[]).said("--user is needed").never_said("Your name");
    });
}

#[test]
fn wrong_flags_exit_with_two_and_say_where_help_is() {
    story(async |world| {
        for flags in [
            &["--nonsense"][..],
            &["--user"],
            &["--user", "a:b"],
            &["--user", "john", "--to", ""],
            &["--user", "john", "--timeout", "soon"],
            &["word"],
        ] {
            let wrong = Launch::tinychat(flags).pipe("").await;
            wrong.exited(2).printed(&[]).said("`tinychat --help` lists the flags");
        }
        assert!(!world.path("john").exists());
    });
}

#[test]
fn an_address_that_is_none_is_refused() {
    story(async |world| {
        for address in ["http://localhost", "localhost:0", "localhost:99999", ""] {
            let john = Launch::at(address, "john", &world.path("john")).pipe("").await;
            john.exited(2).printed(&[]).said("is not an address; write it as host or host:port");
        }
    });
}

#[test]
fn help_and_version_need_no_server() {
    story(async |_| {
        let help = Launch::tinychat(&["--help"]).pipe("").await;
        help.exited(0).was_quiet();
        for flag in ["--server", "--user", "--to", "--data", "--follow", "--timeout", "--plain"] {
            assert!(help.text().contains(flag), "{flag} in {}", help.text());
        }
        let version = Launch::tinychat(&["--version"]).pipe("").await;
        version.exited(0).printed(&[concat!("tinychat ", env!("CARGO_PKG_VERSION"))]);
    });
}

#[test]
fn a_flag_may_be_joined_to_its_value() {
    story(async |world| {
        let server = format!("--server={}", world.address());
        let data = format!("--data={}", world.path("john").display());
        let names = ["--user=john", "--to=marie"];
        let flags = [&server, "--tls=off", &data, names[0], names[1], "--timeout=30s", "--plain"];
        Launch::tinychat(&flags).pipe("hello\n").await.exited(0).was_quiet();
        assert_eq!(read_all(world, "marie", "john").await, ["john: hello"]);
    });
}

#[test]
fn many_conversations_are_opened_at_once() {
    story(async |world| {
        let script: String = (1..=20).map(|n| format!("/TALK peer{n}\nhello {n}\n")).collect();
        commanded(world).pipe(script).await.exited(0).printed(&[]).was_quiet();
        let peer = Launch::of(world, "peer20").to("john").pipe("").await;
        peer.exited(0).printed(&["john: hello 20"]);
    });
}
