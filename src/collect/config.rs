//! What a collector may be told: keys, origins, limits. A TOML file; every table may be left out.

use crate::http::keyed::Secret;
use crate::http::proxy::Trusted;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// An example with comments, as text.
pub const EXAMPLE: &str = include_str!("../../data/collect.toml");

/// Keys, origins, limits.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Keys that pages carry: they are public, and tell shops from each other.
    pub write_keys: BTreeSet<String>,
    /// Keys of servers by name, each with the secret that they sign with.
    pub secrets: BTreeMap<String, Secret>,
    /// Pages that may send, as `https://shop.example`.
    pub origins: BTreeSet<String>,
    /// Proxies whose word on where a request came from is believed.
    pub trusted_proxies: Trusted,
    /// Names that this machine answers to, where it listens for itself alone.
    pub hosts: BTreeSet<String>,
    /// Who may send orders.
    pub orders: Orders,
    /// What tokens are signed with and ids are hashed by; drawn anew at every start if it is not given.
    pub token_secret: Option<Secret>,
    /// Whether visitors' ids are hashed before anything is written.
    pub hash_visitors: bool,
    /// How much may be sent.
    pub limits: Limits,
}

/// Who may send `purchase` and `refund`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orders {
    /// Whoever may send anything: with the key of a page, anyone, of any worth.
    #[default]
    Any,
    /// Servers alone.
    Servers,
}

/// How much may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a body from a browser, decompressed.
    pub browser_body_bytes: usize,
    /// Bytes of a body from a server, decompressed.
    pub server_body_bytes: usize,
    /// Events in a batch.
    pub events_per_batch: usize,
    /// Events a second for each browser's address and key.
    pub browser_events_per_second: u32,
    /// Events a second for each server's key.
    pub server_events_per_second: u32,
    /// Events that may come at once, as seconds of the rate.
    pub burst_seconds: u32,
    /// Bytes of batches that may be on their way, from the request to the disk.
    pub waiting_bytes: usize,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            browser_body_bytes: 64 << 10,
            server_body_bytes: 1 << 20,
            events_per_batch: 500,
            browser_events_per_second: 100,
            server_events_per_second: 100_000,
            burst_seconds: 10,
            waiting_bytes: 32 << 20,
            connections: 10_000,
        }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct File {
    keys: Keys,
    origins: BTreeSet<String>,
    trusted_proxies: Trusted,
    hosts: BTreeSet<String>,
    tokens: Tokens,
    visitors: Visitors,
    limits: Limits,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Keys {
    write: BTreeSet<String>,
    servers: BTreeMap<String, String>,
    orders: Orders,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Tokens {
    secret: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Visitors {
    hash: bool,
}

/// Why a file will not do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is no such file: the parser's words, with the line.
    #[error("{0}")]
    Form(#[from] toml::de::Error),
    /// A secret that could be guessed.
    #[error("{0} is shorter than {min} bytes", min = Secret::BYTES_MIN)]
    Short(String),
    /// A key that cannot stand on a page, or is none.
    #[error("`{0}` is no key: it has letters, digits, `-`, `_` and `.`, at most 128 of them")]
    Key(String),
    /// An origin that no browser sends.
    #[error("`{0}` is no origin: write it as https://shop.example, without a path, never `*`")]
    Origin(String),
    /// Ids hashed by a key that is another one at the next start.
    #[error(
        "visitors.hash needs tokens.secret: else the same visitor is another one after a restart"
    )]
    NoSecret,
    /// A limit of nothing.
    #[error("limits.{0} may not be 0")]
    Zero(&'static str),
    /// A body that is allowed, and would leave no room for another.
    #[error(
        "limits.waiting_bytes is {waiting}, less than twice the largest body ({body} bytes): there would be no room for one beside another"
    )]
    Narrow {
        /// Bytes that may be on their way.
        waiting: usize,
        /// Bytes of the largest body.
        body: usize,
    },
}

