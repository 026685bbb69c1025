//! How quick this machine is just now: what a bare echo takes; no tests.
//!
//! Owned by the story.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use async_std::io::prelude::{ReadExt as _, WriteExt as _};

use crate::world::patiently;

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
