//! The command line of `tinychat-server announce`, and what a running server is asked for it.

use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use tinychat::args::paths;

use crate::values::period;

/// How long something is said, unless the operator says it.
const USUAL: Duration = Duration::from_secs(60 * 60);

/// Say a line to everybody who is there, and for a time to whoever comes; if the server stops meanwhile, it gives that as
/// the reason. Without a text, print what is said.
#[derive(ArgsInfo, FromArgs)]
#[argh(subcommand, name = "announce", help_triggers("--help"))]
pub(crate) struct Announce {
    /// the server's data folder
    #[argh(option, arg_name = "dir", from_str_fn(paths::parse))]
    pub(crate) data: Option<PathBuf>,

    /// how long whoever comes is told, like 2h, counting time in which the server runs (default 1h)
    #[argh(option, long = "for", arg_name = "time", from_str_fn(period))]
    time: Option<Duration>,

    /// say it no more
    #[argh(switch)]
    end: bool,

    /// what to say, at most 200 bytes
    #[argh(positional)]
    text: Vec<String>,
}

impl Announce {
    /// The words of the request.
    pub(crate) fn request(&self) -> Result<Vec<String>, &'static str> {
        let text = self.text.join(" ");
        match (self.end, text.contains('\n')) {
            (true, _) if !text.is_empty() => Err("--end stands without a text"),
            (true, _) => Ok(vec!["announce-end".into()]),
            (false, true) => Err("an announcement is one line"),
            (false, false) if text.is_empty() => Ok(vec!["announced".into()]),
            (false, false) => {
                let time = self.time.unwrap_or(USUAL).as_millis().to_string();
                Ok(vec!["announce".into(), time, text])
            }
        }
    }
}
