//! What may stand next on the command line, for shells that complete it.

use std::ffi::OsString;
use std::path::PathBuf;

use argh::ArgsInfo;
use tinychat::args::complete::{self, Offer};
use tinychat::client::transcript;
use tinychat::folder::default_data_folder;
use tinychat::ui::manual::Page;
use tinychat::ui::settings::Pictures;
use tinychat::ui::settings::Settings;

use crate::flags::Flags;

/// What may stand in place of the last of these words.
pub(crate) fn offered(words: impl Iterator<Item = OsString>) -> Offer {
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    complete::complete(&Flags::get_args_info(), &words, |name| match name {
        "name" => Some(Offer::plain(people(&words))),
        "how" => Some(Offer::plain(Pictures::NAMES)),
        "page" => Some(Offer::plain(Page::NAMES)),
        "shell" => Some(Offer::plain(complete::SHELLS)),
        _ => None,
    })
}

/// Whom one knows, by the name and the folder that stand among these words, or that were set.
fn people(words: &[String]) -> Vec<String> {
    let settings = Settings::path().and_then(|path| Settings::read(&path)).unwrap_or_default();
    let said = |flag: &str| {
        words.windows(2).find(|pair| pair[0] == flag).and_then(|pair| pair[1].parse().ok())
    };
    let user = said("--user").or_else(|| settings.user.map(|user| user.to_string()));
    let data = said("--data").map(PathBuf::from).or(settings.data).or_else(|| {
        default_data_folder("tinychat").ok().zip(user).map(|(folder, user)| folder.join(user))
    });
    data.map(|data| transcript::people(&data)).unwrap_or_default()
}
