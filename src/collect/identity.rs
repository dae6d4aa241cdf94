//! Under which name a visitor is written down.
//!
//! With full consent it is the visitor's own id, or its keyed hash where the shop wants that. With
//! consent for the session it is a keyed hash of the visitor and of the session, so nothing connects one
//! visit with the next. With none nothing is written at all. A browser that says Global Privacy Control
//! (`Sec-GPC: 1`) or Do Not Track (`DNT: 1`) never counts for more than the session.

use crate::http::keyed::{Secret, hex};
use axum::http::HeaderMap;

/// What a visitor has agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consent {
    /// To nothing.
    None,
    /// To being known for this visit.
    Session,
    /// To being known again.
    Full,
}

impl Consent {
    /// By its name.
    pub fn parse(name: &str) -> Option<Consent> {
        match name {
            "none" => Some(Consent::None),
            "session" => Some(Consent::Session),
            "full" => Some(Consent::Full),
            _ => None,
        }
    }

    /// The most that a browser's signals allow.
    pub fn allowed(headers: &HeaderMap) -> Consent {
        let says = |name: &str| headers.get(name).is_some_and(|value| value == "1");
        match says("sec-gpc") || says("dnt") {
            true => Consent::Session,
            false => Consent::Full,
        }
    }
}

/// Names visitors.
#[derive(Clone, Debug)]
pub struct Naming {
    secret: Secret,
    hashes: bool,
}

impl Naming {
    /// By a secret; `hashes` if ids are hashed in any case.
    pub fn of(secret: Secret, hashes: bool) -> Naming {
        Naming { secret, hashes }
    }

    /// The secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Whether a text has the form of a keyed hash of ours, as it stands in the lane.
    pub fn is_hash(text: &str) -> bool {
        let hash = text.strip_prefix("s-").or(text.strip_prefix("v-"));
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        hash.is_some_and(|hash| hash.len() == 24 && hash.bytes().all(is_digit))
    }

    /// The name of a visitor in a session, as far as it was agreed to; none without consent.
    pub fn name(&self, visitor: &str, session: &str, consent: Consent) -> Option<String> {
        match consent {
            Consent::None => None,
            Consent::Session => {
                let parts = [b"session", visitor.as_bytes(), session.as_bytes()];
                Some(format!("s-{}", hex(&self.secret.hash(&parts)[..12])))
            }
            Consent::Full if self.hashes => {
                let hash = self.secret.hash(&[b"visitor", visitor.as_bytes()]);
                Some(format!("v-{}", hex(&hash[..12])))
            }
            Consent::Full => Some(visitor.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_known_again_only_with_full_consent() {
        let secret = Secret::of(&[3; 32]).unwrap();
        let plain = Naming::of(secret.clone(), false);
        let hashed = Naming::of(secret, true);
        assert_eq!(plain.name("ann", "1", Consent::Full).unwrap(), "ann");
        assert_eq!(plain.name("ann", "1", Consent::None), None);
        let monday = plain.name("ann", "1", Consent::Session).unwrap();
        assert_eq!(plain.name("ann", "1", Consent::Session).unwrap(), monday);
        assert_ne!(plain.name("ann", "2", Consent::Session).unwrap(), monday);
        let name = hashed.name("ann", "1", Consent::Full).unwrap();
        assert!(Naming::is_hash(&name) && Naming::is_hash(&monday) && !Naming::is_hash("v-ann"));
        assert!(!name.contains("ann") && name == hashed.name("ann", "2", Consent::Full).unwrap());
    }

    #[test]
    fn a_browsers_signal_lowers_consent() {
        let mut headers = HeaderMap::new();
        assert_eq!(Consent::allowed(&headers), Consent::Full);
        headers.insert("dnt", "0".parse().unwrap());
        assert_eq!(Consent::allowed(&headers), Consent::Full);
        headers.insert("sec-gpc", "1".parse().unwrap());
        assert_eq!(Consent::allowed(&headers), Consent::Session);
    }
}
