//! A program that runs, is fed and read through pipes, and can be killed at any moment.
//!
//! Owned by the [`World`](crate::world::World) or the [`Person`](crate::person::Person) that
//! started it; dropping a [`Process`] kills it, so that a test that panics leaves none behind.
//! Nobody sleeps: threads collect what is printed, and a [`Watch`] wakes whoever waits for a line
//! or for the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long a program may take for anything on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How many of its last lines a failure shows.
const REPORTED_LINES: usize = 20;

/// Counts what all processes of a world print, and wakes whoever waits for it.
#[derive(Default)]
pub(crate) struct Watch {
    lines: Mutex<u64>,
    news: Condvar,
}

impl Watch {
    /// How many lines were printed so far.
    pub(crate) fn lines(&self) -> u64 {
        *self.lines.lock().unwrap()
    }

    /// Waits until something is so, which may change with each line. Says whether it came to be.
    pub(crate) fn until(&self, limit: Duration, mut is_so: impl FnMut(u64) -> bool) -> bool {
        let lines = self.lines.lock().unwrap();
        let waited = self.news.wait_timeout_while(lines, limit, |lines| !is_so(*lines)).unwrap();
        !waited.1.timed_out()
    }

    fn tell(&self, lines: u64) {
        *self.lines.lock().unwrap() += lines;
        self.news.notify_all();
    }
}

/// What a process has printed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printed {
    /// The lines of its standard output.
    pub(crate) out: Vec<String>,
    /// The lines of its standard error.
    pub(crate) err: Vec<String>,
    /// How many of the two have ended.
    ended: usize,
}

/// See the [module](self).
pub(crate) struct Process {
    name: String,
    child: Child,
    watch: Arc<Watch>,
    printed: Arc<Mutex<Printed>>,
    /// Dropping it ends the input behind what was typed.
    input: Option<Sender<String>>,
}

impl Process {
    pub(crate) fn start(name: &str, mut command: Command, watch: &Arc<Watch>) -> Self {
        // Nothing of the environment in which the tests run changes what the programs print.
        for name in ["CLICOLOR_FORCE", "RUST_BACKTRACE", "CI"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let printed = Arc::default();
        collect(child.stdout.take().unwrap(), |it| &mut it.out, &printed, watch);
        collect(child.stderr.take().unwrap(), |it| &mut it.err, &printed, watch);
        let input = child.stdin.take().map(feed);
        Self { name: name.into(), child, watch: watch.clone(), printed, input }
    }

    /// Gives it input. Whether it reads all of it before it is killed is chance.
    pub(crate) fn types(&self, text: String) {
        let input = self.input.as_ref().expect("its input was not ended");
        // The thread ends before the process is asked to only if the process has ended.
        let _ = input.send(text);
    }

    pub(crate) fn ends_input(&mut self) {
        self.input = None;
    }

    /// Waits for a line on its standard error that contains this. `false` if it ends without one.
    pub(crate) fn says(&self, part: &str) -> bool {
        let said = |printed: &Printed| printed.err.iter().any(|line| line.contains(part));
        self.until(&format!("say {part:?}"), |printed| said(printed) || printed.ended == 2);
        said(&self.printed())
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> Printed {
        self.printed.lock().unwrap().clone()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.printed.lock().unwrap().ended == 2
    }

    /// Kills it without a warning, and gives all that it printed. It must not have ended by itself.
    pub(crate) fn kill(mut self) -> Printed {
        if let Some(status) = self.child.try_wait().unwrap() {
            // An end that was asked for may come at any moment.
            assert!(self.input.is_none() && status.success(), "{}", self.report(status));
        }
        self.child.kill().unwrap();
        self.end().1
    }

    /// Ends its input and waits until it has ended, as it should.
    pub(crate) fn finish(mut self) -> Printed {
        self.ends_input();
        let (status, printed) = self.end();
        assert!(status.success(), "{}", self.report(status));
        printed
    }

    /// Waits until it has ended, and says whether as it should.
    pub(crate) fn ends(mut self) -> (bool, Printed) {
        self.ends_input();
        let (status, printed) = self.end();
        (status.success(), printed)
    }

    fn end(&mut self) -> (ExitStatus, Printed) {
        self.until("end", |printed| printed.ended == 2);
        let status = self.child.wait().unwrap();
        let printed = self.printed();
        let panicked = printed.err.iter().any(|line| line.contains("panicked"));
        assert!(!panicked, "{}", self.report(status));
        (status, printed)
    }

    fn until(&self, what: &str, is_so: impl Fn(&Printed) -> bool) {
        let came = self.watch.until(PATIENCE, |_| is_so(&self.printed.lock().unwrap()));
        assert!(came, "waited {PATIENCE:?} in vain for {} to {what}\n{}", self.name, self.tail());
    }

    fn report(&self, status: ExitStatus) -> String {
        format!("{} ended: {status}\n{}", self.name, self.tail())
    }

    fn tail(&self) -> String {
        let printed = self.printed();
        let tail = |lines: &[String]| {
            let from = lines.len().saturating_sub(REPORTED_LINES);
            lines[from..].iter().map(|line| format!("  {line}\n")).collect::<String>()
        };
        let (out, err) = (tail(&printed.out), tail(&printed.err));
        format!("its standard output:\n{out}its standard error:\n{err}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects lines until the end. A line that was cut off by a kill counts for nothing.
fn collect(
    from: impl Read + Send + 'static,
    into: fn(&mut Printed) -> &mut Vec<String>,
    printed: &Arc<Mutex<Printed>>,
    watch: &Arc<Watch>,
) {
    let (printed, watch) = (printed.clone(), watch.clone());
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok() && line.pop() == Some(b'\n') {
            let text = String::from_utf8_lossy(&line).into();
            into(&mut printed.lock().unwrap()).push(text);
            watch.tell(1);
            line.clear();
        }
        printed.lock().unwrap().ended += 1;
        watch.tell(0);
    });
}

/// Writes what is put into the channel. Ends with the process, or with the channel.
fn feed(mut stdin: impl Write + Send + 'static) -> Sender<String> {
    let (input, queue) = channel::<String>();
    thread::spawn(move || {
        while let Ok(text) = queue.recv() {
            if stdin.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    });
    input
}
