//! A person's SSH agent, which may have the key and makes signatures with it: the two requests of
//! `draft-ietf-sshm-ssh-agent` that this takes.
//!
//! Owned by the identity whose key the agent has. Each question has a connection of its own: an agent
//! may be started again meanwhile. Everything here blocks.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use ssh_key::Signature;
use thiserror::Error;

/// How long an agent may take to say which keys it has.
const PROMPTLY: Duration = Duration::from_secs(2);

/// How long it may take to sign: it may ask a person, who may have to come back to the screen first. A little less than
/// a server waits for the owner of a name.
const PATIENTLY: Duration = Duration::from_secs(115);

/// The longest answer that is read, as in OpenSSH.
const MAX_ANSWER: u32 = 256 * 1024;

// Numbers of messages (§5.1 of the draft).
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Where an agent listens.
pub(super) struct Agent(PathBuf);

/// Why an agent makes no signature, and which agent.
#[derive(Debug, Error)]
#[error("your SSH agent at {} {trouble}", agent.display())]
pub struct AgentError {
    agent: PathBuf,
    trouble: Trouble,
}

#[derive(Debug, Error)]
enum Trouble {
    #[error("has your key and refuses to sign with it")]
    Refused,
    #[error("does not have your key now, or is locked; ssh-add hands it over, ssh-add -X unlocks")]
    Gone,
    #[error("did not answer in time")]
    Late,
    #[error("is away: {0}")]
    Away(io::Error),
    #[error("does not speak the agent's protocol")]
    Nonsense,
    #[error("makes signatures that are not of your key")]
    Unfit,
}

impl AgentError {
    /// Whether it was asked for a signature and said no, as a person may have told it to.
    pub fn is_refusal(&self) -> bool {
        matches!(self.trouble, Trouble::Refused)
    }

    /// Whether it has no such key.
    pub fn is_lack(&self) -> bool {
        matches!(self.trouble, Trouble::Gone)
    }

    /// Whether it may be otherwise in a moment, as nothing was answered.
    pub fn may_pass(&self) -> bool {
        matches!(self.trouble, Trouble::Late | Trouble::Away(_))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Away(error),
        }
    }
}

impl Agent {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.into())
    }

    /// Whether it has the key with these bytes, and why not.
    pub(super) fn show(&self, key: &[u8]) -> Result<(), AgentError> {
        let keys = self.keys().map_err(|trouble| self.error(trouble))?;
        let has = keys.iter().any(|it| it == key);
        has.then_some(()).ok_or_else(|| self.error(Trouble::Gone))
    }

    fn keys(&self) -> Result<Vec<Bytes>, Trouble> {
        let mut answer = self.ask(&[REQUEST_IDENTITIES], IDENTITIES_ANSWER, PROMPTLY)?;
        let count = answer.try_get_u32().map_err(|_| Trouble::Nonsense)?;
        let key_and_comment = |_| Some((take_string(&mut answer)?, take_string(&mut answer)?));
        let keys: Option<Vec<_>> = (0..count).map(key_and_comment).collect();
        Ok(keys.ok_or(Trouble::Nonsense)?.into_iter().map(|(key, _)| key).collect())
    }

    /// A signature over `data` by the key with these bytes.
    pub(super) fn sign(&self, key: &[u8], data: &[u8]) -> Result<Signature, AgentError> {
        self.signature(key, data).map_err(|trouble| self.error(trouble))
    }

    /// What a signature that does not fit is called.
    pub(super) fn unfit(&self) -> AgentError {
        self.error(Trouble::Unfit)
    }

    fn error(&self, trouble: Trouble) -> AgentError {
        AgentError { agent: self.0.clone(), trouble }
    }

    fn signature(&self, key: &[u8], data: &[u8]) -> Result<Signature, Trouble> {
        const NO_FLAGS: u32 = 0;
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, key);
        put_string(&mut request, data);
        request.put_u32(NO_FLAGS);
        let mut answer = self.ask(&request, SIGN_RESPONSE, PATIENTLY)?;
        let signature = take_string(&mut answer).ok_or(Trouble::Nonsense)?;
        Signature::try_from(&signature[..]).map_err(|_| Trouble::Nonsense)
    }

    /// What follows the number of the answer that is expected.
    fn ask(&self, request: &[u8], expected: u8, limit: Duration) -> Result<Bytes, Trouble> {
        let mut stream = UnixStream::connect(&self.0)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let mut framed = Vec::new();
        put_string(&mut framed, request);
        stream.write_all(&framed)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length > MAX_ANSWER {
            return Err(Trouble::Nonsense);
        }
        let mut answer = vec![0; length as usize];
        stream.read_exact(&mut answer)?;
        let mut answer = Bytes::from(answer);
        match answer.try_get_u8() {
            Ok(word) if word == expected => Ok(answer),
            Ok(FAILURE) => Err(Trouble::Refused),
            _ => Err(Trouble::Nonsense),
        }
    }
}

/// A `string` of RFC 4251 §5.
fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).expect("keys and what is signed are short"));
    out.put_slice(bytes);
}

pub(super) fn take_string(from: &mut Bytes) -> Option<Bytes> {
    let length = from.try_get_u32().ok()? as usize;
    (length <= from.len()).then(|| from.split_to(length))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What asking gives if this is the answer.
    fn answered<T: Send + 'static>(
        answer: &[u8],
        ask: impl FnOnce(&Agent) -> T + Send + 'static,
    ) -> T {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent");
        let listener = UnixListener::bind(&path).unwrap();
        let asking = thread::spawn(move || ask(&Agent::at(&path)));
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).unwrap();
        stream.write_all(answer).unwrap();
        drop(stream);
        asking.join().unwrap()
    }

    #[test]
    fn a_key_is_found_among_others() {
        let mut answer = vec![IDENTITIES_ANSWER, 0, 0, 0, 2];
        for part in [b"other", b"", b"our own", b"it"] as [&[u8]; 4] {
            put_string(&mut answer, part);
        }
        let mut framed = Vec::new();
        put_string(&mut framed, &answer);
        assert!(answered(&framed, |agent| agent.show(b"our own")).is_ok());
        assert!(answered(&framed, |agent| agent.show(b"it")).unwrap_err().is_lack());
    }

    #[test]
    fn answers_that_make_no_sense_are_none() {
        for answer in [
            &b""[..],
            &[0, 0],
            &[0, 0, 0, 0],
            &[0, 0, 0, 9, 12],
            &[0, 0, 0, 1, 12],
            &[0, 0, 0, 5, 12, 255, 255, 255, 255],
            &[255, 255, 255, 255, 12],
            &[0, 0, 0, 9, 14, 0, 0, 0, 200, 1, 1, 1, 1],
        ] {
            assert!(!answered(answer, |agent| agent.show(b"our own")).unwrap_err().is_lack());
            assert!(answered(answer, |agent| agent.sign(b"our own", b"text").is_err()));
        }
    }

    #[test]
    fn a_refusal_is_told_from_an_agent_that_is_away() {
        let refused = answered(&[0, 0, 0, 1, FAILURE], |agent| agent.sign(b"our own", b"text"));
        let refused = refused.unwrap_err();
        assert!(refused.is_refusal() && !refused.may_pass());
        let away = Agent::at(Path::new("/nowhere/agent")).sign(b"our own", b"text").unwrap_err();
        assert!(away.may_pass() && !away.is_refusal());
        assert!(away.to_string().starts_with("your SSH agent at /nowhere/agent is away: "));
    }
}
