//! The whole of TinyChat in one command: a real server on a free port, two real clients over TCP.
//! John writes to Marie, who was there once, and sends her a picture; Marie comes, receives, answers.
//!
//! Each step is narrated and checked. Exits 0 if every step holds, and 1 at the first that does not.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use async_channel::Receiver;
use tinychat::client::{self, Address, Client, Command, Event, FileInfo, FileState, Transfer, Way};
use tinychat::message::Name;
use tinychat::server::{self, Server};
use tinychat::task;
use tinychat::wire::frame::Presence;

/// How long one step may take.
const STEP: Duration = Duration::from_secs(30);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match async_std::task::block_on(demo()) {
        Ok(()) => {
            println!("\nEvery step held. `tinychat-server` and `tinychat` do the same for you.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nA step did not hold: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut config = server::Config::new(vec!["127.0.0.1:0".into()], place.path().join("server"));
    // A picture has room on any disk.
    config.files.reserve = 0;
    let server = Server::bind(config).await?;
    let address: Address = server.addresses()[0].to_string().parse()?;
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let running = task::spawn("server", server.run(async move { _ = stopped.recv().await }));
    println!("A server listens on {address}.\n");

    let (john, marie) = ("john".parse()?, "marie".parse()?);
    let mut at_john = Person::come(&address, place.path(), &john)?;
    at_john.talk_to(&marie, Presence::Away, 0).await?;
    let mut once = Person::come(&address, place.path(), &marie)?;
    once.talk_to(&john, Presence::Online, 0).await?;
    at_john.has_keys_of(&marie).await?;
    once.leave().await?;
    println!("\nMarie was there once, and left keys to seal for her.\n");
    at_john.say(&marie, "Marie, are you there?").await?;
    at_john.say(&marie, "Then read this when you come.").await?;
    at_john.hears_that_it_is_stored(2).await?;
    let picture = place.path().join("sunset.png");
    paint(&picture)?;
    at_john.sends_file(&marie, &picture, "Today, by the sea").await?;
    at_john.hears_that_it_is_stored(3).await?;

    println!("\nNow Marie comes.\n");
    let mut at_marie = Person::come(&address, place.path(), &marie)?;
    at_marie.talk_to(&john, Presence::Online, 3).await?;
    at_marie.reads(&john, "Marie, are you there?").await?;
    at_marie.reads(&john, "Then read this when you come.").await?;
    let saved = at_marie.saves_file(&john, &place.path().join("pictures/")).await?;
    check(fs::read(saved)? == fs::read(picture)?, "the picture is the same")?;
    at_john.hears_that_it_is_delivered(3).await?;

    println!("\nMarie answers, and John reads at once.\n");
    at_marie.say(&john, "Here I am, and I have all of it.").await?;
    at_john.reads(&marie, "Here I am, and I have all of it.").await?;
    at_marie.hears_that_it_is_delivered(1).await?;

    println!("\nBoth leave, and the server stops.");
    at_john.leave().await?;
    at_marie.leave().await?;
    drop(stop);
    let ended = task::within(STEP, running).await.flatten();
    ended.ok_or_else(|| "the server did not stop".into())
}

/// A client with the eyes and hands of somebody who sits at it.
struct Person {
    name: Name,
    client: Client,
    events: Receiver<Event>,
}

impl Person {
    fn come(server: &Address, place: &Path, name: &Name) -> Result<Self> {
        let data = place.join(name.as_str());
        let config = client::Config::new(server.clone(), name.clone(), data);
        let config = client::Config { patience: Some(STEP), ..config };
        let (client, events) = Client::start(config, None)?;
        Ok(Self { name: name.clone(), client, events })
    }

    async fn talk_to(&mut self, other: &Name, expected: Presence, waited: u64) -> Result<()> {
        self.client.give(Command::Talk(other.clone())).await;
        let opened = |event| match event {
            Event::Opened { peer, presence, waiting } if peer == *other => {
                Some((presence, waiting))
            }
            _ => None,
        };
        let found = self.await_event("the conversation to open", opened).await?;
        check(found == (expected, waited), &format!("{other} is {expected:?} with {waited}"))?;
        let presence = expected.as_str();
        println!("{} talks to {other}, who is {presence}; {waited} messages wait.", self.name);
        Ok(())
    }

    /// From now on what is written to them is sealed.
    async fn has_keys_of(&mut self, other: &Name) -> Result<()> {
        let seals = |event| match event {
            Event::Sealing { peer, seals: true } if peer == *other => Some(()),
            _ => None,
        };
        self.await_event(&format!("the keys of {other}"), seals).await
    }

    async fn say(&mut self, peer: &Name, text: &str) -> Result<()> {
        println!("{} writes: {text}", self.name);
        self.client.give(Command::Send { peer: peer.clone(), text: text.into() }).await;
        Ok(())
    }

    async fn reads(&mut self, from: &Name, text: &str) -> Result<()> {
        let message = |event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        };
        let message = self.await_event("a message", message).await?;
        check(message.peer == *from && message.body == text, &format!("{from} wrote {text:?}"))?;
        println!("{} reads: {text}", self.name);
        self.client.give(Command::Shown(message.id)).await;
        Ok(())
    }

    async fn sends_file(&mut self, peer: &Name, path: &Path, caption: &str) -> Result<()> {
        println!("{} sends {}: {caption}", self.name, shown(path));
        let (peer, path, caption) = (peer.clone(), path.to_path_buf(), Some(caption.into()));
        self.client.give(Command::SendFile { peer, path, caption }).await;
        let sent = |event| match event {
            Event::Transfer(Transfer { way: Way::Up, state: FileState::Here, .. }) => Some(()),
            _ => None,
        };
        self.await_event("the server to keep the file", sent).await?;
        println!("    (the server keeps all of it)");
        Ok(())
    }

    /// The file that was told of comes by itself, and is saved in a folder.
    async fn saves_file(&mut self, from: &Name, folder: &Path) -> Result<PathBuf> {
        let file = |event| match event {
            Event::Message(message) => {
                FileInfo::of(&message.kind, &message.body).map(|info| (message.id, info))
            }
            _ => None,
        };
        let (id, info) = self.await_event("a file", file).await?;
        let caption = info.caption.unwrap_or_default();
        println!("{} sees {}, {} bytes: {caption}", self.name, info.name, info.size);
        self.client.give(Command::Shown(id)).await;
        let (peer, to) = (from.clone(), Some(folder.to_path_buf()));
        self.client.give(Command::Save { peer, number: None, to }).await;
        let saved = |event| match event {
            Event::Saved { path, .. } => Some(path),
            _ => None,
        };
        let path = self.await_event("the file to be saved", saved).await?;
        println!("{} saves it as {}", self.name, shown(&path));
        Ok(path)
    }

    async fn hears_that_it_is_stored(&mut self, last: u64) -> Result<()> {
        let stored = |event| match event {
            Event::Receipts { stored, .. } if stored.contains(&last) => Some(()),
            _ => None,
        };
        self.await_event("the receipt of the server", stored).await?;
        println!("    (receipt for {}: the server keeps it, up to number {last})", self.name);
        Ok(())
    }

    async fn hears_that_it_is_delivered(&mut self, last: u64) -> Result<()> {
        let delivered = |event| match event {
            Event::Receipts { delivered, .. } if delivered.contains(&last) => Some(()),
            _ => None,
        };
        self.await_event("the receipt of the receiver", delivered).await?;
        println!("    (receipt for {}: it is on the other's disk, up to number {last})", self.name);
        Ok(())
    }

    async fn leave(self) -> Result<()> {
        self.client.give(Command::Finish).await;
        let ended = async {
            loop {
                if let Event::Ended(ending) = self.events.recv().await? {
                    return Result::Ok(ending);
                }
            }
        };
        let ending = task::within(STEP, ended).await.ok_or("a client did not end")??;
        self.client.join().await;
        check(ending.failure.is_none() && ending.unsent == 0, "a client ended well")
    }

    /// Waits for an event that is meant, past those that are not.
    async fn await_event<T>(
        &mut self,
        what: &str,
        mut meant: impl FnMut(Event) -> Option<T>,
    ) -> Result<T> {
        let waiting = async {
            loop {
                match self.events.recv().await? {
                    Event::Ended(ending) => return Err(format!("{ending:?}").into()),
                    event => {
                        if let Some(found) = meant(event) {
                            return Ok(found);
                        }
                    }
                }
            }
        };
        let late = || format!("{} waited too long for {what}", self.name);
        task::within(STEP, waiting).await.ok_or_else(late)?
    }
}

/// A sky that gets darker from the horizon up.
fn paint(path: &Path) -> Result<()> {
    let sky = |_, y: u32| {
        let dark = u8::try_from(y).unwrap_or(u8::MAX);
        image::Rgb([255 - dark / 2, 160 - dark, 60])
    };
    Ok(image::RgbImage::from_fn(160, 120, sky).save(path)?)
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("expected that {what}").into()) }
}
