//! A list of products for a visit: what a ranker proposes, less what may not be shown, with what the
//! shop wants moved.
//!
//! A ranker proposes items, best first ([`super::propose`]); what it is short of comes from what trends
//! (but for `catalogue`) and then from the catalogue's own order, so that a first visit has a full list,
//! too. Of the proposals those are left out that are not for sale,
//! leave less than the least margin, or are excluded by the policy (bought in this visit, in the cart,
//! viewed). Where the policy moves anything, the first [`POOL_MAX`] that remain are moved: an item that is
//! boosted moves up by so many places, one that is buried goes behind all that are not. Then a category's
//! items beyond its cap are left out, and the list is cut. Pinned items come first, in the policy's order, under the same
//! exclusions; the cap counts them.
//!
//! A page that must be left alone for now keeps its list, which is only mended ([`mend`]): what may not
//! be shown any more leaves, the rest keeps its order, and what is missing then is filled up behind it.
//!
//! Everything is compared as integers, and ties stand in the ranker's order. Invariant: no item
//! stands twice. Cost: what is looked at, at most [`RANKED_MAX`] and
//! [`LOOKED_AT_MAX`], times the list; a few µs for lists of
//! a dozen, tens of µs where the policy moves items.

use super::super::rank::Ranker;
use super::super::session::Session;
use super::browsed::Browsed;
use super::catalogue::Product;
use super::propose::{Room, Sources};
use super::shelf::Shelf;
use crate::event::Id;

/// Most products of a list.
pub const PRODUCTS_MAX: usize = 64;
/// Most proposals that are moved and cut.
pub const POOL_MAX: usize = 256;
/// Most of a ranker's proposals that are looked at: it may have thousands of one category.
pub const RANKED_MAX: usize = 512;
/// Most items of the catalogue's order that are looked at.
pub const LOOKED_AT_MAX: usize = 4_096;

/// What an instruction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An item.
    Item(Id),
    /// A category's items.
    Category(Id),
}

impl Target {
    fn meets(&self, item: Id, product: &Product) -> bool {
        match *self {
            Target::Item(id) => id == item,
            Target::Category(id) => id == product.category,
        }
    }
}

/// What a slot's lists look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSpec {
    /// Products of a list, at most.
    pub count: usize,
    /// Whether what was bought in this visit is left out.
    pub no_bought: bool,
    /// Whether what is in the cart is left out.
    pub no_cart: bool,
    /// Whether what was viewed in this visit is left out.
    pub no_viewed: bool,
    /// Most products of one category; 0 is any number.
    pub per_category: usize,
    /// Least margin over price, in millionths; items of unknown margin or price pass.
    pub margin_min_ppm: i64,
    /// Items that come first.
    pub pin: Vec<Id>,
    /// What moves up, by how many places; the first that meets an item counts.
    pub boost: Vec<(Target, i64)>,
    /// What comes last.
    pub bury: Vec<Target>,
}

/// The visit for which a list is made.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// What it has done with items.
    pub browsed: &'a Browsed,
    /// Its session, for what is in the cart and what was viewed.
    pub session: &'a Session,
}

/// Makes a list: the numbers of the products, first to last.
pub fn list(
    spec: &ListSpec,
    ranker: Ranker,
    sources: &Sources<'_>,
    whom: For<'_>,
    room: &mut Room,
) -> Vec<u32> {
    mend(spec, ranker, sources, whom, &[], room)
}

