//! The line that is edited at a terminal without the full screen, seen by a terminal emulator that never answers a
//! question.

use std::fs;

use crate::programs::{Launch, send_signal};
use crate::screen::Desk;
use crate::script::Stage;
use crate::world::{World, story};

const ENTER: &str = "\r";
const TAB: &str = "\t";
const UP: &str = "\u{1b}[A";
const HOME: &str = "\u{1b}[H";
const CTRL_A: &str = "\u{1}";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const CTRL_R: &str = "\u{12}";
const CTRL_U: &str = "\u{15}";
const CTRL_Z: &str = "\u{1a}";

fn plain(launch: Launch) -> Desk {
    Desk::open(launch.with(&["--plain"]).variable("NO_COLOR", "1"))
}

/// John, who talks to marie.
fn john(world: &World) -> Desk {
    plain(Launch::of(world, "john").to("marie"))
}

/// The rows that have something in them.
fn rows(desk: &Desk) -> Vec<String> {
    desk.rows().into_iter().filter(|row| !row.is_empty()).collect()
}

#[test]
fn what_comes_while_one_types_stands_above_the_line() {
    story(async |world| {
        let mut john = john(world);
        john.sees("talking to marie, who is away");
        john.presses("half a");
        john.sees("half a");
        let mut marie = world.sign_in("marie").await;
        john.sees("-- marie has come");
        marie.talk("john").await;
        for n in 1..=30 {
            marie.say("john", n, &format!("message {n}")).await;
        }
        john.sees("marie: message 30\nhalf a");
        assert_eq!(rows(&john).len(), 24, "{:?}", rows(&john));
        john.presses(" line");
        john.sees("\nhalf a line");
        john.presses(&format!("{CTRL_A}not {HOME}or {ENTER}"));
        marie.hears("john", 1, 1, "or not half a line").await;
        john.sees("marie: message 30\nor not half a line\n");
        let shown = rows(&john);
        // He is told, in several rows.
        let unsealed = "marie has no keys here yet, so says the server; what you write now can be read by whoever runs it and by whoever takes the name (/SEAL ALWAYS, or --seal always, has it wait for marie); ~ marks it";
        let clean = |row: &String| {
            // She writes in the clear.
            row.starts_with("~ marie: ")
                || row.starts_with("or not")
                || row.starts_with("-- ")
                || unsealed.contains(row.trim())
        };
        assert!(shown.iter().all(clean), "{shown:?}");
        john.presses(CTRL_D);
        let raw = john.ends(0);
        for question in ["[6n", "[5n", "[c", "[>c", "[>q", "[?u", "[14t", "[18t", "]11;?"] {
            assert!(!raw.contains(&format!("\u{1b}{question}")), "{question}: {raw:?}");
        }
    });
}

#[test]
fn a_line_takes_one_row_however_long_and_wide_it_is() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = john(world);
        john.sees("talking to marie, who is online");
        let long = "日本 👩‍👩‍👧 ❤️ e\u{301} ".repeat(700);
        john.presses(&format!("\u{1b}[200~{long}\u{1b}[201~."));
        john.sees("e\u{301} .");
        let line = rows(&john).pop().unwrap();
        assert!(line.starts_with('<'), "{line:?}");
        let before = rows(&john).len();
        marie.say("john", 1, "hello").await;
        john.sees(&format!("marie: hello\n{line}"));
        assert_eq!(rows(&john).len(), before + 1, "{:?}", rows(&john));
        john.presses(HOME);
        john.sees("marie: hello\n日本");
        john.resizes((20, 24));
        john.sees("e\u{301} >");
        john.presses(ENTER);
        marie.hears("john", 1, 1, &format!("{long}.")).await;
        john.presses(CTRL_C);
        john.ends(130);
    });
}

#[test]
fn the_longest_message_can_be_typed() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = john(world);
        john.sees("talking to marie, who is online");
        let longest = "x".repeat(64 * 1024);
        john.presses(&format!("\u{1b}[200~{longest}\u{1b}[201~{ENTER}"));
        marie.hears("john", 1, 1, &longest).await;
        john.presses(&format!("\u{1b}[200~/{longest}x\u{1b}[201~{ENTER}"));
        john.sees("tinychat: a line has at most 65536 bytes; it was not sent");
        john.says("QUIT");
        john.ends(0);
    });
}

#[test]
fn each_line_of_a_paste_is_a_message() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = john(world);
        john.sees("talking to marie, who is online");
        john.presses("\u{1b}[200~one\r\ntwo\rthr\u{1b}[201~");
        marie.hears("john", 1, 1, "one").await;
        marie.hears("john", 2, 2, "two").await;
        john.sees("one\ntwo\n");
        john.says("ee");
        marie.hears("john", 3, 3, "three").await;
        john.says("QUIT");
        john.ends(0);
    });
}

