//! How long each step on the way to a server may take.
//!
//! Owned by the [`door`](super::door). Invariant: no step is without a limit, and all are in proportion to one, which
//! `--handshake` sets.

use std::time::Duration;

use crate::client::config::MAX_HANDSHAKE;
use crate::wire::HANDSHAKE_SECONDS;

/// How long a name may be looked up, in seconds.
const LOOKUP: u32 = 10;

/// How long one address may take to answer at all. Systems ask a silent one four times in so many seconds.
const ADDRESS: u32 = 15;

/// How long all addresses of a name may, together.
const ADDRESSES: u32 = 30;

/// How long a proxy may take to get to the server. Tor has to find a way first.
const PROXY: u32 = 60;

/// How long TLS may take.
const TLS: u32 = 30;

/// What the constants come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) lookup: Duration,
    pub(crate) address: Duration,
    pub(crate) addresses: Duration,
    pub(crate) proxy: Duration,
    pub(crate) tls: Duration,
    pub(crate) handshake: Duration,
}

impl Waits {
    /// In proportion to how long a handshake may take.
    pub(crate) fn of(handshake: Duration) -> Self {
        let handshake = handshake.min(MAX_HANDSHAKE);
        let scaled = |seconds| handshake * seconds / HANDSHAKE_SECONDS as u32;
        Self {
            lookup: scaled(LOOKUP),
            address: scaled(ADDRESS),
            addresses: scaled(ADDRESSES),
            proxy: scaled(PROXY),
            tls: scaled(TLS),
            handshake,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::config::HANDSHAKE;

    #[test]
    fn all_are_in_proportion_to_one() {
        let (usual, double) = (Waits::of(HANDSHAKE), Waits::of(HANDSHAKE * 2));
        assert_eq!(usual.lookup, Duration::from_secs(10));
        assert_eq!(usual.handshake, HANDSHAKE);
        for (one, other) in [
            (usual.lookup, double.lookup),
            (usual.address, double.address),
            (usual.addresses, double.addresses),
            (usual.proxy, double.proxy),
            (usual.tls, double.tls),
        ] {
            assert_eq!(one * 2, other);
        }
        assert_eq!(Waits::of(Duration::MAX).handshake, MAX_HANDSHAKE);
    }
}
