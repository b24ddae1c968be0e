//! How often one address may post events without a key. Keyed posts and signed deliveries have no limit.
//!
//! The address is the peer's, unless the peer is one of `site.trusted_proxies`: then it is the right-most address of
//! `X-Forwarded-For` that is no such proxy. An address that is not public is not limited: it is a proxy that nobody named,
//! with every visitor behind it, or somebody's own machine.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use axum::http::{HeaderMap, StatusCode};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;

use crate::error::ApiError;

/// Requests a second that go on for ever; a page sends one every two seconds, an office shares an address.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(20).unwrap();

/// Requests at once.
const BURST: NonZeroU32 = NonZeroU32::new(120).unwrap();

/// Addresses remembered before those that are quiet again are forgotten.
const REMEMBERED: usize = 10_000;

/// Counts requests by address.
pub struct Limit {
    proxies: Vec<IpNet>,
    buckets: DefaultKeyedRateLimiter<IpAddr>,
}

impl Limit {
    /// `proxies` may say in whose name they ask.
    pub fn new(proxies: Vec<IpNet>) -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        Self { proxies, buckets: RateLimiter::keyed(quota) }
    }

    /// 429 if the client has asked too often.
    pub fn admit(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let client = self.client(peer, headers);
        if !is_public(client) {
            return Ok(());
        }
        if self.buckets.len() > REMEMBERED {
            self.buckets.retain_recent();
        }
        self.buckets.check_key(&bucket(client)).map_err(|_| {
            let message = "too many requests from this address; try again in a moment";
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
        })
    }

    /// Whoever asks. Entries that are no address end the search: what stands left of them may be made up.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: IpAddr| self.proxies.iter().any(|proxy| proxy.contains(&address));
        let mut client = peer.to_canonical();
        let values: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            if !trusted(client) {
                break;
            }
            match entry.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        client
    }
}

/// One household has a whole /64 of IPv6 addresses.
fn bucket(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        IpAddr::V4(_) => client,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> Limit {
        Limit::new(vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()])
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let headers = forwarded
            .iter()
            .map(|value| (axum::http::HeaderName::from_static("x-forwarded-for"), value.parse().unwrap()));
        limit().client(peer.parse().unwrap(), &headers.collect()).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_say_in_whose_name_it_asks() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["made-up, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
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

    #[test]
    fn a_household_of_ipv6_addresses_is_one() {
        let same = bucket("2001:db8::1".parse().unwrap()) == bucket("2001:db8::ffff:1".parse().unwrap());
        assert!(same && bucket("2001:db8::1".parse().unwrap()) != bucket("2001:db8:0:1::1".parse().unwrap()));
    }
}
