//! A visitor as a person: inclinations that last, and what is remembered from visit to visit.
//!
//! Invariant: a cart holds an item once. Cost: some 130 bytes, and the cart where there is one.

use super::catalogue::{CategoryNo, ItemNo};
use super::record::VisitorNo;
use crate::rng::Rng;

/// Most lines in a cart.
const LINES_MAX: usize = 30;
/// Items that a visitor remembers having seen.
const SEEN_MAX: usize = 8;

/// Some units of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CartLine {
    /// Of which item.
    pub item: ItemNo,
    /// How many.
    pub units: u32,
}

/// What stays of a visitor between visits.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Who it is.
    pub number: VisitorNo,
    /// Visits before this one.
    pub earlier_visits: u32,
    /// What the visitor means to buy, perhaps.
    pub cart: Vec<CartLine>,
    /// The items seen last, in no order; the first `seen_len` count.
    seen: [ItemNo; SEEN_MAX],
    seen_len: usize,
    /// The category looked at last.
    pub interest: Option<CategoryNo>,
    /// Inclination to buy, standard normal over visitors.
    pub appetite: f64,
    /// How long the visitor bears with the shop; median 1.
    pub patience: f64,
    /// How much a high price deters, 0–1.
    pub thrift: f64,
}

impl Visitor {
    /// Somebody who has never been here.
    pub fn new(number: VisitorNo, rng: &mut Rng) -> Visitor {
        Visitor {
            number,
            earlier_visits: 0,
            cart: Vec::new(),
            seen: [ItemNo(0); SEEN_MAX],
            seen_len: 0,
            interest: None,
            appetite: rng.normal(),
            patience: rng.log_normal(1.0, 0.8),
            thrift: rng.unit(),
        }
    }

    /// Takes note of an item; an older one may be forgotten for it.
    pub fn see(&mut self, item: ItemNo, rng: &mut Rng) {
        if self.seen[..self.seen_len].contains(&item) {
            return;
        }
        if self.seen_len < SEEN_MAX {
            self.seen[self.seen_len] = item;
            self.seen_len += 1;
        } else {
            self.seen[rng.below(SEEN_MAX as u32) as usize] = item;
        }
    }

    /// One of the items seen before, if there is one.
    pub fn recall(&self, rng: &mut Rng) -> Option<ItemNo> {
        let seen = &self.seen[..self.seen_len];
        (!seen.is_empty()).then(|| seen[rng.below(seen.len() as u32) as usize])
    }

    /// Whether the cart takes an item: it is not full, and the item not yet in it.
    pub fn has_room_for(&self, item: ItemNo) -> bool {
        self.cart.len() < LINES_MAX && self.cart.iter().all(|line| line.item != item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_remembers_the_last_few_items() {
        let mut rng = Rng::new(1);
        let mut visitor = Visitor::new(VisitorNo(0), &mut rng);
        assert_eq!(visitor.recall(&mut rng), None);
        for _ in 0..2 {
            visitor.see(ItemNo(7), &mut rng);
        }
        assert_eq!(visitor.seen_len, 1);
        assert_eq!(visitor.recall(&mut rng), Some(ItemNo(7)));
        for number in 0..100 {
            visitor.see(ItemNo(number), &mut rng);
        }
        assert_eq!(visitor.seen_len, SEEN_MAX);
        assert!(visitor.seen.contains(&ItemNo(99)));
    }

    #[test]
    fn a_cart_holds_an_item_once_and_fills_up() {
        let mut visitor = Visitor::new(VisitorNo(0), &mut Rng::new(1));
        for number in 0..LINES_MAX as u32 {
            assert!(visitor.has_room_for(ItemNo(number)));
            visitor.cart.push(CartLine {
                item: ItemNo(number),
                units: 1,
            });
            assert!(!visitor.has_room_for(ItemNo(number)));
        }
        assert!(!visitor.has_room_for(ItemNo(99)));
    }
}
