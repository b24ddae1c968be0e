//! How often one address may post events without a key, and begin checkouts. Keyed posts and signed deliveries have no
//! limit.
//!
//! An address that is not public is not limited: it is a proxy that nobody named, with every visitor behind it, or
//! somebody's own machine.

use std::net::IpAddr;
use std::num::NonZeroU32;

use axum::http::{HeaderMap, StatusCode};

use crate::buckets::Buckets;
use crate::client::{Clients, is_public};
use crate::error::ApiError;

/// So many a second that go on for ever, and so many at once.
type Often = (NonZeroU32, NonZeroU32);

/// A page sends one request every two seconds, an office shares an address.
const EVENTS: Often = (NonZeroU32::new(20).unwrap(), NonZeroU32::new(120).unwrap());

/// A visitor buys once or twice, an office may follow one link together.
const CHECKOUTS: Often = (NonZeroU32::new(1).unwrap(), NonZeroU32::new(30).unwrap());

/// Counts requests by address.
pub struct Limit {
    clients: Clients,
    buckets: Buckets,
}

impl Limit {
    /// Of events; counts by the addresses that `clients` finds.
    pub fn of_events(clients: Clients) -> Self {
        Self::new(clients, EVENTS)
    }

    /// Of checkouts, likewise.
    pub fn of_checkouts(clients: Clients) -> Self {
        Self::new(clients, CHECKOUTS)
    }

    fn new(clients: Clients, (per_second, burst): Often) -> Self {
        Self { clients, buckets: Buckets::new(per_second, burst) }
    }

    /// Whether the client may do it once more.
    pub fn allows(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let client = self.clients.client(peer, headers);
        !is_public(client) || self.buckets.admit(client)
    }

    /// 429 if the client has asked too often.
    pub fn admit(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.allows(peer, headers) {
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
        Limit::of_events(Clients::new(Vec::new()))
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
