//! How quick this machine is just now: what a bare echo takes, and a write to the disk. What has to be done within a
//! second may take many times as long as these on a machine that is busy with other things; no tests.
//!
//! Owned by the story.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use async_std::io::prelude::{ReadExt as _, WriteExt as _};

use crate::world::patiently;

const A_SECOND: Duration = Duration::from_secs(1);

/// What has to be done within a second may take as long as so many echoes and writes.
const TIMES: u32 = 20;

/// A thread that says again what it hears, and a connection to it.
pub(crate) struct Echo(async_std::net::TcpStream);

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut reader, _) = listener.accept().unwrap();
            let mut writer = reader.try_clone().unwrap();
            std::io::copy(&mut reader, &mut writer)
        });
        let stream = async_std::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) async fn round_trip(&mut self) -> Duration {
        let start = Instant::now();
        let mut byte = [b'x'];
        let exchange = async {
            self.0.write_all(&byte).await.unwrap();
            self.0.read_exact(&mut byte).await.unwrap();
        };
        patiently("an echo", exchange).await;
        start.elapsed()
    }
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Something that has to be done within a second, and how long it took each time.
pub(crate) struct WithinASecond {
    echo: Echo,
    disk: File,
    took: Vec<Duration>,
    bare: Vec<Duration>,
}

impl WithinASecond {
    pub(crate) async fn begin() -> Self {
        let (echo, disk) = (Echo::start().await, tempfile::tempfile().unwrap());
        Self { echo, disk, took: Vec::new(), bare: Vec::new() }
    }

    /// It was begun then, and is done now.
    pub(crate) async fn done_since(&mut self, begun: Instant) {
        self.took.push(begun.elapsed());
        let start = Instant::now();
        self.disk.write_all(b"x").unwrap();
        self.disk.sync_all().unwrap();
        let written = start.elapsed();
        let echoed = self.echo.round_trip().await;
        self.bare.push(echoed + written);
    }

    /// Half of the times it took no longer.
    pub(crate) fn holds(self) {
        let (took, bare) = (median(self.took), median(self.bare));
        assert!(
            took < A_SECOND.max(TIMES * bare),
            "half of the times it took more than {took:?}; an echo and a write took {bare:?}"
        );
    }
}
