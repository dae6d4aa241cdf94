//! Which addresses the processes of a job may have: the connections carry no encryption and no
//! authentication, so only those that strangers cannot reach, unless the user says otherwise.

use super::Failure;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};

/// Refuses addresses (`host:port`) that are not private.
///
/// # Errors
/// Names the address. A name that cannot be resolved here is left to whoever calls it.
pub fn check_private(addresses: &[String]) -> Result<(), Failure> {
    for address in addresses {
        let resolved = address.to_socket_addrs();
        let public = resolved
            .into_iter()
            .flatten()
            .find(|found| !is_private(found.ip()));
        if let Some(found) = public {
            return Err(Failure::usage(format!(
                "{address} ({}) is not a private address, and the connections between processes carry no encryption and no authentication: use a private network or a tunnel, or pass --allow-public",
                found.ip()
            )));
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
        assert!(check_private(&["127.0.0.1:80".into(), "[::1]:80".into()]).is_ok());
        let error = check_private(&["127.0.0.1:80".into(), "0.0.0.0:80".into()]).unwrap_err();
        assert!(error.code == 2 && error.error.to_string().contains("--allow-public"));
    }
}
