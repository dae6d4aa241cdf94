//! A program that reads the catalogue: item after item at machine pace, and nothing else.
//!
//! No scroll, no dwell, no cart; 100 to 500 item views some 0.2 to 0.9 s apart, in the order of
//! their numbers. Cost: one draw an event.

use super::catalogue::{Catalogue, ItemNo};
use super::record::{Act, Page, VisitorNo};
use super::shopper::on_page;
use crate::event::Kind;
use crate::rng::Rng;

/// A bot's visit that is going on.
#[derive(Clone, Debug)]
pub(super) struct Bot {
    /// When it reads the next item; ms since 1970.
    pub wake_ms: u64,
    /// Whom it looks like.
    pub visitor: VisitorNo,
    rng: Rng,
    next: ItemNo,
    left: u32,
}

impl Bot {
    /// A bot begins at `now_ms`.
    pub fn enter(visitor: VisitorNo, mut rng: Rng, now_ms: u64, stock: &Catalogue) -> Bot {
        let next = ItemNo(rng.below(stock.len()));
        let left = 100 + rng.below(401);
        Bot {
            wake_ms: now_ms,
            visitor,
            rng,
            next,
            left,
        }
    }

    /// What it does at `wake_ms`, and when next; nothing more once it has read its share.
    pub fn act(&mut self, stock: &Catalogue) -> Option<Act> {
        self.left = self.left.checked_sub(1)?;
        self.wake_ms += u64::from(200 + self.rng.below(700));
        let item = self.next;
        self.next = ItemNo((item.0 + 1) % stock.len());
        Some(on_page(Kind::ItemView, Page::Item(item), stock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_reads_hundreds_of_items_without_a_pause() {
        let stock = Catalogue::new(&mut Rng::new(1), 300, 10);
        let mut bot = Bot::enter(VisitorNo(1), Rng::new(2), 1_000, &stock);
        let mut views = 0;
        let mut last_ms = bot.wake_ms;
        while let Some(act) = bot.act(&stock) {
            views += 1;
            assert_eq!(act.kind, Kind::ItemView);
            assert!((200..900).contains(&(bot.wake_ms - last_ms)));
            last_ms = bot.wake_ms;
        }
        assert!((100..=500).contains(&views));
    }
}
