//! How much may be in the collector at a time: batches from their first byte on until they are on the disk.
//!
//! A body takes up room piece by piece as it comes in, so what a sender only announces takes none. Where there is no
//! room the batch is refused before any work went into it. Its share goes with it, through parsing, where it
//! becomes that of the lines, and to the disk, and is given back with it, whoever has gone away
//! meanwhile. Lines are longer than the events that they are made of, but not by much: they are never refused for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for so many bytes. Clones are the same.
#[derive(Clone, Debug)]
pub struct Room {
    used: Arc<AtomicUsize>,
    most: usize,
}

impl Room {
    /// Of so many bytes.
    pub fn of(most: usize) -> Room {
        Room {
            used: Arc::default(),
            most,
        }
    }

    /// Bytes that are taken up.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// A share of nothing yet.
    pub fn share(&self) -> Share {
        Share {
            room: self.clone(),
            bytes: 0,
        }
    }
}

/// What one batch takes up; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Room,
    bytes: usize,
}

impl Share {
    /// Takes up more; false if there is no room for it, and then none is held any more.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let before = self.room.used.fetch_add(bytes, Ordering::AcqRel);
        self.bytes += bytes;
        let fits = before + bytes <= self.room.most;
        if !fits {
            self.settle(0);
        }
        fits
    }

    /// Takes up so much instead.
    pub fn settle(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.room
                .used
                .fetch_add(bytes - self.bytes, Ordering::AcqRel);
        } else {
            self.room
                .used
                .fetch_sub(self.bytes - bytes, Ordering::AcqRel);
        }
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_holds_nothing_and_what_is_dropped_is_given_back() {
        let room = Room::of(100);
        let (mut one, mut other) = (room.share(), room.share());
        assert!(one.grow(40) && one.grow(30));
        assert!(other.grow(30));
        assert!(!other.grow(1), "it is full");
        assert_eq!(room.used(), 70);
        one.settle(110);
        assert_eq!(room.used(), 110, "what has been let in may come to more");
        assert!(!other.grow(1));
        one.settle(20);
        assert!(other.grow(80));
        drop(one);
        assert_eq!(room.used(), 80);
        drop(other);
        assert_eq!(room.used(), 0);
    }
}
