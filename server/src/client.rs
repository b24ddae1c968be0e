//! Whoever asks, by address.
//!
//! The address is the peer's, unless the peer is one of `site.trusted_proxies`: then it is the right-most address of
//! `X-Forwarded-For` that is no such proxy.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Knows the proxies that may say in whose name they ask.
#[derive(Clone)]
pub struct Clients {
    proxies: Vec<IpNet>,
}

impl Clients {
    /// `proxies` are believed.
    pub fn new(proxies: Vec<IpNet>) -> Self {
        Self { proxies }
    }

    /// The household that a connection comes from. `None` if many may stand behind the peer: a trusted proxy, or an
    /// address that is not public (a proxy that nobody named, or somebody's own machine).
    pub fn household(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        (is_public(peer) && !self.trusts(peer)).then(|| household(peer))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(&address))
    }

    /// The address, or the household that it belongs to. Entries that are no address end the search: what stands left of them may be made up.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let values: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            match entry.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        household(client)
    }
}

/// One household has a whole /64 of IPv6 addresses.
fn household(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        IpAddr::V4(_) => client,
    }
}

/// Whether an address is one of the Internet's.
pub fn is_public(address: IpAddr) -> bool {
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

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let clients = Clients::new(vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()]);
        let headers = forwarded
            .iter()
            .map(|value| (axum::http::HeaderName::from_static("x-forwarded-for"), value.parse().unwrap()));
        clients.client(peer.parse().unwrap(), &headers.collect()).to_string()
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
    fn many_may_stand_behind_a_proxy_and_behind_an_address_that_is_not_public() {
        let clients = Clients::new(vec!["198.51.100.0/24".parse().unwrap()]);
        let household = |peer: &str| clients.household(peer.parse().unwrap()).map(|it| it.to_string());
        for peer in ["198.51.100.7", "::ffff:198.51.100.7", "127.0.0.1", "10.0.0.1", "::1"] {
            assert_eq!(household(peer), None, "{peer}");
        }
        assert_eq!(household("::ffff:203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(household("2001:db8::1"), household("2001:db8::ffff:1"));
    }

    #[test]
    fn a_household_of_ipv6_addresses_is_one() {
        assert_eq!(client("2001:db8::1", &[]), client("2001:db8::ffff:1", &[]));
        assert_ne!(client("2001:db8::1", &[]), client("2001:db8:0:1::1", &[]));
    }
}
