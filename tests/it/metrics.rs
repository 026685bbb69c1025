//! What programs that watch a server are told: metrics, health, and `status`, which has the same numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tinychat::mailbox::Usage;
use tinychat::server::Config;
use tinychat::trust::Identity;

use crate::carrying::{Carrier, noise};
use crate::keys::{shell, with_programs};
use crate::operators::{operate, stop};
use crate::programs::Launch;
use crate::times::SetTimes;
use crate::world::{FIRST_INSTALLATION, PATIENCE, World, story, story_with};

/// Where a world's server is asked.
const SOCKET: &str = "metrics.socket";

const MANUAL: &str = include_str!("../../share/man/tinychat-server.8.md");
const DASHBOARD: &str = include_str!("../../share/grafana/tinychat.json");

/// How many are answered at once.
const CONNECTIONS: usize = 16;

/// How long one may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A server that is watched.
fn watched(config: &mut Config) {
    let socket = config.data.with_file_name(SOCKET);
    config.metrics = Some(format!("unix:{}", socket.display()).parse().unwrap());
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// Asks for something.
pub(crate) fn get(socket: &Path, path: &str) -> Answer {
    ask(connect(socket), format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes())
}

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(mut stream: impl Read + Write, request: &[u8]) -> Answer {
    // Whoever is turned away may find that nobody listens any more.
    let _ = stream.write_all(request);
    let answered = rest(stream);
    let (head, body) = answered.split_once("\r\n\r\n").unwrap_or((&answered, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let status = status.unwrap_or_else(|| panic!("an answer: {answered:?}"));
    Answer { status, head: head.into(), body: body.into() }
}

/// All that comes up to the end, which may be a reset.
fn rest(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// Numbers by name, and by the value of their label behind it.
type Numbers = BTreeMap<String, f64>;

fn numbers(text: &str) -> Numbers {
    let number = |line: &str| {
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = match sample.split_once('{') {
            Some((name, label)) => format!("{name} {}", label.split('"').nth(1).unwrap()),
            None => sample.to_owned(),
        };
        (name, value.parse().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(number).collect()
}

fn now(world: &World) -> Numbers {
    let answer = get(&world.path(SOCKET), "/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    numbers(&answer.body)
}

/// Looks again and again until these are the numbers: some are counted after somebody was told.
#[track_caller]
fn until_they_are(world: &World, expected: &[(&str, f64)]) {
    let late = Instant::now() + PATIENCE;
    loop {
        let now = now(world);
        let wrong: Vec<_> = expected.iter().filter(|it| now[it.0] != it.1).collect();
        if wrong.is_empty() {
            return;
        }
        assert!(Instant::now() < late, "expected {wrong:?} in {now:#?}");
    }
}

#[test]
fn what_people_do_moves_the_numbers() {
    let small = |config: &mut Config| {
        watched(config);
        config.quota.session = Usage { messages: 2, bytes: 0 };
    };
    story_with(small, async |world| {
        until_they_are(world, &[("tinychat_ready", 1.0), ("tinychat_people online", 0.0)]);
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        for n in [1, 2] {
            alice.say("bob", n, "hello").await;
            bob.hears("alice", n, n, "hello").await;
            bob.ack("alice", n).await;
            alice.expect(&format!("DELIVERED bob {n}")).await;
        }
        alice.talk("carl").await;
        for n in 1..=3 {
            alice.say("carl", n, "hello").await;
        }
        alice.expect("ERR FULL carl 3").await;
        let mut thief = world.connect().await;
        thief.prove("alice", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        thief.expect("ERR TAKEN").await;
        thief.end().await;
        until_they_are(
            world,
            &[
                ("tinychat_people online", 2.0),
                ("tinychat_people away", 0.0),
                ("tinychat_names", 2.0),
                ("tinychat_connections person", 2.0),
                ("tinychat_connections other", 0.0),
                ("tinychat_connections_accepted_total", 3.0),
                ("tinychat_sign_ins_total welcome", 2.0),
                ("tinychat_sign_ins_total taken", 1.0),
                ("tinychat_messages_taken_total", 4.0),
                ("tinychat_messages_delivered_total", 2.0),
                ("tinychat_messages_refused_total full", 1.0),
                ("tinychat_messages_waiting", 2.0),
                ("tinychat_messages_waiting_bytes", 10.0),
            ],
        );
        alice.talk_until_stored("carl").await;
        let last = now(world);
        assert!(last["tinychat_round_trip_seconds_count"] >= 1.0, "{last:#?}");
        assert!(last["tinychat_commit_seconds_count"] >= 1.0, "{last:#?}");
        assert!(last["tinychat_disk_used_bytes mailbox"] > 0.0, "{last:#?}");
        assert!(last["tinychat_tasks"] > 5.0, "{last:#?}");
        alice.quit().await;
        let _program = world.sign_in_away("carl").await;
        let left = [("tinychat_people online", 1.0), ("tinychat_people away", 1.0)];
        until_they_are(world, &left);
    });
}

#[test]
fn files_that_are_carried_move_the_numbers() {
    story_with(watched, async |world| {
        let mut alice = world.sign_in("alice").await;
        let mut bob = world.sign_in("bob").await;
        let content = noise(100_000);
        let mut carrier = Carrier::of(world, &mut alice).await;
        let blob = carrier.upload("bob", &content).await;
        until_they_are(
            world,
            &[
                ("tinychat_files_carried_total up", 1.0),
                ("tinychat_files_carried_total down", 0.0),
                ("tinychat_files_carried_bytes_total up", 100_000.0),
                ("tinychat_files_waiting", 1.0),
                ("tinychat_disk_used_bytes files", 100_000.0),
                ("tinychat_connections files", 1.0),
            ],
        );
        let mut carrier = Carrier::of(world, &mut bob).await;
        assert_eq!(carrier.fetch(&blob, 0, content.len()).await, content);
        carrier.send("FETCH 00000000000000000000000000000000 0").await;
        carrier.expect("ERR GONE").await;
        until_they_are(
            world,
            &[
                ("tinychat_files_carried_total down", 1.0),
                ("tinychat_files_carried_bytes_total down", 100_000.0),
                ("tinychat_files_refused_total gone", 1.0),
            ],
        );
    });
}

#[test]
fn nobodys_name_is_told() {
    const NAMES: [&str; 3] = ["zebulon", "wilhelmina", "quirinus"];
    const OPEN: &[u8] = b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n";
    story_with(watched, async |world| {
        let (mut one, _other) = world.conversation(NAMES[0], NAMES[1]).await;
        one.say(NAMES[1], 1, "hello").await;
        one.talk(NAMES[2]).await;
        one.say(NAMES[2], 1, "hello").await;
        one.expect(&format!("STORED {} 1", NAMES[2])).await;
        let (socket, data) = (world.path(SOCKET), world.path("server"));
        let mut told = String::new();
        for path in ["/metrics", "/healthz", "/readyz", "/"] {
            told += &get(&socket, path).body;
        }
        told += &ask(connect(&socket), OPEN).body;
        for words in [&["status"][..], &["status", "--json"]] {
            told += &operate(words, &data).await.exited(0).was_quiet().text();
        }
        assert!(told.contains("tinychat_people"), "{told}");
        for name in NAMES {
            assert!(!told.contains(name), "{name} is in {told}");
        }
    });
}

#[test]
fn status_has_the_same_numbers() {
    /// What may be another from one moment to the next.
    const MOVES: [&str; 5] = [
        "process_",
        "tinychat_tasks",
        "tinychat_disk_",
        "tinychat_commit_seconds",
        "tinychat_messages_written",
    ];
    story_with(watched, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "hello").await;
        alice.expect("STORED bob 1").await;
        let data = world.path("server");
        let json = operate(&["status", "--json"], &data).await.exited(0).was_quiet().text();
        let json: Value = serde_json::from_str(&json).unwrap();
        let (json, text) = (flat(&json["metrics"]), now(world));
        assert!(json.keys().eq(text.keys()), "{json:#?} {text:#?}");
        for (name, number) in &text {
            let moves = MOVES.iter().any(|it| name.starts_with(it));
            assert!(moves || json[name] == *number, "{name}: {number}, {}", json[name]);
        }
        let words = operate(&["status"], &data).await.exited(0).was_quiet().text();
        for line in [
            "Ready: ",
            "People: 1 online, 0 signed in by a program alone, 1 name in all\n",
            "Since its start: 1 message came, 0 delivered, 0 expired, 0 sent back; 1 written to disk, in ",
            "Waiting: 1 message with 5 B, 0 files with 0 B\n",
        ] {
            assert!(words.contains(line), "{line} in {words}");
        }
    });
}

/// The numbers of `status --json`.
fn flat(metrics: &Value) -> Numbers {
    let mut numbers = Numbers::new();
    let mut put = |name: String, value: &Value| {
        numbers.insert(name, value.as_f64().unwrap());
    };
    for (name, value) in metrics.as_object().unwrap() {
        let Some(inside) = value.as_object() else {
            put(name.clone(), value);
            continue;
        };
        let Some(buckets) = inside.get("buckets") else {
            inside.iter().for_each(|(word, value)| put(format!("{name} {word}"), value));
            continue;
        };
        for (bound, value) in buckets.as_object().unwrap() {
            put(format!("{name}_bucket {bound}"), value);
        }
        for part in ["sum", "count"] {
            put(format!("{name}_{part}"), &inside[part]);
        }
    }
    numbers
}

#[test]
fn promtool_finds_nothing_wrong() {
    let Some(folder) = with_programs(&["promtool"]) else { return };
    story_with(watched, async |world| {
        let (mut alice, _bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "hello").await;
        alice.expect("STORED bob 1").await;
        let metrics = get(&world.path(SOCKET), "/metrics");
        fs::write(folder.path().join("metrics"), metrics.body).unwrap();
    });
    assert_eq!(shell(folder.path(), "promtool check metrics < metrics 2>&1"), "");
}

#[test]
fn openmetrics_is_for_those_who_accept_it() {
    story_with(watched, async |world| {
        let socket = world.path(SOCKET);
        let classic = get(&socket, "/metrics");
        assert!(classic.head.contains("Content-Type: text/plain; version=0.0.4"), "{classic:?}");
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4";
        let asked = format!("GET /metrics HTTP/1.1\r\nAccept: {accept}\r\n\r\n");
        let open = ask(connect(&socket), asked.as_bytes());
        assert!(open.head.contains("Content-Type: application/openmetrics-text; version=1.0.0"));
        assert!(open.body.ends_with("\n# EOF\n"), "{}", open.body);
        let names = |answer: &Answer| numbers(&answer.body).into_keys().collect::<BTreeSet<_>>();
        assert_eq!(names(&classic), names(&open));
    });
}

#[test]
fn rubbish_is_refused() {
    story_with(watched, async |world| {
        let socket = world.path(SOCKET);
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(8 * 1024));
        for (request, status) in [
            (&b"\x16\x03\x01\x00"[..], 400),
            (b"HELLO tinychat/2 john\r\n", 400),
            (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 405),
            (b"GET /names HTTP/1.1\r\n\r\n", 404),
            (long.as_bytes(), 431),
        ] {
            assert_eq!(ask(connect(&socket), request).status, status, "{request:?}");
        }
        let refused = ask(connect(&socket), b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(refused.head.contains("\r\nAllow: GET\r\n"), "{refused:?}");
        assert_eq!(get(&socket, "/metrics").status, 200);
    });
}

#[test]
fn whoever_takes_too_long_is_cut_off() {
    let times = SetTimes::new();
    let slow = |config: &mut Config| {
        watched(config);
        config.times = times.clone();
    };
    story_with(slow, async |world| {
        let mut stream = connect(&world.path(SOCKET));
        stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
        times.until_asleep(1).await;
        times.pass(LIMIT).await;
        assert_eq!(rest(stream), "");
    });
}

#[test]
fn one_more_than_can_be_answered_is_told_so() {
    let times = SetTimes::new();
    let slow = |config: &mut Config| {
        watched(config);
        config.times = times.clone();
    };
    story_with(slow, async |world| {
        let socket = world.path(SOCKET);
        let mut silent: Vec<_> = (0..CONNECTIONS).map(|_| connect(&socket)).collect();
        times.until_asleep(CONNECTIONS).await;
        assert!(rest(connect(&socket)).starts_with("HTTP/1.1 503 "));
        silent.pop();
        let late = Instant::now() + PATIENCE;
        // Its end may be seen a moment later.
        while !rest_of_healthz(&socket).starts_with("HTTP/1.1 200 ") {
            assert!(Instant::now() < late, "nobody is answered any more");
        }
    });
}

fn rest_of_healthz(socket: &Path) -> String {
    let mut stream = connect(socket);
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n");
    rest(stream)
}

#[test]
fn others_than_this_machine_are_answered_only_where_that_is_said() {
    const ASKED: &[u8] = b"GET /healthz HTTP/1.1\r\n\r\n";
    story(async |world| {
        let data = world.path("server-1");
        let at = |metrics| {
            let flags = ["--listen", "127.0.0.1:0", "--tls", "off", "--metrics", metrics];
            Launch::operator(&flags).on(&data)
        };
        let refused = at("0.0.0.0:0").pipe("").await;
        refused.exited(1).said("write --metrics public:0.0.0.0:");
        at("9464").pipe("").await.exited(2).said("\"9464\" is no address for metrics");
        for metrics in ["127.0.0.1:0", "public:0.0.0.0:0"] {
            let mut server = at(metrics).start();
            let line = server.says_line("metrics at ").await;
            let port: u16 = line.rsplit(':').next().unwrap().parse().unwrap();
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(ask(stream, ASKED).status, 200);
            stop(server).await;
        }
    });
}

#[test]
fn the_manual_has_every_metric_and_the_dashboard_no_other() {
    story_with(watched, async |world| {
        let body = get(&world.path(SOCKET), "/metrics").body;
        let typed = body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names: Vec<_> = typed.filter_map(|line| line.split(' ').next()).collect();
        let missing: Vec<_> =
            names.iter().filter(|name| !MANUAL.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
        for name in exprs().iter().flat_map(|it| it.split(|c: char| !is_part(c))) {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            let is_one = name.starts_with("tinychat_") || name.starts_with("process_");
            assert!(!is_one || names.contains(&name), "{name} is none");
        }
    });
}

/// Whether this may stand in a metric's name.
fn is_part(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

/// What the dashboard asks for.
fn exprs() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}
