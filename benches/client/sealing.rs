//! What sealing costs a client: lines to somebody, not sealed and sealed by turns; and what of it is cryptography.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_std::task::block_on;
use rusqlite::Connection;
use tinychat::client::{self, Client, Config, Event};
use tinychat::message::{Installation, Kind, Name, Origin, Timestamp};
use tinychat::seal::{Account, Addressed, Body, Content, Context, End, Envelope, Payload, Session};
use tinychat::task::within;
use tinychat::trust::{CurveKey, Identity};
use tinychat::wire::frame::Presence;
use vodozemac::olm::OlmMessage;

use super::{Result, Server};

/// How often the lines are sent.
const ROUNDS: usize = 3;

/// How many messages are sealed and opened without a client.
const MESSAGES: usize = 2_000;

/// How long a line is, without its end.
const LINE: usize = 64;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Neither the length of a queue nor a rate stands in the way.
const UNLIMITED: [&str; 10] = [
    "--session-backlog",
    "0",
    "--recipient-backlog",
    "0",
    "--first-contact",
    "0",
    "--message-rate",
    "0",
    "--byte-rate",
    "0",
];

pub(super) fn measure(lines: u32) -> Result<()> {
    let [seals, opens] = cryptography()?;
    println!("sealing {LINE} bytes, without the store: median {} µs", median(seals));
    println!("opening {LINE} bytes, without the store: median {} µs", median(opens));
    let mut rounds = (0..ROUNDS).map(|_| round(lines)).collect::<Result<Vec<_>>>()?;
    rounds.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let Round { unsealed, sealed } = rounds[ROUNDS / 2];
    println!(
        "{lines} lines until they are read: {:.2} s sealed, {:.2} s not: ratio {:.2}; {:.1} µs more each to seal and open",
        sealed.as_secs_f64(),
        unsealed.as_secs_f64(),
        rounds[ROUNDS / 2].ratio(),
        (sealed.as_secs_f64() - unsealed.as_secs_f64()) * 1e6 / f64::from(lines),
    );
    Ok(())
}

/// In microseconds.
fn median(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    format!("{:.1}", times[times.len() / 2].as_secs_f64() * 1e6)
}

#[derive(Clone, Copy)]
struct Round {
    unsealed: Duration,
    sealed: Duration,
}

impl Round {
    fn ratio(self) -> f64 {
        self.sealed.as_secs_f64() / self.unsealed.as_secs_f64()
    }
}

/// The same lines to carol, who is away and so has no device list, and to bob, who has one.
fn round(lines: u32) -> Result<Round> {
    let folder = tempfile::tempdir()?;
    let server = Server::start_with(&folder.path().join("server"), &UNLIMITED)?;
    let input = folder.path().join("lines");
    fs::write(&input, format!("{}\n", "x".repeat(LINE)).repeat(lines as usize))?;
    let send = |name, presence| {
        let reader = Reader::start(&server, folder.path(), name, presence)?;
        let took = send(&server, folder.path(), &reader, lines, &input);
        reader.leave();
        took
    };
    let unsealed = send("carol", Presence::Away)?;
    let sealed = send("bob", Presence::Online)?;
    Ok(Round { unsealed, sealed })
}

/// Alice and a reader write to each other; then she sends the lines. Gives how long it takes until all are read, and she
/// knows that all are stored.
fn send(
    server: &Server,
    folder: &Path,
    reader: &Reader,
    lines: u32,
    input: &Path,
) -> Result<Duration> {
    let hello = folder.join("hello");
    fs::write(&hello, "hello\n")?;
    for _ in 0..2 {
        ended(alice(server, folder, reader, &hello)?)?;
        reader.hears(1)?;
        reader.says_hello();
    }
    let started = Instant::now();
    let sender = alice(server, folder, reader, input)?;
    reader.hears(lines)?;
    ended(sender)?;
    let took = started.elapsed();
    let sealed = count_sealed(&folder.join("alice"), reader.name)?;
    let is_right = if reader.is_sealed_for { sealed >= lines } else { sealed == 0 };
    if is_right { Ok(took) } else { Err(format!("{sealed} lines were sealed").into()) }
}

/// Alice's client, which sends what is in a file.
fn alice(server: &Server, folder: &Path, reader: &Reader, input: &Path) -> Result<Child> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat"));
    command.args(["--user", "alice", "--to", reader.name, "--tls", "off", "--server"]);
    command.arg(server.address.to_string()).arg("--data").arg(folder.join("alice"));
    command.env("XDG_CONFIG_HOME", folder).stdin(File::open(input)?);
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

fn ended(mut client: Child) -> Result<()> {
    let status = client.wait()?;
    if status.success() { Ok(()) } else { Err(format!("the client exits with {status}").into()) }
}

