//! Who sends, behind a proxy.
//!
//! A proxy appends to `X-Forwarded-For` the address that it was reached from. Only what a trusted proxy
//! appended is worth anything: the list is read from its right end, past addresses of trusted proxies,
//! up to the first that is none. What stands to the left of it the sender may have made up. Cost: nothing
//! where no proxy is trusted.

use axum::http::HeaderMap;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// Proxies that are believed, as networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Trusted(Vec<Network>);

/// An address, or all that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Network {
    address: u128,
    mask: u128,
}

/// An address as 128 bits; one of version 4 as version 6 maps it.
fn bits(address: IpAddr) -> u128 {
    let mapped = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    mapped.into()
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        let wrong = || format!("`{text}` is no network: write it as 10.0.0.0/8, or as an address");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (&text[..], None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let whole: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(whole), str::parse).map_err(|_| wrong())?;
        if length > whole {
            return Err(wrong());
        }
        let mask = u128::MAX.checked_shl(whole - length).unwrap_or(0);
        Ok(Network {
            address: bits(address) & mask,
            mask,
        })
    }
}

impl Trusted {
    fn has(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|net| bits & net.mask == net.address)
    }

    /// The address that a request came from, which reached us from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.has(peer) {
            return peer;
        }
        let lists = headers.get_all("x-forwarded-for");
        let lists: Vec<&str> = lists.iter().filter_map(|list| list.to_str().ok()).collect();
        let mut client = peer;
        for hop in lists.iter().rev().flat_map(|list| list.rsplit(',')) {
            // A hop that is no address tells nothing, and neither does what stands before it.
            let Some(address) = address(hop.trim()) else {
                break;
            };
            client = address;
            if !self.has(address) {
                break;
            }
        }
        client
    }
}

/// An address, with a port or without.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || Some(hop.parse::<SocketAddr>().ok()?.ip());
    hop.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(networks: &[&str]) -> Trusted {
        let networks = networks.iter().map(|text| text.to_string().try_into());
        Trusted(networks.collect::<Result<_, String>>().unwrap())
    }

    fn client(trusted: &Trusted, peer: &str, lists: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_appended_is_believed() {
        let trusted = trusted(&["10.0.0.0/8", "fd00::/8", "192.0.2.7"]);
        for (peer, lists, expected) in [
            ("203.0.113.9", &["1.2.3.4"][..], "203.0.113.9"),
            ("10.1.1.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.1.1.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.1.1.1", &["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.1.1.1", &["6.6.6.6", "1.2.3.4", "192.0.2.7"], "1.2.3.4"),
            ("10.1.1.1", &["6.6.6.6, unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.1.1.1", &[], "10.1.1.1"),
            ("::ffff:10.1.1.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("fd12::1", &["2001:db8::5"], "2001:db8::5"),
            ("192.0.2.8", &["1.2.3.4"], "192.0.2.8"),
        ] {
            assert_eq!(client(&trusted, peer, lists), expected, "{peer} {lists:?}");
        }
        let nobody = Trusted::default();
        assert_eq!(client(&nobody, "10.1.1.1", &["1.2.3.4"]), "10.1.1.1");
    }

    #[test]
    fn a_network_is_an_address_or_a_prefix() {
        let everyone = trusted(&["0.0.0.0/0"]);
        assert!(everyone.has("9.9.9.9".parse().unwrap()));
        assert!(!everyone.has("2001:db8::1".parse().unwrap()));
        assert!(trusted(&["::/0"]).has("2001:db8::1".parse().unwrap()));
        for text in ["10.0.0.0/33", "10.0.0/8", "all", "::1/129", "10.0.0.0/-1"] {
            assert!(Network::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
