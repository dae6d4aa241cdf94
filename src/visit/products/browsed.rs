//! What a visit has done with items, in order, as far as lists of products need it.
//!
//! The trail is the items touched, latest last, each event an entry; a reload of the item at its end
//! is none. Bounded: beyond [`TRAIL_MAX`] the oldest entries go, and of what was bought the oldest of
//! [`BOUGHT_MAX`]; rankers look at the end of the trail, and a list leaves out what was bought.
//!
//! Cost: O(1) an event; memory: 8 bytes an entry, only in policies that show products.

use super::super::session::Session;
use crate::event::{Event, Id, Kind};
use serde::{Deserialize, Serialize};

/// Most items of a trail.
pub const TRAIL_MAX: usize = 64;
/// Most items remembered as bought.
pub const BOUGHT_MAX: usize = 64;

/// What a visit has done with items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browsed {
    trail: Vec<Id>,
    bought: Vec<Id>,
}

impl Browsed {
    /// Takes an event, before the session has folded it: `session` still holds what was in the cart.
    /// Whether it matters for a list.
    pub fn observe(&mut self, event: &Event, session: &Session) -> bool {
        match event.kind {
            Kind::ItemView | Kind::Click | Kind::AddToCart => {
                let touched = !event.item.is_none();
                if touched && self.trail.last() != Some(&event.item) {
                    keep(&mut self.trail, event.item, TRAIL_MAX);
                }
                touched
            }
            Kind::RemoveFromCart => true,
            Kind::Purchase => {
                let items = session.touched.items().map(|(item, _)| item);
                let in_cart = items.filter(|item| session.in_cart(*item));
                let named = [event.item].into_iter().filter(|item| !item.is_none());
                for item in in_cart.chain(named) {
                    if !self.bought.contains(&item) {
                        keep(&mut self.bought, item, BOUGHT_MAX);
                    }
                }
                true
            }
            _ => false,
        }
    }

    /// The items touched, latest last.
    pub fn trail(&self) -> &[Id] {
        &self.trail
    }

    /// The items bought.
    pub fn bought(&self) -> &[Id] {
        &self.bought
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        (self.trail.capacity() + self.bought.capacity()) * size_of::<Id>()
    }
}

fn keep(items: &mut Vec<Id>, item: Id, most: usize) {
    if items.len() == most {
        items.remove(0);
    }
    items.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visit::session::SessionLimits;

    const LIMITS: SessionLimits = SessionLimits {
        items_max: 128,
        categories_max: 64,
    };

    fn event(kind: Kind, item: u64) -> Event {
        super::super::testing::event(kind, Id(item))
    }

    #[test]
    fn the_trail_is_what_was_touched_and_an_order_takes_the_cart() {
        let (mut browsed, mut session) = (Browsed::default(), Session::default());
        let mut take = |event: &Event| {
            let matters = browsed.observe(event, &session);
            session.observe(event, &LIMITS);
            matters
        };
        assert!(take(&event(Kind::ItemView, 1)));
        assert!(take(&event(Kind::ItemView, 1)));
        assert!(take(&event(Kind::AddToCart, 2)));
        assert!(take(&event(Kind::Click, 1)));
        assert!(!take(&event(Kind::Scroll, 1)));
        assert!(!take(&event(Kind::Click, 0)));
        // An order that names no item is for all that is in the cart.
        assert!(take(&event(Kind::Purchase, 0)));
        assert!(take(&event(Kind::Purchase, 9)));
        assert_eq!(browsed.trail(), [Id(1), Id(2), Id(1)]);
        assert_eq!(browsed.bought(), [Id(2), Id(9)]);
    }

    #[test]
    fn it_is_bounded() {
        let mut browsed = Browsed::default();
        for item in 1..1_000 {
            browsed.observe(&event(Kind::ItemView, item), &Session::default());
            browsed.observe(&event(Kind::Purchase, item), &Session::default());
        }
        assert_eq!((browsed.trail().len(), browsed.bought().len()), (64, 64));
        assert_eq!(browsed.trail().last(), Some(&Id(999)));
    }
}
