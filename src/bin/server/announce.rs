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
    text: Option<String>,
}

impl Announce {
    /// The words of the request.
    pub(crate) fn request(&self) -> Result<Vec<String>, &'static str> {
        match (&self.text, self.end) {
            (Some(_), true) => Err("--end stands without a text"),
            (None, true) => Ok(vec!["announce-end".into()]),
            (None, false) => Ok(vec!["announced".into()]),
            // It would end the request.
            (Some(text), false) if text.contains('\n') => Err("an announcement is one line"),
            (Some(text), false) => {
                let time = self.time.unwrap_or(USUAL).as_millis().to_string();
                Ok(vec!["announce".into(), time, text.clone()])
            }
        }
    }
}
