//! Terminals that never answer, measure text in their own way, are stopped, hang up, or take nothing for a
//! while; and shells with jobs.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Command;

use rexpect::process::{PtyProcess, Signal};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::termios::{InputModes, LocalModes, OptionalActions, OutputModes};
use rustix::termios::{tcgetattr, tcsetattr};

use crate::glass::{Glass, MEASURES, Measure};
use crate::programs::Launch;
use crate::screen::{Desk, desk, is_said_in};
use crate::world::{Peer, World, story};

const ESC: &str = "\u{1b}";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const CTRL_F: &str = "\u{6}";
const CTRL_J: &str = "\n";
const CTRL_L: &str = "\u{c}";
const CTRL_Z: &str = "\u{1a}";
const F1: &str = "\u{1b}OP";
const PAGE_UP: &str = "\u{1b}[5~";

/// What terminals measure differently. Each is said at the beginning of a message, in its middle, and so
/// that it comes to the edge of 80 columns.
const HARD: &[&str] = &[
    "❤\u{fe0f}",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦",
    "🇫🇷🇩🇪",
    "🇫",
    "👍🏽",
    "🏽",
    "1\u{fe0f}\u{20e3}",
    "ที่กำ",
    "क्षि नमस्ते",
    "e\u{301}o\u{308}\u{301}",
    "日本語",
    "한국어",
    "שלום",
];

/// What asks a terminal for something.
const QUESTIONS: &[&str] = &[
    "\u{1b}[5n",
    "\u{1b}[6n",
    "\u{1b}[?6n",
    "\u{1b}[c",
    "\u{1b}[0c",
    "\u{1b}[>c",
    "\u{1b}[>0c",
    "\u{1b}[=c",
    "\u{1b}[>q",
    "\u{1b}[>0q",
    "$p",
    "\u{1b}[?u",
    "a=q",
    "\u{1b}[14t",
    "\u{1b}[16t",
    "\u{1b}[18t",
    "\u{1b}[21t",
    "\u{1b}P+q",
    ";?\u{7}",
    ";?\u{1b}\\",
];

/// What terminals answer to those who asked before.
const ANSWERS: &str = "\u{1b}[5;5R\u{1b}[?62;22c\u{1b}[?0u";

#[track_caller]
fn asserts_nothing_asked(raw: &str) {
    for question in QUESTIONS {
        assert!(!raw.contains(question), "{question:?} is a question");
    }
}

/// Has the screen drawn wholly, and sees that nothing was on it that does not belong there, however the
/// terminal measures text.
#[track_caller]
fn asserts_fresh(desk: &mut Desk) {
    let cells = |desk: &Desk| MEASURES.map(|it| (it, desk.glass(it)));
    let (before, mark) = (cells(desk), desk.mark());
    // That draws anew, whatever is in front.
    desk.is_signalled(Signal::SIGCONT);
    desk.sees_all_drawn_since(mark);
    for ((measure, before), (_, fresh)) in before.iter().zip(&cells(desk)) {
        for (y, (row, fresh_row)) in before.cells().iter().zip(fresh.cells()).enumerate() {
            assert_eq!(*row, fresh_row, "row {y} of\n{}\n{measure:?}", before.rows().join("\n"));
        }
        let cursor = |glass: &Glass| glass.shows_cursor().then(|| glass.cursor());
        assert_eq!(cursor(before), cursor(fresh), "{measure:?}");
    }
}

/// Presses keys, and sees what comes of it at the end of a drawing.
#[track_caller]
fn presses_and_sees(desk: &mut Desk, keys: &str, text: &str) {
    let mark = desk.mark();
    desk.presses(keys);
    desk.sees(text);
    desk.came_since(mark);
}

/// Says all that is hard to measure.
async fn says_hard_things(peer: &mut Peer, to: &str) -> u64 {
    let mut n = 0;
    for hard in HARD {
        n += 1;
        let edge = "x".repeat(79 - 28 - n as usize % 5);
        let text = format!("{hard} {n} {hard}{hard}\n{edge}{hard}{hard}");
        peer.say(to, n, &text).await;
    }
    n
}

