//! The client on a pseudo-terminal, seen by a terminal emulator.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rexpect::process::PtyProcess;

use super::Result;

const SIZE: (u16, u16) = (80, 24);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the [module](self). Dropping it ends the client.
pub(super) struct Desk {
    process: PtyProcess,
    terminal: File,
    started: Instant,
    seen: Arc<Seen>,
    /// What was typed so far.
    typed: String,
}

struct Seen {
    emulator: Mutex<vt100::Parser>,
    news: Condvar,
}

impl Desk {
    pub(super) fn open(client: Command) -> Result<Self> {
        let (width, height) = SIZE;
        let script = format!("stty cols {width} rows {height}; exec \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]).arg(client.get_program()).args(client.get_args());
        shell.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let started = Instant::now();
        let process = PtyProcess::new(shell)?;
        let terminal = process.get_file_handle()?;
        let cells = |count| NonZeroU16::new(count).ok_or("a terminal has cells");
        let emulator = vt100::Parser::new(cells(height)?, cells(width)?, 0);
        let seen = Arc::new(Seen { emulator: Mutex::new(emulator), news: Condvar::new() });
        let (from, into) = (terminal.try_clone()?, seen.clone());
        thread::spawn(move || into.watch(from));
        Ok(Self { process, terminal, started, seen, typed: String::new() })
    }

    /// Waits for a text to be on the screen. Gives how long after the start it is.
    pub(super) fn sees(&self, text: &str) -> Result<Duration> {
        self.until(text)?;
        Ok(self.started.elapsed())
    }

    /// Types a letter. Gives how long it takes to be on the screen.
    pub(super) fn press_and_see(&mut self) -> Result<Duration> {
        let letter = char::from(b'a' + u8::try_from(self.typed.len() % 26)?);
        self.typed.push(letter);
        let pressed = Instant::now();
        self.terminal.write_all(&[letter as u8])?;
        self.until(&format!("│{}", self.typed))?;
        Ok(pressed.elapsed())
    }

    /// Searches for words. Gives how long it takes from their last letter.
    pub(super) fn search(&mut self, words: &str, found: &str) -> Result<Duration> {
        let (last, before) = words.as_bytes().split_last().ok_or("there are no words")?;
        self.terminal.write_all(b"\x06")?;
        self.until("┌ Find")?;
        self.terminal.write_all(before)?;
        self.until(&format!("> {}", str::from_utf8(before)?))?;
        // What is found for the beginning is to be there first.
        thread::sleep(Duration::from_millis(300));
        let pressed = Instant::now();
        self.terminal.write_all(&[*last])?;
        self.until(&format!("> {words}"))?;
        self.until(found)?;
        self.until("┌ Find ─")?;
        Ok(pressed.elapsed())
    }

    /// Goes to the first that was found, and comes back. Gives how long going took.
    pub(super) fn jump(&mut self) -> Result<Duration> {
        let pressed = Instant::now();
        self.terminal.write_all(b"\r")?;
        self.until(" > ")?;
        let took = pressed.elapsed();
        self.terminal.write_all(b"\x1b")?;
        thread::sleep(Duration::from_millis(100));
        Ok(took)
    }

    /// What it has in memory, divided by those who share it, in KiB.
    pub(super) fn memory(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id()?))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        Ok(line.and_then(|it| it.split_whitespace().next()).ok_or("no Pss")?.parse()?)
    }

    /// What it has used of the processor so far.
    pub(super) fn processor_time(&self) -> Result<Duration> {
        let mut total = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()?))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let used = text.split_whitespace().next().ok_or("no time")?;
            total += Duration::from_nanos(used.parse()?);
        }
        Ok(total)
    }

    pub(super) fn leave(mut self) -> Result<()> {
        self.terminal.write_all(b"\x15\x03\x03")?;
        self.process.wait()?;
        Ok(())
    }

    /// The process that has the terminal: the shell, which has become the client.
    fn id(&self) -> Result<i32> {
        Ok(rustix::termios::tcgetpgrp(&self.terminal)?.as_raw_nonzero().get())
    }

    fn until(&self, text: &str) -> Result<()> {
        let emulator = self.seen.emulator.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |it: &mut vt100::Parser| !it.screen().contents().contains(text);
        let waited = self.seen.news.wait_timeout_while(emulator, PATIENCE, waits);
        let (emulator, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let screen = emulator.screen().contents();
            return Err(format!("waited in vain for {text:?} on the screen:\n{screen}").into());
        }
        Ok(())
    }
}

impl Seen {
    fn watch(&self, mut from: File) {
        let mut buffer = [0; 16 * 1024];
        // The end of a terminal is an error.
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut emulator = self.emulator.lock().unwrap_or_else(PoisonError::into_inner);
            emulator.process(&buffer[..count]);
            self.news.notify_all();
        }
    }
}
