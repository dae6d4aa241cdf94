//! Tokens: who a browser speaks for, signed, so that nobody speaks for or listens to another.
//!
//! `v1.VISITOR.SINCE.ISSUED.SIGNATURE`: the visitor in hexadecimal, when the visit began and when this
//! token was issued in seconds since 1970, and a keyed hash of all three. A token holds for [`LIFE_S`];
//! whoever shows a valid one may have it renewed. A renewal keeps the begin of the visit, so that a page
//! loaded anew is not a visitor of its own under consent for the session, but for [`VISIT_S`] at most. A
//! token is no secret of the shop's: it is the browser's, as a session cookie is.

use super::keyed::{Secret, hex, random, unhex};

/// How long a token holds, in seconds.
pub const LIFE_S: u64 = 24 * 3_600;
/// How long after its begin a visit is still the same one when its token is renewed, in seconds.
pub const VISIT_S: u64 = 4 * 3_600;
/// How far its time may lie ahead of ours, in seconds.
const AHEAD_S: u64 = 60;
/// Longest token.
const BYTES_MAX: usize = 512;

/// Who a browser speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The visitor.
    pub visitor: String,
    /// When the visit began, in seconds since 1970.
    pub since_s: u64,
    /// When it was issued, in seconds since 1970.
    pub issued_s: u64,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none of ours.
    #[error("the token was not issued here")]
    Forged,
    /// It is too old.
    #[error("the token has expired")]
    Expired,
}

impl Token {
    /// A token for a visitor who is drawn anew.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn issue(now_s: u64) -> std::io::Result<Token> {
        Ok(Token {
            visitor: hex(&random::<12>()?),
            since_s: now_s,
            issued_s: now_s,
        })
    }

    /// The same for longer; for another visit, if this one has lasted for [`VISIT_S`].
    pub fn renewed(self, now_s: u64) -> Token {
        let is_same_visit = now_s.saturating_sub(self.since_s) < VISIT_S;
        Token {
            since_s: if is_same_visit { self.since_s } else { now_s },
            issued_s: now_s,
            ..self
        }
    }

    /// What tells this visit of the visitor's from others.
    pub fn visit(&self) -> String {
        self.since_s.to_string()
    }

    /// Its text.
    pub fn sign(&self, secret: &Secret) -> String {
        let visitor = hex(self.visitor.as_bytes());
        let times = format!("{}.{}", self.since_s, self.issued_s);
        let hash = secret.hash(&[b"token", self.visitor.as_bytes(), times.as_bytes()]);
        format!("v1.{visitor}.{times}.{}", hex(&hash[..16]))
    }

    /// Reads a text that was signed here.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(text: &str, secret: &Secret, now_s: u64) -> Result<Token, TokenError> {
        let forged = TokenError::Forged;
        if text.len() > BYTES_MAX {
            return Err(forged);
        }
        let mut parts = text.split('.');
        let (Some("v1"), Some(visitor), Some(since), Some(issued), Some(hash), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(forged);
        };
        let visitor = unhex(visitor).ok_or(forged)?;
        let token = Token {
            visitor: String::from_utf8(visitor).map_err(|_| forged)?,
            since_s: since.parse().map_err(|_| forged)?,
            issued_s: issued.parse().map_err(|_| forged)?,
        };
        // Written in one way only: what was signed is what is shown.
        let own = token.sign(secret);
        let known = own.rsplit('.').next().and_then(unhex).ok_or(forged)?;
        let shown = unhex(hash).ok_or(forged)?;
        if own.len() != text.len() || !is_same(&known, &shown) || own != text {
            return Err(forged);
        }
        let is_young = now_s < token.issued_s.saturating_add(LIFE_S);
        let is_past = token.issued_s <= now_s.saturating_add(AHEAD_S);
        match is_young && is_past {
            true => Ok(token),
            false => Err(TokenError::Expired),
        }
    }
}

/// In a time that does not tell how much of it is right.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    let differs = left.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    left.len() == right.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_700_000_000;

    #[test]
    fn a_token_comes_back_until_it_expires() {
        let secret = Secret::random().unwrap();
        let token = Token::issue(NOW_S).unwrap();
        let text = token.sign(&secret);
        assert_eq!(Token::read(&text, &secret, NOW_S + 5).unwrap(), token);
        let late = Token::read(&text, &secret, NOW_S + LIFE_S);
        assert_eq!(late, Err(TokenError::Expired));
        let early = Token::read(&text, &secret, NOW_S - AHEAD_S - 1);
        assert_eq!(early, Err(TokenError::Expired));
    }

    #[test]
    fn a_renewed_token_is_of_the_same_visit_for_a_while() {
        let token = Token::issue(NOW_S).unwrap();
        let mut renewed = token.clone();
        for _ in 0..10 {
            let next_s = renewed.issued_s + VISIT_S / 11;
            renewed = renewed.renewed(next_s);
        }
        assert_eq!(
            (&renewed.visitor, renewed.visit()),
            (&token.visitor, token.visit())
        );
        assert!(renewed.issued_s > token.issued_s);
        let later = renewed.renewed(NOW_S + VISIT_S);
        assert_eq!(later.visitor, token.visitor);
        assert_ne!(later.visit(), token.visit());
    }

    #[test]
    fn a_token_with_any_byte_changed_is_forged() {
        let secret = Secret::random().unwrap();
        let text = Token::issue(NOW_S).unwrap().sign(&secret);
        for at in 0..text.len() {
            for other in [b'0', b'7', b'f', b'A', b'.', b' '] {
                let mut changed = text.clone().into_bytes();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed = String::from_utf8(changed).unwrap();
                let read = Token::read(&changed, &secret, NOW_S);
                assert_eq!(read, Err(TokenError::Forged), "{changed}");
            }
        }
        let other = Secret::random().unwrap();
        assert_eq!(Token::read(&text, &other, NOW_S), Err(TokenError::Forged));
        for text in ["", "v1", "v1...", &"v1.".repeat(300), "v1.zz.1.00"] {
            assert_eq!(Token::read(text, &secret, NOW_S), Err(TokenError::Forged));
        }
    }
}
