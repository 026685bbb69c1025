//! A server on a Unix socket that says whatever it is to say to a client, and the client.
//!
//! Each input meets a fresh copy of the same data folder. Invariant: the chat's connection is closed only when the
//! client has had all that was said on it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use tinychat::client::{Client, Command, Config, Event};
use tinychat::message::Name;

use crate::common::{copy, folder};

/// How long one input may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said.
#[derive(Clone, Default)]
pub struct Script {
    /// From the first byte on, instead of letting the client sign in.
    pub greets: bool,
    /// On the connection on which the client signs in.
    pub chat: Vec<u8>,
    /// On the same one, once the client asks for marie's device list; none if it does not.
    pub devices: Option<Vec<u8>>,
    /// On each one that carries a file; none if the chat does not wait for one.
    pub carry: Option<Vec<u8>>,
}

pub struct Stage {
    folder: TempDir,
    script: Arc<Mutex<Script>>,
}

impl Stage {
    pub fn open() -> Self {
        let folder = folder();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let said = script.clone();
        thread::spawn(move || serve(&listener, &said));
        let stage = Self { folder, script };
        // What every input begins with.
        stage.run_in("template", Script::default(), &[Command::Talk(name("marie"))], |_| {});
        stage
    }

    /// Where what is to be sent may lie.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Has john's client hear a script once it talks to marie, and looks at its data folder afterwards.
    pub fn run(&self, script: Script, commands: &[Command], look: impl Fn(PathBuf)) {
        copy(&self.path("template"), &self.path("john"));
        self.run_in("john", script, commands, look);
    }

    fn run_in(&self, data: &str, script: Script, commands: &[Command], look: impl Fn(PathBuf)) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
        let server = format!("unix:{}", self.path("socket").display()).parse().unwrap();
        let config = Config::new(server, name("john"), self.path(data));
        let config = Config { tls: false, read_receipts: true, ..config };
        live(config, commands, |_| {});
        look(self.path(data));
    }
}

/// Has a client obey until its connection ends, and leave then. It is heard until that.
pub fn live(config: Config, commands: &[Command], hear: impl Fn(&Event)) {
    let (mut client, events) = Client::start(config, None).unwrap();
    async_std::task::block_on(async {
        for command in commands {
            client.give(command.clone()).await;
        }
        let ended = async {
            loop {
                let Ok(event) = events.recv().await else { return };
                hear(&event);
                match event {
                    Event::Disconnected { .. } | Event::Ended(_) => return,
                    Event::Message(message) => client.give(Command::Shown(message.id)).await,
                    _ => {}
                }
            }
        };
        tinychat::task::within(PATIENCE, ended).await.expect("the client goes on");
        client.give(Command::Leave).await;
        let ended = tinychat::task::within(PATIENCE, client.end()).await;
        ended.expect("the client ends");
    });
}

pub fn name(name: &str) -> Name {
    name.parse().unwrap()
}

fn serve(listener: &UnixListener, script: &Mutex<Script>) {
    let (mut carried, _) = channel();
    loop {
        let (stream, _) = listener.accept().unwrap();
        let script = script.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut first = [0; 6];
        // A client says HELLO or CARRY first, or was ended before.
        if (&stream).read_exact(&mut first).is_err() {
            continue;
        }
        if first == *b"CARRY " {
            let carried = carried.clone();
            thread::spawn(move || carry(stream, &script, &carried));
        } else {
            // What was carried for an earlier client does not count.
            let (sender, is_carried) = channel();
            carried = sender;
            thread::spawn(move || chat(stream, &script, &is_carried));
        }
    }
}

fn chat(mut stream: UnixStream, script: &Script, is_carried: &Receiver<()>) -> io::Result<()> {
    if !script.greets {
        write!(stream, "CHALLENGE {}\r\n", "0".repeat(64))?;
        read_until(&mut stream, b"END SSH SIGNATURE-----\n\r\n")?;
        stream.write_all(b"WELCOME john\r\n")?;
        read_until(&mut stream, b"TALK marie 0\r\n")?;
    }
    let mut said = &script.chat;
    if let Some(devices) = &script.devices {
        // It is short.
        stream.write_all(said)?;
        read_until(&mut stream, b"DEVICES marie\r\n")?;
        said = devices;
    }
    let mut reader = stream.try_clone()?;
    let reading = thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
    stream.write_all(said)?;
    if script.carry.is_some() {
        let _ = is_carried.recv_timeout(PATIENCE / 2);
    }
    stream.shutdown(Shutdown::Write)?;
    let _ = reading.join();
    Ok(())
}

fn carry(mut stream: UnixStream, script: &Script, carried: &Sender<()>) -> io::Result<()> {
    let mut reader = stream.try_clone()?;
    let reading = thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
    let said = stream.write_all(script.carry.as_deref().unwrap_or_default());
    let _ = stream.shutdown(Shutdown::Write);
    let _ = reading.join();
    // The client may be gone.
    let _ = carried.send(());
    said
}

/// Reads, maybe a little more.
fn read_until(stream: &mut UnixStream, words: &[u8]) -> io::Result<()> {
    let mut read = Vec::new();
    let mut piece = [0; 1024];
    while !read.windows(words.len()).any(|it| it == words) {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => read.extend_from_slice(&piece[..length]),
        }
    }
    Ok(())
}

/// The files that came, by name and content.
#[allow(dead_code, reason = "the chat has none")]
pub fn files(data: PathBuf) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(data.join(tinychat::client::files::FOLDER)) else {
        return Vec::new();
    };
    let named = entries.map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
    });
    named.collect()
}
