//! By which name a request asks for this machine.
//!
//! A page of another site may have its own name lead to 127.0.0.1 (DNS rebinding): for the browser it then
//! reads and writes on a server of its own site. Such a request still names that site as its host. So what
//! listens for this machine alone answers to addresses, to `localhost`, and to names that it was told; an
//! address can be no other site's name.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The names that a server answers to besides addresses and `localhost`.
#[derive(Clone, Debug, Default)]
pub struct Hosts(BTreeSet<String>);

impl Hosts {
    /// These names, and that of the address to listen at.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a String>, listen: &str) -> Hosts {
        let own = name_of(listen).to_ascii_lowercase();
        let names = names.into_iter().map(|name| name.to_ascii_lowercase());
        Hosts(names.chain([own]).collect())
    }

    /// Whether a host, with or without a port, is one of them.
    pub fn has(&self, host: &str) -> bool {
        let name = name_of(host).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok() || name == "localhost" || self.0.contains(&name)
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_known_names_are_own_and_nothing_else_is() {
        let hosts = Hosts::of(&["shop.example".to_owned()], "restage.local:8700");
        for own in [
            "127.0.0.1:8700",
            "127.0.0.1",
            "[::1]:8700",
            "[::1]",
            "localhost:1",
            "LOCALHOST",
            "shop.example",
            "Shop.Example:8700",
            "restage.local:8700",
        ] {
            assert!(hosts.has(own), "{own}");
        }
        for other in [
            "",
            "evil.example",
            "evil.example:8700",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8700",
            "shop.example.evil.example",
            "127.0.0.1:8700:9",
        ] {
            assert!(!hosts.has(other), "{other}");
        }
    }
}
