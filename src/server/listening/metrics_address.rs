//! Where metrics are answered for: on this machine alone, unless the operator says that everybody may read them.
//!
//! Parsed from what stands behind `--metrics`. Invariant: nobody outside of this machine is answered by mistake.

use std::io;
use std::str::FromStr;

use thiserror::Error;

use super::listener::{Endpoint, Listener, UNIX};

/// What stands before an address that others than this machine may reach.
const PUBLIC: &str = "public:";

/// An address, and whether others than this machine may reach it. Parsed from `host:port`, `unix:PATH` or
/// `public:host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsAddress {
    address: String,
    public: bool,
}

/// A text that is no address for metrics.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is no address for metrics; give host:port, like 127.0.0.1:9464, or unix:PATH; and public:host:port where others than this machine are to read them"
)]
pub struct NoMetricsAddress(String);

/// Why nobody is answered. Made to be read by the operator.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum MetricsError {
    #[error(
        "cannot answer for metrics on {address}: {cause}; choose another address with --metrics"
    )]
    Refused { address: String, cause: io::Error },
    #[error(
        "whoever reaches {0} could read the metrics; write --metrics public:{0} if that is meant, or give an address of this machine alone, like 127.0.0.1:9464"
    )]
    Public(Endpoint),
}

impl MetricsAddress {
    /// Listens there.
    pub(crate) async fn listen(&self) -> Result<Listener, MetricsError> {
        let refused = |cause| MetricsError::Refused { address: self.address.clone(), cause };
        let listener = Listener::at(&self.address).await.map_err(refused)?;
        if self.public || listener.endpoint().is_local() {
            return Ok(listener);
        }
        Err(MetricsError::Public(listener.endpoint().clone()))
    }
}

impl FromStr for MetricsAddress {
    type Err = NoMetricsAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let stripped = text.strip_prefix(PUBLIC);
        let (address, public) = (stripped.unwrap_or(text), stripped.is_some());
        let is_address = match address.strip_prefix(UNIX) {
            Some(path) => !public && !path.is_empty(),
            None => address.contains(':'),
        };
        let address = address.to_owned();
        is_address.then_some(Self { address, public }).ok_or_else(|| NoMetricsAddress(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;

    use super::*;

    fn parsed(text: &str) -> MetricsAddress {
        text.parse().unwrap()
    }

    #[test]
    fn others_than_this_machine_read_nothing_unless_that_is_said() {
        assert!(matches!(block_on(parsed("0.0.0.0:0").listen()), Err(MetricsError::Public(_))));
        assert!(block_on(parsed("public:0.0.0.0:0").listen()).is_ok());
        assert!(block_on(parsed("127.0.0.1:0").listen()).is_ok());
    }

    #[test]
    fn what_is_no_address_is_told() {
        for text in ["", "9464", "localhost", "unix:", "public:", "public:9464", "public:unix:/a"] {
            assert_eq!(text.parse::<MetricsAddress>(), Err(NoMetricsAddress(text.into())));
        }
    }
}
