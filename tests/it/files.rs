//! Files between people, with the real client: who is away, what is cut or killed in between, what is refused,
//! and what means harm.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{JoinHandle, spawn};
use futures::future::select;
use futures::io::{BufReader, Lines};
use futures::stream::StreamExt;
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tinychat::server::{FileLimits, Rate};
use tinychat::wire::MAX_CHUNK;

use crate::carrying::{Carrier, noise};
use crate::doubts::{devices, list, receive};
use crate::operators::{serve, sign_in};
use crate::programs::{Finished, Launch, Program};
use crate::screen::desk;
use crate::script::Stage;
use crate::sealed::{comes, comes_to, leaves};
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story, story_with};

const MIB: usize = 1024 * 1024;

/// A file of somebody's own.
pub(crate) fn own_file(world: &World, name: &str, content: &[u8]) -> PathBuf {
    let path = world.path(name);
    fs::write(&path, content).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder to save in.
fn folder(world: &World) -> PathBuf {
    let folder = world.path("saved");
    fs::create_dir(&folder).unwrap();
    folder
}

pub(crate) async fn send(world: &World, path: &Path, words: &[&str]) -> Finished {
    let send = ["send", "--to", "marie", "--file", text(path)];
    Launch::of(world, "john").with(&[&send, words].concat()).pipe("").await
}

/// Marie writes to john: from then on what he sends comes by itself.
pub(crate) async fn marie_writes(world: &World) {
    Launch::of(world, "marie").to("john").pipe("hello\n").await.exited(0);
}

/// What marie says to john; it ends when all is done.
async fn marie_says(world: &World, lines: &str) -> Finished {
    Launch::of(world, "marie").to("john").with_commands().pipe(lines).await
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What waits on the server of a world.
fn blobs(world: &World) -> Vec<String> {
    names_in(&world.path("server/blobs"))
}

#[test]
fn a_file_waits_for_marie_who_is_away_and_john_may_leave() {
    story(async |world| {
        comes(world, "marie").await;
        let content = noise(2 * MIB + 5);
        let path = own_file(world, "holiday photo.bin", &content);
        send(world, &path, &["by", "the sea"]).await.exited(0).was_quiet();
        assert_eq!(blobs(world).len(), 1);
        let saved = folder(world);
        let marie = marie_says(world, &format!("/SAVE 1 {}\n", text(&saved))).await;
        let shown = "[file 1: holiday photo.bin, application/octet-stream, 2.0 MiB] by the sea";
        marie.exited(0).printed(&[&format!("john: {shown}")]);
        marie.said("file 1 of john is saved as ");
        assert_eq!(fs::read(saved.join("holiday photo.bin")).unwrap(), content);
        assert!(blobs(world).is_empty(), "the server need not keep it any more");
        let history = Launch::of(world, "marie").with(&["history", "--json"]).pipe("").await;
        let line: serde_json::Value = serde_json::from_slice(&history.out).unwrap();
        assert_eq!((&line["file"]["n"], &line["file"]["size"]), (&1.into(), &content.len().into()));
        assert_eq!(line["file"]["blake3"], blake3::hash(&content).to_string());
    });
}

#[test]
fn what_is_large_comes_when_it_is_asked_for() {
    story(async |world| {
        comes(world, "marie").await;
        let large = own_file(world, "large", &noise(MIB));
        let small = own_file(world, "small", b"small");
        marie_writes(world).await;
        send(world, &large, &[]).await.exited(0);
        send(world, &small, &[]).await.exited(0);
        let limit = Launch::of(world, "marie").with(&["--get-up-to", "1000"]).to("john");
        let marie = limit.pipe("").await;
        marie.exited(0).said("file 2 of john, small: here");
        assert_eq!(names_in(&world.path("marie/files")), ["3"]);
        assert_eq!(blobs(world).len(), 1, "the large one waits");
        let files = marie_says(world, "/FILES\n").await;
        files.said("file 1 of john, large: 1.0 MiB; /GET 1 has it come").said("small: here, 5 B");
        let got = marie_says(world, "/GET 1\n").await;
        got.exited(0).said("file 1 of john, large: here, 1.0 MiB");
        assert_eq!(fs::read(world.path("marie/files/2")).unwrap(), noise(MIB));
        marie_says(world, "/GET 1\n").await.exited(1).said("file 1 of john is here; /SAVE 1");
        marie_says(world, "/SAVE 3\n").await.exited(1).said("john has sent no file 3");
    });
}

#[test]
fn what_cannot_be_sent_is_refused_before_its_first_byte() {
    // What the server counts is sealed: 16 bytes more.
    let files = FileLimits { file: 1_016, person: 1_500, all: 2_000, reserve: 0 };
    story_with(
        |config| config.files = files,
        async |world| {
            comes(world, "marie").await;
            let refused = async |content: usize, why: &str| {
                let path = own_file(world, "file", &noise(content));
                let sent = send(world, &path, &[]).await;
                sent.exited(1).said(why);
            };
            refused(1_001, "a file may have 1016 B here; this one has 1017 B").await;
            let path = own_file(world, "first", &noise(1_000));
            send(world, &path, &[]).await.exited(0);
            refused(501, "files of yours with 1016 B wait here already").await;
            let nowhere = send(world, &world.path("nowhere"), &[]).await;
            nowhere.exited(1).said("No such file");
            send(world, &world.path("server"), &[]).await.exited(1).said("it is not a file");
            let piped = Launch::of(world, "john").to("marie").with_commands();
            let piped = piped.pipe(format!("/SEND {}\nhello\n", text(&path))).await;
            piped.exited(1).said("first to marie: failed: files of yours with 1016 B");
            assert_eq!(blobs(world).len(), 1);
        },
    );
}

/// A connection to the server that breaks again and again, behind so many bytes each.
struct Flaky {
    address: SocketAddr,
    breaks: Arc<Mutex<Vec<u64>>>,
    task: JoinHandle<()>,
}

impl Flaky {
    async fn start(server: SocketAddr, breaks: Vec<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let breaks = Arc::new(Mutex::new(breaks));
        let behind = breaks.clone();
        let task = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let left = behind.lock().unwrap().pop().unwrap_or(u64::MAX);
                let left = Arc::new(AtomicU64::new(left));
                let Ok(server) = TcpStream::connect(server).await else { continue };
                spawn(async move {
                    let up = Box::pin(pass(client.clone(), server.clone(), left.clone()));
                    let down = Box::pin(pass(server.clone(), client.clone(), left));
                    select(up, down).await;
                    let _ = client.shutdown(std::net::Shutdown::Both);
                    let _ = server.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Self { address, breaks, task }
    }

    fn launch(&self, world: &World, name: &str) -> Launch {
        Launch::at(self.address, name, &world.path(name))
    }
}

async fn pass(mut from: TcpStream, mut to: TcpStream, left: Arc<AtomicU64>) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let left =
            left.fetch_sub((read as u64).min(left.load(Ordering::Relaxed)), Ordering::Relaxed);
        let passed = usize::try_from(left).unwrap_or(read).min(read);
        if to.write_all(&bytes[..passed]).await.is_err() || passed < read {
            return;
        }
    }
}

#[test]
fn whatever_breaks_it_goes_on_from_where_it_was() {
    story(async |world| {
        let content = noise(3 * MIB);
        let path = own_file(world, "file", &content);
        // Any will do; these are the same each time.
        let mut random = fastrand::Rng::with_seed(7);
        let mut breaks = || (0..12).map(|_| random.u64(5_000..900_000)).collect::<Vec<_>>();
        let marie = Flaky::start(world.address(), Vec::new()).await;
        comes_to(world, marie.address, "marie", &world.path("marie")).await;
        let john = Flaky::start(world.address(), breaks()).await;
        let send = ["send", "--to", "marie", "--file", text(&path)];
        john.launch(world, "john").with(&send).pipe("").await.exited(0);
        assert_eq!(blobs(world).len(), 1, "and nothing else is left of the tries");
        *marie.breaks.lock().unwrap() = breaks();
        let saved = folder(world);
        let lines = format!("/SAVE 1 {}\n", text(&saved));
        let heard = marie.launch(world, "marie").to("john").with_commands().pipe(lines).await;
        heard.exited(0).printed(&["john: [file 1: file, application/octet-stream, 3.0 MiB]"]);
        assert_eq!(fs::read(saved.join("file")).unwrap(), content);
        assert!(blobs(world).is_empty());
        john.task.cancel().await;
        marie.task.cancel().await;
    });
}

/// So slow that a file of 3 MiB takes six seconds: whoever wants to be in the middle of it need not hurry.
fn slowly(config: &mut tinychat::server::Config) {
    config.rates.files = Rate { each_second: MIB as u32 / 2, burst: MAX_CHUNK as u32 };
}

/// Waits until so much of what is in a folder has come.
pub(crate) async fn until_some_of_it_is_in(folder: &Path, least: u64, witness: &mut Peer) {
    let length = || {
        let entries = fs::read_dir(folder).ok()?;
        entries.flatten().filter_map(|entry| Some(entry.metadata().ok()?.len())).max()
    };
    let there = async {
        while length().is_none_or(|length| length < least) {
            witness.barrier().await;
        }
    };
    patiently("some of the file is there", there).await;
}

#[test]
fn whoever_is_killed_in_between_it_goes_on() {
    story(async |world| {
        let content = noise(3 * MIB);
        let path = own_file(world, "file", &content);
        let data = world.path("killed");
        let rate = ["--file-rate", "512KiB,256KiB", "--reserve", "0B"];
        let (server, address) = serve(&data, &rate).await;
        let again = async || {
            let listen = Launch::server(address, &data).with(&rate);
            let mut server = listen.start();
            server.says("listening on").await;
            server
        };
        let launch = |name: &str| Launch::at(address, name, &world.path(name));
        let send = || launch("john").with(&["send", "--to", "marie", "--file", text(&path)]);
        let mut witness = sign_in(world, address, "witness").await;
        comes_to(world, address, "marie", &world.path("marie")).await;
        launch("marie").to("john").pipe("hello\n").await.exited(0);

        let john = send().start();
        until_some_of_it_is_in(&data.join("blobs"), 300_000, &mut witness).await;
        john.kill().await;
        let (names, part) = (names_in(&data.join("blobs")), data.join("blobs"));
        let john = launch("john").to("marie").start();
        let before = fs::metadata(part.join(&names[0])).unwrap().len();
        until_some_of_it_is_in(&part, before + 100_000, &mut witness).await;
        assert_eq!(names_in(&part), names, "it is the same upload");
        server.kill().await;
        let server = again().await;
        john.finish().await.exited(0).said("file to marie: sent, 3.0 MiB");

        let mut witness = sign_in(world, address, "witness").await;
        let marie = launch("marie").to("john").start();
        until_some_of_it_is_in(&world.path("marie/files"), 300_000, &mut witness).await;
        marie.kill().await;
        let marie = launch("marie").to("john").start();
        until_some_of_it_is_in(&world.path("marie/files"), 900_000, &mut witness).await;
        server.kill().await;
        let server = again().await;
        marie.finish().await.exited(0).said("file 1 of john, file: here, 3.0 MiB");
        assert_eq!(fs::read(world.path("marie/files/2")).unwrap(), content);
        assert!(names_in(&part).is_empty());
        crate::operators::stop(server).await;
    });
}

#[test]
fn what_is_said_while_a_file_goes_arrives_before_it() {
    story_with(slowly, async |world| {
        comes(world, "marie").await;
        let path = own_file(world, "file", &noise(3 * MIB));
        let mut witness = world.sign_in("witness").await;
        let mut marie = Launch::of(world, "marie").to("john").with(&["--follow"]).start();
        let john = Launch::of(world, "john").to("marie").with_commands().start();
        john.types(format!("/SEND {}\n", text(&path)));
        until_some_of_it_is_in(&world.path("server/blobs"), 300_000, &mut witness).await;
        john.types("are you there?\n");
        marie.prints("john: are you there?").await;
        marie.prints("john: [file 1: file, application/octet-stream, 3.0 MiB]").await;
        john.finish().await.exited(0);
        leaves(marie).await;
    });
}

#[test]
fn one_thinks_better_of_it() {
    story_with(slowly, async |world| {
        comes(world, "marie").await;
        let path = own_file(world, "file", &noise(3 * MIB));
        let mut witness = world.sign_in("witness").await;
        let mut john = Launch::of(world, "john").to("marie").with_commands().start();
        john.types(format!("/SEND {}\n", text(&path)));
        until_some_of_it_is_in(&world.path("server/blobs"), 300_000, &mut witness).await;
        john.types("/CANCEL\n");
        john.says("file to marie: cancelled").await;
        john.types("/CANCEL\n");
        john.says("no file is on its way to marie or from marie").await;
        john.finish().await.exited(1);
        assert!(blobs(world).is_empty(), "the server was told");
        marie_writes(world).await;
        send(world, &own_file(world, "second", &noise(2 * MIB)), &[]).await.exited(0);
        let mut marie = Launch::of(world, "marie").to("john").with_commands().start();
        until_some_of_it_is_in(&world.path("marie/files"), 300_000, &mut witness).await;
        marie.types("/CANCEL 1\n");
        marie.says("file 1 of john, second: cancelled").await;
        marie.finish().await.exited(0);
        let got = marie_says(world, "/GET\n").await;
        got.exited(0).said("file 1 of john, second: here");
    });
}

/// Somebody without a client tells marie of a file.
pub(crate) async fn tell(
    peer: &mut Peer,
    n: u64,
    blob: &str,
    name: &str,
    content: &[u8],
    hash: blake3::Hash,
) {
    let told = serde_json::json!({
        "blob": blob, "name": name, "type": "text/plain", "size": content.len(),
        "blake3": hash.to_string(),
    });
    let body = told.to_string();
    peer.send_bytes(
        format!("MSG marie {n} {n:032x} file 0 {}\r\n{body}\r\n", body.len()).as_bytes(),
    )
    .await;
}

#[test]
fn a_name_leads_nowhere_else_and_over_nothing() {
    story(async |world| {
        let mut john = world.sign_in("john").await;
        john.talk("marie").await;
        let long = format!("{}.txt", "x".repeat(300));
        let names = [
            "../../.ssh/authorized_keys",
            "/etc/passwd",
            "a\u{1b}]0;owned\u{7}\u{202e}b.txt",
            &long,
            "CON",
            ".bashrc",
            "",
            "keep.txt",
        ];
        for (n, name) in (1..).zip(names) {
            let blob = Carrier::of(world, &mut john).await.upload("marie", b"evil").await;
            tell(&mut john, n, &blob, name, b"evil", blake3::hash(b"evil")).await;
            john.expect(&format!("STORED marie {n}")).await;
        }
        let saved = folder(world);
        fs::write(saved.join("keep.txt"), "mine").unwrap();
        let lines: String =
            (1..=names.len()).map(|n| format!("/SAVE {n} {}/\n", text(&saved))).collect();
        let marie = marie_says(world, &lines).await;
        marie.exited(0);
        let harmful = |text: &str| text.contains(['\u{1b}', '\u{7}', '\u{202e}']);
        assert!(!harmful(&marie.text()) && !harmful(&marie.err), "{}", marie.err);
        let cut = format!("{}.txt", "x".repeat(196));
        let mut expected =
            ["authorized_keys", "passwd", "a]0;ownedb.txt", &cut, "file", "bashrc", "keep.txt"]
                .map(String::from)
                .to_vec();
        expected.extend(["file (1)", "keep (1).txt"].map(String::from));
        expected.sort();
        assert_eq!(names_in(&saved), expected);
        assert_eq!(fs::read_to_string(saved.join("keep.txt")).unwrap(), "mine");
    });
}

#[test]
fn what_is_not_what_was_told_of_is_thrown_away() {
    story(async |world| {
        let mut john = world.sign_in("john").await;
        john.talk("marie").await;
        let other = blake3::hash(b"something else");
        let blob = Carrier::of(world, &mut john).await.upload("marie", b"content").await;
        tell(&mut john, 1, &blob, "wrong hash", b"content", other).await;
        let blob = Carrier::of(world, &mut john).await.upload("marie", b"content").await;
        tell(&mut john, 2, &blob, "wrong size", b"cont", other).await;
        let nowhere = "0".repeat(32);
        tell(&mut john, 3, &nowhere, "never sent", b"content", other).await;
        john.expect("STORED marie 3").await;
        let marie = marie_says(world, "/SAVE 1\n/GET 2\n/GET 3\n").await;
        marie.exited(1).said("file 1 of john, wrong hash: failed: what came is not what");
        marie.said("file 1 of john was not saved").said("file 2 of john, wrong size: failed");
        marie.said("file 3 of john, never sent: the server does not have it any more");
        assert!(names_in(&world.path("marie/files")).is_empty());
        assert!(blobs(world).is_empty(), "nor does the server keep it");
        // What is no description of a file is not shown as one.
        john.catch_up().await;
        john.send_bytes(b"MSG marie 4 00000000000000000000000000000004 file 0 2\r\n{}\r\n").await;
        john.expect("STORED marie 4").await;
        let marie = marie_says(world, "").await;
        marie.exited(0).said("john sent something of kind file, which cannot be shown here");
    });
}

/// A carrier says this next.
pub(crate) async fn hears(lines: &mut Lines<BufReader<TcpStream>>, expected: &str) {
    let line = patiently("the carrier says something", lines.next()).await;
    assert!(line.unwrap().unwrap().starts_with(expected), "{expected}");
}

#[test]
fn what_is_here_stays_here_whatever_the_server_says() {
    story(async |world| {
        let stage = Stage::open().await;
        let launch = Launch::at(stage.address(), "marie", &world.path("marie"));
        let marie = launch.to("john").with_commands().start();
        marie.types("/GET 1\n");
        let mut caller = stage.receive_talking("TALK john 0", "TALKING john away 0 0 0 1 0").await;
        let (blob, hash) = ("7".repeat(32), blake3::hash(b"hello"));
        let told = serde_json::json!({
            "blob": &blob, "name": "file", "size": 5, "blake3": hash.to_string(),
        });
        let told = told.to_string();
        let installation = FIRST_INSTALLATION;
        let head = format!(
            "MSG john 1 {installation} 1 00000000000000000000000000000001 1700000000000 file {}",
            told.len()
        );
        caller.say_all(&[&head, &told]).await;
        caller.expect_all(&["ACK john 1", "TICKET"]).await;
        caller.say(&format!("TICKET {}", "1".repeat(32))).await;
        let carrier = stage.receive_carrier().await;
        let mut lines = BufReader::new(carrier.clone()).lines();
        hears(&mut lines, "CARRY tinychat/2 1111").await;
        hears(&mut lines, "FETCH 7777").await;
        let reply = format!("HAVE {blob} 5\r\nCHUNK 0 5\r\nhello\r\n");
        (&carrier).write_all(reply.as_bytes()).await.unwrap();
        hears(&mut lines, "DROP 7777").await;
        (&carrier).write_all(b"ERR GONE - it was never here\r\n").await.unwrap();
        // It is asked to keep it no longer, again and again.
        let again = stage.receive_carrier().await;
        let mut lines = BufReader::new(again.clone()).lines();
        hears(&mut lines, "CARRY tinychat/2 1111").await;
        hears(&mut lines, "DROP 7777").await;
        drop((caller, carrier, again));
        marie.signal("INT");
        marie.end().await.never_said("does not have it any more");
        let files = marie_says(world, "/FILES\n").await;
        files.never_said("any more");
        assert_eq!(fs::read(world.path("marie/files/1")).unwrap(), b"hello");
    });
}

/// What a script's server says of a file of five bytes.
fn told_of(blob: &str) -> String {
    let hash = blake3::hash(b"hello").to_string();
    let told = serde_json::json!({ "blob": blob, "name": "file", "size": 5, "blake3": hash });
    let (told, installation) = (told.to_string(), FIRST_INSTALLATION);
    format!(
        "MSG john 1 {installation} 1 00000000000000000000000000000001 1700000000000 file {}\r\n{told}",
        told.len()
    )
}

/// Somebody fetches a file and is replaced before the server knows that it need not keep it. Who only looks in
/// afterwards, as a cron job does, is asked for a ticket later than everything else is answered.
#[test]
fn a_file_that_is_here_is_dropped_also_by_who_only_looks_in() {
    story(async |world| {
        let stage = Stage::open().await;
        let launch = || {
            let marie = Launch::at(stage.address(), "marie", &world.path("marie")).to("john");
            marie.with_commands().start()
        };
        let marie = launch();
        marie.types("/GET 1\n");
        let mut caller = stage.receive_talking("TALK john 0", "TALKING john away 0 0 0 1 0").await;
        let (blob, ticket) = ("7".repeat(32), format!("TICKET {}", "1".repeat(32)));
        caller.say(&told_of(&blob)).await;
        caller.expect_all(&["ACK john 1", "TICKET"]).await;
        caller.say(&ticket).await;
        let carrier = stage.receive_carrier().await;
        let mut lines = BufReader::new(carrier.clone()).lines();
        hears(&mut lines, "CARRY tinychat/2 1111").await;
        hears(&mut lines, "FETCH 7777").await;
        let reply = format!("HAVE {blob} 5\r\nCHUNK 0 5\r\nhello\r\n");
        (&carrier).write_all(reply.as_bytes()).await.unwrap();
        hears(&mut lines, "DROP 7777").await;
        caller.say("BYE replaced you are signed in elsewhere").await;
        marie.end().await.exited(1);
        drop((caller, carrier));
        let mut marie = launch();
        marie.ends_input();
        let mut caller = stage.receive_talking("TALK john 0", "TALKING john away 0 0 0 0 0").await;
        assert_eq!(caller.catch_up().await, ["TICKET"], "and it stays for the answer");
        caller.say(&ticket).await;
        let carrier = stage.receive_carrier().await;
        let mut lines = BufReader::new(carrier.clone()).lines();
        hears(&mut lines, "CARRY tinychat/2 1111").await;
        // Whether it is here was not written down yet, perhaps; it is not fetched again.
        hears(&mut lines, "DROP 7777").await;
        (&carrier).write_all(format!("GONE {blob}\r\n").as_bytes()).await.unwrap();
        let rest = caller.rest().await;
        assert_eq!(rest, ["QUIT"]);
        marie.end().await.exited(0);
    });
}

/// The name of what is offered is on the disk before a byte of it goes, so that nothing whole is ever left behind
/// that nobody can name.
#[test]
fn an_upload_is_named_before_anything_of_it_goes() {
    story(async |world| {
        let stage = Stage::open().await;
        let file = own_file(world, "file", b"hello");
        let words = ["send", "--to", "marie", "--file", text(&file)];
        let (blob, ticket) = ("7".repeat(32), format!("TICKET {}", "1".repeat(32)));
        let john = || Launch::at(stage.address(), "john", &world.path("john"));
        let carried = async |john: Launch, is_known: bool, first: &str| {
            let john = john.start();
            let mut caller = receive(world, &stage, 0, "TALKING marie away 0 0 0 0 1").await;
            if !is_known {
                caller.expect("DEVICES marie").await;
                caller.say(&devices(1, &list(&world.identity("marie"), 1, 0))).await;
            }
            caller.expect("TICKET").await;
            caller.say(&ticket).await;
            let carrier = stage.receive_carrier().await;
            let mut lines = BufReader::new(carrier.clone()).lines();
            hears(&mut lines, "CARRY tinychat/2 1111").await;
            hears(&mut lines, first).await;
            (john, caller, carrier, lines)
        };
        let (sending, caller, carrier, mut lines) =
            carried(john().with(&words), false, "OFFER marie 21").await;
        (&carrier).write_all(format!("HAVE {blob} 0\r\n").as_bytes()).await.unwrap();
        hears(&mut lines, "CHUNK 0 21").await;
        sending.kill().await;
        drop((caller, carrier));
        let (again, ..) = carried(john().to("marie"), true, "RESUME 7777").await;
        again.kill().await;
    });
}

#[test]
fn what_is_here_of_a_file_and_wrong_is_fetched_again() {
    story(async |world| {
        comes(world, "marie").await;
        let content = noise(MIB);
        send(world, &own_file(world, "file", &content), &[]).await.exited(0);
        let nothing = Launch::of(world, "marie").with(&["--get-up-to", "0"]).to("john");
        nothing.pipe("").await.exited(0);
        fs::create_dir_all(world.path("marie/files")).unwrap();
        // A chunk of it, and some.
        fs::write(world.path("marie/files/1.part"), vec![7_u8; 70_000]).unwrap();
        marie_says(world, "/GET 1\n").await.exited(0).said("file 1 of john, file: here");
        assert_eq!(fs::read(world.path("marie/files/1")).unwrap(), content);
    });
}

#[test]
fn whose_key_has_changed_gets_no_file() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("hello\n").await.exited(0);
        world.sign_in("marie").await.quit().await;
        // Now that her key is known somebody else has the name.
        Launch::of(world, "john").to("marie").pipe("hello\n").await.exited(0);
        world.stop().await;
        fs::remove_file(world.path("server/names")).unwrap();
        world.start().await;
        comes_to(world, world.address(), "marie", &world.path("other")).await;
        let path = own_file(world, "file", b"secret");
        let john = Launch::of(world, "john").to("marie").with_commands();
        let john = john.pipe(format!("/SEND {}\n", text(&path))).await;
        john.exited(3).said("THE KEY OF marie HAS CHANGED");
        assert!(blobs(world).is_empty());
        let trusting =
            Launch::of(world, "john").to("marie").with_commands().pipe("/TRUST marie\n").await;
        trusting.exited(0).said("file to marie: sent");
    });
}

