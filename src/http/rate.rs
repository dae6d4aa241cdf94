//! How much a sender may send: a bucket of events for each, refilled at a steady rate.
//!
//! Buckets are kept by a hash of the sender, as many as [`SENDERS_MAX`]; beyond that the fullest of a
//! few go, who lose least by beginning anew. Cost: a lookup under a lock.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;
use std::time::Instant;

/// Most senders that are remembered.
pub const SENDERS_MAX: usize = 65_536;
/// So many are looked at for one to be forgotten.
const LOOKED_AT: usize = 8;

/// Buckets by sender.
pub struct Rates {
    per_second: f64,
    most: f64,
    hasher: RandomState,
    buckets: Mutex<HashMap<u64, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    /// So many events a second, and so many at once.
    pub fn of(per_second: u32, most: u32) -> Rates {
        Rates {
            per_second: f64::from(per_second),
            most: f64::from(most),
            hasher: RandomState::new(),
            buckets: Mutex::default(),
        }
    }

    /// Takes so much from a sender's bucket; else says in how many seconds there will be enough.
    ///
    /// # Errors
    /// The seconds.
    pub fn take(&self, sender: impl Hash, count: u32, now: Instant) -> Result<(), u64> {
        let sender = self.hasher.hash_one(sender);
        let Ok(mut buckets) = self.buckets.lock() else {
            return Err(1);
        };
        if buckets.len() >= SENDERS_MAX && !buckets.contains_key(&sender) {
            let some = buckets.iter().take(LOOKED_AT);
            let fullest = some.max_by(|a, b| a.1.left.total_cmp(&b.1.left));
            if let Some(fullest) = fullest.map(|(sender, _)| *sender) {
                buckets.remove(&fullest);
            }
        }
        let bucket = buckets.entry(sender).or_insert(Bucket {
            left: self.most,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + passed * self.per_second).min(self.most);
        bucket.at = now;
        let wanted = f64::from(count);
        if bucket.left >= wanted {
            bucket.left -= wanted;
            return Ok(());
        }
        let missing = wanted.min(self.most) - bucket.left;
        Err(((missing / self.per_second).ceil() as u64).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let rates = Rates::of(10, 20);
        let now = Instant::now();
        assert_eq!(rates.take("a", 20, now), Ok(()));
        assert_eq!(rates.take("a", 15, now), Err(2));
        assert_eq!(rates.take("b", 15, now), Ok(()), "another sender");
        let later = now + Duration::from_secs(2);
        assert_eq!(rates.take("a", 15, later), Ok(()));
        assert_eq!(rates.take("a", 6, later), Err(1));
    }

    #[test]
    fn no_more_senders_are_remembered_than_there_is_room_for() {
        let rates = Rates::of(1, 5);
        let now = Instant::now();
        for sender in 0..SENDERS_MAX + 1_000 {
            assert_eq!(rates.take(sender, 1, now), Ok(()));
        }
        assert_eq!(rates.buckets.lock().unwrap().len(), SENDERS_MAX);
    }
}
