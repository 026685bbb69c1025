//! The real programs as processes of their own: `tinychat` and `tinychat-server`, fed and read
//! through pipes.
//!
//! Owned by the story that starts them; dropping a [`Program`] kills it. Threads move what goes in
//! and comes out, so that neither side ever waits for a full pipe unless a story wants it to. Nobody
//! sleeps: a story awaits a line or an exit. Every await ends after [`PATIENCE`], with a sentence
//! that shows what came so far.

use std::collections::HashSet;
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use rustix::process::{Pid, Signal, kill_process_group};
use tinychat::task::within;

use crate::world::{Reserved, World};

/// How long a program may take for anything on a slow and busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// At which server somebody is a real client.
static PEOPLE: LazyLock<Mutex<HashSet<(String, String)>>> = LazyLock::new(Mutex::default);

/// Whether somebody is a real client at a server, which may come into its list of devices at any moment.
pub(crate) fn is_real(server: SocketAddr, name: &str) -> bool {
    PEOPLE.lock().unwrap().contains(&(server.to_string(), name.into()))
}

/// Somebody is a real client at a server.
pub(crate) fn comes_for_real(server: impl Display, name: &str) {
    PEOPLE.lock().unwrap().insert((server.to_string(), name.into()));
}

/// The command line of a program that is not started yet.
pub(crate) struct Launch {
    command: Command,
    read_lines: Option<usize>,
    group: bool,
    input: Stdio,
    output: Stdio,
}

impl Launch {
    /// Somebody at the client, with a data folder of that name in this world.
    pub(crate) fn of(world: &World, name: &str) -> Self {
        Self::at(world.address(), name, &world.path(name))
    }

    /// Somebody at the client, with a server without TLS and a data folder.
    pub(crate) fn at(server: impl Display, name: &str, data: &Path) -> Self {
        let server = server.to_string();
        comes_for_real(&server, name);
        Self::tinychat(&["--user", name, "--server", &server, "--tls", "off"]).data(data)
    }

    /// The client with these flags alone.
    pub(crate) fn tinychat(flags: &[&str]) -> Self {
        Self::program(env!("CARGO_BIN_EXE_tinychat")).with(flags)
    }

    /// The server on a fixed address, without TLS.
    pub(crate) fn server(listen: SocketAddr, data: &Path) -> Self {
        let listen = listen.to_string();
        Self::operator(&["--listen", &listen, "--tls", "off"]).data(data)
    }

    /// The server's program with these words alone: an operator's command, or flags of his own.
    pub(crate) fn operator(words: &[&str]) -> Self {
        Self::program(env!("CARGO_BIN_EXE_tinychat-server")).with(words)
    }

    /// On this data folder.
    pub(crate) fn on(self, folder: &Path) -> Self {
        self.data(folder)
    }

    /// Any program at all.
    pub(crate) fn program(path: &str) -> Self {
        let mut command = Command::new(path);
        clean_environment(&mut command);
        Self {
            command,
            read_lines: None,
            group: false,
            input: Stdio::piped(),
            output: Stdio::piped(),
        }
    }

    /// Whom to talk to.
    pub(crate) fn to(self, peer: &str) -> Self {
        self.with(&["--to", peer])
    }

    fn data(mut self, folder: &Path) -> Self {
        self.command.arg("--data").arg(folder);
        self
    }

    /// More flags.
    pub(crate) fn with(mut self, flags: &[&str]) -> Self {
        self.command.args(flags);
        self
    }

    /// Its lines may be commands, though it sits at no terminal.
    pub(crate) fn with_commands(self) -> Self {
        self.with(&["--commands"])
    }