#[test]
fn a_file_that_changes_while_it_waits_is_not_sent() {
    story(async |world| {
        comes(world, "marie").await;
        let path = own_file(world, "file", b"as it was meant");
        let address = world.address();
        world.stop().await;
        let launch = || Launch::at(address, "john", &world.path("john"));
        let john = launch().with(&["--timeout", "1s", "--commands"]).to("marie");
        let john = john.pipe(format!("/SEND {}\n", text(&path))).await;
        john.exited(3).said("1 message not sent yet; kept; goes out");
        fs::write(&path, "something else").unwrap();
        world.start().await;
        let john = Launch::of(world, "john").to("marie").pipe("").await;
        john.exited(1).said("has changed since; send it again");
    });
}

#[test]
fn scripts_follow_files_too() {
    story(async |world| {
        comes(world, "marie").await;
        Launch::of(world, "marie").to("john").pipe("hello\n").await.exited(0);
        let tail = |flags: &[&str]| -> Program {
            Launch::of(world, "marie").with(&[&["tail"], flags].concat()).start()
        };
        let mut lines = tail(&[]);
        lines.says("following what others write").await;
        let mut json = tail(&["--json"]);
        json.says("following what others write").await;
        let path = own_file(world, "notes.txt", b"some notes\n");
        send(world, &path, &["read", "this"]).await.exited(0);
        lines.prints("john: [file 1: notes.txt, text/plain, 11 B] read this").await;
        let line: serde_json::Value = serde_json::from_str(&json.next_line().await).unwrap();
        assert_eq!(line["text"], "notes.txt read this");
        assert_eq!((&line["file"]["n"], &line["file"]["name"]), (&1.into(), &"notes.txt".into()));
    });
}

