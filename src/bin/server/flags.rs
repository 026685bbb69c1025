//! The command line of `tinychat-server`.

use std::error::Error;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use bytesize::ByteSize;
use log::LevelFilter;
use tinychat::args::complete::{self, Offer};
use tinychat::args::{self, paths};
use tinychat::folder::{FolderError, default_data_folder};
use tinychat::log_output::Format;
use tinychat::mailbox::Usage;
use tinychat::server::{
    Config, FileLimits, Handshake, MetricsAddress, Proxies, Quota, Rate, Rates, Registration,
    Timing, Tls,
};
use tinychat::trust::CertificateFiles;

use crate::commands::Command;
use crate::values::{
    Keep, backlog, bytes, handshake, keep, log_format, log_level, number, rate, registration, size,
    threads,
};

/// Host a TinyChat: messages wait here for the people they are for.
///
/// Without a command it serves.
#[derive(ArgsInfo, FromArgs)]
#[argh(help_triggers("--help"))]
pub(crate) struct Flags {
    /// a file in which all these have keys (default /etc/tinychat/server.toml, if there is one), or none; what is given
    /// here goes before it
    #[argh(option, arg_name = "file", from_str_fn(paths::parse))]
    pub(crate) config: Option<PathBuf>,

    /// where to listen, as host:port or unix:PATH; may be given several times (default 127.0.0.1:7878, or the sockets
    /// that a service manager passes, as systemd does; what is given here is beside them)
    #[argh(option, arg_name = "addr")]
    listen: Vec<String>,

    /// on (default), or off, as behind a proxy: on Unix sockets and loopback addresses only
    #[argh(option, arg_name = "on|off", default = "true", from_str_fn(args::on_or_off))]
    tls: bool,

    /// proxies, as addresses or networks with commas between them, and unix for whoever connects to a Unix socket: with
    /// each connection they say whose it is (HAProxy's PROXY protocol, send-proxy or send-proxy-v2), and without that
    /// they are refused (default none)
    #[argh(option, arg_name = "addr,addr", default = "Proxies::default()")]
    proxy_protocol: Proxies,

    /// your own certificate in PEM, X.509 of version 3, with --key; both are read again on SIGHUP (default: one in the
    /// data folder, made the first time)
    #[argh(option, arg_name = "file", from_str_fn(paths::parse))]
    cert: Option<PathBuf>,

    /// the certificate's private key in PEM, not locked: RSA with 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519
    #[argh(option, arg_name = "file", from_str_fn(paths::parse))]
    key: Option<PathBuf>,

    /// where to answer for metrics and health over HTTP: /metrics, /healthz and /readyz, at host:port of this machine
    /// alone, like 127.0.0.1:9464, at unix:PATH, or where others reach it at public:host:port (default nowhere)
    #[argh(option, arg_name = "addr")]
    metrics: Option<MetricsAddress>,

    /// the data folder (default $XDG_DATA_HOME/tinychat-server)
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    data: Option<PathBuf>,

    /// who may have a new name: open (default), anybody; invite, who has an address that `invite`
    /// printed; closed, nobody
    #[argh(option, arg_name = "who", default = "Registration::Open", from_str_fn(registration))]
    registration: Registration,