fn count_sealed(data: &Path, peer: &str) -> Result<u32> {
    let count = "SELECT count(*) FROM message WHERE own = 1 AND sealed = 1 AND peer = ?";
    let store = Connection::open(data.join("messages.db"))?;
    Ok(store.query_row(count, [peer], |row| row.get(0))?)
}

/// Somebody's client, in this process.
struct Reader {
    name: &'static str,
    is_sealed_for: bool,
    client: Client,
    events: Receiver<Event>,
}

impl Reader {
    fn start(
        server: &Server,
        folder: &Path,
        name: &'static str,
        presence: Presence,
    ) -> Result<Self> {
        let config =
            Config::new(server.address.to_string().parse()?, name.parse()?, folder.join(name));
        let config = Config { tls: false, presence, ..config };
        let (client, events) = Client::start(config, None)?;
        let is_sealed_for = presence == Presence::Online;
        let reader = Self { name, is_sealed_for, client, events };
        block_on(reader.client.give(client::Command::Talk("alice".parse()?)));
        reader.says_hello();
        // Until the device list is there.
        thread::sleep(Duration::from_secs(1));
        Ok(reader)
    }

    fn says_hello(&self) {
        let (peer, text) = ("alice".parse().expect("it is a name"), "hello".into());
        block_on(self.client.give(client::Command::Send { peer, text }));
    }

    /// Waits for so many messages.
    fn hears(&self, count: u32) -> Result<()> {
        block_on(async {
            let mut heard = 0;
            while heard < count {
                let event = within(PATIENCE, self.events.recv()).await;
                if let Event::Message(message) = event.ok_or("waited in vain for a message")?? {
                    heard += 1;
                    self.client.give(client::Command::Shown(message.id)).await;
                }
            }
            Ok(())
        })
    }

    fn leave(self) {
        block_on(async {
            self.client.give(client::Command::Leave).await;
            self.client.join().await;
        });
    }
}

/// How long it takes to seal, and to open, in a session in which both have written, with reading and writing it down.
fn cryptography() -> Result<[Vec<Duration>; 2]> {
    let (alice, bob) = (Account::generate(), Account::generate());
    let names: [Name; 2] = ["alice".parse()?, "bob".parse()?];
    let identity = Identity::generate()?.public();
    let end = |which: usize, curve: CurveKey| {
        let installation = Installation::from_u64(which as u64);
        End { name: &names[which], identity, installation, curve }
    };
    let (from, to) = (end(0, alice.curve()), end(1, bob.curve()));
    let there = Context { server: None, from, to, n: 1 };
    let back = Context { from: to, to: from, ..there };
    let begun = Session::begin(&alice, bob.curve(), bob.fallback())?.write()?;
    let (begun, first) = seal(&begun, &there)?;
    let theirs = receive(&bob, alice.curve(), first, &there)?;
    let (mut theirs, answer) = seal(&theirs, &back)?;
    let mut ours = open(&begun, answer, &back)?;
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..MESSAGES {
        let started = Instant::now();
        let (behind, body) = seal(&ours, &there)?;
        took[0].push(started.elapsed());
        ours = behind;
        let started = Instant::now();
        theirs = open(&theirs, body, &there)?;
        took[1].push(started.elapsed());
    }
    Ok(took)
}

/// Seals a message. Gives the session behind it, and the body.
fn seal(session: &str, context: &Context<'_>) -> Result<(String, Vec<u8>)> {
    let content = Content {
        origin: Origin::from_bytes([1; 16]),
        lists: [None; 2],
        got: Vec::new(),
        kind: Kind::TEXT,
        time: Timestamp::now(),
        body: vec![b'x'; LINE].into(),
    };
    let (key, payload) = Payload::seal(&content)?;
    let envelope = Envelope::new(key, &payload, context);
    let (behind, message) = Session::read(session)?.seal(&envelope)?;
    let addressed = Addressed::new(context.to.installation, &message);
    Ok((behind.write()?, Body::new(vec![addressed], payload)?.encode()))
}

/// Opens one. Gives the session behind it.
fn open(session: &str, body: Vec<u8>, context: &Context<'_>) -> Result<String> {
    let body = Body::decode(body.into())?;
    let envelope = body.envelope(context.to.installation).ok_or("no envelope")?;
    let opened = Session::read(session)?.open(&envelope.message()?)?;
    Ok(opened.content(body.payload(), context)?.0.write()?)
}

/// The same of one that begins a session.
fn receive(
    account: &Account,
    from: CurveKey,
    body: Vec<u8>,
    context: &Context<'_>,
) -> Result<String> {
    let body = Body::decode(body.into())?;
    let envelope = body.envelope(context.to.installation).ok_or("no envelope")?;
    let OlmMessage::PreKey(first) = envelope.message()? else {
        return Err("it begins no session".into());
    };
    let opened = Session::receive(account, from, &first)?;
    Ok(opened.content(body.payload(), context)?.0.write()?)
}
