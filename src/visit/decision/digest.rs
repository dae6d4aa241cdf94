//! The digest of decision records, which is the same in whatever order they come.

use xxhash_rust::xxh3::xxh3_128;

/// The order-independent digest of decision records: the sum, modulo 2¹²⁸, of the XXH3-128 hashes
/// of their JSON lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u128);

impl Digest {
    /// Adds a record, given as its JSON line without newline.
    #[inline]
    pub fn add(&mut self, line: &[u8]) {
        self.0 = self.0.wrapping_add(xxh3_128(line));
    }

    /// Adds another digest.
    pub fn merge(&mut self, other: Digest) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_depend_on_order() {
        let (mut one, mut two) = (Digest::default(), Digest::default());
        for line in ["a", "b", "b"] {
            one.add(line.as_bytes());
        }
        for line in ["b", "a", "b"] {
            two.add(line.as_bytes());
        }
        assert_eq!(one, two);
        one.add(b"a");
        assert_ne!(one, two);
    }
}