#[test]
fn whatever_was_in_sight_leaves_nothing_behind_however_a_terminal_measures() {
    story(async |world| {
        let (mut alice, mut bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        alice.talk("john").await;
        bob.talk("john").await;
        let mut john = desk(world, "john", "alice");
        john.sees("alice online");
        says_hard_things(&mut alice, "john").await;
        alice.say("john", HARD.len() as u64 + 1, "all of it").await;
        for n in 1..=9 {
            bob.say("john", n, &format!("plain words {n}")).await;
        }
        john.sees("alice: all of it");
        john.presses(&format!("{ESC}[F"));
        john.sees("?9");
        // Nothing changes by itself from now on.
        alice.quit().await;
        bob.quit().await;
        john.sees("alice away");
        presses_and_sees(&mut john, "a", "a");
        asserts_fresh(&mut john);
        // Rows of hearts and families are in sight.
        let mark = john.mark();
        presses_and_sees(&mut john, "b", "ab");
        let bytes = john.came_since(mark).len();
        assert!(bytes < 400, "{bytes} bytes for one letter");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, PAGE_UP, "alice away");
        presses_and_sees(&mut john, "c", "abc");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, &format!("{ESC}2"), "bob, who is new to you");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, "\r", "bob: plain words 9");
        john.sees("bob away");
        john.is_drawn();
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, &format!("{ESC}1"), "abc");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, F1, "Alt-Enter");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, &format!("{ESC}[6~"), "/");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, F1, "abc");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, CTRL_F, "Find");
        presses_and_sees(&mut john, "plain", "> plain");
        john.sees_no_more("(searching)");
        john.is_drawn();
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, CTRL_C, "abc");
        asserts_fresh(&mut john);
        for (size, draft) in [((33, 9), "abcd"), ((100, 30), "abcde"), ((80, 24), "abcdef")] {
            let mark = john.mark();
            john.resizes(size);
            john.sees_all_drawn_since(mark);
            presses_and_sees(&mut john, &draft[draft.len() - 1..], draft);
            asserts_fresh(&mut john);
        }
        presses_and_sees(&mut john, &format!("{} end", HARD.join(" ")), " end");
        asserts_fresh(&mut john);
        presses_and_sees(&mut john, &format!("{CTRL_C}still here"), "still here");
        asserts_fresh(&mut john);
        john.presses(&CTRL_C.repeat(3));
        asserts_nothing_asked(&john.ends(0));
    });
}

#[test]
fn answers_that_nobody_asked_for_are_no_keys() {
    story(async |world| {
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        presses_and_sees(&mut john, "before", "before");
        john.presses(ANSWERS);
        presses_and_sees(&mut john, " and after", "before and after");
        // The half of one is the last that came when the size changes.
        john.presses("\u{1b}[5");
        let mark = john.mark();
        john.resizes((60, 12));
        john.sees_all_drawn_since(mark);
        presses_and_sees(&mut john, "~!", "before and after!");
        john.presses(&CTRL_C.repeat(3));
        asserts_nothing_asked(&john.ends(0));
    });
}

#[test]
fn alt_enter_and_ctrl_j_begin_new_lines() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = desk(world, "john", "marie");
        john.sees("marie online");
        john.says(&format!("one{CTRL_J}two{ESC}\rthree"));
        marie.hears("john", 1, 1, "one\ntwo\nthree").await;
    });
}

// The modes, and the wheel.

/// What comes in this order.
#[track_caller]
fn asserts_in_order(raw: &str, parts: &[&str]) {
    let mut rest = raw;
    for part in parts {
        let found = rest.split_once(part);
        rest = found.unwrap_or_else(|| panic!("{part:?} is missing in {rest:?}")).1;
    }
}

#[test]
fn what_is_set_is_saved_before_and_put_back_behind() {
    story(async |world| {
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        john.presses(&CTRL_C.repeat(2));
        let raw = john.ends(0);
        let (begin, _) = raw.split_once("\u{1b}[?2026h").unwrap();
        let (_, end) = raw.rsplit_once("\u{1b}[?2026h").unwrap();
        let (_, end) = end.split_once("\u{1b}[?2026l").unwrap();
        let modes = ["\u{1b}[?7s\u{1b}[?7l", "\u{1b}[?1007s\u{1b}[?1007l"];
        asserts_in_order(
            begin,
            &["\u{1b}[22;0t", "\u{1b}[?1049h", "\u{1b}[2J", modes[0], modes[1]],
        );
        asserts_in_order(begin, &["\u{1b}[?1036s\u{1b}[?1036h", "\u{1b}[?2004h", "\u{1b}[?1004h"]);
        assert!(!begin.contains("\u{1b}[?1000h"), "nobody wants the mouse");
        asserts_in_order(
            end,
            &[
                "\u{1b}[?2026l",
                "\u{1b}[?1004l",
                "\u{1b}[?2004l",
                "\u{1b}[?1036r",
                "\u{1b}[?1007h\u{1b}[?1007r",
                "\u{1b}[?7h\u{1b}[?7r",
                "\u{1b}[2J",
                "\u{1b}[?1049l",
                "\u{1b}[23;0t",
                "\u{1b}[?25h",
            ],
        );
        assert!(raw.contains("marie - TinyChat"), "that is its title meanwhile");
    });
}

