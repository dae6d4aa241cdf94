//! Keyed hashes (HMAC-SHA-256, RFC 2104) and their text.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A keyed hash.
pub type Digest = [u8; 32];

/// A key that is kept secret; it is never shown.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Fewest bytes of a secret.
    pub const BYTES_MIN: usize = 16;

    /// A secret of these bytes; none if they are too few to be one.
    pub fn of(bytes: &[u8]) -> Option<Secret> {
        (bytes.len() >= Secret::BYTES_MIN).then(|| Secret(bytes.to_vec()))
    }

    /// A new secret from the system's randomness.
    ///
    /// # Errors
    /// When the system has none.
    pub fn random() -> std::io::Result<Secret> {
        Ok(Secret(random::<32>()?.to_vec()))
    }

    /// The hash of parts, each with its length, so that no two lists of parts have the same.
    pub fn hash(&self, parts: &[&[u8]]) -> Digest {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether this is the hash of the parts, in a time that does not tell how much of it is right.
    pub fn is_hash(&self, parts: &[&[u8]], hash: &[u8]) -> bool {
        self.mac(parts).verify_slice(hash).is_ok()
    }

    /// Whether this is the hash of a text as it is, likewise.
    pub fn signs(&self, text: &[&[u8]], signature: &[u8]) -> bool {
        let mut mac = self.new_mac();
        text.iter().for_each(|part| mac.update(part));
        mac.verify_slice(signature).is_ok()
    }

    /// The hash of a text as it is.
    pub fn sign(&self, text: &[&[u8]]) -> Digest {
        let mut mac = self.new_mac();
        text.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.new_mac();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac
    }

    fn new_mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("a key may have any length")
    }
}

/// Bytes of the system's randomness.
///
/// # Errors
/// When the system has none.
pub fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Hexadecimal back to bytes.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| (digit as char).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| Some((nibble(pair[0])? << 4 | nibble(pair[1])?) as u8))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        let secret = Secret::of(&[0x0b; 20]).unwrap();
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        let signature = secret.sign(&[b"Hi ", b"There"]);
        assert_eq!(hex(&signature), expected);
        assert!(secret.signs(&[b"Hi There"], &unhex(expected).unwrap()));
        assert!(!secret.signs(&[b"Hi There."], &signature));
    }

    #[test]
    fn where_parts_end_matters() {
        let secret = Secret::of(&[7; 32]).unwrap();
        assert_ne!(secret.hash(&[b"ab", b"c"]), secret.hash(&[b"a", b"bc"]));
        let hash = secret.hash(&[b"ab", b"c"]);
        assert!(secret.is_hash(&[b"ab", b"c"], &hash));
        assert!(!secret.is_hash(&[b"ab", b"c"], &hash[..31]));
    }

    #[test]
    fn hexadecimal_comes_back() {
        assert_eq!(unhex(&hex(&[0, 255, 16])).unwrap(), [0, 255, 16]);
        assert!(unhex("abc").is_none() && unhex("zz").is_none() && unhex("é").is_none());
        assert!(Secret::of(b"short").is_none());
    }
}
