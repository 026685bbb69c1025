//! The full screen on a (pseudo-)terminal, seen by a terminal emulator.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rexpect::process::{PtyProcess, Signal, WaitStatus};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::glass::{Glass, Measure};
use crate::programs::{Launch, PATIENCE};
use crate::world::{World, story};

const ESC: &str = "\u{1b}";
const PAGE_UP: &str = "\u{1b}[5~";
const ALT_ENTER: &str = "\u{1b}\r";
const ENTER: &str = "\r";

/// The size that the program finds as it starts.
const SIZE: (u16, u16) = (80, 24);

/// What ends each drawing.
const DRAWN: &[u8] = b"\x1b[?2026l";

/// How often it looks for what the terminal does not tell.
const LOOK: Duration = Duration::from_millis(20);

/// After so many milliseconds a program of a story that failed is killed: some shells ignore all else.
const KILL_AFTER: u64 = 10_000;

/// Somebody who sits at the full screen. Dropping it ends the client.
pub(crate) struct Desk {
    process: PtyProcess,
    terminal: File,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    state: Mutex<Option<State>>,
    news: Condvar,
}

pub(crate) struct State {
    emulator: vt100::Parser,
    /// All that came, as it came.
    raw: Vec<u8>,
    /// The sizes of the terminal, each from so many bytes on.
    sizes: Vec<(usize, (u16, u16))>,
    /// Nobody reads what comes.
    stalled: bool,
    ended: bool,
}

impl State {
    /// What came behind so many bytes.
    pub(crate) fn since(&self, mark: usize) -> &[u8] {
        &self.raw[mark..]
    }

    /// What is to be read on it.
    pub(crate) fn screen(&self) -> String {
        self.emulator.screen().contents()
    }

    /// Whether the program has ended.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn rows(&self) -> Vec<String> {
        let screen = self.emulator.screen();
        let (_, width) = screen.size();
        screen.rows(0, width.get()).map(|row| row.trim_end().to_string()).collect()
    }
}

impl Desk {
    /// On a terminal of 80 by 24 cells, which the program finds as it starts.
    pub(crate) fn open(launch: Launch) -> Self {
        Self::prepared(launch, "exec \"$@\"")
    }

    /// The same, where a shell runs this: the program and its flags are `"$@"`.
    pub(crate) fn prepared(launch: Launch, script: &str) -> Self {
        let (width, height) = SIZE;
        Self::begin(launch, &format!("stty echo cols {width} rows {height}; {script}"))
    }

