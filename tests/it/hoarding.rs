//! Who holds what others need: room, and connections for files, on the server and with those who receive.

use std::time::{Duration, Instant};

use tinychat::server::{FileLimits, Rate, Rates};

use crate::carrying::Carrier;
use crate::world::{story, story_with};

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
            // What is large enough does not.
            let chunks = 40;
            for n in 0..chunks {
                carrier.chunk(4 + n * 20_000, &[b'x'; 20_000]).await;
            }
            carrier.send(&format!("RESUME {blob}")).await;
            let began = Instant::now();
            carrier.expect(&format!("HAVE {blob} {}", 4 + chunks * 20_000)).await;
            assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
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
