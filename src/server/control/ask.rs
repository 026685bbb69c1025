//! The operator's end: asks the running server, or runs the operation here on the locked folder if there is none.
//!
//! Run in the operator's own process.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use super::deeds::Deed;
use super::error::ControlError;
use super::operations::perform;
use super::socket::connect;
use super::subject::{Subject, open_names};
use crate::blobs::{Blobs, FileLimits};
use crate::folder::{Folder, tighten};
use crate::mailbox::EmbeddedMailbox;
use crate::output;
use crate::server::announcement::Announcement;
use crate::server::people::{Contacts, Lists, Seen};
use crate::server::sessions::Registry;
use crate::server::upkeep::watch_commits;
use crate::task;

/// Asks the running server, or runs the operation here if there is none. The words are those of a request.
pub fn operate(data: &Path, words: &[&str], out: &mut dyn Write) -> Result<(), ControlError> {
    if let Ok(stream) = connect(data) {
        return ask(stream, words, out);
    }
    if !data.join("mailbox.watermark").exists() && !data.join("mailbox").exists() {
        return Err(ControlError::NoMailbox { path: data.into() });
    }
    refuse_root(data)?;
    if let Some(tightened) = tighten(data)? {
        output::tell(format_args!("tinychat-server: {tightened}"));
    }
    let _folder = Folder::open(data)?;
    let (names, mailbox) = (Arc::new(open_names(data)?), Arc::new(EmbeddedMailbox::open(data)?));
    let contacts = async_std::task::block_on(Contacts::open(mailbox.clone(), data))?;
    // Nobody is told of one here.
    let lists = Lists::new(names.clone(), mailbox.clone(), Arc::default(), Box::new(|| None));
    let subject = Subject {
        registry: Arc::new(Registry::new(mailbox.clone(), contacts.circle().clone(), 0)),
        contacts: contacts.into(),
        lists: Arc::new(lists),
        names,
        blobs: Arc::new(Blobs::open(data, FileLimits::DEFAULT, mailbox.clock())?),
        seen: Arc::new(Seen::open(&data.join("seen"))?),
        announcement: Announcement::open(data).into(),
        mailbox,
        data: data.into(),
        host: None,
    };
    let watching = watch_commits(subject.registry.clone(), subject.lists.clone(), None);
    let committing = task::spawn("commits", watching);
    let done = perform(words, &subject, out);
    async_std::task::block_on(async {
        committing.cancel().await;
        let names = subject.names.clone();
        subject.seen.write(move |name| names.member(name).is_some()).await;
        subject.registry.mailbox().close().await;
    });
    if let (Ok(()), Some(deed)) = (&done, Deed::of(words, None)) {
        deed.write_down(data);
    }
    done
}

/// What root makes in a folder of another user, that user's server could not use.
fn refuse_root(data: &Path) -> Result<(), ControlError> {
    let owner = fs::metadata(data)?.uid();
    if rustix::process::geteuid().is_root() && owner != 0 {
        return Err(ControlError::NotRoots { path: data.into(), owner });
    }
    Ok(())
}

/// The same for what only a running server can answer.
pub fn operate_running(
    data: &Path,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let stream = connect(data).map_err(|_| ControlError::NoServer { path: data.into() })?;
    ask(stream, words, out)
}

/// The operator's end of the socket.
fn ask(mut stream: UnixStream, words: &[&str], out: &mut dyn Write) -> Result<(), ControlError> {
    let cut = |_: io::Error| ControlError::Cut;
    writeln!(stream, "{}", words.join(" ")).map_err(cut)?;
    let mut answer = BufReader::new(stream);
    loop {
        let mut line = String::new();
        answer.by_ref().take(4096).read_line(&mut line).map_err(cut)?;
        match line.trim_end_matches('\n').split_once(' ') {
            Some(("data", length)) => {
                let length: u64 = length.parse().map_err(|_| ControlError::Cut)?;
                let mut chunk = Vec::new();
                answer.by_ref().take(length).read_to_end(&mut chunk).map_err(cut)?;
                if chunk.len() as u64 != length {
                    return Err(ControlError::Cut);
                }
                out.write_all(&chunk)?;
            }
            Some(("error", sentence)) => return Err(ControlError::Refused(sentence.into())),
            None if line == "done\n" => return Ok(out.flush()?),
            _ => return Err(ControlError::Cut),
        }
    }
}