#[test]
fn the_wheel_scrolls_where_it_is_wanted() {
    story(async |world| {
        let home = world.path("config");
        std::fs::create_dir_all(home.join("tinychat")).unwrap();
        std::fs::write(home.join("tinychat/config.toml"), "mouse = \"on\"\n").unwrap();
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        for n in 1..=60 {
            alice.say("john", n, &format!("stop {n}")).await;
        }
        let launch = Launch::of(world, "john").to("alice").variable("XDG_CONFIG_HOME", home);
        let mut john = Desk::open(launch);
        john.sees("alice: stop 1");
        john.presses(&format!("{ESC}[F"));
        john.sees("alice: stop 60");
        john.presses(&format!("{ESC}[<64;40;5M"));
        john.sees_no_more("alice: stop 60");
        john.sees("alice: stop 57");
        john.presses(&format!("{ESC}[<65;40;5M"));
        john.sees("alice: stop 60");
        john.presses(&CTRL_C.repeat(2));
        let raw = john.ends(0);
        asserts_in_order(
            &raw,
            &["\u{1b}[?1000h", "\u{1b}[?1006h", "\u{1b}[?1006l", "\u{1b}[?1000l"],
        );
    });
}

// Stopped and continued.

/// What a shell does to its terminal.
fn makes_cooked(terminal: &File) {
    let mut modes = tcgetattr(terminal).unwrap();
    modes.local_modes |= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    modes.input_modes |= InputModes::ICRNL;
    modes.output_modes |= OutputModes::OPOST;
    tcsetattr(terminal, OptionalActions::Now, &modes).unwrap();
}

#[test]
fn who_is_stopped_from_outside_has_a_raw_terminal_and_a_whole_screen_afterwards() {
    story(async |world| {
        let mut john = desk(world, "john", "marie");
        john.sees("marie away | you: john online");
        presses_and_sees(&mut john, "half", "half");
        for time in 1..=2 {
            john.is_signalled(Signal::SIGSTOP);
            let stopped = waitid(WaitId::Pid(john.process()), WaitIdOptions::STOPPED).unwrap();
            assert!(stopped.is_some_and(|it| it.stopped()));
            makes_cooked(john.terminal());
            let mark = john.mark();
            john.is_signalled(Signal::SIGCONT);
            john.sees_all_drawn_since(mark);
            assert!(john.is_raw());
            presses_and_sees(&mut john, "!", &format!("half{}", "!".repeat(time)));
        }
        asserts_fresh(&mut john);
        let saved = john.glass(Measure::Clusters);
        assert!(!saved.wraps());
        john.presses(&CTRL_C.repeat(3));
        john.until("the end", |state| state.screen().is_empty());
        let end = john.glass(Measure::Clusters);
        john.ends(0);
        assert!(end.wraps(), "lines are wrapped as before");
        assert_eq!(end.title(), "", "each title that was pushed is popped");
        assert!(end.titles().is_empty());
    });
}

/// Says something to john, whose client takes it.
async fn says_and_is_heard(peer: &mut Peer, n: u64, text: &str) {
    peer.say("john", n, text).await;
    let delivered = format!("DELIVERED john {n}");
    while peer.next().await != delivered {}
}

/// A shell with jobs, where `"$@"` is the client.
fn shell(world: &World, shell: &str, name: &str, to: &str) -> Desk {
    let script = format!("unset ENV; PS1='at your service> ' HISTFILE= exec {shell} -s \"$@\"");
    let launch = Launch::of(world, name).to(to).variable("BASH_SILENCE_DEPRECATION_WARNING", "1");
    let desk = Desk::prepared(launch, &script);
    desk.sees("at your service>");
    desk
}

const SHELLS: [&str; 2] = ["bash --norc --noprofile -i", "sh -i"];