    /// On such a terminal, which says how many pixels a cell has. It says something else before the program is there.
    pub(crate) fn open_measured(launch: Launch, ahead: &str) -> Self {
        let mut desk = Self::begin(launch, "read -r begin; stty echo cols 80 rows 24; exec \"$@\"");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 800, ws_ypixel: 480 };
        tcsetwinsize(&desk.terminal, size).unwrap();
        desk.presses(&format!("begin\n{ahead}"));
        desk
    }

    fn begin(launch: Launch, script: &str) -> Self {
        let command = launch.into_command();
        let mut shell = Launch::program("sh").with(&["-c", script, "sh"]).into_command();
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            shell.env(name, value);
        }
        let mut process = PtyProcess::new(shell).unwrap();
        process.set_kill_timeout(Some(KILL_AFTER));
        let terminal = process.get_file_handle().unwrap();
        let (width, height) = SIZE;
        let emulator = vt100::Parser::new(size(height), size(width), 0);
        let (raw, sizes) = (Vec::new(), vec![(0, SIZE)]);
        let state = State { emulator, raw, sizes, stalled: false, ended: false };
        let seen = Arc::new(Seen { state: Mutex::new(Some(state)), news: Condvar::new() });
        let (from, into) = (terminal.try_clone().unwrap(), seen.clone());
        thread::spawn(move || into.watch(from));
        Self { process, terminal, seen }
    }

    pub(crate) fn presses(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line and sends it.
    pub(crate) fn says(&mut self, text: &str) {
        self.presses(text);
        self.presses(ENTER);
    }

    /// The screen comes to have this on it.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) {
        self.until(text, |state| state.emulator.screen().contents().contains(text));
    }

    /// The screen comes to have this on it no more.
    #[track_caller]
    pub(crate) fn sees_no_more(&self, text: &str) {
        let what = format!("the end of {text}");
        self.until(&what, |state| !state.emulator.screen().contents().contains(text));
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let mut state = self.seen.state.lock().unwrap();
        let waits = |state: &Option<State>| {
            let state = state.as_ref().unwrap();
            !is_so(state) && !state.ended
        };
        let since = Instant::now();
        while waits(&state) && since.elapsed() < PATIENCE {
            // It may be something else than the screen, of which nobody tells.
            state = self.seen.news.wait_timeout(state, LOOK).unwrap().0;
        }
        let state = state.as_ref().unwrap();
        let screen = state.emulator.screen().contents();
        assert!(is_so(state), "waited in vain for {what:?} on the screen:\n{screen}");
    }

    /// How much has come so far.
    pub(crate) fn mark(&self) -> usize {
        self.seen.state.lock().unwrap().as_ref().unwrap().raw.len()
    }

    /// Behind so many bytes the screen comes to be drawn wholly. Gives what came.
    #[track_caller]
    pub(crate) fn sees_all_drawn_since(&self, mark: usize) -> Vec<u8> {
        self.until("all drawn anew", |state| {
            let came = state.since(mark);
            came.windows(4).any(|it| it == b"\x1b[2J") && came.ends_with(DRAWN)
        });
        let state = self.seen.state.lock().unwrap();
        state.as_ref().unwrap().since(mark).to_vec()
    }

    /// What came behind so many bytes, once the drawing that is coming is there.
    #[track_caller]
    pub(crate) fn came_since(&self, mark: usize) -> Vec<u8> {
        self.until("a drawing", |state| state.since(mark).ends_with(DRAWN));
        let state = self.seen.state.lock().unwrap();
        state.as_ref().unwrap().since(mark).to_vec()
    }

    /// No drawing is in the middle.
    #[track_caller]
    pub(crate) fn is_drawn(&self) {
        self.until("the end of a drawing", |state| state.raw.ends_with(DRAWN));
    }

    /// What a terminal shows that measures text in its own way and was told the same.
    pub(crate) fn glass(&self, measure: Measure) -> Glass {
        let state = self.seen.state.lock().unwrap();
        let State { raw, sizes, .. } = state.as_ref().unwrap();
        let mut glass = Glass::new(measure, SIZE);
        let ends = sizes.iter().skip(1).map(|(from, _)| *from).chain([raw.len()]);
        for ((from, size), end) in sizes.iter().zip(ends) {
            glass.resize(*size);
            glass.take(&raw[*from..end]);
        }
        glass
    }

    /// Nobody reads what comes from now on, until somebody does.
    pub(crate) fn stalls(&self, stalled: bool) {
        self.seen.state.lock().unwrap().as_mut().unwrap().stalled = stalled;
        self.seen.news.notify_all();
    }

    pub(crate) fn is_signalled(&mut self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> rustix::process::Pid {
        rustix::termios::tcgetsid(&self.terminal).unwrap()
    }

    /// The terminal itself.
    pub(crate) fn terminal(&self) -> &File {
        &self.terminal
    }

    /// Whether it is not the shell's screen that is in sight.
    pub(crate) fn is_on_the_other_screen(&self) -> bool {
        let state = self.seen.state.lock().unwrap();
        state.as_ref().unwrap().emulator.screen().alternate_screen()
    }

    /// Whether keys come one by one, and are not echoed.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        !modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Something comes to be so that is not on the screen, whether the program has ended or not.
    #[track_caller]
    pub(crate) fn awaits(&self, what: &str, is_so: impl Fn() -> bool) {
        let mut state = self.seen.state.lock().unwrap();
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
            state = self.seen.news.wait_timeout(state, LOOK).unwrap().0;
        }
    }

    /// A cell comes to have this colour.
    #[track_caller]
    pub(crate) fn sees_colour(&self, (r, g, b): (u8, u8, u8)) {
        self.until(&format!("colour {r} {g} {b}"), |state| {
            let screen = state.emulator.screen();
            let (height, width) = screen.size();
            let mut cells = (0..height.get()).flat_map(|y| (0..width.get()).map(move |x| (y, x)));
            let wanted = vt100::Color::Rgb(r, g, b);
            cells.any(|(y, x)| screen.cell(y, x).is_some_and(|it| it.bgcolor() == wanted))
        });
    }

    pub(crate) fn rows(&self) -> Vec<String> {
        self.seen.state.lock().unwrap().as_ref().unwrap().rows()
    }

    /// The terminal gets another size.
    pub(crate) fn resizes(&mut self, (width, height): (u16, u16)) {
        let mut state = self.seen.state.lock().unwrap();
        let State { emulator, raw, sizes, .. } = state.as_mut().unwrap();
        emulator.set_size(size(height), size(width));
        sizes.push((raw.len(), (width, height)));
        drop(state);
        let size = Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.terminal, size).unwrap();
    }

    /// SIGTERM.
    pub(crate) fn is_told_to_end(&mut self) {
        self.process.signal(Signal::SIGTERM).unwrap();
    }

    /// The program ends with this exit code and leaves the terminal as it was. Gives all that came from
    /// it.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> String {
        self.until("the end", |state| state.ended);
        let status = self.process.wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, it) if it == code), "{status:?}");
        let state = self.seen.state.lock().unwrap().take().unwrap();
        let screen = state.emulator.screen();
        assert!(!screen.alternate_screen(), "the shell's screen is back");
        assert!(!screen.bracketed_paste() && !screen.hide_cursor());
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG));
        String::from_utf8_lossy(&state.raw).into()
    }
}

