//! What a visit is or has done, yes or no: a bit each.

/// A question with yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mark {
    /// Counts as stalled.
    Stalled,
    /// Keeps the default layout.
    Holdout,
    /// Counts in its visitor's account.
    Counted,
    /// Its visitor counts among those who are compared slot by slot.
    Compared,
    /// Its visitor was found to be a bot: later sessions teach nothing.
    Bot,
    /// Teaches nothing any more.
    Muted,
    /// Put something into the cart.
    Carted,
    /// Had an order booked.
    Ordered,
    /// An addition to the cart counts for an order that may follow.
    Promised,
}

/// The answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u16);

impl Marks {
    #[inline]
    pub(super) fn has(self, mark: Mark) -> bool {
        self.0 >> mark as u8 & 1 == 1
    }

    /// Sets an answer. Returns the one before.
    #[inline]
    pub(super) fn put(&mut self, mark: Mark, is: bool) -> bool {
        let before = self.has(mark);
        self.0 = self.0 & !(1 << mark as u8) | u16::from(is) << mark as u8;
        before
    }

    pub(super) fn with(mut self, mark: Mark, is: bool) -> Marks {
        self.put(mark, is);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_apart() {
        let mut marks = Marks::default().with(Mark::Promised, true);
        assert!(!marks.put(Mark::Bot, true));
        assert!(marks.put(Mark::Promised, false));
        assert!(marks.has(Mark::Bot) && !marks.has(Mark::Promised) && !marks.has(Mark::Muted));
    }
}