    /// A variable of the environment.
    pub(crate) fn variable(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// One more word, which need not be UTF-8.
    pub(crate) fn with_word(mut self, word: &std::ffi::OsStr) -> Self {
        self.command.arg(word);
        self
    }

    /// Has nobody read much more than so many lines of the program's output, until the program is
    /// killed or [`Program::close_output`] is called. What it writes beyond that fills the pipe.
    pub(crate) fn read_only(mut self, lines: usize) -> Self {
        self.read_lines = Some(lines);
        self
    }

    /// Reads this instead of what the story types.
    pub(crate) fn reading(mut self, input: File) -> Self {
        self.input = input.into();
        self
    }

    /// Prints there instead of where the story reads.
    pub(crate) fn printing_to(mut self, output: impl Into<Stdio>) -> Self {
        self.output = output.into();
        self
    }

    /// The command line itself, for a terminal.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    /// With a group of its own: what it starts is killed with it.
    pub(crate) fn with_group(mut self) -> Self {
        self.command.process_group(0);
        Self { group: true, ..self }
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Program {
        let words: Vec<_> = self.command.get_args().map(|it| it.to_string_lossy()).collect();
        let name = format!("the program with {}", words.join(" "));
        let streams = self.command.stdin(self.input).stdout(self.output).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (input, stdout) = (child.stdin.take().map(feed), child.stdout.take());
        let stderr = child.stderr.take();
        let (brake, released) = async_channel::bounded(1);
        let limit = self.read_lines.map(|lines| (lines, released));
        let (tell, status) = async_channel::bounded(1);
        let id = child.id();
        thread::spawn(move || tell.send_blocking(child.wait().unwrap()));
        Program {
            name,
            id,
            status,
            input,
            out: Stream::of(stdout, limit),
            err: Stream::of(stderr, None),
            brake: Some(brake),
            group: self.group,
        }
    }

    /// Starts it, gives it this input, and waits for its end.
    pub(crate) async fn pipe(self, input: impl Into<Vec<u8>>) -> Finished {
        let program = self.start();
        program.types(input);
        program.finish().await
    }
}

/// Nothing of the environment in which the tests run changes what the programs do.
fn clean_environment(command: &mut Command) {
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "XDG_DATA_HOME", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    // Nor does the terminal that they were started in.
    for name in ["KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "TMUX", "STY", "ZELLIJ"] {
        command.env_remove(name);
    }
    for name in ["VTE_VERSION", "KONSOLE_VERSION", "XTERM_VERSION", "ALACRITTY_WINDOW_ID"] {
        command.env_remove(name);
    }
    // A colour library takes CI for a wish for colours.
    command.env_remove("CI");
    // Nor is there a proxy on the way, nor does what started them have a say.
    let proxies = ["ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];
    for name in proxies.into_iter().chain(["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS"]) {
        command.env_remove(name);
    }
    // Nobody's agent has a hand in it, nor anybody's settings or clock.
    command.env_remove("SSH_AUTH_SOCK");
    command.env("XDG_CONFIG_HOME", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shared/settings"));
    command.env("TINYCHAT_SERVER_CONFIG", "none");
    command.env("TZ", "UTC");
    command.env("TERM", "xterm-256color");
}

/// A program that runs.
pub(crate) struct Program {
    name: String,
    id: u32,
    /// Has its status once it has ended.
    status: Receiver<ExitStatus>,
    /// Dropping it ends the input behind what was given.
    input: Option<Sender<Vec<u8>>>,
    out: Stream,
    err: Stream,
    brake: Option<Sender<()>>,
    group: bool,
}

impl Program {
    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Gives it input.
    pub(crate) fn types(&self, input: impl Into<Vec<u8>>) {
        let thread = self.input.as_ref().expect("the input was ended");
        // The program may have ended by itself; what it then says is up to the story.
        let _ = thread.try_send(input.into());
    }

    /// Ends its input.
    pub(crate) fn ends_input(&mut self) {
        self.input = None;
    }

    /// The next line on its standard output is this one.
    pub(crate) async fn prints(&mut self, line: &str) {
        let next = within(PATIENCE, self.out.next_line()).await;
        let got = self.in_time(next, &format!("print {line:?}"));
        assert_eq!(got.as_deref(), Some(line), "printed by {}\n{}", self.name, self.report());
    }

    /// The next line on its standard output.
    pub(crate) async fn next_line(&mut self) -> String {
        let next = within(PATIENCE, self.out.next_line()).await;
        self.in_time(next, "print a line").expect("it goes on printing")
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&self) -> bool {
        self.status.is_empty()
    }

    /// The next lines on its standard output are these.
    pub(crate) async fn prints_all(&mut self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.prints(&line).await;
        }
    }

    /// A line on its standard error, behind those that were awaited before, contains this.
    pub(crate) async fn says(&mut self, part: &str) {
        self.says_line(part).await;
    }

    /// The same; gives the whole line.
    pub(crate) async fn says_line(&mut self, part: &str) -> String {
        let found = within(PATIENCE, self.err.find(part)).await;
        let found = self.in_time(found, &format!("say {part:?}"));
        found.unwrap_or_else(|| panic!("{} did not say {part:?}\n{}", self.name, self.report()))
    }

    /// A line on its standard output, behind those that were awaited before, contains this.
    pub(crate) async fn logs(&mut self, part: &str) {
        self.logs_line(part).await;
    }

    /// The same; gives the whole line.
    pub(crate) async fn logs_line(&mut self, part: &str) -> String {
        let found = within(PATIENCE, self.out.find(part)).await;
        let found = self.in_time(found, &format!("log {part:?}"));
        found.unwrap_or_else(|| panic!("{} did not log {part:?}\n{}", self.name, self.report()))
    }

    /// Its standard output is no longer read, as when `head` has seen enough.
    pub(crate) async fn close_output(&self) {
        let brake = self.brake.as_ref().expect("it was not killed");
        brake.send(()).await.expect("it was started with read_only");
    }

    /// Sends it a signal, like `INT`.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(send_signal(self.id, signal), "{} takes a signal", self.name);
    }

    /// Sends it a signal, unless it has ended.
    pub(crate) fn signals_if_there(&self, signal: &str) {
        send_signal(self.id, signal);
    }

    /// Kills it, and gives what it had printed.
    pub(crate) async fn kill(self) -> Finished {
        self.signal("KILL");
        self.end().await
    }

    /// It exits with this code, also if what it printed was not read.
    pub(crate) async fn exits(&self, code: i32) {
        let status = within(PATIENCE, self.status.recv()).await;
        let status = self.in_time(status, "exit").unwrap();
        assert_eq!(status.code(), Some(code), "exit of {}\n{}", self.name, self.report());
    }

    /// Ends its input, and waits until it ends.
    pub(crate) async fn finish(mut self) -> Finished {
        self.ends_input();
        self.end().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn end(mut self) -> Finished {
        // Whoever waits for the end wants to know all that was printed.
        self.brake = None;
        let ended = async {
            self.out.at_end().await;
            self.err.at_end().await;
            self.status.recv().await.unwrap()
        };
        let status = within(PATIENCE, ended).await;
        let status = self.in_time(status, "end");
        let (out, err) = (self.out.bytes(), self.err.text());
        self.status.close();
        Finished { name: self.name.clone(), status, out, err }
    }

    /// What came in time, or a failure that says what was waited for.
    fn in_time<T>(&self, came: Option<T>, what: &str) -> T {
        came.unwrap_or_else(|| {
            panic!("waited {PATIENCE:?} in vain for {} to {what}\n{}", self.name, self.report())
        })
    }

    fn report(&self) -> String {
        report(&self.out.text(), &self.err.text())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let ended = self.status.is_closed() || !self.status.is_empty();
        if self.group {
            let group = Pid::from_raw(self.id.cast_signed()).unwrap();
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        if !ended {
            send_signal(self.id, "KILL");
        }
    }
}

/// Whether there was a process to send it to. A shell has `kill` built in, wherever the tests run.
pub(crate) fn send_signal(id: u32, signal: &str) -> bool {
    let script = format!("kill -{signal} {id} 2>/dev/null");
    Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success())
}

/// What a program left behind.
pub(crate) struct Finished {
    name: String,
    status: ExitStatus,
    /// All of its standard output.
    pub(crate) out: Vec<u8>,
    /// All of its standard error.
    pub(crate) err: String,
}

impl Finished {
    /// The code that it exited with.
    #[track_caller]
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{} was killed\n{}", self.name, self.report()))
    }

    /// It exited with this code.
    #[track_caller]
    pub(crate) fn exited(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "exit of {}\n{}", self.name, self.report());
        self
    }

    /// Its standard output had these lines and nothing else.
    #[track_caller]
    pub(crate) fn printed(&self, lines: &[&str]) -> &Self {
        assert_eq!(self.lines(), lines, "printed by {}\n{}", self.name, self.report());
        self
    }

    /// Its standard error contains this.
    #[track_caller]
    pub(crate) fn said(&self, part: &str) -> &Self {
        assert!(self.err.contains(part), "{} says {part:?}\n{}", self.name, self.report());
        self
    }

    /// Its standard error does not contain this.
    #[track_caller]
    pub(crate) fn never_said(&self, part: &str) -> &Self {
        assert!(!self.err.contains(part), "{} never says {part:?}\n{}", self.name, self.report());
        self
    }

    /// Its standard error is empty, but for who never came, or has no keys: most stories have people who come later.
    #[track_caller]
    pub(crate) fn was_quiet(&self) -> &Self {
        let is_of_newcomer = |it: &&str| {
            it.starts_with("-- nobody has the name ") || it.contains(" has no keys here yet")
        };
        let mut lines = self.err.lines().filter(|it| !is_of_newcomer(it));
        assert_eq!(lines.next(), None, "said by {}", self.name);
        self
    }

    /// The lines of its standard output.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().split_terminator('\n').map(String::from).collect()
    }