impl Seen {
    fn watch(&self, mut from: File) {
        let mut buffer = [0; 4096];
        loop {
            // The end of a terminal is an error.
            let count = from.read(&mut buffer).unwrap_or(0);
            let Ok(state) = self.state.lock() else { return };
            let stalls = |state: &mut Option<State>| state.as_ref().is_some_and(|it| it.stalled);
            let Ok(mut state) = self.news.wait_while(state, stalls) else { return };
            let Some(state) = state.as_mut() else { return };
            state.emulator.process(&buffer[..count]);
            state.raw.extend_from_slice(&buffer[..count]);
            state.ended = count == 0;
            self.news.notify_all();
            if state.ended {
                return;
            }
        }
    }
}

fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap()
}

/// Somebody at the full screen who talks to somebody.
pub(crate) fn desk(world: &World, name: &str, peer: &str) -> Desk {
    Desk::open(Launch::of(world, name).to(peer))
}

#[test]
fn two_people_chat_and_one_is_away_and_returns() {
    story(async |world| {
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        john.says("are you there?");
        john.sees(" -~you: are you there?");
        let mut marie = desk(world, "marie", "john");
        marie.sees("john: are you there?");
        john.sees(" +~you: are you there?");
        john.sees("1+ marie");
        marie.presses(&format!("I am;{ALT_ENTER}sorry{ENTER}"));
        john.sees("marie: I am;");
        john.sees("        sorry");
        marie.presses("\u{3}");
        marie.sees("Ctrl-C again leaves");
        marie.presses("\u{3}");
        marie.ends(0);
        john.sees("marie away");
        for n in 1..=30 {
            john.says(&format!("stop {n}"));
        }
        john.sees(" - you: stop 30");
        let marie = desk(world, "marie", "john");
        marie.sees("─ unread ─");
        marie.sees("john: stop 1");
        marie.sees(" new below");
        john.sees(" + you: stop 30");
        john.resizes((40, 12));
        john.sees_no_more("1+ marie");
        assert!(john.rows()[9].contains("you: stop 30"), "{:?}", john.rows());
        john.presses("\u{3}\u{3}");
        john.ends(0);
    });
}

#[test]
fn what_is_scrolled_to_stays_and_drafts_outlive_a_kill() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        let texts: Vec<String> = (1..=60).map(|n| format!("stop {n}")).collect();
        for (n, text) in (1..).zip(&texts) {
            alice.say("john", n, text).await;
        }
        let mut john = desk(world, "john", "alice");
        john.sees("alice: stop 1");
        john.presses(&PAGE_UP.replace('5', "6").repeat(3));
        john.sees("alice: stop 60");
        john.presses(PAGE_UP);
        john.sees_no_more("alice: stop 60");
        john.presses("half a thought");
        john.sees("half a thought");
        let before = john.rows();
        let screen = world.path("john/screen.json");
        john.until("what is remembered", |_| is_said_in(&screen, "half a thought"));
        john.is_told_to_end();
        john.ends(143);
        let john = desk(world, "john", "alice");
        john.sees("half a thought");
        john.until("the same place", |state| state.rows()[1..20] == before[1..20]);
    });
}

pub(crate) fn is_said_in(path: &Path, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|it| it.contains(text))
}

#[test]
fn a_paste_is_one_message() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut john = desk(world, "john", "marie");
        john.sees("marie online");
        john.presses(&format!("{ESC}[200~one\r\ntwo\nthree{ESC}[201~"));
        john.sees("three");
        john.presses(ENTER);
        marie.hears("john", 1, 1, "one\ntwo\nthree").await;
    });
}