    /// what may wait from one person to another: messages, and bytes behind a comma; 0 is no limit
    /// (default 10000,16MiB)
    #[argh(
        option,
        arg_name = "n,size",
        default = "Quota::default().session",
        from_str_fn(backlog)
    )]
    session_backlog: Usage,

    /// what may wait for one person from all others, likewise (default 100000,256MiB)
    #[argh(
        option,
        arg_name = "n,size",
        default = "Quota::default().receiver",
        from_str_fn(backlog)
    )]
    recipient_backlog: Usage,

    /// how many messages may wait from somebody whom the receiver has neither written to nor talked to
    /// yet; 0 is no limit (default 1000)
    #[argh(
        option,
        arg_name = "n",
        default = "Quota::default().first_contact",
        from_str_fn(number)
    )]
    first_contact: u64,

    /// for how many people something of one person may wait who have not answered them yet; 0 is no limit
    /// (default 100)
    #[argh(option, arg_name = "n", default = "Quota::default().strangers", from_str_fn(number))]
    strangers: usize,

    /// what one file may have, sealed, which is 16 bytes more for each 64 KiB; 0 is no limit
    /// (default 2GiB)
    #[argh(option, arg_name = "size", default = "FILES.file", from_str_fn(bytes))]
    file_size: u64,

    /// what the files of one person may have that wait or are on their way; 0 is no limit (default 4GiB)
    #[argh(option, arg_name = "size", default = "FILES.person", from_str_fn(bytes))]
    person_files: u64,

    /// what all of them may have; 0 is no limit (default 64GiB)
    #[argh(option, arg_name = "size", default = "FILES.all", from_str_fn(bytes))]
    all_files: u64,

    /// what files leave free on the disk (default 1GiB)
    #[argh(option, arg_name = "size", default = "FILES.reserve", from_str_fn(bytes))]
    reserve: u64,

    /// how many bytes of files each person may send and fetch a second on average, and at once behind a comma;
    /// 0 is no limit (default 16MiB,3GiB)
    #[argh(option, arg_name = "n,burst", default = "Rates::default().files", from_str_fn(rate))]
    file_rate: Rate,

    /// how many files may be on their way at once (default 64), no more than 8 of them one person's
    #[argh(option, arg_name = "n", default = "64", from_str_fn(number))]
    transfers: usize,

    /// how many connections in all (default 50000); one more is told so, or closed
    #[argh(option, arg_name = "n", default = "50_000", from_str_fn(number))]
    connections: usize,

    /// how many connections from one address at once; 0 is no limit (default 500). 127.0.0.1 and ::1 are
    /// not counted: behind a proxy everybody comes from there
    #[argh(option, arg_name = "n", default = "Rates::default().connections", from_str_fn(number))]
    address_connections: u32,

    /// how many new connections from one address a minute, likewise (default 600)
    #[argh(option, arg_name = "n", default = "Rates::default().handshakes", from_str_fn(number))]
    address_handshakes: u32,

    /// how long signing in may take in all, from 6s to 1h (default 60s). In proportion to it are silence before
    /// somebody says who they are (10s), and how long the owner of a name may take to confirm that their key signs (120s)
    #[argh(option, arg_name = "time", default = "Handshake::default()", from_str_fn(handshake))]
    handshake: Handshake,

    /// how many new names may be claimed from one address a day, likewise (default 50); of IPv6 from one /64, and
    /// four times as many from one /48. Who comes with an address that `invite` printed is not counted
    #[argh(option, arg_name = "n", default = "Rates::default().names", from_str_fn(number))]
    address_names: u32,

    /// how many messages one person may write a second on average, and at once behind a comma; 0 is no
    /// limit (default 100,20000)
    #[argh(option, arg_name = "n,n", default = "Rates::default().messages", from_str_fn(rate))]
    message_rate: Rate,

    /// how many bytes, likewise (default 1MiB,32MiB)
    #[argh(option, arg_name = "size,size", default = "Rates::default().bytes", from_str_fn(rate))]
    byte_rate: Rate,

    /// how much of what waits is held in memory too (default 256MiB); all of it is on disk
    #[argh(option, arg_name = "size", default = "ByteSize::mib(256)", from_str_fn(size))]
    memory: ByteSize,

    /// how long a message waits before it expires and its sender is told, like 30d or 12h (default
    /// 30d); only time in which the server runs counts; 0 is for ever
    #[argh(option, arg_name = "time", default = "Keep(Some(MONTH))", from_str_fn(keep))]
    keep: Keep,

    /// how many threads serve connections (default 1, which is quickest until it has no time left);
    /// the disk has threads of its own
    #[argh(option, arg_name = "n", default = "NonZeroUsize::MIN", from_str_fn(threads))]
    pub(crate) threads: NonZeroUsize,

    /// what to log on stdout: off, error, warn, info, debug or trace (default info)
    #[argh(option, default = "LevelFilter::Info", arg_name = "level", from_str_fn(log_level))]
    pub(crate) log_level: LevelFilter,

    /// how to log it: each event as one line of fields, for programs to read (default: sentences)
    #[argh(option, arg_name = "json|logfmt", from_str_fn(log_format))]
    pub(crate) log_format: Option<Format>,

    /// print the version
    #[argh(switch)]
    pub(crate) version: bool,

    #[argh(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What may be logged.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

const FILES: FileLimits = FileLimits::DEFAULT;

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Flags {
    /// The data folder: that given behind a command, that given before it, or the default.
    pub(crate) fn data(&self, of_command: Option<&PathBuf>) -> Result<PathBuf, FolderError> {
        match of_command.or(self.data.as_ref()) {
            Some(data) => Ok(data.clone()),
            None => default_data_folder("tinychat-server"),
        }
    }

    /// What the server is to do, which may have sockets already.
    pub(crate) fn config(self, has_sockets: bool) -> Result<Config, Box<dyn Error>> {
        let data = self.data(None)?;
        let tls = tls(self.tls, self.cert, self.key)?;
        let mut listen = self.listen;
        if listen.is_empty() && !has_sockets {
            listen.push("127.0.0.1:7878".into());
        }
        Ok(Config {
            quota: Quota {
                session: self.session_backlog,
                receiver: self.recipient_backlog,
                first_contact: self.first_contact,
                strangers: self.strangers,
            },
            files: FileLimits {
                file: self.file_size,
                person: self.person_files,
                all: self.all_files,
                reserve: self.reserve,
            },
            max_carriers: self.transfers,
            memory: self.memory.as_u64(),
            keep: self.keep.0,
            rates: Rates {
                messages: self.message_rate,
                bytes: self.byte_rate,
                files: self.file_rate,
                connections: self.address_connections,
                handshakes: self.address_handshakes,
                names: self.address_names,
                ..Rates::default()
            },
            timing: Timing { handshake: self.handshake, ..Timing::default() },
            max_connections: self.connections,
            registration: self.registration,
            tls,
            metrics: self.metrics,
            proxies: self.proxy_protocol,
            ..Config::new(listen, data)
        })
    }
}

fn tls(on: bool, certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Tls, String> {
    match (on, certificate, key) {
        (true, None, None) => Ok(Tls::Own),
        (true, Some(certificate), Some(key)) => {
            Ok(Tls::Files(CertificateFiles { certificate, key }))
        }
        (true, ..) => Err("--cert and --key go together".into()),
        (false, None, None) => Ok(Tls::Off),
        (false, ..) => Err("there is no use for a certificate with --tls off".into()),
    }
}

/// What may stand in place of the last of these words.
pub(crate) fn offered(words: impl Iterator<Item = OsString>) -> Offer {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    complete::complete(&Flags::get_args_info(), &words, |name| match name {
        "who" => Some(Offer::plain(["open", "invite", "closed"])),
        "level" => Some(Offer::plain(LEVELS)),
        "shell" => Some(Offer::plain(complete::SHELLS)),
        _ => None,
    })
}