    /// Its standard output.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("what is printed is UTF-8")
    }

    fn report(&self) -> String {
        report(&String::from_utf8_lossy(&self.out), &self.err)
    }
}

/// What came out of a program so far, one line of it after the other.
struct Stream {
    seen: Arc<Mutex<Vec<u8>>>,
    /// Something came; closed at the end.
    news: Receiver<()>,
    /// How much of it the story has read.
    read: usize,
}

impl Stream {
    /// Begins to read; see [`Launch::read_only`] for the limit.
    fn of(from: Option<impl Read + Send + 'static>, limit: Option<(usize, Receiver<()>)>) -> Self {
        let seen = Arc::new(Mutex::default());
        let (tell, news) = async_channel::bounded(1);
        let into = seen.clone();
        if let Some(from) = from {
            thread::spawn(move || drain(from, &into, &tell, limit));
        }
        Self { seen, news, read: 0 }
    }

    /// The next line without its end; `None` at the end of all. An unfinished last line counts.
    async fn next_line(&mut self) -> Option<String> {
        loop {
            let ended = self.news.is_closed();
            if let Some(line) = self.take_line(ended) {
                return line;
            }
            let _ = self.news.recv().await;
        }
    }

    /// The next line that contains this; `None` at the end of all.
    async fn find(&mut self, part: &str) -> Option<String> {
        loop {
            let line = self.next_line().await?;
            if line.contains(part) {
                return Some(line);
            }
        }
    }

