//! Where a destination may be: in production at public addresses only, so that neither a setting nor a name leads into the
//! network that the program stands in.
//!
//! An address in the URL is checked when the configuration is read, one that a name leads to whenever it is connected to:
//! what was checked is what is connected to, so that a name that leads elsewhere a moment later (DNS rebinding) changes
//! nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any: while developing.
    Anywhere,
    /// Only those that the whole internet shares.
    Public,
}

/// A name that leads to addresses which may not be reached, and to no other.
#[derive(Debug, thiserror::Error)]
#[error("its name leads to private addresses only")]
pub struct NotPublic;

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// IANA's special purposes, multicast and the reserved end.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 8),       // this network
    v4(10, 0, 0, 8),      // private
    v4(100, 64, 0, 10),   // shared by a carrier's customers
    v4(127, 0, 0, 8),     // this machine
    v4(169, 254, 0, 16),  // link-local, the metadata of clouds
    v4(172, 16, 0, 12),   // private
    v4(192, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 24),    // documentation
    v4(192, 88, 99, 24),  // relays of 6to4
    v4(192, 168, 0, 16),  // private
    v4(198, 18, 0, 15),   // benchmarks
    v4(198, 51, 100, 24), // documentation
    v4(203, 0, 113, 24),  // documentation
    v4(224, 0, 0, 4),     // multicast
    v4(240, 0, 0, 4),     // reserved, broadcast
];

/// All that is public of version 6 lies in here.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// And these of it are not.
const SPECIAL_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments: Teredo, benchmarks, ORCHID
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4, which wraps any address of version 4
    v6(0x3fff, 0, 20),     // documentation
];

/// The well-known prefix under which a network without version 4 reaches it (NAT64).
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

impl Reach {
    /// Whether this address may be connected to.
    pub fn allows(self, ip: IpAddr) -> bool {
        self == Self::Anywhere
            || match ip {
                IpAddr::V4(ip) => is_public_v4(ip),
                IpAddr::V6(ip) => is_public_v6(ip),
            }
    }

    /// Whether this URL's host may be connected to, as far as that can be said of it: a name is looked up later.
    pub fn may_allow(self, url: &Url) -> bool {
        self == Self::Anywhere
            || match url.host() {
                Some(Host::Ipv4(ip)) => self.allows(ip.into()),
                Some(Host::Ipv6(ip)) => self.allows(ip.into()),
                Some(Host::Domain(name)) => !is_own_name(name),
                None => false,
            }
    }
}

/// Whether a name stands for this machine (RFC 6761).
pub fn is_own_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|net| net.contains(&ip))
}

/// One that wraps an address of version 4 is what it wraps.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(wrapped) = ip.to_ipv4_mapped() {
        return is_public_v4(wrapped);
    }
    if NAT64.contains(&ip) {
        let [.., a, b, c, d] = ip.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    GLOBAL_V6.contains(&ip) && !SPECIAL_V6.iter().any(|net| net.contains(&ip))
}

/// Looks names up and forgets the addresses that may not be reached.
pub struct Checked<R> {
    names: Arc<R>,
    reach: Reach,
}

impl<R: Resolve> Checked<R> {
    /// Over who looks them up.
    pub fn new(names: R, reach: Reach) -> Self {
        Self { names: Arc::new(names), reach }
    }
}

impl<R: Resolve + 'static> Resolve for Checked<R> {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, reach) = (Arc::clone(&self.names), self.reach);
        Box::pin(async move {
            let found: Vec<SocketAddr> = names.resolve(name).await?.collect();
            let nothing_found = found.is_empty();
            let reached: Vec<SocketAddr> =
                found.into_iter().filter(|address| reach.allows(address.ip())).collect();
            if reached.is_empty() && !nothing_found {
                return Err(NotPublic.into());
            }
            Ok(Box::new(reached.into_iter()) as Addrs)
        })
    }
}

/// The machine's own way of looking names up.
pub struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?; // the port comes from the URL
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const PRIVATE: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe:ffff::1",
    ];

    #[test]
    fn only_what_the_internet_shares_is_public() {
        for (addresses, public) in [(PRIVATE, false), (PUBLIC, true)] {
            for address in addresses {
                let ip: IpAddr = address.parse().unwrap();
                assert_eq!(Reach::Public.allows(ip), public, "{address}");
                assert!(Reach::Anywhere.allows(ip), "{address}");
                let host = if ip.is_ipv6() { format!("[{address}]") } else { (*address).to_owned() };
                let url = Url::parse(&format!("https://{host}/api")).unwrap();
                assert_eq!(Reach::Public.may_allow(&url), public, "{url}");
                assert!(Reach::Anywhere.may_allow(&url), "{url}");
            }
        }
    }

    #[test]
    fn an_address_is_known_however_it_is_written() {
        for host in
            ["0x7f.1", "2130706433", "0177.0.0.1", "127.1", "localhost", "LOCALHOST.", "a.localhost", "[::]"]
        {
            let url = Url::parse(&format!("https://{host}/api")).unwrap();
            assert!(!Reach::Public.may_allow(&url), "{host}");
        }
        for host in ["aurea.example", "localhost.example", "0x08080808"] {
            let url = Url::parse(&format!("https://{host}/api")).unwrap();
            assert!(Reach::Public.may_allow(&url), "{host}");
        }
    }

    /// Names that lead elsewhere each time that they are looked up.
    struct Rebinding(Mutex<Vec<Vec<&'static str>>>);

    impl Resolve for Rebinding {
        fn resolve(&self, _: Name) -> Resolving {
            let answer = self.0.lock().unwrap().remove(0);
            let found: Vec<SocketAddr> =
                answer.into_iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
        }
    }

    #[tokio::test]
    async fn a_name_is_checked_each_time_and_only_what_was_checked_is_given() {
        let answers = vec![
            vec!["8.8.8.8", "10.0.0.1", "2606:4700::1111", "::1"],
            vec!["169.254.169.254", "127.0.0.1"],
            vec![],
        ];
        let names = Checked::new(Rebinding(Mutex::new(answers)), Reach::Public);
        let ask = || names.resolve("aurea.example".parse().unwrap());
        let first: Vec<String> = ask().await.unwrap().map(|address| address.ip().to_string()).collect();
        assert_eq!(first, ["8.8.8.8", "2606:4700::1111"]);
        let Err(second) = ask().await else { panic!("no private address is given") };
        assert!(second.is::<NotPublic>());
        assert_eq!(ask().await.unwrap().count(), 0, "one that leads nowhere is no private one");
    }
}