/// The shell reads and obeys.
#[track_caller]
fn asserts_shell_is_there(john: &mut Desk, number: u32) {
    john.says(&format!("echo the shell is $(({number}+1))"));
    john.sees(&format!("the shell is {}", number + 1));
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_the_screen_back() {
    for kind in SHELLS {
        story(async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("john").await;
            let mut john = shell(world, kind, "john", "alice");
            john.says("\"$@\"");
            john.sees("alice online");
            presses_and_sees(&mut john, "half a thought", "half a thought");
            // What was typed is kept while it is stopped.
            john.presses(CTRL_Z);
            john.sees("at your service>");
            let remembered = std::fs::read_to_string(world.path("john/screen.json")).unwrap();
            assert!(remembered.contains("half a thought"));
            assert!(!john.is_on_the_other_screen());
            asserts_shell_is_there(&mut john, 41);
            john.says("stty sane; stty -a");
            john.sees(" icanon ");
            let mark = john.mark();
            john.says("fg");
            john.sees_all_drawn_since(mark);
            john.sees("half a thought");
            john.sees("john online");
            assert!(john.is_raw() && john.is_on_the_other_screen());
            presses_and_sees(&mut john, " more", "half a thought more");
            asserts_fresh_by_key(&mut john);
            john.presses(&CTRL_C.repeat(3));
            john.sees("at your service>");
            john.says("exit 7");
            john.ends(7);
        });
    }
}

/// Has the screen drawn wholly by a key, and sees that it was right.
#[track_caller]
fn asserts_fresh_by_key(desk: &mut Desk) {
    let (before, mark) = (desk.glass(Measure::Clusters), desk.mark());
    desk.presses(CTRL_L);
    desk.sees_all_drawn_since(mark);
    assert_eq!(before.cells(), desk.glass(Measure::Clusters).cells());
}

#[test]
fn in_the_background_it_goes_on_and_keeps_off_the_terminal() {
    for kind in SHELLS {
        story(async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("john").await;
            let mut john = shell(world, kind, "john", "alice");
            john.says("\"$@\"");
            john.sees("alice online");
            alice.expect("PRESENCE john online").await;
            john.presses(CTRL_Z);
            john.sees("at your service>");
            asserts_shell_is_there(&mut john, 10);
            let mark = john.mark();
            john.says("bg");
            says_and_is_heard(&mut alice, 1, "are you there?").await;
            for number in 20..30 {
                asserts_shell_is_there(&mut john, number);
            }
            says_and_is_heard(&mut alice, 2, "still?").await;
            john.says("jobs");
            john.sees("Running");
            john.until("nothing of the client", |state| {
                let came = String::from_utf8_lossy(state.since(mark)).into_owned();
                !["\u{1b}[?2026", "\u{1b}[?1049", "TinyChat", "are you"]
                    .iter()
                    .any(|it| came.contains(it))
            });
            let mark = john.mark();
            john.says("fg");
            john.sees_all_drawn_since(mark);
            john.sees("alice: are you there?");
            john.sees("alice: still?");
            assert!(john.is_raw());
            presses_and_sees(&mut john, "yes", "yes");
            john.presses("\r");
            alice.hears("john", 1, 1, "yes").await;
            john.presses(&CTRL_C.repeat(2));
            john.sees("at your service>");
            john.says("exit 7");
            john.ends(7);
        });
    }
}

#[test]
fn who_is_stopped_by_others_and_put_into_the_background_keeps_off_the_terminal() {
    for kind in SHELLS {
        story(async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("john").await;
            let mut john = shell(world, kind, "john", "alice");
            john.says("\"$@\"");
            john.sees("alice online");
            alice.expect("PRESENCE john online").await;
            let group = rustix::termios::tcgetpgrp(john.terminal()).unwrap();
            let mark = john.mark();
            rustix::process::kill_process_group(group, rustix::process::Signal::STOP).unwrap();
            john.until("the shell", |state| {
                String::from_utf8_lossy(state.since(mark)).contains("at your service>")
            });
            // Not every shell makes the terminal cooked again, where Enter would end a line.
            john.presses("stty sane\nbg\n");
            says_and_is_heard(&mut alice, 1, "are you there?").await;
            asserts_shell_is_there(&mut john, 20);
            john.says("jobs");
            john.sees("Running");
            let mark = john.mark();
            john.says("fg");
            john.sees_all_drawn_since(mark);
            john.sees("alice: are you there?");
            assert!(john.is_raw());
            presses_and_sees(&mut john, "yes", "yes");
            asserts_fresh_by_key(&mut john);
            john.presses(&CTRL_C.repeat(3));
            john.sees("at your service>");
            assert!(!john.is_on_the_other_screen());
            john.says("exit 7");
            john.ends(7);
        });
    }
}