/// Mends a list that is shown: what may not be shown any more goes, what remains keeps its order, and
/// behind it come, up to the length of a list, what is pinned and what the ranker proposes now.
pub fn mend(
    spec: &ListSpec,
    ranker: Ranker,
    sources: &Sources<'_>,
    whom: For<'_>,
    shown: &[u32],
    room: &mut Room,
) -> Vec<u32> {
    let shelf = sources.shelf;
    let moves = !(spec.boost.is_empty() && spec.bury.is_empty());
    let mut maker = Maker {
        spec,
        shelf,
        whom,
        taken: Vec::with_capacity(if moves { POOL_MAX } else { spec.count }),
        moves,
        full: Vec::new(),
    };
    maker.propose(shown.iter().copied());
    if maker.taken.len() == spec.count {
        // Nothing is missing; with what is moved, the cap was kept when the list was made.
        return maker.taken;
    }
    let pinned = spec.pin.iter();
    let pinned = pinned.filter_map(|item| shelf.number(*item));
    maker.propose(pinned);
    let fixed = maker.taken.len();
    maker.ranked(ranker, sources, room);
    // What the ranker is short of. The catalogue's order is that alone, whatever other arms learn.
    if ranker != Ranker::Catalogue {
        maker.ranked(Ranker::Trending, sources, room);
    }
    maker.propose(shelf.by_order().iter().copied().take(LOOKED_AT_MAX));
    if moves {
        maker.arrange(fixed);
        maker.cut();
    }
    maker.taken
}

struct Maker<'a> {
    spec: &'a ListSpec,
    shelf: &'a Shelf,
    whom: For<'a>,
    taken: Vec<u32>,
    /// Whether proposals are moved before they are cut; else they are cut as they come.
    moves: bool,
    /// How often each category is on the list.
    full: Vec<(Id, usize)>,
}

