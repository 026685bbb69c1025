//! Why one is not signed in, and what becomes of the first try to be.
//!
//! A key that an agent has may also be in a file, locked. Whether the agent signs with it turns out when it is asked to;
//! until then whoever started the client may wait, to ask for a passphrase instead.

use std::time::Duration;

use super::Client;
use crate::task;

/// How long whoever could ask for a passphrase waits for a server before an agent is asked to sign.
const FIRST_TRY: Duration = Duration::from_secs(20);

/// Why one is not signed in, by whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The server is away.
    Server(String),
    /// The agent that has the key does not sign.
    Agent(String),
}

/// What becomes of the first try to sign in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FirstTry {
    /// The key is asked for a signature.
    Asked,
    /// The agent that has it makes none, and why.
    Unsigned(String),
}

impl Client {
    /// Where a passphrase could do what an agent is to do: waits until that has signed, or will not, and then gives the
    /// reason; the client ends by itself. `asked` is called when the agent is asked. If the server is away, or slow, there
    /// is nothing to wait for.
    pub async fn refusal(&self, asked: impl FnOnce()) -> Option<String> {
        if !self.can_be_unlocked {
            return None;
        }
        let first = task::within(FIRST_TRY, self.first_try.recv()).await;
        if !matches!(first, Some(Ok(FirstTry::Asked))) {
            // From now on whatever the agent does concerns the client alone.
            self.first_try.close();
            return None;
        }
        asked();
        while let Ok(it) = self.first_try.recv().await {
            if let FirstTry::Unsigned(because) = it {
                return Some(because);
            }
        }
        None
    }
}