#[test]
fn where_nobody_would_continue_it_ctrl_z_stops_nothing() {
    story(async |world| {
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        let mark = john.mark();
        john.presses(CTRL_Z);
        john.sees_all_drawn_since(mark);
        presses_and_sees(&mut john, "still here", "still here");
        assert!(john.is_raw());
        john.presses(&CTRL_C.repeat(3));
        john.ends(0);
    });
}

// The end.

/// A way in which the client ends, and what it exits with.
struct End {
    code: i32,
    comes: fn(&World, &mut Desk),
}

const ENDS: [End; 5] = [
    // In another conversation, in which nothing is written.
    End { code: 0, comes: |_, john| john.presses(&format!("{ESC}2{CTRL_D}")) },
    End { code: 130, comes: |_, john| john.is_signalled(Signal::SIGINT) },
    End { code: 143, comes: |_, john| john.is_signalled(Signal::SIGTERM) },
    End { code: 129, comes: |_, john| john.is_signalled(Signal::SIGHUP) },
    End { code: 1, comes: |world, john| takes_over(world, john) },
];

/// Another client of the same person signs in.
fn takes_over(world: &World, john: &Desk) {
    let there = world.path("elsewhere");
    std::fs::create_dir_all(&there).unwrap();
    std::fs::copy(world.path("john").join("id_ed25519"), there.join("id_ed25519")).unwrap();
    let mut other = Desk::open(Launch::at(world.address(), "john", &there).to("alice"));
    other.sees("john online");
    john.until("the end", |state| state.ended());
    other.presses(&CTRL_C.repeat(2));
    other.ends(0);
}

