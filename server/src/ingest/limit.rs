//! How often one address may post events without a key. Keyed posts and signed deliveries have no limit.
//!
//! An address that is not public is not limited: it is a proxy that nobody named, with every visitor behind it, or
//! somebody's own machine.

use std::net::IpAddr;
use std::num::NonZeroU32;

use axum::http::{HeaderMap, StatusCode};

use crate::buckets::Buckets;
use crate::client::{Clients, is_public};
use crate::error::ApiError;

/// Requests a second that go on for ever; a page sends one every two seconds, an office shares an address.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Requests at once.
const BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();

/// Counts requests by address.
pub struct Limit {
    clients: Clients,
    buckets: Buckets,
}

impl Limit {
    /// Counts by the addresses that `clients` finds.
    pub fn new(clients: Clients) -> Self {
        Self { clients, buckets: Buckets::new(PER_SECOND, BURST) }
    }

    /// 429 if the client has asked too often.
    pub fn admit(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let client = self.clients.client(peer, headers);
        if !is_public(client) || self.buckets.admit(client) {
            return Ok(());
        }
        let message = "too many requests from this address; try again in a moment";
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> Limit {
        Limit::new(Clients::new(Vec::new()))
    }

    #[test]
    fn an_address_that_asks_too_often_waits_and_others_do_not() {
        let limit = limit();
        let ask = |peer: &str| limit.admit(peer.parse().unwrap(), &HeaderMap::new());
        let refused = (0..1000).find_map(|_| ask("203.0.113.9").err()).unwrap();
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(ask("203.0.113.10").is_ok());
    }

    #[test]
    fn an_address_of_no_public_network_is_not_limited() {
        let limit = limit();
        for peer in ["127.0.0.1", "192.168.1.1", "::1", "fd00::1"] {
            assert!(
                (0..1000).all(|_| limit.admit(peer.parse().unwrap(), &HeaderMap::new()).is_ok()),
                "{peer}"
            );
        }
    }
}