#[test]
fn who_is_new_is_a_request_that_is_taken_or_refused_unread() {
    story(async |world| {
        for stranger in ["anna", "mallory"] {
            let text = format!("I am {stranger}\n");
            Launch::of(world, stranger).to("john").pipe(text).await.exited(0);
        }
        let mut john = desk(world, "john", "marie");
        john.sees("anna");
        john.sees("?1");
        john.presses(&format!("{ESC}2"));
        john.sees("anna, who is new to you, has left 1 message.");
        john.presses(ENTER);
        john.sees("anna: I am anna");
        john.presses(&format!("{ESC}3"));
        john.sees("mallory, who is new to you");
        john.says("/BLOCK mallory");
        john.sees("you hear no more of mallory");
        john.presses("\u{3}\u{3}");
        assert!(!john.ends(0).contains("I am mallory"));
    });
}

#[test]
fn nothing_that_is_hostile_reaches_the_terminal() {
    story(async |world| {
        let mut mallory = world.sign_in("mallory").await;
        mallory.talk("john").await;
        let hostile = format!("{ESC}[2J{ESC}]0;owned\u{7}{ESC}c\u{9b}31m\u{202e}evil\r\n\u{8}");
        let texts = [hostile.as_str(), &"x".repeat(65_536), &hostile.repeat(900), "the end"];
        for (n, text) in (1..).zip(texts) {
            mallory.say("john", n, text).await;
        }
        let mut john = desk(world, "john", "mallory");
        john.sees("unread");
        john.presses(&format!("{ESC}[F"));
        john.sees("mallory: the end");
        for _ in 0..40 {
            john.presses(PAGE_UP);
        }
        john.presses("still here");
        john.sees("still here");
        let rows = john.rows();
        assert!(
            rows[22].contains("mallory online") && rows[22].contains("john online"),
            "{rows:?}"
        );
        assert!(rows.iter().take(24).all(|row| row.chars().nth(19) == Some('│')), "{rows:?}");
        john.presses("\u{3}\u{3}\u{3}");
        let raw = john.ends(0);
        assert!(raw.contains("0;owned"), "it is shown as text");
        for harm in ["\u{1b}]0;owned", "\u{1b}[2J\u{1b}]0;o", "\u{1b}c", "\u{9b}", "\u{202e}"] {
            assert!(!raw.contains(harm), "{harm:?}");
        }
    });
}

#[test]
fn where_nothing_can_be_drawn_the_plain_face_is_there() {
    story(async |world| {
        let dumb = Launch::of(world, "john").to("marie").variable("TERM", "dumb");
        let mut john = Desk::open(dumb);
        john.sees("-- talking to marie, who is away");
        john.says("/QUIT");
        assert!(!john.ends(0).contains(ESC));
    });
}

#[test]
fn the_server_going_and_coming_is_on_the_status_line() {
    story(async |world| {
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        world.stop().await;
        john.sees("no server");
        john.says("for later");
        john.sees("1 not sent");
        john.sees(" . you: for later");
        world.start().await;
        john.sees(" -~you: for later");
        john.sees("john online");
        john.presses("\u{3}\u{3}");
        john.ends(0);
    });
}

#[test]
fn what_was_read_has_a_mark_of_its_own_for_those_whose_readers_want_it_known() {
    story(async |world| {
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        john.says("have you read this?");
        john.sees(" -~you: have you read this?");
        let marie = || Launch::of(world, "marie").to("john");
        let mut discreet = Desk::open(marie());
        discreet.sees("have you read this?");
        john.sees(" +~you: have you read this?");
        discreet.presses("\u{3}\u{3}");
        discreet.ends(0);
        john.sees("marie away");
        // What was seen before is said when it may be.
        let mut open = Desk::open(marie().with(&["--read-receipts"]));
        open.sees("have you read this?");
        john.sees(" =~you: have you read this?");
        john.says("and this?");
        john.sees(" = you: and this?");
        open.presses("\u{3}\u{3}");
        open.ends(0);
        john.presses("\u{3}\u{3}");
        john.ends(0);
        let john = desk(world, "john", "marie");
        john.sees(" = you: and this?");
    });
}

#[test]
fn what_was_said_is_found_gone_to_and_left_again() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        alice.say("john", 1, "the needle is here").await;
        for n in 2..=600 {
            alice.say("john", n, &format!("hay number {n}")).await;
        }
        let mut john = desk(world, "john", "alice");
        john.sees("the needle is here");
        john.presses(&format!("{ESC}[F"));
        john.sees("hay number 600");
        john.presses("\u{6}");
        john.presses("needl");
        john.sees("alice: the needle is here");
        john.presses(ENTER);
        john.sees(">~alice: the needle is here");
        john.sees("hay number 2");
        john.sees_no_more("hay number 600");
        john.presses(ESC);
        john.sees("hay number 600");
        john.presses("\u{3}\u{3}");
        john.ends(0);
    });
}
