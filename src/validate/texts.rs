//! Ids that are probably not what they were meant to be: white space around them, or control
//! characters within. Such ids are kept as they are, and `a` and `a ` are then two visitors.

/// Whether an id looks odd. An absent one does not.
pub(super) fn is_odd(id: &[u8]) -> bool {
    if id.iter().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return false;
    }
    match std::str::from_utf8(id) {
        Ok(text) => text.trim() != text || text.contains(char::is_control),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_around_and_control_within_are_odd() {
        for odd in [" a", "a\t", "\u{a0}a", "a\u{7}b", "a\u{85}b", "\n"] {
            assert!(is_odd(odd.as_bytes()), "{odd:?}");
        }
        for fine in ["", "a", "a b", "straße", "日本", "#!?"] {
            assert!(!is_odd(fine.as_bytes()), "{fine:?}");
        }
        assert!(is_odd(b"\xff"));
    }
}
