//! A server's configuration. The defaults are those of the protocol, and enough for a group of friends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::limits::Rates;
use super::listening::{MetricsAddress, Proxies};
use super::people::Registration;
use super::sessions::Quota;
use crate::blobs::FileLimits;
use crate::clock::{SystemTimes, Times};
use crate::trust::CertificateFiles;
use crate::wire::{
    CONFIRMATION_SECONDS, HANDSHAKE_SECONDS, HANDSHAKE_SILENCE_SECONDS, IDLE_AFTER_SECONDS,
    PING_AFTER_SECONDS,
};

/// What a server is to do.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen, each `host:port` or `unix:PATH`; port 0 takes a free one.
    pub listen: Vec<String>,
    /// What connections are protected with.
    pub tls: Tls,
    /// Proxies, whose connections begin with the client's address.
    pub proxies: Proxies,
    /// Where whoever watches the server is answered over HTTP; none if nobody is.
    pub metrics: Option<MetricsAddress>,
    /// The data folder.
    pub data: PathBuf,
    /// Who may claim a new name.
    pub registration: Registration,
    /// How much may wait.
    pub quota: Quota,
    /// How much may wait of files.
    pub files: FileLimits,
    /// How fast things may come.
    pub rates: Rates,
    /// How much of what waits is also held in memory, in bytes.
    pub memory: u64,
    /// How long a message waits, while the server runs, before it expires; none for ever.
    pub keep: Option<Duration>,
    /// Where times come from.
    pub times: Arc<dyn Times>,
    /// How long things may take.
    pub timing: Timing,
    /// The most connections that carry files at once. One more replaces one that stands still, or is told `ERR BUSY`.
    pub max_carriers: usize,
    /// The most connections at once. One more is told `ERR BUSY`; under TLS only a few at once are told, and others are
    /// closed unread.
    pub max_connections: usize,
}

impl Config {
    /// The defaults, with a data folder.
    pub fn new(listen: Vec<String>, data: PathBuf) -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            listen,
            tls: Tls::Own,
            proxies: Proxies::default(),
            metrics: None,
            data,
            registration: Registration::default(),
            quota: Quota::default(),
            files: FileLimits::DEFAULT,
            rates: Rates::default(),
            memory: 256 * MIB,
            keep: Some(Duration::from_secs(30 * 24 * 60 * 60)),
            times: Arc::new(SystemTimes),
            timing: Timing::default(),
            max_carriers: 64,
            max_connections: 50_000,
        }
    }
}

/// What connections are protected with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// TLS with a certificate in the data folder, which is made there if there is none.
    Own,
    /// TLS with the operator's certificate.
    Files(CertificateFiles),
    /// Nothing. For Unix sockets and loopback addresses only.
    Off,
}

/// How long things may take. The defaults are those of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Connecting and signing in.
    pub handshake: Handshake,
    /// Silence before `PING`.
    pub ping_after: Duration,
    /// Silence, or a write without progress, before the connection is closed.
    pub idle_after: Duration,
    /// Telling everybody and ending every task at shutdown.
    pub drain: Duration,
    /// The interval between sweeps for what is too old, at most; a tenth of the time that things are kept if that is
    /// less.
    pub sweep: Duration,
    /// The interval between looks at the clocks.
    pub look: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: Handshake::default(),
            ping_after: Duration::from_secs(PING_AFTER_SECONDS),
            idle_after: Duration::from_secs(IDLE_AFTER_SECONDS),
            drain: Duration::from_millis(3_500),
            sweep: Duration::from_secs(10 * 60),
            look: Duration::from_secs(10),
        }
    }
}

/// How long signing in may take. The defaults are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Silence before `HELLO`; during the first one nothing needs to arrive at all.
    pub silence: Duration,
    /// All of it, from connecting to `PROVE`.
    pub all: Duration,
    /// From `HELLO` to `PROVE`, where the key owns the name.
    pub confirmation: Duration,
}

impl Handshake {
    /// With this limit for all of it, and the others in proportion.
    pub fn within(all: Duration) -> Self {
        let share = |seconds| all.saturating_mul(seconds as u32) / HANDSHAKE_SECONDS as u32;
        Self {
            silence: share(HANDSHAKE_SILENCE_SECONDS),
            all,
            confirmation: share(CONFIRMATION_SECONDS),
        }
    }
}

impl Default for Handshake {
    fn default() -> Self {
        Self::within(Duration::from_secs(HANDSHAKE_SECONDS))
    }
}
