//! Which addresses the processes of a job may have: the connections carry no encryption and no
//! authentication, so only those that strangers cannot reach, unless the user says otherwise. And each has one
//! of its own, however it is spelled. Cost: each name is looked up once, before anybody is waited for.

use super::Failure;
use crate::flow::failure::say;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Refuses addresses (`host:port`) of which two are the same, or one is not private, unless those are allowed.
/// A name that does not resolve is said: a pod's may come to be while it is waited for.
///
/// # Errors
/// Names the address.
pub fn check_hosts(addresses: &[String], allow_public: bool) -> Result<(), Failure> {
    let mut owners: BTreeMap<SocketAddr, &String> = BTreeMap::new();
    for address in addresses {
        let resolved = match address.to_socket_addrs() {
            Ok(resolved) => resolved,
            Err(error) => {
                say(&format!(
                    "restage: {address} does not resolve here: {error}; it is looked up again while it is waited for"
                ));
                continue;
            }
        };
        for found in resolved {
            let ip = found.ip().to_canonical();
            if !allow_public && !is_private(ip) {
                return Err(Failure::usage(format!(
                    "{address} ({ip}) is not a private address, and the connections between processes carry no encryption and no authentication: use a private network or a tunnel, or pass --allow-public"
                )));
            }
            let owner = owners.insert(SocketAddr::new(ip, found.port()), address);
            if let Some(other) = owner.filter(|other| *other != address) {
                return Err(Failure::usage(format!(
                    "{other} and {address} are the same address ({ip}): each process needs its own"
                )));
            }
        }
    }
    Ok(())
}

/// Whether only one's own machine or network reaches an address (RFC 1918, 3927, 4193, 6598).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    address.is_loopback() || address.is_private() || address.is_link_local() || is_shared
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        let private = [
            "127.0.0.1",
            "127.8.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ];
        let public = [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "192.169.0.1",
            "100.128.0.1",
            "100.63.0.1",
            "0.0.0.0",
            "::",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "11.0.0.1",
        ];
        for (texts, expected) in [(&private[..], true), (&public[..], false)] {
            for text in texts {
                assert_eq!(is_private(text.parse().unwrap()), expected, "{text}");
            }
        }
        let check = |texts: [&str; 2], allow| check_hosts(&texts.map(String::from), allow);
        assert!(check(["127.0.0.1:80", "[::1]:80"], false).is_ok());
        let error = check(["127.0.0.1:80", "0.0.0.0:80"], false).unwrap_err();
        assert!(error.code == 2 && error.error.to_string().contains("--allow-public"));
        assert!(check(["127.0.0.1:80", "0.0.0.0:80"], true).is_ok());
    }

    /// An address that is spelled in two ways is one; a name that nobody knows yet is none.
    #[test]
    fn an_address_stands_once_however_it_is_spelled() {
        let check = |texts: [&str; 2]| check_hosts(&texts.map(String::from), true);
        for other in ["[::ffff:127.0.0.1]:80", "localhost:80"] {
            let error = check(["127.0.0.1:80", other]).unwrap_err();
            let said = error.error.to_string();
            assert!(
                error.code == 2 && said.contains("the same address"),
                "{said}"
            );
            assert!(said.contains(other), "{said}");
        }
        assert!(check(["localhost:80", "localhost:81"]).is_ok());
        assert!(check(["nobody.invalid:80", "no-one.invalid:80"]).is_ok());
    }
}
