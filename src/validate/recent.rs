//! A table that remembers the latest keys, in bounded memory.
//!
//! Two generations: keys are put into the young one; when that is full it becomes the old one, and
//! the old one is forgotten. A key that is met again moves to the young one. So the latest
//! `window` keys are always remembered, and at most twice as many are held.

use crate::visit::keys::KeyMap;

/// Values by 64-bit hash, for the latest keys.
pub(super) struct Recent<V> {
    young: KeyMap<V>,
    old: KeyMap<V>,
    window: usize,
    forgotten: u64,
}

impl<V: Default> Recent<V> {
    pub(super) fn new(window: usize) -> Recent<V> {
        Recent {
            young: KeyMap::default(),
            old: KeyMap::default(),
            window: window.max(1),
            forgotten: 0,
        }
    }

    /// The value of a key; a default one where the key is new or was forgotten.
    pub(super) fn of(&mut self, key: u64) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() == self.window {
                self.forgotten += self.old.len() as u64;
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }

    /// Keys forgotten so far; some may have come again since.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl Recent<bool> {
    /// Whether the key was there; from now on it is.
    pub(super) fn seen(&mut self, key: u64) -> bool {
        std::mem::replace(self.of(key), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_keys_are_remembered_and_no_more_than_twice_as_many_held() {
        let mut recent = Recent::new(100);
        for key in 0..1000u64 {
            assert!(!recent.seen(key));
            assert!(recent.young.len() + recent.old.len() <= 200);
            assert!(recent.seen(key.saturating_sub(49)), "{key}");
        }
        assert!(!recent.seen(0));
        assert!(recent.forgotten() > 0);
    }
}
