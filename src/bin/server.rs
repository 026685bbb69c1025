//! `tinychat-server`: flags, log, signals and exit code around [`tinychat::server`].

use std::path::PathBuf;
use std::process::ExitCode;

use argh::FromArgs;
use log::LevelFilter;
use tinychat::args;
use tinychat::folder::default_data_folder;
use tinychat::log_output::Guard;
use tinychat::server::{Config, Server};
use tinychat::signals::Interrupts;

/// Host a TinyChat: messages wait here for the people they are for.
#[derive(FromArgs)]
struct Flags {
    /// where to listen, as host:port; may be given several times (default 127.0.0.1:7878)
    #[argh(option, arg_name = "addr")]
    listen: Vec<String>,

    /// the data folder (default $XDG_DATA_HOME/tinychat-server)
    #[argh(option, arg_name = "dir")]
    data: Option<PathBuf>,

    /// what to log on stdout: off, error, warn, info, debug or trace (default info)
    #[argh(option, default = "LevelFilter::Info", arg_name = "level")]
    log_level: LevelFilter,

    /// print the version
    #[argh(switch)]
    version: bool,
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("tinychat-server", std::env::args_os().skip(1)) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit(),
    };
    if flags.version {
        println!("tinychat-server {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let _log_output = match Guard::install() {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("tinychat-server: cannot prepare the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    femme::with_level(flags.log_level);
    match async_std::task::block_on(run(flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tinychat-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    let mut interrupts = Interrupts::catch()?;
    // One file for each connection: the soft limit is often only 1,024.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        log::warn!("the limit of open files stays as it is: {error}");
    }
    let server = Server::bind(config(flags)?).await?;
    for address in server.addresses() {
        eprintln!("tinychat-server: listening on {address}");
        if !address.ip().is_loopback() {
            eprintln!("tinychat-server: {address} can be read on its way: it is not encrypted yet");
        }
    }
    server
        .run(async {
            if let Err(error) = interrupts.next().await {
                log::error!("cannot wait for signals: {error}");
            }
            eprintln!("tinychat-server: stopping");
        })
        .await;
    Ok(())
}

fn config(flags: Flags) -> Result<Config, Box<dyn std::error::Error>> {
    let data = match flags.data {
        Some(data) => data,
        None => default_data_folder("tinychat-server")?,
    };
    let mut listen = flags.listen;
    if listen.is_empty() {
        listen.push("127.0.0.1:7878".into());
    }
    Ok(Config::new(listen, data))
}