impl Config {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(text: &str) -> Result<Config, ConfigError> {
        let file: File = toml::from_str(text)?;
        for origin in &file.origins {
            let host = ["http://", "https://"]
                .iter()
                .find_map(|s| origin.strip_prefix(s));
            let bad = |c: char| c == '/' || c == '*' || c.is_whitespace() || c.is_uppercase();
            if host.is_none_or(|host| host.is_empty() || host.contains(bad)) {
                return Err(ConfigError::Origin(origin.clone()));
            }
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_key = |key: &str| matches!(key.len(), 1..=128) && key.chars().all(is_plain);
        let mut keys = file.keys.write.iter().chain(file.keys.servers.keys());
        if let Some(key) = keys.find(|key| !is_key(key)) {
            return Err(ConfigError::Key(key.clone()));
        }
        let secret = |name: String, text: &str| {
            let secret = Secret::of(text.as_bytes());
            secret.ok_or(ConfigError::Short(name))
        };
        let mut secrets = BTreeMap::new();
        for (name, text) in &file.keys.servers {
            let known = secret(format!("the secret of keys.servers.{name}"), text)?;
            secrets.insert(name.clone(), known);
        }
        let token_secret = file.tokens.secret.as_ref();
        let token_secret = token_secret.map(|text| secret("tokens.secret".into(), text));
        let token_secret = token_secret.transpose()?;
        if file.visitors.hash && token_secret.is_none() {
            return Err(ConfigError::NoSecret);
        }
        let limits = file.limits;
        for (name, is_zero) in [
            ("browser_body_bytes", limits.browser_body_bytes == 0),
            ("server_body_bytes", limits.server_body_bytes == 0),
            ("events_per_batch", limits.events_per_batch == 0),
            (
                "browser_events_per_second",
                limits.browser_events_per_second == 0,
            ),
            (
                "server_events_per_second",
                limits.server_events_per_second == 0,
            ),
            ("burst_seconds", limits.burst_seconds == 0),
            ("waiting_bytes", limits.waiting_bytes == 0),
            ("connections", limits.connections == 0),
        ] {
            if is_zero {
                return Err(ConfigError::Zero(name));
            }
        }
        let body = limits.browser_body_bytes.max(limits.server_body_bytes);
        let waiting = limits.waiting_bytes;
        if waiting / 2 < body {
            return Err(ConfigError::Narrow { waiting, body });
        }
        Ok(Config {
            write_keys: file.keys.write,
            secrets,
            origins: file.origins,
            trusted_proxies: file.trusted_proxies,
            hosts: file.hosts,
            orders: file.keys.orders,
            token_secret,
            hash_visitors: file.visitors.hash,
            limits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_read_and_an_empty_file_has_the_defaults() {
        let example = Config::read(EXAMPLE).unwrap();
        assert_eq!(example.limits, Limits::default());
        assert!(!example.write_keys.is_empty() && !example.secrets.is_empty());
        assert_eq!(Config::read("").unwrap().limits, Limits::default());
    }

    #[test]
    fn what_will_not_do_is_said() {
        for (text, said) in [
            ("origins = [\"*\"]", "no origin"),
            ("origins = [\"https://a.example/\"]", "no origin"),
            ("[keys]\nwrite = [\"\"]", "no key"),
            ("[keys]\nwrite = [\"a\\\"b\"]", "no key"),
            ("[keys]\norders = \"all\"", "servers"),
            ("[keys]\nservers = { erp = \"short\" }", "keys.servers.erp"),
            ("[tokens]\nsecret = \"short\"", "tokens.secret"),
            ("[visitors]\nhash = true", "needs tokens.secret"),
            ("[limits]\nconnections = 0", "limits.connections"),
            ("[limits]\nconections = 7", "conections"),
            ("[limits]\nwaiting_bytes = 1048576", "twice the largest"),
            ("trusted_proxies = [\"10.0.0.0/40\"]", "10.0.0.0/8"),
        ] {
            let error = Config::read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
