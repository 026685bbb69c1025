//! Who holds what others need: room, and connections for files, on the server and with those who receive.

use std::fs;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use tinychat::client::{Client, Command, Config, Event, FileState, Unasked};
use tinychat::server::{FileLimits, Rate, Rates};
use tinychat::wire::frame::Presence;

use crate::carrying::Carrier;
use crate::files::{marie_writes, own_file, send, tell};
use crate::programs::Launch;
use crate::sealed::comes;
use crate::world::{Peer, World, patiently, story, story_with};

#[test]
fn who_offers_much_and_sends_nothing_keeps_nobody_out() {
    let files = FileLimits { file: 4_000, person: 4_000, all: 16_000, reserve: 0 };
    story_with(
        |config| config.files = files,
        async |world| {
            let mut held = Vec::new();
            for name in ["mallory", "malcolm", "malone", "malik"] {
                let mut person = world.sign_in(name).await;
                let mut carrier = Carrier::of(world, &mut person).await;
                let blob = carrier.offer("marie", 4_000).await;
                carrier.chunk(0, b"").await;
                held.push((person, carrier, blob));
            }
            let mut anna = world.sign_in("anna").await;
            Carrier::of(world, &mut anna).await.upload("marie", &[b'x'; 4_000]).await;
            // Those who send after all have their room, too.
            let (_, carrier, blob) = &mut held[3];
            carrier.chunk(0, &[b'x'; 4_000]).await;
            carrier.expect(&format!("KEPT {blob}")).await;
        },
    );
}

#[test]
fn what_is_asked_about_files_counts_like_messages() {
    let messages = Rate { each_second: 10, burst: 5 };
    let few = Rates { messages, ..Rates::UNLIMITED };
    story_with(
        |config| config.rates = few,
        async |world| {
            let began = Instant::now();
            let mut john = world.sign_in("john").await;
            // With the ticket that is two.
            let mut carrier = Carrier::of(world, &mut john).await;
            let blob = carrier.offer("marie", 1_000_000).await;
            for _ in 0..8 {
                carrier.send(&format!("RESUME {blob}")).await;
                carrier.expect(&format!("HAVE {blob} 0")).await;
            }
            // Five of the ten had to wait: on no machine is it quicker.
            assert!(began.elapsed() > Duration::from_millis(450), "{:?}", began.elapsed());
            for n in 0..4 {
                carrier.chunk(n, b"x").await;
            }
            carrier.send(&format!("RESUME {blob}")).await;
            carrier.expect(&format!("HAVE {blob} 4")).await;
            assert!(began.elapsed() > Duration::from_millis(950), "{:?}", began.elapsed());
            // What is large enough does not: it would take 6 s.
            let chunks = 60;
            for n in 0..chunks {
                carrier.chunk(4 + n * 16_384, &[b'x'; 16_384]).await;
            }
            carrier.send(&format!("RESUME {blob}")).await;
            let began = Instant::now();
            carrier.expect(&format!("HAVE {blob} {}", 4 + chunks * 16_384)).await;
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        },
    );
}

#[test]
fn who_holds_connections_for_files_and_does_nothing_gives_way() {
    story(async |world| {
        let (mut people, mut held) = (Vec::new(), Vec::new());
        for n in 1..=8 {
            let mut person = world.sign_in(&format!("mallory{n}")).await;
            for _ in 0..8 {
                let mut carrier = Carrier::of(world, &mut person).await;
                // It is known whose it is.
                carrier.offer("marie", 5).await;
                held.push(carrier);
            }
            people.push(person);
        }
        let (mut john, mut marie) = (world.sign_in("john").await, world.sign_in("marie").await);
        let content = vec![b'x'; 100_000];
        let blob = Carrier::of(world, &mut john).await.upload("marie", &content).await;
        let mut carrier = Carrier::of(world, &mut marie).await;
        assert_eq!(carrier.fetch(&blob, 0, content.len()).await, content);
    });
}