impl Maker<'_> {
    /// Takes what may be shown of some proposals, until there are enough.
    fn propose(&mut self, proposals: impl Iterator<Item = u32>) {
        for number in proposals {
            if self.is_complete() {
                return;
            }
            let may = self.may_show(number) && !self.taken.contains(&number);
            if may && (self.moves || self.has_room(number)) {
                self.taken.push(number);
            }
        }
    }

    fn may_show(&self, number: u32) -> bool {
        let Some(product) = self.shelf.product(number) else {
            return false;
        };
        let spec = self.spec;
        let rich = match product.margin {
            Some(margin) if product.price > 0 => {
                let least = i128::from(spec.margin_min_ppm) * i128::from(product.price);
                i128::from(margin) * 1_000_000 >= least
            }
            _ => true,
        };
        if !product.is_for_sale() || !rich {
            return false;
        }
        let item = self.shelf.catalogue().id(number);
        if spec.no_bought && self.whom.browsed.bought().contains(&item) {
            return false;
        }
        if !spec.no_cart && !spec.no_viewed {
            return true;
        }
        let session = self.whom.session;
        let known = session.touched.find(item);
        known.is_none_or(|at| {
            !(spec.no_cart && session.in_cart(item)
                || spec.no_viewed && session.touched.views(at) > 0)
        })
    }

    /// Takes what may be shown of what a ranker proposes.
    fn ranked(&mut self, ranker: Ranker, sources: &Sources<'_>, room: &mut Room) {
        let (trail, mut looked_at) = (self.whom.browsed.trail(), 0);
        sources.propose(ranker, trail, room, |number| {
            self.propose([number].into_iter());
            looked_at += 1;
            // All of one category: there is room for none of them, or for the next.
            let category = self.shelf.product(number).map(|product| product.category);
            let full = ranker == Ranker::PriceMatch && category.is_some_and(|c| self.is_full(c));
            looked_at < RANKED_MAX && !self.is_complete() && !full
        });
    }

    fn is_complete(&self) -> bool {
        self.taken.len() == self.enough()
    }

    /// How many are wanted before they are moved and cut.
    fn enough(&self) -> usize {
        if self.moves {
            POOL_MAX
        } else {
            self.spec.count
        }
    }

    /// Moves what the shop wants moved; what is pinned stays.
    fn arrange(&mut self, pinned: usize) {
        let spec = self.spec;
        let free = &mut self.taken[pinned..];
        let mut keyed: Vec<(bool, i64, i64, u32)> = Vec::with_capacity(free.len());
        for (place, &number) in (0i64..).zip(&*free) {
            let item = self.shelf.catalogue().id(number);
            let product = self.shelf.product(number).copied().unwrap_or_default();
            let boost = spec
                .boost
                .iter()
                .find(|(what, _)| what.meets(item, &product));
            let buried = spec.bury.iter().any(|what| what.meets(item, &product));
            let moved = place - boost.map_or(0, |(_, places)| *places);
            keyed.push((buried, moved, place, number));
        }
        keyed.sort_unstable();
        for (number, (.., moved)) in free.iter_mut().zip(keyed) {
            *number = moved;
        }
    }

    /// No more than asked for, and no more of a category than may be.
    fn cut(&mut self) {
        let (moved, count) = (std::mem::take(&mut self.taken), self.spec.count);
        let kept = moved.into_iter().filter(|number| self.has_room(*number));
        self.taken = kept.take(count).collect();
    }

    /// Whether the list has as many of a category as it may have.
    fn is_full(&self, category: Id) -> bool {
        let most = self.spec.per_category;
        let full = |(known, count): &(Id, usize)| *known == category && *count == most;
        most > 0 && self.full.iter().any(full)
    }

    /// Whether there is room for one more of an item's category, which is taken then.
    fn has_room(&mut self, number: u32) -> bool {
        let category = self.shelf.product(number).map_or(Id::NONE, |p| p.category);
        if self.spec.per_category == 0 || category.is_none() {
            return true;
        }
        if self.is_full(category) {
            return false;
        }
        match self.full.iter_mut().find(|(known, _)| *known == category) {
            Some((_, count)) => *count += 1,
            None => self.full.push((category, 1)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::{Builder, Statement};
    use super::super::testing::event;
    use super::*;
    use crate::event::Kind;
    use crate::visit::session::SessionLimits;
    use std::sync::Arc;

    /// Items `0`, `1`, … of category number % 3, dearer from one to the next.
    fn shelf(items: u32) -> Shelf {
        let mut builder = Builder::default();
        for item in 0..items {
            builder.say(&Statement {
                item: item.to_string().as_bytes(),
                category: Some((item % 3).to_string().as_bytes()),
                price: Some(1_000_000 * i64::from(item + 1)),
                margin: Some(100_000 * i64::from(item + 1)),
                stock: (item == 4).then_some(0),
                ..Statement::default()
            });
        }
        Shelf::new(Arc::new(builder.build("shop", b"")), 1_000)
    }

    fn id(text: &str) -> Id {
        Id::of(text.as_bytes())
    }

    /// A visit that did these things.
    fn visit(acts: &[(Kind, &str)]) -> (Browsed, Session) {
        let (mut browsed, mut session) = (Browsed::default(), Session::default());
        for (kind, item) in acts {
            let event = event(*kind, id(item));
            browsed.observe(&event, &session);
            let limits = SessionLimits {
                items_max: 128,
                categories_max: 64,
            };
            session.observe(&event, &limits);
        }
        (browsed, session)
    }

    /// What is made for a visit that did these things.
    fn made_for(
        acts: &[(Kind, &str)],
        make: impl FnOnce(&Sources<'_>, For<'_>, &mut Room) -> Vec<u32>,
    ) -> Vec<u32> {
        let (shelf, (browsed, session)) = (shelf(12), visit(acts));
        let whom = For {
            browsed: &browsed,
            session: &session,
        };
        let sources = Sources {
            shelf: &shelf,
            learned: None,
        };
        make(&sources, whom, &mut Room::default())
    }

    fn made(spec: &ListSpec, ranker: Ranker, acts: &[(Kind, &str)]) -> Vec<u32> {
        made_for(acts, |sources, whom, room| {
            list(spec, ranker, sources, whom, room)
        })
    }

    fn spec(count: usize) -> ListSpec {
        ListSpec {
            count,
            ..ListSpec::default()
        }
    }

    #[test]
    fn a_first_visit_gets_the_catalogue_less_what_is_sold_out() {
        for (ranker, _) in Ranker::ALL {
            assert_eq!(made(&spec(6), ranker, &[]), [0, 1, 2, 3, 5, 6]);
        }
    }

    #[test]
    fn a_price_is_matched_within_the_category() {
        let acts = [(Kind::ItemView, "2"), (Kind::ItemView, "7")];
        // 7 is of category 1 and costs 8: the others cost 2, 5 (sold out), 11.
        assert_eq!(made(&spec(4), Ranker::PriceMatch, &acts), [10, 1, 0, 2]);
        // An item that the shop does not know is passed over.
        let acts = [(Kind::ItemView, "7"), (Kind::ItemView, "stranger")];
        assert_eq!(made(&spec(2), Ranker::PriceMatch, &acts), [10, 1]);
    }

    #[test]
    fn what_was_bought_carted_or_viewed_is_left_out_if_asked() {
        let acts = [
            (Kind::AddToCart, "0"),
            (Kind::Purchase, ""),
            (Kind::AddToCart, "1"),
            (Kind::ItemView, "2"),
        ];
        let with = |no_bought, no_cart, no_viewed| {
            let spec = ListSpec {
                no_bought,
                no_cart,
                no_viewed,
                ..spec(3)
            };
            made(&spec, Ranker::Catalogue, &acts)
        };
        assert_eq!(with(false, false, false), [0, 1, 2]);
        assert_eq!(with(true, false, false), [1, 2, 3]);
        assert_eq!(with(false, true, false), [0, 2, 3]);
        assert_eq!(with(true, true, true), [3, 5, 6]);
    }

    #[test]
    fn the_shop_pins_boosts_buries_and_caps() {
        let spec = ListSpec {
            pin: vec![id("9"), id("4"), id("nothing")],
            boost: vec![(Target::Item(id("7")), 4)],
            bury: vec![Target::Category(id("0"))],
            ..spec(6)
        };
        // 9 is pinned although its category is buried; 4 is sold out; 7 stood at place 6 of 0 to 8.
        assert_eq!(made(&spec, Ranker::Catalogue, &[]), [9, 1, 2, 7, 5, 8]);
        let capped = ListSpec {
            per_category: 1,
            ..spec
        };
        assert_eq!(made(&capped, Ranker::Catalogue, &[]), [9, 1, 2]);
    }

    #[test]
    fn a_list_that_is_mended_keeps_its_order() {
        let mended = |spec: &ListSpec, shown: &[u32]| {
            made_for(&[(Kind::AddToCart, "1")], |sources, whom, room| {
                mend(spec, Ranker::Catalogue, sources, whom, shown, room)
            })
        };
        let spec = ListSpec {
            no_cart: true,
            ..spec(4)
        };
        // 4 is sold out, 1 in the cart.
        assert_eq!(mended(&spec, &[9, 8, 7, 6]), [9, 8, 7, 6]);
        assert_eq!(mended(&spec, &[9, 4, 1, 6]), [9, 6, 0, 2]);
        let moved = ListSpec {
            pin: vec![id("5")],
            boost: vec![(Target::Item(id("11")), 9)],
            bury: vec![Target::Item(id("9"))],
            ..spec
        };
        assert_eq!(mended(&moved, &[9, 4, 1]), [9, 5, 11, 0]);
        let capped = ListSpec {
            per_category: 1,
            ..moved
        };
        assert_eq!(mended(&capped, &[9, 4, 1]), [9, 5, 7]);
    }

    #[test]
    fn a_least_margin_keeps_out_what_leaves_less() {
        let spec = ListSpec {
            margin_min_ppm: 100_000,
            ..spec(2)
        };
        assert_eq!(made(&spec, Ranker::Catalogue, &[]), [0, 1]);
        let spec = ListSpec {
            margin_min_ppm: 100_001,
            ..spec
        };
        assert_eq!(made(&spec, Ranker::Catalogue, &[]), [] as [u32; 0]);
    }
}