#[test]
fn on_the_screen_a_file_is_sent_and_saved() {
    story(async |world| {
        comes(world, "marie").await;
        let path = own_file(world, "my notes.txt", b"some notes\n");
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        john.presses(&format!("\u{1b}[200~'{}'\u{1b}[201~", text(&path)));
        john.sees("Send my notes.txt to marie?");
        john.presses("\u{1b}");
        john.sees_no_more("Send my notes.txt to marie?");
        assert!(blobs(world).is_empty());
        john.presses(&format!("\u{1b}[200~'{}'\u{1b}[201~", text(&path)));
        john.sees("Send my notes.txt to marie?");
        john.presses("\r");
        john.sees(" - you: [file: my notes.txt, text/plain, 11 B]");
        let begun = text(&path).strip_suffix("notes.txt").unwrap().replace(' ', "\\ ");
        john.presses(&format!("/SEND {begun}\t"));
        john.presses("again\r");
        john.sees("11 B] again");
        let mut marie = desk(world, "marie", "john");
        marie.sees("john: [file 1: my notes.txt, text/plain, 11 B]");
        marie.sees("(/GET 1)");
        marie.says("/GET 1");
        marie.sees("(/SAVE 1)");
        let saved = folder(world);
        marie.says(&format!("/SAVE 1 {}/", text(&saved)));
        marie.sees("is saved as");
        assert_eq!(fs::read_to_string(saved.join("my notes.txt")).unwrap(), "some notes\n");
        marie.says("/CANCEL");
        marie.sees("no file is on its way to john");
        marie.presses("\u{3}\u{3}");
        marie.ends(0);
    });
}