#[test]
fn what_comes_by_itself_is_of_people_one_wrote_to_and_can_be_freed() {
    story(async |world| {
        comes(world, "marie").await;
        let path = own_file(world, "cat.txt", b"a cat");
        let marie = async |lines: &str| {
            Launch::of(world, "marie").to("john").with_commands().pipe(lines).await
        };
        let here = || fs::read_dir(world.path("marie/files")).map_or(0, Iterator::count);
        let files = async |words: &[&str]| {
            Launch::of(world, "marie").with(&[&["files"], words].concat()).pipe("").await
        };
        send(world, &path, &[]).await.exited(0);
        marie("").await.exited(0);
        marie("/FILES\n").await.exited(0).said("file 1 of john, cat.txt: 5 B; /GET 1 has it come");
        assert_eq!(here(), 0);
        files(&[]).await.exited(0).printed(&[]);
        marie_writes(world).await;
        for _ in 0..3 {
            send(world, &path, &[]).await.exited(0);
        }
        marie("").await.exited(0).said("file 4 of john, cat.txt: here");
        let counted = "3 files, 15 B; 192.0 KiB came by itself, of 128.0 MiB that may";
        marie("/FILES\n").await.exited(0).said(&format!("here of john: {counted}"));
        files(&[]).await.exited(0).printed(&[&format!("john: {counted}")]);
        marie("/FREE 2\n").await.exited(0).said("removed of john: 1 file, 5 B");
        assert_eq!(here(), 2);
        marie("/GET 2\n").await.exited(1).said("the server does not have it any more");
        let freed = r#"{"from":"john","files":2,"bytes":10}"#;
        files(&["--free", "john", "--json"]).await.exited(0).printed(&[freed]);
        assert_eq!(here(), 0);
        files(&["--free", "john"]).await.exited(0).printed(&["john: removed 0 files, 0 B"]);
        marie("/FREE\n").await.exited(0).said("nothing of john lies here that could be removed");
        let help = Launch::tinychat(&["files", "--help"]).pipe("").await;
        assert!(help.exited(0).text().contains("--free"), "{}", help.text());
    });
}

/// Whether the next file that somebody tells of comes by itself.
async fn told(events: &Receiver<Event>) -> bool {
    loop {
        let event = patiently("marie is told of a file", events.recv()).await.unwrap();
        if let Event::Message(message) = event
            && let Some(file) = message.file
        {
            return file.state == FileState::Coming;
        }
    }
}

/// Somebody without a client sends marie a file.
async fn send_raw(world: &World, peer: &mut Peer, n: u64) {
    let content = n.to_string();
    let blob = Carrier::of(world, peer).await.upload("marie", content.as_bytes()).await;
    tell(peer, n, &blob, "file", content.as_bytes(), blake3::hash(content.as_bytes())).await;
}

#[test]
fn whoever_sends_without_end_does_not_fill_the_disk_of_others() {
    story(async |world| {
        let name = |name: &str| name.parse().unwrap();
        let server = world.address().to_string().parse().unwrap();
        let config = Config::new(server, name("marie"), world.path("marie"));
        // Each counts 64 KiB.
        let unasked = Unasked { file: 1_000, person: 200_000, all: 270_000 };
        let (marie, events) =
            Client::start(Config { tls: false, unasked, presence: Presence::Away, ..config }, None)
                .unwrap();
        let mut people = Vec::new();
        for peer in ["john", "anna"] {
            let mut raw = world.sign_in(peer).await;
            raw.talk("marie").await;
            marie.give(Command::Talk(name(peer))).await;
            marie.give(Command::Send { peer: name(peer), text: "hello".into() }).await;
            assert_eq!(raw.hear().await.text, "hello");
            people.push(raw);
        }
        let mut came = Vec::new();
        for n in 1..=5 {
            send_raw(world, &mut people[0], n).await;
            came.push(told(&events).await);
        }
        for n in 1..=2 {
            send_raw(world, &mut people[1], n).await;
            came.push(told(&events).await);
        }
        assert_eq!(came, [true, true, true, false, false, true, false]);
        // What just comes is not freed.
        let freed = async {
            loop {
                marie.give(Command::Free { peer: name("john"), number: None }).await;
                let event = patiently("some is freed", events.recv()).await.unwrap();
                if matches!(event, Event::Freed(freed) if !freed.messages.is_empty()) {
                    break;
                }
            }
        };
        patiently("what came is freed", freed).await;
        send_raw(world, &mut people[0], 6).await;
        assert!(told(&events).await, "there is room again");
        marie.give(Command::Leave).await;
        marie.join().await;
    });
}