#[test]
fn what_was_typed_comes_back_but_for_answers_to_questions() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = plain(Launch::of(world, "john"));
        john.sees("Talk to: ");
        john.says("marie");
        john.sees("talking to marie, who is online");
        john.presses(&format!("{UP}{ENTER}"));
        john.says("hello");
        john.says("help me");
        john.says("bye");
        john.presses(&format!("{UP}{UP}"));
        john.sees("bye\nhelp me");
        john.presses(&format!("{UP}{UP}{UP}!{ENTER}"));
        for (n, text) in (1..).zip(["hello", "help me", "bye", "hello!"]) {
            marie.hears("john", n, n, text).await;
        }
        john.presses(&format!("{CTRL_R}el"));
        john.sees("search: el  hello!");
        john.presses(CTRL_R);
        john.sees("search: el  help me");
        john.presses(ENTER);
        marie.hears("john", 5, 5, "help me").await;
        john.presses(CTRL_C);
        john.ends(130);
    });
}

#[test]
fn commands_names_and_paths_are_completed() {
    story(async |world| {
        let mut marius = world.sign_in("marius").await;
        let mut john = john(world);
        john.sees("talking to marie, who is away");
        john.says("/ONLINE");
        john.sees("2 online: john, marius");
        john.presses(&format!("/s{TAB}"));
        john.sees("-- /SEND  /SAVE  /STATUS  /SEAL  /SEARCH\n/s");
        john.presses(&format!("{CTRL_U}/ta{TAB}mar{TAB}{TAB}"));
        john.sees("-- marie  marius\n/TALK mari");
        john.presses(&format!("u{TAB}{ENTER}"));
        john.sees("talking to marius, who is online");
        marius.talk("john").await;
        fs::write(world.path("the cat.txt"), "meow").unwrap();
        john.presses(&format!("/send {}/the{TAB}", world.path("").display()));
        john.sees("the\\ cat.txt ");
        john.says("my cat");
        john.sees("a file for marius waits here");
        john.says("QUIT");
        john.ends(3);
    });
}

#[test]
fn messages_that_go_into_a_file_go_there_alone() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let file = world.path("messages");
        let command = Launch::of(world, "john").to("marie").with(&["--plain"]).into_command();
        let script = format!("\"$@\" > {}", file.display());
        let mut words = vec!["-c", &script, "sh", command.get_program().to_str().unwrap()];
        words.extend(command.get_args().map(|word| word.to_str().unwrap()));
        let mut john = Desk::open(Launch::program("sh").with(&words));
        john.sees("talking to marie, who is online");
        john.presses("half");
        john.sees("\nhalf");
        marie.say("john", 1, "hello").await;
        marie.quit().await;
        john.sees("-- marie has left\nhalf");
        john.presses(&format!("{CTRL_U}QUIT{ENTER}"));
        john.ends(0);
        assert_eq!(fs::read_to_string(file).unwrap(), "marie: hello\n");
    });
}

#[test]
fn however_it_ends_the_terminal_is_as_it_was() {
    story(async |world| {
        for (end, code) in [("QUIT", 0), ("Ctrl-D", 0), ("Ctrl-C", 130), ("SIGTERM", 143)] {
            let mut john = john(world);
            john.sees("talking to marie, who is away");
            match end {
                "QUIT" => john.says("QUIT"),
                "Ctrl-D" => john.presses(CTRL_D),
                _ => {
                    john.presses("half a line");
                    john.sees("\nhalf a line");
                    match end {
                        "SIGTERM" => john.is_told_to_end(),
                        _ => john.presses(CTRL_C),
                    }
                }
            }
            john.ends(code);
        }
        let stage = Stage::open().await;
        let mut john = plain(Launch::at(stage.address(), "john", &world.path("john")).to("marie"));
        let mut server =
            stage.receive_talking("TALK marie 0", "TALKING marie away 0 0 0 0 0").await;
        john.sees("talking to marie, who is away");
        john.presses("half a line");
        john.sees("\nhalf a line");
        server.say("BYE replaced another one").await;
        john.sees("half a line\ntinychat: signed in elsewhere with the same key");
        john.ends(1);
    });
}

#[test]
fn a_stop_gives_the_terminal_back_and_fg_goes_on() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let command = Launch::of(world, "john").to("marie").with(&["--plain"]).into_command();
        let pid = world.path("pid");
        let script = format!(
            "set -m; \"$@\"; jobs -p > {}; stty -a; echo stopped; read -r line; fg; \
             echo again; read -r line; fg; echo \"exit $?\"",
            pid.display()
        );
        let mut words = vec!["-c", &script, "sh", command.get_program().to_str().unwrap()];
        words.extend(command.get_args().map(|word| word.to_str().unwrap()));
        let mut john = Desk::open(Launch::program("sh").with(&words));
        john.sees("talking to marie, who is online");
        john.presses("half");
        john.sees("\nhalf");
        john.presses(CTRL_Z);
        john.sees("stopped");
        let shown = rows(&john).join("\n");
        assert!(shown.contains(" icanon ") && shown.contains(" echo "), "{shown}");
        marie.say("john", 1, "hello").await;
        john.presses("\n");
        john.sees("marie: hello\nhalf");
        john.presses(&format!(" a line{ENTER}"));
        marie.hears("john", 1, 1, "half a line").await;
        // The same by somebody else.
        let pid = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        assert!(send_signal(pid, "STOP"));
        john.sees("again");
        john.presses(&format!("\n/ta{TAB}"));
        john.sees("\n/TALK");
        john.presses(&format!("{CTRL_U}QUIT{ENTER}"));
        john.sees("exit 0");
        john.ends(0);
    });
}