    /// What [`next_line`](Self::next_line) gives, unless more has to come first.
    fn take_line(&mut self, ended: bool) -> Option<Option<String>> {
        let seen = self.seen.lock().unwrap();
        let rest = &seen[self.read..];
        let line = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => &rest[..end],
            None if !ended => return None,
            None if rest.is_empty() => return Some(None),
            None => rest,
        };
        self.read = seen.len().min(self.read + line.len() + 1);
        Some(Some(String::from_utf8_lossy(line).into()))
    }

    async fn at_end(&self) {
        while self.news.recv().await.is_ok() {}
    }

    fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into()
    }
}

/// Reads until the end, or until a limit is reached and closing is asked for.
fn drain(
    mut from: impl Read,
    into: &Mutex<Vec<u8>>,
    tell: &Sender<()>,
    mut limit: Option<(usize, Receiver<()>)>,
) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        into.lock().unwrap().extend_from_slice(&buffer[..count]);
        // If it is full, the story has not yet looked at all that came before.
        let _ = tell.try_send(());
        let lines = buffer[..count].iter().filter(|byte| **byte == b'\n').count();
        if let Some((left, _)) = &mut limit {
            *left = left.saturating_sub(lines);
        }
        if let Some((_, released)) = limit.take_if(|(left, _)| *left == 0)
            && released.recv_blocking().is_ok()
        {
            return;
        }
    }
}

/// Writes to a program's input what is put into the channel. Ends with the program, or the channel.
fn feed(mut stdin: impl Write + Send + 'static) -> Sender<Vec<u8>> {
    let (input, queue) = async_channel::unbounded::<Vec<u8>>();
    thread::spawn(move || {
        while let Ok(bytes) = queue.recv_blocking() {
            if stdin.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    input
}

/// What a program printed and said, for whoever has to understand a failure.
fn report(out: &str, err: &str) -> String {
    let mut report = String::new();
    for (stream, text) in [("standard output", out), ("standard error", err)] {
        let lines: Vec<_> = text.lines().collect();
        let _ = writeln!(report, "its {stream} so far, {} lines:", lines.len());
        for line in lines.iter().rev().take(20).rev() {
            let _ = writeln!(report, "  {line:.200}");
        }
    }
    report
}

/// `count` numbered lines, as input.
pub(crate) fn numbered(numbers: impl IntoIterator<Item = u64>) -> String {
    numbers.into_iter().map(|n| format!("message {n}\n")).collect()
}

/// An address where nothing listens, and where a server can be started again and again. Nobody else gets it as long as
/// these tests run.
pub(crate) fn free_address() -> SocketAddr {
    static HELD: Mutex<Vec<Reserved>> = Mutex::new(Vec::new());
    let reserved = Reserved::new();
    let address = reserved.address;
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(reserved);
    address
}