/// John at alice's 60 messages, who has read to the end, gone back, and begun to write.
async fn reads_and_writes(world: &World) -> (Desk, Vec<String>) {
    let (mut alice, mut bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
    alice.talk("john").await;
    bob.talk("john").await;
    for n in 1..=60 {
        alice.say("john", n, &format!("stop {n}")).await;
    }
    let mut john = desk(world, "john", "alice");
    john.sees("alice: stop 1");
    bob.say("john", 1, "me too").await;
    john.sees("?1");
    john.presses(&format!("{ESC}[F"));
    john.sees("alice: stop 60");
    john.presses(PAGE_UP);
    john.sees_no_more("alice: stop 60");
    let rows = john.rows()[1..20].to_vec();
    alice.quit().await;
    bob.quit().await;
    (john, rows)
}

#[track_caller]
fn asserts_kept(world: &World, draft: &str, rows: &[String]) {
    let mut john = desk(world, "john", "alice");
    john.sees(draft);
    john.until("the same place", |state| state.rows()[1..20] == *rows);
    john.presses(&format!("{CTRL_C}{ESC}[F"));
    john.sees("alice: stop 60");
    assert!(!john.rows().iter().any(|it| it.contains("unread")), "all was read");
    john.presses(&CTRL_C.repeat(2));
    john.ends(0);
}

#[test]
fn however_it_ends_the_last_key_the_place_and_what_was_read_are_kept() {
    for End { code, comes } in ENDS {
        story(async |world| {
            let (mut john, rows) = reads_and_writes(world).await;
            presses_and_sees(&mut john, "half a thought", "half a thought");
            // Of these the end itself has to take care.
            john.presses(" more");
            john.sees("half a thought more");
            comes(world, &mut john);
            let raw = john.ends(code);
            asserts_in_order(
                &raw,
                &["\u{1b}[22;0t", "\u{1b}[2J\u{1b}[1;1H\u{1b}[?1049l", "\u{1b}[23;0t"],
            );
            asserts_kept(world, "half a thought more", &rows);
        });
    }
}

/// Tells the test below that it is a terminal which a story starts, and what runs there.
const HOLDS: &str = "TINYCHAT_TEST_HOLDS";

/// A terminal inside the terminal, which goes away when the program that holds it is killed.
#[test]
fn a_program_holds_a_terminal() {
    let Ok(script) = std::env::var(HOLDS) else { return };
    let mut outside = tcgetattr(rustix::stdio::stdin()).unwrap();
    outside.make_raw();
    tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &outside).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    let inside = PtyProcess::new(shell).unwrap();
    let (mut keys, mut shown) =
        (inside.get_file_handle().unwrap(), inside.get_file_handle().unwrap());
    std::thread::spawn(move || std::io::copy(&mut std::io::stdin(), &mut keys));
    let mut buffer = [0; 4096];
    // The end of a terminal is an error.
    while let Ok(count @ 1..) = shown.read(&mut buffer) {
        std::io::stdout().write_all(&buffer[..count]).unwrap();
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_it_and_takes_nothing_away() {
    story(async |world| {
        let (first, rows) = reads_and_writes(world).await;
        drop(first);
        let status = world.path("status");
        let inner = format!(
            "trap : HUP; stty echo cols 80 rows 24; {}; echo $? > {}.new; mv {}.new {}",
            "\"$CLIENT\" --user john --server \"$SERVER\" --tls off --data \"$DATA\" --to alice",
            status.display(),
            status.display(),
            status.display(),
        );
        let holder = std::env::current_exe().unwrap();
        let launch = Launch::program(holder.to_str().unwrap())
            .with(&["--exact", "terminals::a_program_holds_a_terminal", "--nocapture"])
            .variable(HOLDS, inner)
            .variable("CLIENT", env!("CARGO_BIN_EXE_tinychat"))
            .variable("SERVER", world.address().to_string())
            .variable("DATA", world.path("john"));
        let mut john = Desk::open(launch);
        john.until("the same place", |state| state.rows()[1..20] == *rows);
        presses_and_sees(&mut john, "half a thought", "half a thought");
        john.is_signalled(Signal::SIGKILL);
        john.awaits("the exit code", || status.exists());
        drop(john);
        assert_eq!(std::fs::read_to_string(&status).unwrap().trim(), "129");
        asserts_kept(world, "half a thought", &rows);
    });
}

// A terminal that takes nothing for a while.

/// Tells this test that it is a program which a story starts, and that has the terminal not wait.
const HASTENS: &str = "TINYCHAT_TEST_HASTENS";

/// What a program may do to a terminal that it shares with others, and forget to undo.
#[test]
fn a_program_has_the_terminal_not_wait_for_whoever_writes() {
    if std::env::var_os(HASTENS).is_some() {
        let flags = fcntl_getfl(rustix::stdio::stdin()).unwrap();
        fcntl_setfl(rustix::stdio::stdin(), flags | OFlags::NONBLOCK).unwrap();
    }
}

/// At a terminal that does not wait.
fn hasty(launch: Launch) -> Desk {
    let name = "terminals::a_program_has_the_terminal_not_wait_for_whoever_writes";
    let script = format!(
        "{HASTENS}=1 '{}' --exact {name} >/dev/null 2>&1; exec \"$@\"",
        std::env::current_exe().unwrap().display()
    );
    Desk::prepared(launch, &script)
}

#[test]
fn a_terminal_that_takes_nothing_for_a_while_shows_all_of_it_afterwards() {
    let open: [fn(Launch) -> Desk; 2] = [hasty, Desk::open];
    for (open, does_not_wait) in open.into_iter().zip([true, false]) {
        story(async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("john").await;
            let n = says_hard_things(&mut alice, "john").await;
            alice.talk_until_stored("john").await;
            alice.quit().await;
            let mut john = open(Launch::of(world, "john").to("alice"));
            john.sees("alice: ");
            john.presses(&format!("{ESC}[F"));
            john.sees("alice away");
            presses_and_sees(&mut john, "half", "half");
            john.stalls(true);
            // More than any terminal takes that nobody reads.
            john.presses(&CTRL_L.repeat(60));
            john.presses(" a thought");
            if does_not_wait {
                let screen = world.path("john/screen.json");
                // It lives on for keys, too.
                john.awaits("what was typed", || is_said_in(&screen, "half a thought"));
            }
            let mut alice = world.sign_in("alice").await;
            alice.talk("john").await;
            says_and_is_heard(&mut alice, n + 1, "can you hear me?").await;
            alice.quit().await;
            john.stalls(false);
            john.sees("can you hear me?");
            john.sees("alice away");
            presses_and_sees(&mut john, ".", "half a thought.");
            asserts_fresh(&mut john);
            john.presses(&CTRL_C.repeat(3));
            john.ends(0);
        });
    }
}
