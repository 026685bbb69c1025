//! `tinychat`: flags and exit code around the face that fits.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;
use tinychat::args;
use tinychat::message::Name;
use tinychat::ui::plain::{self, Options};

/// Talk to people on a TinyChat server. What you write to somebody who is away waits for them.
///
/// Type a line to send it; /HELP lists the commands.
#[derive(FromArgs)]
struct Flags {
    /// the server, as host or host:port (default 127.0.0.1:7878)
    #[argh(option, arg_name = "addr", default = "String::from(\"127.0.0.1\")")]
    server: String,

    /// your name; asked for on a terminal if missing
    #[argh(option, arg_name = "name")]
    user: Option<Name>,

    /// whom to talk to; asked for on a terminal if missing
    #[argh(option, arg_name = "name")]
    to: Option<Name>,

    /// your data folder: key, outbox and history (default $XDG_DATA_HOME/tinychat/NAME)
    #[argh(option, arg_name = "dir")]
    data: Option<PathBuf>,

    /// keep listening after the end of input
    #[argh(switch)]
    follow: bool,

    /// without a terminal: give up after so long without progress, like 90s or 5m (default 60s)
    #[argh(option, arg_name = "time", default = "DEFAULT_TIMEOUT", from_str_fn(parse_time))]
    timeout: Duration,

    /// lines in, lines out, also on a terminal; the only face so far
    #[argh(switch)]
    #[expect(dead_code, reason = "there is no other face to choose yet")]
    plain: bool,

    /// print the version
    #[argh(switch)]
    version: bool,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Seconds, or a number with its unit.
fn parse_time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|_| "a time is a number with its unit, like 90s".into())
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("tinychat", std::env::args_os().skip(1)) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit(),
    };
    if flags.version {
        println!("tinychat {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match run(flags) {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(error) => {
            eprintln!("tinychat: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(flags: Flags) -> Result<u8, plain::Error> {
    let options = Options {
        server: flags.server.parse()?,
        user: flags.user,
        to: flags.to,
        data: flags.data,
        follow: flags.follow,
        timeout: flags.timeout,
    };
    async_std::task::block_on(plain::run(options))
}
